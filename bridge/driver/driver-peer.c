/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.DBus.Peer */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bridge/driver/methods.h"

static int peer_ping(struct driver_call *call) {
        return 0;
}

static bool read_machine_id(const char *path, char id[33]) {
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        id[32] = '\0';
        return fd >= 0 && read(fd, id, 32) == 32 && strspn(id, "0123456789abcdefABCDEF") == 32;
}

static int peer_get_machine_id(struct driver_call *call) {
        char id[33];

        if (!read_machine_id("/var/lib/dbus/machine-id", id) &&
            !read_machine_id("/etc/machine-id", id))
                return driver_call_fail(call, DRIVER_ERROR("FileNotFound"),
                                        "This machine has no valid machine id");
        writer_string(&call->writer, id);
        return 0;
}

static const struct driver_method methods[] = {
        {"GetMachineId", "", "s", peer_get_machine_id},
        {"Ping", "", "", peer_ping},
        {},
};

const struct driver_interface driver_interface_peer = {
        .of_connection = true,
        .name = "org.freedesktop.DBus.Peer",
        .methods = methods,
};
