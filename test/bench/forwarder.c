/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The forwarder
 *
 * It does as little as a process between sockets can do: it reads the bytes that have arrived,
 * finds the end of the last complete message by the lengths of the messages, and writes the
 * complete messages to other sockets. With in_pairs, it forwards between the sockets 0 and 1,
 * between 2 and 3, and so on. Without in_pairs, messages from the first socket go to all others,
 * and messages from another socket go to the first. The forwarder is not a bus: it has no names,
 * checks nothing, and does not set SENDER. A bus must do at least the work of the forwarder.
 */

#include "test/bench/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test/bench/raw.h"

#define BUFFER_SIZE (256 * 1024)

struct lane {
        uint8_t *data;
        size_t n;
};

/* The size of all complete messages at the start of data. */
static size_t whole_messages(const uint8_t *data, size_t n) {
        size_t at = 0;

        for (;;) {
                size_t size = raw_message_size(data + at, n - at);

                if (size == 0 || size > n - at)
                        return at;
                at += size;
        }
}

void forwarder_run(const int *fds, size_t n_fds, bool in_pairs) {
        struct lane *lanes = calloc(n_fds, sizeof(*lanes));
        int epoll = epoll_create1(EPOLL_CLOEXEC);

        if (!lanes || epoll < 0)
                _exit(1);
        for (size_t i = 0; i < n_fds; i++) {
                lanes[i].data = malloc(BUFFER_SIZE);
                epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i],
                          &(struct epoll_event){.events = EPOLLIN, .data.u64 = i});
        }
        for (;;) {
                struct epoll_event events[64];
                int n = epoll_wait(epoll, events, 64, -1);

                for (int e = 0; e < n; e++) {
                        size_t i = events[e].data.u64, whole;
                        struct lane *lane = &lanes[i];
                        ssize_t l;

                        l = recv(fds[i], lane->data + lane->n, BUFFER_SIZE - lane->n, 0);
                        if (l <= 0)
                                _exit(0);
                        lane->n += l;
                        whole = whole_messages(lane->data, lane->n);
                        if (whole == 0)
                                continue;
                        if (in_pairs)
                                raw_write(fds[i ^ 1], lane->data, whole);
                        else if (i == 0)
                                for (size_t to = 1; to < n_fds; to++)
                                        raw_write(fds[to], lane->data, whole);
                        else
                                raw_write(fds[0], lane->data, whole);
                        lane->n -= whole;
                        memmove(lane->data, lane->data + whole, lane->n);
                }
        }
}
