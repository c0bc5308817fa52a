/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * DBUS_COOKIE_SHA1: a client proves its user by knowing a secret that only this user can read
 *
 *      client  user
 *      bus     file and id of a cookie, challenge
 *      client  its own challenge, SHA-1 of "challenge:its challenge:cookie"
 *
 * The user must be the one that the bus runs as: the bus has written cookies for no other user, and
 * must not be made to look into the directories of others.
 */

#include <errno.h>
#include <inttypes.h>
#include <sha1.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/wire/hex.h"
#include "bridge/wire/sasl-private.h"

#define DIGEST_HEX (2 * SHA1_DIGEST_LENGTH)

static bool is_own_user(const struct sasl_server *s, const char *user, size_t n) {
        uint64_t uid = 0;

        if (s->cookie_user && strlen(s->cookie_user) == n && !memcmp(s->cookie_user, user, n))
                return true;
        /* ten digits hold every uid */
        if (n == 0 || n > 10)
                return false;
        for (size_t i = 0; i < n; i++) {
                if (user[i] < '0' || user[i] > '9')
                        return false;
                uid = uid * 10 + (user[i] - '0');
        }
        return uid == s->cookie_uid && uid != UINT32_MAX;
}

/*
 * Decode hex, which has only hex digits. Returns false if their number is odd, or if there are more
 * than max bytes.
 */
static bool decode(struct text hex, char *ret_bytes, size_t max, size_t *ret_n) {
        if (hex.n % 2 != 0 || hex.n / 2 > max)
                return false;
        for (size_t i = 0; i < hex.n; i += 2)
                ret_bytes[i / 2] = hex_digit(hex.s[i]) << 4 | hex_digit(hex.s[i + 1]);
        *ret_n = hex.n / 2;
        return true;
}

enum sasl_event sasl_cookie_user(struct sasl_server *s, struct text hex,
                                 struct sasl_answer *answer) {
        char user[SASL_USER_MAX];
        size_t n;

        if (!decode(hex, user, sizeof(user), &n) || !is_own_user(s, user, n))
                return sasl_reject(s, answer);
        s->answer_due = SASL_COOKIE;
        return SASL_COOKIE;
}

static bool digest_matches(const struct sasl_challenge *challenge, struct text own,
                           struct text claimed) {
        uint8_t digest[SHA1_DIGEST_LENGTH], difference = 0;
        char hex[DIGEST_HEX + 1];
        SHA1_CTX sha1;

        SHA1Init(&sha1);
        SHA1Update(&sha1, (const uint8_t *)challenge->challenge, strlen(challenge->challenge));
        SHA1Update(&sha1, (const uint8_t *)":", 1);
        SHA1Update(&sha1, (const uint8_t *)own.s, own.n);
        SHA1Update(&sha1, (const uint8_t *)":", 1);
        SHA1Update(&sha1, (const uint8_t *)challenge->cookie, challenge->n_cookie);
        SHA1Final(digest, &sha1);
        hex_encode(digest, sizeof(digest), hex);

        if (own.n == 0 || claimed.n != DIGEST_HEX)
                return false;
        /* the loop takes the same time however many bytes are equal */
        for (size_t i = 0; i < DIGEST_HEX; i++)
                difference |= hex[i] ^ claimed.s[i];
        return difference == 0;
}

enum sasl_event sasl_cookie_response(struct sasl_server *s, struct text hex,
                                     struct sasl_answer *answer) {
        char response[SASL_LINE_MAX / 2];
        struct text own, claimed;
        size_t n;

        if (!decode(hex, response, sizeof(response), &n))
                return sasl_reject(s, answer);
        own = (struct text){response, 0};
        while (own.n < n && response[own.n] != ' ' && response[own.n] != '\t')
                own.n++;
        claimed = (struct text){response + own.n, n - own.n};
        while (claimed.n > 0 && (*claimed.s == ' ' || *claimed.s == '\t')) {
                claimed.s++;
                claimed.n--;
        }
        if (!digest_matches(s->challenge, own, claimed))
                return sasl_reject(s, answer);
        return sasl_accept(s, SASL_MECHANISM_COOKIE_SHA1, answer);
}

int sasl_server_challenge(struct sasl_server *s, const char *context, uint32_t id,
                          const char *cookie, const uint8_t random[SASL_CHALLENGE_SIZE],
                          struct sasl_answer *answer) {
        char text[SASL_CONTEXT_MAX + 64], hex[2 * sizeof(text) + 1];
        struct sasl_challenge *challenge;
        size_t n_cookie = strlen(cookie);
        int n;

        challenge = malloc(sizeof(*challenge) + n_cookie);
        if (!challenge)
                return -ENOMEM;
        hex_encode(random, SASL_CHALLENGE_SIZE, challenge->challenge);
        memcpy(challenge->cookie, cookie, n_cookie);
        challenge->n_cookie = n_cookie;

        n = snprintf(text, sizeof(text), "%.*s %" PRIu32 " %s", SASL_CONTEXT_MAX, context, id,
                     challenge->challenge);
        hex_encode((const uint8_t *)text, n, hex);
        sasl_say(answer, "DATA %s", hex);

        free(s->challenge);
        s->challenge = challenge;
        s->state = STATE_COOKIE;
        s->answer_due = SASL_MORE;
        return 0;
}

enum sasl_event sasl_server_refuse_cookie(struct sasl_server *s, struct sasl_answer *answer) {
        s->answer_due = SASL_MORE;
        return sasl_reject(s, answer);
}
