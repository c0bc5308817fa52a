/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/lazy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/membership.h"
#include "libbus1/dbus/wire.h"

struct lazy *lazy_new(const struct bus1_received *received, uint8_t type) {
        size_t n = wire_message_size(received);
        struct lazy *lazy;

        if (received->n_fds > 0 || n < MESSAGE_HEADER_SIZE || received->data[1] != type)
                return NULL;
        lazy = malloc(sizeof(*lazy) + n);
        if (!lazy)
                return NULL;
        *lazy = (struct lazy){
                .wire = {.wire = lazy->bytes, .n_wire = n},
                .keeps_sender = true,
        };
        memcpy(lazy->bytes, received->data, n);
        if (message_parse(&lazy->wire)) {
                lazy_free(lazy);
                return NULL;
        }
        return lazy;
}

int lazy_set_sender(struct lazy *lazy, const char *sender) {
        char *copy = sender ? strdup(sender) : NULL;

        if (sender && !copy)
                return -ENOMEM;
        free(lazy->sender);
        lazy->sender = copy;
        lazy->keeps_sender = false;
        return 0;
}

void lazy_free(struct lazy *lazy) {
        if (!lazy)
                return;
        free(lazy->sender);
        free(lazy->path);
        free(lazy);
}

static bool string_is(struct wire_string string, const char *s) {
        return string.s && strcmp(string.s, s) == 0;
}

bool lazy_is_call(const struct lazy *lazy, const char *interface, const char *member) {
        return lazy->wire.type == MESSAGE_TYPE_METHOD_CALL &&
               string_is(lazy->wire.interface, interface) && string_is(lazy->wire.member, member);
}

DBusMessage *lazy_make(const struct lazy *lazy) {
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;
        struct bus1_received received = {.data = lazy->wire.wire, .n_data = lazy->wire.n_wire};

        if (wire_to_message(&received, &m) < 0 ||
            (!lazy->keeps_sender && !dbus_message_set_sender(m, lazy->sender)) ||
            (lazy->path && !dbus_message_set_path(m, lazy->path)) ||
            (lazy->reply_serial && !dbus_message_set_reply_serial(m, lazy->reply_serial)))
                return NULL;
        return steal_ptr(&m);
}
