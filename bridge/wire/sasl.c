/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SASL, the server's side: three states, one function per command (D-Bus spec, "Authentication
 * Protocol"; where that leaves room, what dbus-daemon answers).
 *
 * Input is cut into lines at CR LF. A line that came complete is looked at where it lies; one that
 * comes in parts is collected, up to SASL_LINE_MAX.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/wire/names.h"
#include "bridge/wire/sasl.h"

enum {
        STATE_AUTH,  /* WaitingForAuth */
        STATE_DATA,  /* WaitingForData: EXTERNAL was asked for, without an initial response */
        STATE_BEGIN, /* WaitingForBegin */
        STATE_BEGUN,
        STATE_CLOSED,
};

/* the longest answer there is is shorter than this */
#define ANSWER_LINE_MAX 256

/* "anonymous" may leave a trace of who it is; longer ones are refused with their line */
#define HEX_MAX (SASL_LINE_MAX / 2)

/* Part of a line. */
struct text {
        const char *s;
        size_t n;
};

void sasl_server_init(struct sasl_server *s) {
        *s = (struct sasl_server){
                .mechanisms = SASL_MECHANISM_EXTERNAL,
                .can_pass_fds = true,
                .can_bus1 = true,
                .peer_uid = UINT32_MAX,
        };
}

void sasl_server_deinit(struct sasl_server *s) {
        free(s->line);
        s->line = NULL;
        s->n_line = 0;
}

/* answers */

