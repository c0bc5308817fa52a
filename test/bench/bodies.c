/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bodies of messages for bus1-validate: see bodies.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bodies.h"
#include "bridge/wire/byte-order.h"
#include "bridge/wire/message-private.h"
#include "bridge/wire/signature.h"

#define X4(s) s s s s
#define X8(s) X4(s) X4(s)
#define X31(s) X8(s) X8(s) X8(s) X4(s) s s s
#define X32(s) X8(s) X8(s) X8(s) X8(s)

/* without 'o', so that the empty text is a value of each type with a text */
#define BASIC_TYPES "ybnqiuxtdhsg"

/* random choices */

static uint32_t rnd(uint32_t below) {
        static uint64_t state = 88172645463325252;

        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return (state >> 32) % below;
}

static unsigned random_between(unsigned min, unsigned max) {
        return min + rnd(max - min + 1);
}

static char buffer[4096];

static const char *empty(void) {
        return "";
}

static const char *root(void) {
        return "/";
}

static const char *ascii_short(void) {
        return &"abcdefg"[rnd(8)];
}

/* also a signature */
static const char *types_short(void) {
        return &"ybnqius"[rnd(8)];
}

static const char *ascii_name(void) {
        return &"org.freedesktop.NetworkManager.Connection.Active"[rnd(40)];
}

static const char *ascii_long(void) {
        memset(buffer, 'x', 4000);
        return buffer;
}

static const char *utf8_of(const char *const *characters, unsigned n_characters) {
        char *p = buffer;

        while (p < buffer + 1000)
                p = stpcpy(p, characters[rnd(n_characters)]);
        return buffer;
}

static const char *utf8_2(void) {
        return utf8_of((const char *[]){"\xc3\xa4"}, 1);
}

static const char *utf8_3(void) {
        return utf8_of((const char *[]){"\xe2\x82\xac"}, 1);
}

static const char *utf8_4(void) {
        return utf8_of((const char *[]){"\xf0\x9f\x98\x80"}, 1);
}

static const char *utf8_1_2(void) {
        return utf8_of((const char *[]){"a", "\xc3\xa4"}, 2);
}

