/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/request.h"

#include <errno.h>
#include <stdlib.h>

static void request_end(struct bus1_dbus_slot *slot) {
        struct request *q = (struct request *)slot;

        request_cancel(q);
        q->clear(q);
        free(q);
}

void request_init(struct request *q, struct bus1_dbus *bus, bool is_floating,
                  void (*clear)(struct request *q)) {
        q->call = BUS1_INVALID;
        q->is_floating = is_floating;
        q->clear = clear;
        slot_init(&q->slot, bus, request_end);
}

static int request_answered(struct bus1_dbus_message *answer, void *userdata) {
        struct request *q = userdata;

        q->call = BUS1_INVALID;
        q->answered(q, answer);
        return 0;
}

int request_send(struct request *q, uint64_t to, DBusMessage *message, const uint64_t *handle,
                 int timeout_ms, void (*answered)(struct request *, struct bus1_dbus_message *)) {
        q->answered = answered;
        return bus1_dbus_call_async(q->slot.bus, to, message, handle, handle ? 1 : 0, timeout_ms,
                                    request_answered, q, &q->call);
}

void request_cancel(struct request *q) {
        if (q->call != BUS1_INVALID)
                bus1_dbus_cancel(q->slot.bus, q->call);
        q->call = BUS1_INVALID;
}

void request_finish(struct request *q) {
        if (q->is_floating)
                bus1_dbus_slot_free(&q->slot);
}

int request_result(struct bus1_dbus_message *answer, DBusError *error) {
        return dbus_set_error_from_message(error, answer->message) ? -EREMOTEIO : 0;
}
