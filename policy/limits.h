/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Limits - a table of the <limit> elements: name, place in struct bus_limits, default and range */

#include <stddef.h>
#include <stdint.h>

#include "policy/config.h"

struct bus_limit {
        const char *name;
        size_t offset; /* into struct bus_limits */
        int64_t value; /* the default */
        int64_t maximum;
};

/* All limits; the last entry has no name. */
extern const struct bus_limit bus_limit_table[];
#define BUS_LIMIT_N (sizeof(struct bus_limits) / sizeof(int64_t))

/* Find a limit by its name. Returns NULL if there is none. */
const struct bus_limit *bus_limit_find(const char *name);

static inline int64_t *bus_limit_value(struct bus_limits *limits, const struct bus_limit *limit) {
        return (int64_t *)((char *)limits + limit->offset);
}
