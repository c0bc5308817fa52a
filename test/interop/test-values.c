/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values by type strings, between native programs and D-Bus programs
 *
 * Calls, replies, signals and properties carry values, descriptors and handles. The same methods
 * are served by a native program (NAME) and by one that uses sd-bus (LEGACY), each in a process of
 * its own, so that calls of this process can wait.
 */

#include "test/interop/members.h"

#include <bus1/dbus-values.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#define LEGACY "org.bus1.Legacy"
#define NATIVE "org.bus1.Native"
#define VALUES "/values"

/* a native program */

struct values {
        struct bus1_dbus_object *object;
        uint32_t level;
};

/* Answer with the values in reverse order, and with one more entry in the dictionary. */
static int run_swap(struct bus1_dbus_message *call, void *userdata) {
        const char *text, *title;
        DBusMessageIter iter;
        uint32_t size;
        int r;

        dbus_message_iter_init(call->message, &iter);
        r = bus1_dbus_read(&iter, "s", &text);
        if (r >= 0)
                r = bus1_dbus_read_entry(&iter, "Size", "u", &size);
        if (r == 0)
                return bus1_dbus_reply_error(call, "org.bus1.Error.NoSize", "No size");
        if (r >= 0 && bus1_dbus_read_entry(&iter, "Title", "s", &title) != 1)
                title = "none";
        if (r < 0)
                return r;
        return bus1_dbus_reply_values(call, "a{sv}s", 3, "Size", "u", size + 1, "Title", "s", title,
                                      "Pairs", "a(iv)", 2, 1, "y", 7, 2, "as", 0, text);
}

/* Write into the file, and answer with it and its number. */
static int run_write(struct bus1_dbus_message *call, void *userdata) {
        const char *text;
        struct stat st;
        int fd, r;

        r = bus1_dbus_message_read(call, "hs", &fd, &text);
        if (r < 0)
                return r;
        if (write(fd, text, strlen(text)) < 0 || fstat(fd, &st) < 0)
                r = -errno;
        else
                r = bus1_dbus_reply_values(call, "th", (uint64_t)st.st_ino, fd);
        close(fd);
        return r;
}

static int get_level(struct bus1_dbus_object *object, DBusMessageIter *value, void *userdata) {
        return bus1_dbus_append(value, "u", ((struct values *)userdata)->level);
}

static int set_level(struct bus1_dbus_object *object, DBusMessageIter *value, void *userdata) {
        return bus1_dbus_read(value, "u", &((struct values *)userdata)->level);
}

static int get_names(struct bus1_dbus_object *object, DBusMessageIter *value, void *userdata) {
        return bus1_dbus_append_strv(value, (char *[]){"a", "b", NULL});
}

static const struct bus1_dbus_interface value_interfaces[] = {
        {
                .name = NAME,
                .methods =
                        (const struct bus1_dbus_method[]){
                                {"Swap", "sa{sv}", "a{sv}s", run_swap, NULL},
                                {"Write", "hs", "th", run_write, NULL},
                                {},
                        },
                .properties =
                        (const struct bus1_dbus_property[]){
                                {"Level", "u", get_level, set_level},
                                {"Names", "as", get_names, NULL},
                                {},
                        },
        },
        {},
};

static void ready(int fd) {
        if (write(fd, "", 1) != 1)
                _exit(1);
}

static int native_main(int ready_fd) {
        struct values values = {.level = 1};
        struct bus1_dbus *bus;

        if (bus1_dbus_open(&bus, bus_daemon.address, NULL) < 0 ||
            bus1_dbus_object_new(bus, VALUES, value_interfaces, &values, &values.object) < 0 ||
            bus1_dbus_publish(bus, NATIVE, 0, NULL, NULL) < 0)
                return 1;
        ready(ready_fd);
        return bus1_dbus_run(bus, NULL) < 0;
}

/* a program that uses sd-bus */

static int legacy_swap(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const char *text, *key, *title = "none";
        uint32_t size = 0;
        int r;

        r = sd_bus_message_read(call, "s", &text);
        if (r >= 0)
                r = sd_bus_message_enter_container(call, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
                r = sd_bus_message_read(call, "s", &key);
                if (r >= 0 && strcmp(key, "Size") == 0)
                        r = sd_bus_message_read(call, "v", "u", &size);
                else if (r >= 0)
                        r = sd_bus_message_read(call, "v", "s", &title);
                if (r >= 0)
                        r = sd_bus_message_exit_container(call);
        }
        if (r < 0)
                return r;
        if (size == 0)
                return sd_bus_error_set(error, "org.bus1.Error.NoSize", "No size");
        return sd_bus_reply_method_return(call, "a{sv}s", 3, "Size", "u", size + 1, "Title", "s",
                                          title, "Pairs", "a(iv)", 2, 1, "y", 7, 2, "as", 0, text);
}

