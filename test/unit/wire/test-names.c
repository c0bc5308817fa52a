/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The grammars of names and types: many short strings and chosen ones, compared with libdbus. */

#include <dbus/dbus.h>
#include <stdint.h>
#include <string.h>

#include "bridge/wire/names.h"
#include "bridge/wire/signature.h"
#include "test/unit/suite.h"

static bool yes(dbus_bool_t b) {
        return b;
}

static void compare(const char *s, size_t n) {
        /* without a terminator, so that sanitizers notice a read behind the end */
        char *bare = malloc(n ? n : 1);

        memcpy(bare, s, n);
        ck_assert_msg(name_is_valid_bus(bare, n) == yes(dbus_validate_bus_name(s, NULL)),
                      "bus '%s'", s);
        ck_assert_msg(name_is_valid_interface(bare, n) == yes(dbus_validate_interface(s, NULL)),
                      "interface '%s'", s);
        ck_assert_msg(name_is_valid_error(bare, n) == yes(dbus_validate_error_name(s, NULL)),
                      "error '%s'", s);
        ck_assert_msg(name_is_valid_member(bare, n) == yes(dbus_validate_member(s, NULL)),
                      "member '%s'", s);
        ck_assert_msg(name_is_valid_object_path(bare, n) == yes(dbus_validate_path(s, NULL)),
                      "path '%s'", s);
        ck_assert(name_check_bus(s, n) == name_is_valid_bus(bare, n));
        ck_assert(name_check_interface(s, n) == name_is_valid_interface(bare, n));
        ck_assert(name_check_member(s, n) == name_is_valid_member(bare, n));
        ck_assert(name_check_object_path(s, n) == name_is_valid_object_path(bare, n));
        ck_assert(name_is_valid_bus(bare, n) ==
                  (name_is_valid_unique(bare, n) || name_is_valid_well_known(bare, n)));
        free(bare);
}

/*
 * All strings of up to 5 characters of the alphabet, which has a character of each class of the
 * grammars.
 */
START_TEST(names_agree_with_libdbus) {
        static const char alphabet[] = "a0_.-:/";
        enum { N = sizeof(alphabet) - 1 };

        for (unsigned length = 0; length <= 5; length++) {
                unsigned total = 1;

                for (unsigned i = 0; i < length; i++)
                        total *= N;
                for (unsigned k = 0; k < total; k++) {
                        char s[8] = "";

                        for (unsigned i = 0, rest = k; i < length; ++i, rest /= N)
                                s[i] = alphabet[rest % N];
                        compare(s, length);
                }
        }
}
END_TEST

START_TEST(each_byte_is_in_its_class) {
        for (unsigned c = 1; c < 256; c++) {
                char s[] = {'a', '.', 'b', c, 0}, t[] = {'/', c, 0}, u[] = {':', c, '.', 'a', 0};

                compare(s, 4);
                compare(s + 2, 2);
                compare(t, 2);
                compare(t + 1, 1);
                compare(u, 4);
        }
}
END_TEST

START_TEST(names_have_at_most_255_bytes) {
        for (size_t n = 250; n < 260; n++) {
                char s[300];

                memset(s, 'a', n);
                s[n] = 0;
                compare(s, n);
                s[1] = '.';
                compare(s, n);
                s[0] = ':';
                compare(s, n);
                s[0] = s[1] = 'a';
                s[0] = '/';
                compare(s, n);
        }
}
END_TEST

START_TEST(names_do_not_contain_nul) {
        ck_assert(!name_is_valid_bus("a.b\0c", 5));
        ck_assert(!name_check_bus("a.b\0c", 5));
        ck_assert(!name_check_interface("a.b\0", 4));
        ck_assert(!name_check_member("a\0b", 3));
        ck_assert(!name_check_object_path("/a\0b", 4));
        ck_assert(!name_check_object_path("/a\0/b", 5));
        ck_assert(!name_check_bus(":1\0", 3));
        ck_assert(!name_is_valid_object_path("\0", 1));
}
END_TEST

