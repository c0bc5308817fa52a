/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bodies that are checked in parts, see message_parse_body_part(). Wherever the parts end, the
 * verdict must be that of message_parse(). test-message-random.c compares the verdicts on random
 * messages.
 */

#include "bridge/wire/names.h"
#include "raw.h"
#include "test/bench/bodies.h"
#include "test/unit/suite.h"

static uint64_t random_state;

static uint32_t rnd(uint32_t below) {
        return test_random(&random_state) % below;
}

/* Returns the verdict, which must be the same for parts of all sizes. */
static int parse(const void *p, size_t n) {
        static const size_t sizes[] = {1, 2, 3, 4, 7, 16, 100, 1000, MESSAGE_SIZE_MAX};
        int r = raw_parse(p, n, NULL);

        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
                ck_assert_int_eq(raw_parse_in_parts(p, n, sizes[i], NULL), r);
        return r;
}

static void change(uint8_t *p, size_t n) {
        static const uint8_t favourites[] = {0, 1, 2, 4, 8, 'a', 's', 'v', '(', '/', 0x80, 0xff};
        size_t at = rnd(n);

        if (rnd(2))
                p[at] ^= 1 << rnd(8);
        else
                p[at] = favourites[rnd(sizeof(favourites))];
}

START_TEST(every_kind_of_body) {
        unsigned n_valid = 0, n_refused = 0;

        random_state = 3;
        for (size_t k = 0; k < body_n_kinds; k++)
                for (unsigned round = 0; round < 4; round++) {
                        size_t n;
                        uint8_t *p = body_new_message(&body_kinds[k], 1 + rnd(2000), &n);
                        uint8_t *changed = malloc(n);

                        ck_assert_int_eq(parse(p, n), 0);
                        for (unsigned i = 0; i < 40; i++) {
                                memcpy(changed, p, n);
                                for (unsigned changes = 1 + rnd(2); changes > 0; --changes)
                                        change(changed, n);
                                if (parse(changed, n) == 0)
                                        ++n_valid;
                                else
                                        ++n_refused;
                        }
                        free(changed);
                        free(p);
                }
        ck_assert_uint_gt(n_valid, 1000);
        ck_assert_uint_gt(n_refused, 1000);
}
END_TEST

/* Begin a message whose body has this signature. Returns where the body starts. */
static size_t begin(struct raw *r, bool big, const char *signature) {
        raw_begin(r, big, MESSAGE_TYPE_METHOD_CALL);
        raw_field_string(r, 1, "o", "/a");
        raw_field_string(r, 3, "s", "M");
        raw_field_signature(r, signature);
        raw_end_fields(r);
        return r->n;
}

/* The verdict on a message whose body is this string, or this path, and a byte. */
static int parse_text(const char *signature, const char *s, size_t n, bool big) {
        struct raw r;
        size_t body = begin(&r, big, signature);
        int verdict;

        raw_string_n(&r, s, n);
        raw_u8(&r, 7);
        raw_end_body(&r, body);
        verdict = parse(r.p, r.n);
        raw_free(&r);
        return verdict;
}

/* Write text number i of up to six of these characters. Returns its length. */
static size_t text(char *s, unsigned i, const char *characters, unsigned n_characters) {
        size_t n = 0;

        for (; i > 0; i /= n_characters + 1) {
                unsigned digit = i % (n_characters + 1);

                if (digit > 0)
                        s[n++] = characters[digit - 1];
        }
        return n;
}

START_TEST(paths_that_are_cut_anywhere) {
        char s[48];
        size_t n;

        for (unsigned i = 0; i < 4 * 4 * 4 * 4 * 4; i++) {
                n = text(s, i, "/a-", 3);
                ck_assert_int_eq(parse_text("oy", s, n, i % 2),
                                 name_is_valid_object_path(s, n) ? 0 : MESSAGE_E_OBJECT_PATH);
        }
        /* the byte before this path is 0x2f, which is a slash */
        memset(s, 'a', 0x2f);
        s[0] = '/';
        ck_assert_int_eq(parse_text("oy", s, 0x2f, true), 0);
}
END_TEST

START_TEST(characters_that_are_cut_anywhere) {
        static const char bytes[] = "a\x80\x8f\x90\xa0\xbf\xc2\xe0\xe1\xed\xf0\xf1\xf4";
        unsigned n_valid = 0;
        char s[16];

        random_state = 11;
        for (unsigned i = 0; i < 30000; i++) {
                size_t n = rnd(8);

                for (size_t k = 0; k < n; k++)
                        s[k] = bytes[rnd(sizeof(bytes) - 1)];
                if (rnd(2))
                        n = stpcpy(s, (const char *[]){"a\xc3\xa4", "\xe2\x82\xac",
                                                       "\xf0\x9f\x98\x80z"}[rnd(3)]) -
                            s;
                if (rnd(2) && n > 0)
                        s[rnd(n)] = bytes[rnd(sizeof(bytes) - 1)];
                n_valid += parse_text("sy", s, n, i % 2) == 0;
        }
        ck_assert_uint_gt(n_valid, 3000);
}
END_TEST

#define LONG (1024 * 1024)

/* The number of parts of 4096 bytes in which a body of one long value is checked. */
static size_t count_parts(const char *signature, const void *content, size_t n) {
        struct raw r;
        size_t body = begin(&r, false, signature), n_parts;

        raw_string_n(&r, content, n);
        if (*signature == 'a')
                --r.n; /* an array does not end with NUL */
        raw_end_body(&r, body);
        ck_assert_int_eq(raw_parse_in_parts(r.p, r.n, 4096, &n_parts), 0);
        raw_free(&r);
        return n_parts;
}

START_TEST(no_value_is_too_long_for_a_part) {
        char *content = calloc(1, LONG);

        ck_assert_uint_ge(count_parts("ab", content, LONG), LONG / 4096);
        memset(content, 'a', LONG);
        ck_assert_uint_ge(count_parts("s", content, LONG), LONG / 4096);
        content[0] = '/';
        ck_assert_uint_ge(count_parts("o", content, LONG), LONG / 4096);
        free(content);
}
END_TEST

/* There is nothing to check in them. */
START_TEST(arrays_of_numbers_are_one_part) {
        char *content = calloc(1, LONG);

        ck_assert_uint_eq(count_parts("ay", content, LONG), 1);
        ck_assert_uint_eq(count_parts("au", content, LONG), 1);
        free(content);
}
END_TEST

/* A check that does not come to its end leaves nothing behind. */
START_TEST(a_check_can_be_given_up) {
        struct body_check *check = NULL;
        struct message *m;
        size_t n;
        uint8_t *p = body_new_message(&body_kinds[0], 2000, &n);

        ck_assert_int_eq(message_new(&m, n), 0);
        memcpy(m->wire, p, n);
        free(p);
        ck_assert_int_eq(message_parse_header(m), 0);
        ck_assert_int_eq(message_parse_body_part(m, 100, &check), 0);
        ck_assert_ptr_nonnull(check);
        ck_assert_ptr_null(body_check_free(check));
        message_unref(m);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("all");

        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, every_kind_of_body);
        tcase_add_test(tcase, paths_that_are_cut_anywhere);
        tcase_add_test(tcase, characters_that_are_cut_anywhere);
        tcase_add_test(tcase, no_value_is_too_long_for_a_part);
        tcase_add_test(tcase, arrays_of_numbers_are_one_part);
        tcase_add_test(tcase, a_check_can_be_given_up);
        return suite_run("message-parts", tcase);
}
