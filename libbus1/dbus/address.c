/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/address.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libbus1/dbus/error.h"
#include "libbus1/dbus/membership.h"

static int refuse(DBusError *error, int r, const char *name, const char *text) {
        dbus_set_error_const(error, name, text);
        return r;
}

static int refuse_malformed(DBusError *error, const char *text) {
        return refuse(error, -EADDRNOTAVAIL, DBUS_ERROR_BAD_ADDRESS, text);
}

/* unix: */

/*
 * A connect() to a socket with a full backlog blocks, or fails at once if it must not block, and
 * nothing tells when there is room. So it blocks with a time limit, which is that of sending.
 */
static int connect_until(int fd, const struct sockaddr_un *address, socklen_t n_address,
                         uint64_t deadline) {
        struct timeval limit;
        uint64_t left;

        do {
                left = time_left(deadline);
                limit.tv_sec = (time_t)(left / NS_PER_S);
                limit.tv_usec = (suseconds_t)(left % NS_PER_S / 1000);
                if (limit.tv_sec == 0 && limit.tv_usec == 0)
                        return -ETIMEDOUT; /* zero would mean no limit */
                if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
                        return -errno;
                if (connect(fd, (const struct sockaddr *)address, n_address) == 0)
                        return 0;
        } while (errno == EINTR);
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int connect_now(int fd, const struct sockaddr_un *address, socklen_t n_address) {
        if (TEMP_FAILURE_RETRY(connect(fd, (const struct sockaddr *)address, n_address)) == 0)
                return 0;
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int connect_unix(const char *name, bool abstract, uint64_t deadline, DBusError *error) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t n = strlen(name);
        CLEANUP_CLOSE int fd = -1;
        socklen_t n_address;
        int r;

        if (n == 0 || n + 1 >= sizeof(address.sun_path))
                return refuse(error, -ENAMETOOLONG, DBUS_ERROR_BAD_ADDRESS,
                              "The name of the socket is empty or too long");
        memcpy(address.sun_path + (abstract ? 1 : 0), name, n);
        n_address = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (deadline == 0 ? SOCK_NONBLOCK : 0), 0);
        if (fd < 0)
                r = -errno;
        else if (deadline == 0)
                r = connect_now(fd, &address, n_address);
        else
                r = connect_until(fd, &address, n_address, deadline);
        return r < 0 ? error_from_errno(error, r, "Connecting to the bus") : steal_fd(&fd);
}

static int connect_runtime(uint64_t deadline, DBusError *error) {
        const char *directory = secure_getenv("XDG_RUNTIME_DIR");
        CLEANUP_FREE char *path = NULL;

        if (!directory)
                return refuse(error, -ENOENT, DBUS_ERROR_FILE_NOT_FOUND,
                              "XDG_RUNTIME_DIR is not set");
        if (asprintf(&path, "%s/bus", directory) < 0) {
                path = NULL;
                return error_from_errno(error, -ENOMEM, "Connecting to the bus");
        }
        return connect_unix(path, false, deadline, error);
}

static int connect_unix_entry(DBusAddressEntry *entry, uint64_t deadline, DBusError *error) {
        const char *path = dbus_address_entry_get_value(entry, "path");
        const char *abstract = dbus_address_entry_get_value(entry, "abstract");
        const char *runtime = dbus_address_entry_get_value(entry, "runtime");

        if (dbus_address_entry_get_value(entry, "tmpdir"))
                return refuse_malformed(error, "\"tmpdir\" is for addresses to listen on");
        if (path && abstract)
                return refuse_malformed(error, "An address has \"path\" or \"abstract\", not both");
        if (path || abstract)
                return connect_unix(path ?: abstract, !path, deadline, error);
        if (runtime && strcmp(runtime, "yes") == 0)
                return connect_runtime(deadline, error);
        return refuse_malformed(error, "The address has no \"path\" and no \"abstract\"");
}

/* unixexec: */

