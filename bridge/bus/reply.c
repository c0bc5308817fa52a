/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Replies: the slots that calls leave until they are answered. */

#include "bridge/bus/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/bus/bus.h"
#include "bridge/driver/driver.h"
#include "bridge/loop.h"

static struct reply_key reply_key(struct client *caller, struct client *callee, uint32_t serial) {
        return (struct reply_key){.caller = caller, .callee = callee, .serial = serial};
}

struct reply *reply_find(struct client *caller, struct client *callee, uint32_t serial) {
        struct reply_key key = reply_key(caller, callee, serial);
        struct bus *bus = caller->bus;
        struct reply *reply;

        if (!bus->replies)
                return NULL;
        HASH_FIND_BYHASHVALUE(hh, bus->replies, &key, sizeof(key),
                              (unsigned)hash_bytes(&bus->seed, &key, sizeof(key)), reply);
        return reply;
}

int reply_new(struct client *caller, struct client *callee, uint32_t serial, uint64_t caller_cookie,
              struct reply **ret_reply) {
        struct bus *bus = caller->bus;
        struct reply *reply;
        unsigned hash;

        reply = calloc(1, sizeof(*reply));
        if (!reply)
                return -ENOMEM;
        reply->caller = caller;
        reply->callee = callee;
        reply->serial = serial;
        reply->key = reply_key(caller, callee, serial);
        hash = (unsigned)hash_bytes(&bus->seed, &reply->key, sizeof(reply->key));

        if (bus->replies) {
                struct reply *other;

                HASH_FIND_BYHASHVALUE(hh, bus->replies, &reply->key, sizeof(reply->key), hash,
                                      other);
                if (other) {
                        free(reply);
                        return REPLY_E_EXISTS;
                }
        }
        if ((int64_t)caller->n_pending >= bus->limits.max_replies_per_connection) {
                free(reply);
                return REPLY_E_QUOTA;
        }

        HASH_ADD_KEYPTR_BYHASHVALUE(hh, bus->replies, &reply->key, sizeof(reply->key), hash, reply);
        if (!reply->hh.tbl) {
                free(reply);
                return -ENOMEM;
        }

        reply->caller_cookie = caller_cookie;
        DL_APPEND2(caller->pending, reply, pending_prev, pending_next);
        caller->n_pending++;
        DL_APPEND2(callee->owed, reply, owed_prev, owed_next);

        reply->deadline = INT64_MAX;
        if (bus->limits.reply_timeout >= 0) {
                bool first = !bus->deadlines;

                reply->deadline = loop_now() + bus->limits.reply_timeout * 1000000;
                DL_APPEND2(bus->deadlines, reply, deadline_prev, deadline_next);
                if (first && bus->set_reply_timer)
                        bus->set_reply_timer(bus->reply_timer_userdata, reply->deadline);
        }

        *ret_reply = reply;
        return 0;
}

struct reply *reply_free(struct reply *reply) {
        struct client *caller, *callee;
        struct bus *bus;

        if (!reply)
                return NULL;

        caller = reply->caller;
        callee = reply->callee;
        bus = caller->bus;

        HASH_DEL(bus->replies, reply);
        DL_DELETE2(caller->pending, reply, pending_prev, pending_next);
        caller->n_pending--;
        DL_DELETE2(callee->owed, reply, owed_prev, owed_next);
        if (reply->deadline != INT64_MAX)
                DL_DELETE2(bus->deadlines, reply, deadline_prev, deadline_next);

        if (reply->caller_cookie && caller->ops->reply_closed)
                caller->ops->reply_closed(caller, reply);
        if (reply->callee_cookie && callee->ops->reply_closed)
                callee->ops->reply_closed(callee, reply);
        free(reply);
        return NULL;
}

int reply_dropped(struct reply *reply) {
        int r;

        reply->callee_cookie = 0;
        r = driver_send_no_reply(reply, "The recipient dropped the call without replying");
        reply_free(reply);
        return r;
}

int reply_client_gone(struct client *client) {
        struct reply *reply, *next;
        int r, result = 0;

        DL_FOREACH_SAFE2(client->pending, reply, next, pending_next)
        reply_free(reply);

        /* The last caller first, as the reference. */
        while (client->owed) {
                reply = client->owed->owed_prev;
                r = driver_send_no_reply(
                        reply, "Message recipient disconnected from message bus without replying");
                if (r < 0)
                        result = r;
                reply_free(reply);
        }
        return result;
}

int reply_expire(struct bus *bus, int64_t now, int64_t *ret_next) {
        int r;

        while (bus->deadlines && bus->deadlines->deadline <= now) {
                struct reply *reply = bus->deadlines;

                r = driver_send_no_reply(
                        reply, "Message did not receive a reply (timeout by message bus)");
                reply_free(reply);
                if (r < 0)
                        return r;
        }

        *ret_next = bus->deadlines ? bus->deadlines->deadline : INT64_MAX;
        return 0;
}
