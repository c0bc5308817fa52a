/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/connect.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scm.h"
#include "libbus1/dbus/address.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/membership.h"

#define LINE_MAX_SASL 1024
#define JOIN_TIMEOUT_MS 25000

struct sasl {
        int fd;
        uint64_t deadline;
        char line[LINE_MAX_SASL];
        size_t n_line;
        int received_fd;
};

static int sasl_wait(struct sasl *s, short events) {
        struct pollfd p = {.fd = s->fd, .events = events};
        uint64_t now = now_ns();
        int r;

        if (now >= s->deadline)
                return -ETIMEDOUT;
        r = poll(&p, 1, (int)((s->deadline - now) / NS_PER_MS) + 1);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;
        return 0;
}

static int sasl_write(struct sasl *s, const char *text, size_t n, int fd) {
        union scm_buffer control;
        int r;

        while (n > 0) {
                struct iovec vec = {(void *)text, n};
                struct msghdr m = {.msg_iov = &vec, .msg_iovlen = 1};
                ssize_t l;

                scm_attach(&m, &control, &fd, fd >= 0);
                l = TEMP_FAILURE_RETRY(sendmsg(s->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT));
                if (l < 0) {
                        r = errno == EAGAIN ? sasl_wait(s, POLLOUT) : -errno;
                        if (r < 0)
                                return r;
                        continue;
                }
                fd = -1;
                text += l;
                n -= (size_t)l;
        }
        return 0;
}

/*
 * Read one line, without its end, into s->line. If a descriptor comes with the line, s->received_fd
 * gets it. If there are more, one of them is kept.
 */