static int legacy_write(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const char *text;
        struct stat st;
        int fd, r;

        r = sd_bus_message_read(call, "hs", &fd, &text);
        if (r < 0)
                return r;
        if (write(fd, text, strlen(text)) < 0 || fstat(fd, &st) < 0)
                return -errno;
        return sd_bus_reply_method_return(call, "th", (uint64_t)st.st_ino, fd);
}

static int legacy_get_names(sd_bus *bus, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *userdata,
                            sd_bus_error *error) {
        return sd_bus_message_append(reply, "as", 2, "a", "b");
}

static const sd_bus_vtable legacy_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Swap", "sa{sv}", "a{sv}s", legacy_swap, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Write", "hs", "th", legacy_write, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("Level", "u", NULL, NULL, offsetof(struct values, level),
                                 SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Names", "as", legacy_get_names, 0, 0),
        SD_BUS_VTABLE_END,
};

static sd_bus *legacy_open(void) {
        sd_bus *bus;

        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, bus_daemon.address) < 0 ||
            sd_bus_negotiate_fds(bus, 1) < 0 || sd_bus_set_bus_client(bus, 1) < 0 ||
            sd_bus_start(bus) < 0)
                return NULL;
        return bus;
}

static int legacy_main(int ready_fd) {
        struct values values = {.level = 1};
        sd_bus *bus = legacy_open();
        int r;

        if (!bus || sd_bus_add_object_vtable(bus, NULL, VALUES, NAME, legacy_vtable, &values) < 0 ||
            sd_bus_request_name(bus, LEGACY, 0) < 0)
                return 1;
        ready(ready_fd);
        do {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        } while (r >= 0);
        return 1;
}

/* the processes */

static pid_t children[2];

static pid_t start(int (*child_main)(int)) {
        int pair[2];
        pid_t pid;
        char byte;

        ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                _exit(child_main(pair[1]));
        }
        close(pair[1]);
        ck_assert_int_eq(read(pair[0], &byte, 1), 1);
        close(pair[0]);
        return pid;
}

static void setup(void) {
        members_setup();
        children[0] = start(native_main);
        children[1] = start(legacy_main);
}

static void teardown(void) {
        for (int i = 0; i < 2; i++) {
                kill(children[i], SIGKILL);
                waitpid(children[i], NULL, 0);
        }
        members_teardown();
}

/* calls of services of both kinds */

static void expect_swapped(struct bus1_dbus_message *reply) {
        const char *text, *title, *keys[3];
        uint32_t size;
        uint8_t y;
        int i, k;

        ck_assert_int_eq(bus1_dbus_message_read(reply, "a{sv}s", 3, &keys[0], "u", &size, &keys[1],
                                                "s", &title, &keys[2], "a(iv)", 2, &i, "y", &y, &k,
                                                "as", 0, &text),
                         0);
        ck_assert_str_eq(keys[0], "Size");
        ck_assert_str_eq(keys[2], "Pairs");
        ck_assert_uint_eq(size, 8);
        ck_assert_str_eq(title, "none");
        ck_assert(i == 1 && k == 2 && y == 7);
        ck_assert_str_eq(text, "hello");
        bus1_dbus_message_unref(reply);
}

static void call_swap(uint64_t to, const char *destination, const char *path) {
        DBusError error = DBUS_ERROR_INIT;
        struct bus1_dbus_message *reply;

        ck_assert_int_eq(bus1_dbus_call_method(client, to, destination, path, NAME, "Swap", &error,
                                               &reply, "sa{sv}", "hello", 1, "Size", "u", 7U),
                         0);
        expect_swapped(reply);
        /* an error of the method */
        ck_assert_int_eq(bus1_dbus_call_method(client, to, destination, path, NAME, "Swap", &error,
                                               &reply, "sa{sv}", "hello", 0),
                         -EREMOTEIO);
        ck_assert_str_eq(error.name, "org.bus1.Error.NoSize");
        dbus_error_free(&error);
        /* other arguments than the method has */
        ck_assert_int_eq(bus1_dbus_call_method(client, to, destination, path, NAME, "Swap", &error,
                                               NULL, "u", 1U),
                         -EREMOTEIO);
        dbus_error_free(&error);
        /* nothing is sent */
        ck_assert_int_eq(bus1_dbus_call_method(client, to, destination, path, NAME, "Swap", &error,
                                               NULL, "sa{sv}", "\xff", 0),
                         -EINVAL);
        ck_assert_str_eq(error.name, DBUS_ERROR_INVALID_ARGS);
        dbus_error_free(&error);
}

