/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Appending and reading values by type strings: each type, containers, and what is refused. What is
 * appended is compared with what sd-bus makes of the same arguments.
 */

#include <bus1/dbus-values.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/dbus/sdbus.h"
#include "test/unit/suite.h"

static struct sdbus sdbus;
static DBusMessage *m;
static DBusMessageIter iter;
static unsigned n_fds;

static void open_sdbus(void) {
        sdbus_open(&sdbus);
}

static void close_sdbus(void) {
        sdbus_close(&sdbus);
}

static void setup(void) {
        n_fds = count_fds();
        m = legacy_message(&iter);
}

static void teardown(void) {
        dbus_message_unref(m);
        ck_assert_uint_eq(count_fds(), n_fds);
}

/* Start with an empty message again. */
static void renew(void) {
        dbus_message_unref(m);
        m = legacy_message(&iter);
}

static void begin_reading(void) {
        dbus_message_iter_init(m, &iter);
}

static void expect_empty(void) {
        ck_assert_str_eq(dbus_message_get_signature(m), "");
        ck_assert(!dbus_message_iter_init(m, &iter));
        dbus_message_iter_init_append(m, &iter);
}

/* The message has the same body as one to which sd-bus appends these arguments. */
#define EXPECT_SAME(...)                                                     \
        do {                                                                 \
                struct body ours, theirs;                                    \
                sd_bus_message *s_ = sdbus_message(&sdbus);                  \
                ck_assert_int_ge(sd_bus_message_append(s_, __VA_ARGS__), 0); \
                sdbus_body(&sdbus, s_, &theirs);                             \
                legacy_body(m, &ours);                                       \
                ck_assert_str_eq(ours.signature, theirs.signature);          \
                ck_assert_uint_eq(ours.n_data, theirs.n_data);               \
                ck_assert_mem_eq(ours.data, theirs.data, ours.n_data);       \
                body_free(&ours);                                            \
                body_free(&theirs);                                          \
        } while (0)

#define EXPECT_APPENDED(...)                                               \
        do {                                                               \
                renew();                                                   \
                ck_assert_int_eq(bus1_dbus_append(&iter, __VA_ARGS__), 0); \
                EXPECT_SAME(__VA_ARGS__);                                  \
        } while (0)

/* Both libraries refuse these arguments, and ours leaves the message as it was. */
#define EXPECT_REFUSED(error, ...)                                             \
        do {                                                                   \
                sd_bus_message *s_ = sdbus_message(&sdbus);                    \
                ck_assert_int_eq(bus1_dbus_append(&iter, __VA_ARGS__), error); \
                expect_empty();                                                \
                ck_assert_int_lt(sd_bus_message_append(s_, __VA_ARGS__), 0);   \
                sd_bus_message_unref(s_);                                      \
        } while (0)

/* appending */

START_TEST(basic_types_are_appended_as_sd_bus_does) {
        EXPECT_APPENDED("");
        EXPECT_APPENDED("y", 0xff);
        EXPECT_APPENDED("b", 0);
        EXPECT_APPENDED("b", 1);
        EXPECT_APPENDED("b", -7);
        EXPECT_APPENDED("nq", INT16_MIN, UINT16_MAX);
        EXPECT_APPENDED("iu", INT32_MIN, UINT32_MAX);
        EXPECT_APPENDED("xt", INT64_MIN, UINT64_MAX);
        EXPECT_APPENDED("ddd", -0.0, 1e300, (double)INFINITY);
        EXPECT_APPENDED("sog", "h\xc3\xa9", "/a/b_1", "a{sv}(ii)");
        EXPECT_APPENDED("ss", "", "x");
        EXPECT_APPENDED("ybnqiuxtdsog", 1, 1, 2, 3, 4, 5U, INT64_C(6), UINT64_C(7), 8.5, "9", "/",
                        "i");
        EXPECT_APPENDED("hyh", STDIN_FILENO, 1, STDIN_FILENO);
}
END_TEST

START_TEST(missing_text_is_the_empty_text_as_in_sd_bus) {
        EXPECT_APPENDED("s", (char *)NULL);
        EXPECT_APPENDED("sgs", (char *)NULL, (char *)NULL, "x");
        renew();
        EXPECT_REFUSED(-EINVAL, "o", (char *)NULL);
}
END_TEST

START_TEST(containers_are_appended_as_sd_bus_does) {
        EXPECT_APPENDED("as", 0);
        EXPECT_APPENDED("as", 3, "a", "", "ccc");
        EXPECT_APPENDED("(is)", 1, "x");
        EXPECT_APPENDED("((y)(y(y)))", 1, 2, 3);
        EXPECT_APPENDED("v", "s", "x");
        EXPECT_APPENDED("v", "v", "v", "(yv)", 1, "t", UINT64_C(5));
        EXPECT_APPENDED("v", "as", 2, "a", "b");
        EXPECT_APPENDED("sa{sv}", "name", 2, "Size", "u", 7U, "Title", "s", "t");
        EXPECT_APPENDED("a{sv}", 0);
        EXPECT_APPENDED("a{oa{sa{sv}}}", 1, "/a", 2, "i.f", 1, "P", "x", INT64_C(1), "i.g", 0);
        EXPECT_APPENDED("aax", 3, 0, 1, INT64_C(1), 2, INT64_C(2), INT64_C(3));
        EXPECT_APPENDED("ya(yx)", 1, 2, 1, INT64_C(1), 2, INT64_C(2));
        EXPECT_APPENDED("yaax", 1, 2, 0, 0);
        EXPECT_APPENDED("a(iav)", 2, 1, 2, "s", "b", "y", 3, 4, 0);
        EXPECT_APPENDED("ah", 2, STDIN_FILENO, STDIN_FILENO);
        EXPECT_APPENDED("v", "h", STDIN_FILENO);
}
END_TEST

