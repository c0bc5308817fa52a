/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The fields of a session in the record of its client, in a state document; and IDs of the core in
 * any record
 */

#include "bridge/native/native-private.h"

#include <string.h>

#include "bridge/state/load.h"
#include "bridge/state/save.h"

/* nodes */

int native_id_check(struct state_load *load, const char *field, uint64_t id) {
        return id == 0 || id == BUS1_INVALID ? state_fail(load, field, "this is no ID") : 0;
}

int native_node_restore(struct native *native, struct state_load *load, const char *field,
                        uint64_t id, enum native_node_kind kind, void *data) {
        if (load->error || native_id_check(load, field, id) < 0)
                return load->error;
        if (native_node_find(native, id))
                return state_fail(load, field, "node %llu is there twice", (unsigned long long)id);
        return native_node_add(native, id, kind, data, NULL) < 0 ? state_fail_memory(load) : 0;
}

/* sessions */

void native_session_save(const struct client *client, struct state_save *save) {
        const struct native_session *session = (const struct native_session *)client;

        session->anchor->save(session->anchor, save);
        state_put_u64(save, "session_node", session->node);
        if (session->mark != BUS1_INVALID)
                state_put_u64(save, "mark", session->mark);
        state_put_u64(save, "peer_token", session->peer_token);
        state_put_u64(save, "n_answers", session->n_answers);
        state_put_u32(save, "serial", session->serial);
        state_put_bool(save, "is_complete", session->completed);
        state_put_bool(save, "is_informed", session->is_informed);
        state_put_bool(save, "has_channels", session->has_channels);
        state_put_u64(save, "n_exported", session->n_exported);
        state_put_bool(save, "leaves_handles", session->leaves_handles);
        state_put_u64s(save, "spent", session->spent, session->n_spent);
}

/* A newer bus may remember more: of those that are left out, the peer of the program gets rid. */
static int get_spent(struct native_session *session, struct state_load *load) {
        const uint8_t *end = NULL;
        struct reader r;

        if (state_get_array(load, "spent", "at", &r, &end) < 0)
                return load->error;
        while (r.at < end && session->n_spent < NATIVE_SPENT_MAX - 1)
                session->spent[session->n_spent++] = reader_u64(&r);
        return 0;
}

int native_session_get(struct native_session *session, struct state_load *load) {
        struct native *native = session->native;
        uint64_t node = 0, n_answers = 0;

        state_get_u64(load, "session_node", &node);
        state_get_u64(load, "peer_token", &session->peer_token);
        state_get_u64(load, "n_answers", &n_answers);
        state_get_u32(load, "serial", &session->serial);
        state_get_bool(load, "is_complete", &session->completed);
        state_get_bool(load, "is_informed", &session->is_informed);
        state_get_bool(load, "has_channels", &session->has_channels);
        state_get_u64(load, "n_exported", &session->n_exported);
        state_get_bool(load, "leaves_handles", &session->leaves_handles);
        if (get_spent(session, load) < 0)
                return load->error;
        if ((session->peer_token != 0) != (native->thaw != NULL))
                return state_fail(load, "peer_token", "the program is on another core");
        if (native_node_restore(native, load, "session_node", node, NATIVE_NODE_SESSION, session) <
            0)
                return load->error;
        session->node = node;
        if (state_has(load, "mark")) {
                state_get_u64(load, "mark", &node);
                if (native_node_restore(native, load, "mark", node, NATIVE_NODE_MARK, session) < 0)
                        return load->error;
                session->mark = node;
        }
        native_answers_add(session, n_answers);
        return 0;
}
