/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The SASL server in each of its states, with input in one piece and in small pieces. */

#include <stdio.h>
#include <string.h>

#include "bridge/wire/sasl.h"
#include "test/unit/suite.h"

#define GUID "0123456789abcdef0123456789abcdef"
#define OK "OK " GUID "\r\n"
#define REJECTED "REJECTED EXTERNAL DBUS_COOKIE_SHA1 ANONYMOUS\r\n"
#define NUL "\0"
#define UID "31303030" /* 1000 */
#define EXTERNAL "AUTH EXTERNAL " UID "\r\n"

/*
 * A dialogue: the client's input after the NUL byte, the answers of the server (ERROR without its
 * text), and the last event.
 */
struct dialogue {
        const char *name;
        const char *in;
        const char *out;
        enum sasl_event event;
        /*
         * The bytes after the line that caused the event, which the server does not consume. NULL:
         * the test does not check them, except that with SASL_MORE there must be none.
         */
        const char *rest;
};

#define ERROR "ERROR\r\n"

static const struct dialogue dialogues[] = {
        /* WaitingForAuth */
        {"nothing", "", "", SASL_MORE},
        {"AUTH alone", "AUTH\r\n", REJECTED, SASL_MORE},
        {"AUTH and a blank", "AUTH \r\n", REJECTED, SASL_MORE},
        {"external", EXTERNAL, OK, SASL_MORE},
        {"external, two blanks", "AUTH  EXTERNAL  " UID "\r\n", OK, SASL_MORE},
        {"external, tabs", "AUTH\tEXTERNAL\t" UID "\r\n", OK, SASL_MORE},
        {"external, other uid", "AUTH EXTERNAL 30\r\n", REJECTED, SASL_MORE},
        {"external, prefix of uid", "AUTH EXTERNAL 313030\r\n", REJECTED, SASL_MORE},
        {"external, user name", "AUTH EXTERNAL 726f6f74\r\n", REJECTED, SASL_MORE},
        {"external, odd hex", "AUTH EXTERNAL 000\r\n", REJECTED, SASL_MORE},
        {"external, no hex", "AUTH EXTERNAL zz\r\n", ERROR, SASL_MORE},
        {"external, blank behind", "AUTH EXTERNAL " UID " \r\n", ERROR, SASL_MORE},
        {"external, huge number", "AUTH EXTERNAL 3939393939393939393939393939\r\n", REJECTED,
         SASL_MORE},
        {"external, 2^32 + 1000", "AUTH EXTERNAL 34323934393638323936\r\n", REJECTED, SASL_MORE},
        {"external, negative", "AUTH EXTERNAL 2d31\r\n", REJECTED, SASL_MORE},
        {"other case", "AUTH external " UID "\r\n", REJECTED, SASL_MORE},
        {"unknown mechanism", "AUTH KERBEROS_V4 zz\r\n", REJECTED, SASL_MORE},
        {"anonymous", "AUTH ANONYMOUS\r\n", OK, SASL_MORE},
        {"anonymous, trace", "AUTH ANONYMOUS 6c696264627573\r\n", OK, SASL_MORE},
        {"anonymous, no hex", "AUTH ANONYMOUS x\r\n", ERROR, SASL_MORE},
        {"anonymous, bad UTF-8", "AUTH ANONYMOUS ff\r\n", REJECTED, SASL_MORE},
        {"ERROR first", "ERROR\r\n", REJECTED, SASL_MORE},
        {"ERROR with text", "ERROR \"no\"\r\n", REJECTED, SASL_MORE},
        {"BEGIN first", "BEGIN\r\n", "", SASL_CLOSE},
        {"DATA first", "DATA 30\r\n", ERROR, SASL_MORE},
        {"CANCEL first", "CANCEL\r\n", ERROR, SASL_MORE},
        {"NEGOTIATE_UNIX_FD first", "NEGOTIATE_UNIX_FD\r\n", ERROR, SASL_MORE},
        {"NEGOTIATE_BUS1 first", "NEGOTIATE_BUS1 hosted\r\n", ERROR, SASL_MORE},
        {"unknown", "FOO bar\r\n", ERROR, SASL_MORE},
        {"lower case", "auth\r\n", ERROR, SASL_MORE},
        {"extension", "EXTENSION_X\r\n", ERROR, SASL_MORE},
        {"empty line", "\r\n", ERROR, SASL_MORE},
        {"leading blank", " AUTH\r\n", ERROR, SASL_MORE},
        {"not ASCII", "AUTH \xc3\xa4\r\n", ERROR, SASL_MORE},
        {"bare LF", "AUTH\nAUTH\n", "", SASL_MORE},
        {"bare CR", "AUTH\rAUTH\r", "", SASL_MORE},
        {"two CR", "AUTH\r\r\n", ERROR, SASL_MORE},
        {"goes on after errors", "FOO\r\n" EXTERNAL, ERROR OK, SASL_MORE},
        {"6 rejections", "AUTH\r\nAUTH\r\nAUTH\r\nERROR\r\nAUTH X\r\nAUTH\r\nAUTH\r\n",
         REJECTED REJECTED REJECTED REJECTED REJECTED REJECTED, SASL_CLOSE},
        {"errors are free", "X\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\n" EXTERNAL,
         ERROR ERROR ERROR ERROR ERROR ERROR ERROR ERROR ERROR ERROR OK, SASL_MORE},
        /* WaitingForData */
        {"challenge", "AUTH EXTERNAL\r\n", "DATA\r\n", SASL_MORE},
        {"challenge, blank", "AUTH EXTERNAL \r\n", "DATA\r\n", SASL_MORE},
        {"challenge, empty data", "AUTH EXTERNAL\r\nDATA\r\n", "DATA\r\n" OK, SASL_MORE},
        {"challenge, empty data, blank", "AUTH EXTERNAL\r\nDATA \r\n", "DATA\r\n" OK, SASL_MORE},
        {"challenge, uid", "AUTH EXTERNAL\r\nDATA " UID "\r\n", "DATA\r\n" OK, SASL_MORE},
        {"challenge, other uid", "AUTH EXTERNAL\r\nDATA 30\r\n", "DATA\r\n" REJECTED, SASL_MORE},
        {"challenge, no hex", "AUTH EXTERNAL\r\nDATA x\r\nDATA\r\n", "DATA\r\n" ERROR OK,
         SASL_MORE},
        {"challenge, CANCEL", "AUTH EXTERNAL\r\nCANCEL\r\n", "DATA\r\n" REJECTED, SASL_MORE},
        {"challenge, ERROR", "AUTH EXTERNAL\r\nERROR\r\n", "DATA\r\n" REJECTED, SASL_MORE},
        {"challenge, BEGIN", "AUTH EXTERNAL\r\nBEGIN\r\n", "DATA\r\n", SASL_CLOSE},
        {"challenge, AUTH", "AUTH EXTERNAL\r\n" EXTERNAL "DATA\r\n", "DATA\r\n" ERROR OK,
         SASL_MORE},
        {"challenge, fds", "AUTH EXTERNAL\r\nNEGOTIATE_UNIX_FD\r\n", "DATA\r\n" ERROR, SASL_MORE},
        {"challenge, unknown", "AUTH EXTERNAL\r\nFOO\r\n\r\n", "DATA\r\n" ERROR ERROR, SASL_MORE},
        {"challenge, cancelled, again", "AUTH EXTERNAL\r\nCANCEL\r\n" EXTERNAL,
         "DATA\r\n" REJECTED OK, SASL_MORE},
        /* WaitingForBegin */
        {"begin", EXTERNAL "BEGIN\r\n", OK, SASL_BEGIN, ""},
        {"begin, arguments", EXTERNAL "BEGIN now\r\n", OK, SASL_BEGIN, ""},
        {"begin, messages", EXTERNAL "BEGIN\r\nl\1\0\1", OK, SASL_BEGIN, "l\1"},
        {"begin, more lines", EXTERNAL "BEGIN\r\nBEGIN\r\n", OK, SASL_BEGIN, "BEGIN\r\n"},
        {"fds", EXTERNAL "NEGOTIATE_UNIX_FD\r\n", OK "AGREE_UNIX_FD\r\n", SASL_MORE},
        {"fds twice", EXTERNAL "NEGOTIATE_UNIX_FD\r\nNEGOTIATE_UNIX_FD x\r\n",
         OK "AGREE_UNIX_FD\r\nAGREE_UNIX_FD\r\n", SASL_MORE},
        {"cancel", EXTERNAL "CANCEL\r\n" EXTERNAL, OK REJECTED OK, SASL_MORE},
        {"error", EXTERNAL "ERROR\r\n", OK REJECTED, SASL_MORE},
        {"error, begin", EXTERNAL "ERROR\r\nBEGIN\r\n", OK REJECTED, SASL_CLOSE},
        {"AUTH again", EXTERNAL EXTERNAL, OK ERROR, SASL_MORE},
        {"DATA late", EXTERNAL "DATA\r\n", OK ERROR, SASL_MORE},
        {"unknown late", EXTERNAL "FOO\r\n\r\nBEGIN\r\n", OK ERROR ERROR, SASL_BEGIN, ""},
        {"sd-bus", "AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n",
         "DATA\r\n" OK "AGREE_UNIX_FD\r\n", SASL_BEGIN, ""},
        /* cookies */
        {"cookie, uid", "AUTH DBUS_COOKIE_SHA1 " UID "\r\nDATA\r\n", "", SASL_COOKIE, "DATA\r\n"},
        {"cookie, name", "AUTH DBUS_COOKIE_SHA1 627573\r\n", "", SASL_COOKIE, ""},
        {"cookie, nobody", "AUTH DBUS_COOKIE_SHA1\r\n", REJECTED, SASL_MORE},
        {"cookie, other name", "AUTH DBUS_COOKIE_SHA1 62757373\r\n", REJECTED, SASL_MORE},
        {"cookie, other uid", "AUTH DBUS_COOKIE_SHA1 30\r\n", REJECTED, SASL_MORE},
        {"cookie, 2^32 + 1000", "AUTH DBUS_COOKIE_SHA1 34323934393638323936\r\n", REJECTED,
         SASL_MORE},
        {"cookie, odd hex", "AUTH DBUS_COOKIE_SHA1 313\r\n", REJECTED, SASL_MORE},
        {"cookie, no hex", "AUTH DBUS_COOKIE_SHA1 zz\r\n", ERROR, SASL_MORE},
        {"cookie, blank behind", "AUTH DBUS_COOKIE_SHA1 " UID " \r\n", ERROR, SASL_MORE},
        /* bus1 */
        {"bus1 hosted", EXTERNAL "NEGOTIATE_BUS1 hosted\r\nBEGIN\r\n", OK, SASL_NEGOTIATE_BUS1,
         "BEGIN\r\n"},
        {"bus1 device", EXTERNAL "NEGOTIATE_BUS1 device\r\n", OK, SASL_NEGOTIATE_BUS1, ""},
        {"bus1 alone", EXTERNAL "NEGOTIATE_BUS1\r\n", OK ERROR, SASL_MORE},
        {"bus1 elsewhere", EXTERNAL "NEGOTIATE_BUS1 elsewhere\r\n", OK ERROR, SASL_MORE},
        {"bus1 more", EXTERNAL "NEGOTIATE_BUS1 hosted x\r\n", OK ERROR, SASL_MORE},
};

