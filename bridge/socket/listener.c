/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Listening sockets (D-Bus spec, "Server Addresses"): the unix transports and systemd's. */

#include "bridge/socket/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bridge/base/systemd.h"

struct listener *listener_free(struct listener *listener) {
        if (!listener)
                return NULL;
        loop_remove(listener->server->loop, &listener->source);
        if (listener->source.fd >= 0)
                close(listener->source.fd);
        if (listener->unlink_path)
                unlink(listener->unlink_path);
        free(listener->unlink_path);
        if (listener->nonce_file) {
                unlink(listener->nonce_file);
                rmdir(dirname(listener->nonce_file));
        }
        free(listener->nonce_file);
        free(listener);
        return NULL;
}

int listener_fail(char **ret_error, int r, const char *format, ...) {
        va_list args;

        va_start(args, format);
        if (vasprintf(ret_error, format, args) < 0)
                *ret_error = NULL;
        va_end(args);
        return r;
}

int listener_new(struct server *server, int fd, const char *guid, const char *unlink_path,
                 struct listener **ret_listener) {
        struct listener *listener;

        listener = calloc(1, sizeof(*listener));
        if (!listener) {
                close(fd);
                return -ENOMEM;
        }
        listener->server = server;
        listener->source.fd = fd;
        memcpy(listener->guid, guid, sizeof(listener->guid));
        if (unlink_path) {
                listener->unlink_path = strdup(unlink_path);
                if (!listener->unlink_path) {
                        unlink(unlink_path);
                        listener_free(listener);
                        return -ENOMEM;
                }
        }
        DL_APPEND(server->listeners, listener);
        if (ret_listener)
                *ret_listener = listener;
        return 0;
}

static int print_address(const char *key, const char *value, size_t n_value, const char *guid,
                         char **ret_printed) {
        char *escaped;
        int n;

        escaped = address_escape(value, n_value);
        if (!escaped)
                return -ENOMEM;
        n = asprintf(ret_printed, "unix:%s=%s,guid=%s", key, escaped, guid);
        free(escaped);
        return n < 0 ? -ENOMEM : 0;
}

/* unix */

static int open_unix(struct server *server, const char *key, const char *name, char **ret_printed,
                     char **ret_error) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        bool abstract = !strcmp(key, "abstract");
        size_t n = strlen(name);
        char guid[33], *printed;
        struct stat st;
        int fd, r;

        if (n >= sizeof(address.sun_path))
                return listener_fail(ret_error, -ENAMETOOLONG, "The socket name \"%s\" is too long",
                                     name);
        memcpy(address.sun_path + abstract, name, n);

        /* A socket file of an earlier life, or of another bus, makes room; nothing else does. */
        if (!abstract && lstat(name, &st) == 0 && S_ISSOCK(st.st_mode))
                unlink(name);

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return listener_fail(ret_error, -errno, "Cannot make a socket: %s",
                                     strerror(errno));
        if (bind(fd, (const struct sockaddr *)&address,
                 /* the NUL before an abstract name, or after a path */
                 offsetof(struct sockaddr_un, sun_path) + n + 1) < 0) {
                r = listener_fail(ret_error, -errno, "Cannot bind to \"%s\": %s", name,
                                  strerror(errno));
                close(fd);
                return r;
        }
        if (listen(fd, SOMAXCONN) < 0 || (!abstract && chmod(name, 0777) < 0)) {
                r = listener_fail(ret_error, -errno, "Cannot listen on \"%s\": %s", name,
                                  strerror(errno));
                if (!abstract)
                        unlink(name);
                close(fd);
                return r;
        }

        bus_make_id(guid);
        r = print_address(key, name, n, guid, &printed);
        if (r < 0) {
                close(fd);
                return r;
        }
        r = listener_new(server, fd, guid, abstract ? NULL : name, NULL);
        if (r < 0) {
                free(printed);
                return r;
        }
        *ret_printed = printed;
        return 0;
}

/* A fresh name in the directory. */
static int open_unix_dir(struct server *server, const char *dir, char **ret_printed,
                         char **ret_error) {
        static const char letters[] =
                "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        char path[sizeof(((struct sockaddr_un *)0)->sun_path)], name[11] = {};

        for (unsigned try = 0; try < 100; try++) {
                struct hash_seed seed;
                uint64_t x;

                hash_seed_init(&seed);
                x = seed.k0;
                for (unsigned i = 0; i < 10; i++, x /= sizeof(letters) - 1)
                        name[i] = letters[x % (sizeof(letters) - 1)];
                if ((size_t)snprintf(path, sizeof(path), "%s/dbus-%s", dir, name) >= sizeof(path))
                        return listener_fail(ret_error, -ENAMETOOLONG,
                                             "The directory \"%s\" is too long", dir);
                if (access(path, F_OK) < 0)
                        return open_unix(server, "path", path, ret_printed, ret_error);
        }
        return listener_fail(ret_error, -EEXIST, "No free name in \"%s\"", dir);
}

static int open_unix_runtime(struct server *server, const char *value, char **ret_printed,
                             char **ret_error) {
        const char *dir = getenv("XDG_RUNTIME_DIR");
        char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

        if (strcmp(value, "yes"))
                return listener_fail(ret_error, -EINVAL, "unix:runtime can only be \"yes\"");
        if (!dir)
                return listener_fail(ret_error, -EINVAL,
                                     "unix:runtime=yes, but XDG_RUNTIME_DIR is not set");
        if ((size_t)snprintf(path, sizeof(path), "%s/bus", dir) >= sizeof(path))
                return listener_fail(ret_error, -ENAMETOOLONG, "XDG_RUNTIME_DIR is too long");
        return open_unix(server, "path", path, ret_printed, ret_error);
}

