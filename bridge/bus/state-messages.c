/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/bus/state-messages.h"

#include <string.h>

int messages_load_held(struct state_load *load, const char *field, uint32_t id,
                       const struct client *sender, struct message **ret_m) {
        const char *name = sender ? sender->unique_name : BUS_DRIVER_NAME;
        struct message *m = NULL;

        if (state_ref(load, field, STATE_MESSAGES, id, &m) < 0)
                return load->error;
        if (sender && !client_is_registered(sender))
                return state_fail(load, field, "the sender of message %u sends none", id);
        if (!m->parsed || !m->sender.s || strcmp(m->sender.s, name) != 0)
                return state_fail(load, field, "message %u is not of this sender", id);
        if (sender && m->cost == 0)
                m->cost = message_memory(m);
        *ret_m = m;
        return 0;
}