static void init(struct sasl_server *s) {
        sasl_server_init(s);
        s->guid = GUID;
        s->mechanisms =
                SASL_MECHANISM_EXTERNAL | SASL_MECHANISM_ANONYMOUS | SASL_MECHANISM_COOKIE_SHA1;
        s->peer_uid = 1000;
        s->cookie_uid = 1000;
        s->cookie_user = "bus";
}

/* Append an answer to out, without the text of errors. */
static void append_answer(char *out, const struct sasl_answer *answer) {
        const char *p = answer->text, *end = p + answer->n;

        while (p < end) {
                const char *line_end = memmem(p, end - p, "\r\n", 2);
                size_t n;

                ck_assert_ptr_nonnull(line_end);
                n = line_end - p;
                if (strncmp(p, "ERROR \"", 7) == 0) {
                        ck_assert(p[n - 1] == '"');
                        n = 5;
                }
                strncat(out, p, n);
                strcat(out, "\r\n");
                p = line_end + 2;
        }
}

/*
 * Feed bytes in pieces until they end or there is an event other than SASL_MORE. Each piece gets a
 * new answer buffer. Returns the number of bytes that the server has consumed.
 */
static size_t feed(struct sasl_server *s, const char *in, size_t n, size_t piece, char *out,
                   enum sasl_event *ret_event) {
        size_t at = 0, consumed;

        *ret_event = SASL_MORE;
        while (at < n && *ret_event == SASL_MORE) {
                struct sasl_answer answer = {};
                size_t n_piece = piece < n - at ? piece : n - at;
                char *bare = malloc(n_piece);

                memcpy(bare, in + at, n_piece);
                ck_assert_int_eq(sasl_server_feed(s, bare, n_piece, &consumed, &answer, ret_event),
                                 0);
                free(bare);
                append_answer(out, &answer);
                at += consumed;
        }
        return at;
}

