/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver's methods about names: Hello, RequestName, and who owns what. */

#include <string.h>

#include "base/cleanup.h"
#include "bridge/bus/account.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/denial.h"
#include "bridge/bus/mediate.h"
#include "bridge/bus/membership.h"
#include "bridge/bus/monitor.h"
#include "bridge/bus/place.h"
#include "bridge/bus/tell.h"
#include "bridge/driver/methods.h"
#include "bridge/wire/names.h"

/* The header grows by less than this when the sender field is added and other fields move. */
#define SENDER_ROOM 128

/* How many connections of a user may have as many names as a connection may have. */
#define USER_NAMES_FACTOR 8

static bool is_driver_name(struct wire_string name) {
        return strcmp(name.s, BUS_DRIVER_NAME) == 0;
}

int driver_hello(struct driver_call *call) {
        struct client *client = call->client;
        const struct message_stamp stamp = {.sender = client->unique_name};
        struct bus *bus = call->bus;
        int r;

        if (client->state != CLIENT_CONNECTED)
                return driver_call_fail(call, DRIVER_ERROR("Failed"), "Hello was called already");
        if (call->message->n_wire > MESSAGE_ARRAY_MAX - SENDER_ROOM)
                return driver_call_fail(
                        call, DRIVER_ERROR("LimitsExceeded"),
                        "The Hello message is too large: there is no room for the sender");
        /* the last check, since another client may have to give way */
        if (!place_find(client)) {
                complain(&bus->complaints, client->credentials.uid,
                         "A connection of uid=%d pid=%d may not say Hello: the maximum number of "
                         "connections is reached, for the bus or for the user",
                         (int)client->credentials.uid, (int)client->credentials.pid);
                return driver_call_fail(call, DRIVER_ERROR("LimitsExceeded"),
                                        "The maximum number of connections is reached");
        }

        r = client_register(client);
        if (r < 0)
                return r;

        /* Monitors see the Hello message only now, because it had no sender before. */
        r = message_stamp(call->message, &stamp);
        if (r >= 0)
                r = monitor_observe(bus, client, NULL, call->message);
        if (r < 0)
                return r;

        writer_string(&call->writer, client->unique_name);
        r = driver_call_reply(call);
        if (r >= 0)
                r = tell_owner_changed(bus, client->unique_name, "", client->unique_name);
        return r < 0 ? r : tell_name_signal(client, "NameAcquired", client->unique_name);
}

/* Can clients request and release this name? */
static int check_requestable(struct driver_call *call, const char *name, size_t n) {
        if (!name_is_valid_bus(name, n))
                return driver_call_fail(call, DRIVER_ERROR("InvalidArgs"),
                                        "The name '%s' is not valid", name);
        if (name[0] == ':')
                return driver_call_fail(
                        call, DRIVER_ERROR("InvalidArgs"),
                        "The name '%s' is a unique name, which cannot be requested or released",
                        name);
        if (strcmp(name, BUS_DRIVER_NAME) == 0)
                return driver_call_fail(call, DRIVER_ERROR("InvalidArgs"),
                                        "The name '%s' is the bus's own", name);
        return 0;
}

static bool may_own(struct driver_call *call, const char *name) {
        const struct policy_rule *rule = NULL;
        struct client *client = call->client;
        bool by_policy = client->policy && !policy_check_own(client->policy, name, &rule);
        CLEANUP_FREE char *text = NULL;

        if (by_policy) {
                text = policy_rule_describe(rule);
                denial_log_client(
                        client, name,
                        &(struct denial_source){.policy = "policy", .rule = rule, .text = text});
        } else if (!client->bus->mediators || mediate_own(client, name, &text))
                return true;
        driver_call_fail(call, DRIVER_ERROR("AccessDenied"),
                         "Connection \"%s\" is not allowed to own the service \"%s\"%s (%s)",
                         client->unique_name, name, by_policy ? " by the policy" : "",
                         text ? text : "");
        return false;
}

bool driver_own_waits(struct driver_call *call, const char *name, size_t n) {
        const struct policy_rule *rule;

        /* An invalid name is an error that does not depend on the policy. */
        return call->client->policy && name_is_valid_bus(name, n) && name[0] != ':' &&
               strcmp(name, BUS_DRIVER_NAME) != 0 &&
               !policy_check_own(call->client->policy, name, &rule) && driver_call_wait(call);
}

static int check_name_limits(struct driver_call *call) {
        int64_t max = call->bus->limits.max_names_per_connection;
        struct client *client = call->client;

        /* The unique name counts as one of max_names_per_connection. */
        if ((int64_t)client->n_ownerships + 1 >= max)
                return driver_call_fail(call, DRIVER_ERROR("LimitsExceeded"),
                                        "Connection \"%s\" has too many names",
                                        client->unique_name);
        if ((int64_t)(client->holdings->n_ownerships / USER_NAMES_FACTOR) < max)
                return 0;
        account_note(call->bus, client->account, ACCOUNT_OUT_OF_ROOM);
        return driver_call_fail(call, DRIVER_ERROR("LimitsExceeded"), "User %u has too many names",
                                client->account->uid);
}

int driver_request_name(struct driver_call *call, const char *name, size_t n, uint32_t flags,
                        uint32_t *ret_result) {
        struct client *client = call->client;
        struct name_change change;
        int r;

        r = check_requestable(call, name, n);
        if (r != 0)
                return r;
        if (!may_own(call, name))
                return DRIVER_CALL_FAILED;
        r = check_name_limits(call);
        if (r != 0)
                return r;

        name_settle(call->bus, name, n);
        r = name_request(&call->bus->names, client, name, n, flags, ret_result, &change);
        return r < 0 ? r : announce_change(call->bus, name, &change);
}