START_TEST(values_are_added_to_those_that_are_there) {
        DBusMessageIter array;

        ck_assert_int_eq(bus1_dbus_append(&iter, "s", "a"), 0);
        ck_assert_int_eq(bus1_dbus_append(&iter, "u(y)", 1U, 2), 0);
        ck_assert(dbus_message_iter_open_container(&iter, 'a', "{sv}", &array));
        ck_assert_int_eq(bus1_dbus_append(&array, "{sv}", "k", "y", 1), 0);
        ck_assert_int_eq(bus1_dbus_append(&array, "{sv}", "l", "as", 1, "z"), 0);
        ck_assert(dbus_message_iter_close_container(&iter, &array));
        ck_assert_int_eq(bus1_dbus_append(&iter, ""), 0);
        EXPECT_SAME("su(y)a{sv}", "a", 1U, 2, 2, "k", "y", 1, "l", "as", 1, "z");
}
END_TEST

START_TEST(invalid_types_are_refused) {
        EXPECT_REFUSED(-EINVAL, "z", 1);
        EXPECT_REFUSED(-EINVAL, "a", 1);
        EXPECT_REFUSED(-EINVAL, "(", 1);
        EXPECT_REFUSED(-EINVAL, "()");
        EXPECT_REFUSED(-EINVAL, "(i", 1);
        EXPECT_REFUSED(-EINVAL, "i)", 1);
        EXPECT_REFUSED(-EINVAL, "a{vs}", 1, "s", "x", "x");
        EXPECT_REFUSED(-EINVAL, "a{s}", 1, "x");
        EXPECT_REFUSED(-EINVAL, "a{sss}", 1, "x", "x", "x");
        EXPECT_REFUSED(-EINVAL, "a{(s)s}", 1, "x", "x");
        EXPECT_REFUSED(-EINVAL, "e");
        EXPECT_REFUSED(-EINVAL, "r");
        EXPECT_REFUSED(-EINVAL, "H", UINT64_C(1)); /* no message is known */
        EXPECT_REFUSED(-EINVAL, "v", "");
        EXPECT_REFUSED(-EINVAL, "v", "H", UINT64_C(1));
        EXPECT_REFUSED(-EINVAL, "v", "ii", 1, 2);
        EXPECT_REFUSED(-EINVAL, "v", "q(", 1);
        EXPECT_REFUSED(-EINVAL, "sv", "x", (char *)NULL);
        /* sd-bus appends each value before it looks at the next type. */
        ck_assert_int_eq(bus1_dbus_append(&iter, "yz", 1, 2), -EINVAL);
        ck_assert_int_eq(bus1_dbus_append(&iter, "{sv", "x", "y", 1), -EINVAL);
        ck_assert_int_eq(bus1_dbus_append(&iter, "({sv})", "x", "y", 1), -EINVAL);
        ck_assert_int_eq(bus1_dbus_append(&iter, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_append(NULL, "y", 1), -EINVAL);
        expect_empty();
}
END_TEST

START_TEST(invalid_values_are_refused) {
        EXPECT_REFUSED(-EINVAL, "s", "\xff");
        EXPECT_REFUSED(-EINVAL, "s", "\xc0\x80");
        EXPECT_REFUSED(-EINVAL, "s", "\xed\xa0\x80");
        EXPECT_REFUSED(-EINVAL, "o", "");
        EXPECT_REFUSED(-EINVAL, "o", "a");
        EXPECT_REFUSED(-EINVAL, "o", "/a/");
        EXPECT_REFUSED(-EINVAL, "o", "/a//b");
        EXPECT_REFUSED(-EBADF, "h", -1);
        EXPECT_REFUSED(-EBADF, "h", 100000);
        /* sd-bus takes each text as a signature. */
        ck_assert_int_eq(bus1_dbus_append(&iter, "g", "{sv}"), -EINVAL);
        ck_assert_int_eq(bus1_dbus_append(&iter, "g", "a"), -EINVAL);
        ck_assert_int_eq(bus1_dbus_append(&iter, "g", "a{vs}"), -EINVAL);
        /* The first values are not appended either. */
        ck_assert_int_eq(bus1_dbus_append(&iter, "sas", "a", 3, "b", "c", "\xff"), -EINVAL);
        ck_assert_int_eq(bus1_dbus_append(&iter, "hh", STDIN_FILENO, -1), -EBADF);
        ck_assert_int_eq(bus1_dbus_append(&iter, "a{sv}", 1, "a", "o", "b"), -EINVAL);
        expect_empty();
}
END_TEST

START_TEST(nesting_has_a_limit) {
        char types[DBUS_MAXIMUM_SIGNATURE_LENGTH + 2] = {};

        memset(types, 'a', 32);
        types[32] = 'y';
        EXPECT_APPENDED(types, 0);
        memset(types, '(', 32);
        memset(types + 33, ')', 32);
        EXPECT_APPENDED(types, 1);
        renew();
        memset(types, 'a', 33);
        memcpy(types + 33, "y", 2);
        ck_assert_int_eq(bus1_dbus_append(&iter, types, 0), -EINVAL);
        memset(types, '(', 33);
        types[33] = 'y';
        memset(types + 34, ')', 33);
        ck_assert_int_eq(bus1_dbus_append(&iter, types, 1), -EINVAL);
        /* 32 arrays and 32 structures in them are 64 containers. */
        memset(types, 0, sizeof(types));
        memset(types, 'a', 32);
        memset(types + 32, '(', 32);
        types[64] = 'y';
        memset(types + 65, ')', 32);
        ck_assert_int_eq(bus1_dbus_append(&iter, types, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                          1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 9),
                         0);
        renew();
        /* A variant in front of the arrays makes them 65. */
        ck_assert_int_eq(bus1_dbus_append(&iter, "v", types, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                          1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                          9),
                         -ELOOP);
        expect_empty();
        /* Signatures have at most 255 characters. */
        memset(types, 'y', 256);
        ck_assert_int_eq(bus1_dbus_append(&iter, types), -EINVAL);
        expect_empty();
}
END_TEST

#define V8 "v", "v", "v", "v", "v", "v", "v", "v"

START_TEST(variants_in_variants_have_the_limit_of_the_message) {
        sd_bus_message *other = sdbus_message(&sdbus);

        ck_assert_int_eq(bus1_dbus_append(&iter, V8, V8, V8, V8, V8, V8, V8, V8, "s", "x"), 0);
        EXPECT_SAME(V8, V8, V8, V8, V8, V8, V8, V8, "s", "x");
        renew();
        ck_assert_int_eq(bus1_dbus_append(&iter, V8, V8, V8, V8, V8, V8, V8, V8, "v", "s", "x"),
                         -ELOOP);
        expect_empty();
        /* sd-bus makes such a message, which other libraries do not accept. */
        ck_assert_int_ge(
                sd_bus_message_append(other, V8, V8, V8, V8, V8, V8, V8, V8, "v", "s", "x"), 0);
        sd_bus_message_unref(other);
}
END_TEST

START_TEST(too_large_values_are_refused) {
        static char text[40 * 1024 * 1024];

        memset(text, 'x', sizeof(text) - 1);
        ck_assert_int_eq(bus1_dbus_append(&iter, "as", 2, text, text), -EMSGSIZE);
        ck_assert_int_eq(bus1_dbus_append(&iter, "ssss", text, text, text, text), -EMSGSIZE);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 'y', text, 64 * 1024 * 1024 + 1), -EMSGSIZE);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 't', text, 8 * 1024 * 1024 + 1), -EMSGSIZE);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 'y', text, SIZE_MAX), -EMSGSIZE);
        ck_assert_int_eq(bus1_dbus_append_strv(&iter, (char *[]){text, text, NULL}), -EMSGSIZE);
        expect_empty();
        ck_assert_int_eq(bus1_dbus_append(&iter, "as", 1, text), 0);
}
END_TEST

