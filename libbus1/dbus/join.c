/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/join.h"

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

/* The last command that was sent, or is being sent. */
enum join_command {
        JOIN_AUTH,
        JOIN_UNIX_FD,
        JOIN_DEVICE,
        JOIN_HOSTED,
        JOIN_BEGIN,
};

struct join {
        DBusAddressEntry **entries;
        int n_entries;
        int entry; /* the present one; n_entries: all have failed */
        bool again;
        struct bus1_client *client; /* of the caller; NULL: none */

        /* the connection to the present address; fd is -1 between two of them */
        int fd;
        uint64_t deadline;
        enum join_command command;
        char out[64];
        size_t n_out, n_sent;
        int out_fd; /* that goes with the first byte; not owned; -1: none */
        char line[LINE_MAX_SASL];
        size_t n_line;
        int received_fd;
        struct joined joined;

        int first; /* the error of the first address */
        DBusError first_error;
};

int join_new(struct join **ret_join, const char *address, bool again, struct bus1_client *client,
             DBusError *error) {
        struct join *j;

        j = calloc(1, sizeof(*j));
        if (!j)
                return error_from_errno(error, -ENOMEM, "Joining the bus");
        if (!dbus_parse_address(address, &j->entries, &j->n_entries, error)) {
                free(j);
                return -EINVAL;
        }
        j->again = again;
        j->client = client;
        j->fd = j->out_fd = j->received_fd = -1;
        j->first = -EINVAL;
        dbus_error_init(&j->first_error);
        *ret_join = j;
        return 0;
}

/* Close the connection. */
static void hang_up(struct join *j) {
        closep(&j->received_fd);
        closep(&j->fd);
        j->fd = j->received_fd = j->out_fd = -1;
        if (j->joined.client != j->client)
                bus1_client_free(j->joined.client);
        j->joined.client = NULL;
}

struct join *join_free(struct join *j) {
        if (!j)
                return NULL;
        hang_up(j);
        dbus_error_free(&j->first_error);
        dbus_address_entries_free(j->entries);
        free(j);
        return NULL;
}

int join_get_fd(const struct join *j) {
        return j->fd;
}

short join_get_events(const struct join *j) {
        return j->n_sent < j->n_out ? POLLOUT : POLLIN;
}

uint64_t join_get_deadline(const struct join *j) {
        return j->deadline;
}

/* lines */

/* Send what is left of the command. */
static int flush_command(struct join *j) {
        union scm_buffer control;

        while (j->n_sent < j->n_out) {
                struct iovec vec = {j->out + j->n_sent, j->n_out - j->n_sent};
                struct msghdr m = {.msg_iov = &vec, .msg_iovlen = 1};
                ssize_t l;

                scm_attach(&m, &control, &j->out_fd, j->out_fd >= 0);
                l = TEMP_FAILURE_RETRY(sendmsg(j->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT));
                if (l < 0)
                        return errno == EPIPE ? -ECONNRESET : -errno;
                j->out_fd = -1;
                j->n_sent += (size_t)l;
        }
        return 0;
}

/*
 * Read one line, without its end, into j->line. If a descriptor comes with the line, j->received_fd
 * gets it. If there are more, one of them is kept.
 */
