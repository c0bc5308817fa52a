/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SASL, the server's side: lines and commands (D-Bus spec, "Authentication Protocol"). Where the
 * specification leaves a choice, the answer is that of dbus-daemon.
 *
 * Input is cut into lines at CR LF. A line that is received in one piece is read in place; one that
 * comes in parts is collected, up to SASL_LINE_MAX.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/wire/hex.h"
#include "bridge/wire/names.h"
#include "bridge/wire/sasl-private.h"

/* the most bytes of the trace that an ANONYMOUS client may send */
#define HEX_MAX (SASL_LINE_MAX / 2)

void sasl_server_init(struct sasl_server *s) {
        *s = (struct sasl_server){
                .mechanisms = SASL_MECHANISM_EXTERNAL,
                .can_pass_fds = true,
                .can_bus1 = true,
                .peer_uid = UINT32_MAX,
                .cookie_uid = UINT32_MAX,
        };
}

static void drop_line(struct sasl_server *s) {
        free(s->line);
        s->line = NULL;
        s->n_line = 0;
}

void sasl_server_deinit(struct sasl_server *s) {
        drop_line(s);
        free(s->challenge);
}

/* answers */

static bool answer_has_room(const struct sasl_answer *answer) {
        return sizeof(answer->text) - answer->n >= SASL_ANSWER_MAX;
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

static bool is_hex(struct text hex) {
        for (size_t i = 0; i < hex.n; i++)
                if (hex_digit(hex.s[i]) < 0)
                        return false;
        return true;
}

/* mechanisms */

/*
 * Does hex name the user at the other end of the socket? hex must encode the decimal uid of this
 * user or be empty. If the user is not known, the answer is no.
 */
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

/* commands; the rest of the line is the argument */

static enum sasl_event handle_external(struct sasl_server *s, struct text hex,
                                       struct sasl_answer *answer) {
        if (external_is_peer(s, hex))
                return sasl_accept(s, SASL_MECHANISM_EXTERNAL, answer);
        return sasl_reject(s, answer);
}

static enum sasl_event handle_anonymous(struct sasl_server *s, struct text hex,
                                        struct sasl_answer *answer) {
        if (trace_is_valid(hex))
                return sasl_accept(s, SASL_MECHANISM_ANONYMOUS, answer);
        return sasl_reject(s, answer);
}

typedef enum sasl_event (*handle_data_fn)(struct sasl_server *s, struct text hex,
                                          struct sasl_answer *answer);

/* Pass an initial response, or the argument of DATA, to the mechanism. */
static enum sasl_event handle_data(struct sasl_server *s, handle_data_fn handle, struct text hex,
                                   struct sasl_answer *answer) {
        if (is_hex(hex))
                return handle(s, hex, answer);
        sasl_say_error(answer, "Invalid hex encoding");
        return SASL_MORE;
}

static enum sasl_event handle_auth(struct sasl_server *s, struct text args,
                                   struct sasl_answer *answer) {
        struct text mechanism = next_word(&args);

        if (text_equals(mechanism, "EXTERNAL") && (s->mechanisms & SASL_MECHANISM_EXTERNAL)) {
                if (args.n > 0)
                        return handle_data(s, handle_external, args, answer);
                s->state = STATE_DATA;
                sasl_say(answer, "DATA");
                return SASL_MORE;
        }
        if (text_equals(mechanism, "DBUS_COOKIE_SHA1") &&
            (s->mechanisms & SASL_MECHANISM_COOKIE_SHA1))
                return handle_data(s, sasl_cookie_user, args, answer);
        if (text_equals(mechanism, "ANONYMOUS") && (s->mechanisms & SASL_MECHANISM_ANONYMOUS))
                return handle_data(s, handle_anonymous, args, answer);
        return sasl_reject(s, answer);
}

static enum sasl_event handle_negotiate_fds(struct sasl_server *s, struct sasl_answer *answer) {
        if (!s->can_pass_fds) {
                sasl_say_error(answer, "Unix file descriptors cannot be passed here");
                return SASL_MORE;
        }
        s->negotiated_fds = true;
        sasl_say(answer, "AGREE_UNIX_FD");
        return SASL_MORE;
}

static enum sasl_event handle_negotiate_bus1(struct sasl_server *s, struct text args,
                                             struct sasl_answer *answer) {
        if (!s->can_bus1) {
                sasl_say_error(answer, "bus1 is not spoken here");
                return SASL_MORE;
        }
        if (s->negotiated_bus1) {
                sasl_say_error(answer, "bus1 is agreed already");
                return SASL_MORE;
        }
        if (text_equals(args, "device")) {
                s->bus1_mode = SASL_BUS1_DEVICE;
        } else if (text_equals(args, "hosted")) {
                s->bus1_mode = SASL_BUS1_HOSTED;
        } else {
                sasl_say_error(answer, "NEGOTIATE_BUS1 takes device or hosted");
                return SASL_MORE;
        }
        s->answer_due = SASL_NEGOTIATE_BUS1;
        return SASL_NEGOTIATE_BUS1;
}

static enum sasl_event handle_begin(struct sasl_server *s) {
        if (s->state == STATE_BEGIN) {
                s->state = STATE_BEGUN;
                return SASL_BEGIN;
        }
        return sasl_close(s, "BEGIN before authentication");
}

static enum sasl_event handle_line(struct sasl_server *s, struct text line,
                                   struct sasl_answer *answer) {
        static const char *const expected[] = {
                [STATE_AUTH] = "Need to authenticate first",
                [STATE_DATA] = "Expected DATA or CANCEL",
                [STATE_COOKIE] = "Expected DATA or CANCEL",
                [STATE_BEGIN] = "Expected BEGIN, CANCEL, NEGOTIATE_UNIX_FD or NEGOTIATE_BUS1",
        };
        struct text command;

        for (size_t i = 0; i < line.n; i++)
                if (line.s[i] == 0 || (line.s[i] & 0x80)) {
                        sasl_say_error(answer, "Not ASCII");
                        return SASL_MORE;
                }

        command = next_word(&line);
        if (text_equals(command, "BEGIN"))
                return handle_begin(s);
        if (text_equals(command, "ERROR"))
                return sasl_reject(s, answer);

        switch (s->state) {
        case STATE_AUTH:
                if (text_equals(command, "AUTH"))
                        return handle_auth(s, line, answer);
                break;
        case STATE_DATA:
        case STATE_COOKIE:
                if (text_equals(command, "DATA"))
                        return handle_data(
                                s, s->state == STATE_DATA ? handle_external : sasl_cookie_response,
                                line, answer);
                if (text_equals(command, "CANCEL"))
                        return sasl_reject(s, answer);
                break;
        case STATE_BEGIN:
                if (text_equals(command, "NEGOTIATE_UNIX_FD"))
                        return handle_negotiate_fds(s, answer);
                if (text_equals(command, "NEGOTIATE_BUS1"))
                        return handle_negotiate_bus1(s, line, answer);
                if (text_equals(command, "CANCEL"))
                        return sasl_reject(s, answer);
                break;
        }
        sasl_say_error(answer, expected[s->state]);
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

/* How many of the n bytes belong to the line, with its CR LF; 0 if they do not contain its end. */
static size_t line_end(const struct sasl_server *s, const char *in, size_t n) {
        const char *end;

        if (s->n_line > 0 && s->line[s->n_line - 1] == '\r' && n > 0 && in[0] == '\n')
                return 1;
        end = memmem(in, n, "\r\n", 2);
        return end ? end - in + 2 : 0;
}

/*
 * Take the next line. If it is not complete, consumes all n bytes, and sets *ret_event to SASL_MORE
 * or, if the line is too long, to SASL_CLOSE. Returns 0 or -ENOMEM.
 */
static int feed_line(struct sasl_server *s, const char *in, size_t n, size_t *ret_consumed,
                     struct sasl_answer *answer, enum sasl_event *ret_event) {
        size_t n_end = line_end(s, in, n), n_rest = n_end ? n_end : n;
        struct text line = {in, n_rest};
        int r;

        if ((n_end == 0 && s->n_line + n >= SASL_LINE_MAX) ||
            s->n_line + n_rest > SASL_LINE_MAX + 2) {
                *ret_consumed = n_rest;
                *ret_event = sasl_close(s, "a line of the handshake is too long");
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
        drop_line(s);
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
        } else if (s->answer_due != SASL_MORE) {
                event = s->answer_due;
        } else if (!s->nul_seen && n > 0) {
                /* On old systems the NUL carried credentials. Here the socket has them. */
                if (in[at++] != 0)
                        event = sasl_close(s, "the first byte is not NUL");
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
        s->answer_due = SASL_MORE;
        s->negotiated_bus1 = true;
        sasl_say(answer, "AGREE_BUS1 %s %" PRIx64,
                 s->bus1_mode == SASL_BUS1_DEVICE ? "device" : "hosted", session_handle);
}

void sasl_server_refuse_bus1(struct sasl_server *s, const char *why, struct sasl_answer *answer) {
        s->answer_due = SASL_MORE;
        sasl_say_error(answer, why);
}
