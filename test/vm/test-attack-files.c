/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Attacks with descriptors, as a user without privileges
 *
 *      close   a receive that fails must neither show descriptors to other threads, nor close a
 *              descriptor that another thread has made in the meantime
 */

#include "device.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define USER 1500
#define N_FILES 253

static void become(uid_t uid) {
        EXPECT(setgid(uid) == 0 && setuid(uid) == 0);
}

static bool is_over(const struct timespec *begin, int seconds) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec - begin->tv_sec >= seconds;
}

/* Send a message with the same file several times. */
static int send_files(int peer, uint64_t handle, int file, size_t n) {
        int fds[N_FILES];
        struct bus1_message_fds message = {
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .n_fds = n,
                .ptr_fds = ptr(fds),
        };

        for (size_t i = 0; i < n; i++)
                fds[i] = file;
        return send_message(peer, handle, &message.message);
}

/* close */

static int victim_number;
static atomic_bool finished;
static atomic_ulong n_attempts, n_closed, n_seen;

/* Use one number again and again, and look at another one that this process never uses. */
static void *use_number(void *data) {
        int own = *(int *)data;

        while (!finished) {
                n_seen += fcntl(victim_number + 1, F_GETFD) >= 0;
                /* it may be reserved (EBUSY) */
                if (dup2(own, victim_number) < 0)
                        continue;
                ++n_attempts;
                for (int i = 0; i < 100; i++) {
                        if (fcntl(victim_number, F_GETFD) < 0) {
                                ++n_closed;
                                break;
                        }
                }
                close(victim_number);
        }
        return NULL;
}

static void test_close(void) {
        size_t size = (size_t)sysconf(_SC_PAGESIZE);
        int peer, file, fds[N_FILES] = {}, n_open;
        struct bus1_metadata metadata;
        struct bus1_message_fds *message;
        struct timespec begin;
        unsigned long n_failed = 0;
        uint64_t node, handle;
        pthread_t thread;

        become(USER);
        peer = peer_open();
        file = open("/dev/null", O_RDWR | O_CLOEXEC);
        EXPECT(file >= 0);
        victim_number = file + 200;
        node_create(peer, peer, &node, &handle);
        EXPECT(send_files(peer, handle, file, N_FILES) == 0);

        /* the message can be read but not written, so the last step of the receive fails */
        message = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT(message != MAP_FAILED);
        message->message = (struct bus1_message){
                .flags = BUS1_MESSAGE_FLAG_FDS,
                .type = BUS1_INVALID,
        };
        message->n_fds = N_FILES;
        message->ptr_fds = ptr(fds);
        EXPECT(mprotect(message, size, PROT_READ) == 0);

        EXPECT(pthread_create(&thread, NULL, use_number, &file) == 0);
        clock_gettime(CLOCK_MONOTONIC, &begin);
        while (!is_over(&begin, 4)) {
                int r = recv_message(peer, &message->message, 0, &metadata);

                EXPECT(r == -EFAULT);
                ++n_failed;
        }
        finished = true;
        EXPECT(pthread_join(thread, NULL) == 0);
        printf("%lu receives failed; of %lu descriptors %lu were closed; %lu seen too early\n",
               n_failed, n_attempts, n_closed, n_seen);
        EXPECT(n_attempts > 0 && n_closed == 0 && n_seen == 0);

        /* the message is still queued with all of its files */
        n_open = count_fds();
        EXPECT(mprotect(message, size, PROT_READ | PROT_WRITE) == 0);
        EXPECT(recv_message(peer, &message->message, 0, &metadata) == 0);
        EXPECT(message->n_fds == N_FILES);
        for (size_t i = 0; i < N_FILES; i++)
                EXPECT(fcntl(fds[i], F_GETFD) == FD_CLOEXEC && close(fds[i]) == 0);
        EXPECT(count_fds() == n_open);
}

int main(int argc, char **argv) {
        if (argc == 2 && strcmp(argv[1], "close") == 0) {
                test_close();
                return 0;
        }
        fprintf(stderr, "usage: %s close\n", argv[0]);
        return 2;
}
