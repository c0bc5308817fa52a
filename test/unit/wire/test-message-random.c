/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * libdbus builds random messages. message_parse() parses each of them, message_stamp() sets its
 * sender, libdbus parses the result, and the test compares all of these. After random changes of
 * the bytes, message_parse() and libdbus must agree whether the message is valid. Its check in
 * parts must give the same verdict.
 */

#include <stdio.h>

#include "raw.h"
#include "test/unit/suite.h"

static uint64_t random_state;

static uint32_t rnd(uint32_t below) {
        return test_random(&random_state) % below;
}

static const char *random_text(void) {
        static const char *const texts[] = {"", "a", "hello", "h\xc3\xa4llo w\xc3\xb6rld",
                                            "a somewhat longer string than the others"};

        return texts[rnd(5)];
}

static const char *random_path(void) {
        static const char *const paths[] = {"/", "/a", "/org/example/Object_1", "/a/b/c/d"};

        return paths[rnd(4)];
}

static const char *random_name(void) {
        static const char *const names[] = {"a.b", "org.example.Name", "org.example_x.Other"};

        return names[rnd(3)];
}

static void append_value(DBusMessageIter *iter, unsigned depth);

/* Append a random complete type to s; at most depth arrays, structs and dictionaries are nested. */
static void random_type(char *s, unsigned depth) {
        static const char basic[] = "ybnqiuxtdsog";

        s += strlen(s);
        switch (depth == 0 ? 0 : rnd(8)) {
        case 1:
                *s++ = 'a';
                *s = 0;
                random_type(s, depth - 1);
                return;
        case 2:
                strcpy(s, "(");
                for (unsigned n = 1 + rnd(3); n > 0; --n)
                        random_type(s, depth - 1);
                strcat(s, ")");
                return;
        case 3:
                strcpy(s, "a{s");
                random_type(s, depth - 1);
                strcat(s, "}");
                return;
        case 4:
                strcpy(s, "v");
                return;
        default:
                s[0] = basic[rnd(sizeof(basic) - 1)];
                s[1] = 0;
        }
}

static void append_typed(DBusMessageIter *iter, DBusSignatureIter *type, unsigned depth) {
        int t = dbus_signature_iter_get_current_type(type);
        DBusSignatureIter inner;
        DBusMessageIter sub;
        DBusBasicValue value = {};
        char *signature;

        switch (t) {
        case DBUS_TYPE_ARRAY:
                dbus_signature_iter_recurse(type, &inner);
                signature = dbus_signature_iter_get_signature(&inner);
                ck_assert(dbus_message_iter_open_container(iter, t, signature, &sub));
                for (unsigned n = rnd(4); n > 0; --n)
                        append_typed(&sub, &inner, depth);
                dbus_message_iter_close_container(iter, &sub);
                dbus_free(signature);
                return;
        case DBUS_TYPE_STRUCT:
        case DBUS_TYPE_DICT_ENTRY:
                dbus_signature_iter_recurse(type, &inner);
                ck_assert(dbus_message_iter_open_container(iter, t, NULL, &sub));
                do
                        append_typed(&sub, &inner, depth);
                while (dbus_signature_iter_next(&inner));
                dbus_message_iter_close_container(iter, &sub);
                return;
        case DBUS_TYPE_VARIANT:
                append_value(iter, depth ? depth - 1 : 0);
                return;
        case DBUS_TYPE_STRING:
                value.str = (char *)random_text();
                break;
        case DBUS_TYPE_OBJECT_PATH:
                value.str = (char *)random_path();
                break;
        case DBUS_TYPE_SIGNATURE:
                value.str = (char *)"a{sv}";
                break;
        case DBUS_TYPE_BOOLEAN:
                value.bool_val = rnd(2);
                break;
        default:
                value.u64 = (uint64_t)rnd(UINT32_MAX) << 32 | rnd(UINT32_MAX);
                break;
        }
        ck_assert(dbus_message_iter_append_basic(iter, t, &value));
}

/* Append a variant with a value of a random type. */
static void append_value(DBusMessageIter *iter, unsigned depth) {
        char signature[512] = "";
        DBusSignatureIter type;
        DBusMessageIter sub;

        random_type(signature, depth);
        ck_assert(dbus_message_iter_open_container(iter, DBUS_TYPE_VARIANT, signature, &sub));
        dbus_signature_iter_init(&type, signature);
        append_typed(&sub, &type, depth);
        dbus_message_iter_close_container(iter, &sub);
}

