/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values in a message, checked against their signature in one pass (D-Bus spec, "Marshaling (Wire
 * Format)").
 *
 * The walk goes through signature and bytes at the same time. It keeps open arrays, structs and
 * variants on a stack that is as deep as the specification allows, so it does not recurse. An array
 * of numbers is one step, whatever its length. The code is compiled twice, once for each byte
 * order.
 */

#include "bridge/wire/byte-order.h"
#include "bridge/wire/message-private.h"
#include "bridge/wire/names.h"
#include "bridge/wire/signature.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* A container whose end has not been reached. */
struct frame {
        enum {
                FRAME_ARRAY,
                FRAME_STRUCT, /* and dict entry */
                FRAME_VARIANT,
        } kind;
        const char *signature; /* array: that of its element; variant: that behind the variant */
        size_t end;            /* array: where it ends */
};

/*
 * A table of where element types end, for empty arrays. Without this table, each of a million empty
 * arrays would cost a walk over its element type, which may be long. No two types of one signature
 * share a slot.
 */
struct skips {
        bool used;
        const char *at[256];
        const char *end[256];
};

static const char *skip_element(struct skips *skips, const char *signature) {
        uint8_t slot = (uintptr_t)signature;

        /* A type of one character needs no walk, and takes no slot from a longer type. */
        if (signature[0] != '(' && signature[0] != '{' && signature[0] != 'a')
                return signature + 1;

        if (!skips->used) {
                memset(skips->at, 0, sizeof(skips->at));
                skips->used = true;
        }
        if (skips->at[slot] != signature) {
                skips->end[slot] = signature_skip(signature);
                skips->at[slot] = signature;
        }
        return skips->end[slot];
}

static bool padding_is_zero(const uint8_t *data, size_t from, size_t to) {
        uint8_t any = 0;

        while (from < to)
                any |= data[from++];
        return any == 0;
}

static ALWAYS_INLINE int align(const uint8_t *data, size_t *pos, size_t end, size_t alignment) {
        size_t at = wire_align(*pos, alignment);

        if (at == *pos)
                return 0;
        if (at > end)
                return MESSAGE_E_BODY;
        if (!padding_is_zero(data, *pos, at))
                return MESSAGE_E_PADDING;
        *pos = at;
        return 0;
}

static ALWAYS_INLINE int check_boolean(const uint8_t *p, bool big_endian) {
        return wire_load32(p, big_endian) > 1 ? MESSAGE_E_BOOLEAN : 0;
}

static ALWAYS_INLINE int check_string(const uint8_t *data, size_t *pos, size_t end, char type,
                                      bool big_endian) {
        size_t at, n;
        int r;

        r = align(data, pos, end, 4);
        if (r)
                return r;
        if (end - *pos < 5)
                return MESSAGE_E_BODY;
        at = *pos + 4;
        n = wire_load32(data + *pos, big_endian);
        if (n >= end - at)
                return MESSAGE_E_BODY;
        if (data[at + n] != 0)
                return MESSAGE_E_STRING;

        if (type == 's') {
                if (!name_is_valid_utf8((const char *)data + at, n))
                        return MESSAGE_E_STRING;
        } else {
                if (!name_check_object_path((const char *)data + at, n))
                        return MESSAGE_E_OBJECT_PATH;
        }
        *pos = at + n + 1;
        return 0;
}

/* Check a value of type g, or the signature of a variant. */
static int check_signature(const uint8_t *data, size_t *pos, size_t end, const char **ret_signature,
                           unsigned *ret_n_types) {
        size_t at, n;

        if (end - *pos < 2)
                return MESSAGE_E_BODY;
        at = *pos + 1;
        n = data[*pos];
        if (n >= end - at)
                return MESSAGE_E_BODY;
        if (data[at + n] != 0)
                return MESSAGE_E_STRING;
        if (!signature_check((const char *)data + at, n, ret_n_types))
                return MESSAGE_E_SIGNATURE;

        *ret_signature = (const char *)data + at;
        *pos = at + n + 1;
        return 0;
}

/* Read the length of an array and the padding behind it. Sets *ret_n to the length in bytes. */
static ALWAYS_INLINE int check_array(const uint8_t *data, size_t *pos, size_t end,
                                     const struct signature_type *element, bool big_endian,
                                     size_t *ret_n) {
        size_t n;
        int r;

        r = align(data, pos, end, 4);
        if (r)
                return r;
        if (end - *pos < 4)
                return MESSAGE_E_BODY;
        n = wire_load32(data + *pos, big_endian);
        if (n > MESSAGE_ARRAY_MAX)
                return MESSAGE_E_ARRAY;
        *pos += 4;
        r = align(data, pos, end, element->alignment);
        if (r)
                return r;
        if (n > end - *pos)
                return MESSAGE_E_ARRAY;
        *ret_n = n;
        return 0;
}

