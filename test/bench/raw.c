/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The D-Bus protocol without a library: see raw.h. */

#include "test/bench/raw.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void raw_raise_fd_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
}

void raw_fail(const char *format, ...) {
        va_list args;

        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        exit(1);
}

/* messages */

struct buffer {
        uint8_t *data;
        size_t n;
};

static void buffer_put(struct buffer *b, const void *data, size_t n) {
        b->data = realloc(b->data, b->n + n + 1);
        if (!b->data)
                raw_fail("out of memory");
        if (data)
                memcpy(b->data + b->n, data, n);
        else
                memset(b->data + b->n, 0, n);
        b->n += n;
}

static void buffer_align(struct buffer *b, size_t to) {
        buffer_put(b, NULL, (to - b->n % to) % to);
}

static void buffer_put_string(struct buffer *b, const char *s) {
        uint32_t n = strlen(s);

        buffer_align(b, 4);
        buffer_put(b, &n, 4);
        buffer_put(b, s, n + 1);
}

static void field_put_string(struct buffer *b, uint8_t code, char type, const char *s) {
        if (!s)
                return;
        buffer_align(b, 8);
        buffer_put(b, (uint8_t[]){code, 1, type, 0}, 4);
        buffer_put_string(b, s);
}

static void field_put_u32(struct buffer *b, uint8_t code, uint32_t v) {
        if (v == 0)
                return;
        buffer_align(b, 8);
        buffer_put(b, (uint8_t[]){code, 1, 'u', 0}, 4);
        buffer_put(b, &v, 4);
}

uint8_t *raw_build(const struct raw_fields *f, size_t *ret_n) {
        struct buffer b = {};
        uint32_t n_body = f->n_body, n_fields;

        buffer_put(&b,
                   (uint8_t[]){__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 'B' : 'l', f->type,
                               f->flags, 1},
                   4);
        buffer_put(&b, &n_body, 4);
        buffer_put(&b, &f->serial, 4);
        buffer_put(&b, NULL, 4);

        field_put_string(&b, 1, 'o', f->path);
        field_put_string(&b, 2, 's', f->interface);
        field_put_string(&b, 3, 's', f->member);
        field_put_u32(&b, 5, f->reply_serial);
        field_put_string(&b, 6, 's', f->destination);
        if (f->signature) {
                uint8_t n = strlen(f->signature);

                buffer_align(&b, 8);
                buffer_put(&b, (uint8_t[]){8, 1, 'g', 0, n}, 5);
                buffer_put(&b, f->signature, (size_t)n + 1);
        }
        field_put_u32(&b, 9, f->n_fds);

        n_fields = b.n - 16;
        memcpy(b.data + 12, &n_fields, 4);
        buffer_align(&b, 8);
        buffer_put(&b, f->body, f->n_body);
        *ret_n = b.n;
        return b.data;
}

uint8_t *raw_build_bus_call(uint32_t serial, size_t *ret_n, const char *member,
                            const char *argument) {
        struct buffer body = {};
        struct raw_fields f = {
                .type = RAW_CALL,
                .serial = serial,
                .path = "/org/freedesktop/DBus",
                .interface = "org.freedesktop.DBus",
                .member = member,
                .destination = "org.freedesktop.DBus",
        };
        uint8_t *m;

        if (argument) {
                buffer_put_string(&body, argument);
                f.signature = "s";
                if (strcmp(member, "RequestName") == 0) {
                        f.signature = "su";
                        buffer_align(&body, 4);
                        buffer_put(&body, NULL, 4);
                }
                f.body = body.data;
                f.n_body = body.n;
        }
        m = raw_build(&f, ret_n);
        free(body.data);
        return m;
}

size_t raw_message_size(const uint8_t *data, size_t n) {
        uint32_t n_body, n_fields;

        if (n < 16)
                return 0;
        memcpy(&n_body, data + 4, 4);
        memcpy(&n_fields, data + 12, 4);
        return 16 + (((size_t)n_fields + 7) & ~(size_t)7) + n_body;
}

uint32_t raw_message_serial(const uint8_t *data) {
        uint32_t serial;

        memcpy(&serial, data + 8, 4);
        return serial;
}

void raw_message_set_serial(uint8_t *data, uint32_t serial) {
        memcpy(data + 8, &serial, 4);
}

size_t raw_message_field_at(const uint8_t *data, size_t n, uint8_t code) {
        uint32_t n_fields;

        memcpy(&n_fields, data + 12, 4);
        /* The header fields of D-Bus are numbers (u), signatures (g) or strings (s, o). */
        for (size_t i = 16; i < 16 + (size_t)n_fields && i + 8 <= n;) {
                uint32_t v;

                i = (i + 7) & ~(size_t)7;
                if (data[i] == code)
                        return i + 4;
                memcpy(&v, data + i + 4, 4);
                if (data[i + 2] == 'u')
                        i += 8;
                else if (data[i + 2] == 'g')
                        i += 6 + (size_t)data[i + 4];
                else
                        i += 9 + (size_t)v;
        }
        return 0;
}

size_t raw_message_reply_serial_at(const uint8_t *data, size_t n) {
        return raw_message_field_at(data, n, 5);
}

