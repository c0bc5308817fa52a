/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Questions in words - parses a question about a policy from the command line of bus1ctl
 *
 * bus1ctl parses the words itself, or sends them to a running bus, which parses them with the same
 * function. doc/operating/bus1ctl.md describes the words.
 */

#include "policy/explain.h"

/* A question. It points to the texts that it was made from and into itself, so do not move it. */
struct policy_words {
        struct policy_question question; /* without uid, gids and bus_uid */
        struct policy_peer peer;         /* the other end of the message */
        const char **names;              /* the well-known names given for the peer */
        size_t n_names;
        const char *peer_name; /* the last name given for the peer, of any kind, or NULL */
};

/*
 * Parse "connect", "own NAME", "send KEY=VALUE..." or "receive KEY=VALUE...". The peer owns the
 * well-known names that are given for it, also a name that it is addressed by. Unless other words
 * say otherwise, a reply is a requested one, and the recipient is the destination of the message.
 * Returns 0, -ENOMEM, or -EINVAL with a text in *ret_error that the caller frees.
 */
int policy_words_parse(struct policy_words *words, const char *const *texts, size_t n,
                       char **ret_error);
/* Free what the words own. words may be all zero. */
void policy_words_clear(struct policy_words *words);

/* The function owns() of the peer: is name one of the names given? */
bool policy_words_own(void *words, const char *name, bool prefix);

/* The reason for a verdict that no rule decided. */
const char *policy_default_reason(const struct policy_question *question, bool allowed);
