/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bridge/wire/writer.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message-limits.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/plain.h"
#include "libbus1/dbus/send.h"
#include "libbus1/dbus/spent.h"

#define ERROR_TEXT_MAX 1024

PUBLIC bool bus1_dbus_message_takes_handles(const struct bus1_dbus_message *call) {
        return !((const struct incoming_message *)call)->no_handles;
}

/* The bus does not see the reply to a direct call, and cannot refuse it. */
static int reply_refuse(struct incoming_message *m, const char *text) {
        CLEANUP(dbus_message_unrefp) DBusMessage *error = NULL;
        DBusMessage *message = bus1_dbus_message_get_dbus(&m->public);

        error = message ? dbus_message_new_error(message, DBUS_ERROR_LIMITS_EXCEEDED, text) : NULL;
        if (!error)
                return -ENOMEM;
        return send_message(m->public.bus, m->reply_handle, error, NULL, 0, NULL, 0);
}

static int reply_send(struct incoming_message *m, const struct wire *wire, const uint64_t *handles,
                      size_t n_handles) {
        struct bus1_dbus *bus = m->public.bus;
        const char *refusal = m->is_direct ? limits_check(bus, wire) : NULL;

        if (refusal)
                return reply_refuse(m, refusal);
        return send_wire(bus, m->reply_handle, wire, NULL, 0, handles, n_handles, 0, NULL);
}

/*
 * May the call be answered like this? Returns 0 or the error of bus1_dbus_reply(). Announces
 * objects, which runs functions of the program. So nothing of the call may be kept from before.
 */
static int reply_check(const struct incoming_message *m, const uint64_t *handles,
                       size_t n_handles) {
        if (!m->replied && m->public.bus)
                bus_announce(m->public.bus);
        if (m->replied)
                return -EALREADY;
        if (!m->public.bus)
                return -ENOTCONN;
        if (n_handles > 0 && m->no_handles)
                return -EOPNOTSUPP;
        return n_handles > 0 && !handles ? -EINVAL : 0;
}

/* The wire may be empty if the call wants no reply. */
static int reply_wire(struct incoming_message *m, const struct wire *wire, const uint64_t *handles,
                      size_t n_handles) {
        struct bus1_dbus *bus = m->public.bus;
        int r;

        if (m->reply_handle != BUS1_INVALID) {
                r = reply_send(m, wire, handles, n_handles);
                /* When the caller has gone, the handle is unknown. Then drop the reply. */
                if (r < 0 && (r != -EBADRQC || handle_is_known(bus, m->reply_handle)))
                        return r;
                if (r >= 0 && !m->trusted)
                        spent_add(bus, m->reply_handle);
                m->reply_handle = BUS1_INVALID; /* one-shot: the send used it up, or it had ended */
        }
        m->replied = true;
        return 0;
}

PUBLIC int bus1_dbus_reply(struct bus1_dbus_message *call, DBusMessage *reply,
                           const uint64_t *handles, size_t n_handles) {
        struct incoming_message *m = (struct incoming_message *)call;
        CLEANUP(wire_deinit) struct wire wire = {};
        int r;

        if (!call || (!message_is(reply, DBUS_MESSAGE_TYPE_METHOD_RETURN) &&
                      !message_is(reply, DBUS_MESSAGE_TYPE_ERROR)))
                return -EINVAL;
        r = reply_check(m, handles, n_handles);
        if (r >= 0 && m->reply_handle != BUS1_INVALID)
                r = message_to_wire(call->bus, reply, &wire);
        return r < 0 ? r : reply_wire(m, &wire, handles, n_handles);
}

/* Begin a method return, whose header is that of dbus_message_new_method_return(). */
static void reply_begin(struct incoming_message *m, struct writer *w, const char *signature) {
        uint8_t flags = MESSAGE_FLAG_NO_REPLY_EXPECTED;

        writer_init(w, MESSAGE_TYPE_METHOD_RETURN, flags, serial_next(m->public.bus), signature);
        if (m->lazy) {
                w->reply_serial = m->lazy->wire.serial;
                w->destination = lazy_get_sender(m->lazy);
        } else {
                w->reply_serial = dbus_message_get_serial(m->public.message);
                w->destination = dbus_message_get_sender(m->public.message);
        }
}

