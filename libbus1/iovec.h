/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The data of a struct bus1_message is the first n_data bytes of its vectors. */

#include "libbus1/util.h"
#include <errno.h>
#include <linux/bus1.h>
#include <string.h>
#include <sys/uio.h>

/* the kernel takes no more vectors for the data of one message */
#define IOVEC_MAX 1024

/*
 * Check the vectors before calling the functions below. Returns -EINVAL if they hold fewer than
 * n_data bytes, or are too many.
 */
static inline int iovec_check_message(const struct bus1_message *message) {
        const struct iovec *vecs = ptr_from_u64(message->ptr_data_vecs);
        uint64_t n = message->n_data;

        if (message->n_data_vecs > IOVEC_MAX)
                return -EINVAL;

        for (size_t i = 0; i < message->n_data_vecs && n > 0; i++)
                n -= min_size(n, vecs[i].iov_len);

        return n > 0 ? -EINVAL : 0;
}

/* Copy from the vectors to the buffer. */
static inline void iovec_gather(uint8_t *to, const struct iovec *vecs, size_t n) {
        for (; n > 0; vecs++) {
                size_t l = min_size(n, vecs->iov_len);

                if (l > 0)
                        memcpy(to, vecs->iov_base, l);
                to += l;
                n -= l;
        }
}

/* Copy from the buffer to the vectors, beginning at an offset in the vectors. */
static inline void iovec_scatter(const struct iovec *vecs, size_t offset, const uint8_t *from,
                                 size_t n) {
        for (; n > 0; vecs++) {
                size_t l;

                if (offset >= vecs->iov_len) {
                        offset -= vecs->iov_len;
                        continue;
                }

                l = min_size(n, vecs->iov_len - offset);
                memcpy((uint8_t *)vecs->iov_base + offset, from, l);
                offset = 0;
                from += l;
                n -= l;
        }
}
