/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/state/message-record.h"

#include <string.h>

void state_save_message(struct state_save *save, const struct message *m) {
        if (save->error || state_number_of(save, STATE_MESSAGES, m) > 0)
                return;

        state_record_begin(save, STATE_MESSAGE);
        state_put_u32(save, "id", state_number(save, STATE_MESSAGES, m));
        state_put_bool(save, "is_raw", !m->parsed);
        state_put_bytes(save, "wire", m->wire, m->n_wire);
        state_put_fds(save, "fds", m->fds, m->n_fds);
        state_put_bool(save, "is_shown", m->is_shown);
        state_put_u32(save, "n_resent", m->n_resent);
        state_put_u64(save, "order", m->order);
        state_put_u64(save, "caused_by", m->caused_by);
        state_put_bool(save, "has_cost", m->cost > 0);
        if (m->attachment && save->put_attachment)
                save->put_attachment(save, m);
        else if (m->attachment)
                state_refuse(save, "a message with handles of bus1");
        state_record_end(save);
}

static int check(struct state_load *load, struct message *m) {
        int r;

        if (load->is_trusted)
                r = message_adopt(m);
        else {
                r = message_parse_header(m);
                if (r == 0)
                        r = m->n_fds == m->n_fds_declared ? message_parse_body(m) : MESSAGE_E_FDS;
        }
        return r ? state_fail(load, "wire", "%s", message_violation(r)) : 0;
}

static int fill(struct state_load *load, struct message *m) {
        bool is_raw = false, has_cost = false;
        uint32_t n_resent = 0;

        state_get_bool(load, "is_raw", &is_raw);
        state_get_fds(load, "fds", STATE_FDS_MAX, &m->fds, &m->n_fds);
        if (!load->error && !is_raw)
                check(load, m);
        state_get_bool(load, "is_shown", &m->is_shown);
        if (state_get_below(load, "n_resent", UINT8_MAX + 1, &n_resent) == 0)
                m->n_resent = (uint8_t)n_resent;
        state_get_u64(load, "order", &m->order);
        state_get_u64(load, "caused_by", &m->caused_by);
        if (state_get_bool(load, "has_cost", &has_cost) == 0 && has_cost)
                m->cost = message_memory(m);
        if (!load->error && load->get_attachment)
                return load->get_attachment(load, m);
        return load->error;
}

int state_load_message(struct state_load *load) {
        const uint8_t *bytes;
        struct message *m;
        size_t n;
        int r;

        if (state_get_bytes(load, "wire", &bytes, &n) < 0)
                return load->error;
        if (n == 0 || n > MESSAGE_SIZE_MAX)
                return state_fail(load, "wire", "%zu bytes are no message", n);
        if (message_new(&m, n) < 0)
                return state_fail_memory(load);
        memcpy(m->wire, bytes, n);
        r = fill(load, m);
        if (r == 0)
                r = state_define(load, "id", STATE_MESSAGES, m);
        if (r < 0) {
                m->n_fds = 0; /* they stay open: see state_get_fd() */
                message_unref(m);
        }
        return r;
}

int state_get_message(struct state_load *load, const char *name, struct message **ret_m) {
        return state_get_ref(load, name, STATE_MESSAGES, ret_m);
}
