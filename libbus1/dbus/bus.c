/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A membership: its nodes, its life, and the one descriptor that says when there is something to do
 *
 * The descriptor given out is an epoll set of the peer's descriptor, the D-Bus socket (readable
 * when the bus has gone), and a timer that stands for everything else dispatch has to do:
 * time-outs, and messages that a blocking call received and left for later.
 */

#include "libbus1/dbus/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <utlist.h>

#define NS_PER_S UINT64_C(1000000000)

uint64_t now_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* errors */

const char *error_name_from_errno(int r) {
        switch (-r) {
        case ENOMEM:
                return DBUS_ERROR_NO_MEMORY;
        case EPERM:
        case EACCES:
                return DBUS_ERROR_ACCESS_DENIED;
        case EINVAL:
        case EBADMSG:
        case EDOM:
                return DBUS_ERROR_INVALID_ARGS;
        case ENOENT:
                return DBUS_ERROR_FILE_NOT_FOUND;
        case EEXIST:
                return DBUS_ERROR_FILE_EXISTS;
        case ETIMEDOUT:
                return DBUS_ERROR_TIMEOUT;
        case ECONNRESET:
        case ESHUTDOWN:
        case ENOTCONN:
                return DBUS_ERROR_DISCONNECTED;
        case EDQUOT:
        case EMSGSIZE:
                return DBUS_ERROR_LIMITS_EXCEEDED;
        case ENOTSUP:
        case EPROTONOSUPPORT:
                return DBUS_ERROR_NOT_SUPPORTED;
        case EADDRINUSE:
                return DBUS_ERROR_ADDRESS_IN_USE;
        case EIO:
                return DBUS_ERROR_IO_ERROR;
        default:
                return DBUS_ERROR_FAILED;
        }
}

int error_from_errno(DBusError *error, int r, const char *what) {
        if (error && !dbus_error_is_set(error))
                dbus_set_error(error, error_name_from_errno(r), "%s: %s", what, strerror(-r));
        return r;
}

/* nodes */

int node_add(struct bus1_dbus *bus, uint64_t id, enum node_kind kind, void *data,
             struct node **ret_node) {
        struct node *node;

        node = calloc(1, sizeof(*node));
        if (!node)
                return -ENOMEM;
        node->id = id;
        node->kind = kind;
        node->data = data;
        HASH_ADD(hh, bus->nodes, id, sizeof(node->id), node);
        if (!node->hh.tbl) {
                free(node);
                return -ENOMEM;
        }
        if (ret_node)
                *ret_node = node;
        return 0;
}

int node_new(struct bus1_dbus *bus, enum node_kind kind, void *data, bool trusted, uint64_t *ret_id,
             uint64_t *ret_handle) {
        uint64_t id, handle;
        struct node *node;
        int r;

        r = bus1_client_create_node(bus->client, 0, &id, &handle);
        if (r < 0)
                return r;
        r = node_add(bus, id, kind, data, &node);
        if (r < 0) {
                bus1_client_release(bus->client, 2, (uint64_t[]){id, handle});
                return r;
        }
        node->trusted = trusted;
        *ret_id = id;
        *ret_handle = handle;
        return 0;
}

struct node *node_find(struct bus1_dbus *bus, uint64_t id) {
        struct node *node;

        HASH_FIND(hh, bus->nodes, &id, sizeof(id), node);
        return node;
}

void node_remove(struct bus1_dbus *bus, uint64_t id) {
        struct node *node = node_find(bus, id);

        if (!node)
                return;
        HASH_DELETE(hh, bus->nodes, node);
        free(node->sender);
        free(node->name);
        free(node);
}

PUBLIC void bus1_dbus_release(struct bus1_dbus *bus, uint64_t handle) {
        if (!bus || handle == BUS1_INVALID)
                return;
        bus1_dbus_unwatch(bus, handle);
        bus1_client_release_one(bus->client, handle);
}

void node_end(struct bus1_dbus *bus, uint64_t id) {
        node_remove(bus, id);
        bus1_client_release_one(bus->client, id);
}

/* watches */

PUBLIC int bus1_dbus_watch(struct bus1_dbus *bus, uint64_t handle, bus1_dbus_release_fn fn,
                           void *userdata) {
        struct watch *watch;

        if (!bus || handle == BUS1_INVALID || !fn)
                return -EINVAL;
        HASH_FIND(hh, bus->watches, &handle, sizeof(handle), watch);
        if (!watch) {
                watch = calloc(1, sizeof(*watch));
                if (!watch)
                        return -ENOMEM;
                watch->handle = handle;
                HASH_ADD(hh, bus->watches, handle, sizeof(watch->handle), watch);
                if (!watch->hh.tbl) {
                        free(watch);
                        return -ENOMEM;
                }
        }
        watch->fn = fn;
        watch->userdata = userdata;
        return 0;
}

PUBLIC void bus1_dbus_unwatch(struct bus1_dbus *bus, uint64_t handle) {
        struct watch *watch = NULL;

        if (bus)
                HASH_FIND(hh, bus->watches, &handle, sizeof(handle), watch);
        if (watch) {
                HASH_DELETE(hh, bus->watches, watch);
                free(watch);
        }
}

/* creation */

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
        r = bus_join(address, &joined, error);
        if (r < 0)
                return r;
        r = bus_new(&bus, &joined);
        if (r < 0) {
                bus1_client_free(joined.client);
                close(joined.socket_fd);
                return error_from_errno(error, r, "Joining the bus");
        }
        r = driver_hello(bus, error);
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
                message_orphan(bus->messages);
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

void bus_arm(struct bus1_dbus *bus) {
        struct itimerspec spec = {};
        uint64_t due = UINT64_MAX;

        if (bus->incoming)
                due = 0;
        else if (bus->pending)
                due = bus->pending->deadline;
        /* a timer that is set too early costs one look when it expires, setting it anew a call each
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

/* waiting */

PUBLIC int bus1_dbus_wait(struct bus1_dbus *bus, int timeout_ms) {
        struct pollfd p = {.fd = bus->epoll_fd, .events = POLLIN};
        int r;

        bus_arm(bus);
        r = poll(&p, 1, timeout_ms);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;
        return r > 0;
}

int bus_wait(struct bus1_dbus *bus, int timeout_ms) {
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
