/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Direct channels
 *
 * The library of a session that has looked up a name of a native owner may ask for a direct
 * channel beside the handle (org.bus1.Bridge1.OpenChannel). If the policy lets both clients send
 * and receive everything, there is no monitor, eavesdropper or security module, and the owner has
 * published a name or an object, the bus asks the owner's library for a node for this one caller
 * (org.bus1.Session1.OpenChannel), and gives the handle of the node to the caller. The owner knows
 * the caller by the node, and the bus sees none of the calls.
 *
 *        caller             bus                owner
 *          |-- OpenChannel ->|                   |
 *          |                 |-- OpenChannel --->|
 *          |                 |<-- handle --------|
 *          |<-- handle ------|                   |
 *          |--- calls -------------------------->|
 *          |                 |-- CloseChannels ->|
 *          |<-- Closed --------------------------|
 *          |--- calls ------>|------------------>|
 *
 * When the conditions do not hold any more, the bus tells the clients that have channels to close
 * them. The two libraries then settle which messages the owner has taken; the caller sends the
 * others again, through the bus. The bus waits for neither of them.
 *
 * The handle of a channel is the caller's, so the bus cannot take it back. When the look-up ends,
 * the bus has the owner's library end the node (org.bus1.Session1.CloseChannel): a caller must not
 * call in a name that has left, nor collect more channels than it has look-ups.
 */

#include "bridge/native/native-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "bridge/bus/route.h"
#include "bridge/bus/voice.h"
#include "bridge/driver/methods.h"

#define SESSION_INTERFACE "org.bus1.Session1"
/* In ns. A library answers without asking its program; only an owner that hangs takes longer. */
#define OPENING_TIMEOUT INT64_C(1000000000)

/* May client call owner through a direct channel, so that the bus does not see the calls? */
static bool is_allowed(struct native *native, struct client *client, struct client *owner) {
        struct native_session *session;

        if (!client_is_native(owner) || owner == client || native->bus->monitors ||
            native->bus->mediators || native->bus->matches.n_eavesdrop > 0 ||
            !client_is_unrestricted(client) || !client_is_unrestricted(owner))
                return false;
        session = session_from_client(owner);
        return !session->close_reason && session->n_published > 0;
}

static void opening_free(struct native_opening *opening) {
        struct native_session *session = opening->lookup->session;
        struct native *native = session->native;

        native_node_remove(native, native_node_find(native, opening->node), true);
        DL_DELETE(session->openings, opening);
        DL_DELETE2(native->openings, opening, due_prev, due_next);
        opening->lookup->opening = NULL;
        free(opening);
}

/* The limits that the libraries have to apply to messages that do not pass the bus. */
static void write_limits(const struct native *native, struct writer *writer) {
        writer_u64(writer, (uint64_t)native->bus->limits.max_message_size);
        writer_u64(writer, (uint64_t)native->bus->limits.max_message_unix_fds);
}

/* Call the owner's library. Takes over control. Returns 0, CLIENT_E_*, or a negative errno. */
static int ask_owner(struct native_lookup *lookup, uint64_t control, uint64_t *ret_node) {
        const struct client_credentials *from = &lookup->session->client.credentials;
        struct native_session *owner = session_from_client(lookup->owner);
        struct native *native = owner->native;
        struct bus1_transfer created = {
                .flags = BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                .id = BUS1_INVALID,
        };
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct writer writer;
        int r;

        voice_init(native->bus, &writer, MESSAGE_TYPE_METHOD_CALL, &owner->client,
                   owner->is_informed ? "ssbotuuuxx" : "ssbot");
        writer.flags = 0; /* wants a reply */
        writer.path = BUS_DRIVER_PATH;
        writer.interface = SESSION_INTERFACE;
        writer.member = "OpenChannel";
        writer_string(&writer, lookup->session->client.unique_name);
        writer_string(&writer, lookup->name);
        writer_bool(&writer, lookup->path != NULL);
        writer_string(&writer, lookup->path ? lookup->path : "/");
        writer_u64(&writer, lookup->node);
        if (owner->is_informed) {
                writer_u32(&writer, from->uid);
                writer_u32(&writer, from->gid);
                writer_u32(&writer, from->pid);
                write_limits(native, &writer);
        }
        r = writer_finish(&writer, &m);
        if (r < 0) {
                native_release(native, control);
                return r;
        }
        m->attachment_free = native_attachment_free;
        r = native_attach(native, &(struct bus1_transfer){.id = control}, 1, &m->attachment);
        if (r >= 0)
                r = native_broadcast_flush(native);
        if (r >= 0)
                r = native_send(native, owner->home, m, &created);
        *ret_node = created.id;
        return r;
}

/* Its node exists. -ENOMEM. */
static int opening_add(struct native_opening *opening) {
        struct native_session *session = opening->lookup->session;
        struct native *native = session->native;
        int r;

        r = native_node_add(native, opening->node, NATIVE_NODE_OPENING, opening, NULL);
        if (r < 0)
                return r;
        DL_APPEND(session->openings, opening);
        DL_APPEND2(native->openings, opening, due_prev, due_next);
        opening->lookup->opening = opening;
        return 0;
}

int native_opening_restore(const struct native_opening *from) {
        struct native_opening *opening = malloc(sizeof(*opening));
        int r;

        if (!opening)
                return -ENOMEM;
        *opening = *from;
        r = opening_add(opening);
        if (r < 0)
                free(opening);
        return r;
}

int native_openings_wake(struct native *native) {
        return native->openings ? loop_timer_set(native->loop, &native->opening_timer,
                                                 native->openings->deadline)
                                : 0;
}