/* Returns path, argv0 or path, argv1, ..., NULL; or NULL when memory runs out. */
static const char **exec_arguments(DBusAddressEntry *entry) {
        const char **arguments = NULL, **grown;
        char key[32];
        size_t n = 0;

        for (;;) {
                grown = reallocarray(arguments, n + 2, sizeof(*arguments));
                if (!grown) {
                        free(arguments);
                        return NULL;
                }
                arguments = grown;
                snprintf(key, sizeof(key), "argv%zu", n);
                arguments[n] = dbus_address_entry_get_value(entry, key);
                if (n == 0 && !arguments[n])
                        arguments[n] = dbus_address_entry_get_value(entry, "path");
                if (!arguments[n])
                        return arguments;
                n++;
        }
}

/*
 * Become the program. Both descriptors are closed by a successful exec(). From fork() to here, only
 * functions are called that a child of a program with threads may call.
 */
static void become(const char *path, const char **arguments, int socket_fd, int error_fd) {
        sigset_t none;
        int r;

        /* they must not be among those that the program gets */
        socket_fd = fcntl(socket_fd, F_DUPFD_CLOEXEC, 3);
        error_fd = fcntl(error_fd, F_DUPFD_CLOEXEC, 3);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (socket_fd >= 0 && error_fd >= 0 && dup2(socket_fd, STDIN_FILENO) >= 0 &&
            dup2(socket_fd, STDOUT_FILENO) >= 0)
                execvp(path, (char **)arguments);
        r = errno;
        (void)!write(error_fd, &r, sizeof(r));
}

/*
 * Start the program as a child of nobody in this process: the program that uses the library knows
 * nothing of it, and cannot wait for it. Returns 0 or a negative errno, also that of exec().
 */
static int start(const char *path, const char **arguments, int socket_fd) {
        int pipe_fds[2], r = 0;
        ssize_t l;
        pid_t pid;

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;
        pid = fork();
        if (pid == 0) {
                pid = fork();
                if (pid == 0)
                        become(path, arguments, socket_fd, pipe_fds[1]);
                r = errno;
                if (pid < 0)
                        (void)!write(pipe_fds[1], &r, sizeof(r));
                _exit(127);
        }
        if (pid < 0)
                r = -errno;
        close(pipe_fds[1]);
        if (pid > 0) {
                TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
                l = TEMP_FAILURE_RETRY(read(pipe_fds[0], &r, sizeof(r)));
                r = l == sizeof(r) ? -r : 0;
        }
        close(pipe_fds[0]);
        return r;
}

static int connect_exec(DBusAddressEntry *entry, DBusError *error) {
        const char *path = dbus_address_entry_get_value(entry, "path");
        CLEANUP_FREE const char **arguments = NULL;
        int fds[2], r;

        if (!path)
                return refuse_malformed(error, "The address has no \"path\" of a program");
        /* The caller has chosen the environment of the program, perhaps also the address. */
        if (getauxval(AT_SECURE))
                return refuse(
                        error, -EPERM, DBUS_ERROR_ACCESS_DENIED,
                        "A program with more rights than its caller starts no unixexec: program");
        arguments = exec_arguments(entry);
        if (!arguments)
                return error_from_errno(error, -ENOMEM, path);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return error_from_errno(error, -errno, path);
        r = start(path, arguments, fds[1]);
        close(fds[1]);
        if (r >= 0)
                return fds[0];
        close(fds[0]);
        if (!dbus_validate_utf8(path, NULL))
                path = "The program of the address";
        return error_from_errno(error, r, path);
}

int address_connect(DBusAddressEntry *entry, uint64_t deadline, DBusError *error) {
        const char *method = dbus_address_entry_get_method(entry);

        if (strcmp(method, "unix") == 0)
                return connect_unix_entry(entry, deadline, error);
        if (strcmp(method, "unixexec") == 0)
                return connect_exec(entry, error);
        if (strcmp(method, "tcp") == 0 || strcmp(method, "nonce-tcp") == 0)
                return refuse(error, -EPROTONOSUPPORT, DBUS_ERROR_NOT_SUPPORTED,
                              "bus1 cannot be spoken over TCP, which passes no descriptors");
        if (strcmp(method, "autolaunch") == 0)
                return refuse(error, -EPROTONOSUPPORT, DBUS_ERROR_NOT_SUPPORTED,
                              "autolaunch: is not supported: start a bus, and use its address");
        return refuse_malformed(error, "The address is not of the kind unix: or unixexec:");
}
