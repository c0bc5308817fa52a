/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The journal: how fields are added to an entry, in the protocol of journald. */

#include "fixture.h"

#include <string.h>

#include "bridge/base/journal.h"

static struct journal_entry entry;

static void setup(void) {
        entry.n = 0;
}

static void expect(const char *data, size_t n) {
        ck_assert_uint_eq(entry.n, n);
        ck_assert_mem_eq(entry.data, data, n);
}

START_TEST(journal_values_are_lines) {
        journal_add(&entry, "MESSAGE", "text = more", 11);
        journal_add(&entry, "EMPTY", "", 0);
        expect("MESSAGE=text = more\nEMPTY=\n", 27);
}
END_TEST

START_TEST(journal_values_with_line_breaks_have_a_length) {
        journal_add(&entry, "A", "b\nC=d", 5);
        expect("A\n\5\0\0\0\0\0\0\0b\nC=d\n", 16);
}
END_TEST

START_TEST(journal_values_are_cut) {
        char value[JOURNAL_VALUE_MAX + 1];

        memset(value, 'x', sizeof(value));
        journal_add(&entry, "A", value, sizeof(value));
        ck_assert_uint_eq(entry.n, 2 + JOURNAL_VALUE_MAX + 1);
}
END_TEST

START_TEST(journal_fields_without_room_are_left_out) {
        char value[JOURNAL_VALUE_MAX];
        size_t before;

        memset(value, '\n', sizeof(value));
        do {
                before = entry.n;
                journal_add(&entry, "A", value, sizeof(value));
        } while (entry.n > before);
        ck_assert_uint_le(entry.n, sizeof(entry.data));
        ck_assert_uint_gt(entry.n, sizeof(entry.data) - sizeof(value) - 16);
        journal_add(&entry, "B", "c", 1);
        ck_assert_uint_eq(entry.n, before + 4);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("journal");

        tcase_add_checked_fixture(tcase, setup, NULL);
        tcase_add_test(tcase, journal_values_are_lines);
        tcase_add_test(tcase, journal_values_with_line_breaks_have_a_length);
        tcase_add_test(tcase, journal_values_are_cut);
        tcase_add_test(tcase, journal_fields_without_room_are_left_out);
        return suite_main("journal", tcase);
}
