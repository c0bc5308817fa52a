/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each violation of the message format, in both byte orders, and the verdict of libdbus on it. */

#include <check.h>

#include "raw.h"
#include "test/unit/suite.h"

/* How the verdict of libdbus differs from that of message_parse(); each difference is intended. */
enum libdbus {
        AGREES,
        TAKES,   /* libdbus accepts what message_parse() refuses */
        REFUSES, /* libdbus refuses what message_parse() accepts */
        UNASKED, /* dbus_message_demarshal() cannot judge incomplete messages or descriptors */
};

struct row {
        const char *name;
        void (*build)(struct raw *r);
        int expected; /* result of message_parse() */
        enum libdbus libdbus;
};

/* the usual parts */

static void method_fields(struct raw *r) {
        raw_field_string(r, 1, "o", "/a");
        raw_field_string(r, 3, "s", "M");
}

static void type(struct raw *r, uint8_t t) {
        r->p[1] = t;
}

/* Begin a call whose body has the signature. The caller writes the body, and ends it with end(). */
static size_t start(struct raw *r, const char *signature) {
        method_fields(r);
        raw_field_signature(r, signature);
        raw_end_fields(r);
        return r->n;
}

static void end(struct raw *r, size_t s) {
        raw_end_body(r, s);
}

#define FIELDS(name, ...)                 \
        static void name(struct raw *r) { \
                __VA_ARGS__;              \
                raw_end_fields(r);        \
        }

#define BODY(name, signature, ...)                  \
        static void name(struct raw *r) {           \
                size_t body_ = start(r, signature); \
                __VA_ARGS__;                        \
                end(r, body_);                      \
        }

#define METHOD(name, ...) FIELDS(name, method_fields(r); __VA_ARGS__)

/* the fixed part */

METHOD(valid_call, (void)0)
METHOD(byte_order, r->p[0] = 'x')
METHOD(byte_order_zero, r->p[0] = 0)
METHOD(version_0, r->p[3] = 0)
METHOD(version_2, r->p[3] = 2)
METHOD(serial_0, raw_set32(r, 8, 0))
METHOD(type_0, type(r, 0))
METHOD(type_5, type(r, 5))
METHOD(type_255, type(r, 255))
METHOD(flags_all, r->p[2] = 0xff)

/* required fields */

FIELDS(call_without_path, raw_field_string(r, 3, "s", "M"))
FIELDS(call_without_member, raw_field_string(r, 1, "o", "/a"))
FIELDS(call_without_fields, (void)0)
FIELDS(signal_valid, type(r, 4); method_fields(r); raw_field_string(r, 2, "s", "a.b"))
FIELDS(signal_without_path, type(r, 4); raw_field_string(r, 3, "s", "M");
       raw_field_string(r, 2, "s", "a.b"))
FIELDS(signal_without_interface, type(r, 4); method_fields(r))
FIELDS(signal_without_member, type(r, 4); raw_field_string(r, 1, "o", "/a");
       raw_field_string(r, 2, "s", "a.b"))
FIELDS(return_valid, type(r, 2); raw_field_u32(r, 5, 1))
FIELDS(return_without_reply_serial, type(r, 2))
FIELDS(error_valid, type(r, 3); raw_field_string(r, 4, "s", "a.b"); raw_field_u32(r, 5, 1))
FIELDS(error_without_name, type(r, 3); raw_field_u32(r, 5, 1))
FIELDS(error_without_reply_serial, type(r, 3); raw_field_string(r, 4, "s", "a.b"))
FIELDS(reply_serial_0, type(r, 2); raw_field_u32(r, 5, 0))
FIELDS(unknown_type_without_fields, type(r, 9))

/* field values */

METHOD(extra_known_fields, raw_field_string(r, 4, "s", "a.b"); raw_field_u32(r, 5, 3))
METHOD(reply_serial_0_in_call, raw_field_u32(r, 5, 0))
METHOD(call_with_all, raw_field_string(r, 2, "s", "a.b"); raw_field_string(r, 6, "s", "a.b");
       raw_field_string(r, 7, "s", ":1.2"))