static int sasl_read(struct sasl *s) {
        int r;

        s->n_line = 0;
        for (;;) {
                union {
                        struct cmsghdr header;
                        char buffer[CMSG_SPACE(sizeof(int))];
                } control = {};
                /* Read one byte at a time, so that the bytes after the line stay in the socket. */
                struct iovec vec = {s->line + s->n_line, 1};
                struct msghdr m = {
                        .msg_iov = &vec,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        /* sizeof(control) would be room for two descriptors */
                        .msg_controllen = CMSG_LEN(sizeof(int)),
                };
                ssize_t l;

                l = TEMP_FAILURE_RETRY(recvmsg(s->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
                if (l < 0) {
                        r = errno == EAGAIN ? sasl_wait(s, POLLIN) : -errno;
                        if (r < 0)
                                return r;
                        continue;
                }
                if (l == 0)
                        return -ECONNRESET;
                for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
                        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
                                closep(&s->received_fd);
                                memcpy(&s->received_fd, CMSG_DATA(c), sizeof(int));
                        }
                if (s->line[s->n_line] == '\n' && s->n_line > 0 && s->line[s->n_line - 1] == '\r') {
                        s->line[s->n_line - 1] = 0;
                        return 0;
                }
                if (++s->n_line == sizeof(s->line))
                        return -EBADMSG;
        }
}

static int sasl_command(struct sasl *s, const char *command, int fd) {
        int r;

        r = sasl_write(s, command, strlen(command), fd);
        return r < 0 ? r : sasl_read(s);
}

static bool line_begins(const struct sasl *s, const char *word, const char **ret_rest) {
        size_t n = strlen(word);

        if (strncmp(s->line, word, n) != 0 || (s->line[n] != 0 && s->line[n] != ' '))
                return false;
        *ret_rest = s->line + n + (s->line[n] == ' ');
        return true;
}

static int sasl_authenticate(struct sasl *s, const char *guid, DBusError *error) {
        char uid[16], command[64];
        const char *rest;
        size_t at;
        int r;

        snprintf(uid, sizeof(uid), "%u", (unsigned)geteuid());
        at = (size_t)snprintf(command, sizeof(command), "AUTH EXTERNAL ");
        for (const char *p = uid; *p; p++)
                at += (size_t)snprintf(command + at, sizeof(command) - at, "%02x", (unsigned)*p);
        snprintf(command + at, sizeof(command) - at, "\r\n");
        r = sasl_write(s, "", 1, -1); /* a NUL byte begins each connection */
        if (r >= 0)
                r = sasl_command(s, command, -1);
        if (r < 0)
                return error_from_errno(error, r, "Authentication");
        if (!line_begins(s, "OK", &rest)) {
                dbus_set_error(error, DBUS_ERROR_AUTH_FAILED, "The bus refused the authentication");
                return -EACCES;
        }
        if (guid && strncmp(rest, guid, strlen(guid)) != 0) {
                dbus_set_error(error, DBUS_ERROR_BAD_ADDRESS,
                               "The bus at the address has another GUID than expected");
                return -EREMCHG;
        }
        return 0;
}

/*
 * Propose a mode to the bus. Returns 1 if the bus agrees, 0 if it refuses, or a negative errno. The
 * answer of a bus that agrees repeats the mode, and has the handle of the session node in
 * hexadecimal.
 */
static int propose(struct sasl *s, const char *mode, int fd, uint64_t *ret_session) {
        size_t n = strlen(mode);
        const char *rest;
        char command[64], *end;
        int r;

        snprintf(command, sizeof(command), "NEGOTIATE_BUS1 %s\r\n", mode);
        r = sasl_command(s, command, fd);
        if (r < 0 || !line_begins(s, "AGREE_BUS1", &rest))
                return r;
        if (strncmp(rest, mode, n) != 0 || rest[n] != ' ')
                return -EBADMSG;
        rest += n + 1;
        errno = 0;
        *ret_session = strtoull(rest, &end, 16);
        return errno != 0 || end == rest || *end ? -EBADMSG : 1;
}

static int negotiate_device(struct sasl *s, struct joined *joined) {
        struct bus1_client *client;
        int r;

        r = bus1_client_new_device(&client, NULL);
        if (r < 0)
                return 0; /* the device cannot be used, but the bus may have a hosted core */
        r = propose(s, "device", bus1_client_get_peer_fd(client), &joined->session);
        if (r > 0)
                joined->client = client;
        else
                bus1_client_free(client);
        return r;
}

static int negotiate_hosted(struct sasl *s, struct joined *joined) {
        int r;

        r = propose(s, "hosted", -1, &joined->session);
        if (r <= 0)
                return r;
        if (s->received_fd < 0)
                return -EBADMSG;
        r = bus1_client_new_from_fd(&joined->client, s->received_fd);
        if (r < 0)
                return r;
        s->received_fd = -1; /* the client owns it now */
        return 1;
}

static int negotiate(struct sasl *s, struct joined *joined, DBusError *error) {
        int r;

        r = sasl_command(s, "NEGOTIATE_UNIX_FD\r\n", -1);
        if (r >= 0)
                r = negotiate_device(s, joined);
        if (r == 0)
                r = negotiate_hosted(s, joined);
        if (r == 0) {
                dbus_set_error(error, DBUS_ERROR_NOT_SUPPORTED,
                               "This bus does not speak bus1: it answered %s", s->line);
                return -EPROTONOSUPPORT;
        }
        if (r > 0)
                r = sasl_write(s, "BEGIN\r\n", strlen("BEGIN\r\n"), -1);
        if (r < 0) {
                joined->client = bus1_client_free(joined->client);
                return error_from_errno(error, r, "Negotiating bus1");
        }
        return 0;
}

static int join_entry(DBusAddressEntry *entry, struct joined *ret_joined, DBusError *error) {
        struct joined joined = {.session = BUS1_INVALID};
        struct sasl s = {.received_fd = -1, .deadline = now_ns() + JOIN_TIMEOUT_MS * NS_PER_MS};
        int r;

        s.fd = address_connect(entry, s.deadline, error);
        if (s.fd < 0)
                return s.fd;
        r = sasl_authenticate(&s, dbus_address_entry_get_value(entry, "guid"), error);
        if (r >= 0)
                r = negotiate(&s, &joined, error);
        closep(&s.received_fd);
        if (r < 0) {
                close(s.fd);
                return r;
        }
        joined.socket_fd = s.fd;
        *ret_joined = joined;
        return 0;
}

int membership_join(const char *address, struct joined *ret_joined, DBusError *error) {
        DBusAddressEntry **entries;
        int n_entries, r = -EINVAL, first = 0;

        if (!dbus_parse_address(address, &entries, &n_entries, error))
                return -EINVAL;
        /* D-Bus spec, "Server Addresses": try one address after the other until one works. */
        for (int i = 0; i < n_entries && r < 0; i++) {
                DBusError next = DBUS_ERROR_INIT;

                r = join_entry(entries[i], ret_joined, &next);
                if (r < 0 && i == 0) {
                        /* If none works, the error is that of the first one, as with libdbus-1. */
                        first = r;
                        dbus_move_error(&next, error);
                }
                dbus_error_free(&next);
        }
        dbus_address_entries_free(entries);
        if (r < 0)
                return first < 0 ? first : r;
        if (error)
                dbus_error_free(error);
        return r;
}