START_TEST(arrays_are_appended_at_once) {
        static const uint8_t y[] = {1, 2, 3};
        static const int b[] = {0, 1, -5};
        static const uint16_t q[] = {1, 2, 3};
        static const uint32_t u[] = {1, 2, 3};
        static const uint64_t t[] = {1, 2, 3};
        static const double d[] = {1, 2, 3};

        ck_assert_int_eq(bus1_dbus_append_array(&iter, 'y', y, 3), 0);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 'b', b, 3), 0);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 'n', q, 3), 0);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 'q', q, 3), 0);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 'i', u, 3), 0);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 'u', u, 3), 0);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 'x', t, 3), 0);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 't', t, 3), 0);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 'd', d, 3), 0);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 't', NULL, 0), 0);
        EXPECT_SAME("ayabanaqaiauaxatadat", 3, 1, 2, 3, 3, 0, 1, 1, 3, 1, 2, 3, 3, 1, 2, 3, 3, 1, 2,
                    3, 3, 1, 2, 3, 3, INT64_C(1), INT64_C(2), INT64_C(3), 3, INT64_C(1), INT64_C(2),
                    INT64_C(3), 3, 1.0, 2.0, 3.0, 0);
        renew();
        for (const char *type = "sgohaverzH({"; *type; type++)
                ck_assert_int_eq(bus1_dbus_append_array(&iter, *type, y, 1), -EINVAL);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 0, y, 1), -EINVAL);
        ck_assert_int_eq(bus1_dbus_append_array(&iter, 'y', NULL, 1), -EINVAL);
        ck_assert_int_eq(bus1_dbus_append_array(NULL, 'y', y, 1), -EINVAL);
        expect_empty();
}
END_TEST

START_TEST(string_vectors_are_appended_at_once) {
        ck_assert_int_eq(bus1_dbus_append_strv(&iter, (char *[]){"a", "", "b", NULL}), 0);
        ck_assert_int_eq(bus1_dbus_append_strv(&iter, NULL), 0);
        ck_assert_int_eq(bus1_dbus_append_strv(&iter, (char *[]){NULL}), 0);
        EXPECT_SAME("asasas", 3, "a", "", "b", 0, 0);
        renew();
        ck_assert_int_eq(bus1_dbus_append_strv(&iter, (char *[]){"a", "\xff", NULL}), -EINVAL);
        ck_assert_int_eq(bus1_dbus_append_strv(NULL, NULL), -EINVAL);
        expect_empty();
}
END_TEST

/* reading */