METHOD(interface_one_element, raw_field_string(r, 2, "s", "a"))
METHOD(interface_empty, raw_field_string(r, 2, "s", ""))
METHOD(interface_dash, raw_field_string(r, 2, "s", "a.b-c"))
METHOD(interface_digit, raw_field_string(r, 2, "s", "a.1b"))
METHOD(error_name_bad, raw_field_string(r, 4, "s", "a"))
METHOD(destination_foo, raw_field_string(r, 6, "s", "foo"))
METHOD(destination_dots, raw_field_string(r, 6, "s", "a..b"))
METHOD(destination_digits, raw_field_string(r, 6, "s", "1.2"))
METHOD(destination_short_unique, raw_field_string(r, 6, "s", ":1"))
METHOD(destination_colon, raw_field_string(r, 6, "s", ":"))
METHOD(destination_three, raw_field_string(r, 6, "s", ":a.b.c"))
METHOD(sender_bad, raw_field_string(r, 7, "s", "foo"))
METHOD(sender_well_known, raw_field_string(r, 7, "s", "a.b"))
FIELDS(path_relative, raw_field_string(r, 1, "o", "a"); raw_field_string(r, 3, "s", "M"))
FIELDS(path_trailing, raw_field_string(r, 1, "o", "/a/"); raw_field_string(r, 3, "s", "M"))
FIELDS(path_double, raw_field_string(r, 1, "o", "/a//b"); raw_field_string(r, 3, "s", "M"))
FIELDS(path_dash, raw_field_string(r, 1, "o", "/a-b"); raw_field_string(r, 3, "s", "M"))
FIELDS(path_empty, raw_field_string(r, 1, "o", ""); raw_field_string(r, 3, "s", "M"))
FIELDS(path_root, raw_field_string(r, 1, "o", "/"); raw_field_string(r, 3, "s", "M"))
FIELDS(member_dot, raw_field_string(r, 1, "o", "/a"); raw_field_string(r, 3, "s", "a.b"))
FIELDS(member_empty, raw_field_string(r, 1, "o", "/a"); raw_field_string(r, 3, "s", ""))
FIELDS(member_digit, raw_field_string(r, 1, "o", "/a"); raw_field_string(r, 3, "s", "1a"))
METHOD(field_embedded_nul, raw_field(r, 2, "s"); raw_string_n(r, "a.b\0c", 5))
METHOD(field_unterminated, raw_field_string(r, 2, "s", "a.b"); r->p[r->n - 1] = 'c')
METHOD(signature_bad, raw_field_signature(r, "z"))
METHOD(signature_open, raw_field_signature(r, "a"))
METHOD(signature_empty, raw_field_signature(r, ""))
FIELDS(path_local, raw_field_string(r, 1, "o", "/org/freedesktop/DBus/Local");
       raw_field_string(r, 3, "s", "M"))
METHOD(interface_local, raw_field_string(r, 2, "s", "org.freedesktop.DBus.Local"))
METHOD(interface_local_longer, raw_field_string(r, 2, "s", "org.freedesktop.DBus.Locals"))
METHOD(name_255, char s[256] = "a."; memset(s + 2, 'b', 253); raw_field_string(r, 6, "s", s))
METHOD(name_256, char s[257] = "a."; memset(s + 2, 'b', 254); raw_field_string(r, 6, "s", s))

/* field types */

METHOD(interface_as_o, raw_field_string(r, 2, "o", "/a"))
FIELDS(path_as_s, raw_field_string(r, 1, "s", "/a"); raw_field_string(r, 3, "s", "M"))
METHOD(reply_serial_as_i, raw_field(r, 5, "i"); raw_u32(r, 3))
METHOD(signature_as_s, raw_field_string(r, 8, "s", "s"))
METHOD(container_instance, raw_field_string(r, 10, "o", "/c"))
METHOD(container_instance_as_s, raw_field_string(r, 10, "s", "/c"))
METHOD(container_instance_bad, raw_field_string(r, 10, "o", "c"))
METHOD(duplicate_member, raw_field_string(r, 3, "s", "M"))
METHOD(duplicate_signature, raw_field_signature(r, ""); raw_field_signature(r, ""))
METHOD(field_0, raw_field_string(r, 0, "s", "x"))

/* unknown fields */

METHOD(unknown_field, raw_field_string(r, 11, "s", "x"))
METHOD(unknown_field_255, raw_field_string(r, 255, "s", "x"))
METHOD(unknown_fields_twice, raw_field_string(r, 99, "s", "x"); raw_field_string(r, 99, "s", "x"))
METHOD(unknown_field_container, raw_field(r, 40, "(sv)"); raw_align(r, 8); raw_string(r, "x");
       raw_signature(r, "y"); raw_u8(r, 1))
METHOD(unknown_field_bad_string, raw_field_string(r, 11, "s", "\xff"))
METHOD(unknown_field_bad_signature, raw_field_string(r, 11, "sz", "x"))
METHOD(unknown_field_two_types, raw_field(r, 11, "yy"); raw_u8(r, 0); raw_u8(r, 0))
METHOD(unknown_field_no_type, raw_field(r, 11, ""))

/* lengths and padding of the header */

METHOD(field_past_end, raw_field_string(r, 2, "s", "a.b"); raw_set32(r, r->n - 8, 5))
METHOD(field_cut, raw_field_string(r, 2, "s", "a.b"); --r->n)
METHOD(field_only_code, raw_align(r, 8); raw_u8(r, 2))
METHOD(field_padding, size_t at = r->n; raw_field_string(r, 2, "s", "a.b"); r->p[at] = 1)
METHOD(field_trailing_padding, raw_align(r, 8))
static void header_padding(struct raw *r) {
        method_fields(r);
        raw_end_fields(r);
        r->p[r->n - 1] = 1;
}
static void size_short(struct raw *r) {
        valid_call(r);
        raw_set32(r, 4, 8);
}

/* descriptors */

METHOD(fds_0, raw_field_u32(r, 9, 0))
METHOD(fds_1, raw_field_u32(r, 9, 1))
METHOD(fds_as_s, raw_field_string(r, 9, "s", "x"))

/* body */

