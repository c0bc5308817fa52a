/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Stamping, arguments, descriptors and the life of messages. */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "raw.h"
#include "test/unit/suite.h"

static void assert_string(struct wire_string string, const char *expected) {
        if (!expected) {
                ck_assert_ptr_null(string.s);
                return;
        }
        ck_assert_ptr_nonnull(string.s);
        ck_assert_str_eq(string.s, expected);
        ck_assert_uint_eq(string.n, strlen(expected));
}

static void assert_inside(const struct message *m, struct wire_string string) {
        if (string.s && string.n > 0) {
                ck_assert((const uint8_t *)string.s > m->wire);
                ck_assert((const uint8_t *)string.s + string.n < m->wire + m->n_wire);
        }
}

/* Check that the bytes of m agree with the values in struct message. */
static void assert_consistent(const struct message *m) {
        struct message *again;

        assert_inside(m, m->path);
        assert_inside(m, m->interface);
        assert_inside(m, m->member);
        assert_inside(m, m->error_name);
        assert_inside(m, m->destination);
        assert_inside(m, m->sender);
        assert_inside(m, m->signature);
        ck_assert_ptr_eq(m->body, m->wire + m->n_wire - m->n_body);
        ck_assert_uint_eq((uintptr_t)m->body % 8, 0);

        ck_assert_int_eq(raw_parse(m->wire, m->n_wire, &again), 0);
        ck_assert_uint_eq(again->type, m->type);
        ck_assert_uint_eq(again->flags, m->flags);
        ck_assert_uint_eq(again->serial, m->serial);
        ck_assert_uint_eq(again->reply_serial, m->reply_serial);
        ck_assert_uint_eq(again->n_fds_declared, m->n_fds_declared);
        assert_string(m->path, again->path.s);
        assert_string(m->interface, again->interface.s);
        assert_string(m->member, again->member.s);
        assert_string(m->error_name, again->error_name.s);
        assert_string(m->destination, again->destination.s);
        assert_string(m->sender, again->sender.s);
        assert_string(m->signature, again->signature.s);
        ck_assert_uint_eq(again->n_body, m->n_body);
        ck_assert_mem_eq(again->body, m->body, m->n_body);
        message_unref(again);
}

static void stamp(struct message *m, const char *sender, const char *destination,
                  const char *path) {
        ck_assert_int_eq(message_stamp(m, &(struct message_stamp){sender, destination, path}), 0);
        assert_consistent(m);
}

/* A call with a string and a byte in its body. */
static struct message *call(bool big, const char *sender, bool unknown) {
        struct message *m;
        struct raw raw;
        size_t body;

        raw_begin(&raw, big, MESSAGE_TYPE_METHOD_CALL);
        raw.p[2] = 0xf5;
        raw_field_string(&raw, 1, "o", "/a/b");
        if (unknown)
                raw_field_string(&raw, 50, "s", "unknown");
        raw_field_string(&raw, 3, "s", "Member");
        raw_field_u32(&raw, 5, 9);
        if (sender)
                raw_field_string(&raw, 7, "s", sender);
        if (unknown)
                raw_field_string(&raw, 10, "o", "/container");
        raw_field_signature(&raw, "sy");
        raw_end_fields(&raw);
        body = raw.n;
        raw_string(&raw, "argument");
        raw_u8(&raw, 1);
        raw_end_body(&raw, body);
        ck_assert_int_eq(raw_parse(raw.p, raw.n, &m), 0);
        raw_free(&raw);
        assert_consistent(m);
        return m;
}

START_TEST(stamp_leaves_body_where_it_is) {
        for (int big = 0; big < 2; big++) {
                struct message *m = call(big, NULL, false);
                const uint8_t *body = m->body;

                stamp(m, ":1.42", NULL, NULL);
                ck_assert_ptr_eq(m->body, body);
                assert_string(m->sender, ":1.42");
                assert_string(m->path, "/a/b");
                assert_string(m->member, "Member");
                assert_string(m->destination, NULL);
                ck_assert_uint_eq(m->flags, 0xf5);
                ck_assert_uint_eq(m->wire[2], 0xf5);
                ck_assert_uint_eq(m->serial, 7);
                ck_assert_uint_eq(m->reply_serial, 9);
                ck_assert(m->big_endian == big);
                message_unref(m);
        }
}
END_TEST

START_TEST(stamp_replaces_a_sender_that_is_there) {
        for (int big = 0; big < 2; big++) {
                struct message *m = call(big, "org.example.Forged.Name.That.Is.Long", false);

                stamp(m, ":1.7", NULL, NULL);
                assert_string(m->sender, ":1.7");
                ck_assert_uint_eq(m->reply_serial, 9);
                stamp(m, ":1.700000000000000000000000000000000000", NULL, NULL);
                assert_string(m->sender, ":1.700000000000000000000000000000000000");
                message_unref(m);
        }
}
END_TEST