START_TEST(dialogue) {
        static const size_t pieces[] = {SIZE_MAX, 1, 2, 3, 7};
        const struct dialogue *d = &dialogues[_i];

        for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
                struct sasl_server s;
                char in[2048], out[2048] = "";
                enum sasl_event event;
                size_t n = strlen(d->in) + 1, consumed;

                in[0] = 0;
                memcpy(in + 1, d->in, n);
                init(&s);
                consumed = feed(&s, in, n, pieces[i], out, &event);
                ck_assert_msg(strcmp(out, d->out) == 0, "%s, pieces of %zu: said\n%s", d->name,
                              pieces[i], out);
                ck_assert_msg(event == d->event, "%s: event %d", d->name, event);
                if (d->rest)
                        ck_assert_msg(strcmp(in + consumed, d->rest) == 0, "%s: rest '%s'", d->name,
                                      in + consumed);
                else if (event == SASL_MORE)
                        ck_assert_uint_eq(consumed, n);
                sasl_server_deinit(&s);
        }
}
END_TEST

static enum sasl_event say(struct sasl_server *s, const char *in, char *out) {
        enum sasl_event event;

        out[0] = 0;
        feed(s, in, strlen(in), SIZE_MAX, out, &event);
        return event;
}

static void greet(struct sasl_server *s) {
        char out[64] = "";
        enum sasl_event event;

        feed(s, NUL, 1, 1, out, &event);
        ck_assert_int_eq(event, SASL_MORE);
}

