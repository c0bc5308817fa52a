/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits: the table
 *
 * Defaults and ranges are those of dbus-daemon: limits on the bytes and descriptors of messages
 * have 64 bits, all other limits must fit into an int.
 */

#include <assert.h>
#include <string.h>

#include "policy/limits.h"

#define LIMIT(_name, _value, _maximum)                                                           \
        {                                                                                        \
                .name = #_name, .offset = offsetof(struct bus_limits, _name), .value = (_value), \
                .maximum = (_maximum)                                                            \
        }

const struct bus_limit bus_limit_table[] = {
        LIMIT(max_incoming_bytes, 133169152, INT64_MAX),
        LIMIT(max_incoming_unix_fds, 64, INT64_MAX),
        LIMIT(max_outgoing_bytes, 133169152, INT64_MAX),
        LIMIT(max_outgoing_unix_fds, 64, INT64_MAX),
        LIMIT(max_message_size, 33554432, INT64_MAX),
        LIMIT(max_message_unix_fds, 16, INT64_MAX),
        LIMIT(service_start_timeout, 25000, INT32_MAX),
        LIMIT(auth_timeout, 30000, INT32_MAX),
        LIMIT(pending_fd_timeout, 150000, INT32_MAX),
        LIMIT(max_completed_connections, 2048, INT32_MAX),
        LIMIT(max_incomplete_connections, 64, INT32_MAX),
        LIMIT(max_connections_per_user, 256, INT32_MAX),
        LIMIT(max_pending_service_starts, 512, INT32_MAX),
        LIMIT(max_names_per_connection, 512, INT32_MAX),
        LIMIT(max_match_rules_per_connection, 512, INT32_MAX),
        LIMIT(max_replies_per_connection, 128, INT32_MAX),
        LIMIT(reply_timeout, -1, INT32_MAX),
        LIMIT(max_containers, 512, INT32_MAX),
        LIMIT(max_containers_per_user, 16, INT32_MAX),
        LIMIT(max_container_metadata_bytes, 4096, INT32_MAX),
        LIMIT(max_connections_per_container, 8, INT32_MAX),
        {},
};

static_assert(sizeof(bus_limit_table) / sizeof(*bus_limit_table) == BUS_LIMIT_N + 1,
              "each limit is in the table");

const struct bus_limit *bus_limit_find(const char *name) {
        for (const struct bus_limit *limit = bus_limit_table; limit->name; limit++)
                if (strcmp(limit->name, name) == 0)
                        return limit;
        return NULL;
}

void bus_limits_default(struct bus_limits *ret_limits) {
        for (const struct bus_limit *limit = bus_limit_table; limit->name; limit++)
                *bus_limit_value(ret_limits, limit) = limit->value;
}
