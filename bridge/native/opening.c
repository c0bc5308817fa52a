/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Direct channels
 *
 * A look-up of a native owner's name makes the bus ask the owner's library for a node for this one
 * caller (org.bus1.Session1.OpenNode), if the policy lets both clients send and receive everything,
 * there is no monitor, eavesdropper or security module, and the owner has published a name or an
 * object. The bus gives the handle of the node to the caller. The owner knows the caller by the
 * node, and the bus sees none of the calls. If the owner answers with an error, or not in time, the
 * caller gets the handle of a look-up node of the bus instead.
 *
 *        caller             bus                owner
 *          |--- Lookup ----->|                   |
 *          |                 |--- OpenNode ----->|
 *          |                 |<-- handle --------|
 *          |<-- handle ------|                   |
 *          |--- calls -------------------------->|
 */

#include "bridge/native/native-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "bridge/bus/name.h"
#include "bridge/bus/route.h"
#include "bridge/bus/voice.h"
#include "bridge/driver/methods.h"

#define SESSION_INTERFACE "org.bus1.Session1"
#define OPENINGS_MAX 4096
/* In ns. A library answers without asking its program; only an owner that hangs takes longer. */
#define OPENING_TIMEOUT INT64_C(1000000000)

bool native_opening_allowed(struct native *native, struct client *client, struct client *owner) {
        struct native_session *session;

        if (!client_is_native(owner) || owner == client || native->bus->monitors ||
            native->bus->mediators || native->bus->matches.n_eavesdrop > 0 ||
            !client_is_unrestricted(client) || !client_is_unrestricted(owner))
                return false;
        session = session_from_client(owner);
        return !session->close_reason && session->n_published > 0;
}

static void opening_free(struct native_opening *opening) {
        struct native *native = opening->session->native;

        native_node_remove(native, native_node_find(native, opening->node), true);
        DL_DELETE(opening->session->openings, opening);
        DL_DELETE2(native->openings, opening, due_prev, due_next);
        opening->session->n_openings--;
        free(opening);
}

/* Call the owner's library. path NULL: the node is for all objects. */
static int ask_owner(struct native *native, struct native_session *owner, const char *caller,
                     const char *name, const char *path, uint64_t *ret_node) {
        struct bus1_transfer created = {
                .flags = BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                .id = BUS1_INVALID,
        };
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct writer writer;
        int r;

        voice_init(native->bus, &writer, MESSAGE_TYPE_METHOD_CALL, &owner->client, "ssbo");
        writer.flags = 0; /* wants a reply */
        writer.path = BUS_DRIVER_PATH;
        writer.interface = SESSION_INTERFACE;
        writer.member = "OpenNode";
        writer_string(&writer, caller);
        writer_string(&writer, name);
        writer_bool(&writer, path != NULL);
        writer_string(&writer, path ? path : "/");
        r = writer_finish(&writer, &m);
        if (r < 0)
                return r;
        r = native_broadcast_flush(native);
        if (r >= 0)
                r = native_send(native, owner->home, m, &created);
        *ret_node = created.id;
        return r;
}

int native_opening_new(struct native_session *session, uint32_t serial, uint64_t caller_cookie,
                       struct client *owner, const char *name, const char *path) {
        size_t n_name = strlen(name) + 1, n_path = path ? strlen(path) + 1 : 0;
        CLEANUP_FREE struct native_opening *opening = NULL;
        struct native *native = session->native;
        int r;

        if (session->n_openings >= OPENINGS_MAX)
                return 1;
        opening = calloc(1, sizeof(*opening) + n_name + n_path);
        if (!opening)
                return -ENOMEM;
        opening->session = session;
        opening->owner = owner;
        opening->serial = serial;
        opening->caller_cookie = caller_cookie;
        memcpy(opening->name, name, n_name);
        if (path)
                opening->path = memcpy(opening->name + n_name, path, n_path);
        r = ask_owner(native, session_from_client(owner), session->client.unique_name, name, path,
                      &opening->node);
        if (r != 0)
                return r;
        r = native_node_add(native, opening->node, NATIVE_NODE_OPENING, opening, NULL);
        if (r < 0) {
                native_release(native, opening->node);
                return r;
        }
        DL_APPEND(session->openings, opening);
        session->n_openings++;
        opening->deadline = loop_now() + OPENING_TIMEOUT;
        DL_APPEND2(native->openings, opening, due_prev, due_next);
        /* if setting the timer fails, the next look-up sets it */
        if (native->opening_timer.index == 0)
                (void)loop_timer_set(native->loop, &native->opening_timer,
                                     native->openings->deadline);
        steal_ptr(&opening);
        return 0;
}