START_TEST(calls_have_the_same_results_with_native_and_legacy_services) {
        uint64_t name, object;

        call_swap(BUS1_DBUS_BUS, NATIVE, VALUES);
        call_swap(BUS1_DBUS_BUS, LEGACY, VALUES);
        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(bus1_dbus_lookup(client, i ? LEGACY : NATIVE, 0, &name, NULL), 0);
                call_swap(name, NULL, VALUES);
                ck_assert_int_eq(
                        bus1_dbus_lookup_object(client, i ? LEGACY : NATIVE, VALUES, &object, NULL),
                        0);
                call_swap(object, NULL, NULL);
        }
        ck_assert_int_eq(bus1_dbus_call_method(client, object, NULL, NULL, DBUS_INTERFACE_PEER,
                                               "Ping", NULL, NULL, NULL),
                         0);
}
END_TEST

START_TEST(descriptors_go_to_native_and_legacy_services_and_come_back) {
        struct bus1_dbus_message *reply;
        int fd, other = -1;
        uint64_t number;
        struct stat st;

        for (int i = 0; i < 2; i++) {
                fd = memfd_create("test", MFD_CLOEXEC);
                ck_assert_int_eq(bus1_dbus_call_method(client, BUS1_DBUS_BUS, i ? LEGACY : NATIVE,
                                                       VALUES, NAME, "Write", NULL, &reply, "hs",
                                                       fd, "text"),
                                 0);
                ck_assert_int_eq(fstat(fd, &st), 0);
                ck_assert_int_eq(st.st_size, 4);
                ck_assert_int_eq(bus1_dbus_message_read(reply, "tu", &number, NULL), -EBADMSG);
                ck_assert_int_eq(bus1_dbus_message_read(reply, "th", &number, &other), 0);
                bus1_dbus_message_unref(reply);
                ck_assert_uint_eq(number, st.st_ino);
                ck_assert_int_ne(other, fd);
                ck_assert_int_eq(fstat(other, &st), 0);
                ck_assert_uint_eq(number, st.st_ino);
                close(fd);
                close(other);
        }
}
END_TEST

START_TEST(properties_are_read_and_written) {
        DBusError error = DBUS_ERROR_INIT;
        struct bus1_dbus_message *reply;
        const char *a, *b;
        uint32_t level;
        uint64_t object;

        for (int i = 0; i < 4; i++) {
                const char *name = i & 1 ? LEGACY : NATIVE, *path = VALUES;
                uint64_t to = BUS1_DBUS_BUS;

                if (i & 2) {
                        ck_assert_int_eq(bus1_dbus_lookup_object(client, name, path, &object, NULL),
                                         0);
                        name = path = NULL;
                        to = object;
                }
                level = 77;
                ck_assert_int_eq(bus1_dbus_set_property(client, to, name, path, NAME, "Level",
                                                        &error, "u", 5U + i),
                                 0);
                ck_assert_int_eq(bus1_dbus_get_property(client, to, name, path, NAME, "Level",
                                                        &error, NULL, "u", &level),
                                 0);
                ck_assert_uint_eq(level, 5U + (unsigned)i);
                ck_assert_int_eq(bus1_dbus_get_property(client, to, name, path, NAME, "Names",
                                                        &error, &reply, "as", 2, &a, &b),
                                 0);
                ck_assert_str_eq(a, "a");
                ck_assert_str_eq(b, "b");
                bus1_dbus_message_unref(reply);
                /* another type */
                reply = NULL;
                ck_assert_int_eq(bus1_dbus_get_property(client, to, name, path, NAME, "Level",
                                                        &error, &reply, "s", &a),
                                 -EBADMSG);
                ck_assert_str_eq(error.name, DBUS_ERROR_INCONSISTENT_MESSAGE);
                dbus_error_free(&error);
                ck_assert_ptr_null(reply);
                ck_assert_int_eq(bus1_dbus_set_property(client, to, name, path, NAME, "Level",
                                                        &error, "s", "x"),
                                 -EREMOTEIO);
                dbus_error_free(&error);
                ck_assert_int_eq(bus1_dbus_get_property(client, to, name, path, NAME, "No", &error,
                                                        NULL, "u", &level),
                                 -EREMOTEIO);
                ck_assert_str_eq(error.name, DBUS_ERROR_UNKNOWN_PROPERTY);
                dbus_error_free(&error);
                /* strings would be freed with the reply; one value is wanted */
                ck_assert_int_eq(bus1_dbus_get_property(client, to, name, path, NAME, "Names", NULL,
                                                        NULL, "as", 2, &a, &b),
                                 -EINVAL);
                ck_assert_int_eq(bus1_dbus_get_property(client, to, name, path, NAME, "Level", NULL,
                                                        &reply, "uu", &level, &level),
                                 -EINVAL);
                ck_assert_int_eq(bus1_dbus_get_property(client, to, name, path, NAME, "Level", NULL,
                                                        &reply, NULL),
                                 -EINVAL);
                ck_assert_int_eq(bus1_dbus_get_property(client, to, name, path, NULL, "Level", NULL,
                                                        NULL, "u", &level),
                                 -EINVAL);
                ck_assert_int_eq(bus1_dbus_get_property(client, to, name, path, NAME, "\xff", NULL,
                                                        NULL, "u", &level),
                                 -EINVAL);
                ck_assert_int_eq(bus1_dbus_set_property(client, to, name, path, NAME, "Level", NULL,
                                                        "uu", 1U, 1U),
                                 -EINVAL);
                ck_assert_int_eq(bus1_dbus_set_property(client, to, name, path, NAME, "Level", NULL,
                                                        "s", "\xff"),
                                 -EINVAL);
        }
}
END_TEST

