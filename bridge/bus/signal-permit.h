/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Signal permits - kept verdicts about signals that the policy allowed before
 *
 * A verdict about a signal depends on four things: the policy and the names of the sender, the
 * policy and the names of the receiver. The first two, and the fields of the signal that rules can
 * depend on, are its form. A sender has up to SIGNAL_FORMS_MAX forms, for different signals that it
 * sent. Each form has a number, which no other form of the bus gets, ever:
 *
 *      sender :1.7                                          receiver :1.9
 *        form 2247   broadcast, i.f, Changed          --->    permits   2247  610
 *        form 2311   to one client, i.f, Progress
 *
 * A receiver keeps the numbers of up to SIGNAL_PERMITS_MAX forms that both policies allowed without
 * a log line. So for a broadcast the bus compares the text of the signal with a form once, and for
 * each receiver it only compares a number.
 *
 * When the policy or the names of a client change, the client loses its forms and its permits. What
 * others keep of its old forms means nothing from then on, because new forms have new numbers.
 *
 * The bus keeps a fixed number of forms and permits, and a new one replaces the one that is at its
 * place. The permits for the forms of one sender have only SIGNAL_FORMS_MAX places, which depend on
 * the secret hash of its unique name. So however many different signals a sender sends, most
 * permits for other senders stay.
 */

#include "bridge/bus/client.h"

#define SIGNAL_FORMS_MAX 8
#define SIGNAL_PERMITS_MAX 64

/* The form of a signal that has none: no receiver ever has a permit for it. */
#define SIGNAL_FORM_NONE 1

struct signal_permits {
        uint64_t forms[SIGNAL_PERMITS_MAX]; /* 0: empty */
};

/*
 * Get the form of a signal. If the sender has none for such signals yet, it gets one, which may
 * replace another. *n_forms counts the forms of the bus that were ever made. Returns
 * SIGNAL_FORM_NONE for signals without a key (permit-key.h), for other messages, and without
 * memory.
 */
uint64_t signal_form_get(uint64_t *n_forms, struct client *sender, const struct message *m);
/* Keep a permit for a form. It may replace another. */
void signal_permit_add(struct client *receiver, uint64_t form);
/* Drop the forms and the permits of a client: its names or its policy changed, or it ends. */
void signal_permit_drop(struct client *client);

/* Has the receiver a permit for the form? form may be 0: then it has not. */
static inline bool signal_permit_find(const struct client *receiver, uint64_t form) {
        return form && receiver->signal_permits &&
               receiver->signal_permits->forms[form % SIGNAL_PERMITS_MAX] == form;
}