START_TEST(basic_types_are_read) {
        uint8_t y = 0;
        int b = 7, i = 0;
        int16_t n = 0;
        uint16_t q = 0;
        uint32_t u = 0;
        int64_t x = 0;
        uint64_t t = 0;
        double d = 0;
        const char *s, *o, *g;

        ck_assert_int_eq(bus1_dbus_append(&iter, "ybnqiuxtdsog", 255, 1, -1, 65535, INT32_MIN,
                                          UINT32_MAX, INT64_MIN, UINT64_MAX, 0.5, "text", "/o",
                                          "a{sv}"),
                         0);
        begin_reading();
        ck_assert_int_eq(bus1_dbus_read(&iter, "ybnqiuxtdsog", &y, &b, &n, &q, &i, &u, &x, &t, &d,
                                        &s, &o, &g),
                         0);
        ck_assert_int_eq(y, 255);
        ck_assert_int_eq(b, 1);
        ck_assert_int_eq(n, -1);
        ck_assert_int_eq(q, 65535);
        ck_assert_int_eq(i, INT32_MIN);
        ck_assert_uint_eq(u, UINT32_MAX);
        ck_assert(x == INT64_MIN);
        ck_assert(t == UINT64_MAX);
        ck_assert(d == 0.5);
        ck_assert_str_eq(s, "text");
        ck_assert_str_eq(o, "/o");
        ck_assert_str_eq(g, "a{sv}");
        ck_assert_int_eq(bus1_dbus_read(&iter, "y", &y), -ENXIO);
        ck_assert_int_eq(bus1_dbus_read(&iter, ""), 0);
        /* The iterator moves behind what was read, and NULL skips a value. */
        begin_reading();
        ck_assert_int_eq(bus1_dbus_read(&iter, "ybnqiuxtd", NULL, NULL, NULL, NULL, NULL, NULL,
                                        NULL, NULL, NULL),
                         0);
        s = NULL;
        ck_assert_int_eq(bus1_dbus_read(&iter, "s", &s), 0);
        ck_assert_str_eq(s, "text");
}
END_TEST

START_TEST(containers_are_read) {
        const char *a, *b, *c;
        int64_t x, x2;
        uint32_t u;
        uint8_t y;

        ck_assert_int_eq(bus1_dbus_append(&iter, "asa{sv}(yv)aaxau", 3, "a", "b", "c", 2, "Size",
                                          "u", 7U, "Title", "s", "t", 4, "as", 0, 3, 0, 1,
                                          INT64_C(5), 1, INT64_C(6), 0),
                         0);
        begin_reading();
        ck_assert_int_eq(bus1_dbus_read(&iter, "as", 3, &a, &b, &c), 0);
        ck_assert_str_eq(a, "a");
        ck_assert_str_eq(b, "b");
        ck_assert_str_eq(c, "c");
        ck_assert_int_eq(
                bus1_dbus_read(&iter, "a{sv}(yv)", 2, &a, "u", &u, &b, "s", &c, &y, "as", 0), 0);
        ck_assert_str_eq(a, "Size");
        ck_assert_uint_eq(u, 7);
        ck_assert_str_eq(b, "Title");
        ck_assert_str_eq(c, "t");
        ck_assert_int_eq(y, 4);
        ck_assert_int_eq(bus1_dbus_read(&iter, "aaxau", 3, 0, 1, &x, 1, &x2, 0), 0);
        ck_assert_int_eq(x, 5);
        ck_assert_int_eq(x2, 6);
        ck_assert_int_eq(bus1_dbus_read(&iter, "au", 0), -ENXIO);
}
END_TEST

/* Reading these fails with an error, sets no argument and does not move the iterator. */
#define EXPECT_UNREAD(error, ...)                                                             \
        do {                                                                                  \
                DBusMessageIter before_;                                                      \
                begin_reading();                                                              \
                before_ = iter;                                                               \
                ck_assert_int_eq(bus1_dbus_read(&iter, __VA_ARGS__), error);                  \
                ck_assert_int_eq(memcmp(&before_, &iter, sizeof(iter)), 0);                   \
                ck_assert(s1 == unset && s2 == unset && u1 == 77 && u2 == 77 && fd1 == -77 && \
                          fd2 == -77 && y1 == 77);                                            \
                ck_assert_uint_eq(count_fds(), n_fds_now);                                    \
        } while (0)

