/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/connect.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

static int connect_unix(const char *path, bool abstract, bool at_once) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t n = strlen(path);
        CLEANUP_CLOSE int fd = -1;
        socklen_t n_address;

        if (n == 0 || n + 1 >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path + (abstract ? 1 : 0), path, n);
        n_address = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (at_once ? SOCK_NONBLOCK : 0), 0);
        if (fd < 0)
                return -errno;
        if (TEMP_FAILURE_RETRY(connect(fd, (struct sockaddr *)&address, n_address)) < 0)
                return -errno;
        return steal_fd(&fd);
}

int connect_entry(DBusAddressEntry *entry, bool at_once) {
        CLEANUP_FREE char *runtime = NULL;
        const char *path;

        if (strcmp(dbus_address_entry_get_method(entry), "unix") != 0)
                return -EAFNOSUPPORT;
        path = dbus_address_entry_get_value(entry, "path");
        if (path)
                return connect_unix(path, false, at_once);
        path = dbus_address_entry_get_value(entry, "abstract");
        if (path)
                return connect_unix(path, true, at_once);
        path = dbus_address_entry_get_value(entry, "runtime");
        if (!path || strcmp(path, "yes") != 0)
                return -EAFNOSUPPORT;
        path = getenv("XDG_RUNTIME_DIR");
        if (!path)
                return -ENOENT;
        if (asprintf(&runtime, "%s/bus", path) < 0) {
                runtime = NULL;
                return -ENOMEM;
        }
        return connect_unix(runtime, false, at_once);
}
