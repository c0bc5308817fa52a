/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Attacks with descriptors, as a user without privileges
 *
 *      close     a receive that fails must neither show descriptors to other threads, nor close a
 *                descriptor that another thread has made in the meantime
 *      flight    a user can have only as many files in flight as the sending process may have
 *                descriptors (RLIMIT_NOFILE). Only the last message that the kernel accepts may
 *                exceed this number. Root may exceed it
 */

#include "device.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
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

/* Use one descriptor number again and again. Count descriptors that appear at another number. */
static void *use_number(void *data) {
        int own = *(int *)data;

        while (!finished) {
                n_seen += fcntl(victim_number + 1, F_GETFD) >= 0;
                /* EBUSY: the receive in the other thread has reserved the number */
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

        /* *message can be read but not written, so the last step of the receive fails */
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

/* flight */

#define LIMIT 32
#define A_MESSAGE 16

/*
 * Send files until the kernel refuses them, to the queue of the sender itself, or to at most
 * LIMIT / 2 new peers, one after the other. Returns the number of files in flight.
 */
static unsigned flood(bool own_queue) {
        int file = open("/dev/null", O_RDWR | O_CLOEXEC), sender = peer_open(), r = 0;
        unsigned n = 0;

        EXPECT(file >= 0);
        for (unsigned i = 0; i < LIMIT / 2 && r == 0; i++) {
                int receiver = own_queue ? sender : peer_open();
                uint64_t node, handle;

                node_create(receiver, sender, &node, &handle);
                while ((r = send_files(sender, handle, file, A_MESSAGE)) == 0)
                        n += A_MESSAGE;
                /* the quota of this receiver is used up: go on with the next one */
                if (r == -EDQUOT)
                        r = 0;
        }
        EXPECT(r == 0 || r == -ETOOMANYREFS);
        return n;
}

static void flood_as(uid_t uid, bool own_queue) {
        struct rlimit limit = {LIMIT, LIMIT};
        pid_t pid = fork();

        if (pid == 0) {
                unsigned n;

                EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
                if (uid > 0)
                        become(uid);
                n = flood(own_queue);
                printf("uid %u, limit %u: %u files in flight\n", uid, LIMIT, n);
                fflush(stdout);
                if (uid > 0)
                        EXPECT(n > 0 && n <= LIMIT + A_MESSAGE);
                else
                        EXPECT(n > LIMIT + A_MESSAGE);
                _exit(0);
        }
        expect_exit(pid);
}

/* A user with as many files in flight as the limit cannot send more of them, but root can. */
static void test_flight(void) {
        struct bus1_metadata_credentials metadata;
        uint64_t node, handle;
        int peer, file;
        pid_t pid;

        flood_as(USER, false);
        flood_as(USER, true);
        /* root has the capabilities to exceed the limit of files in flight */
        flood_as(0, false);
        expect_no_usage();

        pid = fork();
        if (pid == 0) {
                struct rlimit limit = {LIMIT, LIMIT};

                EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
                become(USER);
                peer = peer_open();
                file = open("/dev/null", O_RDWR | O_CLOEXEC);
                node_create(peer, peer, &node, &handle);
                while (send_files(peer, handle, file, A_MESSAGE) == 0)
                        ;
                EXPECT(errno == ETOOMANYREFS);
                /* messages without files are not affected; a receive makes room for a file */
                EXPECT(send_bytes(peer, handle, "x", 1) == 0);
                EXPECT(recv_any(peer, &metadata) == 0);
                EXPECT(send_fd(peer, handle, file) == 0);
                _exit(0);
        }
        expect_exit(pid);
        expect_no_usage();
}

int main(int argc, char **argv) {
        if (argc == 2 && strcmp(argv[1], "close") == 0) {
                test_close();
                return 0;
        }
        if (argc == 2 && strcmp(argv[1], "flight") == 0) {
                test_flight();
                return 0;
        }
        fprintf(stderr, "usage: %s close|flight\n", argv[0]);
        return 2;
}
