/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Listening: chooses the transport of an address, and takes the sockets that systemd passed. */

#include "bridge/socket/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "bridge/base/systemd.h"
#include "bridge/socket/listener-tcp.h"
#include "bridge/socket/listener-unix.h"

/* systemd */

static int fd_set_nonblocking(int fd) {
        int flags = fcntl(fd, F_GETFL);

        return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/* Get an option of the level SOL_SOCKET; -1 on failure, for example if fd is no socket. */
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
        /* If a name fills all of sun_path, the kernel puts its NUL behind the structure. */
        if (n > sizeof(address))
                n = sizeof(address);
        n_name = n - offsetof(struct sockaddr_un, sun_path);
        if (address.sun_path[0] == '\0')
                return listener_print_unix("abstract", address.sun_path + 1, n_name - 1, guid,
                                           ret_printed);
        return listener_print_unix("path", address.sun_path, strnlen(address.sun_path, n_name),
                                   guid, ret_printed);
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

/* Make a listener of one socket that systemd passed. */
static int open_inherited(struct server *server, int fd, const char *guid, char **ret_printed,
                          char **ret_error) {
        struct listener *listener;
        char *printed;
        int family, r;
        bool is_tcp;

        if (get_option(fd, SO_TYPE) != SOCK_STREAM || get_option(fd, SO_ACCEPTCONN) != 1)
                return set_error(ret_error, -EINVAL,
                                 "Socket %d, passed by systemd, is no listening stream socket", fd);
        family = get_option(fd, SO_DOMAIN);
        is_tcp = family == AF_INET || family == AF_INET6;
        if (!is_tcp && family != AF_UNIX)
                return set_error(ret_error, -EINVAL,
                                 "Socket %d, passed by systemd, is neither a unix nor a TCP socket",
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
                return set_error(ret_error, r, "Socket %d, passed by systemd, cannot be used: %s",
                                 fd, strerror(-r));
        r = listener_new(server, fd, guid, &listener);
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
                return set_error(ret_error, n < 0 ? n : -ENOENT, "systemd passed no sockets");

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
        if (strcmp(address->transport, "unix") == 0)
                return listener_open_unix(server, address, ret_printed, ret_error);
        if (strcmp(address->transport, "systemd") == 0)
                return open_systemd(server, ret_printed, ret_error);
        if (strcmp(address->transport, "tcp") == 0 || strcmp(address->transport, "nonce-tcp") == 0)
                return listener_open_tcp(server, address, ret_printed, ret_error);
        return set_error(ret_error, -EINVAL, "Unknown address type \"%s\" to listen on",
                         address->transport);
}
