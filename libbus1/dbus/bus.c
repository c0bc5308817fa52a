/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The life of a membership: join, run, leave
 */

#include "libbus1/dbus/membership.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <utlist.h>

#include "libbus1/dbus/connect.h"
#include "libbus1/dbus/driver.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/receive.h"

static int bus_new(struct bus1_dbus **ret_bus, const struct joined *joined) {
        struct epoll_event event = {.events = EPOLLIN};
        struct bus1_dbus *bus;
        int r;

        bus = calloc(1, sizeof(*bus));
        if (!bus)
                return -ENOMEM;
        bus->socket_fd = joined->socket_fd;
        bus->session = joined->session;
        bus->timer_armed = UINT64_MAX;
        bus->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        bus->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (bus->timer_fd < 0 || bus->epoll_fd < 0 ||
            epoll_ctl(bus->epoll_fd, EPOLL_CTL_ADD, bus->timer_fd, &event) < 0 ||
            epoll_ctl(bus->epoll_fd, EPOLL_CTL_ADD, bus1_client_get_fd(joined->client), &event) <
                    0 ||
            (bus->socket_fd >= 0 &&
             epoll_ctl(bus->epoll_fd, EPOLL_CTL_ADD, bus->socket_fd, &event) < 0)) {
                r = -errno;
                closep(&bus->timer_fd);
                closep(&bus->epoll_fd);
                free(bus);
                return r;
        }
        bus->client = joined->client;
        *ret_bus = bus;
        return 0;
}

PUBLIC int bus1_dbus_new_from_client(struct bus1_dbus **ret_bus, struct bus1_client *client) {
        if (!ret_bus || !client)
                return -EINVAL;
        return bus_new(
                ret_bus,
                &(struct joined){.client = client, .socket_fd = -1, .session = BUS1_INVALID});
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
        r = membership_hello(bus, error);
        if (r < 0) {
                bus1_dbus_free(bus);
                return r;
        }
        *ret_bus = bus;
        return 0;
}

PUBLIC int bus1_dbus_open_session(struct bus1_dbus **ret_bus, DBusError *error) {
        const char *address = getenv("DBUS_SESSION_BUS_ADDRESS");

        return bus1_dbus_open(ret_bus, address && *address ? address : "unix:runtime=yes", error);
}

PUBLIC int bus1_dbus_open_system(struct bus1_dbus **ret_bus, DBusError *error) {
        const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");

        return bus1_dbus_open(
                ret_bus, address && *address ? address : "unix:path=/run/dbus/system_bus_socket",
                error);
}

PUBLIC struct bus1_dbus *bus1_dbus_free(struct bus1_dbus *bus) {
        struct watch *watch, *next_watch;
        struct node *node, *next_node;

        if (!bus)
                return NULL;
        while (bus->messages)
                incoming_message_orphan(bus->messages);
        while (bus->objects)
                bus1_dbus_object_free(bus->objects);
        while (bus->subscriptions)
                bus1_dbus_subscription_free(bus->subscriptions);
        while (bus->pending)
                pending_free(bus, bus->pending);
        while (bus->incoming)
                incoming_free(bus, bus->incoming);
        HASH_ITER(hh, bus->watches, watch, next_watch) {
                HASH_DELETE(hh, bus->watches, watch);
                free(watch);
        }
        HASH_ITER(hh, bus->nodes, node, next_node) {
                node_remove(bus, node->id);
        }
        bus1_client_free(bus->client);
        closep(&bus->socket_fd);
        closep(&bus->timer_fd);
        closep(&bus->epoll_fd);
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

PUBLIC void bus1_dbus_set_signal_handler(struct bus1_dbus *bus, bus1_dbus_message_fn fn,
                                         void *userdata) {
        bus->signal_fn = fn;
        bus->signal_userdata = userdata;
}

PUBLIC int bus1_dbus_run(struct bus1_dbus *bus, const bool *stop) {
        int r;

        while (!stop || !*stop) {
                r = bus1_dbus_dispatch(bus);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                r = bus1_dbus_wait(bus, -1);
                if (r < 0)
                        return r;
        }
        return 0;
}
