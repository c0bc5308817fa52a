/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signal permits: forms and permits have fixed places; a new one may replace an older one. */

#include "bridge/bus/signal-permit.h"

#include <stdlib.h>

#include "bridge/bus/permit-key.h"
#include "policy/policy.h"

struct signal_form {
        uint64_t number; /* 0: empty */
        bool broadcast;
        struct permit_key key;
};

struct signal_forms {
        struct signal_form slots[SIGNAL_FORMS_MAX];
};

/* A number that no form had before. Its remainder is the place of permits for the form. */
static uint64_t new_number(uint64_t *n_forms, const struct client *sender, size_t slot) {
        uint64_t place = (sender->unique_hash + slot) % SIGNAL_PERMITS_MAX;

        return ++*n_forms * SIGNAL_PERMITS_MAX + place;
}

uint64_t signal_form_get(uint64_t *n_forms, struct client *sender, const struct message *m) {
        bool broadcast = !m->destination.s;
        struct signal_form *form;
        struct permit_fields f;
        size_t slot;

        if (m->type != MESSAGE_TYPE_SIGNAL ||
            !permit_fields_of(m, policy_client_depends_on_path(sender->policy), &f))
                return SIGNAL_FORM_NONE;
        if (!sender->signal_forms)
                sender->signal_forms = calloc(1, sizeof(*sender->signal_forms));
        if (!sender->signal_forms)
                return SIGNAL_FORM_NONE; /* without memory the policy is asked each time */

        slot = permit_fields_slot(&f, SIGNAL_FORMS_MAX);
        form = &sender->signal_forms->slots[slot];
        if (form->number && form->broadcast == broadcast && permit_key_equals(&form->key, &f))
                return form->number;

        form->number = new_number(n_forms, sender, slot);
        form->broadcast = broadcast;
        permit_key_set(&form->key, &f);
        return form->number;
}

void signal_permit_add(struct client *receiver, uint64_t form) {
        if (form <= SIGNAL_FORM_NONE)
                return;
        if (!receiver->signal_permits)
                receiver->signal_permits = calloc(1, sizeof(*receiver->signal_permits));
        if (receiver->signal_permits)
                receiver->signal_permits->forms[form % SIGNAL_PERMITS_MAX] = form;
}

void signal_permit_drop(struct client *client) {
        free(client->signal_forms);
        client->signal_forms = NULL;
        free(client->signal_permits);
        client->signal_permits = NULL;
}
