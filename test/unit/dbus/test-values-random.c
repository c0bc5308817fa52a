/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Random type strings with random values
 *
 * What bus1_dbus_append() makes of them must have the same bytes as what sd-bus makes of them, and
 * bus1_dbus_read() must give the values back. When the values are read as those of another type
 * string, nothing of them may be taken.
 *
 * The number of arguments is known only at run time. So the test makes va_lists, as if all
 * arguments had been passed on the stack, where each of them takes eight bytes.
 */

#include <bus1/dbus-values.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/dbus/sdbus.h"
#include "test/unit/suite.h"

#if defined(__x86_64__)

#define CAN_MAKE_ARGUMENTS 1

static void arguments_make(uint64_t *slots, va_list *ret) {
        (*ret)->gp_offset = 6 * 8;
        (*ret)->fp_offset = 6 * 8 + 8 * 16;
        (*ret)->overflow_arg_area = slots;
        (*ret)->reg_save_area = NULL;
}

#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

#define CAN_MAKE_ARGUMENTS 1

static void arguments_make(uint64_t *slots, va_list *ret) {
        *(void **)ret = slots;
        memset((char *)ret + sizeof(void *), 0, sizeof(*ret) - sizeof(void *));
}

#else

#define CAN_MAKE_ARGUMENTS 0

static void arguments_make(uint64_t *slots, va_list *ret) {
        (void)slots;
        (void)ret;
}

#endif

#define N_ROUNDS 20000
#define SLOTS_MAX 4096
#define TYPES_MAX (64 * 1024)

static struct sdbus sdbus;
static uint64_t state = 1;
static int files[4];

/* Values, in the order in which they are arguments. */
struct arguments {
        const char *types;
        size_t n;
        uint64_t append[SLOTS_MAX]; /* arguments for appending */
        uint64_t read[SLOTS_MAX];   /* for reading: pointers to results, but the same counts */
        uint64_t results[SLOTS_MAX];
        char basic[SLOTS_MAX]; /* the type of the value, or 0: it is a number of elements or a type
                                */
        char text[TYPES_MAX];  /* type strings */
        size_t n_text;
};

static uint32_t below(uint32_t n) {
        return test_random(&state) % n;
}

/* types */

static const char basic_types[] = "ybnqiuxtdsogh";

/*
 * Write a random complete type. The deeper it is in others, the simpler it gets. Returns its end,
 * or NULL if it does not fit.
 */
static char *random_type(char *at, const char *end, unsigned depth) {
        uint32_t kind = below(10 + 4 * depth);

        if (end - at < 8)
                return NULL;
        if (kind == 0) {
                *at++ = 'v';
        } else if (kind <= 2) {
                *at++ = 'a';
                return random_type(at, end, depth + 1);
        } else if (kind <= 4) {
                *at++ = '(';
                for (uint32_t n = 1 + below(3); n > 0 && at; n--)
                        at = random_type(at, end, depth + 1);
                if (at)
                        *at++ = ')';
        } else if (kind == 5) {
                *at++ = 'a';
                *at++ = '{';
                *at++ = basic_types[below(sizeof(basic_types) - 1)];
                at = random_type(at, end, depth + 2);
                if (at)
                        *at++ = '}';
        } else {
                *at++ = basic_types[below(sizeof(basic_types) - 1)];
        }
        return at;
}

/* A type string of n types that lives as long as the arguments. NULL: it does not fit. */
static const char *random_types(struct arguments *a, uint32_t n, unsigned depth) {
        char *start = a->text + a->n_text, *at = start;

        if (sizeof(a->text) - a->n_text < 256)
                return NULL;
        while (n-- > 0 && at)
                at = random_type(at, start + 250, depth);
        if (!at)
                return NULL;
        *at++ = 0;
        a->n_text += (size_t)(at - start);
        /* The test makes no types with too many structures or arrays in one another. */
        return dbus_signature_validate(start, NULL) ? start : NULL;
}

/* values */

static bool add_slot(struct arguments *a, uint64_t value, char basic) {
        if (a->n == SLOTS_MAX)
                return false;
        a->append[a->n] = a->read[a->n] = value;
        a->basic[a->n] = basic;
        if (basic)
                a->read[a->n] = (uintptr_t)&a->results[a->n];
        a->n++;
        return true;
}

