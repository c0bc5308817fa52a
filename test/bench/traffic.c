/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Traffic: see traffic.h. */

#include "test/bench/traffic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "test/bench/raw.h"
#include "test/bench/workload.h"

#define CHUNK (256 * 1024)

uint8_t *traffic_build(uint8_t type, const char *destination, size_t n_body, const char *signature,
                       size_t *ret_n) {
        size_t n = n_body < 5 ? 5 : n_body;
        uint8_t *body = calloc(1, n), *m;
        uint32_t length = signature[0] == 's' ? n - 5 : n - 4;
        struct raw_fields f = {
                .type = type,
                .flags = type == RAW_CALL ? 0 : RAW_NO_REPLY,
                .serial = 1,
                .destination = destination,
                .signature = signature,
                .body = body,
                .n_body = n,
        };

        if (!body)
                raw_fail("out of memory");
        memcpy(body, &length, 4);
        if (signature[0] == 's')
                memset(body + 4, 'x', length);
        if (type == RAW_RETURN) {
                f.reply_serial = 1;
        } else {
                f.path = "/com/example/Bench";
                f.interface = BENCH_NAME;
                f.member = "Method";
        }
        m = raw_build(&f, ret_n);
        free(body);
        return m;
}

void batch_init(struct batch *b, const uint8_t *message, size_t n_message, size_t copies) {
        b->data = malloc(n_message * copies);
        b->n_message = n_message;
        b->serial = 1;
        if (!b->data)
                raw_fail("out of memory");
        for (size_t i = 0; i < copies; i++)
                memcpy(b->data + i * n_message, message, n_message);
}

void batch_write(struct batch *b, int fd, size_t n, bool single) {
        for (size_t i = 0; i < n; i++) {
                b->serial = b->serial == UINT32_MAX ? 1 : b->serial + 1;
                raw_message_set_serial(b->data + i * b->n_message, b->serial);
                if (single)
                        raw_write(fd, b->data + i * b->n_message, b->n_message);
        }
        if (!single && n > 0)
                raw_write(fd, b->data, n * b->n_message);
}

bool stream_read(struct stream *s, int fd) {
        ssize_t l;

        if (!s->data) {
                s->data = malloc(CHUNK);
                if (!s->data)
                        raw_fail("out of memory");
        }
        memmove(s->data, s->data + s->at, s->n - s->at);
        s->n -= s->at;
        s->at = 0;
        do
                l = recv(fd, s->data + s->n, CHUNK - s->n, 0);
        while (l < 0 && errno == EINTR);
        if (l <= 0)
                return false;
        s->n += l;
        return true;
}

const uint8_t *stream_next(struct stream *s) {
        size_t size = raw_message_size(s->data + s->at, s->n - s->at);

        if (size == 0 || size > s->n - s->at)
                return NULL;
        s->at += size;
        return s->data + s->at - size;
}