static void body_without_signature(struct raw *r) {
        method_fields(r);
        raw_end_fields(r);
        raw_u32(r, 1);
        raw_end_body(r, r->n - 4);
}
BODY(body_valid, "sub", raw_string(r, "x"); raw_u32(r, 1); raw_u32(r, 0))
BODY(body_short, "su", raw_string(r, "x"))
BODY(body_empty, "u", (void)0)
BODY(body_long, "u", raw_u32(r, 1); raw_u8(r, 0))
BODY(body_padding, "yu", raw_u8(r, 1); raw_u8(r, 1); raw_u32(r, 1))
BODY(body_padding_zero, "yu", raw_u8(r, 1); raw_u32(r, 1))
BODY(boolean_0, "b", raw_u32(r, 0))
BODY(boolean_2, "b", raw_u32(r, 2))
BODY(boolean_256, "b", raw_u32(r, 256))
BODY(booleans, "ab", raw_u32(r, 8); raw_u32(r, 1); raw_u32(r, 0))
BODY(booleans_2, "ab", raw_u32(r, 8); raw_u32(r, 1); raw_u32(r, 2))
BODY(string_unterminated, "s", raw_string(r, "abc"); r->p[r->n - 1] = 'd')
BODY(string_embedded_nul, "s", raw_string_n(r, "a\0b", 3))
BODY(string_embedded_nul_long, "s", raw_string_n(r, "abcdefghijk\0mnopqr", 18))
BODY(string_utf8, "s", raw_string(r, "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 abcdefgh"))
BODY(string_bad_utf8, "s", raw_string(r, "abcdefgh\xc3"))
BODY(string_overlong, "s", raw_string(r, "\xc0\x80"))
BODY(string_surrogate, "s", raw_string(r, "\xed\xa0\x80"))
BODY(string_too_high, "s", raw_string(r, "\xf4\x90\x80\x80"))
BODY(string_noncharacter, "s", raw_string(r, "\xef\xb7\x90\xef\xbf\xbe\xf0\x9f\xbf\xbf"))
BODY(string_past_end, "s", raw_string(r, "abc"); raw_set32(r, r->n - 8, 4))
BODY(string_huge, "s", raw_string(r, "abc"); raw_set32(r, r->n - 8, 0xffffffff))
BODY(object_path_bad, "o", raw_string(r, "a"))
BODY(object_path_good, "o", raw_string(r, "/a/b_1"))
BODY(signature_value_bad, "g", raw_signature(r, "a"))
BODY(signature_value_empty, "g", raw_signature(r, ""))
BODY(signature_value_many, "g", raw_signature(r, "sa{sv}(ii)"))
BODY(variant_empty, "v", raw_signature(r, ""))
BODY(variant_two, "v", raw_signature(r, "yy"); raw_u8(r, 0); raw_u8(r, 0))
BODY(variant_bad, "v", raw_signature(r, "z"))
BODY(variant_valid, "v", raw_signature(r, "as"); raw_u32(r, 0))
BODY(array_not_multiple, "au", raw_u32(r, 6); raw_u32(r, 0); raw_u8(r, 0); raw_u8(r, 0))
BODY(array_past_end, "au", raw_u32(r, 8); raw_u32(r, 0))
BODY(array_strings_past_end, "as", raw_u32(r, 30); raw_string(r, "abc"))
BODY(array_strings_overrun, "as", raw_u32(r, 6); raw_string(r, "abc"))
BODY(array_empty_without_padding, "at", raw_u32(r, 0))
BODY(array_empty_with_padding, "(yat)", raw_u8(r, 1); raw_u32(r, 0))
BODY(array_of_structs_empty_without_padding, "a(y)", raw_u32(r, 0))
BODY(array_of_structs_empty, "a(y)", raw_u32(r, 0); raw_align(r, 8))
BODY(array_padding, "a(y)", raw_u32(r, 0); raw_u32(r, 1))
BODY(array_64_bit_elements, "at", raw_u32(r, 8); raw_u32(r, 0); raw_u32(r, 0); raw_u32(r, 0))
BODY(dict, "a{sv}", raw_u32(r, 0); raw_align(r, 8); size_t at = r->n; raw_string(r, "k");
     raw_signature(r, "y"); raw_u8(r, 1); raw_align(r, 8); raw_string(r, "k");
     raw_signature(r, "y"); raw_u8(r, 1); raw_set32(r, at - 8, r->n - at))
BODY(nan_and_fd_index, "dh", for (int i = 0; i < 8; i++) raw_u8(r, 0xff); raw_u32(r, 77))
BODY(struct_padding, "y(y)", raw_u8(r, 1); raw_u8(r, 1); raw_align(r, 8); raw_u8(r, 1))

#define BAD_SIGNATURE(name, s) METHOD(name, raw_field_signature(r, s))
BAD_SIGNATURE(signature_empty_struct, "()")
BAD_SIGNATURE(signature_struct_open, "(i")
BAD_SIGNATURE(signature_struct_close, "i)")
BAD_SIGNATURE(signature_dict_outside, "{sv}")
BAD_SIGNATURE(signature_dict_in_struct, "({sv})")
BAD_SIGNATURE(signature_dict_container_key, "a{vs}")
BAD_SIGNATURE(signature_dict_one, "a{s}")
BAD_SIGNATURE(signature_dict_three, "a{sss}")
BAD_SIGNATURE(signature_dict_empty, "a{}")
BAD_SIGNATURE(signature_mixed, "a{s(i})")
BAD_SIGNATURE(signature_m, "m")
BAD_SIGNATURE(signature_r, "r")
BAD_SIGNATURE(signature_e, "e")
BAD_SIGNATURE(signature_star, "*")
BAD_SIGNATURE(signature_question, "?")
BAD_SIGNATURE(signature_at, "@")
BAD_SIGNATURE(signature_and, "&")
BAD_SIGNATURE(signature_caret, "^")

