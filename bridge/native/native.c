/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus as a bus1 peer: its descriptor, its turn in the event loop, and what it hears from the bus. */

#include "bridge/native/native-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bridge/driver/driver.h"
#include "bridge/log.h"

static void hook_step_end(void *userdata) {
        struct native *native = userdata;

        /* what fails here is memory, and costs a signal; the sender can not be told any more */
        if (native_broadcast_flush(native) < 0)
                log_write(native->bus->log, LOG_LEVEL_WARNING,
                          "Dropped a signal to native clients: out of memory.");
}

static void hook_name_owner_changed(void *userdata, const char *name, struct client *old_owner,
                                    struct client *new_owner) {
        struct native_published *published;
        struct native *native = userdata;

        if (!old_owner || old_owner == new_owner)
                return;
        native_lookups_end(native, old_owner, name);
        if (client_is_native(old_owner)) {
                published = native_published_find(session_from_client(old_owner), false, name,
                                                  strlen(name));
                if (published)
                        native_published_free(published, true);
        }
}

static void hook_client_gone(void *userdata, struct client *client) {
        native_lookups_end(userdata, client, NULL);
}

static void hook_policy_changed(void *userdata) {
        native_openings_withdraw(userdata);
}

static int watch(struct native *native, int fd) {
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

        return epoll_ctl(native->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* The device when this machine has one, else a core of our own. */
static int open_peer(struct native *native) {
        int r;

        r = bus1_client_new_device(&native->peer, NULL);
        if (r >= 0)
                return 0;
        r = bus1_domain_new(&native->domain);
        if (r < 0)
                return r;
        r = bus1_domain_client_new(native->domain, &native->peer);
        if (r < 0)
                return r;
        return watch(native, bus1_domain_get_fd(native->domain));
}

int native_new(struct native **ret_native, struct bus *bus) {
        struct native *native;
        int r;

        native = calloc(1, sizeof(*native));
        if (!native)
                return -ENOMEM;
        native->bus = bus;
        native->wake_fd = -1;
        native->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (native->epoll_fd >= 0)
                native->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = native->wake_fd < 0 ? -errno : watch(native, native->wake_fd);
        native->buffer = malloc(NATIVE_BUFFER_SIZE);
        if (r >= 0 && !native->buffer)
                r = -ENOMEM;
        if (r >= 0)
                r = open_peer(native);
        if (r >= 0)
                r = watch(native, bus1_client_get_fd(native->peer));
        if (r >= 0)
                r = bus_add_interface(bus, &native_driver_interface);
        if (r < 0) {
                native_free(native);
                return r;
        }
        bus->native = &native_session_hooks;
        bus->native_userdata = native;
        bus->hooks.broadcast_end = hook_step_end;
        bus->hooks.name_owner_changed = hook_name_owner_changed;
        bus->hooks.client_gone = hook_client_gone;
        bus->hooks.policy_changed = hook_policy_changed;
        bus->hooks_userdata = native;
        *ret_native = native;
        return 0;
}

struct native *native_free(struct native *native) {
        struct native_node *node, *next;

        if (!native)
                return NULL;
        while (native->sessions)
                native_session_end(native->sessions);
        HASH_ITER(hh, native->nodes, node, next)
                native_node_remove(native, node, true);
        if (native->bus->native_userdata == native) {
                native->bus->native = NULL;
                native->bus->hooks = (struct bus_hooks){};
        }
        message_unref(native->broadcast.m);
        free(native->broadcast.handles);
        bus1_client_free(native->peer);
        bus1_domain_free(native->domain);
        if (native->wake_fd >= 0)
                close(native->wake_fd);
        if (native->epoll_fd >= 0)
                close(native->epoll_fd);
        free(native->buffer);
        free(native);
        return NULL;
}

int native_get_fd(const struct native *native) {
        return native->epoll_fd;
}

int native_dispatch(struct native *native) {
        uint64_t ignored;
        int r;

        if (native->domain) {
                r = bus1_domain_dispatch(native->domain);
                if (r < 0)
                        return r;
        }
        for (unsigned i = 0; i < NATIVE_RECEIVE_BUDGET; i++) {
                r = native_receive(native);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
        }
        if (native->wakes) {
                native->wakes = false;
                (void)!read(native->wake_fd, &ignored, sizeof(ignored));
        }
        return native_sessions_reap(native);
}
