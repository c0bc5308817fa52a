/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Membership: how clients join the bus, become monitors and leave, and how names change owners. */

#include "bridge/bus/membership.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "bridge/base/log.h"
#include "bridge/bus/activation-systemd.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/deaf.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/later.h"
#include "bridge/bus/permit.h"
#include "bridge/bus/place.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/resend.h"
#include "bridge/bus/route.h"
#include "bridge/bus/tell.h"
#include "bridge/bus/unread.h"

/* Releasing a name, and telling others, takes as long as so many usual steps. */
#define STEPS_PER_NAME 4

int announce_change(struct bus *bus, const char *name, const struct name_change *change) {
        struct client *old_owner = change->old_owner, *new_owner = change->new_owner;
        struct start *start;
        int result = 0;

        if (old_owner == new_owner)
                return 0;

        if (bus->hooks.name_owner_changed)
                bus->hooks.name_owner_changed(bus->hooks.native, name, old_owner, new_owner);
        if (old_owner)
                keep_error(&result, tell_name_signal(old_owner, "NameLost", name));
        keep_error(&result, tell_owner_changed(bus, name, old_owner ? old_owner->unique_name : "",
                                               new_owner ? new_owner->unique_name : ""));
        if (new_owner) {
                start = activation_find(bus, name);
                keep_error(&result, activation_answer(start));
                keep_error(&result, tell_name_signal(new_owner, "NameAcquired", name));
                keep_error(&result, activation_note_owner(bus, name, new_owner));
                keep_error(&result, activation_deliver(start, new_owner));
                keep_error(&result, activation_resume(bus, name));
        } else {
                keep_error(&result, activation_note_owner(bus, name, NULL));
        }
        if (old_owner && old_owner->unread)
                keep_error(&result, resend(old_owner, name));
        return result;
}

/* life */

/* Free what client_init() acquired; a member that is NULL is fine. */
static void client_free_parts(struct client *client) {
        policy_client_free(client->policy);
        permit_drop(client);
        quota_forget(client);
        backlog_abandon(client->backlog);
        account_put(client->bus, client->account);
        client_credentials_deinit(&client->credentials);
}

int client_init(struct client *client, struct bus *bus, const struct client_ops *ops,
                struct client_credentials *credentials) {
        int r = 0;

        *client = (struct client){
                .bus = bus,
                .ops = ops,
                .state = CLIENT_CONNECTED,
                .credentials = *credentials,
        };
        client_credentials_init(credentials);

        client->account = account_get(bus, client->credentials.uid);
        client->holdings = client->account ? &client->account->holdings : NULL;
        client->backlog = client->account ? backlog_new(client) : NULL;
        if (!client->account || !client->backlog)
                r = -ENOMEM;
        else if (bus->policy)
                r = policy_client_new(bus->policy, client->credentials.uid,
                                      client->credentials.gids, client->credentials.n_gids,
                                      &client->policy);
        if (r < 0) {
                client_free_parts(client);
                return r;
        }
        permit_policy_changed(client);
        DL_APPEND2(bus->clients, client, prev, next);
        return 0;
}

void client_deinit(struct client *client) {
        client_disconnect(client);
        deaf_end(client);
        DL_DELETE2(client->bus->clients, client, prev, next);
        client_free_parts(client);
}

/* Write the name with this id. */
static void set_unique_name(struct client *client, uint64_t id) {
        int n;

        client->id = id;
        n = snprintf(client->unique_name, sizeof(client->unique_name), ":1.%llu",
                     (unsigned long long)id);
        client->n_unique_name = n;
        client->unique_hash = hash_bytes(&client->bus->seed, client->unique_name, n);
}

/* Give the client a unique name. Returns 0 or -ENOMEM. */
static int add_unique_name(struct client *client, uint64_t id) {
        struct bus *bus = client->bus;

        set_unique_name(client, id);
        HASH_ADD_KEYPTR_BYHASHVALUE(hh, bus->names.registered, client->unique_name,
                                    client->n_unique_name, (unsigned)client->unique_hash, client);
        if (!client->hh.tbl)
                return -ENOMEM;
        client->state = CLIENT_REGISTERED;
        bus->names.n_registered++;
        bus->names.is_changed = true;
        name_count(&bus->names);
        client->account->n_registered++;
        return 0;
}

int client_register(struct client *client) {
        struct ids *ids = &client->bus->ids;
        int r;

        r = add_unique_name(client, ids_next(ids));
        if (r == 0)
                ids_use(ids);
        return r;
}

int client_restore_name(struct client *client, uint64_t id) {
        return add_unique_name(client, id);
}

/* The client, whose unique name nobody has any more, sees what others send. */
static void add_monitor(struct client *client) {
        client->state = CLIENT_MONITOR;
        DL_APPEND2(client->bus->monitors, client, monitor_prev, monitor_next);
}