static __attribute__((format(printf, 2, 3))) void say(struct sasl_answer *answer,
                                                      const char *format, ...) {
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

static bool answer_has_room(const struct sasl_answer *answer) {
        return sizeof(answer->text) - answer->n >= SASL_ANSWER_MAX;
}

static void say_error(struct sasl_answer *answer, const char *why) {
        say(answer, "ERROR \"%s\"", why);
}

/* Forget what was agreed, list what is on offer; too many times is the end. */
static enum sasl_event reject(struct sasl_server *s, struct sasl_answer *answer) {
        s->state = STATE_AUTH;
        s->negotiated_fds = false;
        s->negotiated_bus1 = false;
        s->anonymous = false;

        say(answer, "REJECTED%s%s", s->mechanisms & SASL_MECHANISM_EXTERNAL ? " EXTERNAL" : "",
            s->mechanisms & SASL_MECHANISM_ANONYMOUS ? " ANONYMOUS" : "");

        if (++s->n_rejected < SASL_REJECTED_MAX)
                return SASL_MORE;
        s->state = STATE_CLOSED;
        return SASL_CLOSE;
}

static enum sasl_event accept_peer(struct sasl_server *s, bool anonymous,
                                   struct sasl_answer *answer) {
        s->state = STATE_BEGIN;
        s->anonymous = anonymous;
        say(answer, "OK %s", s->guid);
        return SASL_MORE;
}

/* words and hex */

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

static bool text_equals(struct text text, const char *s) {
        return text.n == strlen(s) && memcmp(text.s, s, text.n) == 0;
}

/* Cut the first word off; what remains starts behind the blanks that follow it. */
static struct text next_word(struct text *line) {
        struct text word = {line->s, 0};
        size_t i = 0;

        while (i < line->n && !is_blank(line->s[i]))
                ++i;
        word.n = i;
        while (i < line->n && is_blank(line->s[i]))
                ++i;
        line->s += i;
        line->n -= i;
        return word;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

static bool is_hex(struct text hex) {
        for (size_t i = 0; i < hex.n; ++i)
                if (hex_digit(hex.s[i]) < 0)
                        return false;
        return true;
}

/* mechanisms */

/* hex is the decimal number of a user, in hex; nothing stands for whoever the socket says it is. */
static bool external_is_peer(const struct sasl_server *s, struct text hex) {
        uint64_t uid = 0;

        if (s->peer_uid == UINT32_MAX)
                return false;
        if (hex.n == 0)
                return true;
        /* ten digits hold every uid */
        if (hex.n % 2 != 0 || hex.n > 2 * 10)
                return false;
        for (size_t i = 0; i < hex.n; i += 2) {
                int c = hex_digit(hex.s[i]) << 4 | hex_digit(hex.s[i + 1]);

                if (c < '0' || c > '9')
                        return false;
                uid = uid * 10 + (c - '0');
        }
        return uid == s->peer_uid;
}

static bool trace_is_valid(struct text hex) {
        char trace[HEX_MAX];

        if (hex.n % 2 != 0 || hex.n / 2 > sizeof(trace))
                return false;
        for (size_t i = 0; i < hex.n; i += 2)
                trace[i / 2] = hex_digit(hex.s[i]) << 4 | hex_digit(hex.s[i + 1]);
        return name_is_valid_utf8(trace, hex.n / 2);
}

/* commands, each in the states that know it; the rest of the line is their argument */

static enum sasl_event handle_external(struct sasl_server *s, struct text hex,
                                       struct sasl_answer *answer) {
        if (!is_hex(hex)) {
                say_error(answer, "Invalid hex encoding");
                return SASL_MORE;
        }
        if (external_is_peer(s, hex))
                return accept_peer(s, false, answer);
        return reject(s, answer);
}

static enum sasl_event handle_anonymous(struct sasl_server *s, struct text hex,
                                        struct sasl_answer *answer) {
        if (!is_hex(hex)) {
                say_error(answer, "Invalid hex encoding");
                return SASL_MORE;
        }
        if (trace_is_valid(hex))
                return accept_peer(s, true, answer);
        return reject(s, answer);
}

static enum sasl_event handle_auth(struct sasl_server *s, struct text args,
                                   struct sasl_answer *answer) {
        struct text mechanism = next_word(&args);

        if (text_equals(mechanism, "EXTERNAL") && (s->mechanisms & SASL_MECHANISM_EXTERNAL)) {
                if (args.n > 0)
                        return handle_external(s, args, answer);
                s->state = STATE_DATA;
                say(answer, "DATA");
                return SASL_MORE;
        }
        if (text_equals(mechanism, "ANONYMOUS") && (s->mechanisms & SASL_MECHANISM_ANONYMOUS))
                return handle_anonymous(s, args, answer);
        return reject(s, answer);
}

static enum sasl_event handle_negotiate_fds(struct sasl_server *s, struct sasl_answer *answer) {
        if (!s->can_pass_fds) {
                say_error(answer, "Unix file descriptors cannot be passed here");
                return SASL_MORE;
        }
        s->negotiated_fds = true;
        say(answer, "AGREE_UNIX_FD");
        return SASL_MORE;
}

static enum sasl_event handle_negotiate_bus1(struct sasl_server *s, struct text args,
                                             struct sasl_answer *answer) {
        if (!s->can_bus1) {
                say_error(answer, "bus1 is not spoken here");
                return SASL_MORE;
        }
        if (s->negotiated_bus1) {
                say_error(answer, "bus1 is agreed already");
                return SASL_MORE;
        }
        if (text_equals(args, "device")) {
                s->bus1_mode = SASL_BUS1_DEVICE;
        } else if (text_equals(args, "hosted")) {
                s->bus1_mode = SASL_BUS1_HOSTED;
        } else {
                say_error(answer, "NEGOTIATE_BUS1 takes device or hosted");
                return SASL_MORE;
        }
        s->answer_due = true;
        return SASL_NEGOTIATE_BUS1;
}

static enum sasl_event handle_begin(struct sasl_server *s) {
        if (s->state == STATE_BEGIN) {
                s->state = STATE_BEGUN;
                return SASL_BEGIN;
        }
        s->state = STATE_CLOSED;
        return SASL_CLOSE;
}

static enum sasl_event handle_line(struct sasl_server *s, struct text line,
                                   struct sasl_answer *answer) {
        static const char *const expected[] = {
                [STATE_AUTH] = "Need to authenticate first",
                [STATE_DATA] = "Expected DATA or CANCEL",
                [STATE_BEGIN] = "Expected BEGIN or NEGOTIATE_UNIX_FD",
        };
        struct text command;

        for (size_t i = 0; i < line.n; ++i)
                if (line.s[i] == 0 || (line.s[i] & 0x80)) {
                        say_error(answer, "Not ASCII");
                        return SASL_MORE;
                }

        command = next_word(&line);
        if (text_equals(command, "BEGIN"))
                return handle_begin(s);
        if (text_equals(command, "ERROR"))
                return reject(s, answer);

        switch (s->state) {
        case STATE_AUTH:
                if (text_equals(command, "AUTH"))
                        return handle_auth(s, line, answer);
                break;
        case STATE_DATA:
                if (text_equals(command, "DATA"))
                        return handle_external(s, line, answer);
                if (text_equals(command, "CANCEL"))
                        return reject(s, answer);
                break;
        case STATE_BEGIN:
                if (text_equals(command, "NEGOTIATE_UNIX_FD"))
                        return handle_negotiate_fds(s, answer);
                if (text_equals(command, "NEGOTIATE_BUS1"))
                        return handle_negotiate_bus1(s, line, answer);
                if (text_equals(command, "CANCEL"))
                        return reject(s, answer);
                break;
        }
        say_error(answer, expected[s->state]);
        return SASL_MORE;
}

/* lines */

static int collect(struct sasl_server *s, const char *in, size_t n) {
        char *line;

        line = realloc(s->line, s->n_line + n);
        if (!line)
                return -ENOMEM;
        memcpy(line + s->n_line, in, n);
        s->line = line;
        s->n_line += n;
        return 0;
}

/* The bytes of in up to and with the end of the unfinished line, 0 when it does not end there. */
static size_t line_end(const struct sasl_server *s, const char *in, size_t n) {
        const char *end;

        if (s->n_line > 0 && s->line[s->n_line - 1] == '\r' && n > 0 && in[0] == '\n')
                return 1;
        end = memmem(in, n, "\r\n", 2);
        return end ? end - in + 2 : 0;
}

/*
 * Take the next line. Returns 0 with *ret_event SASL_MORE and n consumed when it is not complete.
 */
static int feed_line(struct sasl_server *s, const char *in, size_t n, size_t *ret_consumed,
                     struct sasl_answer *answer, enum sasl_event *ret_event) {
        size_t n_end = line_end(s, in, n), n_rest = n_end ? n_end : n;
        struct text line = {in, n_rest};
        int r;

        if (n_end == 0 && s->n_line + n >= SASL_LINE_MAX) {
                s->state = STATE_CLOSED;
                *ret_consumed = n;
                *ret_event = SASL_CLOSE;
                return 0;
        }
        if (s->n_line + n_rest > SASL_LINE_MAX + 2) {
                s->state = STATE_CLOSED;
                *ret_consumed = n_rest;
                *ret_event = SASL_CLOSE;
                return 0;
        }

        if (n_end == 0 || s->n_line > 0) {
                r = collect(s, in, n_rest);
                if (r)
                        return r;
                line = (struct text){s->line, s->n_line};
        }
        *ret_consumed = n_rest;
        *ret_event = SASL_MORE;
        if (n_end == 0)
                return 0;

        line.n -= 2;
        *ret_event = handle_line(s, line, answer);
        sasl_server_deinit(s);
        return 0;
}

int sasl_server_feed(struct sasl_server *s, const char *in, size_t n, size_t *ret_consumed,
                     struct sasl_answer *answer, enum sasl_event *ret_event) {
        enum sasl_event event = SASL_MORE;
        size_t at = 0;
        int r;

        if (s->state == STATE_CLOSED) {
                event = SASL_CLOSE;
        } else if (s->state == STATE_BEGUN) {
                event = SASL_BEGIN;
        } else if (s->answer_due) {
                event = SASL_NEGOTIATE_BUS1;
        } else if (!s->nul_seen && n > 0) {
                /* it may have carried credentials once; who the peer is the socket knows */
                if (in[at++] != 0) {
                        s->state = STATE_CLOSED;
                        event = SASL_CLOSE;
                }
                s->nul_seen = true;
        }

        while (event == SASL_MORE && at < n && answer_has_room(answer)) {
                size_t consumed;

                r = feed_line(s, in + at, n - at, &consumed, answer, &event);
                if (r)
                        return r;
                at += consumed;
        }

        *ret_consumed = at;
        *ret_event = event;
        return 0;
}

/* bus1 */

void sasl_server_agree_bus1(struct sasl_server *s, uint64_t session_handle,
                            struct sasl_answer *answer) {
        s->answer_due = false;
        s->negotiated_bus1 = true;
        say(answer, "AGREE_BUS1 %s %" PRIx64,
            s->bus1_mode == SASL_BUS1_DEVICE ? "device" : "hosted", session_handle);
}

void sasl_server_refuse_bus1(struct sasl_server *s, const char *why, struct sasl_answer *answer) {
        s->answer_due = false;
        say_error(answer, why);
}
