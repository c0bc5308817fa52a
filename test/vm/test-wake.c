/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every message wakes a process that waits for it
 *
 *      exclusive   several workers wait for one peer with EPOLLEXCLUSIVE, and each works on its
 *                  message for long: the next message must get to the next worker
 *      edge        a program waits with EPOLLET, and takes one message of several: the next one
 *                  must wake it
 */

#include "device.h"
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_WORKERS 4
#define WORK 20       /* seconds */
#define LIMIT_MS 5000 /* much less than WORK */

static double now_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static int epoll_new(int peer, uint32_t flags) {
        struct epoll_event event = {.events = EPOLLIN | flags};
        int epoll = epoll_create1(EPOLL_CLOEXEC);

        EXPECT(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, peer, &event) == 0);
        return epoll;
}

/* Start a process that waits for one message, tells that it has got the message, and works. */
static pid_t start_worker(int peer, int to) {
        struct bus1_metadata_credentials metadata;
        struct epoll_event event;
        pid_t pid = fork();
        int epoll;

        EXPECT(pid >= 0);
        if (pid > 0)
                return pid;
        EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        epoll = epoll_new(peer, EPOLLEXCLUSIVE);
        EXPECT(write(to, "w", 1) == 1);
        do
                EXPECT(epoll_wait(epoll, &event, 1, -1) == 1);
        while (recv_any(peer, &metadata) < 0);
        EXPECT(write(to, "m", 1) == 1);
        sleep(WORK);
        _exit(0);
}

static char read_byte(int from, int timeout_ms) {
        struct pollfd p = {.fd = from, .events = POLLIN};
        char byte;

        if (poll(&p, 1, timeout_ms) != 1)
                return 0;
        EXPECT(read(from, &byte, 1) == 1);
        return byte;
}

static void test_exclusive(void) {
        int peer = peer_open(), ends[2], n = 0;
        pid_t pids[N_WORKERS];
        uint64_t node, handle;
        double begin;

        EXPECT(pipe(ends) == 0);
        node_create(peer, peer, &node, &handle);
        for (int i = 0; i < N_WORKERS; i++)
                pids[i] = start_worker(peer, ends[1]);
        for (int i = 0; i < N_WORKERS; i++)
                EXPECT(read_byte(ends[0], -1) == 'w');
        usleep(100000); /* now all should wait */

        begin = now_ms();
        for (int i = 0; i < N_WORKERS; i++)
                EXPECT(send_bytes(peer, handle, "x", 1) == 0);
        while (n < N_WORKERS && read_byte(ends[0], LIMIT_MS) == 'm')
                ++n;
        printf("exclusive: %d of %d messages after %.1f ms\n", n, N_WORKERS, now_ms() - begin);
        fflush(stdout);
        EXPECT(n == N_WORKERS);

        for (int i = 0; i < N_WORKERS; i++) {
                EXPECT(kill(pids[i], SIGKILL) == 0);
                EXPECT(waitpid(pids[i], NULL, 0) == pids[i]);
        }
        close(ends[0]);
        close(ends[1]);
        close(peer);
}

static void test_edge(void) {
        struct bus1_metadata_credentials metadata;
        int peer = peer_open(), epoll;
        struct epoll_event event;
        uint64_t node, handle;
        double begin;

        node_create(peer, peer, &node, &handle);
        epoll = epoll_new(peer, EPOLLET);
        EXPECT(send_bytes(peer, handle, "1", 1) == 0 && send_bytes(peer, handle, "2", 1) == 0);
        EXPECT(epoll_wait(epoll, &event, 1, LIMIT_MS) == 1);
        EXPECT(recv_any(peer, &metadata) == BUS1_MESSAGE_TYPE_USER);
        EXPECT(epoll_wait(epoll, &event, 1, 0) == 0);

        begin = now_ms();
        EXPECT(send_bytes(peer, handle, "3", 1) == 0);
        EXPECT(epoll_wait(epoll, &event, 1, LIMIT_MS) == 1);
        printf("edge: woken after %.1f ms\n", now_ms() - begin);
        EXPECT(recv_any(peer, &metadata) == BUS1_MESSAGE_TYPE_USER);
        EXPECT(recv_any(peer, &metadata) == BUS1_MESSAGE_TYPE_USER);
        EXPECT(recv_any(peer, &metadata) == -EAGAIN);
        close(epoll);
        close(peer);
}

int main(void) {
        test_edge();
        test_exclusive();
        expect_no_usage();
        return 0;
}
