/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A look-up with BUS1_DBUS_LOOKUP_CHECK finds out whether an object exists, whichever library its
 * owner uses
 *
 *     test-exists BRIDGE [DIRECTORY]     DIRECTORY has the services in Python, see test/integration
 *
 * The owners are processes of their own, because the look-up waits for them.
 */

#include "test/interop/members.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#define OBJECT "/com/example/Object"
#define BELOW "/com/example"

static const char *directory;
static pid_t owner;

static void run_native(int ready) {
        struct bus1_dbus *bus;

        if (bus1_dbus_open(&bus, bus_daemon.address, NULL) < 0 ||
            bus1_dbus_object_new(bus, OBJECT, member_interfaces, NULL, NULL) < 0 ||
            bus1_dbus_publish(bus, NAME, 0, NULL, NULL) < 0)
                _exit(1);
        dprintf(ready, "ready\n");
        bus1_dbus_run(bus, NULL);
        _exit(1);
}

static int nothing(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Nothing", NULL, NULL, nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static void run_sdbus(int ready) {
        sd_bus *bus = NULL;

        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, bus_daemon.address) < 0 ||
            sd_bus_set_bus_client(bus, true) < 0 || sd_bus_start(bus) < 0 ||
            sd_bus_add_object_vtable(bus, NULL, OBJECT, NAME, vtable, NULL) < 0 ||
            sd_bus_request_name(bus, NAME, 0) < 0)
                _exit(1);
        dprintf(ready, "ready\n");
        while (sd_bus_process(bus, NULL) >= 0)
                sd_bus_wait(bus, 100000);
        _exit(1);
}

/* An object that does not implement Introspect. */
static DBusHandlerResult ignore(DBusConnection *connection, DBusMessage *m, void *userdata) {
        return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
}

static void run_libdbus(int ready) {
        static const DBusObjectPathVTable object = {.message_function = ignore};
        DBusConnection *connection = dbus_connection_open_private(bus_daemon.address, NULL);

        if (!connection || !dbus_bus_register(connection, NULL) ||
            !dbus_connection_register_object_path(connection, OBJECT, &object, NULL) ||
            dbus_bus_request_name(connection, NAME, 0, NULL) < 0)
                _exit(1);
        dprintf(ready, "ready\n");
        while (dbus_connection_read_write_dispatch(connection, -1))
                ;
        _exit(1);
}

/* It answers Introspect with another error. */
static int refuse(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_message_is_method_call(m, NULL, "Introspect")
                       ? sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED, "no")
                       : 0;
}

static void run_refusing(int ready) {
        sd_bus *bus = NULL;

        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, bus_daemon.address) < 0 ||
            sd_bus_set_bus_client(bus, true) < 0 || sd_bus_start(bus) < 0 ||
            sd_bus_add_filter(bus, NULL, refuse, NULL) < 0 || sd_bus_request_name(bus, NAME, 0) < 0)
                _exit(1);
        dprintf(ready, "ready\n");
        while (sd_bus_process(bus, NULL) >= 0)
                sd_bus_wait(bus, 100000);
        _exit(1);
}

static const struct {
        void (*run)(int ready); /* NULL: the script */
        const char *script;
        const char *name;
        int object, below, none; /* results */
} owners[] = {
        {run_native, NULL, NAME, 0, -ENOENT, -ENOENT},
        {run_sdbus, NULL, NAME, 0, 0, -ENOENT},
        /* libdbus-1 answers Introspect for it, and names no interface */
        {run_libdbus, NULL, NAME, -ENOENT, -ENOENT, -ENOENT},
        {run_refusing, NULL, NAME, -EREMOTEIO, -EREMOTEIO, -EREMOTEIO},
        {NULL, "service-gio.py", "com.example.Gio", 0, -ENOENT, -ENOENT},
        {NULL, "service-python-dbus.py", "com.example.PythonDBus", 0, -ENOENT, -ENOENT},
};

#define N_OWNERS ((int)(sizeof(owners) / sizeof(*owners)))

