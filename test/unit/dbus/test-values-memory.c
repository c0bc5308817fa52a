/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Memory runs out while values are appended and read: each allocation fails once, also those of
 * libdbus-1. Each time the result is -ENOMEM, nothing was taken, and nothing leaks.
 *
 * libdbus-1 keeps a few freed messages for later ones. So the test does everything twice, and only
 * then counts the allocations that are left.
 */

#include <bus1/dbus-values.h>
#include <bus1/hosted.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/unit/dbus/sdbus.h"
#include "test/unit/suite.h"

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

/* The build hides symbols by default; these must replace those of the C library. */
#define PUBLIC __attribute__((visibility("default")))

static long left = -1; /* how many allocations still succeed; negative: all */
static atomic_long n_live;

static bool must_fail(void) {
        if (left < 0 || left-- > 0)
                return false;
        errno = ENOMEM;
        return true;
}

static void *counted(void *p) {
        n_live += p != NULL;
        return p;
}

PUBLIC void *malloc(size_t n) {
        return must_fail() ? NULL : counted(__libc_malloc(n));
}

PUBLIC void *calloc(size_t n, size_t size) {
        return must_fail() ? NULL : counted(__libc_calloc(n, size));
}

PUBLIC void *realloc(void *p, size_t n) {
        void *q;

        if (must_fail())
                return NULL;
        q = __libc_realloc(p, n);
        if (!p)
                counted(q);
        return q;
}

PUBLIC void free(void *p) {
        n_live -= p != NULL;
        __libc_free(p);
}

static DBusMessage *m; /* what read functions read */
static uint64_t handles[] = {100, 101};
static struct bus1_dbus_message message = {.handles = handles, .n_handles = 2};
static struct bus1_dbus *bus;

/* What is done while allocations fail. Each returns its result, and frees what it got. */

static int append_all(DBusMessage *to) {
        static const uint64_t t[] = {1, 2, 3};
        DBusMessageIter iter;
        int r;

        dbus_message_iter_init_append(to, &iter);
        r = bus1_dbus_append(&iter, "saasa{sv}hv(uyu)", "a", 2, 1, "x", 2, "y", "z", 2, "k", "as",
                             1, "long enough for a string buffer to grow: 0123456789", "l", "h",
                             STDIN_FILENO, STDIN_FILENO, "v", "(us)", 5U, "z", 0U, 1, 1U);
        if (r >= 0)
                r = bus1_dbus_append_array(&iter, 't', t, 3);
        if (r >= 0)
                r = bus1_dbus_append_array(&iter, 'b', t, 3);
        if (r >= 0)
                r = bus1_dbus_append_strv(&iter, (char *[]){"a", "b", NULL});
        return r;
}

static int do_append(void) {
        DBusMessage *to = dbus_message_new(DBUS_MESSAGE_TYPE_SIGNAL);
        int r;

        if (!to)
                return -ENOMEM;
        r = append_all(to);
        dbus_message_unref(to);
        return r;
}

static int do_read(void) {
        uint64_t h1 = BUS1_INVALID, h2 = BUS1_INVALID;
        int fd1 = -1, fd2 = -1, r;
        const char *s = NULL, *s2 = NULL;

        r = bus1_dbus_message_read(&message, "saasa{sv}hv(HyH)", &s, 2, 1, NULL, 2, NULL, NULL, 2,
                                   NULL, "as", 1, NULL, NULL, "h", &fd1, &fd2, "v", "(us)", NULL,
                                   &s2, &h1, NULL, &h2);
        if (r < 0) {
                ck_assert(fd1 == -1 && fd2 == -1 && !s && !s2);
                ck_assert(h1 == BUS1_INVALID && h2 == BUS1_INVALID);
                ck_assert(handles[0] == 100 && handles[1] == 101);
                return r;
        }
        close(fd1);
        close(fd2);
        ck_assert(h1 == 100 && h2 == 101);
        handles[0] = h1;
        handles[1] = h2;
        return 0;
}