static DBusMessage *random_message(void) {
        char signature[2048] = "";
        DBusMessage *message;
        DBusSignatureIter type;
        DBusMessageIter iter;

        message = dbus_message_new(1 + rnd(4));
        ck_assert_ptr_nonnull(message);
        dbus_message_set_serial(message, 1 + rnd(1000));
        if (rnd(2) || dbus_message_get_type(message) == 1 || dbus_message_get_type(message) == 4) {
                dbus_message_set_path(message, random_path());
                dbus_message_set_member(message, "Member");
        }
        if (rnd(2) || dbus_message_get_type(message) == 4)
                dbus_message_set_interface(message, random_name());
        if (dbus_message_get_type(message) == 3)
                dbus_message_set_error_name(message, random_name());
        if (rnd(2) || dbus_message_get_type(message) == 2 || dbus_message_get_type(message) == 3)
                dbus_message_set_reply_serial(message, 1 + rnd(1000));
        if (rnd(2))
                dbus_message_set_destination(message, rnd(2) ? ":1.55" : random_name());
        if (rnd(4) == 0)
                dbus_message_set_sender(message, ":1.234567");
        dbus_message_set_no_reply(message, rnd(2));
        dbus_message_set_auto_start(message, rnd(2));

        for (unsigned n = rnd(5); n > 0; --n)
                random_type(signature, 3);
        if (signature[0] && dbus_signature_validate(signature, NULL)) {
                dbus_message_iter_init_append(message, &iter);
                dbus_signature_iter_init(&type, signature);
                do
                        append_typed(&iter, &type, 3);
                while (dbus_signature_iter_next(&type));
        }
        return message;
}

/* Write the values of iter in the byte order of raw. */
static void raw_values(struct raw *raw, DBusMessageIter *iter) {
        int type;

        for (; (type = dbus_message_iter_get_arg_type(iter)) != 0; dbus_message_iter_next(iter)) {
                DBusMessageIter sub;
                DBusBasicValue value;
                size_t length_at, start;
                char *signature;
                int element;

                switch (type) {
                case DBUS_TYPE_ARRAY:
                        raw_u32(raw, 0);
                        length_at = raw->n - 4;
                        element = dbus_message_iter_get_element_type(iter);
                        raw_align(raw, strchr("xtdre", element) ? 8
                                       : strchr("yvg", element) ? 1
                                       : strchr("nq", element)  ? 2
                                                                : 4);
                        start = raw->n;
                        dbus_message_iter_recurse(iter, &sub);
                        raw_values(raw, &sub);
                        raw_set32(raw, length_at, raw->n - start);
                        break;
                case DBUS_TYPE_STRUCT:
                case DBUS_TYPE_DICT_ENTRY:
                        raw_align(raw, 8);
                        dbus_message_iter_recurse(iter, &sub);
                        raw_values(raw, &sub);
                        break;
                case DBUS_TYPE_VARIANT:
                        dbus_message_iter_recurse(iter, &sub);
                        signature = dbus_message_iter_get_signature(&sub);
                        raw_signature(raw, signature);
                        dbus_free(signature);
                        raw_values(raw, &sub);
                        break;
                case DBUS_TYPE_STRING:
                case DBUS_TYPE_OBJECT_PATH:
                        dbus_message_iter_get_basic(iter, &value);
                        raw_string(raw, value.str);
                        break;
                case DBUS_TYPE_SIGNATURE:
                        dbus_message_iter_get_basic(iter, &value);
                        raw_signature(raw, value.str);
                        break;
                case DBUS_TYPE_BYTE:
                        dbus_message_iter_get_basic(iter, &value);
                        raw_u8(raw, value.byt);
                        break;
                case DBUS_TYPE_INT16:
                case DBUS_TYPE_UINT16:
                        dbus_message_iter_get_basic(iter, &value);
                        raw_align(raw, 2);
                        raw_u8(raw, raw->big ? value.u16 >> 8 : value.u16);
                        raw_u8(raw, raw->big ? value.u16 : value.u16 >> 8);
                        break;
                case DBUS_TYPE_INT64:
                case DBUS_TYPE_UINT64:
                case DBUS_TYPE_DOUBLE:
                        dbus_message_iter_get_basic(iter, &value);
                        raw_align(raw, 8);
                        raw_u32(raw, raw->big ? value.u64 >> 32 : value.u64);
                        raw_u32(raw, raw->big ? value.u64 : value.u64 >> 32);
                        break;
                default:
                        dbus_message_iter_get_basic(iter, &value);
                        raw_u32(raw, value.u32);
                        break;
                }
        }
}

