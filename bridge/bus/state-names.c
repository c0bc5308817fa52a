/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/bus/state-names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/membership.h"
#include "bridge/wire/names.h"

#define UNIQUE_NAMES "UniqueNames"
#define MONITORS "Monitors"
#define NAME "Name"
#define RULES "Rules"

/* A record has at most as many rules, so that it does not get too large. */
#define RULES_MAX 256
/* No bus has made so many. */
#define NUMBERS_MAX (UINT64_MAX / 2)

/* saving */

/* An entry of an array: the number of a client, which has one. */
static void put_client(struct state_save *save, struct writer *w, const struct client *client) {
        uint32_t number = state_number_of(save, STATE_CLIENTS, client);

        if (number == 0)
                state_refuse(save, "a client is not in the document: %s", client_name(client));
        writer_struct(w);
        writer_u32(w, number);
}

static void save_unique_names(const struct bus *bus, struct state_save *save) {
        const struct client *client;
        struct writer *w;

        if (!bus->names.registered)
                return;
        state_record_begin(save, UNIQUE_NAMES);
        w = state_put(save, "names", "a(ut)");
        writer_array_begin(w, 8);
        for (client = bus->names.registered; client; client = client->hh.next) {
                put_client(save, w, client);
                writer_u64(w, client->id);
        }
        writer_array_end(w);
        state_record_end(save);
}

static void save_monitors(const struct bus *bus, struct state_save *save) {
        const struct client *client;
        struct writer *w;

        if (!bus->monitors)
                return;
        state_record_begin(save, MONITORS);
        w = state_put(save, "monitors", "a(ut)");
        writer_array_begin(w, 8);
        DL_FOREACH2(bus->monitors, client, monitor_next) {
                put_client(save, w, client);
                writer_u64(w, client->id);
        }
        writer_array_end(w);
        state_record_end(save);
}

static void save_name(const struct name *name, struct state_save *save) {
        const struct name_ownership *ownership;
        struct writer *w;

        state_record_begin(save, NAME);
        state_put_string(save, "name", name->name);
        w = state_put(save, "queue", "a(uut)");
        writer_array_begin(w, 8);
        DL_FOREACH2(name->queue, ownership, queue_next) {
                put_client(save, w, ownership->client);
                writer_u32(w, ownership->flags);
                writer_u64(w, ownership->number);
        }
        writer_array_end(w);
        state_record_end(save);
}

static void put_rule(struct state_save *save, struct writer *w, const struct match_rule *rule) {
        CLEANUP_FREE char *text = match_rule_format(rule);

        if (!text && !save->error)
                save->error = -ENOMEM;
        writer_struct(w);
        writer_string(w, text ? text : "");
        writer_u64(w, rule->cookie);
        writer_u32(w, rule->n);
}

/* Write the first rules of this list. Returns those that are left. */
static const struct match_rule *save_some_rules(const struct match_rule *rule,
                                                struct state_save *save) {
        struct writer *w;

        state_record_begin(save, RULES);
        state_put_ref(save, "client", STATE_CLIENTS, rule->client);
        w = state_put(save, "rules", "a(stu)");
        writer_array_begin(w, 8);
        for (unsigned i = 0; rule && i < RULES_MAX; i++, rule = rule->client_next)
                put_rule(save, w, rule);
        writer_array_end(w);
        state_record_end(save);
        return rule;
}

void names_save(const struct bus *bus, struct state_save *save) {
        const struct match_rule *rule;
        const struct client *client;
        const struct name *name;

        if (bus->n_leaving > 0)
                state_refuse(save, "a client is leaving the bus");
        save_unique_names(bus, save);
        save_monitors(bus, save);
        for (name = bus->names.names; name && !save->error; name = name->hh.next)
                save_name(name, save);
        DL_FOREACH(bus->clients, client) {
                for (rule = client->rules; rule && !save->error;)
                        rule = save_some_rules(rule, save);
        }
}

/* loading */

/* Read a client of an array of the field: one that has not said Hello yet. */
static int next_newcomer(const struct bus *bus, struct state_load *load, const char *field,
                         struct reader *r, struct client **ret_client, uint64_t *ret_id) {
        struct client *client = NULL;
        uint32_t number;

        reader_struct(r);
        number = reader_u32(r);
        *ret_id = reader_u64(r);
        if (state_ref(load, field, STATE_CLIENTS, number, &client) < 0)
                return load->error;
        if (client->state != CLIENT_CONNECTED)
                return state_fail(load, field, "client %u is there twice", number);
        if (*ret_id >= bus->ids.next)
                return state_fail(load, field, "client %u has a name that no client has had yet",
                                  number);
        *ret_client = client;
        return 0;
}

