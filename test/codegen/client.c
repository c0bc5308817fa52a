/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A client with the code that bus1-dbus-codegen makes from every.xml
 *
 * It calls the server (server.c) twice: by name and path, and through a handle. It stops at the
 * first fault. It is compiled as C and as C++.
 */

#include "every.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "org.bus1.Test"
#define PATH "/org/bus1/Test"

static DBusError error = DBUS_ERROR_INIT;

static void expect(bool condition, const char *what, int line) {
        if (condition)
                return;
        fprintf(stderr, "client.c:%d: %s (%s: %s)\n", line, what,
                error.name ? error.name : "no error", error.message ? error.message : "");
        exit(1);
}

#define EXPECT(condition) expect((condition), #condition, __LINE__)

static void expect_failure(int r, int expected, const char *name, int line) {
        expect(r == expected && dbus_error_has_name(&error, name), name, line);
        dbus_error_free(&error);
}

#define EXPECT_ERROR(r, expected, name) expect_failure((r), (expected), (name), __LINE__)

/* calls */

static void check_basic(const struct every_client *client) {
        const char *s, *o, *g;
        struct bus1_dbus_message *reply;
        uint8_t y;
        int16_t n;
        uint16_t q;
        int32_t i;
        uint32_t u;
        int64_t x;
        uint64_t t;
        double d;
        int b;

        EXPECT(every_call_basic(client, 255, 1, INT16_MIN, UINT16_MAX, INT32_MIN, UINT32_MAX,
                                INT64_MIN, UINT64_MAX, 0.25, "text", "/a/b", "a{sv}", &y, &b, &n,
                                &q, &i, &u, &x, &t, &d, &s, &o, &g, &reply, &error) == 0);
        EXPECT(y == 255 && b == 1 && n == INT16_MIN && q == UINT16_MAX && i == INT32_MIN);
        EXPECT(u == UINT32_MAX && x == INT64_MIN && t == UINT64_MAX && d == 0.25);
        EXPECT(!strcmp(s, "text") && !strcmp(o, "/a/b") && !strcmp(g, "a{sv}"));
        bus1_dbus_message_unref(reply);
        /* wrong arguments: not sent */
        EXPECT_ERROR(every_call_basic(client, 1, 1, 1, 1, 1, 1, 1, 1, 1, "text", "no path", "s", &y,
                                      &b, &n, &q, &i, &u, &x, &t, &d, &s, &o, &g, &reply, &error),
                     -EINVAL, DBUS_ERROR_INVALID_ARGS);
        EXPECT_ERROR(every_call_basic(client, 1, 1, 1, 1, 1, 1, 1, 1, 1, "text", "/", "s", &y, &b,
                                      &n, &q, &i, &u, &x, &t, &d, &s, &o, &g, NULL, &error),
                     -EINVAL, DBUS_ERROR_INVALID_ARGS);
        EXPECT_ERROR(every_call_basic(client, 1, 1, 1, 1, 1, 1, 1, 1, 1, "text", "/", "s", NULL, &b,
                                      &n, &q, &i, &u, &x, &t, &d, &s, &o, &g, &reply, &error),
                     -EINVAL, DBUS_ERROR_INVALID_ARGS);
}

static void check_arrays(const struct every_client *client) {
        static const char *const strings[] = {"one", "", "three", NULL};
        static const char *const paths[] = {"/", "/a", NULL};
        static const uint8_t bytes[] = {1, 0, 255};
        static const double numbers[] = {0.5};
        static const int flags[] = {1, 0};
        size_t n_bytes, n_numbers, n_flags;
        char **ret_strings, **ret_paths;
        struct bus1_dbus_message *reply;
        const double *ret_numbers;
        const uint8_t *ret_bytes;
        const int *ret_flags;

        EXPECT(every_call_arrays(client, (char *const *)strings, (char *const *)paths, bytes, 3,
                                 numbers, 1, flags, 2, &ret_strings, &ret_paths, &ret_bytes,
                                 &n_bytes, &ret_numbers, &n_numbers, &ret_flags, &n_flags, &reply,
                                 &error) == 0);
        EXPECT(!strcmp(ret_strings[0], "one") && !strcmp(ret_strings[1], "") &&
               !strcmp(ret_strings[2], "three") && !ret_strings[3]);
        EXPECT(!strcmp(ret_paths[0], "/") && !strcmp(ret_paths[1], "/a") && !ret_paths[2]);
        EXPECT(n_bytes == 3 && !memcmp(ret_bytes, bytes, 3));
        EXPECT(n_numbers == 1 && ret_numbers[0] == 0.5);
        EXPECT(n_flags == 2 && ret_flags[0] == 1 && ret_flags[1] == 0);
        free(ret_strings);
        free(ret_paths);
        bus1_dbus_message_unref(reply);

        EXPECT(every_call_arrays(client, NULL, NULL, NULL, 0, NULL, 0, NULL, 0, &ret_strings,
                                 &ret_paths, &ret_bytes, &n_bytes, &ret_numbers, &n_numbers,
                                 &ret_flags, &n_flags, &reply, &error) == 0);
        EXPECT(!ret_strings[0] && !ret_paths[0] && n_bytes == 0 && n_numbers == 0 && n_flags == 0);
        free(ret_strings);
        free(ret_paths);
        bus1_dbus_message_unref(reply);
}