static int read_line(struct join *j) {
        for (;;) {
                union {
                        struct cmsghdr header;
                        char buffer[CMSG_SPACE(sizeof(int))];
                } control = {};
                /* Read one byte at a time, so that the bytes after the line stay in the socket. */
                struct iovec vec = {j->line + j->n_line, 1};
                struct msghdr m = {
                        .msg_iov = &vec,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        /* sizeof(control) would be room for two descriptors */
                        .msg_controllen = CMSG_LEN(sizeof(int)),
                };
                ssize_t l;

                l = TEMP_FAILURE_RETRY(recvmsg(j->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
                if (l < 0)
                        return -errno;
                if (l == 0)
                        return -ECONNRESET;
                for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
                        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
                                closep(&j->received_fd);
                                memcpy(&j->received_fd, CMSG_DATA(c), sizeof(int));
                        }
                if (j->line[j->n_line] == '\n' && j->n_line > 0 && j->line[j->n_line - 1] == '\r') {
                        j->line[j->n_line - 1] = 0;
                        return 0;
                }
                if (++j->n_line == sizeof(j->line))
                        return -EBADMSG;
        }
}

static bool line_begins(const struct join *j, const char *word, const char **ret_rest) {
        size_t n = strlen(word);

        if (strncmp(j->line, word, n) != 0 || (j->line[n] != 0 && j->line[n] != ' '))
                return false;
        *ret_rest = j->line + n + (j->line[n] == ' ');
        return true;
}

/* commands */

static void set_command(struct join *j, enum join_command command, const char *text, int fd) {
        j->command = command;
        j->n_out = (size_t)snprintf(j->out, sizeof(j->out), "%s\r\n", text);
        j->n_sent = 0;
        j->out_fd = fd;
        j->n_line = 0;
}

static void command_auth(struct join *j) {
        char uid[16];
        size_t at = 0;

        snprintf(uid, sizeof(uid), "%u", (unsigned)geteuid());
        set_command(j, JOIN_AUTH, "", -1);
        /* a NUL byte begins each connection */
        j->out[at++] = 0;
        at += (size_t)snprintf(j->out + at, sizeof(j->out) - at, "AUTH EXTERNAL ");
        for (const char *p = uid; *p; p++)
                at += (size_t)snprintf(j->out + at, sizeof(j->out) - at, "%02x", (unsigned)*p);
        at += (size_t)snprintf(j->out + at, sizeof(j->out) - at, "\r\n");
        j->n_out = at;
}

static void command_hosted(struct join *j) {
        set_command(j, JOIN_HOSTED, "NEGOTIATE_BUS1 hosted", -1);
}

static void command_device(struct join *j) {
        int fd = j->client ? bus1_client_get_peer_fd(j->client) : -1;

        if (fd >= 0)
                j->joined.client = j->client;
        else if (bus1_client_new_device(&j->joined.client, NULL) >= 0)
                fd = bus1_client_get_peer_fd(j->joined.client);
        if (fd >= 0)
                set_command(j, JOIN_DEVICE, "NEGOTIATE_BUS1 device", fd);
        else /* the device cannot be used, but the bus may have a hosted core */
                command_hosted(j);
}

/* answers */

static int answered_auth(struct join *j, DBusError *error) {
        const char *guid = dbus_address_entry_get_value(j->entries[j->entry], "guid");
        const char *rest;

        if (!line_begins(j, "OK", &rest)) {
                dbus_set_error(error, DBUS_ERROR_AUTH_FAILED, "The bus refused the authentication");
                return -EACCES;
        }
        if (guid && !j->again && strncmp(rest, guid, strlen(guid)) != 0) {
                dbus_set_error(error, DBUS_ERROR_BAD_ADDRESS,
                               "The bus at the address has another GUID than expected");
                return -EREMCHG;
        }
        set_command(j, JOIN_UNIX_FD, "NEGOTIATE_UNIX_FD", -1);
        return 0;
}

/*
 * Has the bus agreed to a mode? The answer of a bus that agrees repeats the mode, and has the
 * handle of the session node in hexadecimal. Returns 1, 0 if it refuses, or -EBADMSG.
 */
static int has_agreed(struct join *j, const char *mode) {
        size_t n = strlen(mode);
        const char *rest;
        char *end;

        if (!line_begins(j, "AGREE_BUS1", &rest))
                return 0;
        if (strncmp(rest, mode, n) != 0 || rest[n] != ' ')
                return -EBADMSG;
        rest += n + 1;
        errno = 0;
        j->joined.session = strtoull(rest, &end, 16);
        return errno != 0 || end == rest || *end ? -EBADMSG : 1;
}

static int answered_device(struct join *j) {
        int r = has_agreed(j, "device");

        if (r > 0) {
                set_command(j, JOIN_BEGIN, "BEGIN", -1);
                return 0;
        }
        if (j->joined.client != j->client)
                bus1_client_free(j->joined.client);
        j->joined.client = NULL;
        if (r == 0)
                command_hosted(j);
        return r;
}

static int answered_hosted(struct join *j, DBusError *error) {
        int r = has_agreed(j, "hosted");

        if (r == 0) {
                dbus_set_error(error, DBUS_ERROR_NOT_SUPPORTED,
                               "This bus does not speak bus1: it answered %s", j->line);
                return -EPROTONOSUPPORT;
        }
        if (r > 0)
                r = j->received_fd < 0 ? -EBADMSG
                                       : bus1_client_new_from_fd(&j->joined.client, j->received_fd);
        if (r < 0)
                return r;
        j->received_fd = -1; /* the client owns it now */
        set_command(j, JOIN_BEGIN, "BEGIN", -1);
        return 0;
}

/* A line has answered the last command: choose the next one. */
static int answered(struct join *j, DBusError *error) {
        switch (j->command) {
        case JOIN_AUTH:
                return answered_auth(j, error);
        case JOIN_UNIX_FD:
                command_device(j);
                return 0;
        case JOIN_DEVICE:
                return answered_device(j);
        case JOIN_HOSTED:
                return answered_hosted(j, error);
        case JOIN_BEGIN:
                break;
        }
        return -EBADMSG;
}

/* running */

static int handshake(struct join *j, DBusError *error) {
        int r;

        for (;;) {
                r = flush_command(j);
                if (r < 0 || j->command == JOIN_BEGIN)
                        return r;
                r = read_line(j);
                if (r >= 0)
                        r = answered(j, error);
                if (r < 0)
                        return r;
        }
}

static int connect_next(struct join *j, DBusError *error) {
        j->deadline = now_ns() + JOIN_TIMEOUT_MS * NS_PER_MS;
        j->fd = address_connect(j->entries[j->entry], j->again ? 0 : j->deadline, error);
        if (j->fd < 0) /* -EAGAIN: there is no room now, and nothing to wait for */
                return j->fd == -EAGAIN ? -ECONNREFUSED : j->fd;
        command_auth(j);
        return 0;
}

static int run_entry(struct join *j, DBusError *error) {
        int r;

        if (j->fd < 0) {
                r = connect_next(j, error);
                if (r < 0)
                        return r;
        }
        r = handshake(j, error);
        if (r == -EAGAIN && now_ns() >= j->deadline)
                r = -ETIMEDOUT;
        if (r < 0 && r != -EAGAIN)
                return error_from_errno(
                        error, r, j->command == JOIN_AUTH ? "Authentication" : "Negotiating bus1");
        return r;
}

int join_run(struct join *j, struct joined *ret_joined, DBusError *error) {
        int r;

        /* D-Bus spec, "Server Addresses": try one address after the other until one works. */
        for (; j->entry < j->n_entries; j->entry++) {
                DBusError next = DBUS_ERROR_INIT;

                r = run_entry(j, &next);
                if (r == -EAGAIN)
                        return r;
                if (r < 0 && j->entry == 0) {
                        /* If none works, the error is that of the first one, as with libdbus-1. */
                        j->first = r;
                        dbus_move_error(&next, &j->first_error);
                }
                dbus_error_free(&next);
                if (r >= 0) {
                        j->joined.socket_fd = j->fd;
                        *ret_joined = j->joined;
                        j->joined.client = NULL;
                        j->fd = -1;
                        return 0;
                }
                hang_up(j);
        }
        dbus_move_error(&j->first_error, error);
        return j->first;
}

static int join_wait(const struct join *j) {
        struct pollfd p = {.fd = j->fd, .events = join_get_events(j)};

        if (poll(&p, 1, (int)(time_left(j->deadline) / NS_PER_MS) + 1) < 0 && errno != EINTR)
                return -errno;
        return 0;
}

int membership_join(const char *address, struct joined *ret_joined, DBusError *error) {
        struct join *join;
        int r;

        r = join_new(&join, address, false, NULL, error);
        if (r < 0)
                return r;
        for (;;) {
                r = join_run(join, ret_joined, error);
                if (r != -EAGAIN)
                        break;
                r = join_wait(join);
                if (r < 0) {
                        error_from_errno(error, r, "Joining the bus");
                        break;
                }
        }
        join_free(join);
        return r;
}
