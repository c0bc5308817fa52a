/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages of struct writer, read by libdbus and by struct reader. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "bridge/wire/reader.h"
#include "bridge/wire/writer.h"
#include "raw.h"
#include "test/unit/suite.h"

static void reply_init(struct writer *w, const char *signature) {
        writer_init(w, MESSAGE_TYPE_METHOD_RETURN, MESSAGE_FLAG_NO_REPLY_EXPECTED, 12, signature);
        w->reply_serial = 5;
        w->destination = ":1.3";
        w->sender = "org.freedesktop.DBus";
}

START_TEST(all_types_are_written_and_read) {
        struct writer w;
        struct reader r;
        struct message *m;
        struct wire_string s;
        DBusMessage *message;
        const uint8_t *end;

        reply_init(&w, "ybutsoga{sv}as(us)");
        writer_u8(&w, 200);
        writer_bool(&w, true);
        writer_u32(&w, 0xdeadbeef);
        writer_u64(&w, UINT64_C(0x0123456789abcdef));
        writer_string(&w, "string");
        writer_string(&w, "/path");
        writer_signature(&w, "a{sv}");
        writer_array_begin(&w, 8);
        writer_struct(&w);
        writer_string(&w, "UnixUserID");
        writer_variant(&w, "u");
        writer_u32(&w, 1000);
        writer_struct(&w);
        writer_string(&w, "UnixGroupIDs");
        writer_variant(&w, "au");
        writer_array_begin(&w, 4);
        writer_u32(&w, 4);
        writer_u32(&w, 24);
        writer_array_end(&w);
        writer_array_end(&w);
        writer_array_begin(&w, 4);
        writer_array_end(&w);
        writer_struct(&w);
        writer_u32(&w, 9);
        writer_string(&w, "end");
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        ck_assert_uint_eq(w.n_body, 0);

        message = raw_demarshal(m->wire, m->n_wire);
        ck_assert_ptr_nonnull(message);
        ck_assert_str_eq(dbus_message_get_signature(message), "ybutsoga{sv}as(us)");
        ck_assert_str_eq(dbus_message_get_destination(message), ":1.3");
        ck_assert_uint_eq(dbus_message_get_reply_serial(message), 5);
        ck_assert_uint_eq(m->serial, 12);
        ck_assert_str_eq(m->sender.s, "org.freedesktop.DBus");
        dbus_message_unref(message);

        reader_init(&r, m);
        ck_assert_uint_eq(reader_u8(&r), 200);
        ck_assert_uint_eq(reader_u32(&r), 1);
        ck_assert_uint_eq(reader_u32(&r), 0xdeadbeef);
        ck_assert_uint_eq(reader_u64(&r), UINT64_C(0x0123456789abcdef));
        s = reader_string(&r);
        ck_assert_str_eq(s.s, "string");
        ck_assert_uint_eq(s.n, 6);
        ck_assert_str_eq(reader_string(&r).s, "/path");
        ck_assert_str_eq(reader_signature(&r).s, "a{sv}");
        reader_array(&r, 8, &end);
        reader_struct(&r);
        ck_assert_str_eq(reader_string(&r).s, "UnixUserID");
        ck_assert_str_eq(reader_signature(&r).s, "u");
        ck_assert_uint_eq(reader_u32(&r), 1000);
        ck_assert(r.at < end);
        reader_struct(&r);
        ck_assert_str_eq(reader_string(&r).s, "UnixGroupIDs");
        ck_assert_str_eq(reader_signature(&r).s, "au");
        {
                const uint8_t *inner;

                reader_array(&r, 4, &inner);
                ck_assert_uint_eq(reader_u32(&r), 4);
                ck_assert_uint_eq(reader_u32(&r), 24);
                ck_assert_ptr_eq(r.at, inner);
        }
        ck_assert_ptr_eq(r.at, end);
        reader_array(&r, 4, &end);
        ck_assert_ptr_eq(r.at, end);
        reader_struct(&r);
        ck_assert_uint_eq(reader_u32(&r), 9);
        ck_assert_str_eq(reader_string(&r).s, "end");
        ck_assert_ptr_eq(r.at, m->body + m->n_body);
        message_unref(m);
}
END_TEST

START_TEST(the_other_byte_order_is_read) {
        struct message *m;
        struct reader r;
        struct raw raw;
        size_t body;

        raw_begin(&raw, true, MESSAGE_TYPE_METHOD_CALL);
        raw_field_string(&raw, 1, "o", "/a");
        raw_field_string(&raw, 3, "s", "M");
        raw_field_signature(&raw, "sut");
        raw_end_fields(&raw);
        body = raw.n;
        raw_string(&raw, "abc");
        raw_u32(&raw, 0x01020304);
        raw_align(&raw, 8);
        raw_u32(&raw, 1);
        raw_u32(&raw, 2);
        raw_end_body(&raw, body);
        ck_assert_int_eq(raw_parse(raw.p, raw.n, &m), 0);
        raw_free(&raw);
        reader_init(&r, m);
        ck_assert_str_eq(reader_string(&r).s, "abc");
        ck_assert_uint_eq(reader_u32(&r), 0x01020304);
        ck_assert_uint_eq(reader_u64(&r), UINT64_C(0x0000000100000002));
        message_unref(m);
}
END_TEST