static bool has_field(const struct message *m, uint8_t code) {
        const uint8_t field[] = {code, 1, code == 10 ? 'o' : 's', 0};

        return memmem(m->wire, m->body - m->wire, field, sizeof(field));
}

START_TEST(stamp_strips_unknown_fields) {
        for (int big = 0; big < 2; big++) {
                struct message *m = call(big, NULL, true);

                ck_assert(has_field(m, 50) && has_field(m, 10));
                stamp(m, ":1.42", NULL, NULL);
                ck_assert(!has_field(m, 50) && !has_field(m, 10));
                assert_string(m->sender, ":1.42");
                message_unref(m);

                m = call(big, NULL, true);
                stamp(m, NULL, NULL, NULL);
                ck_assert(!has_field(m, 50) && !has_field(m, 10));
                assert_string(m->sender, NULL);
                message_unref(m);
        }
}
END_TEST

START_TEST(stamp_sets_destination_and_path) {
        for (int big = 0; big < 2; big++)
                for (int unknown = 0; unknown < 2; unknown++) {
                        struct message *m = call(big, NULL, unknown);

                        stamp(m, ":1.42", "org.example.Destination", "/another/path");
                        assert_string(m->sender, ":1.42");
                        assert_string(m->destination, "org.example.Destination");
                        assert_string(m->path, "/another/path");
                        stamp(m, NULL, ":1.5", NULL);
                        assert_string(m->sender, ":1.42");
                        assert_string(m->destination, ":1.5");
                        message_unref(m);
                }
}
END_TEST

START_TEST(stamp_beyond_the_headroom_moves_the_message) {
        char name[256] = ":1.", path[5000] = "/";

        memset(name + 3, '4', 252);
        memset(path + 1, 'p', sizeof(path) - 2);
        for (int big = 0; big < 2; big++)
                for (int unknown = 0; unknown < 2; unknown++) {
                        struct message *m = call(big, NULL, unknown);

                        assert_string(message_get_arg(m, 0).value, "argument");
                        stamp(m, name, NULL, NULL);
                        stamp(m, NULL, name, NULL);
                        stamp(m, NULL, NULL, path);
                        stamp(m, ":1.1", NULL, NULL);
                        assert_string(m->sender, ":1.1");
                        assert_string(m->destination, name);
                        assert_string(m->path, path);
                        assert_string(m->member, "Member");
                        assert_string(message_get_arg(m, 0).value, "argument");
                        stamp(m, NULL, NULL, "/");
                        assert_string(m->path, "/");
                        message_unref(m);
                }
}
END_TEST

START_TEST(stamp_beyond_the_largest_message_is_refused) {
        struct message *m;
        struct raw raw;
        uint32_t n;

        raw_begin(&raw, false, MESSAGE_TYPE_METHOD_RETURN);
        raw_field_u32(&raw, 5, 1);
        raw_field_signature(&raw, "ayay");
        raw_end_fields(&raw);
        raw_set32(&raw, 4, MESSAGE_SIZE_MAX - raw.n);
        ck_assert_int_eq(message_new(&m, MESSAGE_SIZE_MAX), 0);
        memset(m->wire, 0, m->n_wire);
        memcpy(m->wire, raw.p, raw.n);
        n = MESSAGE_ARRAY_MAX;
        memcpy(m->wire + raw.n, &n, sizeof(n));
        n = MESSAGE_SIZE_MAX - MESSAGE_ARRAY_MAX - raw.n - 8;
        memcpy(m->wire + raw.n + 4 + MESSAGE_ARRAY_MAX, &n, sizeof(n));
        raw_free(&raw);
        ck_assert_int_eq(message_parse(m), 0);
        ck_assert_int_eq(message_stamp(m, &(struct message_stamp){.sender = ":1.1"}),
                         MESSAGE_E_SIZE);
        message_unref(m);
}
END_TEST

START_TEST(stamp_keeps_fields_that_are_there_but_empty) {
        struct message *m;
        struct raw raw;

        raw_begin(&raw, false, MESSAGE_TYPE_METHOD_CALL);
        raw_field_string(&raw, 1, "o", "/a");
        raw_field_string(&raw, 3, "s", "M");
        raw_field_string(&raw, 7, "s", ":1.1");
        raw_field_signature(&raw, "");
        raw_field_u32(&raw, 9, 0);
        raw_end_fields(&raw);
        ck_assert_int_eq(raw_parse(raw.p, raw.n, &m), 0);
        raw_free(&raw);
        stamp(m, ":1.2", NULL, NULL);
        ck_assert_ptr_nonnull(memmem(m->wire, m->n_wire, "\x08\x01g", 4));
        ck_assert_ptr_nonnull(memmem(m->wire, m->n_wire, "\x09\x01u", 4));
        message_unref(m);
}
END_TEST