static const char *utf8_mixed(void) {
        return utf8_of((const char *[]){"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}, 4);
}

static const char *utf8_rare(void) {
        return utf8_of((const char *[]){"abcdefgh", "abcdefg\xc3\xa4", "abc\xe2\x82\xac"}, 3);
}

static const char *path_of(unsigned max_element, unsigned n) {
        char *p = buffer;

        while (p < buffer + n) {
                *p++ = '/';
                for (unsigned i = 1 + rnd(max_element); i > 0; i--)
                        *p++ = "abcXYZ_019"[rnd(10)];
        }
        *p = 0;
        return buffer;
}

static const char *path_short(void) {
        return path_of(1, 1);
}

static const char *path_of_random_elements(void) {
        return path_of(4, 1000);
}

static const char *path_of_long_elements(void) {
        return path_of(1000, 1000);
}

/* Append a random type to s, which has room for max characters more. Returns their number. */
static size_t random_type(char *s, size_t max, unsigned depth) {
        unsigned choice = rnd(8);
        size_t n = 0;

        if (choice < 2 && max > 1 && depth < 30) {
                s[0] = 'a';
                return 1 + random_type(s + 1, max - 1, depth + 1);
        }
        if (choice == 2 && max > 5 && depth > 0 && s[-1] == 'a') {
                s[n++] = '{';
                s[n++] = BASIC_TYPES[rnd(sizeof(BASIC_TYPES) - 1)];
                n += random_type(s + n, max - n - 1, depth + 1);
                s[n++] = '}';
                return n;
        }
        if (choice < 5 && max > 2 && depth < 30) {
                s[n++] = '(';
                do
                        n += random_type(s + n, max - n - 1, depth + 1);
                while (n + 1 < max && rnd(2));
                s[n++] = ')';
                return n;
        }
        s[0] = (BASIC_TYPES "v")[rnd(sizeof(BASIC_TYPES "v") - 1)];
        return 1;
}

static const char *signature_of(size_t length) {
        size_t n = 0;

        while (n < length)
                n += random_type(buffer + n, length - n, 0);
        buffer[n] = 0;
        return buffer;
}

static const char *signature_random(void) {
        return signature_of(SIGNATURE_LENGTH_MAX);
}

static const char *signature_short(void) {
        return signature_of(rnd(4));
}

static const char *signature_shortest(void) {
        return rnd(2) ? "y" : "";
}

static const char *signature_basic(void) {
        for (unsigned i = 0; i < SIGNATURE_LENGTH_MAX; i++)
                buffer[i] = BASIC_TYPES[rnd(sizeof(BASIC_TYPES) - 1)];
        buffer[SIGNATURE_LENGTH_MAX] = 0;
        return buffer;
}

static const char *signature_brackets(void) {
        return X31("(") "y" X31(")") X31("(") "y" X31(")") X31("(") "y" X31(")");
}

static const char *signature_arrays(void) {
        return X32("a") "y" X32("a") "y" X32("a") "y" X32("a") "y" X32("a") "y" X32("a") "y";
}

/* types in variants */

static const char *variant_byte(unsigned depth) {
        return "y";
}

static const char *variant_fixed(unsigned depth) {
        return (const char *[]){"y", "b", "n", "q", "i", "u", "x", "t", "d"}[rnd(9)];
}

static const char *variant_small(unsigned depth) {
        return (const char *[]){"y", "n", "g", depth < 50 ? "v" : "y"}[rnd(4)];
}

static const char *variant_mixed(unsigned depth) {
        return (const char *[]){"y", "b", "s", "g", "ay", "(y)", depth < 20 ? "v" : "y"}[rnd(7)];
}

static const char *variant_nested(unsigned depth) {
        return depth < 61 ? "v" : "y";
}

static const char *variant_deep_struct(unsigned depth) {
        return X31("(") "y" X31(")");
}

static const char *variant_deep_array(unsigned depth) {
        return "a" X31("(") "y" X31(")");
}

static const char *variant_array_of_long_structs(unsigned depth) {
        return "a(" X31("yg") X31("(y)") ")";
}

static const char *variant_array_of_structs(unsigned depth) {
        return "a(y)";
}

static const char *variant_deep_arrays(unsigned depth) {
        return X31("a") "y";
}

static const char *variant_random(unsigned depth) {
        static char type[SIGNATURE_LENGTH_MAX + 1];

        do
                type[random_type(type, depth < 2 ? SIGNATURE_LENGTH_MAX : 1, 0)] = 0;
        while (type[0] == 'v');
        return type;
}

static const char *variant_property(unsigned depth) {
        return (const char *[]){"s", "u", "b", "as", "x"}[rnd(5)];
}

const struct body_kind body_kinds[] = {
        {"bytes in structs", "(" X31("yyyyyyyy") ")"},
        {"one byte in 31 structs", X31("(") "y" X31(")")},
        {"two of one byte in 15 structs",
         "(" X8("(") X8("(") "y" X8(")") X8(")") X8("(") X8("(") "y" X8(")") X8(")") ")"},
        {"one byte in 31 dict entries", X31("a{y") "y" X31("}"), .min_elements = 1, 1},
        {"small structs", "((y)(y)(n)(u)(yy))"},
        {"booleans in structs", "(b)"},
        {"mixed fixed types", "(ynybyuyxyqyiyty)"},
        {"arrays in 31 arrays", X31("a") "y", .min_elements = 1, 1},
        {"arrays of 0 or 1 arrays", X31("a") "y", .min_elements = 0, 1},
        {"arrays of 0 to 3 arrays", "aaaay", .min_elements = 0, 3},
        {"arrays and structs", X31("a(") "y" X31(")"), .min_elements = 1, 1},
        {"empty arrays", "ay"},
        {"empty arrays of long types", "a(" X31("(y)y") ")"},
        {"byte arrays of 0 to 3", "ay", .min_elements = 0, 3},
        {"boolean arrays", "ab", .min_elements = 0, 3},
        {"empty signatures", "g", empty},
        {"bytes and empty signatures", "(" X31("ygygygyg") ")", empty},
        {"signatures of 0 or 1", "g", signature_shortest},
        {"signatures of 0 to 3", "g", signature_short},
        {"random signatures", "g", signature_random},
        {"signatures of basic types", "g", signature_basic},
        {"signatures of brackets", "g", signature_brackets},
        {"signatures of arrays", "g", signature_arrays},
        {"empty strings", "s", empty},
        {"strings of 0 to 7", "s", ascii_short},
        {"UTF-8, 2 bytes", "s", utf8_2},
        {"UTF-8, 3 bytes", "s", utf8_3},
        {"UTF-8, 4 bytes", "s", utf8_4},
        {"UTF-8, 1 or 2 bytes", "s", utf8_1_2},
        {"UTF-8, 1 to 4 bytes", "s", utf8_mixed},
        {"UTF-8, mostly ASCII", "s", utf8_rare},
        {"paths /", "o", root},
        {"paths of one character", "o", path_short},
        {"paths of short elements", "o", path_of_random_elements},
        {"paths of long elements", "o", path_of_long_elements},
        {"variants of a byte", "v", .variant = variant_byte},
        {"variants of fixed types", "v", .variant = variant_fixed},
        {"variants of small types", "v", signature_short, variant_small},
        {"variants of mixed types", "v", types_short, variant_mixed, 0, 3},
        {"variants in 61 variants", "v", .variant = variant_nested},
        {"variants in structs", "(v)", .variant = variant_byte},
        {"variants of 31 structs", "v", .variant = variant_deep_struct},
        {"variants of an empty array", "v", .variant = variant_deep_array},
        {"variants of a small array", "v", .variant = variant_array_of_structs, .min_elements = 1,
         3},
        {"variants of two deep structs", "v", NULL, variant_deep_array, 2, 2},
        {"variants of two long structs", "v", empty, variant_array_of_long_structs, 2, 2},
        {"variants of 31 arrays", "v", .variant = variant_deep_arrays, .min_elements = 1, 1},
        {"variants of random types", "v", empty, variant_random, 0, 1},
        {"empty arrays beside variants", "(a(" X31("yyyyyyy") ")v)", NULL,
         variant_array_of_structs},
        {"unknown header fields", "v", .variant = variant_byte, .in_header = true},

        {"usual: bytes", "y"},
        {"usual: numbers", "x"},
        {"usual: long strings", "s", ascii_long},
        {"usual: names", "s", ascii_name},
        {"usual: properties", "{sv}", ascii_name, variant_property, 1, 3},
        {"usual: structs", "(susuu)", ascii_name},
};

const size_t body_n_kinds = sizeof(body_kinds) / sizeof(body_kinds[0]);

/* bytes, in the native byte order */

struct bytes {
        uint8_t *p;
        size_t n;
};

static void put(struct bytes *b, const void *data, size_t n) {
        b->p = realloc(b->p, b->n + n + 1);
        if (!b->p) {
                fprintf(stderr, "bus1-validate: out of memory\n");
                exit(2);
        }
        memcpy(b->p + b->n, data, n);
        b->n += n;
}

static void put_align(struct bytes *b, size_t alignment) {
        put(b, (uint8_t[8]){}, -b->n & (alignment - 1));
}

static void put_u32(struct bytes *b, uint32_t v) {
        put_align(b, sizeof(v));
        put(b, &v, sizeof(v));
}

static void put_string(struct bytes *b, const char *s) {
        put_u32(b, strlen(s));
        put(b, s, strlen(s) + 1);
}

static void put_signature(struct bytes *b, const char *s) {
        uint8_t n = strlen(s);

        put(b, &n, sizeof(n));
        put(b, s, n + 1U);
}

static size_t begin_array(struct bytes *b, const char *element) {
        put_u32(b, 0);
        put_align(b, signature_types[(uint8_t)*element].alignment);
        return b->n;
}

/* length_at is the offset of the length of the array, start that of its first element. */
static void end_array(struct bytes *b, size_t length_at, size_t start) {
        uint32_t n = b->n - start;

        memcpy(b->p + length_at, &n, sizeof(n));
}

/* Put a value of the type at signature. Returns the end of this type. */
static const char *put_value(struct bytes *b, const struct body_kind *kind, const char *signature,
                             unsigned depth) {
        const struct signature_type *type = &signature_types[(uint8_t)*signature];
        char inner[SIGNATURE_LENGTH_MAX + 1];
        size_t length_at, start;

        put_align(b, type->alignment);
        switch (*signature++) {
        case 'b':
                put_u32(b, rnd(2));
                return signature;
        case 's':
        case 'o':
                put_string(b, kind->text());
                return signature;
        case 'g':
                put_signature(b, kind->text());
                return signature;
        case 'v':
                strcpy(inner, kind->variant(depth));
                put_signature(b, inner);
                put_value(b, kind, inner, depth + 1);
                return signature;
        case 'a':
                length_at = b->n;
                start = begin_array(b, signature);
                for (unsigned i = random_between(kind->min_elements, kind->max_elements); i > 0;
                     i--)
                        put_value(b, kind, signature, depth);
                end_array(b, length_at, start);
                return signature_skip(signature);
        case '(':
        case '{':
                while (*signature != ')' && *signature != '}')
                        signature = put_value(b, kind, signature, depth);
                return signature + 1;
        default:
                put(b, (uint8_t[8]){42}, type->size);
                return signature;
        }
}

/* messages */

static void put_field(struct bytes *b, uint8_t code, const char *signature) {
        put_align(b, 8);
        put(b, &code, sizeof(code));
        put_signature(b, signature);
}

uint8_t *body_new_message(const struct body_kind *kind, size_t n, size_t *ret_n) {
        char signature[SIGNATURE_LENGTH_MAX + 1] = "a";
        struct bytes b = {};
        size_t body, start;

        put(&b, (uint8_t[]){WIRE_NATIVE_BIG_ENDIAN ? 'B' : 'l', MESSAGE_TYPE_METHOD_CALL, 0, 1}, 4);
        put_u32(&b, 0);
        put_u32(&b, 1);
        put_u32(&b, 0);
        put_field(&b, FIELD_PATH, "o");
        put_string(&b, "/");
        put_field(&b, FIELD_MEMBER, "s");
        put_string(&b, "M");
        while (kind->in_header && b.n < n) {
                put_field(&b, N_FIELDS, kind->element);
                put_value(&b, kind, kind->element, 0);
        }
        if (!kind->in_header) {
                put_field(&b, FIELD_SIGNATURE, "g");
                put_signature(&b, strncat(signature, kind->element, SIGNATURE_LENGTH_MAX - 1));
        }
        end_array(&b, 12, MESSAGE_HEADER_SIZE);
        put_align(&b, 8);

        body = b.n;
        if (!kind->in_header) {
                start = begin_array(&b, kind->element);
                while (b.n < start + n)
                        put_value(&b, kind, kind->element, 0);
                end_array(&b, body, start);
        }
        end_array(&b, 4, body);
        *ret_n = b.n;
        return b.p;
}