static int reply_finish(struct incoming_message *m, struct writer *w) {
        CLEANUP(wire_deinit) struct wire wire = {};
        int r;

        r = wire_from_writer(w, &wire);
        return r < 0 ? r : reply_wire(m, &wire, NULL, 0);
}

int reply_plain(struct bus1_dbus_message *call, const char *types, va_list args) {
        struct incoming_message *m = (struct incoming_message *)call;
        struct writer w;
        int r;

        r = reply_check(m, NULL, 0);
        if (r < 0)
                return r;
        reply_begin(m, &w, types);
        if (!plain_write(&w, types, args)) {
                writer_deinit(&w);
                return -EOPNOTSUPP;
        }
        return reply_finish(m, &w);
}

/* Like reply_plain(), for the arguments of bus1_dbus_reply_args(). */
static int reply_plain_args(struct incoming_message *m, int first_arg_type, va_list args) {
        char signature[PLAIN_SIGNATURE_SIZE] = "";
        struct writer w;
        int r;

        r = reply_check(m, NULL, 0);
        if (r < 0)
                return r;
        reply_begin(m, &w, signature);
        if (!plain_write_args(&w, signature, first_arg_type, args)) {
                writer_deinit(&w);
                return -EOPNOTSUPP;
        }
        return reply_finish(m, &w);
}

static int reply_with_message(struct bus1_dbus_message *call, int first_arg_type, va_list args) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        DBusMessage *message = bus1_dbus_message_get_dbus(call);

        reply = message ? dbus_message_new_method_return(message) : NULL;
        if (!reply || !dbus_message_append_args_valist(reply, first_arg_type, args))
                return -ENOMEM;
        return bus1_dbus_reply(call, reply, NULL, 0);
}

PUBLIC int bus1_dbus_reply_args(struct bus1_dbus_message *call, int first_arg_type, ...) {
        va_list args;
        int r;

        if (!call)
                return -EINVAL;
        va_start(args, first_arg_type);
        r = reply_plain_args((struct incoming_message *)call, first_arg_type, args);
        va_end(args);
        if (r != -EOPNOTSUPP)
                return r;
        va_start(args, first_arg_type);
        r = reply_with_message(call, first_arg_type, args);
        va_end(args);
        return r;
}

/* Remove the last character of a text that was cut, unless it is ASCII: it may be incomplete. */
static void text_trim(char *text) {
        size_t n = strlen(text);

        while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
                n--;
        if (n > 0 && (unsigned char)text[n - 1] >= 0xc0)
                n--;
        text[n] = 0;
}

__attribute__((format(printf, 3, 0))) static int
reply_errorv(struct bus1_dbus_message *call, const char *name, const char *format, va_list args) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        char text[ERROR_TEXT_MAX];
        DBusMessage *message;
        int n;

        if (!call || !name || !dbus_validate_error_name(name, NULL) || !format)
                return -EINVAL;
        n = vsnprintf(text, sizeof(text), format, args);
        if (n < 0)
                return -EINVAL;
        if ((size_t)n >= sizeof(text))
                text_trim(text);
        if (!dbus_validate_utf8(text, NULL))
                return -EINVAL;
        message = bus1_dbus_message_get_dbus(call);
        reply = message ? dbus_message_new_error(message, name, text) : NULL;
        return reply ? bus1_dbus_reply(call, reply, NULL, 0) : -ENOMEM;
}

PUBLIC int bus1_dbus_reply_error(struct bus1_dbus_message *call, const char *name,
                                 const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = reply_errorv(call, name, format, args);
        va_end(args);
        return r;
}

PUBLIC int bus1_dbus_fail(struct bus1_dbus_message *call, const char *name, const char *format,
                          ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = reply_errorv(call, name, format, args);
        va_end(args);
        return r < 0 ? r : -EREMOTEIO;
}

void reply_errno(struct bus1_dbus_message *call, int r) {
        char name[ERROR_NAME_MAX];

        bus1_dbus_reply_error(call, error_name_from_errno(r, name), "%s", error_text_from_errno(r));
}
