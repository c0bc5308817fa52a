/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Fragments - the settings and rules of one configuration file and the files that it includes
 *
 * The reader reads each file into a fragment. It merges the fragment into the one of the including
 * file only if the whole file is valid. So an invalid file of an <includedir> has no effect but a
 * warning.
 */

#include "policy/config.h"
#include "policy/limits.h"
#include "policy/model.h"

struct bus_fragment {
        /*
         * the members policy, inputs and warnings are used only in reader.whole (policy/document.h)
         */
        struct bus_config config;
        bool limits_set[BUS_LIMIT_N]; /* by the files; a limit that is not set is not merged */
        struct policy_block **blocks;
        size_t n_blocks;
};

void bus_fragment_clear(struct bus_fragment *fragment);
/* Move a fragment to the end of another one. Returns 0, or -ENOMEM; then the caller clears both. */
int bus_fragment_merge(struct bus_fragment *into, struct bus_fragment *from);

void bus_fragment_set_limit(struct bus_fragment *fragment, const struct bus_limit *limit,
                            int64_t value);
/*
 * Add a directory, unless the list has it already; SERVICEDIR_FIXED counts then. Returns 0 or
 * -ENOMEM.
 */
int bus_fragment_add_servicedir(struct bus_fragment *fragment, const char *path,
                                enum bus_servicedir_kind kind);
/*
 * Add the directories that <standard_session_servicedirs/> or <standard_system_servicedirs/> stands
 * for, in order of precedence. Returns 0 or -ENOMEM.
 */
int bus_fragment_add_session_servicedirs(struct bus_fragment *fragment,
                                         const struct bus_config_environment *environment);
int bus_fragment_add_system_servicedirs(struct bus_fragment *fragment);
/* Add an association, or replace an earlier one of the same name. Returns 0 or -ENOMEM. */
int bus_fragment_associate(struct bus_fragment *fragment, const char *own, const char *context,
                           struct bus_config_place place);