START_TEST(first_byte_is_nul) {
        struct sasl_server s;
        char out[256];

        init(&s);
        ck_assert_int_eq(say(&s, "AUTH\r\n", out), SASL_CLOSE);
        ck_assert_str_eq(out, "");
        ck_assert_int_eq(say(&s, EXTERNAL, out), SASL_CLOSE);
        ck_assert_str_eq(out, "");
        sasl_server_deinit(&s);
}
END_TEST

START_TEST(nul_in_a_line_is_an_error) {
        struct sasl_server s;
        char out[256] = "";
        enum sasl_event event;

        init(&s);
        feed(&s, "\0AUTH\0\r\n\0AUTH\r\n", 16, SIZE_MAX, out, &event);
        ck_assert_int_eq(event, SASL_MORE);
        ck_assert_str_eq(out, ERROR ERROR);
        sasl_server_deinit(&s);
}
END_TEST

START_TEST(what_follows_the_end_is_left_alone) {
        struct sasl_server s;
        struct sasl_answer answer = {};
        enum sasl_event event;
        size_t consumed;
        char out[256];

        init(&s);
        greet(&s);
        ck_assert_int_eq(say(&s, EXTERNAL "BEGIN\r\n", out), SASL_BEGIN);
        ck_assert_int_eq(sasl_server_feed(&s, "l\1", 2, &consumed, &answer, &event), 0);
        ck_assert_int_eq(event, SASL_BEGIN);
        ck_assert_uint_eq(consumed, 0);
        ck_assert_uint_eq(answer.n, 0);
        sasl_server_deinit(&s);
}
END_TEST

START_TEST(hex_may_be_of_either_case) {
        struct sasl_server s;
        char out[256];

        init(&s);
        greet(&s);
        say(&s, "AUTH ANONYMOUS 6C6a\r\n", out);
        ck_assert_str_eq(out, OK);
        sasl_server_deinit(&s);
}
END_TEST

START_TEST(results_follow_the_last_agreement) {
        struct sasl_server s;
        char out[256];

        init(&s);
        greet(&s);
        say(&s, EXTERNAL "NEGOTIATE_UNIX_FD\r\n", out);
        ck_assert(s.negotiated_fds && s.mechanism == SASL_MECHANISM_EXTERNAL);
        say(&s, "CANCEL\r\nAUTH ANONYMOUS\r\n", out);
        ck_assert(!s.negotiated_fds && s.mechanism == SASL_MECHANISM_ANONYMOUS);
        say(&s, "CANCEL\r\n" EXTERNAL, out);
        ck_assert(!s.negotiated_fds && s.mechanism == SASL_MECHANISM_EXTERNAL);
        ck_assert_int_eq(say(&s, "BEGIN\r\n", out), SASL_BEGIN);
        ck_assert(!s.negotiated_fds && !s.negotiated_bus1);
        sasl_server_deinit(&s);
}
END_TEST

