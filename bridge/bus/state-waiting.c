/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/bus/state-waiting.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/later.h"
#include "bridge/bus/state-messages.h"
#include "bridge/bus/state-starts.h"
#include "bridge/bus/unread.h"
#include "bridge/state/message-record.h"

#define REPLIES "Replies"
#define LATER "Later"
#define DOCKET "Docket"
#define UNREAD "Unread"

/* A record has at most as many pending replies. */
#define REPLIES_MAX 1024

static const char *const later_kinds[] = {
        [LATER_RELOAD] = "reload",
        [LATER_MATCH_RULES] = "match_rules",
        [LATER_REEXECUTE] = "reexecute",
};

/* saving */

static int compare_replies(const void *a, const void *b) {
        uint64_t x = (*(const struct reply *const *)a)->number;
        uint64_t y = (*(const struct reply *const *)b)->number;

        return (x > y) - (x < y);
}

static void put_reply(struct state_save *save, struct writer *w, const struct reply *reply) {
        uint32_t caller = state_number_of(save, STATE_CLIENTS, reply->caller);
        uint32_t callee = state_number_of(save, STATE_CLIENTS, reply->callee);

        if (caller == 0 || callee == 0)
                state_refuse(save, "a client is not in the document: %s",
                             client_name(caller == 0 ? reply->caller : reply->callee));
        writer_struct(w);
        writer_u32(w, caller);
        writer_u32(w, callee);
        writer_u32(w, reply->serial);
        writer_u64(w, reply->caller_cookie);
        writer_u64(w, reply->callee_cookie);
        writer_u64(w, (uint64_t)reply->deadline);
}

static void save_some_replies(struct reply *const *replies, size_t n, struct state_save *save) {
        struct writer *w;

        state_record_begin(save, REPLIES);
        w = state_put(save, "replies", "a(uuuttx)");
        writer_array_begin(w, 8);
        for (size_t i = 0; i < n; i++)
                put_reply(save, w, replies[i]);
        writer_array_end(w);
        state_record_end(save);
}

/*
 * All lists of the table and of clients are in the order in which the replies were made, and so is
 * the document.
 */
static void save_replies(const struct bus *bus, struct state_save *save) {
        size_t n_all = bus->replies.n, n = 0;
        CLEANUP_FREE struct reply **replies = NULL;
        const struct client *client;
        struct reply *reply;

        if (n_all == 0)
                return;
        replies = calloc(n_all, sizeof(struct reply *));
        if (!replies) {
                save->error = save->error ? save->error : -ENOMEM;
                return;
        }
        DL_FOREACH(bus->clients, client) {
                DL_FOREACH2(client->pending, reply, pending_next) {
                        replies[n++] = reply;
                }
        }
        qsort(replies, n, sizeof(struct reply *), compare_replies);
        for (size_t at = 0; at < n; at += REPLIES_MAX)
                save_some_replies(replies + at, n - at < REPLIES_MAX ? n - at : REPLIES_MAX, save);
}

/* Those whose client has gone are not there: nobody gets their answer. */
static void save_laters(const struct client *client, struct state_save *save) {
        const struct later *later;

        DL_FOREACH(client->later, later) {
                state_record_begin(save, LATER);
                state_put_ref(save, "client", STATE_CLIENTS, client);
                state_put_string(save, "kind", later_kinds[later->kind]);
                state_put_u32(save, "serial", later->serial);
                state_put_u64(save, "caller_cookie", later->caller_cookie);
                state_put_bool(save, "wants_reply", later->wants_reply);
                state_record_end(save);
        }
}

static void save_docket(const struct client *client, struct state_save *save) {
        const struct docket_item *first = docket_items(client), *item;
        struct writer *w;

        if (!first)
                return;
        DL_FOREACH(first, item) {
                state_save_message(save, item->m);
        }
        state_record_begin(save, DOCKET);
        state_put_ref(save, "client", STATE_CLIENTS, client);
        w = state_put(save, "items", "a(utux)");
        writer_array_begin(w, 8);
        DL_FOREACH(first, item) {
                writer_struct(w);
                writer_u32(w, state_number_of(save, STATE_MESSAGES, item->m));
                writer_u64(w, item->caller_cookie);
                writer_u32(w, item->kind);
                writer_u64(w, (uint64_t)item->deadline);
        }
        writer_array_end(w);
        state_record_end(save);
}

static void save_unread(const struct client *client, struct state_save *save) {
        const struct unread *unread;
        struct writer *w;

        if (!client->unread)
                return;
        DL_FOREACH(client->unread, unread) {
                state_save_message(save, unread->m);
        }
        state_record_begin(save, UNREAD);
        state_put_ref(save, "client", STATE_CLIENTS, client);
        w = state_put(save, "calls", "a(uu)");
        writer_array_begin(w, 8);
        DL_FOREACH(client->unread, unread) {
                writer_struct(w);
                writer_u32(w, state_number_of(save, STATE_CLIENTS, unread->sender));
                writer_u32(w, state_number_of(save, STATE_MESSAGES, unread->m));
        }
        writer_array_end(w);
        state_record_end(save);
}

void waiting_save(const struct bus *bus, struct state_save *save) {
        const struct client *client;

        save_replies(bus, save);
        starts_save(bus->activation, save);
        DL_FOREACH(bus->clients, client) {
                save_laters(client, save);
                save_docket(client, save);
                save_unread(client, save);
        }
}

/* loading */

/* Read a client of an array: one that can send and receive calls. */
static int next_client(struct state_load *load, struct reader *r, struct client **ret_client) {
        struct client *client = NULL;
        uint32_t number = reader_u32(r);

        if (state_ref(load, "replies", STATE_CLIENTS, number, &client) < 0)
                return load->error;
        if (!client_is_registered(client))
                return state_fail(load, "replies", "client %u does not take part in calls", number);
        *ret_client = client;
        return 0;
}