START_TEST(signal_without_body) {
        struct writer w;
        struct message *m;

        writer_init(&w, MESSAGE_TYPE_SIGNAL, 0, 1, "");
        w.path = "/org/freedesktop/DBus";
        w.interface = "org.freedesktop.DBus";
        w.member = "NameOwnerChanged";
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        ck_assert_uint_eq(m->n_body, 0);
        ck_assert_str_eq(m->signature.s, "");
        ck_assert(raw_libdbus_takes(m->wire, m->n_wire));
        message_unref(m);
}
END_TEST

/*
 * Bodies that fit into struct writer, and larger ones; with all header fields that a writer can
 * set, except UNIX_FDS.
 */
START_TEST(any_length_is_written) {
        char name[256], text[600];
        struct writer w;
        struct reader r;
        struct message *m;

        memset(text, 'x', sizeof(text));
        text[_i] = '\0';
        snprintf(name, sizeof(name), "a.%.*s", _i % 250 + 1, text[0] ? text : "x");

        writer_init(&w, MESSAGE_TYPE_ERROR, 0, 7, "sus");
        w.path = "/a/path";
        w.interface = name;
        w.member = name + 2;
        w.error_name = name;
        w.destination = name;
        w.sender = ":1.2";
        w.reply_serial = 5;
        writer_string(&w, text);
        writer_u32(&w, 42);
        writer_string(&w, text);
        ck_assert_int_eq(writer_finish(&w, &m), 0);

        ck_assert_str_eq(m->interface.s, name);
        ck_assert_str_eq(m->member.s, name + 2);
        ck_assert_str_eq(m->error_name.s, name);
        ck_assert_str_eq(m->destination.s, name);
        ck_assert_uint_eq(m->reply_serial, 5);
        reader_init(&r, m);
        ck_assert_str_eq(reader_string(&r).s, text);
        ck_assert_uint_eq(reader_u32(&r), 42);
        ck_assert_str_eq(reader_string(&r).s, text);
        message_unref(m);
}
END_TEST

START_TEST(descriptors_are_duplicated) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy;
        struct writer w;
        struct message *m;

        reply_init(&w, "hh");
        writer_fd(&w, fd);
        writer_fd(&w, fd);
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        ck_assert_uint_eq(m->n_fds, 2);
        ck_assert_uint_eq(m->n_fds_declared, 2);
        ck_assert_int_ne(m->fds[0], fd);
        copy = m->fds[0];
        message_unref(m);
        ck_assert_int_lt(fcntl(copy, F_GETFD), 0);
        ck_assert_int_ge(fcntl(fd, F_GETFD), 0);

        reply_init(&w, "h");
        writer_fd(&w, fd);
        writer_fd(&w, -1);
        ck_assert_int_eq(writer_finish(&w, &m), -EBADF);
        close(fd);
}
END_TEST

START_TEST(what_is_not_valid_is_not_made) {
        struct writer w;
        struct message *m;

        reply_init(&w, "u");
        writer_string(&w, "no number");
        ck_assert_int_eq(writer_finish(&w, &m), -EINVAL);

        reply_init(&w, "");
        w.destination = "nothing";
        ck_assert_int_eq(writer_finish(&w, &m), -EINVAL);
}
END_TEST

START_TEST(what_is_too_long_is_refused) {
        struct writer w;
        struct message *m;
        char *s = malloc(MESSAGE_ARRAY_MAX + 1);

        memset(s, 'x', MESSAGE_ARRAY_MAX);
        s[MESSAGE_ARRAY_MAX] = 0;
        reply_init(&w, "as");
        writer_array_begin(&w, 4);
        writer_string(&w, s);
        writer_array_end(&w);
        ck_assert_int_eq(writer_finish(&w, &m), -EMSGSIZE);

        reply_init(&w, "ss");
        writer_string(&w, s);
        writer_string(&w, s);
        writer_string(&w, "the error sticks");
        ck_assert_int_eq(writer_finish(&w, &m), -EMSGSIZE);
        free(s);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("all");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, all_types_are_written_and_read);
        tcase_add_test(tcase, the_other_byte_order_is_read);
        tcase_add_test(tcase, signal_without_body);
        tcase_add_loop_test(tcase, any_length_is_written, 0, 599);
        tcase_add_test(tcase, descriptors_are_duplicated);
        tcase_add_test(tcase, what_is_not_valid_is_not_made);
        tcase_add_test(tcase, what_is_too_long_is_refused);
        return suite_run("writer", tcase);
}
