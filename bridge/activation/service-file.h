/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Service files - one NAME.service file, read
 *
 * Such a file says how to get an owner for a bus name: [D-BUS Service] with Name=, Exec=, User=,
 * SystemdService= and AssumedAppArmorLabel= (D-Bus spec, "Message Bus Starting Services"). The
 * syntax is that of desktop entries; where it leaves things open, it is what dbus-daemon makes of
 * it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A file that is larger is refused, as by dbus-daemon. It is also what the kernel takes as a single
 * word of a command line (MAX_ARG_STRLEN), and far more than any file that is installed has.
 */
#define SERVICE_FILE_SIZE_MAX (128 * 1024)

struct service {
        char *name;           /* a valid well-known name, not the bus's */
        char *exec;           /* to be given to command_line_split(); NULL: none */
        char *user;           /* NULL: none */
        char *systemd_unit;   /* NULL: none */
        char *apparmor_label; /* NULL: none */
        char *path;           /* of the file */
        uint64_t stamp;       /* bus_config_stamp() of the file as it was read */
        bool misnamed;        /* the file is not called NAME.service, as a helper wants it */
};

/*
 * Read directory/file_name, relative to the descriptor directory_fd of that directory, which is for
 * messages and service->path. Without Exec and SystemdService, starting it means to wait for an
 * owner. -EINVAL for a file that is wrong, -errno when it cannot be read, -ENOMEM. On failure
 * *ret_error is what to tell, "FILE:LINE: …" or "FILE: …", to be freed (NULL only without memory),
 * and *ret_service is untouched.
 */
int service_file_read(int directory_fd, const char *directory, const char *file_name,
                      struct service **ret_service, char **ret_error);
/* Likewise, of n bytes at text that are called path. stamp and misnamed are left for the caller. */
int service_file_parse(const char *text, size_t n, const char *path, struct service **ret_service,
                       char **ret_error);
/* NULL is fine; returns NULL. */
struct service *service_free(struct service *service);