START_TEST(other_types_are_not_read_at_all) {
        static const char unset[] = "unset";
        const char *s1 = unset, *s2 = unset;
        uint32_t u1 = 77, u2 = 77;
        int fd1 = -77, fd2 = -77;
        unsigned n_fds_now;
        uint8_t y1 = 77;

        ck_assert_int_eq(bus1_dbus_append(&iter, "susash(su)", "a", 1U, "b", 2, "x", "y",
                                          STDIN_FILENO, "s", 2U),
                         0);
        n_fds_now = count_fds();
        EXPECT_UNREAD(-EBADMSG, "u", &u1);
        EXPECT_UNREAD(-EBADMSG, "o", &s1);
        EXPECT_UNREAD(-EBADMSG, "suu", &s1, &u1, &u2);
        EXPECT_UNREAD(-EBADMSG, "as", 1, &s1);
        EXPECT_UNREAD(-EBADMSG, "v", "s", &s1);
        EXPECT_UNREAD(-EBADMSG, "susas", &s1, &u1, &s2, 1, &s1);
        EXPECT_UNREAD(-EBADMSG, "susas", &s1, &u1, &s2, 3, &s1, &s1, &s1);
        EXPECT_UNREAD(-EBADMSG, "susas", &s1, &u1, &s2, 0);
        EXPECT_UNREAD(-EBADMSG, "susau", &s1, &u1, &s2, 2, &u1, &u2);
        EXPECT_UNREAD(-EBADMSG, "susash(ss)", &s1, &u1, &s2, 2, &s1, &s2, &fd1, &s1, &s2);
        EXPECT_UNREAD(-EBADMSG, "susash(s)", &s1, &u1, &s2, 2, &s1, &s2, &fd1, &s1);
        EXPECT_UNREAD(-EBADMSG, "susash(suu)", &s1, &u1, &s2, 2, &s1, &s2, &fd1, &s1, &u1, &u2);
        EXPECT_UNREAD(-ENXIO, "susash(su)h", &s1, &u1, &s2, 2, &s1, &s2, &fd1, &s1, &u1, &fd2);
        EXPECT_UNREAD(-ENXIO, "susash(su)v", &s1, &u1, &s2, 2, &s1, &s2, &fd1, &s1, &u1, "h", &fd2);
        EXPECT_UNREAD(-EINVAL, "z", &u1);
        EXPECT_UNREAD(-EINVAL, "sH", &s1, &u1);
        EXPECT_UNREAD(-EINVAL, "(", &u1);
        EXPECT_UNREAD(-EINVAL, NULL);
        renew();
        ck_assert_int_eq(bus1_dbus_append(&iter, "hvay(y)a{sv}", STDIN_FILENO, "u", 1U, 0, 1, 0),
                         0);
        n_fds_now = count_fds();
        EXPECT_UNREAD(-EBADMSG, "hv", &fd1, "s", &s1);
        EXPECT_UNREAD(-EBADMSG, "hv", &fd1, "i", &u1);
        EXPECT_UNREAD(-EBADMSG, "hvaq", &fd1, "u", &u1, 0);
        EXPECT_UNREAD(-EBADMSG, "hva(y)", &fd1, "u", &u1, 0);
        EXPECT_UNREAD(-EBADMSG, "hvay(yy)", &fd1, "u", &u1, 0, &y1, &y1);
        EXPECT_UNREAD(-EBADMSG, "hvay(y)a{ss}", &fd1, "u", &u1, 0, &y1, 0);
        EXPECT_UNREAD(-EINVAL, "hv", &fd1, "", &s1);
        EXPECT_UNREAD(-EINVAL, "hv", &fd1, "uu", &u1, &u2);
        EXPECT_UNREAD(-EINVAL, "hv", &fd1, NULL, &u1);
        ck_assert_int_eq(bus1_dbus_read(NULL, "y", &y1), -EINVAL);
}
END_TEST

START_TEST(descriptors_belong_to_the_reader) {
        int pair[2], first, second, unset = -77;
        struct stat a, b;

        ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
        ck_assert_int_eq(bus1_dbus_append(&iter, "hvh", pair[0], "h", pair[1], pair[0]), 0);
        begin_reading();
        ck_assert_int_eq(bus1_dbus_read(&iter, "hvh", &first, "h", &second, NULL), 0);
        ck_assert_int_eq(fstat(pair[0], &a), 0);
        ck_assert_int_eq(fstat(first, &b), 0);
        ck_assert(first != pair[0] && a.st_ino == b.st_ino);
        ck_assert_int_eq(write(second, "x", 1), 1);
        close(first);
        close(second);
        ck_assert_int_ne(fcntl(pair[0], F_GETFD), -1);
        close(pair[0]);
        close(pair[1]);
        /* Again: the message keeps its own. */
        begin_reading();
        ck_assert_int_eq(bus1_dbus_read(&iter, "h", &first), 0);
        close(first);
        ck_assert_int_eq(unset, -77);
}
END_TEST

