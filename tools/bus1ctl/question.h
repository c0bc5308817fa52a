/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Questions - words of a command line as what a policy can be asked
 */

#include "policy/explain.h"

struct question {
        struct policy_question question;
        struct policy_peer peer; /* the message's */
        const char **names;      /* the peer's */
        size_t n_names;
        gid_t *gids;
};

/* connect | own NAME | send KEY=VALUE... | receive KEY=VALUE... 0 or an exit status. */
int question_parse(struct question *question, int argc, char *argv[]);
/* Who asks: a user by name or number, and groups, without which the user's own are taken. */
int question_set_user(struct question *question, const char *user, char *const *groups,
                      size_t n_groups);
void question_clear(struct question *question);