int native_opening_new(struct native_lookup *lookup, uint32_t serial, uint64_t caller_cookie,
                       uint64_t control) {
        struct native_session *session = lookup->session;
        CLEANUP_FREE struct native_opening *opening = NULL;
        struct native *native = session->native;
        int r;

        /* One channel is enough. More would cost the owner memory. */
        if (lookup->opening || lookup->opened_in == native->era ||
            !is_allowed(native, &session->client, lookup->owner)) {
                native_release(native, control);
                return 1;
        }
        opening = calloc(1, sizeof(*opening));
        if (!opening) {
                native_release(native, control);
                return -ENOMEM;
        }
        opening->lookup = lookup;
        opening->serial = serial;
        opening->caller_cookie = caller_cookie;
        opening->era = native->era;
        native->max_message_size = native->bus->limits.max_message_size;
        native->max_message_unix_fds = native->bus->limits.max_message_unix_fds;
        r = ask_owner(lookup, control, &opening->node);
        if (r != 0)
                return r;
        opening->deadline = loop_now() + OPENING_TIMEOUT;
        r = opening_add(opening);
        if (r < 0) {
                native_release(native, opening->node);
                return r;
        }
        steal_ptr(&opening);
        /* if setting the timer fails, the next opening sets it */
        if (native->opening_timer.index == 0)
                (void)native_openings_wake(native);
        return 0;
}

/* Make the answer. It takes over the handle, even on failure; BUS1_INVALID: it is an error. */
static int answer_new(struct native_opening *opening, uint64_t handle, struct message **ret_m) {
        struct native_session *session = opening->lookup->session;
        struct bus *bus = session->native->bus;
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct writer writer;
        int r;

        if (handle == BUS1_INVALID)
                return voice_error(bus, &session->client, opening->serial, DRIVER_ERROR("Failed"),
                                   NATIVE_NO_CHANNEL, ret_m);
        voice_init(bus, &writer, MESSAGE_TYPE_METHOD_RETURN, &session->client,
                   session->is_informed ? "xx" : "");
        writer.reply_serial = opening->serial;
        if (session->is_informed)
                write_limits(session->native, &writer);
        r = writer_finish(&writer, &m);
        if (r < 0) {
                native_release(session->native, handle);
                return r;
        }
        m->attachment_free = native_attachment_free;
        r = native_attach(session->native, &(struct bus1_transfer){.id = handle}, 1,
                          &m->attachment);
        if (r >= 0)
                *ret_m = steal_ptr(&m);
        return r;
}

/* Answer the call, and end the caller's cookie. Takes over the handle. */
static int answer(struct native_opening *opening, uint64_t handle) {
        struct client *client = &opening->lookup->session->client;
        struct reply reply = {
                .caller = client,
                .serial = opening->serial,
                .caller_cookie = opening->caller_cookie,
        };
        CLEANUP(message_unrefp) struct message *m = NULL;
        int r;

        r = answer_new(opening, handle, &m);
        if (r < 0) {
                route_end_cookie(client, opening->serial, opening->caller_cookie);
                return r;
        }
        return route_from_driver(client->bus, client, m, &reply);
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
        return native_openings_wake(native);
}

int native_opening_answered(struct native_opening *opening, struct message *m) {
        struct native_lookup *lookup = opening->lookup;
        struct native *native = lookup->session->native;
        uint64_t handle = BUS1_INVALID;
        int r;

        if (m && m->type == MESSAGE_TYPE_METHOD_RETURN)
                handle = native_attachment_take(m, 0);
        /* the owner may have closed the channel, and the caller may be restricted by now */
        if (handle != BUS1_INVALID &&
            (opening->era != native->era ||
             !is_allowed(native, &lookup->session->client, lookup->owner))) {
                native_release(native, handle);
                handle = BUS1_INVALID;
        }
        if (handle != BUS1_INVALID) {
                lookup->opened_in = native->era;
                lookup->session->has_channels = true;
                session_from_client(lookup->owner)->has_channels = true;
        }
        r = answer(opening, handle);
        opening_free(opening);
        return r;
}

int native_channel_end(struct native_lookup *lookup) {
        struct native *native = lookup->session->native;
        struct native_session *owner = session_from_client(lookup->owner);
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct writer writer;
        int r;

        if (lookup->opened_in != native->era)
                return 0;
        lookup->opened_in = 0;
        if (owner->close_reason)
                return 0;
        voice_init(native->bus, &writer, MESSAGE_TYPE_METHOD_CALL, &owner->client, "t");
        writer.path = BUS_DRIVER_PATH;
        writer.interface = SESSION_INTERFACE;
        writer.member = "CloseChannel";
        writer_u64(&writer, lookup->node);
        r = writer_finish(&writer, &m);
        if (r >= 0)
                r = native_broadcast_flush(native);
        /* an owner with a full queue must not lose its session because a caller goes */
        if (r >= 0)
                r = native_send(native, owner->home, m, NULL);
        return r < 0 ? r : 0;
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

        native->era++;
        DL_FOREACH_SAFE(native->sessions, session, next) {
                CLEANUP(message_unrefp) struct message *m = NULL;

                if (!session->has_channels)
                        continue;
                session->has_channels = false;
                voice_init(native->bus, &writer, MESSAGE_TYPE_METHOD_CALL, &session->client,
                           session->is_informed ? "xx" : "");
                writer.path = BUS_DRIVER_PATH;
                writer.interface = SESSION_INTERFACE;
                writer.member = "CloseChannels";
                if (session->is_informed)
                        write_limits(native, &writer);
                /* a session that does not get this message must end, or its channels stay in use */
                if (writer_finish(&writer, &m) < 0)
                        native_session_close(session, "out of memory");
                else if (native_send(native, session->home, m, NULL) != 0)
                        native_session_close(session, "it cannot be told to close its channels");
        }
}
