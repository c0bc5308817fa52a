/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks by many users at once, each of whom does something else. */

#include <string.h>

#include "test/bench/raw.h"
#include "test/hostile/attack.h"

static const char *const attacks[ATTACK_USERS_MAX] = {
        "never-hello",    "slow-handshake",  "come-and-go",    "invalid-messages", "unread-lists",
        "unfinished",     "unread-fds",      "unanswered",     "large-calls",      "flood-service",
        "flood-self-250", "fan-out",         "unread-signals", "worst-bodies",     "equal-rules",
        "near-own",       "paths-below-250", "introspect",     "name-churn",       "sleepers",
};

static const struct attack *find(const char *name) {
        for (const struct attack_group *group = attack_groups; group->name; group++)
                for (const struct attack *a = group->attacks; a->name; a++)
                        if (strcmp(a->name, name) == 0)
                                return a;
        raw_fail("no attack is called \"%s\"", name);
}

static void set_up_all(const struct scene *scene) {
        for (unsigned i = 0; i < ATTACK_USERS_MAX; i++) {
                const struct attack *a = find(attacks[i]);

                if (a->set_up)
                        a->set_up(scene);
        }
}

static void run_one(const struct scene *scene) {
        struct scene own = *scene;

        own.process = 0;
        own.n_processes = 1;
        find(attacks[scene->process])->run(&own);
}

const struct attack attacks_many[] = {
        {
                .name = "twenty-users",
                .what = "20 users at once, each with another attack",
                .n_processes = ATTACK_USERS_MAX,
                .set_up = set_up_all,
                .run = run_one,
                .memory_mib = ATTACK_USERS_MAX * ATTACK_MEMORY_MIB,
                .fds = ATTACK_USERS_MAX * ATTACK_FDS,
                .n_users = ATTACK_USERS_MAX,
        },
        {},
};
