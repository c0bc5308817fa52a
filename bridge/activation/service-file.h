/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Service files - reading one NAME.service file
 *
 * A service file tells how to start the owner of a bus name: [D-BUS Service] with Name=, Exec=,
 * User=, SystemdService= and AssumedAppArmorLabel= (D-Bus spec, "Message Bus Starting Services").
 * The syntax is that of desktop entries, as dbus-daemon understands it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Larger files are refused, like in dbus-daemon. With pages of 4 KiB, the kernel has the same limit
 * for one word of a command line (MAX_ARG_STRLEN).
 */
#define SERVICE_FILE_SIZE_MAX (128 * 1024)

struct service {
        char *name;           /* a valid well-known name, not that of the bus */
        char *exec;           /* for command_line_split(); NULL: none */
        char *user;           /* NULL: none */
        char *systemd_unit;   /* NULL: none */
        char *apparmor_label; /* NULL: none */
        char *path;           /* of the file */
        uint64_t stamp;       /* bus_config_stamp() of the file when it was read */
        bool misnamed; /* the file is not named NAME.service: the setuid helper cannot find it */
};

/*
 * Read the file file_name in the directory directory_fd. directory is the path of this directory,
 * for error texts and service->path. If the file has neither Exec nor SystemdService, the bus does
 * not start the service but waits for it. -EINVAL if the file has an error, is too large or is not
 * a regular file; -ENOMEM; another negative errno if it cannot be read. On failure *ret_error is an
 * allocated text "FILE:LINE: …" or "FILE: …" (NULL without memory), and *ret_service is untouched.
 * With must_be_ours, a file of another user (owner.h) is -EPERM.
 */
int service_file_read(int directory_fd, const char *directory, const char *file_name,
                      bool must_be_ours, struct service **ret_service, char **ret_error);
/*
 * The same for n bytes of text; path is for error texts and service->path. The members stamp and
 * misnamed are left zero.
 */
int service_file_parse(const char *text, size_t n, const char *path, struct service **ret_service,
                       char **ret_error);
/* NULL is fine; returns NULL. */
struct service *service_free(struct service *service);