/* Check an array of fixed-size elements. Only booleans have to be checked one by one. */
static ALWAYS_INLINE int check_fixed_array(const uint8_t *data, size_t *pos, size_t n, char type,
                                           bool big_endian) {
        if (n & (signature_types[(uint8_t)type].size - 1U))
                return MESSAGE_E_ARRAY;
        if (type == 'b')
                for (size_t i = 0; i < n; i += 4)
                        if (check_boolean(data + *pos + i, big_endian))
                                return MESSAGE_E_BOOLEAN;
        *pos += n;
        return 0;
}

static ALWAYS_INLINE int check_values(const uint8_t *data, size_t *ret_pos, size_t end,
                                      const char *signature, unsigned depth, bool big_endian) {
        /* stack[0] is no container; it stands for the outermost values of this check */
        struct frame stack[SIGNATURE_TOTAL_DEPTH_MAX + 1], *top = stack;
        struct frame *limit = stack + SIGNATURE_TOTAL_DEPTH_MAX - depth;
        size_t pos = *ret_pos;
        struct skips skips;
        int r;

        skips.used = false;

        while (*signature) {
                char type = *signature++;
                const struct signature_type *element;
                const char *inner;
                unsigned n_types;
                size_t n;

                switch (type) {
                case 'y':
                        if (pos == end)
                                return MESSAGE_E_BODY;
                        ++pos;
                        break;

                case 's':
                case 'o':
                        r = check_string(data, &pos, end, type, big_endian);
                        if (r)
                                return r;
                        break;

                case 'g':
                        r = check_signature(data, &pos, end, &inner, &n_types);
                        if (r)
                                return r;
                        break;

                case 'v':
                        r = check_signature(data, &pos, end, &inner, &n_types);
                        if (r == MESSAGE_E_SIGNATURE || (r == 0 && n_types != 1))
                                return MESSAGE_E_VARIANT;
                        if (r)
                                return r;
                        if (top == limit)
                                return MESSAGE_E_DEPTH;
                        *++top = (struct frame){FRAME_VARIANT, signature, 0};
                        signature = inner;
                        continue;

                case '(':
                case '{':
                        r = align(data, &pos, end, 8);
                        if (r)
                                return r;
                        if (top == limit)
                                return MESSAGE_E_DEPTH;
                        *++top = (struct frame){FRAME_STRUCT, NULL, 0};
                        continue;

                case 'a':
                        element = &signature_types[(uint8_t)*signature];
                        r = check_array(data, &pos, end, element, big_endian, &n);
                        if (r)
                                return r;
                        if (element->size) {
                                r = check_fixed_array(data, &pos, n, *signature, big_endian);
                                if (r)
                                        return r;
                                ++signature;
                                break;
                        }
                        if (n == 0) {
                                signature = skip_element(&skips, signature);
                                break;
                        }
                        if (top == limit)
                                return MESSAGE_E_DEPTH;
                        *++top = (struct frame){FRAME_ARRAY, signature, pos + n};
                        continue;

                default: /* another type of fixed size */
                        n = signature_types[(uint8_t)type].size;
                        r = align(data, &pos, end, n);
                        if (r)
                                return r;
                        if (end - pos < n)
                                return MESSAGE_E_BODY;
                        if (type == 'b' && check_boolean(data + pos, big_endian))
                                return MESSAGE_E_BOOLEAN;
                        pos += n;
                        break;
                }

                /* A value is complete. Close the containers that end with it. */
                while (top > stack) {
                        if (top->kind == FRAME_STRUCT) {
                                if (*signature != ')' && *signature != '}')
                                        break;
                                ++signature;
                        } else if (top->kind == FRAME_VARIANT) {
                                signature = top->signature;
                        } else if (pos < top->end) {
                                signature = top->signature;
                                break;
                        } else if (pos > top->end) {
                                return MESSAGE_E_ARRAY;
                        }
                        --top;
                }
        }

        *ret_pos = pos;
        return 0;
}

int message_check_values(const uint8_t *data, size_t *pos, size_t end, const char *signature,
                         unsigned depth, bool big_endian) {
        if (big_endian)
                return check_values(data, pos, end, signature, depth, true);
        return check_values(data, pos, end, signature, depth, false);
}