/* Write the message in big endian, which libdbus reads, but writes only on big-endian machines. */
static void raw_message(struct raw *raw, DBusMessage *message) {
        const struct {
                uint8_t code;
                const char *type, *value;
        } fields[] = {
                {1, "o", dbus_message_get_path(message)},
                {2, "s", dbus_message_get_interface(message)},
                {3, "s", dbus_message_get_member(message)},
                {4, "s", dbus_message_get_error_name(message)},
                {6, "s", dbus_message_get_destination(message)},
                {7, "s", dbus_message_get_sender(message)},
        };
        DBusMessageIter iter;
        size_t body;

        raw_begin(raw, true, dbus_message_get_type(message));
        raw->p[2] = dbus_message_get_no_reply(message);
        raw_set32(raw, 8, dbus_message_get_serial(message));
        for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
                if (fields[i].value)
                        raw_field_string(raw, fields[i].code, fields[i].type, fields[i].value);
        if (dbus_message_get_reply_serial(message))
                raw_field_u32(raw, 5, dbus_message_get_reply_serial(message));
        if (dbus_message_get_signature(message)[0])
                raw_field_signature(raw, dbus_message_get_signature(message));
        raw_end_fields(raw);
        body = raw->n;
        if (dbus_message_iter_init(message, &iter))
                raw_values(raw, &iter);
        raw_end_body(raw, body);
}

static void marshal(DBusMessage *message, char **ret_bytes, int *ret_n) {
        ck_assert(dbus_message_marshal(message, ret_bytes, ret_n));
}

static void assert_same(struct wire_string string, const char *expected) {
        if (expected)
                ck_assert_str_eq(string.s, expected);
        else
                ck_assert_ptr_null(string.s);
}

static void compare_args(struct message *m, DBusMessage *message) {
        DBusMessageIter iter;
        unsigned i = 0;

        if (dbus_message_iter_init(message, &iter))
                do {
                        int type = dbus_message_iter_get_arg_type(&iter);
                        struct message_arg arg = message_get_arg(m, i++);
                        const char *value;

                        if (type != 's' && type != 'o' && type != 'g') {
                                ck_assert_int_eq(arg.type, 0);
                                continue;
                        }
                        dbus_message_iter_get_basic(&iter, &value);
                        ck_assert_int_eq(arg.type, type);
                        ck_assert_str_eq(arg.value.s, value);
                        ck_assert_uint_eq(arg.value.n, strlen(value));
                } while (dbus_message_iter_next(&iter));
        ck_assert_int_eq(message_get_arg(m, i).type, 0);
}

static void compare_message(struct message *m, DBusMessage *message) {
        ck_assert_int_eq(m->type, dbus_message_get_type(message));
        ck_assert_uint_eq(m->serial, dbus_message_get_serial(message));
        ck_assert_uint_eq(m->reply_serial, dbus_message_get_reply_serial(message));
        ck_assert_int_eq(m->flags & MESSAGE_FLAG_NO_REPLY_EXPECTED ? 1 : 0,
                         dbus_message_get_no_reply(message));
        assert_same(m->path, dbus_message_get_path(message));
        assert_same(m->interface, dbus_message_get_interface(message));
        assert_same(m->member, dbus_message_get_member(message));
        assert_same(m->error_name, dbus_message_get_error_name(message));
        assert_same(m->destination, dbus_message_get_destination(message));
        assert_same(m->sender, dbus_message_get_sender(message));
        assert_same(m->signature, dbus_message_get_signature(message));
        compare_args(m, message);
}

static void compare_parts(const void *bytes, int n) {
        static const size_t sizes[] = {1, 2, 3, 5, 8, 16, 64, 4096};
        int r = raw_parse(bytes, n, NULL);

        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
                ck_assert_int_eq(raw_parse_in_parts(bytes, n, sizes[i], NULL), r);
}

START_TEST(round_trip_through_libdbus) {
        random_state = 1;
        for (unsigned k = 0; k < 4000; k++) {
                DBusMessage *message = random_message(), *back;
                struct message *m;
                char *bytes, *body;
                int n, n_body;

                marshal(message, &bytes, &n);
                ck_assert_int_eq(raw_parse(bytes, n, &m), 0);
                compare_parts(bytes, n);
                compare_message(m, message);

                n_body = m->n_body;
                body = bytes + n - n_body;
                ck_assert_int_eq(message_stamp(m, &(struct message_stamp){.sender = ":1.99"}), 0);
                ck_assert_mem_eq(m->body, body, n_body);
                back = raw_demarshal(m->wire, m->n_wire);
                ck_assert_ptr_nonnull(back);
                ck_assert_str_eq(dbus_message_get_sender(back), ":1.99");
                dbus_message_set_serial(message, m->serial);
                ck_assert(dbus_message_set_sender(message, ":1.99"));
                compare_message(m, message);
                compare_message(m, back);

                dbus_message_unref(back);
                message_unref(m);
                dbus_free(bytes);
                dbus_message_unref(message);
        }
}
END_TEST

