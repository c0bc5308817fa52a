/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Addresses of buses
 *
 * Lists are tried in turn. The program is its own unixexec: program, which passes all bytes and
 * descriptors between its standard input and the bus.
 */

#include "test/interop/members.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* the program that passes everything on */

static bool pass(int from, int to) {
        char data[4096];
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(16 * sizeof(int))];
        } control;
        struct iovec vec = {data, sizeof(data)};
        struct msghdr m = {
                .msg_iov = &vec,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t l = recvmsg(from, &m, MSG_CMSG_CLOEXEC);

        if (l <= 0)
                return false;
        vec.iov_len = (size_t)l;
        l = sendmsg(to, &m, MSG_NOSIGNAL);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
                for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
                        close(((int *)CMSG_DATA(c))[i]);
        return l > 0;
}

static int relay(int a, const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int b = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        if (connect(b, (struct sockaddr *)&address, sizeof(address)) < 0)
                return 1;
        for (;;) {
                struct pollfd p[] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};

                if (poll(p, 2, -1) < 0)
                        return 1;
                if ((p[0].revents && !pass(a, b)) || (p[1].revents && !pass(b, a)))
                        return 0;
        }
}

/* --relay SOCKET PID-FILE */
static int relay_main(char **argv) {
        FILE *f = fopen(argv[3], "we");

        if (!f)
                return 1;
        fprintf(f, "%d\n", getpid());
        fclose(f);
        return relay(STDIN_FILENO, argv[2]);
}

/* --echo: a program that only says what it hears */
static int echo_main(void) {
        char data[256];
        ssize_t l;

        while ((l = read(STDIN_FILENO, data, sizeof(data))) > 0)
                if (write(STDOUT_FILENO, data, (size_t)l) != l)
                        return 1;
        return 0;
}

/*
 * --secure DIRECTORY BUS-ADDRESS: a program with more rights than its caller. Whoever calls it must
 * not get code to run in it. Returns 77 if the system gives it no such rights, and else the number
 * of the first check that fails.
 */
static int secure_main(char **argv) {
        char text[512];
        struct bus1_dbus *bus = NULL;
        DBusError error = DBUS_ERROR_INIT;

        if (!getauxval(AT_SECURE))
                return 77;
        snprintf(text, sizeof(text), "unixexec:path=/bin/touch,argv1=%s/touched", argv[2]);
        if (bus1_dbus_open(&bus, text, &error) != -EPERM ||
            !dbus_error_has_name(&error, DBUS_ERROR_ACCESS_DENIED))
                return 1;
        dbus_error_free(&error);
        setenv("DBUS_SESSION_BUS_ADDRESS", text, 1);
        setenv("DBUS_SYSTEM_BUS_ADDRESS", text, 1);
        setenv("XDG_RUNTIME_DIR", argv[2], 1);
        if (bus1_dbus_open_session(&bus, &error) != -ENOENT)
                return 2;
        dbus_error_free(&error);
        (void)bus1_dbus_open_system(&bus, NULL);
        bus = bus1_dbus_free(bus);
        snprintf(text, sizeof(text), "%s/touched", argv[2]);
        if (access(text, F_OK) == 0)
                return 3;
        /* what the environment says is not read, whatever it says */
        setenv("DBUS_SESSION_BUS_ADDRESS", argv[3], 1);
        if (bus1_dbus_open_session(&bus, NULL) != -ENOENT)
                return 4;
        return 0;
}

/* helpers */

static char bus_path[128];
static struct bus1_dbus *bus;

static void setup(void) {
        members_setup();
        snprintf(bus_path, sizeof(bus_path), "%s/bus", bus_daemon.directory);
        bus = NULL;
}

