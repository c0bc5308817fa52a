/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading and writing the integers of a message in its byte order, which the message states. */

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WIRE_NATIVE_BIG_ENDIAN (__BYTE_ORDER == __BIG_ENDIAN)

static inline uint32_t wire_load32(const uint8_t *p, bool big_endian) {
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return big_endian ? be32toh(v) : le32toh(v);
}

static inline uint64_t wire_load64(const uint8_t *p, bool big_endian) {
        uint64_t v;

        memcpy(&v, p, sizeof(v));
        return big_endian ? be64toh(v) : le64toh(v);
}

static inline void wire_store32(uint8_t *p, uint32_t v, bool big_endian) {
        v = big_endian ? htobe32(v) : htole32(v);
        memcpy(p, &v, sizeof(v));
}

static inline size_t wire_align(size_t at, size_t alignment) {
        return (at + alignment - 1) & ~(alignment - 1);
}