static int open_unix_address(struct server *server, const struct address_entry *address,
                             char **ret_printed, char **ret_error) {
        static const char *const keys[] = {"path", "abstract", "dir", "tmpdir", "runtime"};
        const char *key = NULL, *value = NULL;

        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                const char *v = address_entry_get(address, keys[i]);

                if (!v)
                        continue;
                if (key)
                        return listener_fail(ret_error, -EINVAL,
                                             "An address cannot have both \"%s\" and \"%s\"", key,
                                             keys[i]);
                key = keys[i];
                value = v;
        }
        if (!key)
                return listener_fail(
                        ret_error, -EINVAL,
                        "An address of type unix needs path, abstract, dir, tmpdir or runtime");

        if (!strcmp(key, "dir") || !strcmp(key, "tmpdir"))
                return open_unix_dir(server, value, ret_printed, ret_error);
        if (!strcmp(key, "runtime"))
                return open_unix_runtime(server, value, ret_printed, ret_error);
        return open_unix(server, key, value, ret_printed, ret_error);
}

/* systemd */

static int fd_set_nonblocking(int fd) {
        int flags = fcntl(fd, F_GETFL);

        return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/* Of the socket level; -1 when there is no socket. */
static int get_option(int fd, int option) {
        socklen_t n = sizeof(int);
        int value;

        return getsockopt(fd, SOL_SOCKET, option, &value, &n) < 0 ? -1 : value;
}

static int print_inherited_unix(int fd, const char *guid, char **ret_printed) {
        struct sockaddr_un address = {};
        socklen_t n = sizeof(address);
        size_t n_name;

        if (getsockname(fd, (struct sockaddr *)&address, &n) < 0)
                return -errno;
        if (n <= offsetof(struct sockaddr_un, sun_path))
                return -EINVAL;
        /* The kernel ends a name that fills all of sun_path behind it. */
        if (n > sizeof(address))
                n = sizeof(address);
        n_name = n - offsetof(struct sockaddr_un, sun_path);
        if (address.sun_path[0] == '\0')
                return print_address("abstract", address.sun_path + 1, n_name - 1, guid,
                                     ret_printed);
        return print_address("path", address.sun_path, strnlen(address.sun_path, n_name), guid,
                             ret_printed);
}

static int print_inherited(int fd, bool is_tcp, const char *guid, char **ret_printed) {
        char *place;
        int r;

        if (!is_tcp)
                return print_inherited_unix(fd, guid, ret_printed);
        r = listener_describe_tcp(fd, NULL, &place);
        if (r < 0)
                return r;
        r = asprintf(ret_printed, "tcp:%s,guid=%s", place, guid);
        free(place);
        return r < 0 ? -ENOMEM : 0;
}

/* One of systemd's sockets. */
static int open_inherited(struct server *server, int fd, const char *guid, char **ret_printed,
                          char **ret_error) {
        struct listener *listener;
        char *printed;
        int family, r;
        bool is_tcp;

        if (get_option(fd, SO_TYPE) != SOCK_STREAM || get_option(fd, SO_ACCEPTCONN) != 1)
                return listener_fail(ret_error, -EINVAL,
                                     "Socket %d of systemd is no listening stream socket", fd);
        family = get_option(fd, SO_DOMAIN);
        is_tcp = family == AF_INET || family == AF_INET6;
        if (!is_tcp && family != AF_UNIX)
                return listener_fail(ret_error, -EINVAL,
                                     "Socket %d of systemd is of no family that a bus listens on",
                                     fd);
        if (is_tcp) {
                r = listener_check_tcp(server, ret_error);
                if (r < 0)
                        return r;
        }
        r = fd_set_nonblocking(fd);
        if (r >= 0)
                r = print_inherited(fd, is_tcp, guid, &printed);
        if (r < 0)
                return listener_fail(ret_error, r, "Socket %d of systemd is of no use: %s", fd,
                                     strerror(-r));
        r = listener_new(server, fd, guid, NULL, &listener);
        if (r < 0) {
                free(printed);
                return r;
        }
        listener->is_tcp = is_tcp;
        *ret_printed = printed;
        return 0;
}

static int open_systemd(struct server *server, char **ret_printed, char **ret_error) {
        char *all = NULL, guid[33];
        int n, r;

        n = systemd_listen_fds();
        if (n <= 0)
                return listener_fail(ret_error, n < 0 ? n : -ENOENT, "systemd passed no sockets");

        bus_make_id(guid);
        for (int i = 0; i < n; i++) {
                char *printed = NULL, *joined;

                r = open_inherited(server, SYSTEMD_LISTEN_FDS_START + i, guid, &printed, ret_error);
                if (r < 0) {
                        free(all);
                        return r;
                }
                r = asprintf(&joined, "%s%s%s", all ? all : "", all ? ";" : "", printed);
                free(printed);
                free(all);
                if (r < 0)
                        return -ENOMEM;
                all = joined;
        }
        *ret_printed = all;
        return 0;
}

int listener_open(struct server *server, const struct address_entry *address, char **ret_printed,
                  char **ret_error) {
        if (!strcmp(address->transport, "unix"))
                return open_unix_address(server, address, ret_printed, ret_error);
        if (!strcmp(address->transport, "systemd"))
                return open_systemd(server, ret_printed, ret_error);
        if (!strcmp(address->transport, "tcp") || !strcmp(address->transport, "nonce-tcp"))
                return listener_open_tcp(server, address, ret_printed, ret_error);
        return listener_fail(ret_error, -EINVAL, "Unknown address type \"%s\" to listen on",
                             address->transport);
}