/* a legacy client of a native service */

static sd_bus_message *legacy_reply;

static int legacy_answered(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        legacy_reply = sd_bus_message_ref(reply);
        return 0;
}

START_TEST(legacy_client_calls_a_native_service) {
        const char *text, *title, *keys[3];
        sd_bus *legacy = legacy_open();
        uint32_t size;
        uint8_t y;
        int i, k, r;

        ck_assert_ptr_nonnull(legacy);
        r = sd_bus_call_method(legacy, NATIVE, VALUES, NAME, "Swap", NULL, &legacy_reply, "sa{sv}",
                               "hello", 2, "Title", "s", "t", "Size", "u", 7U);
        ck_assert_int_ge(r, 0);
        ck_assert_int_gt(sd_bus_message_read(legacy_reply, "a{sv}s", 3, &keys[0], "u", &size,
                                             &keys[1], "s", &title, &keys[2], "a(iv)", 2, &i, "y",
                                             &y, &k, "as", 0, &text),
                         0);
        ck_assert_uint_eq(size, 8);
        ck_assert_str_eq(title, "t");
        ck_assert_str_eq(text, "hello");
        sd_bus_message_unref(legacy_reply);
        r = sd_bus_get_property_trivial(legacy, NATIVE, VALUES, NAME, "Level", NULL, 'u', &size);
        ck_assert_int_ge(r, 0);
        sd_bus_flush_close_unref(legacy);
}
END_TEST

/* handles: between the service and the client of this process */

static unsigned n_unreferenced, n_marked;

static void unreferenced(struct bus1_dbus_object *object, void *userdata) {
        n_unreferenced++;
        bus1_dbus_object_free(object);
}

static int run_mark(struct bus1_dbus_message *call, void *userdata) {
        uint32_t n;

        if (bus1_dbus_message_read(call, "u", &n) < 0)
                return -EINVAL;
        n_marked += n;
        return bus1_dbus_reply_values(call, "u", n_marked);
}

static const struct bus1_dbus_interface mark_interfaces[] = {
        {
                .name = NAME,
                .methods =
                        (const struct bus1_dbus_method[]){
                                {"Mark", "u", "u", run_mark, NULL},
                                {},
                        },
        },
        {},
};

static struct bus1_dbus_object *new_mark(struct bus1_dbus *bus, uint64_t *ret_handle) {
        struct bus1_dbus_object *object;

        ck_assert_int_eq(bus1_dbus_object_new(bus, NULL, mark_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, ret_handle), 0);
        return object;
}

/* Answer with two objects. A caller that cannot get handles is told so. */
static int run_give(struct bus1_dbus_message *call, void *userdata) {
        struct bus1_dbus_object *first, *second;
        uint64_t h1, h2;
        int r;

        first = new_mark(call->bus, &h1);
        second = new_mark(call->bus, &h2);
        /* What cannot be sent leaves the call to be answered. */
        ck_assert_int_eq(bus1_dbus_reply_values(call, "sHs", "x", h1, "\xff"), -EINVAL);
        r = bus1_dbus_reply_values(call, "sHa{sv}", "two", h1, 1, "Second", "H", h2);
        ck_assert_int_eq(bus1_dbus_object_set_unreferenced(first, unreferenced), 0);
        ck_assert_int_eq(bus1_dbus_object_set_unreferenced(second, unreferenced), 0);
        if (r == -EOPNOTSUPP)
                r = bus1_dbus_reply_error(call, DBUS_ERROR_NOT_SUPPORTED, "No handles");
        return r;
}

