/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver: finding the method of a call, running it, answering. */

#include "bridge/driver/driver.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/bus/monitor.h"
#include "bridge/bus/route.h"
#include "bridge/driver/interfaces.h"
#include "bridge/wire/names.h"

enum {
        DRIVER_CALL_FAILED = 1,
};

static bool wants_reply(const struct message *m) {
        return m->type == MESSAGE_TYPE_METHOD_CALL && !(m->flags & MESSAGE_FLAG_NO_REPLY_EXPECTED);
}

static void text_format(char *text, size_t n_text, const char *format, va_list args)
        __attribute__((format(printf, 3, 0)));

/*
 * Cut a text that was too long for its buffer so that no character is cut in two. What is no valid
 * string all the same, because of the name of a file in it say, must not keep the message from
 * being one.
 */
static void text_format(char *text, size_t n_text, const char *format, va_list args) {
        int n = vsnprintf(text, n_text, format, args);

        if (n < 0)
                text[0] = '\0';
        else if ((size_t)n >= n_text) {
                size_t end = n_text - 1;

                while (end > 0 && ((unsigned char)text[end - 1] & 0xc0) == 0x80)
                        end--;
                if (end > 0 && ((unsigned char)text[end - 1] & 0x80))
                        end--;
                text[end] = '\0';
        }

        if (!name_is_valid_utf8(text, strlen(text)))
                for (char *p = text; *p; p++)
                        if (*p & 0x80)
                                *p = '?';
}

/* answers */

static void address_writer(struct writer *w, struct client *client) {
        w->sender = BUS_DRIVER_NAME;
        if (client && client->unique_name[0])
                w->destination = client->unique_name;
}

int driver_call_fail(struct driver_call *call, const char *name, const char *format, ...) {
        va_list args;

        va_start(args, format);
        text_format(call->error_text, sizeof(call->error_text), format, args);
        va_end(args);
        call->error_name = name;
        return DRIVER_CALL_FAILED;
}

/* client is NULL when the bus itself would have to be told. */
static int error_new(struct bus *bus, struct client *client, uint32_t serial, const char *name,
                     const char *text, struct message **ret_message) {
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_ERROR, MESSAGE_FLAG_NO_REPLY_EXPECTED, bus_next_serial(bus),
                    "s");
        address_writer(&w, client);
        if (!client)
                w.destination = BUS_DRIVER_NAME;
        w.error_name = name;
        w.reply_serial = serial;
        writer_string(&w, text);
        return writer_finish(&w, ret_message);
}

/* to is the message that the error is about, NULL for a call that is not at hand any more. */
static int send_error_text(struct client *client, const struct message *to, uint32_t serial,
                           uint64_t caller_cookie, const char *name, const char *text) {
        struct reply reply = {.caller = client, .serial = serial, .caller_cookie = caller_cookie};
        struct message *m;
        int r;

        r = error_new(client->bus, client, serial, name, text, &m);
        if (r < 0) {
                route_end_cookie(client, serial, caller_cookie);
                return r;
        }
        if (client->state == CLIENT_CONNECTED || (to && !to->destination.s))
                r = route_in_private(client, m, &reply);
        else
                r = route_from_driver(client->bus, client, m, &reply);
        message_unref(m);
        return r;
}

/* m is not answered unless it is wanted, and then no text is made either. */
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
        text_format(text, sizeof(text), format, args);
        return send_error_text(client, m, m->serial, caller_cookie, name, text);
}

int driver_send_error(struct client *client, struct message *m, uint64_t caller_cookie,
                      const char *name, const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = send_error_va(client, m, caller_cookie, wants_reply(m), name, format, args);
        va_end(args);
        return r;
}

/* Signals and replies carry NO_REPLY_EXPECTED as a matter of course; in a call it is meant. */
static bool wants_error(const struct message *m) {
        return m->type != MESSAGE_TYPE_METHOD_CALL || wants_reply(m);
}

int driver_send_failure(struct client *client, struct message *m, uint64_t caller_cookie,
                        const char *name, const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = send_error_va(client, m, caller_cookie, wants_error(m), name, format, args);
        va_end(args);
        return r;
}

int driver_send_denial(struct client *client, struct message *m, uint64_t caller_cookie,
                       const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = send_error_va(client, m, caller_cookie, wants_error(m), DRIVER_ERROR("AccessDenied"),
                          format, args);
        va_end(args);
        return r;
}

int driver_show_denial(struct bus *bus, struct client *sender, struct message *m) {
        struct message *error;
        int r;

        if (!bus->monitors)
                return 0;
        r = error_new(bus, sender, m->serial, DRIVER_ERROR("AccessDenied"),
                      "The policy forbids this message to a receiver", &error);
        if (r < 0)
                return r;
        r = monitor_observe(bus, NULL, sender, error);
        message_unref(error);
        return r;
}

int driver_send_no_reply(struct reply *reply, const char *text) {
        uint64_t cookie = reply->caller_cookie;

        reply->caller_cookie = 0;
        return send_error_text(reply->caller, NULL, reply->serial, cookie, DRIVER_ERROR("NoReply"),
                               text);
}

