/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Server addresses, compared with libdbus. */

#include <dbus/dbus.h>
#include <errno.h>
#include <string.h>

#include "bridge/wire/address.h"
#include "test/unit/suite.h"

static const struct {
        const char *text;
        unsigned n_entries; /* 0: refused */
        bool differs;       /* refused here, but libdbus accepts it */
} addresses[] = {
        {"unix:path=/tmp/bus", 1},
        {"unix:path=/a;unix:abstract=b", 2},
        {"unix:path=/a;", 1},
        {"unix:path=/a,", 1},
        {"unix:path=/a,guid=0123,x=y;tcp:host=localhost,port=0;systemd:", 3},
        {"systemd:", 1},
        {"unix:path=/a%20b%2c%3B%25", 1},
        {"unix:path=-_/.\\*aZ09", 1},
        {"unix:path=/a,path=/b", 1},
        {"", 0},
        {";", 0},
        {";unix:path=/a", 0},
        {"unix:path=/a;;unix:path=/b", 0},
        {"unix", 0},
        {"unix:path", 0},
        {"unix:path=", 0},
        {"unix:=a", 0},
        {"unix:,path=/a", 0},
        {"unix:path=/a,,b=c", 0},
        {"unix:path=a=b", 0},
        {"unix:path=a b", 0},
        {"unix:path=a:b", 0},
        {"unix:path=~", 0},
        {"unix:path=%", 0},
        {"unix:path=%4", 0},
        {"unix:path=%4,a=b", 0},
        {"unix:path=%4z", 0},
        {"unix:path=\xc3\xa4", 0},
        {"unix:path=%00", 0, true},
        {":path=/a", 0, true},
};

START_TEST(addresses_agree_with_libdbus) {
        const char *text = addresses[_i].text;
        struct address_list list = {};
        DBusAddressEntry **entries;
        char *error = NULL;
        int r, n;

        r = address_list_parse(text, &list, &error);
        ck_assert_msg((r == 0) == (addresses[_i].n_entries > 0), "%s: %d, %s", text, r, error);
        ck_assert_uint_eq(list.n_entries, addresses[_i].n_entries);
        if (r) {
                ck_assert_int_eq(r, -EINVAL);
                ck_assert_ptr_nonnull(error);
                free(error);
        }

        if (!dbus_parse_address(text, &entries, &n, NULL)) {
                ck_assert(r != 0);
                return;
        }
        ck_assert(r == 0 || addresses[_i].differs);
        if (r == 0) {
                ck_assert_uint_eq(list.n_entries, n);
                for (int i = 0; i < n; i++) {
                        ck_assert_str_eq(list.entries[i].transport,
                                         dbus_address_entry_get_method(entries[i]));
                        for (size_t j = 0; j < list.entries[i].n_pairs; j++) {
                                const char *key = list.entries[i].pairs[j].key;

                                ck_assert_str_eq(address_entry_get(&list.entries[i], key),
                                                 dbus_address_entry_get_value(entries[i], key));
                        }
                        ck_assert_ptr_null(address_entry_get(&list.entries[i], "no"));
                }
                address_list_deinit(&list);
                ck_assert_uint_eq(list.n_entries, 0);
        }
        dbus_address_entries_free(entries);
}
END_TEST

START_TEST(errors_need_no_receiver) {
        struct address_list list;

        ck_assert_int_eq(address_list_parse("unix", &list, NULL), -EINVAL);
}
END_TEST

START_TEST(escaping_is_undone_by_parsing) {
        char value[255], text[1024], *escaped, *theirs;
        struct address_list list;

        for (unsigned c = 1; c < 256; c++)
                value[c - 1] = c;
        escaped = address_escape(value, sizeof(value));
        ck_assert_ptr_nonnull(escaped);
        strcpy(text, "unix:path=");
        strcat(text, escaped);
        ck_assert_int_eq(address_list_parse(text, &list, NULL), 0);
        ck_assert_mem_eq(address_entry_get(&list.entries[0], "path"), value, sizeof(value));
        address_list_deinit(&list);
        free(escaped);

        theirs = dbus_address_escape_value("/a b,c;d=%~*\\-");
        escaped = address_escape("/a b,c;d=%~*\\-", strlen("/a b,c;d=%~*\\-"));
        ck_assert_str_eq(escaped, theirs);
        dbus_free(theirs);
        free(escaped);

        escaped = address_escape("", 0);
        ck_assert_str_eq(escaped, "");
        free(escaped);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("all");

        tcase_add_loop_test(tcase, addresses_agree_with_libdbus, 0,
                            sizeof(addresses) / sizeof(addresses[0]));
        tcase_add_test(tcase, errors_need_no_receiver);
        tcase_add_test(tcase, escaping_is_undone_by_parsing);
        return suite_run("address", tcase);
}