void client_restore_monitor(struct client *client, uint64_t id) {
        set_unique_name(client, id);
        add_monitor(client);
}

static int release_well_known_name(struct client *client, struct name_ownership *ownership) {
        struct name_change change;
        char name[256];

        memcpy(name, ownership->name->name, ownership->name->n_name + 1);
        name_ownership_release(&client->bus->names, ownership, &change);
        return announce_change(client->bus, name, &change);
}

static int release_unique_name(struct client *client) {
        struct bus *bus = client->bus;
        int result = 0;

        HASH_DEL(bus->names.registered, client);
        bus->names.n_registered--;
        bus->names.is_changed = true;
        client->account->n_registered--;
        place_leave(client);
        keep_error(&result, tell_name_signal(client, "NameLost", client->unique_name));
        keep_error(&result, tell_owner_changed(bus, client->unique_name, client->unique_name, ""));
        return result;
}

int client_become_monitor(struct client *client, struct match_rule **rules, size_t n_rules) {
        struct bus *bus = client->bus;
        int result = 0;

        match_rules_free(client);
        unread_drop(client);
        /* Like the reference, release the unique name first, then the others from the oldest on. */
        keep_error(&result, release_unique_name(client));
        while (client->ownerships)
                keep_error(&result, release_well_known_name(client, client->ownerships));
        for (size_t i = 0; i < n_rules; i++)
                match_rule_attach(&bus->matches, rules[i]);

        add_monitor(client);
        log_write(bus->log, LOG_LEVEL_NOTICE, "Connection %s (uid=%d pid=%d) became a monitor.",
                  client->unique_name, (int)client->credentials.uid, (int)client->credentials.pid);

        later_forget(client);
        activation_forget(client);
        docket_forget(client);
        unread_forget(client);
        /*
         * The client is a monitor already, so it can see the NoReply errors that its callers get
         * now.
         */
        while (client->pending || client->owed)
                keep_error(&result, tell_reply_gone(client));
        return result;
}

/* The first step: the client takes no part any more. */
static int begin_to_leave(struct client *client) {
        enum client_state state = client->state;

        client->state = CLIENT_GONE;
        client->bus->n_leaving++;
        match_rules_free(client);
        later_forget(client);
        activation_forget(client);
        docket_forget(client);
        unread_forget(client);
        if (state == CLIENT_MONITOR)
                DL_DELETE2(client->bus->monitors, client, monitor_prev, monitor_next);
        else if (state == CLIENT_REGISTERED) {
                client->has_unique_name = true;
                place_promise(client);
        }
        return client->unread ? resend(client, NULL) : 0;
}

/* The last step. */
static void end_to_leave(struct client *client) {
        struct bus *bus = client->bus;

        unread_drop(client);
        client->has_left = true;
        bus->n_leaving--;
        if (bus->hooks.client_gone)
                bus->hooks.client_gone(bus->hooks.native, client);
}

int client_leave(struct client *client, bool *ret_done) {
        int r = 0;

        *ret_done = client->has_left;
        if (client->has_left)
                return 0;
        /*
         * Release the newest name first and the unique one at the end. Only monitors see NameLost,
         * because the client gets nothing any more.
         */
        if (client->state != CLIENT_GONE)
                r = begin_to_leave(client);
        else if (client->ownerships)
                r = release_well_known_name(client, client->ownerships->client_prev);
        else if (client->has_unique_name) {
                client->has_unique_name = false;
                r = release_unique_name(client);
        } else if (client->pending || client->owed)
                r = tell_reply_gone(client);
        else
                end_to_leave(client);
        route_step_end(client->bus);
        *ret_done = client->has_left;
        return r;
}

int client_leave_in_turn(struct client *client, bool *ret_done) {
        struct schedule *schedule = &client->bus->schedule;
        int result = 0;

        do {
                keep_error(&result, client_leave(client, ret_done));
                schedule_count(schedule, STEPS_PER_NAME);
        } while (!*ret_done && !schedule_is_over(schedule));
        return result;
}

int client_disconnect(struct client *client) {
        bool done = false;
        int result = 0;

        while (!done)
                keep_error(&result, client_leave(client, &done));
        return result;
}

void name_settle(struct bus *bus, const char *text, size_t n) {
        struct name *name;

        if (bus->n_leaving == 0)
                return;
        name = name_find(&bus->names, text, n);
        if (!name || name_owner(name)->state != CLIENT_GONE)
                return;
        if (release_well_known_name(name_owner(name), name->queue) < 0)
                complain(&bus->complaints, bus->uid,
                         "There was no memory to tell all clients that \"%s\" has another owner",
                         text);
}
