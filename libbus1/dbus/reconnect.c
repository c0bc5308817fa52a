/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/reconnect.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utlist.h>

#include "libbus1/dbus/ids.h"
#include "libbus1/dbus/join.h"
#include "libbus1/dbus/restore.h"
#include "libbus1/dbus/slot.h"
#include "libbus1/dbus/use.h"
#include "libbus1/dbus/wait.h"

#define PAUSE_MIN (10 * NS_PER_MS)
#define PAUSE_MAX (1000 * NS_PER_MS)
/* When a bus ends the session sooner than this, again and again, the pauses go on growing. */
#define LASTING (5000 * NS_PER_MS)

static uint64_t after(uint64_t t, uint64_t time) {
        return time == UINT64_MAX ? time : t + time;
}

/* leaving */

static void unpoll(struct bus1_dbus *bus, int fd) {
        if (fd >= 0)
                epoll_ctl(bus->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static int poll_too(struct bus1_dbus *bus, int fd, uint32_t events) {
        struct epoll_event event = {.events = events};

        return epoll_ctl(bus->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void leave(struct bus1_dbus *bus) {
        unpoll(bus, bus->socket_fd);
        unpoll(bus, bus1_client_get_fd(bus->client));
        closep(&bus->socket_fd);
        bus->socket_fd = -1;
        bus->gone = true;
        bus->restoring = false;
        bus->being_restored = NULL;
        restore_leave(bus);
        bus->session = BUS1_INVALID;
        /* A hosted core has gone with its bus. */
        if (bus1_client_get_peer_fd(bus->client) < 0)
                restore_peer_lost(bus);
}

static void pause_until(struct bus1_dbus *bus, uint64_t due) {
        bus->reconnect->state = RECONNECT_PAUSE;
        bus->due = due;
}

static void pause_longer(struct bus1_dbus *bus) {
        struct reconnect *reconnect = bus->reconnect;

        pause_until(bus, now_ns() + reconnect->pause);
        if (bus->due > reconnect->give_up_at)
                bus->due = reconnect->give_up_at;
        reconnect->pause *= 2;
        if (reconnect->pause > PAUSE_MAX)
                reconnect->pause = PAUSE_MAX;
}

bool reconnect_begin(struct bus1_dbus *bus) {
        struct reconnect *reconnect = bus->reconnect;
        uint64_t now = now_ns();

        if (!reconnect || !reconnect->fn || bus->ended)
                return false;
        leave(bus);
        lost_forget_tried(&reconnect->lost, bus);
        if (reconnect->state == RECONNECT_JOINED)
                reconnect->give_up_at = after(now, reconnect->timeout);
        if (reconnect->state == RECONNECT_JOINED && now >= reconnect->lasting_from) {
                reconnect->pause = PAUSE_MIN;
                pause_until(bus, now);
        } else {
                pause_longer(bus);
        }
        return true;
}

bool reconnect_is_away(const struct bus1_dbus *bus) {
        const struct reconnect *reconnect = bus->reconnect;

        return reconnect &&
               (reconnect->state == RECONNECT_PAUSE || reconnect->state == RECONNECT_ATTEMPT);
}

/* joining */

/* The bus has made a peer, or takes another one than before. */
static int take_peer(struct bus1_dbus *bus, struct bus1_client *client) {
        struct bus1_cmd_query query = {};
        int r;

        restore_peer_lost(bus);
        r = ids_begin(bus);
        if (r < 0)
                return r;
        bus1_client_free(bus->client);
        bus->client = client;
        bus->can_wait =
                bus1_client_query(client, &query) >= 0 && query.features & BUS1_FEATURE_CALL;
        restore_peer_new(bus);
        return 0;
}

/* Takes over joined, also on failure. */
static int enter(struct bus1_dbus *bus, const struct joined *joined) {
        int r = 0;

        bus->socket_fd = joined->socket_fd;
        if (joined->client != bus->client) {
                r = take_peer(bus, joined->client);
                if (r < 0) {
                        bus1_client_free(joined->client);
                        bus->reconnect->give_up_at = 0; /* there are no numbers left */
                        return r;
                }
        }
        bus->session = ids_from_peer(bus, joined->session);
        r = poll_too(bus, bus->socket_fd, EPOLLIN);
        if (r >= 0)
                r = poll_too(bus, bus1_client_get_fd(bus->client), EPOLLIN);
        if (r < 0)
                return r;
        bus->gone = false;
        bus->restoring = true;
        bus->n_joins++;
        bus->due = UINT64_MAX;
        restore_begin(bus);
        return 0;
}

static void attempt_end(struct bus1_dbus *bus) {
        struct reconnect *reconnect = bus->reconnect;

        if (reconnect->join)
                unpoll(bus, join_get_fd(reconnect->join));
        reconnect->join = join_free(reconnect->join);
}

/* Go on with the attempt as far as it goes. */
static void attempt_run(struct bus1_dbus *bus) {
        struct reconnect *reconnect = bus->reconnect;
        struct joined joined;
        int r;

        unpoll(bus, join_get_fd(reconnect->join));
        r = join_run(reconnect->join, &joined, NULL);
        if (r == -EAGAIN) {
                reconnect->state = RECONNECT_ATTEMPT;
                bus->due = join_get_deadline(reconnect->join);
                r = poll_too(bus, join_get_fd(reconnect->join),
                             join_get_events(reconnect->join) == POLLOUT ? EPOLLOUT : EPOLLIN);
                if (r >= 0)
                        return;
        }
        reconnect->join = join_free(reconnect->join);
        if (r >= 0) {
                r = enter(bus, &joined);
                if (r >= 0)
                        return;
                leave(bus);
        }
        pause_longer(bus);
}

static void attempt_begin(struct bus1_dbus *bus) {
        struct bus1_client *client = bus->client;

        if (bus1_client_get_peer_fd(client) < 0 || bus->reconnect->peer_is_lost)
                client = NULL;
        if (join_new(&bus->reconnect->join, bus->address, true, client, NULL) < 0)
                pause_longer(bus); /* there is no memory now */
        else
                attempt_run(bus);
}

/* Tell one slot that the program has joined again. Returns false if all have been told. */
static bool tell_slot(struct bus1_dbus *bus) {
        struct bus1_dbus_slot *slot;

        DL_FOREACH(bus->slots, slot) {
                if (!slot->rejoined || slot->joined == bus->n_joins)
                        continue;
                slot->joined = bus->n_joins;
                slot->rejoined(slot); /* may free the bus */
                return true;
        }
        return false;
}

/* the end */

static void tell(struct bus1_dbus *bus) {
        struct reconnect *reconnect = bus->reconnect;
        bus1_dbus_reconnect_fn fn = reconnect->fn;
        void *userdata = reconnect->userdata;
        CLEANUP_FREE char *former_name = steal_ptr(&reconnect->former_name);
        struct bus1_dbus_reconnected reconnected;
        struct lost_list report; /* fn may free the bus */

        lost_forget_released(&reconnect->lost, bus);
        report = reconnect->lost;
        reconnected = (struct bus1_dbus_reconnected){
                .former_name = former_name,
                .lost = report.items,
                .n_lost = report.n,
                .incomplete = report.incomplete,
        };
        reconnect->lost = (struct lost_list){};
        reconnect->state = RECONNECT_JOINED;
        reconnect->lasting_from = now_ns() + LASTING;
        bus->due = UINT64_MAX;
        if (fn)
                fn(bus, &reconnected, userdata);
        lost_forget(&report);
}

static int give_up(struct bus1_dbus *bus) {
        attempt_end(bus);
        bus->reconnect->fn = NULL;
        bus->reconnect->state = RECONNECT_JOINED;
        bus->due = UINT64_MAX;
        return -ECONNRESET;
}

int reconnect_run(struct bus1_dbus *bus) {
        struct reconnect *reconnect = bus->reconnect;
        uint64_t now = now_ns();
        struct pollfd p;

        if (reconnect->state == RECONNECT_ATTEMPT && now < reconnect->give_up_at && reconnect->fn) {
                p = (struct pollfd){
                        .fd = join_get_fd(reconnect->join),
                        .events = join_get_events(reconnect->join),
                };
                if (bus->due > now && poll(&p, 1, 0) <= 0)
                        return 0;
                attempt_run(bus);
                return 1;
        }
        if (reconnect_is_away(bus) && (now >= reconnect->give_up_at || !reconnect->fn))
                return give_up(bus);
        if (bus->due > now)
                return 0;
        switch (reconnect->state) {
        case RECONNECT_PAUSE:
                attempt_begin(bus);
                return 1;
        case RECONNECT_FINDING:
                if (!tell_slot(bus))
                        restore_find(bus);
                return 1;
        case RECONNECT_RESTORED:
                tell(bus);
                return 1;
        case RECONNECT_FAILED:
                bus->gone = true; /* dispatch ends the calls that wait, and begins anew */
                bus->due = UINT64_MAX;
                return 1;
        case RECONNECT_JOINED:
        case RECONNECT_ATTEMPT:
        case RECONNECT_RESTORING:
                break;
        }
        return 0;
}

void reconnect_free(struct bus1_dbus *bus) {
        struct reconnect *reconnect = bus->reconnect;

        if (!reconnect)
                return;
        join_free(reconnect->join);
        lost_forget(&reconnect->lost);
        free(reconnect->former_name);
        free(reconnect);
        bus->reconnect = NULL;
}

PUBLIC int bus1_dbus_set_reconnect(struct bus1_dbus *bus, bus1_dbus_reconnect_fn fn,
                                   void *userdata) {
        struct reconnect *reconnect;

        if (!bus)
                return -EINVAL;
        if (!use_is_own(bus))
                return -ECHILD;
        if (!bus->address)
                return -EOPNOTSUPP;
        if (bus->ended)
                return -ENOTCONN;
        reconnect = bus->reconnect;
        if (!reconnect && fn) {
                reconnect = calloc(1, sizeof(*reconnect));
                if (!reconnect)
                        return -ENOMEM;
                reconnect->timeout = reconnect->give_up_at = UINT64_MAX;
                reconnect->node = BUS1_INVALID;
                bus->reconnect = reconnect;
        }
        if (!reconnect)
                return 0;
        reconnect->fn = fn;
        reconnect->userdata = userdata;
        if (!fn && reconnect_is_away(bus)) {
                bus->due = 0; /* dispatch reports the end */
                wait_arm(bus);
        }
        return 0;
}

PUBLIC int bus1_dbus_set_reconnect_timeout(struct bus1_dbus *bus, int timeout_ms) {
        struct reconnect *reconnect = bus ? bus->reconnect : NULL;

        if (!reconnect || timeout_ms < 0)
                return -EINVAL;
        reconnect->timeout = timeout_ms == INT_MAX ? UINT64_MAX : (uint64_t)timeout_ms * NS_PER_MS;
        return 0;
}