START_TEST(big_endian_is_the_same_message) {
        random_state = 9;
        for (unsigned k = 0; k < 2000; k++) {
                DBusMessage *message = random_message(), *back;
                struct message *m;
                struct raw raw;

                raw_message(&raw, message);
                ck_assert_int_eq(raw_parse(raw.p, raw.n, &m), 0);
                compare_parts(raw.p, raw.n);
                ck_assert(m->big_endian);
                compare_message(m, message);
                ck_assert_int_eq(message_stamp(m, &(struct message_stamp){.sender = ":1.99"}), 0);
                back = raw_demarshal(m->wire, m->n_wire);
                ck_assert_ptr_nonnull(back);
                ck_assert(dbus_message_set_sender(message, ":1.99"));
                compare_message(m, message);
                compare_message(m, back);

                dbus_message_unref(back);
                message_unref(m);
                raw_free(&raw);
                dbus_message_unref(message);
        }
}
END_TEST

/*
 * Whether the bytes contain a header field UNIX_FDS. Then the verdicts may differ, because
 * dbus_message_demarshal() gets no descriptors. The other differences that are intended, see
 * test-message-violations.c, do not occur here: no name begins with the reserved interface, and
 * arrays are not nested deeply enough.
 */
static bool may_differ(const char *bytes, int n) {
        return memmem(bytes, n, "\x09\x01u", 4) != NULL;
}

START_TEST(changed_bytes_get_the_verdict_of_libdbus) {
        unsigned n_valid = 0, n_refused = 0;

        random_state = 77;
        for (unsigned k = 0; k < 800; k++) {
                DBusMessage *message = random_message();
                char *bytes, *exact;
                struct raw raw;
                int n;

                if (k % 2) {
                        raw_message(&raw, message);
                } else {
                        marshal(message, &bytes, &n);
                        raw = (struct raw){};
                        raw_put(&raw, bytes, n);
                        dbus_free(bytes);
                }
                bytes = (char *)raw.p;
                n = raw.n;
                for (unsigned round = 0; round < 60; round++) {
                        size_t size;
                        bool ours, theirs;

                        exact = malloc(n);
                        memcpy(exact, bytes, n);
                        for (unsigned changes = 1 + rnd(2); changes > 0; --changes) {
                                static const uint8_t favourites[] = {0,   1,   2,    4,   8,
                                                                     'a', 's', 'v',  '(', 'y',
                                                                     '.', '/', 0x80, 0xff};
                                unsigned at = rnd(n);

                                if (rnd(2))
                                        exact[at] ^= 1 << rnd(8);
                                else
                                        exact[at] = favourites[rnd(sizeof(favourites))];
                        }
                        ours = message_frame((uint8_t *)exact, SIZE_MAX, &size) == 0;
                        /* compare no verdicts when a changed length has changed the size */
                        if ((!ours || size == (size_t)n) && !may_differ(exact, n) &&
                            dbus_message_demarshal_bytes_needed(exact, n) <= n) {
                                compare_parts(exact, n);
                                ours = raw_parse(exact, n, NULL) == 0;
                                theirs = raw_libdbus_takes(exact, n);
                                if (ours != theirs)
                                        for (int i = 0; i < n; i++)
                                                fprintf(stderr, "%02x%s", (uint8_t)exact[i],
                                                        i % 16 == 15 ? "\n" : " ");
                                ck_assert_msg(ours == theirs, "message %u, change %u: %d (%s)", k,
                                              round, ours,
                                              message_violation(raw_parse(exact, n, NULL)));
                                n_valid += ours;
                                n_refused += !ours;
                        }
                        free(exact);
                }
                raw_free(&raw);
                dbus_message_unref(message);
        }
        ck_assert_uint_gt(n_valid, 1000);
        ck_assert_uint_gt(n_refused, 1000);
}
END_TEST

/* A message that ends too early is refused, and no byte behind it is read. */
START_TEST(every_prefix_is_refused) {
        random_state = 5;
        for (unsigned k = 0; k < 100; k++) {
                DBusMessage *message = random_message();
                char *bytes;
                int n;

                marshal(message, &bytes, &n);
                for (int cut = 0; cut < n; cut++)
                        ck_assert_int_eq(raw_parse(bytes, cut, NULL), MESSAGE_E_SIZE);
                dbus_free(bytes);
                dbus_message_unref(message);
        }
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("all");

        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, round_trip_through_libdbus);
        tcase_add_test(tcase, big_endian_is_the_same_message);
        tcase_add_test(tcase, changed_bytes_get_the_verdict_of_libdbus);
        tcase_add_test(tcase, every_prefix_is_refused);
        return suite_run("message-random", tcase);
}
