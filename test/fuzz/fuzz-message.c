/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a message. A check in parts must give the same verdict as one in one go. After
 * stamping, an accepted message must still be valid, and must have the same body and fields as
 * before, except for the stamped fields.
 */

#include <string.h>

#include "bridge/wire/message.h"
#include "fuzz.h"

static struct message *parse(const uint8_t *data, size_t n) {
        struct message *m;

        if (message_new(&m, n) < 0)
                exit(EXIT_FAILURE);
        if (n > 0)
                memcpy(m->wire, data, n);
        return message_parse(m) ? message_unref(m) : m;
}

static void check_parts(const uint8_t *data, size_t n, size_t n_part) {
        struct body_check *check = NULL;
        struct message *whole, *m;
        int r, expected;

        if (message_new(&whole, n) < 0 || message_new(&m, n) < 0)
                exit(EXIT_FAILURE);
        memcpy(whole->wire, data, n);
        memcpy(m->wire, data, n);
        expected = message_parse(whole);
        r = message_parse_header(m);
        if (r == 0)
                do
                        r = message_parse_body_part(m, n_part, &check);
                while (check);
        FUZZ_CHECK(r == expected);
        message_unref(whole);
        message_unref(m);
}

static void check_same(struct wire_string a, struct wire_string b) {
        FUZZ_CHECK(!a.s == !b.s);
        FUZZ_CHECK(a.n == b.n);
        FUZZ_CHECK(!a.s || memcmp(a.s, b.s, a.n + 1) == 0);
}

static void check_args(struct message *m) {
        for (unsigned i = 0; i < MESSAGE_ARGS_MAX + 1; i++) {
                struct message_arg arg = message_get_arg(m, i);

                if (arg.type == 0)
                        continue;
                FUZZ_CHECK((const uint8_t *)arg.value.s > m->body);
                FUZZ_CHECK((const uint8_t *)arg.value.s + arg.value.n < m->body + m->n_body);
                FUZZ_CHECK(strlen(arg.value.s) == arg.value.n);
        }
}

static void check_stamp(const uint8_t *data, size_t n, const struct message_stamp *stamp) {
        struct message *before = parse(data, n), *m = parse(data, n), *after;

        FUZZ_CHECK(before && m);
        FUZZ_CHECK(message_stamp(m, stamp) == 0);
        FUZZ_CHECK(m->wire >= m->buffer && m->body + m->n_body == m->wire + m->n_wire);
        after = parse(m->wire, m->n_wire);
        FUZZ_CHECK(after);

        FUZZ_CHECK(after->n_body == before->n_body);
        FUZZ_CHECK(memcmp(after->body, before->body, before->n_body) == 0);
        FUZZ_CHECK(after->type == before->type && after->flags == before->flags);
        FUZZ_CHECK(after->serial == before->serial && after->big_endian == before->big_endian);
        FUZZ_CHECK(after->reply_serial == before->reply_serial);
        check_same(after->interface, before->interface);
        check_same(after->member, before->member);
        check_same(after->error_name, before->error_name);
        check_same(after->signature, before->signature);
        check_same(after->path, m->path);
        check_same(after->destination, m->destination);
        check_same(after->sender, m->sender);
        FUZZ_CHECK(!stamp->sender || strcmp(after->sender.s, stamp->sender) == 0);
        FUZZ_CHECK(!stamp->path || strcmp(after->path.s, stamp->path) == 0);
        check_args(m);

        message_unref(before);
        message_unref(m);
        message_unref(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        struct message *m;
        size_t size;

        if (n < MESSAGE_HEADER_SIZE)
                return 0;
        m = parse(data, n);
        if (message_frame(data, MESSAGE_SIZE_MAX, &size) || size > n) {
                FUZZ_CHECK(!m);
                return 0;
        }
        message_unref(m);
        for (size_t n_part = 1; n_part <= 64; n_part *= 4)
                check_parts(data, size, n_part);
        m = parse(data, size);
        if (!m)
                return 0;
        check_args(m);
        message_unref(m);

        check_stamp(data, size, &(struct message_stamp){.sender = ":1.4711"});
        check_stamp(data, size, &(struct message_stamp){});
        check_stamp(data, size,
                    &(struct message_stamp){":1.1", "org.example.Destination",
                                            "/a/path/of/some/length"});
        return 0;
}
