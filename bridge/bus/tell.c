/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tell: errors, answers, NoReply, and the signals of org.freedesktop.DBus. */

#include "bridge/bus/tell.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "bridge/bus/name.h"
#include "bridge/bus/route.h"

/* errors and results */

int tell_error_text(struct client *client, uint32_t serial, uint64_t caller_cookie, bool is_private,
                    const char *name, const char *text) {
        struct reply reply = {.caller = client, .serial = serial, .caller_cookie = caller_cookie};
        CLEANUP(message_unrefp) struct message *m = NULL;
        int r;

        r = voice_error(client->bus, client, serial, name, text, &m);
        if (r < 0) {
                route_end_cookie(client, serial, caller_cookie);
                return r;
        }
        if (is_private || client->state == CLIENT_CONNECTED)
                return route_in_private(client, m, &reply);
        return route_from_driver(client->bus, client, m, &reply);
}

__attribute__((format(printf, 6, 0))) static int
send_error(struct client *client, struct message *m, uint64_t caller_cookie, bool wanted,
           const char *name, const char *format, va_list args) {
        char text[1024];

        if (!wanted) {
                route_end_cookie(client, m->serial, caller_cookie);
                return 0;
        }
        voice_format(text, sizeof(text), format, args);
        return tell_error_text(client, m->serial, caller_cookie, !m->destination.s, name, text);
}

int tell_error(struct client *client, struct message *m, uint64_t caller_cookie, const char *name,
               const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = send_error(client, m, caller_cookie, message_wants_reply(m), name, format, args);
        va_end(args);
        return r;
}

int tell_failure(struct client *client, struct message *m, uint64_t caller_cookie, const char *name,
                 const char *format, ...) {
        /* Many signals and replies carry NO_REPLY_EXPECTED, but it has a meaning only in calls. */
        bool wanted = m->type != MESSAGE_TYPE_METHOD_CALL || message_wants_reply(m);
        va_list args;
        int r;

        va_start(args, format);
        r = send_error(client, m, caller_cookie, wanted, name, format, args);
        va_end(args);
        return r;
}

int tell_return(struct client *client, uint32_t serial, uint64_t caller_cookie,
                const uint32_t *number) {
        struct reply reply = {.caller = client, .serial = serial, .caller_cookie = caller_cookie};
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct writer w;
        int r;

        voice_init(client->bus, &w, MESSAGE_TYPE_METHOD_RETURN, client, number ? "u" : "");
        w.reply_serial = serial;
        if (number)
                writer_u32(&w, *number);
        r = writer_finish(&w, &m);
        if (r < 0) {
                route_end_cookie(client, serial, caller_cookie);
                return r;
        }
        return route_from_driver(client->bus, client, m, &reply);
}

/* pending replies */

static int end_reply(struct reply *reply, const char *name, const char *text) {
        uint64_t cookie = reply->caller_cookie;
        int r;

        reply->caller_cookie = 0;
        r = tell_error_text(reply->caller, reply->serial, cookie, false, name, text);
        route_end_reply(reply);
        return r;
}

int tell_no_reply(struct reply *reply, const char *text) {
        return end_reply(reply, DRIVER_ERROR("NoReply"), text);
}

int tell_reply_dropped(struct reply *reply, const char *name, const char *text) {
        reply->callee_cookie = 0;
        if (name)
                return end_reply(reply, name, text);
        return tell_no_reply(reply,
                             "The recipient dropped the call, or the bus cannot pass its reply on");
}

int tell_reply_lost(struct client *client, const struct message *m, const char *reason) {
        struct bus *bus = client->bus;
        struct reply *reply = NULL;
        struct client *caller;

        if (!m->destination.s ||
            name_resolve(&bus->names, m->destination.s, m->destination.n) != client)
                return 0;

        if (message_is_reply(m))
                return tell_error_text(client, m->reply_serial, 0, false, DRIVER_ERROR("NoReply"),
                                       reason);

        caller = name_resolve(&bus->names, m->sender.s, m->sender.n);
        if (caller && m->type == MESSAGE_TYPE_METHOD_CALL)
                reply = reply_find(&bus->replies, caller, client, m->serial);
        return reply ? tell_no_reply(reply, reason) : 0;
}

int tell_reply_gone(struct client *client) {
        if (client->pending) {
                route_end_reply(client->pending);
                return 0;
        }
        if (!client->owed)
                return 0;
        /* the last caller first, like the reference */
        return tell_no_reply(client->owed->owed_prev,
                             "Message recipient disconnected from message bus without replying");
}

int tell_replies_expired(struct bus *bus, int64_t now, int64_t *ret_next) {
        int result = 0;

        while (bus->replies.deadlines && bus->replies.deadlines->deadline <= now)
                keep_error(
                        &result,
                        tell_no_reply(bus->replies.deadlines,
                                      "Message did not receive a reply (timeout by message bus)"));

        *ret_next = bus->replies.deadlines ? bus->replies.deadlines->deadline : INT64_MAX;
        return result;
}

/* signals */

/*
 * Send a signal with these strings to the client, or, if client is NULL, to every client with a
 * match rule for it. Without monitors, the bus makes no signal that nobody would see: one for a
 * client that has gone, or, if client is NULL, one on a bus without match rules.
 */
static int send_signal(struct bus *bus, struct client *client, const char *member,
                       const char *signature, const char *const *strings) {
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct writer w;
        int r;

        if (!bus->monitors && (client ? client->state == CLIENT_GONE : bus->matches.n_rules == 0))
                return 0;
        voice_init_signal(bus, &w, client, member, signature);
        for (size_t i = 0; signature[i]; i++)
                writer_string(&w, strings[i]);
        r = writer_finish(&w, &m);
        if (r < 0)
                return r;
        return client ? route_from_driver(bus, client, m, NULL) : route_broadcast(bus, NULL, m);
}

int tell_name_signal(struct client *client, const char *member, const char *name) {
        return send_signal(client->bus, client, member, "s", &name);
}

int tell_owner_changed(struct bus *bus, const char *name, const char *old_owner,
                       const char *new_owner) {
        return send_signal(bus, NULL, "NameOwnerChanged", "sss",
                           (const char *[]){name, old_owner, new_owner});
}

int tell_activatable_changed(struct bus *bus) {
        return send_signal(bus, NULL, "ActivatableServicesChanged", "", NULL);
}
