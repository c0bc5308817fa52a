/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of a membership: a program joins the bus, runs its dispatch loop, and leaves */

#include "libbus1/dbus/membership.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <utlist.h>

#include "libbus1/dbus/channel.h"
#include "libbus1/dbus/driver.h"
#include "libbus1/dbus/ended.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/free-handler.h"
#include "libbus1/dbus/ids.h"
#include "libbus1/dbus/join.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/receive.h"
#include "libbus1/dbus/reconnect.h"
#include "libbus1/dbus/slot.h"
#include "libbus1/dbus/standing.h"
#include "libbus1/dbus/use.h"

/* Takes over the client and the socket of joined, but only on success. */
static int bus_new(struct bus1_dbus **ret_bus, const struct joined *joined) {
        CLEANUP_CLOSE int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        CLEANUP_CLOSE int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        const int fds[] = {timer_fd, bus1_client_get_fd(joined->client), joined->socket_fd};
        struct epoll_event event = {.events = EPOLLIN};
        struct bus1_cmd_query query = {};
        struct bus1_dbus *bus;

        if (timer_fd < 0 || epoll_fd < 0)
                return -errno;
        for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
                if (fds[i] >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i], &event) < 0)
                        return -errno;
        bus = calloc(1, sizeof(*bus));
        if (!bus)
                return -ENOMEM;
        bus->client = joined->client;
        bus->can_wait =
                bus1_client_query(bus->client, &query) >= 0 && query.features & BUS1_FEATURE_CALL;
        bus->socket_fd = joined->socket_fd;
        bus->epoll_fd = steal_fd(&epoll_fd);
        bus->timer_fd = steal_fd(&timer_fd);
        bus->timer_armed = bus->announce_at = bus->due = UINT64_MAX;
        bus->session = joined->session;
        bus->generation = use_generation();
        bus->max_message_size = bus->max_message_unix_fds = INT64_MAX;
        *ret_bus = bus;
        return 0;
}

PUBLIC int bus1_dbus_new_from_client(struct bus1_dbus **ret_bus, struct bus1_client *client) {
        if (!ret_bus || !client)
                return -EINVAL;
        return bus_new(ret_bus, &(struct joined){client, -1, BUS1_INVALID});
}

PUBLIC int bus1_dbus_open(struct bus1_dbus **ret_bus, const char *address, DBusError *error) {
        struct joined joined;
        struct bus1_dbus *bus;
        int r;

        if (!ret_bus || !text_is_valid(address))
                return error_from_errno(error, -EINVAL, "Joining the bus");
        r = membership_join(address, &joined, error);
        if (r < 0)
                return r;
        r = bus_new(&bus, &joined);
        if (r < 0) {
                bus1_client_free(joined.client);
                close(joined.socket_fd);
                return error_from_errno(error, r, "Joining the bus");
        }
        bus->address = strdup(address);
        r = bus->address ? membership_hello(bus, error)
                         : error_from_errno(error, -ENOMEM, "Joining the bus");
        if (r < 0) {
                bus1_dbus_free(bus);
                return r;
        }
        *ret_bus = bus;
        return 0;
}

static int open_environment(struct bus1_dbus **ret_bus, const char *variable, const char *fallback,
                            DBusError *error) {
        /* whoever starts a set-uid program must not tell it what to connect to */
        const char *address = secure_getenv(variable);

        return bus1_dbus_open(ret_bus, address && *address ? address : fallback, error);
}

PUBLIC int bus1_dbus_open_session(struct bus1_dbus **ret_bus, DBusError *error) {
        int r;

        r = open_environment(ret_bus, "DBUS_SESSION_BUS_ADDRESS", "unix:runtime=yes", error);
        if (r >= 0)
                (*ret_bus)->trusted = true;
        return r;
}

PUBLIC int bus1_dbus_open_system(struct bus1_dbus **ret_bus, DBusError *error) {
        return open_environment(ret_bus, "DBUS_SYSTEM_BUS_ADDRESS",
                                "unix:path=/run/dbus/system_bus_socket", error);
}

PUBLIC struct bus1_dbus *bus1_dbus_free(struct bus1_dbus *bus) {
        struct incoming *incoming, *next_incoming;
        struct channel *channel, *next_channel;
        struct watch *watch, *next_watch;
        struct node *node, *next_node;

        if (!bus)
                return NULL;
        free_handlers_run(bus);
        bus->leaving = true;
        bus->announce = NULL; /* no get function runs any more */
        bus->announce_at = UINT64_MAX;
        reconnect_free(bus);
        while (bus->messages)
                incoming_message_orphan(bus->messages);
        while (bus->slots)
                bus1_dbus_slot_free(bus->slots);
        while (bus->objects)
                bus1_dbus_object_free(bus->objects);
        HASH_ITER(hh, bus->channels, channel, next_channel) {
                channel_free(channel);
        }
        ended_free_all(bus);
        while (bus->pending)
                pending_free(bus, bus->pending);
        DL_FOREACH_SAFE(bus->incoming, incoming, next_incoming) {
                incoming_free(incoming);
        }
        HASH_ITER(hh, bus->watches, watch, next_watch) {
                bus1_dbus_unwatch(bus, watch->handle);
        }
        HASH_ITER(hh, bus->nodes, node, next_node) {
                node_remove(bus, node->id);
        }
        while (bus->standing)
                standing_free(bus, bus->standing);
        ids_remove_aliases(bus);
        bus1_client_free(bus->client);
        closep(&bus->socket_fd);
        closep(&bus->timer_fd);
        closep(&bus->epoll_fd);
        free(bus->address);
        free(bus->unique_name);
        if (bus->n_dispatching > 0)
                bus->freed = true;
        else
                free(bus);
        return NULL;
}

PUBLIC const char *bus1_dbus_get_unique_name(const struct bus1_dbus *bus) {
        return bus->unique_name;
}

PUBLIC struct bus1_client *bus1_dbus_get_client(struct bus1_dbus *bus) {
        return bus->client;
}

PUBLIC int bus1_dbus_get_fd(const struct bus1_dbus *bus) {
        return bus->epoll_fd;
}

PUBLIC void bus1_dbus_set_end_handler(struct bus1_dbus *bus, bus1_dbus_end_fn fn, void *userdata) {
        if (!bus)
                return;
        bus->end_fn = fn;
        bus->end_userdata = userdata;
}

PUBLIC void bus1_dbus_set_signal_handler(struct bus1_dbus *bus, bus1_dbus_message_fn fn,
                                         void *userdata) {
        if (!bus)
                return;
        bus->signal_fn = fn;
        bus->signal_userdata = userdata;
}

PUBLIC int bus1_dbus_run(struct bus1_dbus *bus, const bool *stop) {
        int r;

        while (!stop || !*stop) {
                /* If the peer can wait, the wait also receives. So wait first, then dispatch. */
                bool waits;

                r = use_begin(bus);
                if (r < 0)
                        return r;
                bus_announce(bus); /* this may receive */
                waits = bus->can_wait && !bus->incoming && !bus->gone;
                r = waits ? receive_waiting(bus, -1) : 1;
                use_end(bus);
                if (r > 0)
                        r = bus1_dbus_dispatch(bus);
                if (r == 0 && !waits)
                        r = bus1_dbus_wait(bus, -1);
                if (r < 0)
                        return r;
        }
        return 0;
}