static bool add_basic(struct arguments *a, char type) {
        static const char *const texts[] = {"",
                                            "a",
                                            "text",
                                            "h\xc3\xa9",
                                            "\xf0\x9f\x9a\x8c bus",
                                            "much longer than the others, which are all short"};
        static const char *const paths[] = {"/", "/a", "/org/bus1/Test_1", "/x/y/z/0"};
        static const char *const signatures[] = {"", "s", "a{sv}", "(iiav)as", "aaaay"};
        uint64_t random = (uint64_t)test_random(&state) << 33 ^
                          (uint64_t)test_random(&state) << 16 ^ test_random(&state);
        const char *text = NULL;

        switch (type) {
        case 's':
                text = texts[below(6)];
                break;
        case 'o':
                text = paths[below(4)];
                break;
        case 'g':
                text = signatures[below(5)];
                break;
        case 'h':
                return add_slot(a, (uint64_t)files[below(4)], type);
        default:
                /* Small types are passed as int: what is above their bits does not matter. */
                return add_slot(a, random, type);
        }
        return add_slot(a, (uintptr_t)text, type);
}

static bool add_values(struct arguments *a, const char *types, const char *end, unsigned depth);

static const char *type_end(const char *type) {
        int depth = 0;

        while (*type == 'a')
                type++;
        do {
                depth += (*type == '(' || *type == '{') - (*type == ')' || *type == '}');
                type++;
        } while (depth > 0);
        return type;
}

static bool add_value(struct arguments *a, const char *type, unsigned depth) {
        const char *end = type_end(type), *content;
        uint32_t n;

        switch (*type) {
        case 'a':
                n = below(4) ? below(4) : 0;
                if (!add_slot(a, n, 0))
                        return false;
                while (n-- > 0)
                        if (!add_value(a, type + 1, depth + 1))
                                return false;
                return true;
        case 'v':
                content = random_types(a, 1, depth + 1);
                return content && add_slot(a, (uintptr_t)content, 0) &&
                       add_value(a, content, depth + 1);
        case '(':
        case '{':
                return add_values(a, type + 1, end - 1, depth + 1);
        default:
                return add_basic(a, *type);
        }
}

static bool add_values(struct arguments *a, const char *types, const char *end, unsigned depth) {
        for (; types < end; types = type_end(types))
                if (!add_value(a, types, depth))
                        return false;
        return true;
}

static void random_arguments(struct arguments *a) {
        do {
                a->n = a->n_text = 0;
                a->types = random_types(a, below(6), 0);
        } while (!a->types || !add_values(a, a->types, a->types + strlen(a->types), 0));
        memset(a->results, 0x5a, sizeof(a->results));
}

/* the functions under test */

static int append(DBusMessageIter *iter, struct arguments *a) {
        va_list args;

        arguments_make(a->append, &args);
        return bus1_dbus_appendv(iter, a->types, args);
}

static int append_sdbus(sd_bus_message *m, struct arguments *a) {
        va_list args;

        arguments_make(a->append, &args);
        return sd_bus_message_appendv(m, a->types, args);
}

static int read_values(DBusMessageIter *iter, struct arguments *a) {
        va_list args;

        arguments_make(a->read, &args);
        return bus1_dbus_readv(iter, a->types, args);
}

static void expect_equal(const struct body *a, const struct body *b, const char *types) {
        ck_assert_msg(strcmp(a->signature, b->signature) == 0, "%s: %s, %s", types, a->signature,
                      b->signature);
        ck_assert_msg(a->n_data == b->n_data, "%s: %zu and %zu bytes", types, a->n_data, b->n_data);
        ck_assert_msg(memcmp(a->data, b->data, a->n_data) == 0, "%s: other bytes", types);
}

static size_t size_of(char type) {
        switch (type) {
        case 'y':
                return 1;
        case 'n':
        case 'q':
                return 2;
        case 'b':
        case 'i':
        case 'u':
        case 'h':
                return 4;
        default:
                return 8;
        }
}

/* Compare what was read with what was appended, and close the descriptors. */
static void expect_read(struct arguments *a) {
        struct stat x, y;

        for (size_t i = 0; i < a->n; i++) {
                uint64_t expected = a->append[i];
                size_t n = size_of(a->basic[i]);
                int fd;

                switch (a->basic[i]) {
                case 0:
                        break;
                case 's':
                case 'o':
                case 'g':
                        ck_assert_str_eq((const char *)(uintptr_t)a->results[i],
                                         (const char *)(uintptr_t)expected);
                        break;
                case 'h':
                        memcpy(&fd, &a->results[i], sizeof(fd));
                        ck_assert_int_eq(fstat(fd, &x), 0);
                        ck_assert_int_eq(fstat((int)expected, &y), 0);
                        ck_assert(x.st_ino == y.st_ino);
                        close(fd);
                        break;
                case 'b':
                        expected = (int)expected != 0;
                        /* fall through */
                default:
                        ck_assert_mem_eq(&a->results[i], &expected, n);
                }
                /* Nothing behind the value was written. */
                for (; n < 8 && a->basic[i]; n++)
                        ck_assert_int_eq(((uint8_t *)&a->results[i])[n], 0x5a);
        }
}