/* arguments */

START_TEST(arguments_are_found_behind_anything) {
        for (int big = 0; big < 2; big++) {
                struct message *m;
                struct raw raw;
                size_t body, dict, dict_length;

                raw_begin(&raw, big, MESSAGE_TYPE_METHOD_CALL);
                raw_field_string(&raw, 1, "o", "/a");
                raw_field_string(&raw, 3, "s", "M");
                raw_field_signature(&raw, "yv(iv)a{sv}atsaay(s)og");
                raw_end_fields(&raw);
                body = raw.n;
                raw_u8(&raw, 1);
                raw_signature(&raw, "(vs)"); /* a variant in a struct in a variant */
                raw_align(&raw, 8);
                raw_signature(&raw, "v");
                raw_signature(&raw, "as");
                raw_u32(&raw, 6);
                raw_string(&raw, "x");
                raw_string(&raw, "y");
                raw_align(&raw, 8);
                raw_u32(&raw, 1);
                raw_signature(&raw, "s");
                raw_string(&raw, "no argument");
                raw_u32(&raw, 0);
                dict_length = raw.n - 4;
                raw_align(&raw, 8);
                dict = raw.n;
                raw_string(&raw, "k");
                raw_signature(&raw, "y");
                raw_u8(&raw, 1);
                raw_set32(&raw, dict_length, raw.n - dict);
                raw_u32(&raw, 8);
                raw_align(&raw, 8);
                raw_u32(&raw, 1);
                raw_u32(&raw, 2);
                raw_string(&raw, "five");
                raw_u32(&raw, 0);
                raw_align(&raw, 8);
                raw_string(&raw, "member");
                raw_string(&raw, "/eight");
                raw_signature(&raw, "ii");
                raw_end_body(&raw, body);
                ck_assert_int_eq(raw_parse(raw.p, raw.n, &m), 0);
                raw_free(&raw);

                ck_assert_int_eq(message_get_arg(m, 8).type, 'o');
                assert_string(message_get_arg(m, 8).value, "/eight");
                ck_assert_int_eq(message_get_arg(m, 5).type, 's');
                assert_string(message_get_arg(m, 5).value, "five");
                ck_assert_int_eq(message_get_arg(m, 9).type, 'g');
                assert_string(message_get_arg(m, 9).value, "ii");
                for (unsigned i = 0; i < 70; i++)
                        if (i != 5 && i != 8 && i != 9) {
                                ck_assert_int_eq(message_get_arg(m, i).type, 0);
                                ck_assert_ptr_null(message_get_arg(m, i).value.s);
                        }
                ck_assert_int_eq(message_get_arg(m, UINT32_MAX).type, 0);
                message_unref(m);
        }
}
END_TEST

START_TEST(arguments_end_with_the_64th) {
        struct message *m;
        struct raw raw;
        char signature[71];
        size_t body;

        memset(signature, 's', 70);
        signature[70] = 0;
        raw_begin(&raw, false, MESSAGE_TYPE_METHOD_CALL);
        raw_field_string(&raw, 1, "o", "/a");
        raw_field_string(&raw, 3, "s", "M");
        raw_field_signature(&raw, signature);
        raw_end_fields(&raw);
        body = raw.n;
        for (char i = 0; i < 70; i++)
                raw_string(&raw, (char[]){'a' + i % 26, 0});
        raw_end_body(&raw, body);
        ck_assert_int_eq(raw_parse(raw.p, raw.n, &m), 0);
        raw_free(&raw);
        assert_string(message_get_arg(m, 0).value, "a");
        assert_string(message_get_arg(m, 63).value, "l");
        ck_assert_int_eq(message_get_arg(m, 64).type, 0);
        message_unref(m);
}
END_TEST

/* descriptors */

static struct message *message_with_fds(unsigned n_declared, unsigned n_attached, int *ret_fds) {
        struct message *m;
        struct raw raw;

        raw_begin(&raw, false, MESSAGE_TYPE_METHOD_RETURN);
        raw_field_u32(&raw, 5, 1);
        if (n_declared)
                raw_field_u32(&raw, 9, n_declared);
        raw_end_fields(&raw);
        ck_assert_int_eq(message_new(&m, raw.n), 0);
        memcpy(m->wire, raw.p, raw.n);
        raw_free(&raw);
        m->fds = malloc((n_attached + 1) * sizeof(int));
        for (m->n_fds = 0; m->n_fds < n_attached; ++m->n_fds)
                ret_fds[m->n_fds] = m->fds[m->n_fds] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return m;
}