bool raw_message_answers(const uint8_t *data, size_t n, uint32_t serial) {
        uint32_t reply_serial;
        size_t at;

        if (data[1] != RAW_RETURN && data[1] != RAW_ERROR)
                return false;
        at = raw_message_reply_serial_at(data, n);
        if (at == 0)
                return false;
        memcpy(&reply_serial, data + at, sizeof(reply_serial));
        return reply_serial == serial;
}

/* bytes */

void raw_write(int fd, const void *data, size_t n) {
        const uint8_t *p = data;

        while (n > 0) {
                ssize_t l = send(fd, p, n, MSG_NOSIGNAL);

                if (l < 0 && errno == EINTR)
                        continue;
                if (l < 0 && errno == EAGAIN) {
                        poll(&(struct pollfd){fd, POLLOUT, 0}, 1, -1);
                        continue;
                }
                if (l < 0)
                        raw_fail("write to the bus: %s", strerror(errno));
                p += l;
                n -= l;
        }
}

static bool read_all(int fd, void *data, size_t n) {
        uint8_t *p = data;

        while (n > 0) {
                ssize_t l = recv(fd, p, n, 0);

                if (l < 0 && errno == EINTR)
                        continue;
                if (l < 0 && errno == EAGAIN) {
                        poll(&(struct pollfd){fd, POLLIN, 0}, 1, -1);
                        continue;
                }
                if (l <= 0)
                        return false;
                p += l;
                n -= l;
        }
        return true;
}

void raw_read(int fd, void *data, size_t n) {
        if (!read_all(fd, data, n))
                raw_fail("the bus closed the connection");
}

uint8_t *raw_read_message(int fd, size_t *ret_n) {
        uint8_t head[16], *m;
        size_t n;

        if (!read_all(fd, head, sizeof(head)))
                return NULL;
        n = raw_message_size(head, sizeof(head));
        m = malloc(n);
        if (!m)
                raw_fail("out of memory");
        memcpy(m, head, sizeof(head));
        raw_read(fd, m + sizeof(head), n - sizeof(head));
        *ret_n = n;
        return m;
}

/* connections */

int raw_connect(const char *address) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        const char *path = strstr(address, "unix:path="),
                   *abstract = strstr(address, "unix:abstract=");
        const char *value = path ? path + 10 : abstract ? abstract + 14 : NULL;
        size_t n;
        int fd;

        if (!value) {
                errno = EAFNOSUPPORT;
                return -1;
        }
        n = strcspn(value, ",;");
        if (n + 2 > sizeof(sa.sun_path)) {
                errno = ENAMETOOLONG;
                return -1;
        }
        memcpy(sa.sun_path + !path, value, n);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -1;
        if (connect(fd, (struct sockaddr *)&sa, offsetof(struct sockaddr_un, sun_path) + n + 1) <
            0) {
                int e = errno;

                close(fd);
                errno = e;
                return -1;
        }
        return fd;
}

/* Read messages up to the reply to serial, and return this reply. An error ends the program. */
static uint8_t *read_reply(int fd, uint32_t serial, size_t *ret_n) {
        for (;;) {
                uint8_t *m = raw_read_message(fd, ret_n);

                if (!m)
                        raw_fail("the bus closed the connection");
                if (raw_message_answers(m, *ret_n, serial)) {
                        if (m[1] == RAW_ERROR)
                                raw_fail("the bus refused a call");
                        return m;
                }
                free(m);
        }
}

/* Read a line. Peek before reading, so that no byte of the message after the line is read. */
static size_t read_line(int fd, char *line, size_t size) {
        for (;;) {
                ssize_t l = recv(fd, line, size, MSG_PEEK);
                const char *end = l > 0 ? memchr(line, '\n', l) : NULL;

                if (end) {
                        raw_read(fd, line, end + 1 - line);
                        return end + 1 - line;
                }
                if (l == 0 || (l < 0 && errno != EINTR) || l == (ssize_t)size)
                        raw_fail("no answer to the authentication");
        }
}

void raw_hello(int fd, char unique[static 64]) {
        char start[128], hex[32] = "", uid[16], answer[256];
        size_t n, n_answer;
        uint8_t *m;
        uint32_t n_name, n_body;

        snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
        for (size_t i = 0; uid[i]; i++)
                snprintf(hex + 2 * i, 3, "%02x", uid[i]);
        start[0] = 0;
        n = snprintf(start + 1, sizeof(start) - 1, "AUTH EXTERNAL %s\r\nBEGIN\r\n", hex) + 1;
        raw_write(fd, start, n);
        m = raw_build_bus_call(1, &n, "Hello", NULL);
        raw_write(fd, m, n);
        free(m);

        n_answer = read_line(fd, answer, sizeof(answer));
        if (strncmp(answer, "OK ", 3) != 0)
                raw_fail("not authenticated: %.*s", (int)n_answer, answer);
        m = read_reply(fd, 1, &n);
        memcpy(&n_body, m + 4, 4);
        memcpy(&n_name, m + n - n_body, 4);
        if (n_name >= 64 || n < (size_t)n_name + 1)
                raw_fail("a strange unique name");
        memcpy(unique, m + n - n_name - 1, (size_t)n_name + 1);
        free(m);
}

void raw_bus_call(int fd, const char *member, const char *argument) {
        size_t n;
        uint8_t *m;

        m = raw_build_bus_call(2, &n, member, argument);
        raw_write(fd, m, n);
        free(m);
        free(read_reply(fd, 2, &n));
}
