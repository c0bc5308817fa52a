/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/bus/state-members.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bridge/activation/service-environment.h"
#include "bridge/bus/account.h"
#include "bridge/bus/bus.h"

#define BUS "Bus"
#define VARIABLE "Variable"
#define ACCOUNT "Account"

/* saving */

static void save_bus(const struct bus *bus, struct state_save *save) {
        state_record_begin(save, BUS);
        state_put_string(save, "id", bus->id);
        state_put_string(save, "address", bus->address);
        state_put_u32(save, "serial", bus->serial);
        if (bus->ids.fd >= 0)
                state_put_fd(save, "fd_unique_names", bus->ids.fd);
        state_put_u64(save, "next_unique_name", bus->ids.next);
        state_put_u64(save, "end_unique_names", bus->ids.end);
        state_put_u32(save, "n_stats", bus->n_stats);
        state_put_u32(save, "peak_names", bus->names.peak_names);
        state_put_u32(save, "peak_names_per_client", bus->names.peak_names_per_client);
        state_put_u32(save, "peak_rules", bus->matches.peak_rules);
        state_put_u32(save, "peak_rules_per_client", bus->matches.peak_rules_per_client);
        state_record_end(save);
}

static void save_variables(const struct bus *bus, struct state_save *save) {
        const struct service_variable *variable;

        for (variable = bus->environment.variables; variable; variable = variable->hh.next) {
                state_record_begin(save, VARIABLE);
                state_put_string(save, "text", variable->text);
                state_put_bool(save, "is_new", variable->is_new);
                state_record_end(save);
        }
}

static void save_account(const struct account *account, struct state_save *save) {
        state_record_begin(save, ACCOUNT);
        state_put_u32(save, "id", state_number(save, STATE_ACCOUNTS, account));
        state_put_u32(save, "uid", account->uid);
        state_put_i64(save, "starts_due", account->starts_due);
        state_put_i64(save, "logged", account->logged);
        state_put_u64s(save, "events", account->n_events, N_ACCOUNT_EVENTS);
        state_record_end(save);
}

/* Those that nobody uses are in a list, whose first one is forgotten first. */
static void save_accounts(const struct bus *bus, struct state_save *save) {
        const struct account *account;

        for (account = bus->idle_accounts; account; account = account->idle_next)
                save_account(account, save);
        for (account = bus->accounts; account; account = account->hh.next)
                if (account->n_refs > 0)
                        save_account(account, save);
}

void members_save(const struct bus *bus, struct state_save *save) {
        save_bus(bus, save);
        save_variables(bus, save);
        save_accounts(bus, save);
}

/* loading */

static bool is_id(struct wire_string id) {
        return id.n == 32 && strspn(id.s, "0123456789abcdef") == 32;
}

static int load_bus(struct bus *bus, struct state_load *load) {
        struct wire_string id = {}, address = {};
        uint64_t next = 0, end = 0;
        int fd = -1;

        state_get_string(load, "id", &id);
        state_find_string(load, "address", &address);
        state_get_u32(load, "serial", &bus->serial);
        if (state_has(load, "fd_unique_names"))
                state_get_fd(load, "fd_unique_names", S_IFREG, &fd);
        state_get_u64(load, "next_unique_name", &next);
        state_get_u64(load, "end_unique_names", &end);
        state_get_u32(load, "n_stats", &bus->n_stats);
        state_get_u32(load, "peak_names", &bus->names.peak_names);
        state_get_u32(load, "peak_names_per_client", &bus->names.peak_names_per_client);
        state_get_u32(load, "peak_rules", &bus->matches.peak_rules);
        if (state_get_u32(load, "peak_rules_per_client", &bus->matches.peak_rules_per_client) < 0)
                return load->error;
        if (!is_id(id))
                return state_fail(load, "id", "this is no ID of a bus");
        if (next > end)
                return state_fail(load, "next_unique_name", "it is after the end");

        memcpy(bus->id, id.s, sizeof(bus->id));
        ids_adopt(&bus->ids, fd, next, end);
        free(bus->address);
        bus->address = address.s ? strdup(address.s) : NULL;
        return address.s && !bus->address ? state_fail_memory(load) : 0;
}

static int load_variable(struct bus *bus, struct state_load *load) {
        struct service_variable *variable;
        struct wire_string text = {};
        bool is_new = false;
        size_t n_name;
        int r;

        state_get_string(load, "text", &text);
        if (state_get_bool(load, "is_new", &is_new) < 0)
                return load->error;
        n_name = strcspn(text.s, "=");
        if (n_name == text.n)
                return state_fail(load, "text", "this is no variable");
        r = service_environment_set(&bus->environment, text.s, n_name, text.s + n_name + 1,
                                    text.n - n_name - 1);
        if (r == -ENOMEM)
                return state_fail_memory(load);
        if (r < 0)
                return state_fail(load, "text", "%s", strerror(-r));
        HASH_FIND(hh, bus->environment.variables, text.s, n_name, variable);
        variable->is_new = is_new;
        return 0;
}

/*
 * The account of a user that counts as another one now, by the configuration, becomes a part of
 * that one. The table of accounts has a reference until members_loaded().
 */
static int load_account(struct bus *bus, struct state_load *load) {
        int64_t starts_due = 0, logged = 0;
        struct account *account;
        const uint8_t *end = NULL;
        struct reader events;
        uint32_t uid = 0;

        state_get_u32(load, "uid", &uid);
        state_get_i64(load, "starts_due", &starts_due);
        state_get_i64(load, "logged", &logged);
        if (state_get_array(load, "events", "at", &events, &end) < 0)
                return load->error;
        account = account_get(bus, uid);
        if (!account)
                return state_fail_memory(load);
        if (state_define(load, "id", STATE_ACCOUNTS, account) < 0)
                return load->error;
        if (starts_due > account->starts_due)
                account->starts_due = starts_due;
        if (logged > account->logged)
                account->logged = logged;
        /* a newer bus may know more events: the last ones are not shown here */
        for (unsigned i = 0; i < N_ACCOUNT_EVENTS && events.at < end; i++)
                account->n_events[i] += reader_u64(&events);
        return 0;
}

int members_load(struct bus *bus, struct state_load *load) {
        if (state_kind_is(load, BUS))
                return load_bus(bus, load);
        if (state_kind_is(load, VARIABLE))
                return load_variable(bus, load);
        if (state_kind_is(load, ACCOUNT))
                return load_account(bus, load);
        return 1;
}

void members_loaded(struct bus *bus, struct state_load *load) {
        struct account *account;

        for (uint32_t i = 1; i <= state_n_defined(load, STATE_ACCOUNTS); i++)
                if (state_ref(load, NULL, STATE_ACCOUNTS, i, &account) == 0)
                        account_put(bus, account);
}
