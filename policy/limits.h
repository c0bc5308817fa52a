/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Limits - the <limit> elements by name
 */

#include <stddef.h>
#include <stdint.h>

#include "policy/config.h"

struct bus_limit {
        const char *name;
        size_t offset; /* into struct bus_limits */
        int64_t value; /* without a <limit> */
        int64_t maximum;
};

/* All limits, ended by one without a name. */
extern const struct bus_limit bus_limit_table[];
#define BUS_LIMIT_N 21

/* The limit of that name; NULL when there is none. */
const struct bus_limit *bus_limit_find(const char *name);

static inline int64_t *bus_limit_value(struct bus_limits *limits, const struct bus_limit *limit) {
        return (int64_t *)((char *)limits + limit->offset);
}
