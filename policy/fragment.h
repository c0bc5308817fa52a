/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Fragments - what one configuration file and the files that it includes say
 *
 * The reader reads each file into a fragment, and merges it into the fragment of the including file
 * only when all of the file is right. So a broken file of an <includedir> has no effect at all.
 */

#include "policy/config.h"
#include "policy/limits.h"
#include "policy/model.h"

struct bus_fragment {
        /* without policy, inputs and warnings; a limit counts if it is in limits_set */
        struct bus_config config;
        bool limits_set[BUS_LIMIT_N];
        struct policy_block **blocks;
        size_t n_blocks;
};

void bus_fragment_clear(struct bus_fragment *fragment);
/* Append one fragment to another and leave it empty. -ENOMEM; the caller then clears both. */
int bus_fragment_merge(struct bus_fragment *into, struct bus_fragment *from);

void bus_fragment_set_limit(struct bus_fragment *fragment, const struct bus_limit *limit,
                            int64_t value);
/* A directory that is in the list already is not added again. */
int bus_fragment_add_servicedir(struct bus_fragment *fragment, const char *path, bool is_runtime);
/* Replaces an earlier association of the same name. */
int bus_fragment_associate(struct bus_fragment *fragment, const char *own, const char *context,
                           struct bus_config_place place);
