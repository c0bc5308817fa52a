/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tell: errors, NoReply, and the signals about names. */

#include "bridge/bus/tell.h"

#include <errno.h>
#include <string.h>

#include "bridge/bus/name.h"
#include "bridge/bus/route.h"

/* errors and results */

/* is_private: the call was between the client and its connection, see route_in_private(). */
static int send_answer(struct client *client, struct message *m, bool is_private,
                       struct reply *reply) {
        int r;

        if (is_private)
                r = route_in_private(client, m, reply);
        else
                r = route_from_driver(client->bus, client, m, reply);
        message_unref(m);
        return r;
}

static int send_error(struct client *client, uint32_t serial, uint64_t caller_cookie,
                      bool is_private, const char *name, const char *text) {
        struct reply reply = {.caller = client, .serial = serial, .caller_cookie = caller_cookie};
        struct message *m;
        int r;

        r = voice_error(client->bus, client, serial, name, text, &m);
        if (r < 0) {
                route_end_cookie(client, serial, caller_cookie);
                return r;
        }
        return send_answer(client, m, is_private || client->state == CLIENT_CONNECTED, &reply);
}

int tell_error_text(struct client *client, uint32_t serial, uint64_t caller_cookie,
                    const char *name, const char *text) {
        return send_error(client, serial, caller_cookie, false, name, text);
}

/* Without an answer to be sent no text is made either. */
static int send_error_va(struct client *client, struct message *m, uint64_t caller_cookie,
                         bool wanted, const char *name, const char *format, va_list args)
        __attribute__((format(printf, 6, 0)));

static int send_error_va(struct client *client, struct message *m, uint64_t caller_cookie,
                         bool wanted, const char *name, const char *format, va_list args) {
        char text[1024];

        if (!wanted) {
                route_end_cookie(client, m->serial, caller_cookie);
                return 0;
        }
        voice_format(text, sizeof(text), format, args);
        return send_error(client, m->serial, caller_cookie, !m->destination.s, name, text);
}

int tell_error(struct client *client, struct message *m, uint64_t caller_cookie, const char *name,
               const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = send_error_va(client, m, caller_cookie, message_wants_reply(m), name, format, args);
        va_end(args);
        return r;
}

/* Signals and replies carry NO_REPLY_EXPECTED by habit; only in a call does it mean anything. */
static bool wants_failure(const struct message *m) {
        return m->type != MESSAGE_TYPE_METHOD_CALL || message_wants_reply(m);
}

int tell_failure(struct client *client, struct message *m, uint64_t caller_cookie, const char *name,
                 const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = send_error_va(client, m, caller_cookie, wants_failure(m), name, format, args);
        va_end(args);
        return r;
}

int tell_denial(struct client *client, struct message *m, uint64_t caller_cookie,
                const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = send_error_va(client, m, caller_cookie, wants_failure(m), DRIVER_ERROR("AccessDenied"),
                          format, args);
        va_end(args);
        return r;
}

int tell_number(struct client *client, struct message *m, uint64_t caller_cookie, uint32_t number) {
        struct reply reply = {
                .caller = client,
                .serial = m->serial,
                .caller_cookie = caller_cookie,
        };
        struct message *answer;
        struct writer w;
        int r;

        voice_init(client->bus, &w, MESSAGE_TYPE_METHOD_RETURN, client, "u");
        w.reply_serial = m->serial;
        writer_u32(&w, number);
        r = writer_finish(&w, &answer);
        if (r < 0 || !message_wants_reply(m)) {
                route_end_cookie(client, m->serial, caller_cookie);
                if (r >= 0)
                        message_unref(answer);
                return r;
        }
        return send_answer(client, answer, !m->destination.s, &reply);
}

/* pending replies */

int tell_no_reply(struct reply *reply, const char *text) {
        uint64_t cookie = reply->caller_cookie;

        reply->caller_cookie = 0;
        return send_error(reply->caller, reply->serial, cookie, false, DRIVER_ERROR("NoReply"),
                          text);
}

int tell_reply_dropped(struct reply *reply) {
        int r;

        reply->callee_cookie = 0;
        r = tell_no_reply(reply, "The recipient dropped the call without replying");
        route_end_reply(reply);
        return r;
}

int tell_reply_lost(struct client *client, const struct message *m, const char *reason) {
        struct bus *bus = client->bus;
        struct client *caller;
        struct reply *reply = NULL;
        int r;

        if (!m->destination.s ||
            name_resolve(&bus->names, m->destination.s, m->destination.n) != client)
                return 0;

        if (message_is_reply(m))
                return send_error(client, m->reply_serial, 0, false, DRIVER_ERROR("NoReply"),
                                  reason);

        caller = name_resolve(&bus->names, m->sender.s, m->sender.n);
        if (caller && m->type == MESSAGE_TYPE_METHOD_CALL)
                reply = reply_find(&bus->replies, caller, client, m->serial);
        if (!reply)
                return 0;
        r = tell_no_reply(reply, reason);
        route_end_reply(reply);
        return r;
}

int tell_replies_gone(struct client *client) {
        int r, result = 0;

        while (client->pending)
                route_end_reply(client->pending);

        /* the last caller first, like the reference */
        while (client->owed) {
                struct reply *reply = client->owed->owed_prev;

                r = tell_no_reply(
                        reply, "Message recipient disconnected from message bus without replying");
                if (r < 0)
                        result = r;
                route_end_reply(reply);
        }
        return result;
}

int tell_replies_expired(struct bus *bus, int64_t now, int64_t *ret_next) {
        int r;

        while (bus->replies.deadlines && bus->replies.deadlines->deadline <= now) {
                struct reply *reply = bus->replies.deadlines;

                r = tell_no_reply(reply,
                                  "Message did not receive a reply (timeout by message bus)");
                route_end_reply(reply);
                if (r < 0)
                        return r;
        }

        *ret_next = bus->replies.deadlines ? bus->replies.deadlines->deadline : INT64_MAX;
        return 0;
}

/* signals */

int tell_name_signal(struct client *client, const char *member, const char *name) {
        struct message *m;
        struct writer w;
        int r;

        /* Only monitors see signals to a client that has gone. */
        if (client->state == CLIENT_GONE && !client->bus->monitors)
                return 0;
        voice_init_signal(client->bus, &w, client, member, "s");
        writer_string(&w, name);
        r = writer_finish(&w, &m);
        if (r < 0)
                return r;
        r = route_from_driver(client->bus, client, m, NULL);
        message_unref(m);
        return r;
}

/* On a bus without match rules and monitors nobody gets a signal, so none is made. */
static bool has_listeners(const struct bus *bus) {
        return bus->matches.n_rules > 0 || bus->monitors;
}

/* The writer is empty afterwards. */
static int broadcast(struct bus *bus, struct writer *w) {
        struct message *m;
        int r;

        r = writer_finish(w, &m);
        if (r < 0)
                return r;
        r = route_broadcast(bus, NULL, m);
        message_unref(m);
        return r;
}

int tell_owner_changed(struct bus *bus, const char *name, const char *old_owner,
                       const char *new_owner) {
        struct writer w;

        if (!has_listeners(bus))
                return 0;
        voice_init_signal(bus, &w, NULL, "NameOwnerChanged", "sss");
        writer_string(&w, name);
        writer_string(&w, old_owner);
        writer_string(&w, new_owner);
        return broadcast(bus, &w);
}

int tell_activatable_changed(struct bus *bus) {
        struct writer w;

        if (!has_listeners(bus))
                return 0;
        voice_init_signal(bus, &w, NULL, "ActivatableServicesChanged", "");
        return broadcast(bus, &w);
}
