/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lack of memory: the linker replaces the allocation functions by these. */

#include "test/unit/memory.h"

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TRIES_MAX 10000

long memory_left = -1;

static bool fails(void) {
        if (memory_left < 0 || memory_left-- > 0)
                return false;
        errno = ENOMEM;
        return true;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
__attribute__((format(printf, 2, 0))) int __real_vasprintf(char **p, const char *format,
                                                           va_list args);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
__attribute__((format(printf, 2, 0))) int __wrap_vasprintf(char **p, const char *format,
                                                           va_list args);
__attribute__((format(printf, 2, 3))) int __wrap_asprintf(char **p, const char *format, ...);

void *__wrap_malloc(size_t n) {
        return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
        return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n) {
        return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s) {
        return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n) {
        return fails() ? NULL : __real_strndup(s, n);
}

int __wrap_vasprintf(char **p, const char *format, va_list args) {
        return fails() ? -1 : __real_vasprintf(p, format, args);
}

int __wrap_asprintf(char **p, const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = fails() ? -1 : __real_vasprintf(p, format, args);
        va_end(args);
        return r;
}

void memory_check(int (*attempt)(void), long n_least) {
        long n;

        for (n = 0; n < TRIES_MAX; n++) {
                bool failed;
                int r;

                memory_left = n;
                r = attempt();
                failed = memory_left < 0;
                memory_left = -1;
                ck_assert_int_eq(r, failed ? -ENOMEM : 0);
                if (!failed)
                        break;
        }
        ck_assert_int_ge(n, n_least);
        ck_assert_int_lt(n, TRIES_MAX);
}