static void expect_joined(const char *address) {
        DBusError error = DBUS_ERROR_INIT;
        int r;

        r = bus1_dbus_open(&bus, address, &error);
        ck_assert_msg(r == 0, "%s: %d, %s", address, r, error.message);
        ck_assert(!dbus_error_is_set(&error));
        request();
        expect_text(call(service, BUS1_DBUS_BUS, NAME, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(service));
        bus = bus1_dbus_free(bus);
        ck_assert_int_eq(bus1_dbus_open(&bus, address, NULL), 0);
        bus = bus1_dbus_free(bus);
}

static void expect_refused(const char *address, int expected, const char *name) {
        DBusError error = DBUS_ERROR_INIT;
        int r;

        r = bus1_dbus_open(&bus, address, &error);
        ck_assert_msg(r == expected, "%s: %d, %s", address, r, error.message);
        ck_assert_msg(dbus_error_has_name(&error, name), "%s: %s", address, error.name);
        ck_assert(*error.message);
        dbus_error_free(&error);
        ck_assert_int_eq(bus1_dbus_open(&bus, address, NULL), expected);
}

START_TEST(address_is_refused) {
        char address[700], name[200];

        expect_refused("", -EINVAL, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("unix", -EINVAL, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("unix:path=a b", -EINVAL, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("unix:path=%zz", -EINVAL, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("unix:", -EADDRNOTAVAIL, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("unix:tmpdir=/tmp", -EADDRNOTAVAIL, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("unix:dir=/tmp", -EADDRNOTAVAIL, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("unix:runtime=no", -EADDRNOTAVAIL, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("unix:path=/a,abstract=b", -EADDRNOTAVAIL, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("launchd:env=A", -EADDRNOTAVAIL, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("nonsense:a=b", -EADDRNOTAVAIL, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("unixexec:argv1=a", -EADDRNOTAVAIL, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("tcp:host=localhost,port=1", -EPROTONOSUPPORT, DBUS_ERROR_NOT_SUPPORTED);
        expect_refused("nonce-tcp:host=localhost,port=1,noncefile=/a", -EPROTONOSUPPORT,
                       DBUS_ERROR_NOT_SUPPORTED);
        expect_refused("autolaunch:", -EPROTONOSUPPORT, DBUS_ERROR_NOT_SUPPORTED);
        expect_refused("unix:path=/nonexistent", -ENOENT, DBUS_ERROR_FILE_NOT_FOUND);
        memset(name, 'a', sizeof(name) - 1);
        name[sizeof(name) - 1] = 0;
        snprintf(address, sizeof(address), "unix:path=/%s", name);
        expect_refused(address, -ENAMETOOLONG, DBUS_ERROR_BAD_ADDRESS);
        expect_refused("unixexec:path=/nonexistent", -ENOENT, DBUS_ERROR_FILE_NOT_FOUND);
        expect_refused("unixexec:path=/", -EACCES, DBUS_ERROR_ACCESS_DENIED);
        /* a program that says nothing, or the wrong thing */
        ck_assert_int_lt(bus1_dbus_open(&bus, "unixexec:path=true", NULL), 0);
        expect_refused("unixexec:path=/proc/self/exe,argv1=--echo", -EACCES,
                       DBUS_ERROR_AUTH_FAILED);
        /* the first error counts, as in libdbus-1 */
        expect_refused("unix:path=/nonexistent;autolaunch:", -ENOENT, DBUS_ERROR_FILE_NOT_FOUND);
        expect_refused("autolaunch:;unix:path=/nonexistent", -EPROTONOSUPPORT,
                       DBUS_ERROR_NOT_SUPPORTED);
        snprintf(address, sizeof(address), "unix:path=%s,guid=%032d", bus_path, 0);
        expect_refused(address, -EREMCHG, DBUS_ERROR_BAD_ADDRESS);
}
END_TEST

START_TEST(next_address_is_tried) {
        char address[900];

        snprintf(address, sizeof(address),
                 "unix:path=/nonexistent;tcp:host=localhost,port=1;nonce-tcp:host=localhost,port=1,"
                 "noncefile=/a;autolaunch:;nonsense:a=b;unix:tmpdir=/tmp;unixexec:path=true;"
                 "unixexec:path=/nonexistent;unix:path=%s,guid=%032d;%s;unix:path=/not/tried",
                 bus_path, 0, bus_daemon.address);
        expect_joined(address);
}
END_TEST

START_TEST(escapes_are_understood) {
        char address[256], path[128];

        snprintf(path, sizeof(path), "%s/a b,;=%%", bus_daemon.directory);
        ck_assert_int_eq(symlink(bus_path, path), 0);
        snprintf(address, sizeof(address), "unix:path=%s/a%%20b%%2c%%3B%%3d%%25",
                 bus_daemon.directory);
        expect_joined(address);
        ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(runtime_directory_is_used) {
        ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", bus_daemon.directory, 1), 0);
        expect_joined("unix:runtime=yes");
        ck_assert_int_eq(unsetenv("XDG_RUNTIME_DIR"), 0);
        expect_refused("unix:runtime=yes", -ENOENT, DBUS_ERROR_FILE_NOT_FOUND);
}
END_TEST

START_TEST(abstract_socket_is_used) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char text[128];
        socklen_t n;
        pid_t pid;
        int fd;

        n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                        (size_t)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
                                         "bus1 test %d", getpid()));
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, n), 0);
        ck_assert_int_eq(listen(fd, 5), 0);
        pid = fork();
        if (pid == 0) {
                /* one after the other: each is left before the next one is joined */
                for (;;) {
                        int a = accept(fd, NULL, NULL);

                        if (a < 0)
                                _exit(1);
                        relay(a, bus_path);
                        close(a);
                }
        }
        close(fd);
        snprintf(text, sizeof(text), "unix:abstract=bus1%%20test%%20%d", getpid());
        expect_joined(text);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        expect_refused(text, -ECONNREFUSED, DBUS_ERROR_NO_SERVER);
}
END_TEST

START_TEST(program_is_started) {
        char address[600], pid_path[128];
        int pid = 0;
        FILE *f;

        snprintf(pid_path, sizeof(pid_path), "%s/pid", bus_daemon.directory);
        snprintf(address, sizeof(address),
                 "unixexec:path=/proc/self/exe,argv0=relay,argv1=--relay,argv2=%s,argv3=%s",
                 bus_path, pid_path);
        ck_assert_int_eq(bus1_dbus_open(&bus, address, NULL), 0);
        f = fopen(pid_path, "re");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
        fclose(f);
        ck_assert_int_eq(kill(pid, 0), 0);
        /* it is no child of this process: the bus is the only one */
        ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
        expect_text(call(client, BUS1_DBUS_BUS, bus1_dbus_get_unique_name(service), PATH, "Where",
                         NULL),
                    PATH);
        /* and it ends with the membership */
        bus = bus1_dbus_free(bus);
        for (int i = 0; i < 5000 && kill(pid, 0) == 0; i++)
                usleep(1000);
        ck_assert_int_eq(kill(pid, 0), -1);
        ck_assert_int_eq(unlink(pid_path), 0);
        expect_joined(address);
        ck_assert_int_eq(unlink(pid_path), 0);
}
END_TEST

static bool copy_program(const char *to) {
        char data[65536];
        FILE *in = fopen("/proc/self/exe", "re"), *out = fopen(to, "we");
        size_t n;

        while ((n = fread(data, 1, sizeof(data), in)) > 0)
                fwrite(data, 1, n, out);
        fclose(in);
        return fclose(out) == 0;
}

/* Only root can give the program the rights of another user. */
START_TEST(set_uid_program_runs_nothing) {
        char program[128];
        int status;
        pid_t pid;

        if (getuid() != 0)
                return;
        snprintf(program, sizeof(program), "%s/secure", bus_daemon.directory);
        ck_assert(copy_program(program));
        ck_assert_int_eq(chown(program, 65534, 65534), 0);
        ck_assert_int_eq(chmod(program, 04755), 0);
        ck_assert_int_eq(chmod(bus_daemon.directory, 0777), 0);
        pid = fork();
        if (pid == 0) {
                execl(program, program, "--secure", bus_daemon.directory, bus_daemon.address, NULL);
                _exit(126);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(unlink(program), 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                return; /* the file system knows no set-uid programs */
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                return; /* the loader does not use LD_LIBRARY_PATH for a set-uid program */
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}
END_TEST

static void on_alarm(int signo) {
}

/* A socket whose backlog is full: nobody accepts. Unix signals arrive meanwhile. */
START_TEST(full_socket_costs_time_only) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct sigaction action = {.sa_handler = on_alarm};
        struct itimerval timer = {{3, 0}, {3, 0}};
        int fd, fds[64], n = 0, r;
        char text[700];
        int64_t start;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s/full", bus_daemon.directory);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        ck_assert_int_eq(listen(fd, 0), 0);
        do {
                fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                r = connect(fds[n++], (struct sockaddr *)&address, sizeof(address));
        } while (r == 0 && n < 64);
        ck_assert(r < 0 && errno == EAGAIN);
        sigaction(SIGALRM, &action, NULL);
        setitimer(ITIMER_REAL, &timer, NULL);
        snprintf(text, sizeof(text), "unix:path=%s;%s", address.sun_path, bus_daemon.address);
        start = now_ms();
        ck_assert_int_eq(bus1_dbus_open(&bus, text, NULL), 0);
        ck_assert_int_ge(now_ms() - start, 24000);
        ck_assert_int_lt(now_ms() - start, 40000);
        timer = (struct itimerval){};
        setitimer(ITIMER_REAL, &timer, NULL);
        bus = bus1_dbus_free(bus);
        while (n > 0)
                close(fds[--n]);
        close(fd);
        unlink(address.sun_path);
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("addresses");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, setup, members_teardown);
        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, address_is_refused);
        tcase_add_test(tcase, next_address_is_tried);
        tcase_add_test(tcase, escapes_are_understood);
        tcase_add_test(tcase, runtime_directory_is_used);
        tcase_add_test(tcase, abstract_socket_is_used);
        tcase_add_test(tcase, program_is_started);
        tcase_add_test(tcase, set_uid_program_runs_nothing);
        tcase_add_test(tcase, full_socket_costs_time_only);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        if (argc == 4 && strcmp(argv[1], "--relay") == 0)
                return relay_main(argv);
        if (argc == 2 && strcmp(argv[1], "--echo") == 0)
                return echo_main();
        /* A sanitizer cannot look for leaks at the end of a set-uid program. */
        if (argc == 4 && strcmp(argv[1], "--secure") == 0)
                _exit(secure_main(argv));
        return run_suite(make_suite(), argc, argv);
}
