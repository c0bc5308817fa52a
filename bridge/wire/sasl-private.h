/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the SASL state machine share. */

#include "bridge/wire/sasl.h"

enum {
        STATE_AUTH,   /* WaitingForAuth */
        STATE_DATA,   /* WaitingForData: EXTERNAL was asked for, without an initial response */
        STATE_COOKIE, /* WaitingForData: DBUS_COOKIE_SHA1, the challenge is out */
        STATE_BEGIN,  /* WaitingForBegin */
        STATE_BEGUN,
        STATE_CLOSED,
};

/* Part of a line. */
struct text {
        const char *s;
        size_t n;
};

/* What the client is to prove that it knows. */
struct sasl_challenge {
        char challenge[2 * SASL_CHALLENGE_SIZE + 1]; /* hex, as all of these */
        size_t n_cookie;
        char cookie[];
};

void sasl_say(struct sasl_answer *answer, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
void sasl_say_error(struct sasl_answer *answer, const char *why);
/* Forget what was agreed, list what is on offer; too many times is the end. */
enum sasl_event sasl_reject(struct sasl_server *s, struct sasl_answer *answer);
enum sasl_event sasl_accept(struct sasl_server *s, unsigned mechanism, struct sasl_answer *answer);
/* Nothing more is taken; violation is what goes to the log. */
enum sasl_event sasl_close(struct sasl_server *s, const char *violation);

/* 0 to 15; hex was checked before. */
int sasl_hex_digit(char c);
void sasl_hex_encode(const uint8_t *bytes, size_t n, char *ret_hex);

/* AUTH DBUS_COOKIE_SHA1 and the DATA that answers its challenge */
enum sasl_event sasl_cookie_user(struct sasl_server *s, struct text hex,
                                 struct sasl_answer *answer);
enum sasl_event sasl_cookie_response(struct sasl_server *s, struct text hex,
                                     struct sasl_answer *answer);
