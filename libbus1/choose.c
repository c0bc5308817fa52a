/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The choice of the transport
 *
 * A program that names no transport gets the hosted server at $BUS1_HOSTED_SOCKET if that is set
 * and not empty, else the kernel's device if it exists, else the hosted server at the default path.
 */

#include "libbus1/transports.h"
#include "libbus1/util.h"
#include <errno.h>
#include <sys/stat.h>

BUS1_EXPORT int bus1_client_new(struct bus1_client **ret_client) {
        const char *path;
        int r;

        path = secure_getenv(BUS1_HOSTED_SOCKET_ENV);
        if (path && *path)
                return bus1_client_new_hosted(ret_client, path);

        r = bus1_client_new_device(ret_client, NULL);
        /* a device node without a module behind it counts as missing */
        if (r != -ENOENT && r != -ENXIO && r != -ENODEV)
                return r;

        return bus1_client_new_hosted(ret_client, BUS1_HOSTED_SOCKET_PATH);
}

BUS1_EXPORT int bus1_client_new_from_fd(struct bus1_client **ret_client, int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;

        if (S_ISCHR(st.st_mode))
                return device_client_new_from_fd(ret_client, fd);
        if (S_ISSOCK(st.st_mode))
                return hosted_client_new_from_fd(ret_client, fd);

        return -EMEDIUMTYPE;
}