static int load_reply(struct bus *bus, struct state_load *load, struct reader *r) {
        struct reply reply = {};
        int result;

        reader_struct(r);
        if (next_client(load, r, &reply.caller) < 0 || next_client(load, r, &reply.callee) < 0)
                return load->error;
        reply.serial = reader_u32(r);
        reply.caller_cookie = reader_u64(r);
        reply.callee_cookie = reader_u64(r);
        reply.deadline = (int64_t)reader_u64(r);
        if (reply.serial == 0)
                return state_fail(load, "replies", "a serial is 0");
        result = reply_restore(&bus->replies, &reply);
        if (result == -ENOMEM)
                return state_fail_memory(load);
        return result == 0 ? 0 : state_fail(load, "replies", "a call is there twice");
}

static int load_replies(struct bus *bus, struct state_load *load) {
        const uint8_t *end;
        struct reader r;

        if (state_get_array(load, "replies", "a(uuuttx)", &r, &end) < 0)
                return load->error;
        while (r.at < end)
                if (load_reply(bus, load, &r) < 0)
                        return load->error;
        return 0;
}

static int get_later_kind(struct state_load *load, enum later_kind *ret_kind) {
        struct wire_string text = {};

        if (state_get_string(load, "kind", &text) < 0)
                return load->error;
        for (unsigned i = 0; i < N_LATER_KINDS; i++)
                if (strcmp(later_kinds[i], text.s) == 0) {
                        *ret_kind = i;
                        return 0;
                }
        return state_fail(load, "kind", "\"%s\" is unknown", text.s);
}

static int load_later(struct state_load *load, struct later **list) {
        struct later from = {}, *later;

        state_get_ref(load, "client", STATE_CLIENTS, &from.client);
        get_later_kind(load, &from.kind);
        state_get_u32(load, "serial", &from.serial);
        state_get_u64(load, "caller_cookie", &from.caller_cookie);
        if (state_get_bool(load, "wants_reply", &from.wants_reply) < 0)
                return load->error;
        if (!client_is_registered(from.client))
                return state_fail(load, "client", "this client cannot call methods");
        if (from.serial == 0)
                return state_fail(load, "serial", "it is 0");
        later = later_restore(&from);
        if (!later)
                return state_fail_memory(load);
        DL_APPEND2(*list, later, owner_prev, owner_next);
        return 0;
}

static int load_item(struct client *client, struct state_load *load, struct reader *r) {
        const struct docket_item *first = docket_items(client);
        struct docket_item item = {};
        uint32_t id, kind;

        reader_struct(r);
        id = reader_u32(r);
        item.caller_cookie = reader_u64(r);
        kind = reader_u32(r);
        item.deadline = (int64_t)reader_u64(r);
        if (messages_load_held(load, "items", id, client, &item.m) < 0)
                return load->error;
        if (kind > DOCKET_CALL || (kind == DOCKET_CALL && item.m->type != MESSAGE_TYPE_METHOD_CALL))
                return state_fail(load, "items", "message %u does not wait in this way", id);
        if (first && first->prev->m->order >= item.m->order)
                return state_fail(load, "items", "they are not in order");
        item.kind = kind;
        return docket_restore(client, &item) < 0 ? state_fail_memory(load) : 0;
}

static int load_docket(struct state_load *load) {
        struct client *client = NULL;
        const uint8_t *end;
        struct reader r;

        state_get_ref(load, "client", STATE_CLIENTS, &client);
        if (state_get_array(load, "items", "a(utux)", &r, &end) < 0)
                return load->error;
        while (r.at < end)
                if (load_item(client, load, &r) < 0)
                        return load->error;
        return 0;
}

static int load_call(struct client *owner, struct state_load *load, struct reader *r) {
        struct client *sender = NULL;
        struct message *m = NULL;
        uint32_t sender_id, id;

        reader_struct(r);
        sender_id = reader_u32(r);
        id = reader_u32(r);
        if (state_ref(load, "calls", STATE_CLIENTS, sender_id, &sender) < 0 ||
            messages_load_held(load, "calls", id, sender, &m) < 0)
                return load->error;
        if (m->type != MESSAGE_TYPE_METHOD_CALL || !m->destination.s || m->destination.s[0] == ':')
                return state_fail(load, "calls", "message %u is no call to a well-known name", id);
        return unread_restore(owner, sender, m) < 0 ? state_fail_memory(load) : 0;
}

static int load_unread(struct state_load *load) {
        struct client *owner = NULL;
        const uint8_t *end;
        struct reader r;

        state_get_ref(load, "client", STATE_CLIENTS, &owner);
        if (state_get_array(load, "calls", "a(uu)", &r, &end) < 0)
                return load->error;
        if (!client_is_registered(owner) || !owner->is_closing)
                return state_fail(load, "client", "this client does not leave");
        while (r.at < end)
                if (load_call(owner, load, &r) < 0)
                        return load->error;
        return 0;
}

int waiting_load(struct bus *bus, struct state_load *load, struct later **list) {
        if (state_kind_is(load, REPLIES))
                return load_replies(bus, load);
        if (state_kind_is(load, LATER))
                return load_later(load, list);
        if (state_kind_is(load, DOCKET))
                return load_docket(load);
        if (state_kind_is(load, UNREAD))
                return load_unread(load);
        return starts_load(bus->activation, load);
}

int waiting_wake(struct bus *bus) {
        reply_table_wake(&bus->replies);
        docket_judge_all(bus);
        return starts_wake(bus->activation);
}
