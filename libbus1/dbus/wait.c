/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Time, and the descriptor that says when there is something to do
 *
 * The descriptor that programs poll is an epoll set of the peer's descriptor, the D-Bus socket
 * (readable when the bus has gone), and a timer. The timer stands for everything else that dispatch
 * has to do: time-outs, and messages that a blocking call received and left for later.
 */

#include "libbus1/dbus/wait.h"

#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>

#include "libbus1/dbus/clock.h"
#include "libbus1/dbus/pending.h"

void wait_arm(struct bus1_dbus *bus) {
        struct itimerspec spec = {};
        uint64_t due = UINT64_MAX;

        if (bus->incoming)
                due = 0;
        else if (bus->pending)
                due = bus->pending->deadline;
        /*
         * A timer that expires too early costs one look at the queues. Setting it each time would
         * cost a system call for every message.
         */
        if (bus->timer_armed <= due && (bus->timer_armed == due || bus->timer_armed > now_ns()))
                return;
        if (due != UINT64_MAX) {
                /* a time in the past expires at once, but zero would disarm */
                spec.it_value.tv_sec = (time_t)(due / NS_PER_S);
                spec.it_value.tv_nsec = (long)(due % NS_PER_S) + (due == 0);
        }
        timerfd_settime(bus->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
        bus->timer_armed = due;
}

PUBLIC int bus1_dbus_wait(struct bus1_dbus *bus, int timeout_ms) {
        struct pollfd p = {.fd = bus->epoll_fd, .events = POLLIN};
        int r;

        wait_arm(bus);
        r = poll(&p, 1, timeout_ms);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;
        return r > 0;
}

int wait_for_peer(struct bus1_dbus *bus, int timeout_ms) {
        struct pollfd p[] = {
                {.fd = bus1_client_get_fd(bus->client), .events = POLLIN},
                {.fd = bus->socket_fd, .events = POLLIN}, /* -1 is ignored by poll() */
        };
        int r;

        r = poll(p, 2, timeout_ms);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;
        return r > 0;
}
