/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Listening on TCP: tcp and nonce-tcp (D-Bus spec, "TCP Sockets", "Nonce-authenticated TCP
 * Sockets")
 *
 * Nothing is encrypted, the kernel does not tell which user connects, and descriptors cannot be
 * passed. So a system bus listens on TCP only if it was built with -Dtcp=all.
 */

#include "bridge/socket/listener-tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

/* meson's option tcp */
#define TCP_NOWHERE 0
#define TCP_SESSION 1
#define TCP_EVERYWHERE 2

#ifndef BRIDGE_TCP
#define BRIDGE_TCP TCP_SESSION
#endif

#define SOCKETS_MAX 16

/* The sockets of one address; there can be several: localhost is 127.0.0.1 and ::1. */
struct bound {
        int fds[SOCKETS_MAX];
        size_t n;
        char port[8]; /* all sockets have the same port */
};

static void bound_close(struct bound *bound) {
        while (bound->n > 0)
                if (bound->fds[--bound->n] >= 0)
                        close(bound->fds[bound->n]);
}

int listener_check_tcp(const struct server *server, char **ret_error) {
        const char *type = server->bus->type;

        if (BRIDGE_TCP == TCP_NOWHERE)
                return set_error(ret_error, -EPROTONOSUPPORT,
                                 "This message bus was built without TCP");
        if (BRIDGE_TCP == TCP_SESSION && type && strcmp(type, "system") == 0)
                return set_error(ret_error, -EPROTONOSUPPORT,
                                 "A system bus does not listen on TCP, because TCP neither "
                                 "encrypts nor identifies users (a build with meson -Dtcp=all "
                                 "does)");
        return 0;
}

/* addresses */

static int get_port(const struct sockaddr_storage *address, uint16_t *ret_port) {
        switch (address->ss_family) {
        case AF_INET:
                *ret_port = ntohs(((const struct sockaddr_in *)address)->sin_port);
                return 0;
        case AF_INET6:
                *ret_port = ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
                return 0;
        }
        return -EAFNOSUPPORT;
}

int listener_describe_tcp(int fd, const char *host, char **ret_text) {
        struct sockaddr_storage address = {};
        socklen_t n = sizeof(address);
        char numeric[INET6_ADDRSTRLEN + 32], *escaped;
        uint16_t port;
        int r;

        if (getsockname(fd, (struct sockaddr *)&address, &n) < 0)
                return -errno;
        r = get_port(&address, &port);
        if (r < 0)
                return r;
        if (!host) {
                if (getnameinfo((const struct sockaddr *)&address, n, numeric, sizeof(numeric),
                                NULL, 0, NI_NUMERICHOST) != 0)
                        return -EINVAL;
                host = numeric;
        }
        escaped = address_escape(host, strlen(host));
        if (!escaped)
                return -ENOMEM;
        r = asprintf(ret_text, "host=%s,port=%u,family=%s", escaped, (unsigned)port,
                     address.ss_family == AF_INET6 ? "ipv6" : "ipv4");
        free(escaped);
        return r < 0 ? -ENOMEM : 0;
}

/* getaddrinfo() may wait for name servers, but the bus has no clients yet. */
static int resolve(const char *host, const char *port, const char *family,
                   struct addrinfo **ret_list, char **ret_error) {
        struct addrinfo hints = {
                .ai_family = AF_UNSPEC,
                .ai_socktype = SOCK_STREAM,
                .ai_protocol = IPPROTO_TCP,
                .ai_flags = AI_PASSIVE | AI_ADDRCONFIG | AI_NUMERICSERV,
        };
        int r;

        if (family && strcmp(family, "ipv4") == 0)
                hints.ai_family = AF_INET;
        else if (family && strcmp(family, "ipv6") == 0)
                hints.ai_family = AF_INET6;
        else if (family)
                return set_error(ret_error, -EINVAL, "Unknown address family \"%s\"", family);

        /*
         * AI_ADDRCONFIG ignores the addresses of the loopback device. So if nothing is found, try
         * again without this flag.
         */
        r = getaddrinfo(host, port, &hints, ret_list);
        if (r == EAI_NONAME || r == EAI_ADDRFAMILY || r == EAI_NODATA) {
                hints.ai_flags &= ~AI_ADDRCONFIG;
                r = getaddrinfo(host, port, &hints, ret_list);
        }
        if (r == EAI_MEMORY)
                return -ENOMEM;
        if (r != 0)
                return set_error(ret_error, -EINVAL,
                                 "Cannot find the address of host \"%s\", port %s: %s",
                                 host ? host : "*", port, gai_strerror(r));
        return 0;
}

static int check_port(const char *port, char **ret_error) {
        size_t n = strspn(port, "0123456789");

        if (n == 0 || n > 5 || port[n] || atoi(port) > UINT16_MAX)
                return set_error(ret_error, -EINVAL, "\"%s\" is no TCP port", port);
        return 0;
}

/* sockets */

static int open_socket(const struct addrinfo *info) {
        static const int on = 1;
        int fd, r;

        fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
        if (fd < 0)
                return -errno;
        /* lets bind() succeed while connections of an earlier bus are in TIME_WAIT */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        /* the socket of :: must leave the port free for that of 0.0.0.0 */
        if (info->ai_family == AF_INET6)
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        return fd;
}

/* If the port is 0, the kernel chooses one for the first socket. The others use the same port. */
static int bind_all(const struct addrinfo *list, struct bound *bound, int *ret_reason) {
        *ret_reason = -EADDRNOTAVAIL;
        for (const struct addrinfo *info = list; info && bound->n < SOCKETS_MAX;
             info = info->ai_next) {
                struct sockaddr_storage address = {};
                socklen_t n = sizeof(address);
                uint16_t port;
                int fd;

                if (info->ai_family != AF_INET && info->ai_family != AF_INET6)
                        continue;
                if (bound->n > 0 && info->ai_family == AF_INET)
                        ((struct sockaddr_in *)info->ai_addr)->sin_port = htons(atoi(bound->port));
                else if (bound->n > 0)
                        ((struct sockaddr_in6 *)info->ai_addr)->sin6_port =
                                htons(atoi(bound->port));

                fd = open_socket(info);
                if (fd < 0) {
                        *ret_reason = fd;
                        continue;
                }
                bound->fds[bound->n++] = fd;
                if (bound->n == 1) {
                        if (getsockname(fd, (struct sockaddr *)&address, &n) < 0 ||
                            get_port(&address, &port) < 0)
                                return -EINVAL;
                        snprintf(bound->port, sizeof(bound->port), "%u", (unsigned)port);
                }
        }
        return bound->n > 0 ? 0 : *ret_reason;
}

static int listen_on(const struct address_entry *address, const char *host, struct bound *bound,
                     char **ret_error) {
        const char *bind_to = address_entry_get(address, "bind");
        const char *port = address_entry_get(address, "port");
        struct addrinfo *list;
        int r, reason;

        if (!port)
                port = "0";
        r = check_port(port, ret_error);
        if (r < 0)
                return r;
        if (!bind_to)
                bind_to = host;
        else if (strcmp(bind_to, "*") == 0)
                bind_to = NULL;
        r = resolve(bind_to, port, address_entry_get(address, "family"), &list, ret_error);
        if (r < 0)
                return r;
        r = bind_all(list, bound, &reason);
        freeaddrinfo(list);
        if (r < 0) {
                bound_close(bound);
                return set_error(ret_error, r, "Cannot listen on \"%s\", port %s: %s",
                                 bind_to ? bind_to : "*", port, strerror(-reason));
        }
        return 0;
}

/* nonces */

static int write_nonce(const char *path, const uint8_t *nonce) {
        ssize_t n;
        int fd;

        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        n = write(fd, nonce, LISTENER_NONCE_SIZE);
        if (close(fd) < 0 || n != LISTENER_NONCE_SIZE) {
                unlink(path);
                return -EIO;
        }
        return 0;
}

/* Make a nonce, and write it to a file that only the user can read, in a new directory. */
static int make_nonce(uint8_t nonce[LISTENER_NONCE_SIZE], char **ret_file, char **ret_error) {
        const char *tmp = getenv("TMPDIR");
        char *dir = NULL, *file = NULL;
        int r;

        if (getrandom(nonce, LISTENER_NONCE_SIZE, 0) != LISTENER_NONCE_SIZE)
                return -EIO;
        if (asprintf(&dir, "%s/dbus_nonce-XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp") < 0)
                return -ENOMEM;
        if (!mkdtemp(dir)) {
                r = set_error(ret_error, -errno, "Cannot make the directory \"%s\": %s", dir,
                              strerror(errno));
                free(dir);
                return r;
        }

        if (asprintf(&file, "%s/nonce", dir) < 0) {
                file = NULL;
                r = -ENOMEM;
        } else
                r = write_nonce(file, nonce);
        if (r < 0) {
                rmdir(dir);
                free(dir);
                free(file);
                return set_error(ret_error, r, "Cannot write the nonce: %s", strerror(-r));
        }
        free(dir);
        *ret_file = file;
        return 0;
}

/* the transports */

static int print_tcp(const struct bound *bound, const char *host, const char *nonce_file,
                     const char *guid, char **ret_printed) {
        char *place, *escaped = NULL;
        int r;

        r = listener_describe_tcp(bound->fds[0], host, &place);
        if (r < 0)
                return r;
        if (nonce_file) {
                escaped = address_escape(nonce_file, strlen(nonce_file));
                if (!escaped) {
                        free(place);
                        return -ENOMEM;
                }
                r = asprintf(ret_printed, "nonce-tcp:%s,noncefile=%s,guid=%s", place, escaped,
                             guid);
        } else
                r = asprintf(ret_printed, "tcp:%s,guid=%s", place, guid);
        free(escaped);
        free(place);
        return r < 0 ? -ENOMEM : 0;
}

/*
 * Make one listener for each socket. Each has its own copy of the name of the nonce's file, and the
 * first one that is freed removes the file.
 */
static int add_listeners(struct server *server, struct bound *bound, const char *guid,
                         const char *nonce_file, const uint8_t *nonce) {
        struct listener *listener;
        int r;

        for (size_t i = 0; i < bound->n; i++) {
                r = listener_new(server, bound->fds[i], guid, &listener);
                bound->fds[i] = -1;
                if (r < 0)
                        return r;
                listener->is_tcp = true;
                if (!nonce_file)
                        continue;
                memcpy(listener->nonce, nonce, LISTENER_NONCE_SIZE);
                listener->nonce_file = strdup(nonce_file);
                if (!listener->nonce_file)
                        return -ENOMEM;
        }
        return 0;
}

int listener_open_tcp(struct server *server, const struct address_entry *address,
                      char **ret_printed, char **ret_error) {
        const char *host = address_entry_get(address, "host");
        uint8_t nonce[LISTENER_NONCE_SIZE];
        struct bound bound = {};
        char *nonce_file = NULL, *printed = NULL, guid[33];
        int r;

        r = listener_check_tcp(server, ret_error);
        if (r < 0)
                return r;
        if (!host)
                host = "localhost";
        r = listen_on(address, host, &bound, ret_error);
        if (r >= 0 && strcmp(address->transport, "nonce-tcp") == 0)
                r = make_nonce(nonce, &nonce_file, ret_error);

        bus_make_id(guid);
        if (r >= 0)
                r = print_tcp(&bound, host, nonce_file, guid, &printed);
        if (r >= 0)
                r = add_listeners(server, &bound, guid, nonce_file, nonce);
        if (r < 0) {
                bound_close(&bound);
                listener_remove_nonce(nonce_file);
                free(printed);
                return r;
        }
        free(nonce_file);
        *ret_printed = printed;
        return 0;
}
