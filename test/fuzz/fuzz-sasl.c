/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a handshake. Whether they arrive in one piece or byte by byte, the result and the
 * answers must be the same. No message stream may start without an OK.
 */

#include <string.h>

#include "bridge/wire/sasl.h"
#include "fuzz.h"

#define GUID "0123456789abcdef0123456789abcdef"
#define COOKIE "0123456789abcdef0123456789abcdef0123456789abcdef"
/*
 * The answers to n bytes of input have at most n * OUT_FACTOR + OUT_LEAST bytes. The worst input
 * consists of empty lines: each has two bytes, and gets an answer.
 */
#define OUT_FACTOR 32
#define OUT_LEAST 4096

struct outcome {
        char *out;
        size_t n_out;
        size_t n_allocated;
        size_t consumed;
        enum sasl_event event;
};

static void say(struct outcome *o, const struct sasl_answer *answer) {
        FUZZ_CHECK(answer->n <= sizeof(answer->text));
        FUZZ_CHECK(o->n_out + answer->n <= o->n_allocated);
        memcpy(o->out + o->n_out, answer->text, answer->n);
        o->n_out += answer->n;
}

static void feed(const uint8_t *data, size_t n, size_t piece, struct outcome *o) {
        static const uint8_t random[SASL_CHALLENGE_SIZE] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55,
                                                            0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb,
                                                            0xcc, 0xdd, 0xee, 0xff};
        struct sasl_server s;
        size_t n_bus1 = 0, n_cookies = 0;

        sasl_server_init(&s);
        s.guid = GUID;
        s.mechanisms =
                SASL_MECHANISM_EXTERNAL | SASL_MECHANISM_COOKIE_SHA1 | SASL_MECHANISM_ANONYMOUS;
        s.peer_uid = 1000;
        s.cookie_uid = 1000;
        s.cookie_user = "bus";
        o->n_allocated = n * OUT_FACTOR + OUT_LEAST;
        o->out = malloc(o->n_allocated);
        if (!o->out)
                exit(EXIT_FAILURE);
        o->event = SASL_MORE;

        while (o->consumed < n) {
                struct sasl_answer answer;
                size_t n_piece = n - o->consumed, consumed;

                answer.n = 0;
                if (n_piece > piece)
                        n_piece = piece;
                FUZZ_CHECK(sasl_server_feed(&s, (const char *)data + o->consumed, n_piece,
                                            &consumed, &answer, &o->event) == 0);
                FUZZ_CHECK(consumed <= n_piece);
                FUZZ_CHECK(consumed > 0);
                o->consumed += consumed;
                if (o->event == SASL_NEGOTIATE_BUS1) {
                        if (n_bus1++ % 2)
                                sasl_server_refuse_bus1(&s, "not now", &answer);
                        else
                                sasl_server_agree_bus1(&s, UINT64_MAX, &answer);
                } else if (o->event == SASL_COOKIE) {
                        if (n_cookies++ % 3 == 2)
                                o->event = sasl_server_refuse_cookie(&s, &answer);
                        else
                                FUZZ_CHECK(sasl_server_challenge(&s, "org_freedesktop_general", 7,
                                                                 COOKIE, random, &answer) == 0);
                }
                say(o, &answer);
                if (o->event == SASL_BEGIN || o->event == SASL_CLOSE)
                        break;
        }
        if (o->event == SASL_BEGIN)
                FUZZ_CHECK(s.mechanism && memmem(o->out, o->n_out, "OK " GUID, 3 + 32));
        FUZZ_CHECK((o->event == SASL_CLOSE) == (s.violation != NULL));
        FUZZ_CHECK(s.n_line < SASL_LINE_MAX);
        sasl_server_deinit(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        struct outcome whole = {}, bytes = {};

        feed(data, n, SIZE_MAX, &whole);
        feed(data, n, 1, &bytes);
        FUZZ_CHECK(whole.event == bytes.event);
        FUZZ_CHECK(whole.consumed == bytes.consumed);
        FUZZ_CHECK(whole.n_out == bytes.n_out);
        FUZZ_CHECK(memcmp(whole.out, bytes.out, whole.n_out) == 0);
        free(whole.out);
        free(bytes.out);
        return 0;
}
