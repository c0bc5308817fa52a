/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Deferred answers: the list of each client, and how they end. */

#include "bridge/bus/later.h"

#include <errno.h>
#include <stdlib.h>

#include "bridge/bus/bus.h"
#include "bridge/bus/route.h"
#include "bridge/bus/tell.h"

struct later *later_restore(const struct later *from) {
        struct later *later = malloc(sizeof(*later));

        if (!later)
                return NULL;
        *later = (struct later){
                .kind = from->kind,
                .client = from->client,
                .serial = from->serial,
                .caller_cookie = from->caller_cookie,
                .wants_reply = from->wants_reply,
        };
        DL_APPEND(later->client->later, later);
        later->client->n_later++;
        return later;
}

int later_new(struct client *client, const struct message *m, uint64_t caller_cookie,
              enum later_kind kind, struct later **ret_later) {
        const struct later from = {
                .kind = kind,
                .client = client,
                .serial = m->serial,
                .caller_cookie = caller_cookie,
                .wants_reply = message_wants_reply(m),
        };
        struct later *later;

        if ((int64_t)client->n_pending + client->n_later >=
            client->bus->limits.max_replies_per_connection)
                return LATER_E_QUOTA;
        later = later_restore(&from);
        if (!later)
                return -ENOMEM;
        *ret_later = later;
        return 0;
}

struct later *later_take(struct later **list, enum later_kind kind) {
        struct later *later, *next, *taken = NULL;

        DL_FOREACH_SAFE2(*list, later, next, owner_next) {
                if (later->kind != kind)
                        continue;
                DL_DELETE2(*list, later, owner_prev, owner_next);
                DL_APPEND2(taken, later, owner_prev, owner_next);
        }
        return taken;
}

/*
 * Take later out of the list of its client. If it was the last one, the front end is told that it
 * may read again, unless the client has gone.
 */
static void later_unlink(struct later *later) {
        struct client *client = later->client;

        DL_DELETE(client->later, later);
        client->n_later--;
        later->client = NULL;
        if (!client->later && client->state != CLIENT_GONE && client->ops->resume)
                client->ops->resume(client);
}

static void later_drop(struct later *later) {
        struct client *client = later->client;

        later_unlink(later);
        route_end_cookie(client, later->serial, later->caller_cookie);
}

void later_forget(struct client *client) {
        while (client->later)
                later_drop(client->later);
}

void later_free(struct later *later) {
        if (later && later->client)
                later_drop(later);
        free(later);
}

/*
 * If the client has to get an answer, take later out of its list and return the client. Otherwise
 * free later and return NULL.
 */
static struct client *later_begin(struct later *later) {
        struct client *client;

        if (!later || !later->client || !later->wants_reply) {
                later_free(later);
                return NULL;
        }
        client = later->client;
        later_unlink(later);
        return client;
}

int later_reply(struct later *later) {
        struct client *client = later_begin(later);
        int r;

        if (!client)
                return 0;
        r = tell_return(client, later->serial, later->caller_cookie, NULL);
        free(later);
        return r;
}

int later_send(struct later *later, struct message *m) {
        struct reply reply = {.serial = later->serial, .caller_cookie = later->caller_cookie};

        reply.caller = later_begin(later);
        if (!reply.caller)
                return 0;
        free(later);
        return route_from_driver(reply.caller->bus, reply.caller, m, &reply);
}

int later_fail(struct later *later, const char *name, const char *format, ...) {
        struct client *client = later_begin(later);
        char text[1024];
        va_list args;
        int r;

        if (!client)
                return 0;
        va_start(args, format);
        voice_format(text, sizeof(text), format, args);
        va_end(args);
        r = tell_error_text(client, later->serial, later->caller_cookie, false, name, text);
        free(later);
        return r;
}