START_TEST(namespace_may_be_one_element) {
        ck_assert(name_is_valid_namespace("a", 1));
        ck_assert(name_is_valid_namespace("a.b", 3));
        ck_assert(name_is_valid_namespace(":1.2", 4));
        ck_assert(name_is_valid_namespace("a-b", 3));
        ck_assert(!name_is_valid_namespace("", 0));
        ck_assert(!name_is_valid_namespace("a.", 2));
        ck_assert(!name_is_valid_namespace("1", 1));
        ck_assert(!name_is_valid_namespace("a/b", 3));
}
END_TEST

/* Put s between ASCII characters, at several offsets, and compare the verdicts. */
static void compare_utf8(const char *s, size_t n) {
        for (size_t before = 0; before < 18; before += 1 + before / 2 * 2) {
                char text[64], *bare;
                size_t total = before + n + before % 3;

                memset(text, 'x', sizeof(text));
                memcpy(text + before, s, n);
                text[total] = 0;
                if (memchr(text, 0, total) == NULL)
                        ck_assert_msg(name_is_valid_utf8(text, total) ==
                                              yes(dbus_validate_utf8(text, NULL)),
                                      "'%s'", text);
                else
                        ck_assert(!name_is_valid_utf8(text, total));
                bare = malloc(total ? total : 1);
                memcpy(bare, text, total);
                ck_assert(name_is_valid_utf8(bare, total) == name_is_valid_utf8(text, total));
                free(bare);
        }
}

START_TEST(utf8_agrees_with_libdbus) {
        static const uint8_t bytes[] = {0,    1,    0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbe, 0xbf,
                                        0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
                                        0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xfc, 0xff};
        enum { N = sizeof(bytes) };

        for (unsigned k = 0; k < N * N * N * 4; k++) {
                char s[4] = {bytes[k % N], bytes[k / N % N], bytes[k / N / N % N],
                             "\x80\xbfz\xc0"[k / N / N / N]};

                /* shorter strings do not depend on s[3]: check them with one value of it only */
                for (size_t n = k < N * N * N ? 1 : 4; n <= sizeof(s); n++)
                        compare_utf8(s, n);
        }
        ck_assert(name_is_valid_utf8("", 0));
}
END_TEST

/* Whether more than 32 arrays are nested, also across structs. libdbus counts anew in a struct. */
static bool too_many_arrays(const char *s) {
        unsigned depth[256] = {}, n = 0, open = 0;

        for (; *s; s++) {
                if (*s == 'a') {
                        ++open;
                        if (open > 32)
                                return true;
                        continue;
                }
                if (*s == '(' || *s == '{') {
                        depth[n++] = open;
                        continue;
                }
                if (*s == ')' || *s == '}')
                        --n;
                open = n > 0 ? depth[n - 1] : 0;
        }
        return false;
}

/* The checks for signatures in messages agree with the one for other signatures. */
static void check_in_message(const char *s, size_t n, bool valid) {
        char *message = malloc(n + 4);

        memcpy(message, "yyy", 3);
        memcpy(message + 3, s, n);
        message[n + 3] = 0;
        ck_assert_msg(signature_check(message + 3, n) == valid, "'%s'", s);
        ck_assert_msg(signature_check_one(message + 3, n) ==
                              (valid && dbus_signature_validate_single(s, NULL)),
                      "'%s'", s);
        free(message);
}

START_TEST(signatures_agree_with_libdbus) {
        static const char alphabet[] = "aaa((()))yisvga{}{sv}z", reserved[] = "mre*?@&^";
        uint64_t random = 1;
        unsigned n_valid = 0;

        for (unsigned k = 0; k < 100000; k++) {
                char s[64];
                size_t n = test_random(&random) % 14;
                bool valid;

                for (size_t i = 0; i < n; i++)
                        s[i] = alphabet[test_random(&random) % (sizeof(alphabet) - 1)];
                s[n] = 0;
                valid = yes(dbus_signature_validate(s, NULL)) && !too_many_arrays(s);
                ck_assert_msg(name_is_valid_signature(s, n) == valid, "'%s'", s);
                check_in_message(s, n, valid);
                n_valid += valid;
        }
        for (size_t i = 0; i < sizeof(reserved); i++) {
                const char s[] = {'y', reserved[i]};

                ck_assert(!name_is_valid_signature(s, sizeof(s)));
        }
        ck_assert_uint_gt(n_valid, 1000);
}
END_TEST

