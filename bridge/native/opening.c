/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Direct channels
 *
 * When policy allows every message between two native clients, a look-up asks the owner's library
 * for a node for this one caller (org.bus1.Session1.OpenNode), and gives its handle to the caller.
 * The node tells the owner who calls, and the bus sees none of the calls. When the owner answers
 * with an error, or not in time, the caller gets a look-up node of the bus instead.
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

#include "base/container-of.h"
#include "bridge/bus/name.h"
#include "bridge/bus/route.h"
#include "bridge/bus/voice.h"
#include "bridge/driver/methods.h"

#define SESSION_INTERFACE "org.bus1.Session1"
#define OPENINGS_MAX 4096
/* A library answers at once without its program; a caller should not wait for one that hangs. */
#define OPENING_TIMEOUT INT64_C(1000000000)

static bool client_is_unrestricted(const struct client *client) {
        return client->may_send_all && client->may_receive_all;
}

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
        DL_DELETE2(opening->session->native->openings, opening, due_prev, due_next);
        free(opening->name);
        free(opening->path);
        free(opening);
}

/* Call the owner's library. path NULL: the node is for all objects. */
static int ask_owner(struct native *native, struct native_session *owner, const char *member,
                     const char *name, const char *path, uint64_t *ret_node) {
        struct bus1_transfer created = {
                .flags = BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                .id = BUS1_INVALID,
        };
        struct writer writer;
        struct message *m;
        int r;

        voice_init(native->bus, &writer, MESSAGE_TYPE_METHOD_CALL, &owner->client, "ssbo");
        writer.flags = 0; /* the library answers */
        writer.path = BUS_DRIVER_PATH;
        writer.interface = SESSION_INTERFACE;
        writer.member = "OpenNode";
        writer_string(&writer, member);
        writer_string(&writer, name);
        writer_bool(&writer, path != NULL);
        writer_string(&writer, path ? path : "/");
        r = writer_finish(&writer, &m);
        if (r < 0)
                return r;
        r = native_broadcast_flush(native);
        if (r >= 0)
                r = native_send(native, owner->home, m, &created);
        message_unref(m);
        *ret_node = created.id;
        return r;
}

int native_opening_new(struct native_session *session, uint32_t serial, uint64_t caller_cookie,
                       struct client *owner, const char *name, const char *path) {
        struct native *native = session->native;
        struct native_opening *opening;
        int r;

        if (session->n_openings >= OPENINGS_MAX)
                return 1;
        opening = calloc(1, sizeof(*opening));
        if (!opening)
                return -ENOMEM;
        opening->session = session;
        opening->owner = owner;
        opening->serial = serial;
        opening->caller_cookie = caller_cookie;
        opening->node = BUS1_INVALID;
        opening->name = strdup(name);
        opening->path = path ? strdup(path) : NULL;
        r = opening->name && (!path || opening->path) ? 0 : -ENOMEM;
        if (r == 0)
                r = ask_owner(native, session_from_client(owner), session->client.unique_name, name,
                              path, &opening->node);
        if (r == 0) {
                r = native_node_add(native, opening->node, NATIVE_NODE_OPENING, opening, NULL);
                if (r < 0)
                        native_release(native, opening->node);
        }
        if (r != 0) {
                free(opening->name);
                free(opening->path);
                free(opening);
                return r;
        }
        DL_APPEND(session->openings, opening);
        session->n_openings++;
        opening->deadline = loop_now() + OPENING_TIMEOUT;
        DL_APPEND2(native->openings, opening, due_prev, due_next);
        /* without a timer it waits for the owner, or for the next one's */
        if (native->openings == opening)
                (void)loop_timer_set(native->loop, &native->opening_timer, opening->deadline);
        return 0;
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
        /* much may have happened since it was asked: what was made before is closed by now */
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
        /* without a handle, the end of the cookie tells the caller NoReply */
        if (handle != BUS1_INVALID)
                r = native_answer_handle(session, opening->serial, opening->caller_cookie, handle);
        else {
                route_end_cookie(&session->client, opening->serial, opening->caller_cookie);
                r = 0;
        }
        session->n_openings--;
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
        struct message *m;

        DL_FOREACH_SAFE(native->sessions, session, next) {
                if (!session->completed)
                        continue;
                voice_init(native->bus, &writer, MESSAGE_TYPE_METHOD_CALL, &session->client, "");
                writer.path = BUS_DRIVER_PATH;
                writer.interface = SESSION_INTERFACE;
                writer.member = "CloseNodes";
                /* a session that cannot be told must end, so that it uses no node any more */
                if (writer_finish(&writer, &m) < 0) {
                        native_session_close(session, "out of memory");
                        continue;
                }
                if (native_send(native, session->home, m, NULL) != 0)
                        native_session_close(session, "it cannot be told to close its nodes");
                message_unref(m);
        }
}