/* Call the object whose handle came with the call. */
static int run_use(struct bus1_dbus_message *call, void *userdata) {
        uint64_t handle;
        int fd, r;

        r = bus1_dbus_message_read(call, "hH", &fd, &handle);
        if (r < 0)
                return r;
        close(fd);
        r = bus1_dbus_call_method_async(call->bus, NULL, handle, NULL, NULL, NAME, "Mark", NULL,
                                        NULL, "u", 10U);
        bus1_dbus_release(call->bus, handle);
        return r < 0 ? r : bus1_dbus_reply_values(call, "");
}

static const struct bus1_dbus_interface handle_interfaces[] = {
        {
                .name = NAME,
                .methods =
                        (const struct bus1_dbus_method[]){
                                {"Give", "", "sua{sv}", run_give, NULL},
                                {"Use", "hu", "", run_use, NULL},
                                {},
                        },
        },
        {},
};

static void setup_handles(void) {
        members_setup();
        n_unreferenced = n_marked = 0;
        ck_assert_int_eq(bus1_dbus_object_new(service, "/handles", handle_interfaces, NULL, NULL),
                         0);
        publish();
}

static struct bus1_dbus_message *last_reply;

static int keep_reply(struct bus1_dbus_message *reply, void *userdata) {
        last_reply = bus1_dbus_message_ref(reply);
        return 0;
}

/* Call without waiting, and dispatch until the reply is there. */
#define CALL(to, destination, path, member, ...)                                                  \
        ({                                                                                        \
                last_reply = NULL;                                                                \
                ck_assert_int_eq(bus1_dbus_call_method_async(client, NULL, to, destination, path, \
                                                             NAME, member, keep_reply, NULL,      \
                                                             __VA_ARGS__),                        \
                                 0);                                                              \
                UNTIL(last_reply);                                                                \
                last_reply;                                                                       \
        })

START_TEST(handles_come_with_replies) {
        struct bus1_dbus_message *reply;
        const char *text = NULL, *key;
        uint64_t h1 = 1, h2 = 2;
        uint32_t n;

        reply = CALL(BUS1_DBUS_BUS, NAME, "/handles", "Give", NULL);
        /* Other types take nothing. */
        ck_assert_int_eq(bus1_dbus_message_read(reply, "sHs", &text, &h1, &key), -EBADMSG);
        ck_assert_int_eq(bus1_dbus_message_read(reply, "sHa{sv}", &text, &h1, 1, &key, "s", &text),
                         -EBADMSG);
        ck_assert_int_eq(
                bus1_dbus_message_read(reply, "sHa{sv}H", &text, &h1, 1, &key, "H", &h2, &h2),
                -ENXIO);
        ck_assert(h1 == 1 && h2 == 2 && !text);
        ck_assert_int_eq(bus1_dbus_message_read(reply, "sHa{sv}", &text, &h1, 1, &key, "H", &h2),
                         0);
        ck_assert_str_eq(text, "two");
        bus1_dbus_message_unref(reply);
        reply = CALL(h1, NULL, NULL, "Mark", "u", 3U);
        ck_assert_int_eq(bus1_dbus_message_read(reply, "u", &n), 0);
        ck_assert_uint_eq(n, 3);
        bus1_dbus_message_unref(reply);
        reply = CALL(h2, NULL, NULL, "Mark", "u", 4U);
        ck_assert_int_eq(bus1_dbus_message_read(reply, "u", &n), 0);
        ck_assert_uint_eq(n, 7);
        bus1_dbus_message_unref(reply);
        ck_assert_uint_eq(n_unreferenced, 0);
        bus1_dbus_release(client, h1);
        UNTIL(n_unreferenced == 1);
        bus1_dbus_release(client, h2);
        UNTIL(n_unreferenced == 2);
}
END_TEST

START_TEST(handles_that_are_not_read_are_released_with_the_message) {
        struct bus1_dbus_message *reply;
        uint64_t h1 = 1;

        reply = CALL(BUS1_DBUS_BUS, NAME, "/handles", "Give", NULL);
        ck_assert_int_eq(bus1_dbus_message_read(reply, "sHu", NULL, &h1, NULL), -EBADMSG);
        for (int i = 0; i < 100; i++)
                turn();
        ck_assert_uint_eq(n_unreferenced, 0);
        bus1_dbus_message_unref(reply);
        UNTIL(n_unreferenced == 2);
}
END_TEST

