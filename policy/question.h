/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Questions in words - as administrators put them on a command line, and their tool to a bus
 */

#include "policy/explain.h"

/* Points into the words it was made of, and into itself: it must stay where it is. */
struct policy_words {
        struct policy_question question; /* who asks is left open */
        struct policy_peer peer;         /* the message's */
        const char **names;              /* the peer's well-known names, as given */
        size_t n_names;
        const char
                *peer_name; /* the last name, of any kind, that the peer was called by; or NULL */
};

/*
 * connect | own NAME | send KEY=VALUE... | receive KEY=VALUE... Who is addressed by a well-known
 * name has that name. A reply is a requested one, and a message has its proper recipient, unless
 * told otherwise. 0, -ENOMEM, or -EINVAL with a text in *ret_error, to be freed.
 */
int policy_words_parse(struct policy_words *words, const char *const *texts, size_t n,
                       char **ret_error);
/* Fine for one that is all zero. */
void policy_words_clear(struct policy_words *words);

/* Whether it is one of the names given; the peer asks this. */
bool policy_words_own(void *words, const char *name, bool prefix);

/* Why the answer is what it is, where no rule says so. */
const char *policy_default_reason(const struct policy_question *question, bool allowed);