START_TEST(signatures_have_limits) {
        char s[300];

        memset(s, 'y', sizeof(s));
        ck_assert(name_is_valid_signature(s, 255));
        ck_assert(!name_is_valid_signature(s, 256));

        memset(s, 'a', sizeof(s));
        s[32] = 'y';
        ck_assert(name_is_valid_signature(s, 33));
        ck_assert(!name_is_valid_signature(s, 32));
        s[32] = 'a', s[33] = 'y';
        ck_assert(!name_is_valid_signature(s, 34));
        ck_assert(!name_is_valid_signature("y\0y", 3));
        /* arrays beside each other do not add to the depth */
        ck_assert(name_is_valid_signature("aaaaaaaaaaaaaaaaaayaaaaaaaaaaaaaaaaaay", 38));

        for (unsigned depth = 32; depth <= 33; depth++) {
                memset(s, '(', depth);
                s[depth] = 'y';
                memset(s + depth + 1, ')', depth);
                ck_assert(name_is_valid_signature(s, 2 * depth + 1) == (depth == 32));
        }

        /* the arrays around a struct count, whatever is before them */
        ck_assert(name_is_valid_signature("aaaaaaaaaaaaaaaaa(sa{sv}aaaaaaaaaaaaaaay)", 41));
        ck_assert(!name_is_valid_signature("aaaaaaaaaaaaaaaaa(sa{sv}aaaaaaaaaaaaaaaay)", 42));
        ck_assert(!signature_check_one("aaaaaaaaaaaaaaaaa(sa{sv}aaaaaaaaaaaaaaaay)", 42));
}
END_TEST

/* A signature with one type must not end inside of a bracket, even if it ends with a value. */
START_TEST(one_type_is_complete) {
        static const char *const incomplete[] = {"",    "yy",   "y}",       "(y",
                                                 "a{y", "a{yy", "a{ya{yy}", "{yy}"};

        ck_assert(signature_check_one("a{ya{yy}}", 9));
        for (size_t i = 0; i < sizeof(incomplete) / sizeof(incomplete[0]); i++)
                ck_assert_msg(!signature_check_one(incomplete[i], strlen(incomplete[i])), "'%s'",
                              incomplete[i]);
}
END_TEST

START_TEST(signatures_are_measured) {
        static const struct {
                const char *signature;
                uint8_t steps[16];
        } rows[] = {
                {"y", {1}},
                {"yyybbs", {3, 2, 1, 1, 1, 1}},
                {"((y)y)", {2, 1, 1, 1, 1, 1}},
                {"(((yy)))", {3, 2, 1, 2, 1, 3, 2, 1}},
                {"a(yya{sv})v", {10, 1, 2, 1, 5, 1, 1, 1, 2, 1, 1}},
                {"aaayyaa(s)", {4, 3, 2, 2, 1, 5, 4, 1, 1, 1}},
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint8_t steps[SIGNATURE_LENGTH_MAX];

                signature_measure(rows[i].signature, steps);
                for (size_t k = 0; rows[i].signature[k]; k++)
                        ck_assert_msg(steps[k] == rows[i].steps[k], "'%s' at %zu: %u",
                                      rows[i].signature, k, steps[k]);
        }
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("all");

        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, names_agree_with_libdbus);
        tcase_add_test(tcase, each_byte_is_in_its_class);
        tcase_add_test(tcase, names_have_at_most_255_bytes);
        tcase_add_test(tcase, names_do_not_contain_nul);
        tcase_add_test(tcase, namespace_may_be_one_element);
        tcase_add_test(tcase, utf8_agrees_with_libdbus);
        tcase_add_test(tcase, signatures_agree_with_libdbus);
        tcase_add_test(tcase, signatures_have_limits);
        tcase_add_test(tcase, one_type_is_complete);
        tcase_add_test(tcase, signatures_are_measured);
        return suite_run("names", tcase);
}