static int load_unique_names(struct bus *bus, struct state_load *load) {
        struct client *client = NULL;
        uint64_t id = 0, last = 0;
        const uint8_t *end;
        struct reader r;

        if (bus->names.registered)
                return state_fail(load, NULL, "there is a second one");
        if (state_get_array(load, "names", "a(ut)", &r, &end) < 0)
                return load->error;
        while (r.at < end) {
                if (next_newcomer(bus, load, "names", &r, &client, &id) < 0)
                        return load->error;
                if (bus->names.registered && id <= last)
                        return state_fail(load, "names", "they are not in order");
                if (client_restore_name(client, id) < 0)
                        return state_fail_memory(load);
                last = id;
        }
        return 0;
}

static int load_monitors(struct bus *bus, struct state_load *load) {
        struct client *client = NULL;
        const uint8_t *end;
        struct reader r;
        uint64_t id = 0;

        if (bus->monitors)
                return state_fail(load, NULL, "there is a second one");
        if (state_get_array(load, "monitors", "a(ut)", &r, &end) < 0)
                return load->error;
        while (r.at < end) {
                if (next_newcomer(bus, load, "monitors", &r, &client, &id) < 0)
                        return load->error;
                client_restore_monitor(client, id);
        }
        return 0;
}

/* Can this be the name of a service, and is it new? */
static int check_name(struct bus *bus, struct state_load *load, struct wire_string name) {
        if (!name_is_valid_well_known(name.s, name.n) || strcmp(name.s, BUS_DRIVER_NAME) == 0)
                return state_fail(load, "name", "this is no name that a client can have");
        if (name_find(&bus->names, name.s, name.n))
                return state_fail(load, "name", "the name is there twice");
        return 0;
}

static int load_ownership(struct bus *bus, struct state_load *load, struct wire_string name,
                          struct reader *r) {
        struct client *client = NULL;
        uint32_t id, flags;
        uint64_t number;

        reader_struct(r);
        id = reader_u32(r);
        flags = reader_u32(r);
        number = reader_u64(r);
        if (state_ref(load, "queue", STATE_CLIENTS, id, &client) < 0)
                return load->error;
        if (!client_is_registered(client))
                return state_fail(load, "queue", "client %u cannot have names", id);
        if (client->mark == bus->mark)
                return state_fail(load, "queue", "client %u is there twice", id);
        if (number == 0 || number > NUMBERS_MAX)
                return state_fail(load, "queue", "a number is out of range");
        client->mark = bus->mark;
        if (name_restore(&bus->names, name.s, name.n, client, flags, number) < 0)
                return state_fail_memory(load);
        return 0;
}

static int load_name(struct bus *bus, struct state_load *load) {
        struct wire_string name = {};
        const uint8_t *end;
        struct reader r;

        state_get_string(load, "name", &name);
        if (state_get_array(load, "queue", "a(uut)", &r, &end) < 0 ||
            check_name(bus, load, name) < 0)
                return load->error;
        if (r.at == end)
                return state_fail(load, "queue", "nobody has the name");
        bus->mark++; /* of the clients that are in this queue */
        while (r.at < end)
                if (load_ownership(bus, load, name, &r) < 0)
                        return load->error;
        return 0;
}

static int load_rules(struct bus *bus, struct state_load *load) {
        struct client *client = NULL;
        const uint8_t *end;
        struct reader r;

        state_get_ref(load, "client", STATE_CLIENTS, &client);
        if (state_get_array(load, "rules", "a(stu)", &r, &end) < 0)
                return load->error;
        if (!client_is_registered(client) && client->state != CLIENT_MONITOR)
                return state_fail(load, "client", "this client cannot have rules");
        while (r.at < end) {
                struct wire_string text;
                uint64_t cookie;
                int result;

                reader_struct(&r);
                text = reader_string(&r);
                cookie = reader_u64(&r);
                result = match_rule_restore(&bus->matches, client, text.s, text.n, cookie,
                                            reader_u32(&r));
                if (result < 0)
                        return state_fail_memory(load);
                if (result > 0)
                        return state_fail(load, "rules", "this rule cannot be there: %s", text.s);
        }
        return 0;
}

int names_load(struct bus *bus, struct state_load *load) {
        if (state_kind_is(load, UNIQUE_NAMES))
                return load_unique_names(bus, load);
        if (state_kind_is(load, MONITORS))
                return load_monitors(bus, load);
        if (state_kind_is(load, NAME))
                return load_name(bus, load);
        if (state_kind_is(load, RULES))
                return load_rules(bus, load);
        return 1;
}

int names_loaded(struct bus *bus, struct state_load *load) {
        struct client *client;

        if (load->error)
                return load->error;
        DL_FOREACH(bus->clients, client) {
                if (!name_restored(client))
                        return state_fail(load, NULL, "two names of %s have the same number",
                                          client_name(client));
        }
        return 0;
}