/* How many more descriptors the process may have. */
static void limit_fds(unsigned n_more) {
        struct rlimit limit;
        int next = dup(STDIN_FILENO);

        close(next);
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = (rlim_t)next + n_more;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void unlimit_fds(void) {
        struct rlimit limit;

        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = 1024;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(lack_of_descriptors_takes_none) {
        int first = -77, second = -77, third = -77, r;
        unsigned before;

        ck_assert_int_eq(bus1_dbus_append(&iter, "hhh", STDIN_FILENO, STDIN_FILENO, STDIN_FILENO),
                         0);
        before = count_fds();
        begin_reading();
        limit_fds(2);
        r = bus1_dbus_read(&iter, "hhh", &first, &second, &third);
        unlimit_fds();
        ck_assert_int_eq(r, -EMFILE);
        ck_assert(first == -77 && second == -77 && third == -77);
        ck_assert_uint_eq(count_fds(), before);
        ck_assert_int_eq(bus1_dbus_read(&iter, "hhh", &first, &second, &third), 0);
        close(first);
        close(second);
        close(third);
        renew();
        limit_fds(2);
        r = bus1_dbus_append(&iter, "hhh", STDIN_FILENO, STDIN_FILENO, STDIN_FILENO);
        unlimit_fds();
        ck_assert_int_eq(r, -EMFILE);
        renew();
}
END_TEST

START_TEST(arrays_are_read_at_once) {
        static const uint64_t t[] = {1, 2, 3};
        const void *elements = NULL;
        DBusMessageIter before;
        size_t n = 77;

        ck_assert_int_eq(bus1_dbus_append(&iter, "ayabataxs", 3, 1, 2, 3, 2, 0, 1, 3, t[0], t[1],
                                          t[2], 0, "x"),
                         0);
        begin_reading();
        before = iter;
        ck_assert_int_eq(bus1_dbus_read_array(&iter, 'n', &elements, &n), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read_array(&iter, 's', &elements, &n), -EINVAL);
        ck_assert_int_eq(bus1_dbus_read_array(&iter, 'h', &elements, &n), -EINVAL);
        ck_assert_int_eq(bus1_dbus_read_array(&iter, 'z', &elements, &n), -EINVAL);
        ck_assert(n == 77 && !elements && memcmp(&iter, &before, sizeof(iter)) == 0);
        ck_assert_int_eq(bus1_dbus_read_array(&iter, 'y', &elements, &n), 0);
        ck_assert_uint_eq(n, 3);
        ck_assert_mem_eq(elements, "\1\2\3", 3);
        ck_assert_int_eq(bus1_dbus_read_array(&iter, 'b', &elements, &n), 0);
        ck_assert_uint_eq(n, 2);
        ck_assert(((const int *)elements)[0] == 0 && ((const int *)elements)[1] == 1);
        ck_assert_int_eq(bus1_dbus_read_array(&iter, 't', &elements, &n), 0);
        ck_assert_uint_eq(n, 3);
        ck_assert_mem_eq(elements, t, sizeof(t));
        ck_assert_int_eq(bus1_dbus_read_array(&iter, 't', &elements, &n), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read_array(&iter, 'x', &elements, &n), 0);
        ck_assert_uint_eq(n, 0);
        ck_assert_ptr_nonnull(elements);
        ck_assert_int_eq(bus1_dbus_read_array(&iter, 'x', &elements, &n), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read(&iter, "s", NULL), 0);
        ck_assert_int_eq(bus1_dbus_read_array(&iter, 'x', &elements, &n), -ENXIO);
}
END_TEST

START_TEST(string_vectors_are_read_at_once) {
        char **strv = NULL;

        ck_assert_int_eq(
                bus1_dbus_append(&iter, "asaoagasays", 2, "a", "", 1, "/o", 1, "v", 0, 0, "x"), 0);
        begin_reading();
        ck_assert_int_eq(bus1_dbus_read_strv(&iter, &strv), 0);
        dbus_message_unref(m);
        /* The strings do not need the message. */
        ck_assert_str_eq(strv[0], "a");
        ck_assert_str_eq(strv[1], "");
        ck_assert_ptr_null(strv[2]);
        free(strv);
        m = legacy_message(&iter);
        ck_assert_int_eq(bus1_dbus_append(&iter, "aoagasays", 1, "/o", 1, "v", 0, 0, "x"), 0);
        begin_reading();
        ck_assert_int_eq(bus1_dbus_read_strv(&iter, &strv), 0);
        ck_assert_str_eq(strv[0], "/o");
        free(strv);
        ck_assert_int_eq(bus1_dbus_read_strv(&iter, &strv), 0);
        ck_assert_str_eq(strv[0], "v");
        free(strv);
        ck_assert_int_eq(bus1_dbus_read_strv(&iter, &strv), 0);
        ck_assert_ptr_null(strv[0]);
        free(strv);
        strv = NULL;
        ck_assert_int_eq(bus1_dbus_read_strv(&iter, &strv), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read(&iter, "ay", 0), 0);
        ck_assert_int_eq(bus1_dbus_read_strv(&iter, &strv), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read(&iter, "s", NULL), 0);
        ck_assert_int_eq(bus1_dbus_read_strv(&iter, &strv), -ENXIO);
        ck_assert_ptr_null(strv);
}
END_TEST

START_TEST(arrays_of_any_length_are_entered) {
        DBusMessageIter array, entry;
        unsigned n = 0, sum = 0;
        const char *key;
        uint32_t u;
        int r;

        ck_assert_int_eq(bus1_dbus_append(&iter, "a(su)a{su}a(su)vx", 3, "a", 1U, "b", 2U, "c", 3U,
                                          1, "k", 9U, 0, "(yy)", 1, 2, INT64_C(5)),
                         0);
        begin_reading();
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 'a', "(ss)", &array), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 'r', NULL, &array), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 'a', "(s", &array), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 's', NULL, &array), -EINVAL);
        ck_assert_int_eq(bus1_dbus_read_container(&iter, '(', NULL, &array), -EINVAL);
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 0, NULL, &array), -EINVAL);
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 'a', "(su)", &array), 0);
        while ((r = bus1_dbus_read(&array, "(su)", &key, &u)) == 0) {
                n++;
                sum += u;
        }
        ck_assert_int_eq(r, -ENXIO);
        ck_assert(n == 3 && sum == 6);
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 'a', "{su}", &array), 0);
        ck_assert_int_eq(bus1_dbus_read_container(&array, 'e', "ss", &entry), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read_container(&array, 'e', "su", &entry), 0);
        ck_assert_int_eq(bus1_dbus_read(&entry, "su", &key, &u), 0);
        ck_assert(strcmp(key, "k") == 0 && u == 9);
        ck_assert_int_eq(bus1_dbus_read_container(&array, 'e', NULL, &entry), -ENXIO);
        ck_assert_int_eq(bus1_dbus_read(&array, "{su}", &key, &u), -ENXIO);
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 'a', NULL, &array), 0);
        ck_assert_int_eq(bus1_dbus_read(&array, "(su)", &key, &u), -ENXIO);
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 'v', "y", &array), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 'v', "(yy)", &array), 0);
        ck_assert_int_eq(bus1_dbus_read_container(&array, 'r', "y", &entry), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read_container(&array, 'r', "yy", &entry), 0);
        ck_assert_int_eq(bus1_dbus_read(&entry, "yy", NULL, NULL), 0);
        ck_assert_int_eq(bus1_dbus_read(&iter, "x", NULL), 0);
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 'v', NULL, &array), -ENXIO);
}
END_TEST

