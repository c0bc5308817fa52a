/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Identities: see identity.h. */

#include "policy/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/array.h"
#include "policy/ids.h"

/* What a file says about a name. */
struct found {
        bool is_known;
        id_t id;
};

/*
 * Look up all users or all groups in one pass; those of the other kind are left alone. Returns 0, 1
 * if the file cannot be read, or -ENOMEM.
 */
static int find_all(const struct bus_config_identity *identities, size_t n, bool is_group,
                    struct found *found) {
        CLEANUP_FCLOSE FILE *f = fopen(is_group ? POLICY_GROUPS_FILE : POLICY_USERS_FILE, "re");
        CLEANUP_FREE char *line = NULL;
        size_t room = 0;

        if (!f)
                return 1;
        errno = 0;
        while (getline(&line, &room, f) >= 0)
                for (size_t i = 0; i < n; i++)
                        if (identities[i].is_group == is_group && !found[i].is_known)
                                found[i].is_known = policy_parse_entry(line, identities[i].name,
                                                                       strlen(identities[i].name),
                                                                       &found[i].id);
        return errno == ENOMEM ? -ENOMEM : ferror(f) ? 1 : 0;
}

int bus_config_note_identity(struct bus_config_inputs *inputs, const char *name, bool is_group) {
        struct bus_config_identity identity = {.is_group = is_group};
        struct found found = {};
        int r;

        if (!*name || policy_parse_id(name, &found.id))
                return 0;
        for (size_t i = 0; i < inputs->n_identities; i++)
                if (inputs->identities[i].is_group == is_group &&
                    strcmp(inputs->identities[i].name, name) == 0)
                        return 0;
        identity.name = strdup(name);
        if (!identity.name)
                return -ENOMEM;
        r = find_all(&identity, 1, is_group, &found);
        identity.is_known = found.is_known;
        identity.id = found.is_known ? found.id : 0;
        if (r >= 0)
                r = POLICY_ARRAY_APPEND(inputs->identities, inputs->n_identities, identity);
        if (r < 0)
                free(identity.name);
        return r < 0 ? r : 0;
}

bool bus_config_identities_changed(const struct bus_config *config) {
        const struct bus_config_identity *identities = config->inputs.identities;
        size_t n = config->inputs.n_identities, n_of[2] = {};
        CLEANUP_FREE struct found *found = NULL;

        if (n == 0)
                return false;
        found = calloc(n, sizeof(*found));
        if (!found)
                return false;
        for (size_t i = 0; i < n; i++)
                n_of[identities[i].is_group]++;
        for (int is_group = 0; is_group < 2; is_group++) {
                if (n_of[is_group] == 0 || find_all(identities, n, is_group, found) != 0)
                        continue;
                for (size_t i = 0; i < n; i++)
                        if (identities[i].is_group == is_group &&
                            (identities[i].is_known != found[i].is_known ||
                             (found[i].is_known && identities[i].id != found[i].id)))
                                return true;
        }
        return false;
}