static int append_size(DBusMessageIter *iter, void *userdata) {
        return bus1_dbus_append(iter, "a{sv}", 2U, "Title", "s", "x", "Size", "u",
                                *(uint32_t *)userdata);
}

static int append_pair(DBusMessageIter *iter, void *userdata) {
        return bus1_dbus_append(iter, "(su)", (const char *)userdata, 6U);
}

static int append_any(DBusMessageIter *iter, void *userdata) {
        (void)userdata;
        return bus1_dbus_append(iter, "v", "s", "any");
}

static int append_wrong(DBusMessageIter *iter, void *userdata) {
        (void)userdata;
        return bus1_dbus_append(iter, "u", 1U);
}

static void check_containers(const struct every_client *client) {
        char text[] = "pair";
        uint32_t size = 5, ret_size = 0, number = 0;
        DBusMessageIter options, pair, any;
        struct bus1_dbus_message *reply;
        const char *s;

        EXPECT(every_call_containers(client, append_size, &size, append_pair, text, append_any,
                                     NULL, &options, &pair, &any, &reply, &error) == 0);
        EXPECT(bus1_dbus_read_entry(&options, "Size", "u", &ret_size) == 1 && ret_size == 5);
        EXPECT(bus1_dbus_read(&pair, "(su)", &s, &number) == 0 && number == 6);
        EXPECT(!strcmp(s, "pair"));
        EXPECT(bus1_dbus_read(&any, "v", "s", &s) == 0 && !strcmp(s, "any"));
        bus1_dbus_message_unref(reply);
        /* an empty dictionary needs no function, but a structure does */
        EXPECT(every_call_containers(client, NULL, NULL, append_pair, text, append_any, NULL,
                                     &options, &pair, &any, &reply, &error) == 0);
        EXPECT(bus1_dbus_read_entry(&options, "Size", "u", &ret_size) == 0);
        bus1_dbus_message_unref(reply);
        EXPECT_ERROR(every_call_containers(client, NULL, NULL, NULL, NULL, append_any, NULL,
                                           &options, &pair, &any, &reply, &error),
                     -EINVAL, DBUS_ERROR_INVALID_ARGS);
        /* a function that appends something else */
        EXPECT_ERROR(every_call_containers(client, append_wrong, NULL, append_pair, text,
                                           append_any, NULL, &options, &pair, &any, &reply, &error),
                     -EINVAL, DBUS_ERROR_INVALID_ARGS);
}

static void check_attachments(const struct every_client *client) {
        struct bus1_dbus_object *object;
        uint64_t handle, returned;
        int fds[2], file = -1;
        char letter;

        EXPECT(pipe(fds) == 0);
        EXPECT(every_call_descriptor(client, fds[1], &file, &error) == 0);
        EXPECT(file >= 0 && file != fds[1] && write(file, "x", 1) == 1);
        EXPECT(read(fds[0], &letter, 1) == 1 && letter == 'x');
        close(file);
        close(fds[0]);
        close(fds[1]);

        EXPECT(bus1_dbus_object_new(client->bus, NULL, NULL, NULL, &object) == 0);
        EXPECT(bus1_dbus_object_get_handle(object, &handle) == 0);
        EXPECT(every_call_handle(client, handle, 5, &returned, &error) == 0);
        EXPECT(returned != BUS1_INVALID);
        bus1_dbus_release(client->bus, returned);
        EXPECT_ERROR(every_call_handle(client, handle, 6, &returned, &error), -EREMOTEIO,
                     DBUS_ERROR_INVALID_ARGS);
        bus1_dbus_object_free(object);
}