int driver_call_reply(struct driver_call *call) {
        struct reply reply = {
                .caller = call->client,
                .serial = call->message->serial,
                .caller_cookie = call->caller_cookie,
        };
        struct message *m;
        int r;

        if (call->done)
                return 0;
        call->done = true;
        call->caller_cookie = 0;

        /* Serials count up in the order in which things are said: signals of a method come first.
         */
        call->writer.serial = bus_next_serial(call->bus);
        address_writer(&call->writer, call->client);
        r = writer_finish(&call->writer, &m);
        if (r < 0)
                /* Too many rules to list, no descriptors left: that is the caller's, not the bus's
                 * end. */
                return driver_send_error(call->client, call->message, reply.caller_cookie,
                                         DRIVER_ERROR("LimitsExceeded"),
                                         "The answer cannot be given: %s", strerror(-r));

        if (wants_reply(call->message)) {
                m->attachment = call->attachment;
                m->attachment_free = call->attachment_free;
                call->attachment = NULL;
                if (call->message->destination.s)
                        r = route_from_driver(call->bus, call->client, m, &reply);
                else
                        r = route_in_private(call->client, m, &reply);
        }
        message_unref(m);
        return r;
}

/* later answers */

uint64_t driver_call_leave(struct driver_call *call) {
        uint64_t cookie = call->caller_cookie;

        call->caller_cookie = 0;
        call->done = true;
        writer_deinit(&call->writer);
        return cookie;
}

int driver_send_number(struct client *client, struct message *m, uint64_t caller_cookie,
                       uint32_t number) {
        struct driver_call call = {
                .bus = client->bus,
                .client = client,
                .message = m,
                .caller_cookie = caller_cookie,
        };

        writer_init(&call.writer, MESSAGE_TYPE_METHOD_RETURN, MESSAGE_FLAG_NO_REPLY_EXPECTED, 0,
                    "u");
        call.writer.reply_serial = m->serial;
        writer_u32(&call.writer, number);
        return driver_call_reply(&call);
}

int driver_call_later(struct driver_call *call, struct driver_later **ret_later) {
        struct client *client = call->client;
        struct driver_later *later;

        if ((int64_t)client->n_pending + client->n_later >=
            call->bus->limits.max_replies_per_connection)
                return driver_call_fail(call, DRIVER_ERROR("LimitsExceeded"),
                                        "Too many calls are waiting for their replies");
        later = calloc(1, sizeof(*later));
        if (!later)
                return -ENOMEM;
        *later = (struct driver_later){
                .client = client,
                .serial = call->message->serial,
                .caller_cookie = driver_call_leave(call),
                .wants_reply = wants_reply(call->message),
        };
        DL_APPEND(client->later, later);
        client->n_later++;
        *ret_later = later;
        return 0;
}

static void later_unlink(struct driver_later *later) {
        struct client *client = later->client;

        DL_DELETE(client->later, later);
        client->n_later--;
        later->client = NULL;
        if (!client->later && client->state != CLIENT_GONE && client->ops->resume)
                client->ops->resume(client);
}

/* To be ended without an answer. */
static void later_drop(struct driver_later *later) {
        struct client *client = later->client;

        later_unlink(later);
        route_end_cookie(client, later->serial, later->caller_cookie);
}

void driver_later_forget(struct client *client) {
        while (client->later)
                later_drop(client->later);
}

void driver_later_free(struct driver_later *later) {
        if (later && later->client)
                later_drop(later);
        free(later);
}

int driver_later_reply(struct driver_later *later) {
        struct reply reply;
        struct message *m;
        struct writer w;
        int r = 0;

        if (later && later->client && !later->wants_reply)
                later_drop(later);
        else if (later && later->client) {
                reply = (struct reply){
                        .caller = later->client,
                        .serial = later->serial,
                        .caller_cookie = later->caller_cookie,
                };
                later_unlink(later);
                writer_init(&w, MESSAGE_TYPE_METHOD_RETURN, MESSAGE_FLAG_NO_REPLY_EXPECTED,
                            bus_next_serial(reply.caller->bus), "");
                w.reply_serial = reply.serial;
                address_writer(&w, reply.caller);
                r = writer_finish(&w, &m);
                if (r >= 0) {
                        r = route_from_driver(reply.caller->bus, reply.caller, m, &reply);
                        message_unref(m);
                }
        }
        free(later);
        return r;
}

int driver_later_fail(struct driver_later *later, const char *name, const char *format, ...) {
        char text[1024];
        va_list args;
        int r = 0;

        if (later && later->client && !later->wants_reply)
                later_drop(later);
        else if (later && later->client) {
                struct client *client = later->client;

                va_start(args, format);
                text_format(text, sizeof(text), format, args);
                va_end(args);
                later_unlink(later);
                r = send_error_text(client, NULL, later->serial, later->caller_cookie, name, text);
        }
        free(later);
        return r;
}

/* methods */