static int do_read_containers(void) {
        DBusMessageIter iter, inner, at_dictionary;
        size_t n = 0;
        char **strv;
        int r, k;

        dbus_message_iter_init(m, &iter);
        dbus_message_iter_next(&iter);
        r = bus1_dbus_read_container(&iter, 'a', "as", &inner);
        if (r < 0)
                return r;
        while ((r = bus1_dbus_read_strv(&inner, &strv)) == 0) {
                free(strv);
                n++;
        }
        if (r != -ENXIO)
                return r;
        ck_assert_uint_eq(n, 2);
        at_dictionary = iter;
        r = bus1_dbus_read_entry(&at_dictionary, "l", "h", &k);
        if (r == 1)
                close(k);
        if (r >= 0)
                r = bus1_dbus_read_entry(&at_dictionary, "k", "as", 1, NULL);
        return r < 0 ? r : 0;
}

/* There is no bus, so a call that was made is not sent. */
static int without_bus(int r) {
        return r == -ENOTCONN ? 0 : r;
}

static int do_call(void) {
        DBusError error = DBUS_ERROR_INIT;
        int r;

        r = bus1_dbus_call_method(bus, BUS1_DBUS_BUS, "a.b", "/", "a.b", "C", &error, NULL,
                                  "sa{sv}hH", "a", 1, "k", "s", "v", STDIN_FILENO, UINT64_C(5));
        ck_assert(dbus_error_is_set(&error));
        dbus_error_free(&error);
        return without_bus(r);
}

static int no_reply(struct bus1_dbus_message *reply, void *userdata) {
        return 0;
}

static int do_call_async(void) {
        struct bus1_dbus_slot *slot;

        return without_bus(bus1_dbus_call_method_async(bus, &slot, BUS1_DBUS_BUS, "a.b", "/", "a.b",
                                                       "C", no_reply, NULL, "as", 1, "a"));
}

static int do_set_property(void) {
        return without_bus(bus1_dbus_set_property(bus, BUS1_DBUS_BUS, "a.b", "/", "a.b", "C", NULL,
                                                  "a{sv}", 1, "k", "s", "v"));
}

static int do_get_property(void) {
        return without_bus(bus1_dbus_get_property(bus, BUS1_DBUS_BUS, "a.b", "/", "a.b", "C", NULL,
                                                  NULL, "u", NULL));
}

static int do_emit(void) {
        return without_bus(bus1_dbus_emit_signal(bus, "/", "a.b", "C", "a(sh)", 1, "a", 0));
}

static int (*const operations[])(void) = {
        do_append,     do_read,         do_read_containers, do_call,
        do_call_async, do_set_property, do_get_property,    do_emit,
};

/* Let each allocation of the operation fail. Returns how many there are. */
static long fail_each(int (*operation)(void)) {
        long n;
        int r = -ENOMEM;

        for (n = 0; r != 0; n++) {
                ck_assert_int_lt(n, 100000);
                left = n;
                r = operation();
                left = -1;
                ck_assert_msg(r == 0 || r == -ENOMEM, "allocation %ld: %s", n, strerror(-r));
        }
        return n - 1;
}

START_TEST(lack_of_memory_takes_and_leaks_nothing) {
        const size_t i = (size_t)_i;
        unsigned n_fds;
        long before;

        m = dbus_message_new(DBUS_MESSAGE_TYPE_SIGNAL);
        ck_assert_int_eq(append_all(m), 0);
        message.message = m;
        fail_each(operations[i]);
        fail_each(operations[i]);
        n_fds = count_fds();
        before = n_live;
        ck_assert_int_gt(fail_each(operations[i]), 0);
        fail_each(operations[i]);
        ck_assert_int_eq(n_live, before);
        ck_assert_uint_eq(count_fds(), n_fds);
        dbus_message_unref(m);
}
END_TEST

int main(void) {
        struct bus1_client *client;
        TCase *tcase = tcase_create("all");
        struct bus1_domain *domain;
        int result;

        if (bus1_domain_new(&domain) < 0 || bus1_domain_client_new(domain, &client) < 0 ||
            bus1_dbus_new_from_client(&bus, client) < 0)
                return EXIT_FAILURE;
        tcase_add_loop_test(tcase, lack_of_memory_takes_and_leaks_nothing, 0,
                            sizeof(operations) / sizeof(*operations));
        result = suite_run("values-memory", tcase);
        bus1_dbus_free(bus);
        bus1_domain_free(domain);
        return result;
}
