/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/plain.h"

#include <stdint.h>
#include <string.h>

#include "bridge/wire/names.h"
#include "bridge/wire/reader.h"
#include "bridge/wire/signature.h"
#include "bridge/wire/writer.h"

/* Containers in one another. The writer knows as many open arrays. */
#define DEPTH_MAX 8

/* The types that are left to read or write, and their arguments. */
struct values {
        const char *types;
        va_list args;
};

static bool is_signature(const char *types) {
        return name_is_valid_signature(types, strlen(types));
}

/* Is it one complete type? The content of a variant is. */
static bool is_one_type(const char *type) {
        return type && signature_check_one(type, strlen(type));
}

static size_t alignment_of(char type) {
        return signature_types[(uint8_t)type].alignment;
}

/* writing */

static bool write_one(struct writer *w, struct values *values, unsigned depth);

static bool write_array(struct writer *w, struct values *values, unsigned depth) {
        const char *element = values->types, *end = signature_skip(element);
        unsigned n = va_arg(values->args, unsigned);

        writer_array_begin(w, alignment_of(*element));
        for (unsigned i = 0; i < n; i++) {
                values->types = element;
                if (!write_one(w, values, depth + 1))
                        return false;
        }
        writer_array_end(w);
        values->types = end;
        return true;
}

static bool write_variant(struct writer *w, struct values *values, unsigned depth) {
        const char *content = va_arg(values->args, const char *), *rest = values->types;
        bool ok;

        if (!is_one_type(content))
                return false;
        writer_variant(w, content);
        values->types = content;
        ok = write_one(w, values, depth + 1);
        values->types = rest;
        return ok;
}

static bool write_struct(struct writer *w, struct values *values, unsigned depth) {
        writer_struct(w);
        while (*values->types != ')' && *values->types != '}')
                if (!write_one(w, values, depth + 1))
                        return false;
        values->types++;
        return true;
}

static bool write_string(struct writer *w, const char *text) {
        if (text)
                writer_string(w, text);
        return text;
}

static bool write_double(struct writer *w, double v) {
        uint64_t bits;

        memcpy(&bits, &v, sizeof(bits));
        writer_u64(w, bits);
        return true;
}

/* Write the arguments of one complete type. */
static bool write_one(struct writer *w, struct values *values, unsigned depth) {
        char type = *values->types++;
        const char *text;

        if (depth >= DEPTH_MAX)
                return false;
        switch (type) {
        case 'y':
                writer_u8(w, (uint8_t)va_arg(values->args, int));
                return true;
        case 'b':
                writer_bool(w, va_arg(values->args, int));
                return true;
        case 'n':
        case 'q':
                writer_u16(w, (uint16_t)va_arg(values->args, int));
                return true;
        case 'i':
        case 'u':
                writer_u32(w, va_arg(values->args, uint32_t));
                return true;
        case 'x':
        case 't':
                writer_u64(w, va_arg(values->args, uint64_t));
                return true;
        case 'd':
                return write_double(w, va_arg(values->args, double));
        case 's':
                text = va_arg(values->args, const char *);
                return write_string(w, text ? text : "");
        case 'o':
                return write_string(w, va_arg(values->args, const char *));
        case 'g':
                text = va_arg(values->args, const char *);
                if (text && strlen(text) > SIGNATURE_LENGTH_MAX)
                        return false;
                writer_signature(w, text ? text : "");
                return true;
        case 'a':
                return write_array(w, values, depth);
        case 'v':
                return write_variant(w, values, depth);
        case '(':
        case '{':
                return write_struct(w, values, depth);
        default:
                return false;
        }
}

bool plain_write(struct writer *w, const char *types, va_list args) {
        struct values values = {.types = types};
        bool ok = is_signature(types);

        va_copy(values.args, args);
        while (ok && *values.types)
                ok = write_one(w, &values, 0);
        va_end(values.args);
        return ok;
}

static bool write_arg(struct writer *w, char type, const void *value) {
        const struct signature_type *t = &signature_types[(uint8_t)type];
        const char *text;

        if (!t->basic || type == 'h' || !value)
                return false;
        if (t->size == 0) {
                memcpy(&text, value, sizeof(text));
                if (type != 'g')
                        return write_string(w, text);
                if (!text || strlen(text) > SIGNATURE_LENGTH_MAX)
                        return false;
                writer_signature(w, text);
        } else if (type == 'b') {
                writer_bool(w, *(const uint32_t *)value);
        } else if (t->size == 1) {
                writer_u8(w, *(const uint8_t *)value);
        } else if (t->size == 2) {
                writer_u16(w, *(const uint16_t *)value);
        } else if (t->size == 4) {
                writer_u32(w, *(const uint32_t *)value);
        } else {
                writer_u64(w, *(const uint64_t *)value);
        }
        return true;
}