static bool is_open(int fd) {
        return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(surplus_descriptors_are_closed) {
        struct message *m;
        int fds[3];

        m = message_with_fds(1, 3, fds);
        ck_assert_int_eq(message_parse(m), 0);
        ck_assert_uint_eq(m->n_fds, 1);
        ck_assert(is_open(fds[0]) && !is_open(fds[1]) && !is_open(fds[2]));
        ck_assert_int_eq(message_stamp(m, &(struct message_stamp){.sender = ":1.1"}), 0);
        ck_assert_uint_eq(m->n_fds_declared, 1);
        ck_assert_uint_eq(m->n_fds, 1);
        message_unref(m);
        ck_assert(!is_open(fds[0]));

        m = message_with_fds(0, 1, fds);
        ck_assert_int_eq(message_parse(m), 0);
        ck_assert(!is_open(fds[0]));
        message_unref(m);
}
END_TEST

START_TEST(missing_descriptors_are_a_violation) {
        struct message *m;
        int fds[3];

        m = message_with_fds(3, 2, fds);
        ck_assert_int_eq(message_parse(m), MESSAGE_E_FDS);
        message_unref(m);
        ck_assert(!is_open(fds[0]) && !is_open(fds[1]));
}
END_TEST

static void count(void *attachment) {
        ++*(int *)attachment;
}

START_TEST(attachment_goes_with_the_last_reference) {
        struct message *m = call(false, NULL, false);
        int n = 0;

        m->attachment = &n;
        m->attachment_free = count;
        ck_assert_ptr_eq(message_ref(m), m);
        ck_assert_ptr_null(message_unref(m));
        ck_assert_int_eq(n, 0);
        ck_assert_ptr_null(message_unref(m));
        ck_assert_int_eq(n, 1);
        ck_assert_ptr_null(message_unref(NULL));
}
END_TEST

START_TEST(copy_has_nothing_in_common) {
        struct message *m = call(false, NULL, false), *copy;
        const struct message_stamp stamp = {.sender = ":1.7"};
        int n = 0;

        ck_assert_int_eq(message_stamp(m, &stamp), 0);
        m->attachment = &n;
        m->attachment_free = count;
        m->order = 5;
        message_get_arg(m, 0);
        ck_assert_int_eq(message_copy(m, &copy), 0);
        ck_assert_uint_eq(copy->n_wire, m->n_wire);
        ck_assert_mem_eq(copy->wire, m->wire, m->n_wire);
        ck_assert_uint_eq(copy->n_body, m->n_body);
        ck_assert_uint_eq(copy->order, 5);
        message_unref(m);
        ck_assert_int_eq(n, 1);

        ck_assert_str_eq(copy->sender.s, ":1.7");
        ck_assert_ptr_eq(copy->body, copy->wire + copy->n_wire - copy->n_body);
        message_get_arg(copy, 0);
        /* It can be stamped like any other. */
        ck_assert_int_eq(message_stamp(copy, &(struct message_stamp){.sender = ":1.8000000"}), 0);
        ck_assert_str_eq(copy->sender.s, ":1.8000000");
        message_unref(copy);
        ck_assert_int_eq(n, 1);
}
END_TEST

START_TEST(violations_have_words) {
        for (int e = MESSAGE_E_BYTE_ORDER; e <= MESSAGE_E_LOCAL; e++)
                ck_assert_ptr_nonnull(message_violation(e));
        ck_assert_ptr_nonnull(message_violation(0));
        ck_assert_ptr_nonnull(message_violation(-EINVAL));
        ck_assert_ptr_nonnull(message_violation(1000));
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("all");

        tcase_add_test(tcase, stamp_leaves_body_where_it_is);
        tcase_add_test(tcase, stamp_replaces_a_sender_that_is_there);
        tcase_add_test(tcase, stamp_strips_unknown_fields);
        tcase_add_test(tcase, stamp_sets_destination_and_path);
        tcase_add_test(tcase, stamp_beyond_the_headroom_moves_the_message);
        tcase_add_test(tcase, stamp_beyond_the_largest_message_is_refused);
        tcase_add_test(tcase, stamp_keeps_fields_that_are_there_but_empty);
        tcase_add_test(tcase, arguments_are_found_behind_anything);
        tcase_add_test(tcase, arguments_end_with_the_64th);
        tcase_add_test(tcase, surplus_descriptors_are_closed);
        tcase_add_test(tcase, missing_descriptors_are_a_violation);
        tcase_add_test(tcase, attachment_goes_with_the_last_reference);
        tcase_add_test(tcase, copy_has_nothing_in_common);
        tcase_add_test(tcase, violations_have_words);
        return suite_run("message-stamp", tcase);
}
