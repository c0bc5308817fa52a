/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by the files sasl-*.c */

#include "bridge/wire/sasl.h"

enum {
        STATE_AUTH,   /* WaitingForAuth */
        STATE_DATA,   /* WaitingForData: EXTERNAL was asked for, without an initial response */
        STATE_COOKIE, /* WaitingForData: the challenge of DBUS_COOKIE_SHA1 was sent */
        STATE_BEGIN,  /* WaitingForBegin */
        STATE_BEGUN,
        STATE_CLOSED,
};

/* Part of a line, or of what a line encodes. */
struct text {
        const char *s;
        size_t n;
};

/* For DBUS_COOKIE_SHA1: the challenge sent, and the cookie that the client must prove to know. */
struct sasl_challenge {
        char challenge[2 * SASL_CHALLENGE_SIZE + 1]; /* in hex */
        size_t n_cookie;
        char cookie[];
};

void sasl_say(struct sasl_answer *answer, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
void sasl_say_error(struct sasl_answer *answer, const char *why);
/*
 * Answer REJECTED with the mechanisms, and let the client start anew. Returns SASL_MORE, or
 * SASL_CLOSE after SASL_REJECTED_MAX of these.
 */
enum sasl_event sasl_reject(struct sasl_server *s, struct sasl_answer *answer);
enum sasl_event sasl_accept(struct sasl_server *s, unsigned mechanism, struct sasl_answer *answer);
/* Take no more input. violation is the text for the log. */
enum sasl_event sasl_close(struct sasl_server *s, const char *violation);

/* Handle AUTH DBUS_COOKIE_SHA1, and the DATA that answers its challenge. */
enum sasl_event sasl_cookie_user(struct sasl_server *s, struct text hex,
                                 struct sasl_answer *answer);
enum sasl_event sasl_cookie_response(struct sasl_server *s, struct text hex,
                                     struct sasl_answer *answer);