int driver_request_name_method(struct driver_call *call) {
        struct wire_string name = reader_string(&call->reader);
        uint32_t flags = reader_u32(&call->reader);
        uint32_t result;
        int r;

        if (driver_own_waits(call, name.s, name.n))
                return 0;
        r = driver_request_name(call, name.s, name.n, flags, &result);
        if (r == 0)
                writer_u32(&call->writer, result);
        return r;
}

int driver_release_name_method(struct driver_call *call) {
        struct wire_string text = reader_string(&call->reader);
        struct name_ownership *ownership;
        struct name_change change;
        struct name *name;
        int r;

        r = check_requestable(call, text.s, text.n);
        if (r != 0)
                return r;

        name_settle(call->bus, text.s, text.n);
        name = name_find(&call->bus->names, text.s, text.n);
        ownership = name ? name_ownership_find(name, call->client) : NULL;
        if (!ownership) {
                writer_u32(&call->writer, name ? NAME_NOT_OWNER : NAME_NON_EXISTENT);
                return 0;
        }
        writer_u32(&call->writer, NAME_RELEASED);
        name_ownership_release(&call->bus->names, ownership, &change);
        return announce_change(call->bus, text.s, &change);
}

static void write_names(const struct bus *bus, struct writer *w) {
        struct client *client, *next_client;
        struct name *name, *next_name;

        writer_array_begin(w, 4);
        writer_string(w, BUS_DRIVER_NAME);
        HASH_ITER(hh, bus->names.registered, client, next_client) {
                writer_string(w, client->unique_name);
        }
        HASH_ITER(hh, bus->names.names, name, next_name) {
                writer_string(w, name->name);
        }
        writer_array_end(w);
}

int driver_list_names(struct driver_call *call) {
        struct bus *bus = call->bus;

        if (bus->name_list && !bus->names.is_changed) {
                writer_whole_body(&call->writer, bus->name_list);
                return 0;
        }
        write_names(bus, &call->writer);
        /* Without memory for the copy, the list is written again for the next call. */
        free(bus->name_list);
        bus->name_list = writer_copy_body(&call->writer);
        bus->names.is_changed = false;
        return 0;
}

int driver_list_activatable_names(struct driver_call *call) {
        const struct activation *activation = call->bus->activation;

        writer_array_begin(&call->writer, 4);
        writer_string(&call->writer, BUS_DRIVER_NAME);
        for (size_t i = 0; activation && i < activation->table->n_services; i++)
                if (strcmp(activation->table->services[i]->name, BUS_DRIVER_NAME) != 0)
                        writer_string(&call->writer, activation->table->services[i]->name);
        writer_array_end(&call->writer);
        return 0;
}

int driver_list_queued_owners(struct driver_call *call) {
        struct wire_string text = reader_string(&call->reader);
        struct name_ownership *ownership;
        struct client *client;
        struct name *name;

        if (!driver_find_connection(call, text, &client))
                return DRIVER_CALL_FAILED;

        writer_array_begin(&call->writer, 4);
        name = name_find(&call->bus->names, text.s, text.n);
        if (name) {
                DL_FOREACH2(name->queue, ownership, queue_next) {
                        if (ownership->client->state == CLIENT_GONE)
                                continue; /* it has not released the name yet */
                        writer_string(&call->writer, ownership->client->unique_name);
                }
        } else {
                writer_string(&call->writer, client ? client->unique_name : BUS_DRIVER_NAME);
        }
        writer_array_end(&call->writer);
        return 0;
}

int driver_get_name_owner(struct driver_call *call) {
        struct wire_string name = reader_string(&call->reader);
        struct client *client;

        if (!driver_find_connection(call, name, &client))
                return DRIVER_CALL_FAILED;
        writer_string(&call->writer, client ? client->unique_name : BUS_DRIVER_NAME);
        return 0;
}

int driver_name_has_owner(struct driver_call *call) {
        struct wire_string name = reader_string(&call->reader);

        name_settle(call->bus, name.s, name.n);
        writer_bool(&call->writer,
                    is_driver_name(name) || name_resolve(&call->bus->names, name.s, name.n));
        return 0;
}

int driver_start_service_by_name(struct driver_call *call) {
        struct wire_string name = reader_string(&call->reader);
        struct activation *activation = call->bus->activation;

        /*
         * Like the reference: without a service file a name (except systemd's) is unknown, even if
         * it has an owner.
         */
        if (!activation || is_driver_name(name) || !activation_knows(activation, name.s)) {
                if (activation && !is_driver_name(name) && driver_call_wait(call))
                        return 0;
                return driver_call_fail(call, DRIVER_ERROR("ServiceUnknown"),
                                        "The name %s was not provided by any .service files",
                                        name.s);
        }
        name_settle(call->bus, name.s, name.n);
        if (name_find(&call->bus->names, name.s, name.n)) {
                writer_u32(&call->writer, LAUNCH_RUNS_ALREADY);
                return 0;
        }
        return activation_start(call->client, call->message, driver_call_leave(call), name.s);
}

int driver_get_id(struct driver_call *call) {
        writer_string(&call->writer, call->bus->id);
        return 0;
}
