/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Socket files - listening sockets with a path
 *
 * A socket gets its path when it listens and has its final mode, so no client finds one that
 * refuses it. A file that nobody listens on is replaced, in one step. A socket on which somebody
 * listens stays.
 */

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct socket_file {
        char *path; /* NULL: none */
        dev_t device;
        ino_t inode;
};

/*
 * Make a socket that listens at the path, and that all users may connect to. Returns it, or a
 * negative errno with a text in *ret_error: -EADDRINUSE if another process listens there, or if the
 * file is no socket. The caller ends *ret_file with socket_file_remove().
 */
int socket_file_listen(const char *path, struct socket_file *ret_file, char **ret_error);
/*
 * Make a socket that listens at the address, which has n bytes. name is what an error calls it.
 * Returns the socket, or a negative errno with a text in *ret_error.
 */
int socket_listen(const struct sockaddr_un *address, socklen_t n, const char *name,
                  char **ret_error);
/* Remove the file, unless it is one of another process by now, and free the path. */
void socket_file_remove(struct socket_file *file);
