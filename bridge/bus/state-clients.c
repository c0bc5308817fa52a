/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/bus/state-clients.h"

#include "bridge/bus/bus.h"

#define ORPHAN "Orphan"

/* How many members struct client_stats has. */
#define N_STATS 6

/* saving */

/*
 * The credentials are for those who read the document, and for a reader that has not the sockets:
 * the next bus asks the kernel again.
 */
static void put_credentials(struct state_save *save, const struct client_credentials *credentials) {
        state_put_u32(save, "uid", credentials->uid);
        state_put_u32(save, "gid", credentials->gid);
        state_put_u32(save, "pid", credentials->pid);
        if (credentials->gids)
                state_put_u32s(save, "groups", credentials->gids, credentials->n_gids);
        state_put_string(save, "label", credentials->label);
}

static void put_stats(struct state_save *save, const struct client_stats *stats) {
        const uint64_t values[N_STATS] = {
                stats->peak_rules,        stats->peak_names,          stats->peak_incoming_bytes,
                stats->peak_incoming_fds, stats->peak_outgoing_bytes, stats->peak_outgoing_fds,
        };

        state_put_u64s(save, "peaks", values, N_STATS);
}

static void save_client(const struct client *client, struct state_save *save) {
        state_record_begin(save, STATE_CLIENT);
        state_put_u32(save, "id", state_number(save, STATE_CLIENTS, client));
        if (client->ops->save)
                client->ops->save(client, save);
        else
                state_refuse(save, "a client that is no D-Bus program: %s", client_name(client));
        if (client->state == CLIENT_GONE)
                state_refuse(save, "%s is leaving the bus", client_name(client));
        state_put_bool(save, "is_closing", client->is_closing);
        state_put_bool(save, "fds_negotiated", client->fds_negotiated);
        state_put_bool(save, "handles_ok", client->handles_ok);
        state_put_u64(save, "n_received", client->n_received);
        put_stats(save, &client->stats);
        put_credentials(save, &client->credentials);
        state_record_end(save);
}

void clients_save(const struct bus *bus, struct state_save *save) {
        const struct client *client;

        DL_FOREACH(bus->clients, client) {
                save_client(client, save);
                if (save->error)
                        return;
        }
}

void backlog_save(const struct backlog *backlog, struct state_save *save) {
        if (backlog->client || state_number_of(save, STATE_ORPHANS, backlog) > 0)
                return;
        state_record_begin(save, ORPHAN);
        state_put_u32(save, "id", state_number(save, STATE_ORPHANS, backlog));
        state_put_ref(save, "account", STATE_ACCOUNTS, backlog->account);
        state_record_end(save);
}

/* loading */

static int get_stats(struct state_load *load, struct client_stats *stats) {
        uint64_t values[N_STATS] = {};
        const uint8_t *end = NULL;
        struct reader r;

        if (state_get_array(load, "peaks", "at", &r, &end) < 0)
                return load->error;
        for (unsigned i = 0; i < N_STATS && r.at < end; i++)
                values[i] = reader_u64(&r);
        *stats = (struct client_stats){
                .peak_rules = (uint32_t)values[0],
                .peak_names = (uint32_t)values[1],
                .peak_incoming_bytes = values[2],
                .peak_incoming_fds = values[3],
                .peak_outgoing_bytes = values[4],
                .peak_outgoing_fds = values[5],
        };
        return 0;
}

int client_load(struct client *client, struct state_load *load) {
        state_get_bool(load, "is_closing", &client->is_closing);
        state_get_bool(load, "fds_negotiated", &client->fds_negotiated);
        state_get_bool(load, "handles_ok", &client->handles_ok);
        state_get_u64(load, "n_received", &client->n_received);
        if (get_stats(load, &client->stats) < 0)
                return load->error;
        return state_define(load, "id", STATE_CLIENTS, client);
}

int orphans_load(struct bus *bus, struct state_load *load) {
        struct account *account = NULL;
        struct backlog *backlog;
        int r;

        if (!state_kind_is(load, ORPHAN))
                return 1;
        if (state_get_ref(load, "account", STATE_ACCOUNTS, &account) < 0)
                return load->error;
        backlog = backlog_restore(bus, account);
        if (!backlog)
                return state_fail_memory(load);
        r = state_define(load, "id", STATE_ORPHANS, backlog);
        if (r < 0)
                backlog_restored(backlog);
        return r;
}

void orphans_loaded(struct state_load *load) {
        struct backlog *backlog;

        for (uint32_t i = 1; i <= state_n_defined(load, STATE_ORPHANS); i++)
                if (state_ref(load, NULL, STATE_ORPHANS, i, &backlog) == 0)
                        backlog_restored(backlog);
}
