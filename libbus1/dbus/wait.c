/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/wait.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/use.h"

uint64_t wait_due(const struct bus1_dbus *bus) {
        uint64_t due = bus->pending ? bus->pending->deadline : UINT64_MAX;

        if (bus->announce_at < due)
                due = bus->announce_at;
        return bus->due < due ? bus->due : due;
}

void wait_arm(struct bus1_dbus *bus) {
        struct itimerspec spec = {};
        uint64_t due;

        if (!use_is_own(bus))
                return; /* it is the parent's timer */
        due = bus->incoming && !bus->restoring ? 0 : wait_due(bus);
        /*
         * Leave a timer that expires too early as it is: looking at the queues too early costs less
         * than a system call for every message.
         */
        if (bus->timer_armed <= due && (bus->timer_armed == due || bus->timer_armed > now_ns()))
                return;
        if (due != UINT64_MAX) {
                /* A time in the past expires at once, but zero would disarm the timer. */
                spec.it_value.tv_sec = (time_t)(due / NS_PER_S);
                spec.it_value.tv_nsec = (long)(due % NS_PER_S) + (due == 0);
        }
        timerfd_settime(bus->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
        bus->timer_armed = due;
}

void wait_without_peer(struct bus1_dbus *bus) {
        /* A descriptor that cannot be taken out is closed already, or was never there. */
        epoll_ctl(bus->epoll_fd, EPOLL_CTL_DEL, bus1_client_get_fd(bus->client), NULL);
        epoll_ctl(bus->epoll_fd, EPOLL_CTL_DEL, bus->socket_fd, NULL);
}

void wait_end(struct bus1_dbus *bus) {
        wait_without_peer(bus);
        epoll_ctl(bus->epoll_fd, EPOLL_CTL_DEL, bus->timer_fd, NULL);
}

static int wait_for(struct pollfd *p, nfds_t n, int timeout_ms) {
        int r;

        r = poll(p, n, timeout_ms);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;
        return r > 0;
}

int wait_for_all(struct bus1_dbus *bus, int timeout_ms) {
        struct pollfd p = {.fd = bus->epoll_fd, .events = POLLIN};

        if (bus->ended)
                return 1; /* dispatch says so */
        wait_arm(bus);
        return wait_for(&p, 1, timeout_ms);
}

int wait_for_peer(struct bus1_dbus *bus, int timeout_ms) {
        struct pollfd p[] = {
                {.fd = bus1_client_get_fd(bus->client), .events = POLLIN},
                {.fd = bus->socket_fd, .events = POLLIN}, /* poll() ignores -1 */
        };

        return wait_for(p, 2, timeout_ms);
}
