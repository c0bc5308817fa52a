/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A service with a vtable and a client, both on sd-bus: call, error, property, signal, descriptor,
 * credentials, name tracking, NoReply. The service runs in a forked process. Prints TAP.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define NAME "com.example.SdBus"
#define PATH "/com/example/Object"
#define INTERFACE "com.example.Interface"
#define TIMEOUT_USEC (20 * UINT64_C(1000000))

static unsigned n_tests, n_failed;

static void result(bool good, const char *name) {
        n_tests++;
        n_failed += !good;
        printf("%s %u - %s\n", good ? "ok" : "not ok", n_tests, name);
}

/* the service */

static uint32_t value = 42;

static int method_echo(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *text;
        int r = sd_bus_message_read(m, "s", &text);

        return r < 0 ? r : sd_bus_reply_method_return(m, "s", text);
}

static int method_fail(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_error_set(error, "com.example.Error.Failure", "it failed");
}

static int method_emit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r = sd_bus_emit_signal(sd_bus_message_get_bus(m), PATH, INTERFACE, "Happened", "s",
                                   "news");

        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

static int method_make_fd(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int pipes[2], r;

        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        r = write(pipes[1], "data", 4) == 4 ? sd_bus_reply_method_return(m, "h", pipes[0]) : -EIO;
        close(pipes[0]);
        close(pipes[1]);
        return r;
}

static int method_vanish(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _exit(0);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Echo", "s", "s", method_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Fail", "", "", method_fail, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Emit", "", "", method_emit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("MakeFd", "", "h", method_make_fd, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Vanish", "", "", method_vanish, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("Value", "u", NULL, NULL, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("Happened", "s", 0),
        SD_BUS_VTABLE_END,
};

__attribute__((noreturn)) static void service_run(int ready) {
        sd_bus *bus = NULL;
        int r;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        r = sd_bus_open_user(&bus);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, PATH, INTERFACE, vtable, &value);
        if (r >= 0)
                r = sd_bus_request_name(bus, NAME, 0);
        if (r < 0 || write(ready, "", 1) != 1)
                _exit(1);
        for (;;) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0)
                        _exit(1);
        }
}

static pid_t service_start(void) {
        int ready[2];
        pid_t pid;
        char c;

        if (pipe(ready) < 0)
                exit(1);
        pid = fork();
        if (pid == 0)
                service_run(ready[1]);
        close(ready[1]);
        if (read(ready[0], &c, 1) != 1) {
                printf("Bail out! the service does not start\n");
                exit(1);
        }
        close(ready[0]);
        return pid;
}

/* the client */

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        *(bool *)userdata = true;
        return 0;
}

static bool wait_for(sd_bus *bus, const bool *flag) {
        while (!*flag) {
                int r = sd_bus_process(bus, NULL);

                if (r < 0 || (r == 0 && sd_bus_wait(bus, TIMEOUT_USEC) <= 0))
                        return false;
        }
        return true;
}

static void test_calls(sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        const char *text = "";
        char content[5] = "";
        uint32_t u = 0;
        int fd = -1, r;

        r = sd_bus_call_method(bus, NAME, PATH, INTERFACE, "Echo", &error, &reply, "s", "text");
        result(r >= 0 && sd_bus_message_read(reply, "s", &text) > 0 && strcmp(text, "text") == 0,
               "call_is_answered");
        reply = sd_bus_message_unref(reply);
        r = sd_bus_call_method(bus, NAME, PATH, INTERFACE, "Fail", &error, NULL, NULL);
        result(r < 0 && sd_bus_error_has_name(&error, "com.example.Error.Failure"),
               "error_arrives");
        sd_bus_error_free(&error);
        r = sd_bus_call_method(bus, NAME, PATH, INTERFACE, "MakeFd", &error, &reply, NULL);
        result(r >= 0 && sd_bus_message_read(reply, "h", &fd) > 0 && read(fd, content, 4) == 4 &&
                       strcmp(content, "data") == 0,
               "descriptor_arrives");
        reply = sd_bus_message_unref(reply);
        result(sd_bus_set_property(bus, NAME, PATH, INTERFACE, "Value", &error, "u", 43u) >= 0 &&
                       sd_bus_get_property_trivial(bus, NAME, PATH, INTERFACE, "Value", &error, 'u',
                                                   &u) >= 0 &&
                       u == 43,
               "property_is_set");
        r = sd_bus_call_method(bus, "com.example.Nobody", PATH, INTERFACE, "Echo", &error, NULL,
                               "s", "x");
        result(r < 0 && sd_bus_error_has_name(&error, SD_BUS_ERROR_SERVICE_UNKNOWN),
               "unknown_service_is_an_error");
        sd_bus_error_free(&error);
}

static void test_signal(sd_bus *bus) {
        bool seen = false;
        int r;

        r = sd_bus_match_signal(bus, NULL, NAME, PATH, INTERFACE, "Happened", on_message, &seen);
        if (r >= 0)
                r = sd_bus_call_method(bus, NAME, PATH, INTERFACE, "Emit", NULL, NULL, NULL);
        result(r >= 0 && wait_for(bus, &seen), "signal_arrives");
}

static void test_creds(sd_bus *bus, pid_t pid) {
        sd_bus_creds *creds = NULL;
        pid_t p = 0;
        uid_t uid = -1;
        int r;

        r = sd_bus_get_name_creds(
                bus, NAME, SD_BUS_CREDS_PID | SD_BUS_CREDS_EUID | SD_BUS_CREDS_UNIQUE_NAME, &creds);
        result(r >= 0 && sd_bus_creds_get_pid(creds, &p) >= 0 && p == pid &&
                       sd_bus_creds_get_euid(creds, &uid) >= 0 && uid == getuid(),
               "credentials_of_the_service");
        sd_bus_creds_unref(creds);
}

static void test_vanishing(sd_bus *bus, pid_t pid) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        bool gone = false;
        int r;

        r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus", NULL, "org.freedesktop.DBus",
                                "NameOwnerChanged", on_message, &gone);
        if (r >= 0)
                r = sd_bus_call_method(bus, NAME, PATH, INTERFACE, "Vanish", &error, NULL, NULL);
        result(r < 0 && sd_bus_error_has_name(&error, SD_BUS_ERROR_NO_REPLY),
               "vanished_service_gives_no_reply");
        sd_bus_error_free(&error);
        result(wait_for(bus, &gone), "its_name_is_gone");
        waitpid(pid, NULL, 0);
}

int main(void) {
        sd_bus *bus = NULL;
        pid_t pid = service_start();
        int r;

        r = sd_bus_open_user(&bus);
        if (r < 0) {
                printf("Bail out! %s\n", strerror(-r));
                return 1;
        }
        test_calls(bus);
        test_signal(bus);
        test_creds(bus, pid);
        test_vanishing(bus, pid);
        sd_bus_flush_close_unref(bus);
        printf("1..%u\n", n_tests);
        return n_failed > 0;
}