static void run_script(const char *name, int ready) {
        char path[512];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        setenv("DBUS_SESSION_BUS_ADDRESS", bus_daemon.address, 1);
        dup2(ready, STDOUT_FILENO);
        execl(path, path, NULL);
        _exit(127);
}

static void start(int i) {
        char line[64] = "";
        int fds[2];
        FILE *f;

        ck_assert_int_eq(pipe(fds), 0);
        owner = fork();
        ck_assert_int_ge(owner, 0);
        if (owner == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(fds[0]);
                if (owners[i].run)
                        owners[i].run(fds[1]);
                run_script(owners[i].script, fds[1]);
        }
        close(fds[1]);
        f = fdopen(fds[0], "r");
        ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
        ck_assert_str_eq(line, "ready\n");
        fclose(f);
}

static void teardown(void) {
        if (owner > 0) {
                kill(owner, SIGKILL);
                ck_assert_int_eq(waitpid(owner, NULL, 0), owner);
        }
        owner = 0;
        members_teardown();
}

static void expect(const char *name, const char *path, int expected) {
        DBusError error = DBUS_ERROR_INIT;
        uint64_t handle = BUS1_INVALID;
        int r;

        r = bus1_dbus_lookup_object_with_flags(client, name, path, BUS1_DBUS_LOOKUP_CHECK, &handle,
                                               &error);
        ck_assert_msg(r == expected, "%s: %d, not %d", path, r, expected);
        ck_assert_int_eq(handle != BUS1_INVALID, r == 0);
        ck_assert_int_eq(dbus_error_is_set(&error), r < 0);
        if (r == -ENOENT)
                ck_assert_str_eq(error.name, DBUS_ERROR_UNKNOWN_OBJECT);
        if (r == -EREMOTEIO)
                ck_assert_str_eq(error.name, DBUS_ERROR_ACCESS_DENIED);
        dbus_error_free(&error);
        /* without the flag, or with no error, the owner is not asked, or the reason is not told */
        ck_assert_int_eq(bus1_dbus_lookup_object_with_flags(client, name, path, 0, &handle, NULL),
                         0);
        bus1_dbus_release(client, handle);
        ck_assert_int_eq(bus1_dbus_lookup_object_with_flags(client, name, path,
                                                            BUS1_DBUS_LOOKUP_CHECK, &handle, NULL),
                         expected);
}

START_TEST(object_exists_or_not) {
        if (!owners[_i].run && (!directory || access("/usr/bin/python3", X_OK) < 0))
                return;
        start(_i);
        expect(owners[_i].name, OBJECT, owners[_i].object);
        expect(owners[_i].name, BELOW, owners[_i].below);
        expect(owners[_i].name, "/nothing/here", owners[_i].none);
}
END_TEST

START_TEST(wrong_arguments) {
        DBusError error = DBUS_ERROR_INIT;
        uint64_t handle;

        request();
        ck_assert_int_eq(
                bus1_dbus_lookup_object_with_flags(client, NAME, PATH, 0x2, &handle, &error),
                -EINVAL);
        ck_assert_str_eq(error.name, DBUS_ERROR_INVALID_ARGS);
        dbus_error_free(&error);
        ck_assert_int_eq(bus1_dbus_lookup_object_with_flags(client, NAME, PATH,
                                                            BUS1_DBUS_LOOKUP_CHECK, NULL, NULL),
                         -EINVAL);
        ck_assert_int_eq(bus1_dbus_lookup_object_with_flags(client, NAME, "nowhere",
                                                            BUS1_DBUS_LOOKUP_CHECK, &handle, NULL),
                         -EINVAL);
        ck_assert_int_eq(bus1_dbus_lookup_object_with_flags(client, "org.bus1.Nobody", PATH,
                                                            BUS1_DBUS_LOOKUP_CHECK, &handle,
                                                            &error),
                         -EREMOTEIO);
        ck_assert_str_eq(error.name, DBUS_ERROR_NAME_HAS_NO_OWNER);
        dbus_error_free(&error);
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("exists");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, members_setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, object_exists_or_not, 0, N_OWNERS);
        tcase_add_test(tcase, wrong_arguments);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        directory = argc > 2 ? argv[2] : NULL;
        return run_suite(make_suite(), argc, argv);
}