/* Answer the look-up with the handle, which the message takes over, and end the caller's cookie. */
static int answer(struct native_opening *opening, uint64_t handle) {
        struct native_session *session = opening->session;
        struct reply reply = {
                .caller = &session->client,
                .serial = opening->serial,
                .caller_cookie = opening->caller_cookie,
        };
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct writer writer;
        int r;

        voice_init(session->native->bus, &writer, MESSAGE_TYPE_METHOD_RETURN, &session->client, "");
        writer.reply_serial = opening->serial;
        r = writer_finish(&writer, &m);
        if (r < 0)
                native_release(session->native, handle);
        else {
                m->attachment_free = native_attachment_free;
                r = native_attach(session->native, &(struct bus1_transfer){.id = handle}, 1,
                                  &m->attachment);
        }
        if (r < 0) {
                route_end_cookie(&session->client, opening->serial, opening->caller_cookie);
                return r;
        }
        return route_from_driver(session->native->bus, &session->client, m, &reply);
}

int native_openings_expire(struct loop_timer *timer) {
        struct native *native = container_of(timer, struct native, opening_timer);
        int64_t now = loop_now();
        int r;

        while (native->openings && native->openings->deadline <= now) {
                r = native_opening_answered(native->openings, NULL);
                if (r < 0)
                        return r;
        }
        if (!native->openings)
                return 0;
        return loop_timer_set(native->loop, timer, native->openings->deadline);
}

int native_opening_answered(struct native_opening *opening, struct message *m) {
        struct native_session *session = opening->session;
        struct native *native = session->native;
        uint64_t handle = BUS1_INVALID;
        struct client *owner;
        int r = 0;

        if (m && m->type == MESSAGE_TYPE_METHOD_RETURN)
                handle = native_attachment_take(m, 0);
        /* the name may have another owner by now, and the policy may have changed */
        owner = name_resolve(&native->bus->names, opening->name, strlen(opening->name));
        if (owner != opening->owner || !native_opening_allowed(native, &session->client, owner)) {
                native_release(native, handle);
                handle = BUS1_INVALID;
        }
        if (handle == BUS1_INVALID && owner) {
                r = native_lookup_new(session, owner, opening->name, opening->path, &handle);
                if (r == -ENOMEM)
                        return r;
        }
        /* a caller whose cookie ends without an answer sees the error NoReply */
        r = 0;
        if (handle != BUS1_INVALID)
                r = answer(opening, handle);
        else
                route_end_cookie(&session->client, opening->serial, opening->caller_cookie);
        opening_free(opening);
        return r;
}

void native_openings_end(struct native_session *session) {
        while (session->openings) {
                native_release(session->native, session->openings->caller_cookie);
                opening_free(session->openings);
        }
}

void native_openings_withdraw(struct native *native) {
        struct native_session *session, *next;
        struct writer writer;

        DL_FOREACH_SAFE(native->sessions, session, next) {
                CLEANUP(message_unrefp) struct message *m = NULL;

                if (!session->completed)
                        continue;
                voice_init(native->bus, &writer, MESSAGE_TYPE_METHOD_CALL, &session->client, "");
                writer.path = BUS_DRIVER_PATH;
                writer.interface = SESSION_INTERFACE;
                writer.member = "CloseNodes";
                /* a session that does not get this message must end, or its nodes stay in use */
                if (writer_finish(&writer, &m) < 0)
                        native_session_close(session, "out of memory");
                else if (native_send(native, session->home, m, NULL) != 0)
                        native_session_close(session, "it cannot be told to close its nodes");
        }
}