START_TEST(entries_are_read_one_by_one) {
        DBusMessageIter array;
        const char *key;
        uint32_t u;

        ck_assert_int_eq(bus1_dbus_append(&iter, "a{su}", 2, "a", 1U, "b", 2U), 0);
        begin_reading();
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 'a', "{su}", &array), 0);
        ck_assert_int_eq(bus1_dbus_read(&array, "{ss}", &key, &key), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read(&array, "{su}", &key, &u), 0);
        ck_assert(strcmp(key, "a") == 0 && u == 1);
        ck_assert_int_eq(bus1_dbus_read(&array, "{su}", &key, &u), 0);
        ck_assert(strcmp(key, "b") == 0 && u == 2);
        ck_assert_int_eq(bus1_dbus_read(&array, "{su}", &key, &u), -ENXIO);
}
END_TEST

START_TEST(entries_are_found_by_key) {
        const char *text = NULL;
        uint32_t u = 77;
        int fd = -77;

        ck_assert_int_eq(bus1_dbus_append(&iter, "a{sv}a{ss}a{sv}a{us}s", 4, "Size", "s", "7",
                                          "Title", "s", "t", "Size", "u", 8U, "File", "h",
                                          STDIN_FILENO, 1, "a", "b", 0, 0, "x"),
                         0);
        begin_reading();
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "Title", "s", &text), 1);
        ck_assert_str_eq(text, "t");
        /* the last entry of a key counts, and the others may have any type */
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "Size", "u", &u), 1);
        ck_assert_uint_eq(u, 8);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "File", "h", &fd), 1);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        close(fd);
        text = NULL;
        u = 77;
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "Nothing", "s", &text), 0);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "Size", "s", &text), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "Title", "(s)", &text), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "Size", "", &u), -EINVAL);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "Size", "uu", &u, &u), -EINVAL);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, NULL, "u", &u), -EINVAL);
        ck_assert_int_eq(bus1_dbus_read(&iter, "a{sv}", 4, NULL, "s", NULL, NULL, "s", NULL, NULL,
                                        "u", NULL, NULL, "h", NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "a", "s", &text), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read(&iter, "a{ss}", 1, NULL, NULL), 0);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "a", "s", &text), 0);
        ck_assert_int_eq(bus1_dbus_read(&iter, "a{sv}", 0), 0);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "a", "s", &text), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read(&iter, "a{us}", 0), 0);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "a", "s", &text), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_read(&iter, "s", NULL), 0);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "a", "s", &text), -ENXIO);
        ck_assert(!text && u == 77);
}
END_TEST

/* handles: the library only needs the public part of a message for this */

START_TEST(handles_are_taken_by_their_index) {
        uint64_t handles[] = {100, 101, 102}, h1 = 7, h2 = 7, h3 = 7;
        struct bus1_dbus_message message = {.handles = handles, .n_handles = 3};
        int fd = -77;

        ck_assert_int_eq(bus1_dbus_append(&iter, "uhua{sv}", 1U, STDIN_FILENO, 0U, 1, "k", "u", 2U),
                         0);
        message.message = m;
        ck_assert_int_eq(bus1_dbus_message_read(&message, "HhH", &h1, &fd, &h2), 0);
        ck_assert(h1 == 101 && h2 == 100);
        ck_assert(handles[0] == BUS1_INVALID && handles[1] == BUS1_INVALID && handles[2] == 102);
        close(fd);
        /* taken already: nothing else is taken */
        h1 = h2 = 7;
        fd = -77;
        ck_assert_int_eq(
                bus1_dbus_message_read(&message, "uhua{sv}", NULL, &fd, NULL, 1, NULL, "H", &h3),
                0);
        close(fd);
        ck_assert(h3 == 102);
        handles[2] = 102;
        fd = -77;
        h3 = 7;
        ck_assert_int_eq(
                bus1_dbus_message_read(&message, "uhHa{sv}", NULL, &fd, &h2, 1, NULL, "H", &h3),
                -EBADMSG);
        ck_assert(fd == -77 && h2 == 7 && h3 == 7 && handles[2] == 102);
        /* NULL leaves the handle where it is */
        handles[0] = 100;
        ck_assert_int_eq(bus1_dbus_message_read(&message, "uhH", NULL, NULL, NULL), 0);
        ck_assert(handles[0] == 100);
}
END_TEST

