/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test/unit/dbus/sdbus.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX (1024 * 1024)

static void write_text(int fd, const char *text) {
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* The server's part of the handshake. sd-bus sends all of its own without waiting. */
static void shake_hands(struct sdbus *sdbus) {
        char said[1024];
        size_t n = 0;

        write_text(sdbus->fd, "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n");
        do {
                ssize_t r;

                ck_assert_int_ge(sd_bus_process(sdbus->bus, NULL), 0);
                r = recv(sdbus->fd, said + n, sizeof(said) - 1 - n, MSG_DONTWAIT);
                n += r > 0 ? (size_t)r : 0;
                said[n] = 0;
                /* The first byte is 0. */
        } while (n == 0 || !strstr(said + 1, "BEGIN\r\n"));
}

void sdbus_open(struct sdbus *sdbus) {
        int pair[2], size = MESSAGE_MAX;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        sdbus->fd = pair[1];
        ck_assert_int_eq(sd_bus_new(&sdbus->bus), 0);
        ck_assert_int_ge(sd_bus_set_fd(sdbus->bus, pair[0], pair[0]), 0);
        ck_assert_int_ge(sd_bus_negotiate_fds(sdbus->bus, 1), 0);
        ck_assert_int_ge(sd_bus_start(sdbus->bus), 0);
        shake_hands(sdbus);
}

void sdbus_close(struct sdbus *sdbus) {
        sdbus->bus = sd_bus_close_unref(sdbus->bus);
        close(sdbus->fd);
}

sd_bus_message *sdbus_message(struct sdbus *sdbus) {
        sd_bus_message *m;

        ck_assert_int_ge(sd_bus_message_new_signal(sdbus->bus, &m, "/", "a.b", "C"), 0);
        return m;
}

/* Receive some bytes, and close the descriptors that come with them. */
static size_t receive(int fd, uint8_t *data, size_t n) {
        char control[CMSG_SPACE(253 * sizeof(int))];
        struct iovec vec = {data, n};
        struct msghdr header = {
                .msg_iov = &vec,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        ssize_t r;

        r = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (r <= 0)
                return 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c))
                for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
                        close(((int *)CMSG_DATA(c))[i]);
        return (size_t)r;
}

/* The body of a message in this machine's byte order. */
static void body_copy(struct body *body, const uint8_t *data, size_t n_data) {
        uint32_t n_body, n_fields;
        size_t start;

        memcpy(&n_body, data + 4, sizeof(n_body));
        memcpy(&n_fields, data + 12, sizeof(n_fields));
        start = (16 + n_fields + 7) & ~7U;
        ck_assert_uint_eq(start + n_body, n_data);
        body->n_data = n_body;
        body->data = malloc(n_body + 1);
        memcpy(body->data, data + start, n_body);
}

void sdbus_body(struct sdbus *sdbus, sd_bus_message *m, struct body *ret) {
        static uint8_t data[MESSAGE_MAX];
        uint32_t n_body, n_fields;
        size_t n = 0, n_all = 16;

        snprintf(ret->signature, sizeof(ret->signature), "%s", sd_bus_message_get_signature(m, 1));
        ck_assert_int_ge(sd_bus_send(sdbus->bus, m, NULL), 0);
        sd_bus_message_unref(m);
        while (n < n_all) {
                ck_assert_int_ge(sd_bus_process(sdbus->bus, NULL), 0);
                n += receive(sdbus->fd, data + n, n_all - n);
                if (n == 16) {
                        memcpy(&n_body, data + 4, sizeof(n_body));
                        memcpy(&n_fields, data + 12, sizeof(n_fields));
                        n_all = ((16 + n_fields + 7) & ~7U) + n_body;
                        ck_assert_uint_le(n_all, MESSAGE_MAX);
                }
        }
        body_copy(ret, data, n_all);
}

DBusMessage *legacy_message(DBusMessageIter *ret_iter) {
        DBusMessage *m = dbus_message_new_signal("/", "a.b", "C");

        ck_assert_ptr_nonnull(m);
        dbus_message_iter_init_append(m, ret_iter);
        return m;
}

void legacy_body(DBusMessage *m, struct body *ret) {
        char *data;
        int n;

        snprintf(ret->signature, sizeof(ret->signature), "%s", dbus_message_get_signature(m));
        ck_assert(dbus_message_marshal(m, &data, &n));
        body_copy(ret, (const uint8_t *)data, (size_t)n);
        dbus_free(data);
}

void body_free(struct body *body) {
        free(body->data);
}

unsigned count_fds(void) {
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        while (readdir(d))
                n++;
        closedir(d);
        return n;
}