START_TEST(bus1_is_answered_by_the_connection) {
        struct sasl_server s;
        struct sasl_answer answer = {};
        char out[256];

        init(&s);
        greet(&s);
        ck_assert_int_eq(say(&s, EXTERNAL "NEGOTIATE_BUS1 hosted\r\n", out), SASL_NEGOTIATE_BUS1);
        ck_assert_int_eq(s.bus1_mode, SASL_BUS1_HOSTED);
        /* the server reads no line before the connection has answered */
        ck_assert_int_eq(say(&s, "BEGIN\r\n", out), SASL_NEGOTIATE_BUS1);
        ck_assert_str_eq(out, "");
        sasl_server_refuse_bus1(&s, "no peers left", &answer);
        ck_assert(answer.n == strlen("ERROR \"no peers left\"\r\n"));
        ck_assert_mem_eq(answer.text, "ERROR \"no peers left\"\r\n", answer.n);
        ck_assert(!s.negotiated_bus1);

        ck_assert_int_eq(say(&s, "NEGOTIATE_BUS1 device\r\n", out), SASL_NEGOTIATE_BUS1);
        ck_assert_int_eq(s.bus1_mode, SASL_BUS1_DEVICE);
        answer.n = 0;
        sasl_server_agree_bus1(&s, 0xabc1, &answer);
        ck_assert(answer.n == strlen("AGREE_BUS1 device abc1\r\n"));
        ck_assert_mem_eq(answer.text, "AGREE_BUS1 device abc1\r\n", answer.n);
        ck_assert_int_eq(say(&s, "NEGOTIATE_BUS1 device\r\n", out), SASL_MORE);
        ck_assert_str_eq(out, ERROR);
        ck_assert_int_eq(say(&s, "BEGIN\r\n", out), SASL_BEGIN);
        ck_assert(s.negotiated_bus1);
        sasl_server_deinit(&s);
}
END_TEST

/* The challenge and the client's responses. Another implementation calculated the digests. */

#define COOKIE "0123456789abcdef0123456789abcdef0123456789abcdef"
#define COOKIE_AUTH "AUTH DBUS_COOKIE_SHA1 " UID "\r\n"
#define CHALLENGE                                                               \
        "DATA 6f72675f667265656465736b746f705f67656e6572616c203432393439363732" \
        "3935203030313132323333343435353636373738383939616162626363646465656666\r\n"

static void challenge(struct sasl_server *s) {
        static const uint8_t random[SASL_CHALLENGE_SIZE] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55,
                                                            0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb,
                                                            0xcc, 0xdd, 0xee, 0xff};
        struct sasl_answer answer = {};
        char out[256];

        ck_assert_int_eq(say(s, COOKIE_AUTH, out), SASL_COOKIE);
        ck_assert_str_eq(out, "");
        ck_assert_int_eq(sasl_server_challenge(s, "org_freedesktop_general", UINT32_MAX, COOKIE,
                                               random, &answer),
                         0);
        ck_assert_uint_eq(answer.n, strlen(CHALLENGE));
        ck_assert_mem_eq(answer.text, CHALLENGE, answer.n);
}