static struct arguments arguments, others;

START_TEST(bytes_are_those_of_sd_bus_and_values_come_back) {
        unsigned n_fds = count_fds();
        DBusMessageIter iter;
        DBusMessage *m;

        for (int round = 0; round < N_ROUNDS; round++) {
                sd_bus_message *s = sdbus_message(&sdbus);
                struct body ours, theirs;

                random_arguments(&arguments);
                m = legacy_message(&iter);
                ck_assert_int_eq(append(&iter, &arguments), 0);
                ck_assert_int_ge(append_sdbus(s, &arguments), 0);
                legacy_body(m, &ours);
                sdbus_body(&sdbus, s, &theirs);
                expect_equal(&ours, &theirs, arguments.types);
                body_free(&ours);
                body_free(&theirs);

                dbus_message_iter_init(m, &iter);
                ck_assert_int_eq(read_values(&iter, &arguments), 0);
                expect_read(&arguments);
                ck_assert_int_eq(dbus_message_iter_get_arg_type(&iter), DBUS_TYPE_INVALID);
                dbus_message_unref(m);
        }
        ck_assert_uint_eq(count_fds(), n_fds);
}
END_TEST

/* Would a message with the values of a be the same as one with the values of b, but for values? */
static bool have_same_shape(const struct arguments *a, const struct arguments *b) {
        size_t n = strlen(b->types);

        if (strncmp(a->types, b->types, n) != 0)
                return false;
        for (size_t i = 0; i < b->n; i++) {
                if (i >= a->n || a->basic[i] != b->basic[i])
                        return false;
                if (a->basic[i] || a->append[i] == b->append[i])
                        continue;
                if (a->append[i] < 16 || b->append[i] < 16 ||
                    strcmp((char *)(uintptr_t)a->append[i], (char *)(uintptr_t)b->append[i]) != 0)
                        return false;
        }
        return true;
}

START_TEST(values_of_other_types_are_left_alone) {
        unsigned n_fds = count_fds(), n_read = 0, n_unread = 0;

        for (int round = 0; round < N_ROUNDS; round++) {
                DBusMessageIter iter, before;
                unsigned n_fds_with;
                DBusMessage *m;
                int r;

                random_arguments(&arguments);
                random_arguments(&others);
                m = legacy_message(&iter);
                ck_assert_int_eq(append(&iter, &arguments), 0);
                n_fds_with = round % 16 == 0 ? count_fds() : 0;
                dbus_message_iter_init(m, &iter);
                before = iter;
                r = read_values(&iter, &others);
                ck_assert_msg((r == 0) == have_same_shape(&arguments, &others), "%s, %s: %s",
                              arguments.types, others.types, strerror(-r));
                if (r == 0) {
                        n_read++;
                        for (size_t i = 0; i < others.n; i++)
                                if (others.basic[i] == 'h')
                                        close(*(int *)&others.results[i]);
                } else {
                        n_unread++;
                        ck_assert(r == -EBADMSG || r == -ENXIO);
                        ck_assert_int_eq(memcmp(&iter, &before, sizeof(iter)), 0);
                        for (size_t i = 0; i < others.n; i++)
                                ck_assert(others.results[i] == UINT64_C(0x5a5a5a5a5a5a5a5a));
                }
                if (n_fds_with)
                        ck_assert_uint_eq(count_fds(), n_fds_with);
                dbus_message_unref(m);
        }
        ck_assert_uint_eq(count_fds(), n_fds);
        ck_assert_uint_gt(n_read, 10);
        ck_assert_uint_gt(n_unread, N_ROUNDS / 2);
}
END_TEST

static void setup(void) {
        sdbus_open(&sdbus);
        for (int i = 0; i < 4; i++)
                files[i] = memfd_create("test", MFD_CLOEXEC);
}

static void teardown(void) {
        for (int i = 0; i < 4; i++)
                close(files[i]);
        sdbus_close(&sdbus);
}

int main(void) {
        TCase *tcase = tcase_create("all");

        if (!CAN_MAKE_ARGUMENTS)
                return 77; /* skipped */
        tcase_add_unchecked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, bytes_are_those_of_sd_bus_and_values_come_back);
        tcase_add_test(tcase, values_of_other_types_are_left_alone);
        return suite_run("values-random", tcase);
}