/* depth */

static void repeat(char *s, const char *what, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                strcat(s, what);
}

static void arrays(struct raw *r, unsigned n) {
        char s[256] = "";

        repeat(s, "a", n);
        strcat(s, "y");
        start(r, s);
        raw_u32(r, 0);
        raw_end_body(r, r->n - 4);
}
static void arrays_32(struct raw *r) {
        arrays(r, 32);
}
static void arrays_33(struct raw *r) {
        arrays(r, 33);
}
static void structs(struct raw *r, unsigned n) {
        char s[256] = "";
        size_t b;

        repeat(s, "(", n);
        strcat(s, "y");
        repeat(s, ")", n);
        b = start(r, s);
        raw_u8(r, 1);
        raw_end_body(r, b);
}
static void structs_32(struct raw *r) {
        structs(r, 32);
}
static void structs_33(struct raw *r) {
        structs(r, 33);
}
static void arrays_between_structs(struct raw *r) {
        char s[256] = "";

        repeat(s, "aa(", 17);
        strcat(s, "y");
        repeat(s, ")", 17);
        method_fields(r);
        raw_field_signature(r, s);
        raw_end_fields(r);
        raw_u32(r, 0);
        raw_end_body(r, r->n - 4);
}
static void variants(struct raw *r, unsigned n) {
        size_t b = start(r, "v");

        for (unsigned i = 1; i < n; i++)
                raw_signature(r, "v");
        raw_signature(r, "y");
        raw_u8(r, 1);
        raw_end_body(r, b);
}
static void variants_64(struct raw *r) {
        variants(r, 64);
}
static void variants_65(struct raw *r) {
        variants(r, 65);
}
static void structs_and_variants(struct raw *r, unsigned n) {
        char s[256] = "";
        size_t b;

        repeat(s, "(", 32);
        strcat(s, "v");
        repeat(s, ")", 32);
        b = start(r, s);
        for (unsigned i = 1; i < n; i++)
                raw_signature(r, "v");
        raw_signature(r, "y");
        raw_u8(r, 1);
        raw_end_body(r, b);
}
static void structs_32_variants_32(struct raw *r) {
        structs_and_variants(r, 32);
}
static void structs_32_variants_33(struct raw *r) {
        structs_and_variants(r, 33);
}
static void field_variants(struct raw *r, unsigned n) {
        method_fields(r);
        raw_field(r, 77, "v");
        for (unsigned i = 2; i < n; i++)
                raw_signature(r, "v");
        raw_signature(r, "y");
        raw_u8(r, 1);
        raw_end_fields(r);
}
static void field_variants_62(struct raw *r) {
        field_variants(r, 62);
}
static void field_variants_63(struct raw *r) {
        field_variants(r, 63);
}
/* n structs, each of which has a variant with the next one; more than 32 are too deep */
static void structs_of_variants(struct raw *r, unsigned n) {
        size_t b = start(r, "(v)");

        for (unsigned i = 1; i < n; i++) {
                raw_signature(r, "(v)");
                raw_align(r, 8);
        }
        raw_signature(r, "y");
        raw_u8(r, 1);
        raw_end_body(r, b);
}
static void structs_of_variants_32(struct raw *r) {
        structs_of_variants(r, 32);
}
static void structs_of_variants_33(struct raw *r) {
        structs_of_variants(r, 33);
}
/* n arrays of variants, each of which has the next one in its variant; more than 32 are too deep */
static void arrays_of_variants(struct raw *r, unsigned n) {
        size_t b = start(r, "av"), lengths[64];

        for (unsigned i = 0; i < n; i++) {
                raw_u32(r, 0);
                lengths[i] = r->n - 4;
                raw_signature(r, i + 1 < n ? "av" : "y");
        }
        raw_u8(r, 1);
        for (unsigned i = 0; i < n; i++)
                raw_set32(r, lengths[i], r->n - lengths[i] - 4);
        raw_end_body(r, b);
}
static void arrays_of_variants_32(struct raw *r) {
        arrays_of_variants(r, 32);
}
static void arrays_of_variants_33(struct raw *r) {
        arrays_of_variants(r, 33);
}
/*
 * Arrays whose signature is measured (bridge/wire/message-walk.h): the last one of their elements
 * differs from the others.
 */

#define N_ELEMENTS 8

static void array(struct raw *r, const char *signature, void (*element)(struct raw *r, bool last)) {
        size_t b = start(r, signature);

        raw_u32(r, 0);
        raw_align(r, 8);
        for (unsigned i = 1; i <= N_ELEMENTS; i++) {
                raw_align(r, 8);
                element(r, i == N_ELEMENTS);
        }
        raw_set32(r, b, r->n - b - 8);
        raw_end_body(r, b);
}