START_TEST(handles_go_with_calls) {
        struct bus1_dbus_message *reply;
        struct bus1_dbus_object *mark;
        uint64_t own, handle;

        mark = new_mark(client, &own);
        reply = CALL(BUS1_DBUS_BUS, NAME, "/handles", "Use", "hH", STDIN_FILENO, own);
        ck_assert_int_eq(dbus_message_get_type(reply->message), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        bus1_dbus_message_unref(reply);
        UNTIL(n_marked == 10);
        ck_assert_int_eq(bus1_dbus_lookup(client, NAME, 0, &handle, NULL), 0);
        reply = CALL(handle, NULL, "/handles", "Use", "hH", STDIN_FILENO, own);
        ck_assert_int_eq(dbus_message_get_type(reply->message), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        bus1_dbus_message_unref(reply);
        UNTIL(n_marked == 20);
        /* an index without a handle */
        reply = CALL(handle, NULL, "/handles", "Use", "hu", STDIN_FILENO, 0U);
        ck_assert_str_eq(dbus_message_get_error_name(reply->message),
                         DBUS_ERROR_INCONSISTENT_MESSAGE);
        bus1_dbus_message_unref(reply);
        /* The sender has kept its own handle. */
        ck_assert_int_eq(bus1_dbus_object_set_unreferenced(mark, unreferenced), 0);
        UNTIL(n_unreferenced == 1);
}
END_TEST

START_TEST(legacy_programs_get_no_handles) {
        struct bus1_dbus_message *reply;
        sd_bus *legacy = legacy_open();
        uint64_t own;

        ck_assert_int_ge(sd_bus_call_method_async(legacy, NULL, NAME, "/handles", NAME, "Give",
                                                  legacy_answered, NULL, NULL),
                         0);
        for (legacy_reply = NULL; !legacy_reply;) {
                ck_assert_int_ge(sd_bus_process(legacy, NULL), 0);
                turn();
        }
        ck_assert(sd_bus_message_is_method_error(legacy_reply, DBUS_ERROR_NOT_SUPPORTED));
        sd_bus_message_unref(legacy_reply);
        UNTIL(n_unreferenced == 2);
        /* nor with calls */
        ck_assert_int_ge(sd_bus_request_name(legacy, LEGACY, 0), 0);
        new_mark(client, &own);
        reply = CALL(BUS1_DBUS_BUS, LEGACY, "/", "Use", "hH", STDIN_FILENO, own);
        ck_assert_str_eq(dbus_message_get_error_name(reply->message), DBUS_ERROR_NOT_SUPPORTED);
        bus1_dbus_message_unref(reply);
        sd_bus_flush_close_unref(legacy);
}
END_TEST

/* signals */

static struct signal {
        unsigned n;
        char text[16];
        ino_t file;
        uint64_t handle;
        int result;
} seen;

static int see_signal(struct bus1_dbus_message *signal, void *userdata) {
        const char *text;
        struct stat st;
        int fd;

        if (!dbus_message_has_interface(signal->message, NAME))
                return 0;
        seen.n++;
        seen.handle = BUS1_INVALID;
        seen.result = bus1_dbus_message_read(signal, "shu", &text, &fd, NULL);
        if (seen.result < 0)
                return 0;
        snprintf(seen.text, sizeof(seen.text), "%s", text);
        if (fstat(fd, &st) == 0)
                seen.file = st.st_ino;
        close(fd);
        bus1_dbus_message_read(signal, "shH", NULL, NULL, &seen.handle);
        return 0;
}

static int legacy_sees(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        struct signal *s = userdata;
        const char *text;
        struct stat st;
        int fd;

        s->n++;
        s->result = sd_bus_message_read(signal, "shu", &text, &fd, NULL);
        if (s->result > 0 && fstat(fd, &st) == 0)
                s->file = st.st_ino;
        return 0;
}

START_TEST(signals_carry_values) {
        int fd = memfd_create("test", MFD_CLOEXEC), fd2 = memfd_create("test", MFD_CLOEXEC);
        sd_bus *legacy = legacy_open();
        struct signal theirs = {};
        struct bus1_dbus_object *object;
        struct stat st;

        ck_assert_int_eq(
                bus1_dbus_subscribe(client, "interface='" NAME "'", see_signal, NULL, NULL, NULL),
                0);
        ck_assert_int_ge(
                sd_bus_add_match(legacy, NULL, "interface='" NAME "'", legacy_sees, &theirs), 0);
        memset(&seen, 0, sizeof(seen));
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_int_eq(
                bus1_dbus_emit_signal(service, PATH, NAME, "Signal", "shu", "text", fd, 5U), 0);
        while (seen.n < 1 || theirs.n < 1) {
                ck_assert_int_ge(sd_bus_process(legacy, NULL), 0);
                turn();
        }
        ck_assert(seen.result == 0 && seen.file == st.st_ino && theirs.file == st.st_ino);
        ck_assert_str_eq(seen.text, "text");
        ck_assert_int_eq(bus1_dbus_object_new(service, "/o", member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(fstat(fd2, &st), 0);
        ck_assert_int_eq(
                bus1_dbus_object_emit_values(object, NAME, "Signal", "shu", "other", fd2, 5U), 0);
        while (seen.n < 2 || theirs.n < 2) {
                ck_assert_int_ge(sd_bus_process(legacy, NULL), 0);
                turn();
        }
        ck_assert(seen.result == 0 && seen.file == st.st_ino && theirs.file == st.st_ino);
        ck_assert_str_eq(seen.text, "other");
        /* nothing is sent */
        ck_assert_int_eq(bus1_dbus_emit_signal(service, PATH, NAME, "Signal", "s", "\xff"),
                         -EINVAL);
        ck_assert_int_eq(bus1_dbus_emit_signal(service, PATH, NULL, "Signal", "s", "x"), -EINVAL);
        ck_assert_int_eq(bus1_dbus_emit_signal(service, PATH, NAME, NULL, "s", "x"), -EINVAL);
        ck_assert_int_eq(bus1_dbus_emit_signal(service, "x", NAME, "Signal", "s", "x"), -EINVAL);
        ck_assert_int_eq(bus1_dbus_emit_signal(service, PATH, NAME, "Signal", NULL), 0);
        UNTIL(seen.n == 3);
        ck_assert_int_eq(seen.result, -ENXIO);
        close(fd);
        close(fd2);
        sd_bus_flush_close_unref(legacy);
}
END_TEST

START_TEST(signals_to_one_receiver_carry_handles) {
        const char *name = bus1_dbus_get_unique_name(client);
        struct bus1_dbus_message *reply;
        struct bus1_dbus_object *mark;
        uint64_t own;

        bus1_dbus_set_signal_handler(client, see_signal, NULL);
        memset(&seen, 0, sizeof(seen));
        mark = new_mark(service, &own);
        ck_assert_int_eq(bus1_dbus_emit_signal_to(service, BUS1_DBUS_BUS, name, PATH, NAME,
                                                  "Signal", "shH", "text", STDIN_FILENO, own),
                         0);
        UNTIL(seen.n == 1);
        ck_assert_int_eq(seen.result, 0);
        ck_assert(seen.handle != BUS1_INVALID);
        reply = CALL(seen.handle, NULL, NULL, "Mark", "u", 3U);
        bus1_dbus_message_unref(reply);
        ck_assert_uint_eq(n_marked, 3);
        bus1_dbus_release(client, seen.handle);
        ck_assert_int_eq(bus1_dbus_object_set_unreferenced(mark, unreferenced), 0);
        UNTIL(n_unreferenced == 1);
        ck_assert_int_eq(bus1_dbus_emit_signal_to(service, BUS1_DBUS_BUS, NULL, PATH, NAME,
                                                  "Signal", "s", "x"),
                         -EINVAL);
        ck_assert_int_eq(bus1_dbus_emit_signal_to(service, BUS1_DBUS_BUS, name, NULL, NAME,
                                                  "Signal", "s", "x"),
                         -EINVAL);
}
END_TEST

/* slots of calls */

static struct bus1_dbus_slot *slots[3];
static unsigned n_answered;

static int count_answer(struct bus1_dbus_message *reply, void *userdata) {
        struct bus1_dbus_slot **slot = userdata;

        n_answered++;
        if (slot)
                *slot = bus1_dbus_slot_free(*slot);
        return 0;
}

static int begin_where(struct bus1_dbus_slot **ret_slot, bus1_dbus_message_fn fn, void *userdata) {
        return bus1_dbus_call_method_async(client, ret_slot, BUS1_DBUS_BUS, NAME, PATH, NAME,
                                           "Where", fn, userdata, NULL);
}

START_TEST(freeing_its_slot_cancels_a_call) {
        n_answered = 0;
        ck_assert_int_eq(begin_where(&slots[0], count_answer, NULL), 0);
        ck_assert_int_eq(begin_where(&slots[1], count_answer, &slots[1]), 0);
        ck_assert_int_eq(begin_where(&slots[2], count_answer, NULL), 0);
        ck_assert_int_eq(begin_where(NULL, count_answer, NULL), 0);
        ck_assert(bus1_dbus_slot_get_bus(slots[0]) == client);
        slots[0] = bus1_dbus_slot_free(slots[0]);
        UNTIL(n_answered == 3);
        /* A handler may free its slot. After the reply, the caller frees it, or the bus does. */
        ck_assert_ptr_null(slots[1]);
        slots[2] = bus1_dbus_slot_free(slots[2]);
        ck_assert_int_eq(begin_where(&slots[0], count_answer, NULL), 0);
        UNTIL(n_answered == 4);
        for (int i = 0; i < 100; i++)
                turn();
        ck_assert_uint_eq(n_answered, 4);
        /* freed with the bus: one before and one after the reply */
        ck_assert_int_eq(begin_where(&slots[1], count_answer, NULL), 0);
        client = bus1_dbus_free(client);
        ck_assert_uint_eq(n_answered, 4);
        ck_assert_int_eq(bus1_dbus_open(&client, bus_daemon.address, NULL), 0);
        /* no reply is wanted */
        ck_assert_int_eq(begin_where(&slots[0], NULL, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_call_method_async(client, NULL, BUS1_DBUS_BUS, NAME, PATH, NAME,
                                                     "Keep", NULL, NULL, NULL),
                         0);
        UNTIL(kept);
        ck_assert(dbus_message_get_no_reply(kept->message));
        ck_assert_int_eq(bus1_dbus_reply_values(kept, "s", "x"), 0);
        kept = bus1_dbus_message_unref(kept);
}
END_TEST

START_TEST(too_many_handles_are_refused) {
        struct bus1_dbus_message *reply;
        uint64_t own;

        new_mark(client, &own);
#define OWN8 own, own, own, own, own, own, own, own
#define OWN64 OWN8, OWN8, OWN8, OWN8, OWN8, OWN8, OWN8, OWN8
        ck_assert_int_eq(bus1_dbus_call_method_async(client, NULL, BUS1_DBUS_BUS, NAME, PATH, NAME,
                                                     "Where", keep_reply, NULL, "aH", 257, OWN64,
                                                     OWN64, OWN64, OWN64, own),
                         -EMSGSIZE);
        /* One more is for the reply. */
        ck_assert_int_eq(bus1_dbus_call_method_async(client, NULL, BUS1_DBUS_BUS, NAME, PATH, NAME,
                                                     "Where", keep_reply, NULL, "aH", 256, OWN64,
                                                     OWN64, OWN64, OWN64),
                         -EMSGSIZE);
        /* unknown handles */
        ck_assert_int_eq(bus1_dbus_call_method_async(client, NULL, BUS1_DBUS_BUS, NAME, PATH, NAME,
                                                     "Where", keep_reply, NULL, "H",
                                                     UINT64_C(123456)),
                         -EBADRQC);
        reply = CALL(BUS1_DBUS_BUS, NAME, PATH, "Where", NULL);
        bus1_dbus_message_unref(reply);
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("values");
        TCase *services = tcase_create("services"), *handles = tcase_create("handles");

        tcase_add_checked_fixture(services, setup, teardown);
        tcase_set_timeout(services, 60);
        tcase_add_test(services, calls_have_the_same_results_with_native_and_legacy_services);
        tcase_add_test(services, descriptors_go_to_native_and_legacy_services_and_come_back);
        tcase_add_test(services, properties_are_read_and_written);
        tcase_add_test(services, legacy_client_calls_a_native_service);
        suite_add_tcase(suite, services);
        tcase_add_checked_fixture(handles, setup_handles, members_teardown);
        tcase_set_timeout(handles, 60);
        tcase_add_test(handles, handles_come_with_replies);
        tcase_add_test(handles, handles_that_are_not_read_are_released_with_the_message);
        tcase_add_test(handles, handles_go_with_calls);
        tcase_add_test(handles, legacy_programs_get_no_handles);
        tcase_add_test(handles, signals_carry_values);
        tcase_add_test(handles, signals_to_one_receiver_carry_handles);
        tcase_add_test(handles, freeing_its_slot_cancels_a_call);
        tcase_add_test(handles, too_many_handles_are_refused);
        suite_add_tcase(suite, handles);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
