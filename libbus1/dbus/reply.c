/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Answers to calls that arrived
 *
 * An answer goes through the one-shot handle that came with the call, and uses it up.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "libbus1/dbus/message.h"

#define ERROR_TEXT_MAX 1024

/* Does the handle still exist? Asked only after a send with several handles failed. */
static bool handle_is_known(struct bus1_dbus *bus, uint64_t handle) {
        struct bus1_transfer src = {.id = handle}, copy;

        if (bus1_client_transfer(bus->client, NULL, 1, &src, &copy) < 0)
                return false;
        bus1_dbus_release(bus, copy.id);
        return true;
}

PUBLIC int bus1_dbus_reply(struct bus1_dbus_message *call, DBusMessage *reply,
                           const uint64_t *handles, size_t n_handles) {
        struct incoming_message *m = (struct incoming_message *)call;
        int r;

        if (!call || (!message_is(reply, DBUS_MESSAGE_TYPE_METHOD_RETURN) &&
                      !message_is(reply, DBUS_MESSAGE_TYPE_ERROR)))
                return -EINVAL;
        if (m->replied)
                return -EALREADY;
        if (!call->bus)
                return -ENOTCONN;
        if (m->reply_handle != BUS1_INVALID) {
                r = send_message(call->bus, m->reply_handle, reply, NULL, 0, handles, n_handles);
                /* the handle is unknown once this peer was told that the caller has gone */
                if (r < 0 && (r != -EBADRQC || handle_is_known(call->bus, m->reply_handle)))
                        return r;
                m->reply_handle = BUS1_INVALID; /* one-shot: the send used it up */
        }
        m->replied = true;
        return 0;
}

PUBLIC int bus1_dbus_reply_args(struct bus1_dbus_message *call, int first_arg_type, ...) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        va_list args;
        bool ok;

        if (!call)
                return -EINVAL;
        reply = dbus_message_new_method_return(call->message);
        if (!reply)
                return -ENOMEM;
        va_start(args, first_arg_type);
        ok = dbus_message_append_args_valist(reply, first_arg_type, args);
        va_end(args);
        return ok ? bus1_dbus_reply(call, reply, NULL, 0) : -ENOMEM;
}

/* Remove a character that was cut in the middle from the end of a text. */
static void text_trim(char *text) {
        size_t n = strlen(text);

        while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
                n--;
        if (n > 0 && (unsigned char)text[n - 1] >= 0xc0)
                n--;
        text[n] = 0;
}

PUBLIC int bus1_dbus_reply_error(struct bus1_dbus_message *call, const char *name,
                                 const char *format, ...) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        char text[ERROR_TEXT_MAX];
        va_list args;
        int n;

        if (!call || !name || !dbus_validate_error_name(name, NULL) || !format)
                return -EINVAL;
        va_start(args, format);
        n = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (n < 0)
                return -EINVAL;
        if ((size_t)n >= sizeof(text))
                text_trim(text);
        if (!dbus_validate_utf8(text, NULL))
                return -EINVAL;
        reply = dbus_message_new_error(call->message, name, text);
        return reply ? bus1_dbus_reply(call, reply, NULL, 0) : -ENOMEM;
}
