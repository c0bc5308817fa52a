/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Listening on unix sockets (D-Bus spec, "Unix Domain Sockets"). */

#include "bridge/socket/listener-unix.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "bridge/base/owner.h"

int listener_print_unix(const char *key, const char *value, size_t n_value, const char *guid,
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

/* Return a new socket that listens at the abstract name, or a negative errno. */
static int listen_abstract(const char *name, char **ret_error) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t n = strlen(name);

        if (n >= sizeof(address.sun_path))
                return set_error(ret_error, -ENAMETOOLONG, "The socket name \"%s\" is too long",
                                 name);
        memcpy(address.sun_path + 1, name, n);
        return socket_listen(&address, offsetof(struct sockaddr_un, sun_path) + 1 + n, name,
                             ret_error);
}

static int open_unix(struct server *server, const char *key, const char *name, char **ret_printed,
                     char **ret_error) {
        CLEANUP_FREE char *printed = NULL;
        struct socket_file file = {};
        struct listener *listener;
        char guid[33];
        int fd, r;

        bus_make_id(guid);
        r = listener_print_unix(key, name, strlen(name), guid, &printed);
        if (r < 0)
                return r;
        fd = strcmp(key, "abstract") == 0 ? listen_abstract(name, ret_error)
                                          : socket_file_listen(name, &file, ret_error);
        if (fd < 0)
                return fd;
        r = listener_new(server, fd, guid, &listener);
        if (r < 0) {
                socket_file_remove(&file);
                return r;
        }
        listener->file = file;
        *ret_printed = steal_ptr(&printed);
        return 0;
}

/* Listen on a new name in the directory. */
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
                        return set_error(ret_error, -ENAMETOOLONG,
                                         "The directory \"%s\" is too long", dir);
                if (access(path, F_OK) < 0)
                        return open_unix(server, "path", path, ret_printed, ret_error);
        }
        return set_error(ret_error, -EEXIST, "Cannot find a free name for a socket in \"%s\"", dir);
}

static int open_unix_runtime(struct server *server, const char *value, char **ret_printed,
                             char **ret_error) {
        const char *dir = getenv("XDG_RUNTIME_DIR");
        char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
        uid_t owner;

        if (strcmp(value, "yes") != 0)
                return set_error(ret_error, -EINVAL, "unix:runtime can only be \"yes\"");
        if (!dir)
                return set_error(ret_error, -EINVAL,
                                 "unix:runtime=yes, but XDG_RUNTIME_DIR is not set");
        if ((size_t)snprintf(path, sizeof(path), "%s/bus", dir) >= sizeof(path))
                return set_error(ret_error, -ENAMETOOLONG, "XDG_RUNTIME_DIR is too long");
        if (owner_check(dir, &owner) > 0)
                return set_error(
                        ret_error, -EPERM,
                        "XDG_RUNTIME_DIR (%s) belongs to uid %u, not to this user (uid %u)", dir,
                        (unsigned)owner, (unsigned)geteuid());
        return open_unix(server, "path", path, ret_printed, ret_error);
}

int listener_open_unix(struct server *server, const struct address_entry *address,
                       char **ret_printed, char **ret_error) {
        static const char *const keys[] = {"path", "abstract", "dir", "tmpdir", "runtime"};
        const char *key = NULL, *value = NULL;

        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                const char *v = address_entry_get(address, keys[i]);

                if (!v)
                        continue;
                if (key)
                        return set_error(ret_error, -EINVAL,
                                         "An address cannot have both \"%s\" and \"%s\"", key,
                                         keys[i]);
                key = keys[i];
                value = v;
        }
        if (!key)
                return set_error(
                        ret_error, -EINVAL,
                        "An address of type unix needs path, abstract, dir, tmpdir or runtime");

        if (strcmp(key, "dir") == 0 || strcmp(key, "tmpdir") == 0)
                return open_unix_dir(server, value, ret_printed, ret_error);
        if (strcmp(key, "runtime") == 0)
                return open_unix_runtime(server, value, ret_printed, ret_error);
        return open_unix(server, key, value, ret_printed, ret_error);
}