static void check_others(const struct every_client *client) {
        struct every_client wrong = *client;
        struct bus1_dbus_message *reply;
        const char *text;

        EXPECT(every_call_nothing(client, &error) == 0);
        EXPECT(every_call_nothing(client, NULL) == 0);
        EXPECT_ERROR(every_call_other_name(client, &error), -EREMOTEIO, "System.Error.EBUSY");
        EXPECT(every_call_delete(client, "a", "b", "c", "d", &text, &reply, &error) == 0);
        EXPECT(!strcmp(text, "a b c d"));
        bus1_dbus_message_unref(reply);
        EXPECT_ERROR(every_call_nothing(NULL, &error), -EINVAL, DBUS_ERROR_INVALID_ARGS);
        wrong.path = "relative";
        EXPECT_ERROR(every_call_nothing(&wrong, &error), -EINVAL, DBUS_ERROR_INVALID_ARGS);
        wrong.path = "/none";
        wrong.to = BUS1_DBUS_BUS;
        wrong.destination = NAME;
        EXPECT_ERROR(every_call_nothing(&wrong, &error), -EREMOTEIO, DBUS_ERROR_UNKNOWN_OBJECT);
        wrong.destination = "not a name";
        EXPECT_ERROR(every_call_nothing(&wrong, &error), -EINVAL, DBUS_ERROR_INVALID_ARGS);
        /* the server has no function for this method: see server.c */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        EXPECT_ERROR(every_call_old(client, &error), -EREMOTEIO, DBUS_ERROR_UNKNOWN_METHOD);
#pragma GCC diagnostic pop
}

static int answered(struct bus1_dbus_message *reply, void *userdata) {
        *(struct bus1_dbus_message **)userdata = bus1_dbus_message_ref(reply);
        return 0;
}

static void dispatch(struct bus1_dbus *bus) {
        int r = bus1_dbus_dispatch(bus);

        if (r == 0)
                r = bus1_dbus_wait(bus, 10000) > 0 ? 1 : -ETIMEDOUT;
        EXPECT(r > 0);
}

static void check_async(const struct every_client *client) {
        struct bus1_dbus_message *first = NULL, *second = NULL;
        const char *text;
        uint64_t id;

        EXPECT(every_call_delete_async(client, "1", "2", "3", "4", answered, &first, &id) == 0);
        EXPECT(every_call_other_name_async(client, answered, &second, NULL) == 0);
        while (!first || !second)
                dispatch(client->bus);
        EXPECT(every_call_delete_finish(first, &text, &error) == 0 && !strcmp(text, "1 2 3 4"));
        EXPECT_ERROR(every_call_other_name_finish(second, &error), -EREMOTEIO,
                     "System.Error.EBUSY");
        bus1_dbus_message_unref(second);
        /* the reply of another method */
        EXPECT(every_call_nothing_finish(first, &error) == 0);
        EXPECT_ERROR(every_call_handle_finish(first, &id, &error), -EBADMSG,
                     DBUS_ERROR_INCONSISTENT_MESSAGE);
        bus1_dbus_message_unref(first);
        EXPECT_ERROR(every_call_nothing_finish(NULL, &error), -EINVAL, DBUS_ERROR_INVALID_ARGS);
}

/* properties */