static const struct {
        const char *in;
        const char *out;
        enum sasl_event event;
} responses[] = {
        {"DATA "
         "6162632066636530326633663666623236366335613937326136353635366236636638656536396533636336"
         "\r\n",
         OK, SASL_MORE},
        {"DATA "
         "61626320206663653032663366366662323636633561393732613635363536623663663865653639653363633"
         "6\r\n",
         OK, SASL_MORE},
        {"DATA "
         "6162632066636530326633663666623236366335613937326136353635366236636638656536396533636330"
         "\r\n",
         REJECTED, SASL_MORE},
        {"DATA "
         "6162632046434530324633463646423236364335413937324136353635364236434638454536394533434336"
         "\r\n",
         REJECTED, SASL_MORE},
        {"DATA "
         "2037646335343963353532303637386664653139363231616366303562306664366134316436383332\r\n",
         REJECTED, SASL_MORE},
        {"DATA 616263\r\n", REJECTED, SASL_MORE},
        {"DATA 61626320\r\n", REJECTED, SASL_MORE},
        {"DATA\r\n", REJECTED, SASL_MORE},
        {"DATA 616\r\n", REJECTED, SASL_MORE},
        {"DATA zz\r\n", ERROR, SASL_MORE},
        {"CANCEL\r\n", REJECTED, SASL_MORE},
        {"ERROR\r\n", REJECTED, SASL_MORE},
        {COOKIE_AUTH, ERROR, SASL_MORE},
        {EXTERNAL, ERROR, SASL_MORE},
        {"BEGIN\r\n", "", SASL_CLOSE},
        /* a challenge accepts only one response */
        {"DATA "
         "6162632066636530326633663666623236366335613937326136353635366236636638656536396533636330"
         "\r\nDATA "
         "6162632066636530326633663666623236366335613937326136353635366236636638656536396533636336"
         "\r\n",
         REJECTED ERROR, SASL_MORE},
        {"CANCEL\r\nDATA "
         "6162632066636530326633663666623236366335613937326136353635366236636638656536396533636336"
         "\r\n",
         REJECTED ERROR, SASL_MORE},
};

START_TEST(cookie_is_proven) {
        struct sasl_server s;
        char out[256];

        init(&s);
        greet(&s);
        challenge(&s);
        ck_assert_int_eq(say(&s, responses[_i].in, out), responses[_i].event);
        ck_assert_str_eq(out, responses[_i].out);
        if (!strcmp(out, OK)) {
                ck_assert_int_eq(s.mechanism, SASL_MECHANISM_COOKIE_SHA1);
                ck_assert_int_eq(say(&s, "BEGIN\r\n", out), SASL_BEGIN);
        }
        sasl_server_deinit(&s);
}
END_TEST

START_TEST(refused_cookies_count_as_rejections) {
        struct sasl_server s;
        char out[256];

        init(&s);
        greet(&s);
        for (unsigned i = 1; i <= SASL_REJECTED_MAX; i++) {
                struct sasl_answer answer = {};

                ck_assert_int_eq(say(&s, COOKIE_AUTH, out), SASL_COOKIE);
                /* the server reads no line before the connection has answered */
                ck_assert_int_eq(say(&s, "CANCEL\r\n", out), SASL_COOKIE);
                ck_assert_int_eq(sasl_server_refuse_cookie(&s, &answer),
                                 i < SASL_REJECTED_MAX ? SASL_MORE : SASL_CLOSE);
                ck_assert_uint_eq(answer.n, strlen(REJECTED));
                ck_assert_mem_eq(answer.text, REJECTED, answer.n);
        }
        ck_assert_int_eq(say(&s, EXTERNAL, out), SASL_CLOSE);
        ck_assert_str_eq(out, "");
        sasl_server_deinit(&s);
}
END_TEST

START_TEST(violations_are_named) {
        static const char *const ends[] = {"BEGIN\r\n",
                                           "AUTH\r\nAUTH\r\nAUTH\r\nAUTH\r\nAUTH\r\nAUTH\r\n"};

        for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
                struct sasl_server s;
                char out[512];

                init(&s);
                greet(&s);
                ck_assert_int_eq(say(&s, ends[i], out), SASL_CLOSE);
                ck_assert_ptr_nonnull(s.violation);
                sasl_server_deinit(&s);
        }
}
END_TEST

START_TEST(transports_without_fds_and_bus1_say_so) {
        struct sasl_server s;
        char out[256];

        init(&s);
        s.can_pass_fds = s.can_bus1 = false;
        greet(&s);
        ck_assert_int_eq(say(&s, EXTERNAL "NEGOTIATE_UNIX_FD\r\nNEGOTIATE_BUS1 hosted\r\n", out),
                         SASL_MORE);
        ck_assert_str_eq(out, OK ERROR ERROR);
        ck_assert(!s.negotiated_fds);
        sasl_server_deinit(&s);
}
END_TEST

