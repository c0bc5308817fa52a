/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.DBus.Debug.Stats */

#include <stdlib.h>

#include "bridge/bus/quota.h"
#include "bridge/driver/methods.h"

static void write_u32(struct writer *w, const char *key, uint64_t value) {
        driver_write_key(w, key, "u");
        writer_u32(w, value > UINT32_MAX ? UINT32_MAX : (uint32_t)value);
}

static int get_stats(struct driver_call *call) {
        struct writer *w = &call->writer;
        struct bus *bus = call->bus;

        writer_array_begin(w, 8);
        write_u32(w, "Serial", bus->n_stats++);
        write_u32(w, "ActiveConnections", bus->names.n_registered);
        write_u32(w, "IncompleteConnections", bus->n_incomplete);
        write_u32(w, "MatchRules", bus->matches.n_rules);
        write_u32(w, "PeakMatchRules", bus->matches.peak_rules);
        write_u32(w, "PeakMatchRulesPerConnection", bus->matches.peak_rules_per_client);
        write_u32(w, "BusNames", name_count(&bus->names));
        write_u32(w, "PeakBusNames", bus->names.peak_names);
        write_u32(w, "PeakBusNamesPerConnection", bus->names.peak_names_per_client + 1);
        writer_array_end(w);
        return 0;
}

static void write_u64(struct writer *w, const char *key, uint64_t value) {
        driver_write_key(w, key, "t");
        writer_u64(w, value);
}

/* What all connections of the user hold together, and how often the user has met a limit. */
static void write_user(struct writer *w, const struct account *account) {
        static const char *const events[N_ACCOUNT_EVENTS] = {
                [ACCOUNT_QUEUE_FULL] = "UserQueueFull",
                [ACCOUNT_SHARE_FULL] = "UserShareFull",
                [ACCOUNT_PAUSED] = "UserPaused",
                [ACCOUNT_EVICTED] = "UserEvicted",
                [ACCOUNT_OUT_OF_ROOM] = "UserOutOfRoom",
                [ACCOUNT_DISPLACED] = "UserDisplaced",
                [ACCOUNT_PACED] = "UserPaced",
                [ACCOUNT_DISCONNECTED] = "UserDisconnected",
        };

        write_u32(w, "UserConnections", account->n_connections);
        write_u64(w, "UserMatchRules", account->holdings.n_rules);
        write_u64(w, "UserBusNames", account->holdings.n_ownerships);
        write_u64(w, "UserQueuedBytes", account->queued);
        write_u64(w, "UserAnswerBytes", account->answers);
        write_u64(w, "UserUnfinishedBytes", account->unfinished);
        write_u64(w, "UserBacklogBytes", account->backlog);
        write_u64(w, "UserHeldFDs", account->fds[FDS_HELD]);
        write_u64(w, "UserSentFDs", account->fds[FDS_SENT]);
        for (size_t i = 0; i < N_ACCOUNT_EVENTS; i++)
                write_u64(w, events[i], account->n_events[i]);
}

static int get_connection_stats(struct driver_call *call) {
        struct wire_string name = reader_string(&call->reader);
        struct writer *w = &call->writer;
        struct client *client;

        if (!driver_find_connection(call, name, &client))
                return DRIVER_CALL_FAILED;
        if (!client)
                return driver_call_fail(
                        call, DRIVER_ERROR("InvalidArgs"),
                        "The bus is not a connection, so it has no statistics of one");

        writer_array_begin(w, 8);
        write_u32(w, "Serial", call->bus->n_stats++);
        driver_write_key(w, "UniqueName", "s");
        writer_string(w, client->unique_name);
        write_u32(w, "MatchRules", client->n_rules);
        write_u32(w, "PeakMatchRules", client->stats.peak_rules);
        write_u32(w, "BusNames", client->n_ownerships + 1);
        write_u32(w, "PeakBusNames", client->stats.peak_names + 1);
        /*
         * The bus keeps no queue of incoming messages. The bytes and descriptors are those of the
         * client's message that is being routed, if there is one, and of the client's backlog.
         */
        write_u32(w, "IncomingMessages", 0);
        write_u32(w, "IncomingBytes", client->incoming_bytes + client->backlog->bytes);
        write_u32(w, "IncomingFDs", client->incoming_fds + client->backlog->fds);
        write_u32(w, "PeakIncomingBytes", client->stats.peak_incoming_bytes);
        write_u32(w, "PeakIncomingFDs", client->stats.peak_incoming_fds);
        write_u32(w, "OutgoingMessages", client->n_outgoing);
        write_u32(w, "OutgoingBytes", client->outgoing_bytes);
        write_u32(w, "OutgoingFDs", client->outgoing_fds);
        write_u32(w, "PeakOutgoingBytes", client->stats.peak_outgoing_bytes);
        write_u32(w, "PeakOutgoingFDs", client->stats.peak_outgoing_fds);
        write_user(w, client->account);
        writer_array_end(w);
        return 0;
}

static const struct driver_method methods[] = {
        {"GetStats", "", "a{sv}", get_stats},
        {"GetConnectionStats", "s", "a{sv}", get_connection_stats},
        {"GetAllMatchRules", "", "a{sas}", driver_get_all_match_rules},
        {},
};

const struct driver_interface driver_interface_stats = {
        .name = "org.freedesktop.DBus.Debug.Stats",
        .methods = methods,
        .canonical_path_only = true,
        .listed = true,
};
