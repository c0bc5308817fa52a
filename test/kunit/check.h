/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The part of the library Check that the unit tests of the core use, for KUnit
 *
 * tools/kernel-tree replaces the function that registers tests with Check by a suite of KUnit, and
 * <check.h> by this header. A test that fails an assertion ends there, as with Check.
 */

#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

/* The tests are written in the style of user space, and some of their functions are unused here. */
#pragma GCC diagnostic ignored "-Wdeclaration-after-statement"
#pragma GCC diagnostic ignored "-Wunused-function"

/* Helpers do not get the test as an argument. The task that runs the test has a pointer to it. */
#define check_test() (current->kunit_test)

#define START_TEST(name) static void name##_check(int _i __maybe_unused)
#define END_TEST

/* Define the case of KUnit that runs a test once for each _i from first to end - 1. */
#define CHECK_CASE(name, first, end)                  \
        static void name(struct kunit *test) {        \
                for (int i = (first); i < (end); i++) \
                        name##_check(i);              \
        }

/* Define the functions of KUnit that run setup() and teardown() before and after each test. */
#define CHECK_FIXTURE(setup, teardown)                   \
        static int check_setup(struct kunit *test) {     \
                setup();                                 \
                return 0;                                \
        }                                                \
        static void check_teardown(struct kunit *test) { \
                teardown();                              \
        }

#define ck_assert(condition) KUNIT_ASSERT_TRUE(check_test(), condition)
#define ck_assert_msg(condition, ...) KUNIT_ASSERT_TRUE_MSG(check_test(), condition, __VA_ARGS__)

#define ck_assert_int_eq(a, b) KUNIT_ASSERT_EQ(check_test(), (s64)(a), (s64)(b))
#define ck_assert_int_ne(a, b) KUNIT_ASSERT_NE(check_test(), (s64)(a), (s64)(b))
#define ck_assert_int_lt(a, b) KUNIT_ASSERT_LT(check_test(), (s64)(a), (s64)(b))
#define ck_assert_int_le(a, b) KUNIT_ASSERT_LE(check_test(), (s64)(a), (s64)(b))
#define ck_assert_int_gt(a, b) KUNIT_ASSERT_GT(check_test(), (s64)(a), (s64)(b))
#define ck_assert_int_ge(a, b) KUNIT_ASSERT_GE(check_test(), (s64)(a), (s64)(b))

#define ck_assert_uint_eq(a, b) KUNIT_ASSERT_EQ(check_test(), (u64)(a), (u64)(b))
#define ck_assert_uint_ne(a, b) KUNIT_ASSERT_NE(check_test(), (u64)(a), (u64)(b))
#define ck_assert_uint_lt(a, b) KUNIT_ASSERT_LT(check_test(), (u64)(a), (u64)(b))
#define ck_assert_uint_le(a, b) KUNIT_ASSERT_LE(check_test(), (u64)(a), (u64)(b))
#define ck_assert_uint_gt(a, b) KUNIT_ASSERT_GT(check_test(), (u64)(a), (u64)(b))
#define ck_assert_uint_ge(a, b) KUNIT_ASSERT_GE(check_test(), (u64)(a), (u64)(b))

#define ck_assert_ptr_eq(a, b) \
        KUNIT_ASSERT_PTR_EQ(check_test(), (const void *)(a), (const void *)(b))
#define ck_assert_ptr_ne(a, b) \
        KUNIT_ASSERT_PTR_NE(check_test(), (const void *)(a), (const void *)(b))
#define ck_assert_ptr_null(a) ck_assert_ptr_eq(a, NULL)
#define ck_assert_ptr_nonnull(a) ck_assert_ptr_ne(a, NULL)
#define ck_assert_str_eq(a, b) KUNIT_ASSERT_STREQ(check_test(), a, b)
#define ck_assert_mem_eq(a, b, n) KUNIT_ASSERT_EQ(check_test(), memcmp(a, b, n), 0)

/* limits, variables and memory */

#define UINT64_MAX U64_MAX
/* The kernel has no thread-local variables, and only one thread runs tests. */
#define _Thread_local

static inline void *malloc(size_t size) {
        return kvmalloc(size, GFP_KERNEL);
}

static inline void *calloc(size_t n, size_t size) {
        return kvcalloc(n, size, GFP_KERNEL);
}

static inline void free(void *memory) {
        kvfree(memory);
}
