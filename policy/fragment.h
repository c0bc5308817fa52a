/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Fragments - what one configuration file and its includes say
 *
 * Each file is read into a fragment of its own, which is put into the including file's only once
 * all of it turned out to be right: a broken drop-in leaves no trace.
 */

#include "policy/config.h"
#include "policy/limits.h"
#include "policy/model.h"

struct bus_fragment {
        /* Without limits, policy, files, includedirs and warnings. */
        struct bus_config config;
        bool limits_set[BUS_LIMIT_N];
        struct policy_block **blocks;
        size_t n_blocks;
};

void bus_fragment_clear(struct bus_fragment *fragment);
/* Append from to into; from is left empty. -ENOMEM: both are still to be cleared. */
int bus_fragment_merge(struct bus_fragment *into, struct bus_fragment *from);

void bus_fragment_set_limit(struct bus_fragment *fragment, const struct bus_limit *limit,
                            int64_t value);
/* A directory already there is not added again: the first one counts. */
int bus_fragment_add_servicedir(struct bus_fragment *fragment, const char *path, bool is_runtime);
/* The later association of the same name counts. */
int bus_fragment_associate(struct bus_fragment *fragment, const char *own, const char *context,
                           struct bus_config_place place);