bool plain_write_args(struct writer *w, char signature[static PLAIN_SIGNATURE_SIZE],
                      int first_arg_type, va_list args) {
        size_t n = 0;

        for (int type = first_arg_type; type != 0; type = va_arg(args, int)) {
                if (n == PLAIN_SIGNATURE_SIZE - 1 ||
                    !write_arg(w, (char)type, va_arg(args, const void *)))
                        return false;
                signature[n++] = (char)type;
        }
        signature[n] = 0;
        return true;
}

/* reading: one walk compares, and a second one sets the arguments */

static bool read_one(struct reader *r, struct values *values, bool set);

static bool read_array(struct reader *r, struct values *values, bool set) {
        const char *element = values->types, *behind = signature_skip(element);
        unsigned n = va_arg(values->args, unsigned);
        const uint8_t *end;

        reader_array(r, alignment_of(*element), &end);
        for (unsigned i = 0; i < n; i++) {
                values->types = element;
                if (r->at >= end || !read_one(r, values, set))
                        return false;
        }
        values->types = behind;
        return r->at == end;
}

static bool read_variant(struct reader *r, struct values *values, bool set) {
        const char *content = va_arg(values->args, const char *), *rest = values->types;
        bool ok;

        if (!content || strcmp(reader_signature(r).s, content) != 0)
                return false;
        values->types = content;
        ok = read_one(r, values, set);
        values->types = rest;
        return ok;
}

static bool read_struct(struct reader *r, struct values *values, bool set) {
        reader_struct(r);
        while (*values->types != ')' && *values->types != '}')
                if (!read_one(r, values, set))
                        return false;
        values->types++;
        return true;
}

static void set_text(struct wire_string string, const char **argument, bool set) {
        if (set && argument)
                *argument = string.s;
}

/* A number whose type has n bytes. In memory, it is like the argument. */
static void read_number(struct reader *r, size_t n, void *argument, bool set) {
        uint64_t v64;
        uint32_t v32;
        uint16_t v16;
        uint8_t v8;
        const void *v;

        switch (n) {
        case 1:
                v8 = reader_u8(r);
                v = &v8;
                break;
        case 2:
                v16 = reader_u16(r);
                v = &v16;
                break;
        case 4:
                v32 = reader_u32(r);
                v = &v32;
                break;
        default:
                v64 = reader_u64(r);
                v = &v64;
                break;
        }
        if (set && argument)
                memcpy(argument, v, n);
}

/*
 * Read one complete type. The types are those of the message, so this can fail only at the number
 * of elements of an array, at the content of a variant, or at a descriptor.
 */
static bool read_one(struct reader *r, struct values *values, bool set) {
        char type = *values->types++;

        switch (type) {
        case 's':
        case 'o':
                set_text(reader_string(r), va_arg(values->args, const char **), set);
                return true;
        case 'g':
                set_text(reader_signature(r), va_arg(values->args, const char **), set);
                return true;
        case 'a':
                return read_array(r, values, set);
        case 'v':
                return read_variant(r, values, set);
        case '(':
        case '{':
                return read_struct(r, values, set);
        case 'h':
                return false;
        default:
                read_number(r, signature_types[(uint8_t)type].size, va_arg(values->args, void *),
                            set);
                return true;
        }
}

static bool read_all(const struct message *m, const char *types, va_list args, bool set) {
        struct values values = {.types = types};
        struct reader r;
        bool ok = true;

        reader_init(&r, m);
        va_copy(values.args, args);
        while (ok && *values.types)
                ok = read_one(&r, &values, set);
        va_end(values.args);
        return ok;
}

bool plain_read(const struct message *m, const char *types, va_list args) {
        if (strncmp(m->signature.s, types, strlen(types)) != 0 || !is_signature(types))
                return false;
        /* Without these, the comparison of the signatures is enough. */
        if (strpbrk(types, "avh") && !read_all(m, types, args, false))
                return false;
        return read_all(m, types, args, true);
}
