/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The bus as a bus1 peer: the event loop receives from its descriptor, and the bus reports to this
 * front end through hooks
 */

#include "bridge/native/native-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container-of.h"
#include "bridge/base/log.h"
#include "bridge/driver/methods.h"
#include "kernel/hosted/freeze.h"

static void hook_step_end(void *userdata) {
        struct native *native = userdata;
        int r;

        /* The bus has finished with the message, so it cannot tell the sender of an error. */
        r = native_broadcast_flush(native);
        if (r < 0)
                log_write(native->bus->log, LOG_LEVEL_WARNING,
                          "Dropped a broadcast signal for native clients: %s.", strerror(-r));
}

static void hook_name_owner_changed(void *userdata, const char *name, struct client *old_owner,
                                    struct client *new_owner) {
        if (!old_owner || old_owner == new_owner)
                return;
        native_lookups_end(userdata, old_owner, name);
        if (client_is_native(old_owner))
                native_unpublish(session_from_client(old_owner), false, name, strlen(name));
}

static void hook_client_gone(void *userdata, struct client *client) {
        native_lookups_end(userdata, client, NULL);
}

/*
 * Direct channels may stay if the policy lets every native client send and receive everything, and
 * the limits that the clients know are still true.
 */
static void hook_policy_changed(void *userdata) {
        struct native *native = userdata;
        struct native_session *session;

        if (native->max_message_size != native->bus->limits.max_message_size ||
            native->max_message_unix_fds != native->bus->limits.max_message_unix_fds) {
                native_openings_withdraw(native);
                return;
        }
        DL_FOREACH(native->sessions, session) {
                if (!client_is_unrestricted(&session->client)) {
                        native_openings_withdraw(native);
                        return;
                }
        }
}

/* Monitors and eavesdroppers see only what passes through the bus, so direct channels end. */
static void hook_observed(void *userdata) {
        native_openings_withdraw(userdata);
}

static int peer_dispatch(struct loop_source *source, uint32_t events) {
        struct native *native = container_of(source, struct native, peer_source);
        const struct schedule *schedule = &native->bus->schedule;
        bool is_alone = !schedule->work.is_wanted && !schedule_is_shared(schedule);
        int64_t end = loop_now() + (is_alone ? SCHEDULE_SLICE_ALONE : schedule->slice_shared);
        unsigned i = 0;
        int r;

        /*
         * Like a turn of the schedule. The descriptor stays readable, so the next turn of the loop
         * receives the rest.
         */
        do
                r = native_receive(native);
        while (r > 0 && ++i < NATIVE_RECEIVE_BUDGET && loop_now() < end);
        return r < 0 ? r : 0;
}

/* Messages that the bus receives when a program leaves, even if its slice is over. */
#define LEAVE_RECEIVE_MIN 4

/*
 * Usually nothing, or little, is in the queue before the mark. Then the session ends at once: who
 * knows that the program has ended finds its names free.
 */
static int hook_session_leave(void *userdata, struct native_session *session) {
        struct native *native = userdata;
        int64_t end = loop_now() + native->bus->schedule.slice_shared;
        unsigned i = 0;
        int r = 0;

        native_session_mark(session);
        while (!session->close_reason && i < NATIVE_RECEIVE_BUDGET &&
               (i++ < LEAVE_RECEIVE_MIN || loop_now() < end)) {
                r = native_receive(native);
                if (r <= 0)
                        break;
        }
        /* a failure is about whatever was received, not about this connection */
        return r < 0 ? loop_failed(native->loop, r) : 0;
}

static int domain_dispatch(struct loop_source *source, uint32_t events) {
        struct native *native = container_of(source, struct native, domain_source);

        return bus1_domain_dispatch(native->domain);
}

/* Use the device if it can be opened, else host a core. */
static int open_peer(struct native *native) {
        int r;

        if (bus1_client_new_device(&native->peer, NULL) >= 0)
                return 0;
        r = bus1_domain_new(&native->domain);
        return r < 0 ? r : bus1_domain_client_new(native->domain, &native->peer);
}

bool native_uses_kernel(const struct native *native) {
        return !native->domain;
}

struct native *native_alloc(struct bus *bus, struct loop *loop) {
        struct native *native = calloc(1, sizeof(*native));

        if (!native)
                return NULL;
        native->bus = bus;
        native->loop = loop;
        native->pid = (uint64_t)getpid();
        native->era = 1;
        native->peer_source.dispatch = peer_dispatch;
        native->domain_source.dispatch = domain_dispatch;
        native->opening_timer.expired = native_openings_expire;
        return native;
}

int native_begin(struct native *native) {
        struct bus *bus = native->bus;
        int r = 0;

        if (native->domain) {
                native->domain_source.fd = bus1_domain_get_fd(native->domain);
                r = loop_add(native->loop, &native->domain_source, EPOLLIN);
        }
        if (r >= 0) {
                native->peer_source.fd = bus1_client_get_fd(native->peer);
                r = loop_add(native->loop, &native->peer_source, EPOLLIN);
        }
        if (r >= 0)
                r = driver_add_interface(bus, &native_driver_interface);
        if (r < 0)
                return r;
        bus->hooks.native = native;
        bus->hooks.session_begin = native_session_negotiate;
        bus->hooks.session_leave = hook_session_leave;
        bus->hooks.session_end = native_session_anchor_gone;
        bus->hooks.step_end = hook_step_end;
        bus->hooks.name_owner_changed = hook_name_owner_changed;
        bus->hooks.client_gone = hook_client_gone;
        bus->hooks.observed = hook_observed;
        bus->hooks.policy_changed = hook_policy_changed;
        return 0;
}

int native_new(struct native **ret_native, struct bus *bus, struct loop *loop) {
        struct native *native = native_alloc(bus, loop);
        int r;

        if (!native)
                return -ENOMEM;
        r = open_peer(native);
        if (r >= 0)
                r = native_begin(native);
        if (r < 0)
                native_free(native);
        else
                *ret_native = native;
        return r;
}

struct native *native_free(struct native *native) {
        struct native_session *session;
        struct native_node *node, *next;

        if (!native)
                return NULL;
        /* The programs are not told by a bus that has not taken over. */
        while (native->is_borrowed && native->sessions)
                native_session_close(native->sessions, "the bus does not take over");
        /*
         * As in native_session_end(), but for all sessions together: a look-up of a program ends
         * when the session of the owner ends, which may be before its own session does.
         */
        DL_FOREACH(native->ending, session)
                native_node_remove(native, native_node_find(native, session->node), true);
        DL_FOREACH(native->sessions, session)
                native_node_remove(native, native_node_find(native, session->node), true);
        while (native->ending)
                native_session_end(native->ending);
        while (native->sessions)
                native_session_end(native->sessions);
        HASH_ITER(hh, native->nodes, node, next) {
                native_node_remove(native, node, true);
        }
        if (native->bus->hooks.native == native)
                native->bus->hooks = (struct bus_hooks){
                        .process = native->bus->hooks.process,
                        .reload = native->bus->hooks.reload,
                };
        message_unref(native->broadcast.m);
        loop_timer_cancel(native->loop, &native->opening_timer);
        loop_remove(native->loop, &native->peer_source);
        loop_remove(native->loop, &native->domain_source);
        hosted_thaw_free(native->thaw);
        if (native->is_borrowed && native->domain)
                hosted_let_go(native->domain);
        bus1_client_free(native->peer);
        bus1_domain_free(native->domain);
        free(native);
        return NULL;
}