START_TEST(handles_that_did_not_come_are_an_error) {
        uint64_t handles[] = {100, 101}, h1 = 7, h2 = 7;
        struct bus1_dbus_message message = {.handles = handles, .n_handles = 2};
        int fd = -77;

        ck_assert_int_eq(bus1_dbus_append(&iter, "huuus", STDIN_FILENO, 1U, 2U, 1U, "s"), 0);
        message.message = m;
        ck_assert_int_eq(bus1_dbus_message_read(&message, "hHH", &fd, &h1, &h2), -EBADMSG);
        /* the same handle twice */
        ck_assert_int_eq(bus1_dbus_message_read(&message, "hHuH", &fd, &h1, NULL, &h2), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_message_read(&message, "hHuuH", &fd, &h1, NULL, NULL, &h2),
                         -EBADMSG);
        ck_assert_int_eq(bus1_dbus_message_read(&message, "H", &h1), -EBADMSG);
        ck_assert(fd == -77 && h1 == 7 && h2 == 7 && handles[0] == 100 && handles[1] == 101);
        ck_assert_int_eq(bus1_dbus_message_read(NULL, "H", &h1), -EINVAL);
        ck_assert_int_eq(bus1_dbus_message_read(&message, NULL), -EINVAL);
        renew();
        message.message = m;
        ck_assert_int_eq(bus1_dbus_message_read(&message, "s", NULL), -ENXIO);
        ck_assert_int_eq(bus1_dbus_message_read(&message, ""), 0);
}
END_TEST

/* what libdbus-1 would end the process for */

START_TEST(invalid_names_are_refused) {
        DBusError error = DBUS_ERROR_INIT;
        struct bus1_dbus_slot *slot;
        struct bus1_dbus *none = NULL;
        uint64_t bus = BUS1_DBUS_BUS;

        static const char *const calls[][4] = {
                {NULL, "/", "a.b", "C"},    {"a b", "/", "a.b", "C"},    {"a.b", NULL, "a.b", "C"},
                {"a.b", "x", "a.b", "C"},   {"a.b", "/", "ab", "C"},     {"a.b", "/", "a.b", NULL},
                {"a.b", "/", "a.b", "C.D"}, {"a.b", "/", "a.b", "\xff"}, {"\xff", "/", "a.b", "C"},
                {"a.b", "/", "a.b", "C"}, /* there is no bus */
        };

        for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
                const char *const *c = calls[i];

                ck_assert_int_eq(bus1_dbus_call_method(none, bus, c[0], c[1], c[2], c[3], &error,
                                                       NULL, "s", "x"),
                                 -EINVAL);
                ck_assert_str_eq(error.name, DBUS_ERROR_INVALID_ARGS);
                dbus_error_free(&error);
                ck_assert_int_eq(bus1_dbus_call_method_async(none, &slot, bus, c[0], c[1], c[2],
                                                             c[3], NULL, NULL, "s", "x"),
                                 -EINVAL);
                ck_assert_int_eq(bus1_dbus_get_property(none, bus, c[0], c[1], c[2], c[3], &error,
                                                        NULL, "u", NULL),
                                 -EINVAL);
                ck_assert_str_eq(error.name, DBUS_ERROR_INVALID_ARGS);
                dbus_error_free(&error);
                ck_assert_int_eq(
                        bus1_dbus_set_property(none, bus, c[0], c[1], c[2], c[3], &error, "u", 1U),
                        -EINVAL);
                ck_assert_str_eq(error.name, DBUS_ERROR_INVALID_ARGS);
                dbus_error_free(&error);
                ck_assert_int_eq(bus1_dbus_emit_signal(none, c[1], c[2], c[3], "s", "x"), -EINVAL);
                ck_assert_int_eq(
                        bus1_dbus_emit_signal_to(none, bus, c[0], c[1], c[2], c[3], "s", "x"),
                        -EINVAL);
                ck_assert_int_eq(bus1_dbus_object_emit_values(NULL, c[2], c[3], "s", "x"), -EINVAL);
        }
        ck_assert_int_eq(bus1_dbus_reply_values(NULL, "s", "x"), -EINVAL);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("all");

        tcase_add_unchecked_fixture(tcase, open_sdbus, close_sdbus);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, basic_types_are_appended_as_sd_bus_does);
        tcase_add_test(tcase, missing_text_is_the_empty_text_as_in_sd_bus);
        tcase_add_test(tcase, containers_are_appended_as_sd_bus_does);
        tcase_add_test(tcase, values_are_added_to_those_that_are_there);
        tcase_add_test(tcase, invalid_types_are_refused);
        tcase_add_test(tcase, invalid_values_are_refused);
        tcase_add_test(tcase, nesting_has_a_limit);
        tcase_add_test(tcase, variants_in_variants_have_the_limit_of_the_message);
        tcase_add_test(tcase, too_large_values_are_refused);
        tcase_add_test(tcase, arrays_are_appended_at_once);
        tcase_add_test(tcase, string_vectors_are_appended_at_once);
        tcase_add_test(tcase, basic_types_are_read);
        tcase_add_test(tcase, containers_are_read);
        tcase_add_test(tcase, other_types_are_not_read_at_all);
        tcase_add_test(tcase, descriptors_belong_to_the_reader);
        tcase_add_test(tcase, lack_of_descriptors_takes_none);
        tcase_add_test(tcase, arrays_are_read_at_once);
        tcase_add_test(tcase, string_vectors_are_read_at_once);
        tcase_add_test(tcase, arrays_of_any_length_are_entered);
        tcase_add_test(tcase, entries_are_read_one_by_one);
        tcase_add_test(tcase, entries_are_found_by_key);
        tcase_add_test(tcase, handles_are_taken_by_their_index);
        tcase_add_test(tcase, handles_that_did_not_come_are_an_error);
        tcase_add_test(tcase, invalid_names_are_refused);
        return suite_run("values", tcase);
}
