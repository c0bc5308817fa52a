/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Asynchronous calls with a slot
 *
 * A request is the first member of a structure that keeps what the call is about. The slot of the
 * request belongs to the program. If the program did not want it, the request is floating: then the
 * library frees the structure when the request has ended.
 *
 *        request_init()    request_send()      the answer arrives
 *             |                 |                      |
 *             +-----------------+----------------------+-- answered() -- request_finish()
 *             |                 |                      |                        |
 *             +-- the slot is freed: the call is cancelled, and clear() called -+
 *
 * The function of the program may free the slot or the bus. So the library calls it last, after
 * request_finish(), and with copies of what it needs.
 */

#include "libbus1/dbus/slot.h"

struct request {
        struct bus1_dbus_slot slot; /* must be first: pointers to it are cast */
        uint64_t call;              /* the call that waits for its answer; BUS1_INVALID: none */
        bool is_floating;
        /* The call has ended with this answer. */
        void (*answered)(struct request *q, struct bus1_dbus_message *answer);
        /* Free what the structure has, apart from itself. */
        void (*clear)(struct request *q);
};

void request_init(struct request *q, struct bus1_dbus *bus, bool is_floating,
                  void (*clear)(struct request *q));
/*
 * Call, and let answered() have the answer. handle can be NULL. timeout_ms is that of
 * bus1_dbus_call(). There must be no call that waits.
 */
int request_send(struct request *q, uint64_t to, DBusMessage *message, const uint64_t *handle,
                 int timeout_ms, void (*answered)(struct request *, struct bus1_dbus_message *));
/* Cancel the call that waits, if there is one. */
void request_cancel(struct request *q);
/* The request does nothing more: the caller must not use it any longer. */
void request_finish(struct request *q);
/* Returns -EREMOTEIO and sets the error if the answer is an error, else 0. */
int request_result(struct bus1_dbus_message *answer, DBusError *error);