START_TEST(only_allowed_mechanisms_are_offered) {
        struct sasl_server s;
        char out[256];

        init(&s);
        s.mechanisms = SASL_MECHANISM_EXTERNAL;
        greet(&s);
        say(&s, "AUTH ANONYMOUS\r\n", out);
        ck_assert_str_eq(out, "REJECTED EXTERNAL\r\n");
        s.mechanisms = SASL_MECHANISM_ANONYMOUS;
        say(&s, EXTERNAL, out);
        ck_assert_str_eq(out, "REJECTED ANONYMOUS\r\n");
        s.mechanisms = SASL_MECHANISM_COOKIE_SHA1;
        say(&s, EXTERNAL, out);
        ck_assert_str_eq(out, "REJECTED DBUS_COOKIE_SHA1\r\n");
        s.mechanisms = 0;
        say(&s, COOKIE_AUTH, out);
        ck_assert_str_eq(out, "REJECTED\r\n");
        sasl_server_deinit(&s);
}
END_TEST

START_TEST(external_needs_a_known_peer) {
        struct sasl_server s;
        char out[256];

        init(&s);
        s.peer_uid = UINT32_MAX;
        greet(&s);
        say(&s, "AUTH EXTERNAL 34323934393637323935\r\nAUTH EXTERNAL\r\nDATA\r\n", out);
        ck_assert_str_eq(out, REJECTED "DATA\r\n" REJECTED);
        sasl_server_deinit(&s);
}
END_TEST

START_TEST(long_lines_close) {
        static const struct {
                size_t n;
                bool closes;
        } lines[] = {{16000, false}, {16383, false}, {16384, true}, {20000, true}};

        for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
                for (size_t piece = 1000; piece <= 100000; piece *= 10) {
                        struct sasl_server s;
                        enum sasl_event event;
                        char *in = malloc(lines[i].n), out[256] = "";

                        memset(in, 'x', lines[i].n);
                        init(&s);
                        greet(&s);
                        feed(&s, in, lines[i].n, piece, out, &event);
                        ck_assert_int_eq(event, lines[i].closes ? SASL_CLOSE : SASL_MORE);
                        ck_assert_str_eq(out, "");
                        if (!lines[i].closes) {
                                feed(&s, "\r\n" EXTERNAL, strlen("\r\n" EXTERNAL), 5, out, &event);
                                ck_assert_str_eq(out, ERROR OK);
                        }
                        sasl_server_deinit(&s);
                        free(in);
                }
}
END_TEST

/*
 * Thousands of lines at once do not overflow the answer: the server stops when the buffer may have
 * no room for another answer, and the caller sends what it has and feeds the rest.
 */
START_TEST(answers_that_do_not_fit_wait) {
        enum { N = 2000 };
        char *in = malloc(N * 3 + 1);
        struct sasl_server s;
        size_t at = 0, n_answers = 0;

        in[0] = 0;
        for (unsigned i = 0; i < N; i++)
                memcpy(in + 1 + 3 * i, "X\r\n", 3);
        init(&s);
        while (at < N * 3 + 1) {
                struct sasl_answer answer = {};
                enum sasl_event event;
                size_t consumed;

                ck_assert_int_eq(
                        sasl_server_feed(&s, in + at, N * 3 + 1 - at, &consumed, &answer, &event),
                        0);
                ck_assert_int_eq(event, SASL_MORE);
                ck_assert_uint_gt(consumed, 0);
                at += consumed;
                for (size_t i = 0; i < answer.n; i++)
                        n_answers += answer.text[i] == '\n';
        }
        ck_assert_uint_eq(n_answers, N);
        sasl_server_deinit(&s);
        free(in);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("all");

        tcase_add_loop_test(tcase, dialogue, 0, sizeof(dialogues) / sizeof(dialogues[0]));
        tcase_add_test(tcase, first_byte_is_nul);
        tcase_add_test(tcase, nul_in_a_line_is_an_error);
        tcase_add_test(tcase, what_follows_the_end_is_left_alone);
        tcase_add_test(tcase, hex_may_be_of_either_case);
        tcase_add_test(tcase, results_follow_the_last_agreement);
        tcase_add_test(tcase, bus1_is_answered_by_the_connection);
        tcase_add_loop_test(tcase, cookie_is_proven, 0, sizeof(responses) / sizeof(responses[0]));
        tcase_add_test(tcase, refused_cookies_count_as_rejections);
        tcase_add_test(tcase, violations_are_named);
        tcase_add_test(tcase, transports_without_fds_and_bus1_say_so);
        tcase_add_test(tcase, only_allowed_mechanisms_are_offered);
        tcase_add_test(tcase, external_needs_a_known_peer);
        tcase_add_test(tcase, long_lines_close);
        tcase_add_test(tcase, answers_that_do_not_fit_wait);
        return suite_run("sasl", tcase);
}