#define ARRAY(name, signature, ...)                            \
        static void name##_element(struct raw *r, bool last) { \
                __VA_ARGS__;                                   \
        }                                                      \
        static void name(struct raw *r) {                      \
                array(r, signature, name##_element);           \
        }

ARRAY(repeated_structs, "a(((y))((yu)))", raw_u8(r, 1); raw_align(r, 8); raw_u8(r, 1);
      raw_u32(r, 1))
ARRAY(repeated_structs_padding, "a(((y))((yu)))", raw_u8(r, 1); raw_u8(r, last); raw_align(r, 8);
      raw_u8(r, 1); raw_u32(r, 1))
ARRAY(repeated_structs_last_padding, "a(((y))((yu)))", raw_u8(r, 1); raw_align(r, 8); raw_u8(r, 1);
      raw_u8(r, 0); raw_u8(r, 0); raw_u8(r, last); raw_u32(r, 1))
ARRAY(repeated_padding_between, "a((y))", if (last) r->p[r->n - 1] = 1; raw_u8(r, 1))
ARRAY(repeated_structs_boolean, "a((bb))", raw_u32(r, 1); raw_u32(r, last ? 2 : 1))
ARRAY(repeated_bytes, "a(yyyyyyy)", raw_put(r, "abcdefg", 7))
ARRAY(repeated_bytes_cut, "a(yyyyyyy)", raw_put(r, "abcdefg", last ? 5 : 7))
ARRAY(repeated_numbers_cut, "a(uu)", raw_u32(r, 1); if (!last) raw_u32(r, 1))
ARRAY(repeated_numbers_behind_arrays, "a(ayyynn)", raw_u32(r, last); if (last) raw_u8(r, 1);
      raw_u8(r, 1); raw_u8(r, 2); raw_align(r, 2); raw_put(r, "abcd", 4))
ARRAY(repeated_empty_arrays, "a(a((y))ayaas)", raw_u32(r, 0); raw_align(r, 8); raw_u32(r, 0);
      raw_u32(r, 0))
ARRAY(repeated_empty_arrays_padding, "a(a((y))ayaas)", raw_u32(r, 0); raw_u8(r, 0); raw_u8(r, last);
      raw_align(r, 8); raw_u32(r, 0); raw_u32(r, 0))
/* the row of brackets goes on behind the inner array, which has two elements */
ARRAY(repeated_ends, "a(a(a((y))))", raw_u32(r, 17); raw_align(r, 8); raw_u32(r, 9);
      raw_align(r, 8); raw_u8(r, 1); raw_align(r, 8); raw_u8(r, 1))
static void variant_of_four(struct raw *r, const char *signature) {
        raw_signature(r, signature);
        raw_u32(r, 25);
        for (unsigned i = 1; i <= 4; i++) {
                raw_align(r, 8);
                raw_u8(r, i);
        }
}
/* the signature of the variant is measured too, and the outer one is still known behind it */
ARRAY(repeated_variants, "a((v)a(yy))", variant_of_four(r, last ? "a((y))" : "a(y)"); raw_u32(r, 0);
      raw_align(r, 8))
ARRAY(repeated_variants_padding, "a((v)a(yy))", variant_of_four(r, "a(y)"); raw_u32(r, 0);
      raw_align(r, 8); r->p[r->n - 5] = last)
/* 31 structs and a variant in the array, and in the last variant as many structs as still fit */
#define X31(s) s s s s s s s s s s s s s s s s s s s s s s s s s s s s s s s
static void bytes_in_structs(struct raw *r, const char *signature) {
        raw_signature(r, signature);
        raw_align(r, 8);
        raw_u8(r, 1);
}
ARRAY(repeated_depth_64, "a" X31("(") "v" X31(")"),
      bytes_in_structs(r, last ? X31("(") "y" X31(")") : "(y)"))
ARRAY(repeated_depth_65, "a" X31("(") "v" X31(")"),
      bytes_in_structs(r, last ? "(" X31("(") "y" X31(")") ")" : "(y)"))
/* the last element is longer than the array says */
static void repeated_overrun(struct raw *r) {
        size_t b = start(r, "a((yyyy))y");

        raw_u32(r, 8 * 4 + 3);
        raw_align(r, 8);
        for (unsigned i = 0; i < 5; i++) {
                raw_align(r, 8);
                raw_put(r, "abcd", 4);
        }
        raw_u8(r, 1);
        raw_end_body(r, b);
}

static void signature_255(struct raw *r) {
        char s[256] = "";

        repeat(s, "y", 255);
        size_t b = start(r, s);
        for (int i = 0; i < 255; i++)
                raw_u8(r, i);
        raw_end_body(r, b);
}

#define ROW(build, ...) \
        { #build, build, __VA_ARGS__ }

static const struct row rows[] = {
        ROW(valid_call, 0),
        ROW(byte_order, MESSAGE_E_BYTE_ORDER),
        ROW(byte_order_zero, MESSAGE_E_BYTE_ORDER),
        ROW(version_0, MESSAGE_E_VERSION),
        ROW(version_2, MESSAGE_E_VERSION),
        ROW(serial_0, MESSAGE_E_SERIAL),
        ROW(type_0, MESSAGE_E_TYPE),
        ROW(type_5, 0),
        ROW(type_255, 0),
        ROW(flags_all, 0),
        ROW(call_without_path, MESSAGE_E_FIELD_MISSING),
        ROW(call_without_member, MESSAGE_E_FIELD_MISSING),
        ROW(call_without_fields, MESSAGE_E_FIELD_MISSING),
        ROW(signal_valid, 0),
        ROW(signal_without_path, MESSAGE_E_FIELD_MISSING),
        ROW(signal_without_interface, MESSAGE_E_FIELD_MISSING),
        ROW(signal_without_member, MESSAGE_E_FIELD_MISSING),
        ROW(return_valid, 0),
        ROW(return_without_reply_serial, MESSAGE_E_FIELD_MISSING),
        ROW(error_valid, 0),
        ROW(error_without_name, MESSAGE_E_FIELD_MISSING),
        ROW(error_without_reply_serial, MESSAGE_E_FIELD_MISSING),
        ROW(reply_serial_0, MESSAGE_E_FIELD_VALUE),
        ROW(unknown_type_without_fields, 0),
        ROW(extra_known_fields, 0),
        ROW(reply_serial_0_in_call, MESSAGE_E_FIELD_VALUE),
        ROW(call_with_all, 0),
        ROW(interface_one_element, MESSAGE_E_FIELD_VALUE),
        ROW(interface_empty, MESSAGE_E_FIELD_VALUE),
        ROW(interface_dash, MESSAGE_E_FIELD_VALUE),
        ROW(interface_digit, MESSAGE_E_FIELD_VALUE),
        ROW(error_name_bad, MESSAGE_E_FIELD_VALUE),
        ROW(destination_foo, MESSAGE_E_FIELD_VALUE),
        ROW(destination_dots, MESSAGE_E_FIELD_VALUE),
        ROW(destination_digits, MESSAGE_E_FIELD_VALUE),
        ROW(destination_short_unique, 0),
        ROW(destination_colon, 0),
        ROW(destination_three, 0),
        ROW(sender_bad, MESSAGE_E_FIELD_VALUE),
        ROW(sender_well_known, 0),
        ROW(path_relative, MESSAGE_E_FIELD_VALUE),
        ROW(path_trailing, MESSAGE_E_FIELD_VALUE),
        ROW(path_double, MESSAGE_E_FIELD_VALUE),
        ROW(path_dash, MESSAGE_E_FIELD_VALUE),
        ROW(path_empty, MESSAGE_E_FIELD_VALUE),
        ROW(path_root, 0),
        ROW(member_dot, MESSAGE_E_FIELD_VALUE),
        ROW(member_empty, MESSAGE_E_FIELD_VALUE),
        ROW(member_digit, MESSAGE_E_FIELD_VALUE),
        ROW(field_embedded_nul, MESSAGE_E_FIELD_VALUE),
        ROW(field_unterminated, MESSAGE_E_STRING),
        ROW(signature_bad, MESSAGE_E_SIGNATURE),
        ROW(signature_open, MESSAGE_E_SIGNATURE),
        ROW(signature_empty, 0),
        ROW(path_local, MESSAGE_E_LOCAL),
        ROW(interface_local, MESSAGE_E_LOCAL),
        /* libdbus also refuses an interface that only begins like the reserved one */
        ROW(interface_local_longer, 0, REFUSES),
        ROW(name_255, 0),
        ROW(name_256, MESSAGE_E_FIELD_VALUE),
        ROW(interface_as_o, MESSAGE_E_FIELD_TYPE),
        ROW(path_as_s, MESSAGE_E_FIELD_TYPE),
        ROW(reply_serial_as_i, MESSAGE_E_FIELD_TYPE),
        ROW(signature_as_s, MESSAGE_E_FIELD_TYPE),
        ROW(container_instance, 0),
        ROW(container_instance_as_s, MESSAGE_E_FIELD_TYPE),
        ROW(container_instance_bad, MESSAGE_E_FIELD_VALUE),
        ROW(duplicate_member, MESSAGE_E_FIELD_DUPLICATE),
        ROW(duplicate_signature, MESSAGE_E_FIELD_DUPLICATE),
        ROW(field_0, MESSAGE_E_HEADER_FIELDS),
        ROW(unknown_field, 0),
        ROW(unknown_field_255, 0),
        ROW(unknown_fields_twice, 0),
        ROW(unknown_field_container, 0),
        ROW(unknown_field_bad_string, MESSAGE_E_STRING),
        ROW(unknown_field_bad_signature, MESSAGE_E_VARIANT),
        ROW(unknown_field_two_types, MESSAGE_E_VARIANT),
        ROW(unknown_field_no_type, MESSAGE_E_HEADER_FIELDS),
        ROW(field_past_end, MESSAGE_E_HEADER_FIELDS),
        ROW(field_cut, MESSAGE_E_HEADER_FIELDS),
        ROW(field_only_code, MESSAGE_E_HEADER_FIELDS),
        ROW(field_padding, MESSAGE_E_PADDING),
        ROW(field_trailing_padding, MESSAGE_E_HEADER_FIELDS),
        ROW(header_padding, MESSAGE_E_PADDING),
        ROW(size_short, MESSAGE_E_SIZE, UNASKED),
        ROW(fds_0, 0),
        ROW(fds_1, MESSAGE_E_FDS, UNASKED),
        ROW(fds_as_s, MESSAGE_E_FIELD_TYPE),
        ROW(body_without_signature, MESSAGE_E_FIELD_MISSING),
        ROW(body_valid, 0),
        ROW(body_short, MESSAGE_E_BODY),
        ROW(body_empty, MESSAGE_E_BODY),
        ROW(body_long, MESSAGE_E_BODY),
        ROW(body_padding, MESSAGE_E_PADDING),
        ROW(body_padding_zero, 0),
        ROW(boolean_0, 0),
        ROW(boolean_2, MESSAGE_E_BOOLEAN),
        ROW(boolean_256, MESSAGE_E_BOOLEAN),
        ROW(booleans, 0),
        ROW(booleans_2, MESSAGE_E_BOOLEAN),
        ROW(string_unterminated, MESSAGE_E_STRING),
        ROW(string_embedded_nul, MESSAGE_E_STRING),
        ROW(string_embedded_nul_long, MESSAGE_E_STRING),
        ROW(string_utf8, 0),
        ROW(string_bad_utf8, MESSAGE_E_STRING),
        ROW(string_overlong, MESSAGE_E_STRING),
        ROW(string_surrogate, MESSAGE_E_STRING),
        ROW(string_too_high, MESSAGE_E_STRING),
        ROW(string_noncharacter, 0),
        ROW(string_past_end, MESSAGE_E_BODY),
        ROW(string_huge, MESSAGE_E_BODY),
        ROW(object_path_bad, MESSAGE_E_OBJECT_PATH),
        ROW(object_path_good, 0),
        ROW(signature_value_bad, MESSAGE_E_SIGNATURE),
        ROW(signature_value_empty, 0),
        ROW(signature_value_many, 0),
        ROW(variant_empty, MESSAGE_E_VARIANT),
        ROW(variant_two, MESSAGE_E_VARIANT),
        ROW(variant_bad, MESSAGE_E_VARIANT),
        ROW(variant_valid, 0),
        ROW(array_not_multiple, MESSAGE_E_ARRAY),
        ROW(array_past_end, MESSAGE_E_ARRAY),
        ROW(array_strings_past_end, MESSAGE_E_ARRAY),
        ROW(array_strings_overrun, MESSAGE_E_ARRAY),
        ROW(array_empty_without_padding, MESSAGE_E_BODY),
        ROW(array_empty_with_padding, 0),
        ROW(array_of_structs_empty_without_padding, MESSAGE_E_BODY),
        ROW(array_of_structs_empty, 0),
        ROW(array_padding, MESSAGE_E_PADDING),
        ROW(array_64_bit_elements, 0),
        ROW(dict, 0),
        ROW(nan_and_fd_index, 0),
        ROW(struct_padding, MESSAGE_E_PADDING),
        ROW(signature_empty_struct, MESSAGE_E_SIGNATURE),
        ROW(signature_struct_open, MESSAGE_E_SIGNATURE),
        ROW(signature_struct_close, MESSAGE_E_SIGNATURE),
        ROW(signature_dict_outside, MESSAGE_E_SIGNATURE),
        ROW(signature_dict_in_struct, MESSAGE_E_SIGNATURE),
        ROW(signature_dict_container_key, MESSAGE_E_SIGNATURE),
        ROW(signature_dict_one, MESSAGE_E_SIGNATURE),
        ROW(signature_dict_three, MESSAGE_E_SIGNATURE),
        ROW(signature_dict_empty, MESSAGE_E_SIGNATURE),
        ROW(signature_mixed, MESSAGE_E_SIGNATURE),
        ROW(signature_m, MESSAGE_E_SIGNATURE),
        ROW(signature_r, MESSAGE_E_SIGNATURE),
        ROW(signature_e, MESSAGE_E_SIGNATURE),
        ROW(signature_star, MESSAGE_E_SIGNATURE),
        ROW(signature_question, MESSAGE_E_SIGNATURE),
        ROW(signature_at, MESSAGE_E_SIGNATURE),
        ROW(signature_and, MESSAGE_E_SIGNATURE),
        ROW(signature_caret, MESSAGE_E_SIGNATURE),
        ROW(arrays_32, 0),
        ROW(arrays_33, MESSAGE_E_SIGNATURE),
        ROW(structs_32, 0),
        ROW(structs_33, MESSAGE_E_SIGNATURE),
        /* libdbus counts arrays anew in each struct; the specification does not */
        ROW(arrays_between_structs, MESSAGE_E_SIGNATURE, TAKES),
        ROW(variants_64, 0),
        ROW(variants_65, MESSAGE_E_DEPTH),
        ROW(structs_32_variants_32, 0),
        ROW(structs_32_variants_33, MESSAGE_E_DEPTH),
        ROW(field_variants_62, 0),
        ROW(field_variants_63, MESSAGE_E_DEPTH),
        ROW(structs_of_variants_32, 0),
        ROW(structs_of_variants_33, MESSAGE_E_DEPTH),
        ROW(arrays_of_variants_32, 0),
        ROW(arrays_of_variants_33, MESSAGE_E_DEPTH),
        ROW(repeated_structs, 0),
        ROW(repeated_structs_padding, MESSAGE_E_PADDING),
        ROW(repeated_structs_last_padding, MESSAGE_E_PADDING),
        ROW(repeated_padding_between, MESSAGE_E_PADDING),
        ROW(repeated_structs_boolean, MESSAGE_E_BOOLEAN),
        ROW(repeated_bytes, 0),
        ROW(repeated_bytes_cut, MESSAGE_E_BODY),
        ROW(repeated_numbers_cut, MESSAGE_E_BODY),
        ROW(repeated_numbers_behind_arrays, 0),
        ROW(repeated_empty_arrays, 0),
        ROW(repeated_empty_arrays_padding, MESSAGE_E_PADDING),
        ROW(repeated_ends, 0),
        ROW(repeated_variants, 0),
        ROW(repeated_variants_padding, MESSAGE_E_PADDING),
        ROW(repeated_depth_64, 0),
        ROW(repeated_depth_65, MESSAGE_E_DEPTH),
        ROW(repeated_overrun, MESSAGE_E_ARRAY),
        ROW(signature_255, 0),
};

static void check_row(const struct row *row, bool big) {
        struct raw raw;
        bool expected = row->expected == 0;
        int r;

        raw_begin(&raw, big, MESSAGE_TYPE_METHOD_CALL);
        row->build(&raw);

        r = raw_parse(raw.p, raw.n, NULL);
        ck_assert_msg(r == row->expected, "%s, %s endian: %d (%s), expected %d (%s)", row->name,
                      big ? "big" : "little", r, message_violation(r), row->expected,
                      message_violation(row->expected));

        if (row->libdbus == TAKES)
                expected = true;
        if (row->libdbus == REFUSES)
                expected = false;
        if (row->libdbus != UNASKED)
                ck_assert_msg(raw_libdbus_takes(raw.p, raw.n) == expected,
                              "%s, %s endian: libdbus disagrees", row->name,
                              big ? "big" : "little");
        raw_free(&raw);
}

START_TEST(violation_little_endian) {
        check_row(&rows[_i], false);
}
END_TEST

START_TEST(violation_big_endian) {
        check_row(&rows[_i], true);
}
END_TEST

/* frames: how many bytes a message has, according to its first 16 bytes */

START_TEST(frame_sizes) {
        static const struct {
                uint32_t n_fields, n_body;
                size_t max;
                size_t size; /* 0: refused */
        } frames[] = {
                {0, 0, MESSAGE_SIZE_MAX, 16},
                {1, 0, MESSAGE_SIZE_MAX, 24},
                {8, 5, MESSAGE_SIZE_MAX, 29},
                {8, 5, 29, 29},
                {8, 5, 28, 0},
                {0, MESSAGE_SIZE_MAX - 16, MESSAGE_SIZE_MAX, MESSAGE_SIZE_MAX},
                {0, MESSAGE_SIZE_MAX - 15, MESSAGE_SIZE_MAX, 0},
                {0, MESSAGE_SIZE_MAX - 15, SIZE_MAX, 0},
                {0, 0xffffffff, SIZE_MAX, 0},
                {0xffffffff, 0xffffffff, SIZE_MAX, 0},
                {MESSAGE_ARRAY_MAX, 0, MESSAGE_SIZE_MAX, MESSAGE_ARRAY_MAX + 16},
                {MESSAGE_ARRAY_MAX + 1, 0, MESSAGE_SIZE_MAX, 0},
        };

        for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
                for (int big = 0; big < 2; big++) {
                        struct raw raw;
                        size_t size = 0;
                        int r;

                        raw_begin(&raw, big, 1);
                        raw_set32(&raw, 4, frames[i].n_body);
                        raw_set32(&raw, 12, frames[i].n_fields);
                        r = message_frame(raw.p, frames[i].max, &size);
                        ck_assert_int_eq(r, frames[i].size ? 0 : MESSAGE_E_SIZE);
                        ck_assert_uint_eq(size, frames[i].size);
                        raw_free(&raw);
                }
}
END_TEST

/* Arrays of any type may be at most 64 MiB long. */
static void check_big_array(size_t n, int expected) {
        struct raw raw;
        size_t body;

        raw_begin(&raw, false, 1);
        body = start(&raw, "ay");
        raw_u32(&raw, n);
        raw.p = realloc(raw.p, raw.n + n);
        memset(raw.p + raw.n, 0, n);
        raw.n += n;
        end(&raw, body);
        ck_assert_int_eq(raw_parse(raw.p, raw.n, NULL), expected);
        ck_assert_int_eq(raw_libdbus_takes(raw.p, raw.n), expected == 0);
        raw_free(&raw);
}

START_TEST(array_of_64_mib) {
        check_big_array(MESSAGE_ARRAY_MAX, 0);
        check_big_array(MESSAGE_ARRAY_MAX + 1, MESSAGE_E_ARRAY);
}
END_TEST

/* Many empty arrays with a long element type: the time depends only on the number of bytes. */
START_TEST(empty_arrays_of_long_types) {
        enum { N = 1000 * 1000 };
        char signature[256] = "aa(";
        struct raw raw;
        size_t body, at;

        repeat(signature, "y", 250);
        strcat(signature, ")");
        raw_begin(&raw, false, 1);
        body = start(&raw, signature);
        raw_u32(&raw, 0);
        at = raw.n;
        raw.p = realloc(raw.p, raw.n + 8 * N + 8);
        memset(raw.p + raw.n, 0, 8 * N + 4);
        raw.n += 8 * N + 4;
        raw_set32(&raw, at - 4, raw.n - at);
        end(&raw, body);
        ck_assert_int_eq(raw_parse(raw.p, raw.n, NULL), 0);
        raw_free(&raw);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("all");

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, violation_little_endian, 0, sizeof(rows) / sizeof(rows[0]));
        tcase_add_loop_test(tcase, violation_big_endian, 0, sizeof(rows) / sizeof(rows[0]));
        tcase_add_test(tcase, frame_sizes);
        tcase_add_test(tcase, array_of_64_mib);
        tcase_add_test(tcase, empty_arrays_of_long_types);
        return suite_run("message-violations", tcase);
}