static void check_properties(const struct every_client *client) {
        static const char *const strings[] = {"one", "two", NULL};
        static const char *const paths[] = {"/one", NULL};
        static const uint8_t bytes[17] = {1, 2, 3};
        struct bus1_dbus_message *reply;
        uint32_t number, size = 8;
        const uint8_t *ret_bytes;
        DBusMessageIter options;
        char **ret_strings;
        const char *text;
        size_t n;

        EXPECT(every_get_number(client, &number, &error) == 0);
        EXPECT(every_set_title(client, "new", &error) == 0);
        EXPECT(every_get_title(client, &text, &reply, &error) == 0 && !strcmp(text, "new"));
        bus1_dbus_message_unref(reply);
        EXPECT(every_get_number(client, &size, &error) == 0 && size == number + 1);
        EXPECT_ERROR(every_set_title(client, "", &error), -EREMOTEIO, "org.bus1.Test.Error.Empty");
        EXPECT(every_set_strings(client, (char *const *)strings, &error) == 0);
        EXPECT(every_get_strings(client, &ret_strings, &error) == 0);
        EXPECT(!strcmp(ret_strings[0], "one") && !strcmp(ret_strings[1], "two") && !ret_strings[2]);
        free(ret_strings);
        EXPECT(every_set_paths(client, (char *const *)paths, &error) == 0);
        EXPECT(every_get_paths(client, &ret_strings, &error) == 0);
        EXPECT(!strcmp(ret_strings[0], "/one") && !ret_strings[1]);
        free(ret_strings);
        EXPECT_ERROR(every_set_paths(client, (char *const *)strings, &error), -EINVAL,
                     DBUS_ERROR_INVALID_ARGS);
        EXPECT(every_set_bytes(client, bytes, 3, &error) == 0);
        EXPECT(every_get_bytes(client, &ret_bytes, &n, &reply, &error) == 0);
        EXPECT(n == 3 && !memcmp(ret_bytes, bytes, 3));
        bus1_dbus_message_unref(reply);
        EXPECT_ERROR(every_set_bytes(client, bytes, 17, &error), -EREMOTEIO,
                     DBUS_ERROR_LIMITS_EXCEEDED);
        size = 8;
        EXPECT(every_set_options(client, append_size, &size, &error) == 0);
        EXPECT(every_get_options(client, &options, &reply, &error) == 0);
        EXPECT(bus1_dbus_read_entry(&options, "Size", "u", &number) == 1 && number == 8);
        bus1_dbus_message_unref(reply);
        EXPECT(every_get_version(client, &text, &reply, &error) == 0 && !strcmp(text, "1.0"));
        bus1_dbus_message_unref(reply);
        EXPECT(every_set_password(client, "secret", &error) == 0);
        EXPECT_ERROR(every_get_large(client, &ret_bytes, &n, &reply, &error), -EREMOTEIO,
                     DBUS_ERROR_NOT_SUPPORTED);
}

/* signals */

struct seen {
        int n_happened, n_listed, n_quiet;
};

static void on_happened(struct every_client *client, const char *text, uint32_t number) {
        struct seen *seen = (struct seen *)client->userdata;

        EXPECT(!strcmp(text, "signal") && number == 7);
        seen->n_happened++;
}

static void on_listed(struct every_client *client, char *const *strings, DBusMessageIter *options,
                      const uint8_t *bytes, size_t n_bytes) {
        struct seen *seen = (struct seen *)client->userdata;
        uint32_t size;

        EXPECT(!strcmp(strings[0], "one") && !strcmp(strings[1], "signal") && !strings[2]);
        EXPECT(bus1_dbus_read_entry(options, "Size", "u", &size) == 1 && size == 9);
        EXPECT(n_bytes == 3 && bytes[2] == 3);
        seen->n_listed++;
}

static void on_quiet(struct every_client *client) {
        struct seen *seen = (struct seen *)client->userdata;

        seen->n_quiet++;
}

static void check_signals(struct every_client *client) {
        struct every_signals signals = {on_happened, on_listed, on_quiet};
        struct bus1_dbus_subscription *subscription;
        struct seen seen = {0, 0, 0};

        client->userdata = &seen;
        EXPECT_ERROR(every_client_subscribe(client, &subscription, &error), -EINVAL,
                     DBUS_ERROR_INVALID_ARGS);
        client->signals = &signals;
        EXPECT(every_client_subscribe(client, &subscription, &error) == 0);
        EXPECT(every_call_forget(client, "signal") == 0);
        while (!seen.n_quiet)
                dispatch(client->bus);
        EXPECT(seen.n_happened == 1 && seen.n_listed == 1 && seen.n_quiet == 1);
        signals.on_happened = NULL;
        EXPECT(every_call_forget(client, "signal") == 0);
        while (seen.n_quiet < 2)
                dispatch(client->bus);
        EXPECT(seen.n_happened == 1 && seen.n_listed == 2);
        bus1_dbus_subscription_free(subscription);
        client->signals = NULL;
}

static void check_all(struct every_client *client) {
        check_basic(client);
        check_arrays(client);
        check_containers(client);
        check_attachments(client);
        check_others(client);
        check_async(client);
        check_properties(client);
        check_signals(client);
}

int main(void) {
        struct every_client client;
        struct bus1_dbus *bus;

        EXPECT(bus1_dbus_open_session(&bus, &error) == 0);
        memset(&client, 0, sizeof(client));
        client.bus = bus;
        client.to = BUS1_DBUS_BUS;
        client.destination = NAME;
        client.path = PATH;
        check_all(&client);
        client.destination = NULL; /* the path is for signals */
        EXPECT(bus1_dbus_lookup_object(bus, NAME, PATH, &client.to, &error) == 0);
        check_all(&client);
        EXPECT(!bus1_dbus_free(bus));
        puts("client: ok");
        return 0;
}