static const struct driver_method *find_method(const struct driver_interface *interface,
                                               const char *member) {
        for (const struct driver_method *method = interface->methods; method && method->name;
             method++)
                if (!strcmp(method->name, member))
                        return method;
        return NULL;
}

/* Interfaces that a call can reach: all, or Peer alone, by its name, when the call is for the
 * connection, not the bus. */
static bool is_reachable(const struct driver_interface *interface, const struct message *m) {
        if (!m->destination.s)
                return interface == &driver_interface_peer && m->interface.s;
        return !interface->canonical_path_only || driver_path_is_canonical(m->path.s);
}

static int select_method(struct driver_call *call) {
        const struct message *m = call->message;
        struct bus *bus = call->bus;

        if (m->interface.s) {
                const struct driver_interface *interface =
                        driver_find_interface(bus, m->interface.s);

                if (!interface || !is_reachable(interface, m))
                        return driver_call_fail(call,
                                                m->destination.s ? DRIVER_ERROR("UnknownInterface")
                                                                 : DRIVER_ERROR("UnknownMethod"),
                                                "%s does not understand the interface %s here",
                                                BUS_DRIVER_NAME, m->interface.s);
                call->method = find_method(interface, m->member.s);
        } else
                for (size_t i = 0; i < bus->n_interfaces && !call->method; i++)
                        if (is_reachable(bus->interfaces[i], m))
                                call->method = find_method(bus->interfaces[i], m->member.s);

        if (!call->method)
                return driver_call_fail(call, DRIVER_ERROR("UnknownMethod"),
                                        "%s does not understand the method %s", BUS_DRIVER_NAME,
                                        m->member.s);
        return 0;
}

static int check_method(struct driver_call *call) {
        const struct driver_method *method = call->method;
        const struct message *m = call->message;

        if (call->client->state == CLIENT_CONNECTED && m->destination.s &&
            method->run != driver_hello)
                return driver_call_fail(call, DRIVER_ERROR("AccessDenied"),
                                        "Nothing can be called before Hello");
        if ((method->flags & DRIVER_METHOD_CANONICAL_PATH) && !driver_path_is_canonical(m->path.s))
                return driver_call_fail(call, DRIVER_ERROR("AccessDenied"),
                                        "%s can only be called at %s", method->name,
                                        BUS_DRIVER_PATH);
        if ((method->flags & DRIVER_METHOD_PRIVILEGED) && !client_is_privileged(call->client))
                return driver_call_fail(call, DRIVER_ERROR("AccessDenied"),
                                        "%s is for root and the user of the bus only",
                                        method->name);
        if ((method->flags & DRIVER_METHOD_HANDLES) && !call->client->handles_ok)
                return driver_call_fail(call, DRIVER_ERROR("NotSupported"),
                                        "%s is for native bus1 clients only", method->name);
        /* What a connection itself is asked comes with any arguments, as to the reference. */
        if (m->destination.s && strcmp(method->in, m->signature.s) != 0)
                return driver_call_fail(call, DRIVER_ERROR("InvalidArgs"),
                                        "%s takes the signature '%s', not '%s'", method->name,
                                        method->in, m->signature.s);
        return 0;
}

static int run_method(struct driver_call *call) {
        int r;

        writer_init(&call->writer, MESSAGE_TYPE_METHOD_RETURN, MESSAGE_FLAG_NO_REPLY_EXPECTED, 0,
                    call->method->out);
        call->writer.reply_serial = call->message->serial;
        reader_init(&call->reader, call->message);

        r = call->method->run(call);
        if (r == 0)
                return driver_call_reply(call);

        writer_deinit(&call->writer);
        return r;
}

int driver_dispatch(struct client *client, struct message *m, uint64_t caller_cookie) {
        struct driver_call call = {
                .bus = client->bus,
                .client = client,
                .message = m,
                .caller_cookie = caller_cookie,
        };
        int r;

        /* Before Hello, what is not Hello is not even looked up. */
        if (client->state == CLIENT_CONNECTED && m->destination.s &&
            strcmp(m->member.s, "Hello") != 0)
                return driver_send_error(client, m, caller_cookie, DRIVER_ERROR("AccessDenied"),
                                         "Nothing can be called before Hello");
        if (client->state == CLIENT_CONNECTED && m->destination.s && m->interface.s &&
            strcmp(m->interface.s, BUS_DRIVER_INTERFACE) != 0)
                return driver_send_error(client, m, caller_cookie, DRIVER_ERROR("AccessDenied"),
                                         "Nothing can be called before Hello");

        r = select_method(&call);
        if (r == 0)
                r = check_method(&call);
        if (r == 0)
                r = run_method(&call);

        if (r == DRIVER_CALL_FAILED && !call.done)
                r = driver_send_error(client, m, call.caller_cookie, call.error_name, "%s",
                                      call.error_text);
        else if (r != 0)
                route_end_cookie(client, m->serial, call.caller_cookie);
        if (call.attachment && call.attachment_free)
                call.attachment_free(call.attachment);
        return r < 0 ? r : 0;
}
