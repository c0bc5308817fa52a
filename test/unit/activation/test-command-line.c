/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Command lines: the words of a text, and texts that are no command line.
 *
 * The first list has texts from which dbus-daemon 1.14 makes the same words. From the texts of the
 * second list, dbus-daemon makes additional empty words.
 */

#include <errno.h>
#include <string.h>

#include "bridge/activation/command-line.h"
#include "test/unit/suite.h"

#define WORDS_MAX 5

struct example {
        const char *text;
        const char *words[WORDS_MAX];
};

static void check(const struct example *example) {
        const char *reason = NULL;
        char **argv;
        size_t n = 0;

        ck_assert_int_eq(command_line_split(example->text, &argv, &reason), 0);
        ck_assert_ptr_null(reason);
        for (; n < WORDS_MAX && example->words[n]; n++)
                ck_assert_str_eq(argv[n], example->words[n]);
        ck_assert_ptr_null(argv[n]);
        ck_assert_ptr_null(command_line_free(argv));
}

START_TEST(words_are_those_of_dbus_daemon) {
        static const struct example examples[] = {
                {"/x", {"/x"}},
                {"a b", {"a", "b"}},
                {"a  b\tc", {"a", "b", "c"}},
                {"a\nb", {"a", "b"}},
                {" a ", {"a"}},
                {"'a b'c", {"a bc"}},
                {"\"a b\"c", {"a bc"}},
                {"\"a\"'b'c", {"abc"}},
                {"''", {""}},
                {"\"\"", {""}},
                {"a '' b", {"a", "", "b"}},
                {"\"a\\$b\"", {"a$b"}},
                {"\"a\\qb\"", {"a\\qb"}},
                {"\"`\\`\\!\"", {"``\\!"}},
                {"\"a\\\"b\"", {"a\"b"}},
                {"\"a\\\\\"", {"a\\"}},
                {"\"a\nb\"", {"a\nb"}},
                {"\"a\\\nb\"", {"a\nb"}},
                {"'a\nb'", {"a\nb"}},
                {"'a\\b'", {"a\\b"}},
                {"a\\ b", {"a b"}},
                {"a\\qb", {"aqb"}},
                {"a\\\nb", {"ab"}},
                {"a \\\n b", {"a", "b"}},
                {"a\\\\b", {"a\\b"}},
                {"\\'a", {"'a"}},
                {"'a'\\''b'", {"a'b"}},
                {"a#b", {"a"}},
                {"a#\"b", {"a"}},
                {"'a'#b", {"a"}},
                {"a\"#\"b", {"a#b"}},
                {"a '#' b", {"a", "#", "b"}},
                {"a\\#b", {"a#b"}},
                {"a \\#b", {"a", "#b"}},
                {"a\n#b\nc", {"a", "c"}},
                {"a #b\nc", {"a", "c"}},
                {"a #'b\nc", {"a", "c"}},
                {"#x\n/y a", {"/y", "a"}},
                /* other syntax of a shell has no meaning */
                {"$HOME ~ * `ls` a;b", {"$HOME", "~", "*", "`ls`", "a;b"}},
                {"a&b a|b a>b (a) {a,b}", {"a&b", "a|b", "a>b", "(a)", "{a,b}"}},
                {"\"a$HOME\" ! a=b \\~", {"a$HOME", "!", "a=b", "~"}},
                /* these characters are no blanks */
                {"a\rb a\vb a\fb", {"a\rb", "a\vb", "a\fb"}},
                {"\xc3\xa9", {"\xc3\xa9"}},
        };

        for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++)
                check(&examples[i]);
}
END_TEST

START_TEST(comments_and_empty_lines_are_no_words) {
        static const struct example examples[] = {
                {"", {}},         {" \t\n", {}},     {"#", {}},
                {"# 'x", {}},     {"a #b", {"a"}},   {"a\t#b", {"a"}},
                {"a #'b", {"a"}}, {"\"\" #x", {""}}, {"a\n\nb", {"a", "b"}},
                {"\n/x", {"/x"}},
        };

        for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++)
                check(&examples[i]);
}
END_TEST

START_TEST(what_is_left_open_is_no_command_line) {
        static const char *const texts[] = {
                "'",     "\"",      "\\",        "'a",         "\"a",  "a\\",
                "\"a\\", "\"a\\\"", "a 'b\\'c'", "a 'b' \"c'", "'a\n", "a\n\\",
        };

        for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
                const char *reason = NULL;
                char **argv = NULL;

                ck_assert_int_eq(command_line_split(texts[i], &argv, &reason), -EINVAL);
                ck_assert_ptr_nonnull(reason);
                ck_assert_ptr_null(argv);
        }
}
END_TEST

START_TEST(there_may_be_many_words) {
        enum { N = 5000 };
        const char *reason = NULL;
        char text[2 * N + 1], **argv;
        size_t n = 0;

        for (size_t i = 0; i < N; i++)
                memcpy(text + 2 * i, "w ", 3);
        ck_assert_int_eq(command_line_split(text, &argv, &reason), 0);
        for (; argv[n]; n++)
                ck_assert_str_eq(argv[n], "w");
        ck_assert_uint_eq(n, N);
        command_line_free(argv);
        command_line_free(NULL);
}
END_TEST

int main(void) {
        TCase *t = tcase_create("command-line");

        tcase_add_test(t, words_are_those_of_dbus_daemon);
        tcase_add_test(t, comments_and_empty_lines_are_no_words);
        tcase_add_test(t, what_is_left_open_is_no_command_line);
        tcase_add_test(t, there_may_be_many_words);
        return suite_run("activation-command-line", t);
}
