/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SASL: writing answers, and the changes of state that all mechanisms share. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/wire/sasl-private.h"

/* Answers of the bus are shorter than this; sasl_say() cuts a longer one. */
#define ANSWER_LINE_MAX 256

void sasl_say(struct sasl_answer *answer, const char *format, ...) {
        char line[ANSWER_LINE_MAX];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(line, sizeof(line) - 2, format, ap);
        va_end(ap);
        if (n < 0)
                return;
        if ((size_t)n > sizeof(line) - 3)
                n = sizeof(line) - 3;
        memcpy(line + n, "\r\n", 2);
        n += 2;
        if (sizeof(answer->text) - answer->n < (size_t)n)
                return;
        memcpy(answer->text + answer->n, line, n);
        answer->n += n;
}

void sasl_say_error(struct sasl_answer *answer, const char *why) {
        sasl_say(answer, "ERROR \"%s\"", why);
}

/* states */

static void drop_challenge(struct sasl_server *s) {
        free(s->challenge);
        s->challenge = NULL;
}

enum sasl_event sasl_close(struct sasl_server *s, const char *violation) {
        s->state = STATE_CLOSED;
        s->violation = violation;
        return SASL_CLOSE;
}

enum sasl_event sasl_reject(struct sasl_server *s, struct sasl_answer *answer) {
        s->state = STATE_AUTH;
        s->negotiated_fds = false;
        s->negotiated_bus1 = false;
        s->mechanism = 0;
        drop_challenge(s);

        sasl_say(answer, "REJECTED%s%s%s",
                 s->mechanisms & SASL_MECHANISM_EXTERNAL ? " EXTERNAL" : "",
                 s->mechanisms & SASL_MECHANISM_COOKIE_SHA1 ? " DBUS_COOKIE_SHA1" : "",
                 s->mechanisms & SASL_MECHANISM_ANONYMOUS ? " ANONYMOUS" : "");

        if (++s->n_rejected < SASL_REJECTED_MAX)
                return SASL_MORE;
        return sasl_close(s, "too many attempts to authenticate");
}

enum sasl_event sasl_accept(struct sasl_server *s, unsigned mechanism, struct sasl_answer *answer) {
        s->state = STATE_BEGIN;
        s->mechanism = mechanism;
        drop_challenge(s);
        sasl_say(answer, "OK %s", s->guid);
        return SASL_MORE;
}
