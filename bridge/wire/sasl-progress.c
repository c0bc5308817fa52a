/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SASL: a handshake goes on in another program, from where it was. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/wire/hex.h"
#include "bridge/wire/sasl-private.h"

void sasl_server_save(const struct sasl_server *s, struct sasl_progress *ret_progress) {
        *ret_progress = (struct sasl_progress){
                .state = s->state,
                .n_rejected = s->n_rejected,
                .mechanism = s->mechanism,
                .answer_due = s->answer_due,
                .bus1_mode = s->bus1_mode,
                .nul_seen = s->nul_seen,
                .negotiated_fds = s->negotiated_fds,
                .negotiated_bus1 = s->negotiated_bus1,
                .line = s->line,
                .n_line = s->n_line,
        };
        if (s->challenge) {
                ret_progress->challenge = s->challenge->challenge;
                ret_progress->cookie = s->challenge->cookie;
                ret_progress->n_cookie = s->challenge->n_cookie;
        }
}

bool sasl_is_mechanism(uint32_t mechanism) {
        return mechanism == SASL_MECHANISM_EXTERNAL || mechanism == SASL_MECHANISM_COOKIE_SHA1 ||
               mechanism == SASL_MECHANISM_ANONYMOUS;
}

bool sasl_server_has_begun(const struct sasl_server *s) {
        return s->state == STATE_BEGUN;
}

static bool is_challenge(const char *challenge) {
        if (strlen(challenge) != 2 * SASL_CHALLENGE_SIZE)
                return false;
        for (size_t i = 0; i < 2 * SASL_CHALLENGE_SIZE; i++)
                if (hex_digit(challenge[i]) < 0)
                        return false;
        return true;
}

static bool is_possible(const struct sasl_progress *p) {
        bool is_accepted = p->state == STATE_BEGIN || p->state == STATE_BEGUN;

        if (p->state > STATE_BEGUN || p->n_rejected >= SASL_REJECTED_MAX)
                return false;
        if (is_accepted ? !sasl_is_mechanism(p->mechanism)
                        : p->mechanism != 0 || p->negotiated_fds || p->negotiated_bus1)
                return false;
        if (p->n_line >= SASL_LINE_MAX || (!p->nul_seen && (p->n_line > 0 || p->state > 0)))
                return false;
        if ((p->state == STATE_COOKIE) != (p->challenge != NULL) ||
            (p->challenge && !is_challenge(p->challenge)))
                return false;
        if (p->bus1_mode != SASL_BUS1_DEVICE && p->bus1_mode != SASL_BUS1_HOSTED)
                return false;
        switch (p->answer_due) {
        case SASL_MORE:
                return true;
        case SASL_NEGOTIATE_BUS1:
                return p->state == STATE_BEGIN && p->n_line == 0;
        case SASL_COOKIE:
                return p->state == STATE_AUTH && p->n_line == 0;
        default:
                return false;
        }
}

static struct sasl_challenge *copy_challenge(const struct sasl_progress *p) {
        struct sasl_challenge *challenge = malloc(sizeof(*challenge) + p->n_cookie);

        if (!challenge)
                return NULL;
        memcpy(challenge->challenge, p->challenge, sizeof(challenge->challenge));
        memcpy(challenge->cookie, p->cookie, p->n_cookie);
        challenge->n_cookie = p->n_cookie;
        return challenge;
}

int sasl_server_restore(struct sasl_server *s, const struct sasl_progress *progress) {
        if (!is_possible(progress))
                return -EINVAL;
        if (progress->n_line > 0) {
                s->line = malloc(progress->n_line);
                if (!s->line)
                        return -ENOMEM;
                memcpy(s->line, progress->line, progress->n_line);
                s->n_line = progress->n_line;
        }
        if (progress->challenge) {
                s->challenge = copy_challenge(progress);
                if (!s->challenge)
                        return -ENOMEM;
        }
        s->state = progress->state;
        s->n_rejected = progress->n_rejected;
        s->mechanism = progress->mechanism;
        s->answer_due = progress->answer_due;
        s->bus1_mode = progress->bus1_mode;
        s->nul_seen = progress->nul_seen;
        s->negotiated_fds = progress->negotiated_fds;
        s->negotiated_bus1 = progress->negotiated_bus1;
        return 0;
}
