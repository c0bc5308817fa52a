/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keyrings: the choice and the age of cookies, the lock, and keyrings that are not private. */

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/socket/keyring.h"
#include "test/unit/suite.h"

#define CONTEXT "org_freedesktop_general"
#define NOW INT64_C(1700000000)
#define SECRET "00112233445566778899aabbccddeeff0011223344556677"

static char top[] = "/tmp/test-keyring-XXXXXX";
static char directory[64], file[128], lock[160];

static void setup(void) {
        strcpy(strrchr(top, '-') + 1, "XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(top));
        snprintf(directory, sizeof(directory), "%s/keyrings", top);
        snprintf(file, sizeof(file), "%s/" CONTEXT, directory);
        snprintf(lock, sizeof(lock), "%s.lock", file);
}

static void teardown(void) {
        unlink(file);
        unlink(lock);
        /* rmdir() fails if any other file is left */
        ck_assert(rmdir(directory) == 0 || errno == ENOENT);
        ck_assert_int_eq(rmdir(top), 0);
}

static void put(const char *text) {
        FILE *f;

        mkdir(directory, 0700);
        f = fopen(file, "w");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        fclose(f);
        ck_assert_int_eq(chmod(file, 0600), 0);
}

static void put_cookie(uint32_t id, int64_t age) {
        char text[128];

        snprintf(text, sizeof(text), "%u %lld " SECRET "\n", id, (long long)(NOW - age));
        put(text);
}

static size_t n_lines(void) {
        FILE *f = fopen(file, "r");
        size_t n = 0;
        int c;

        ck_assert_ptr_nonnull(f);
        while ((c = fgetc(f)) != EOF)
                n += c == '\n';
        fclose(f);
        return n;
}

static mode_t mode_of(const char *path) {
        struct stat st;

        ck_assert_int_eq(stat(path, &st), 0);
        return st.st_mode & 0777;
}

static void get(struct keyring_cookie *cookie) {
        ck_assert_int_eq(keyring_get(directory, CONTEXT, NOW, NULL, cookie), 0);
        ck_assert_uint_le(cookie->id, INT32_MAX);
        ck_assert_int_ne(access(lock, F_OK), 0);
}

START_TEST(keyring_is_made_and_used_again) {
        struct keyring_cookie cookie, again;

        get(&cookie);
        ck_assert_uint_eq(strlen(cookie.secret), 48);
        ck_assert_int_eq(cookie.time, NOW);
        ck_assert_uint_eq(mode_of(directory), 0700);
        ck_assert_uint_eq(mode_of(file), 0600);
        get(&again);
        ck_assert_uint_eq(again.id, cookie.id);
        ck_assert_str_eq(again.secret, cookie.secret);
        ck_assert_uint_eq(n_lines(), 1);
}
END_TEST

START_TEST(keyring_gives_out_young_cookies_only) {
        static const struct {
                int64_t age;
                bool given_out, kept;
        } ages[] = {
                {0, true, true},     {299, true, true},  {300, false, true},   {420, false, true},
                {421, false, false}, {-300, true, true}, {-301, false, false}, {NOW, false, false},
        };
        struct keyring_cookie cookie;

        put_cookie(7, ages[_i].age);
        get(&cookie);
        ck_assert_int_eq(cookie.id == 7 && !strcmp(cookie.secret, SECRET), ages[_i].given_out);
        ck_assert_uint_eq(n_lines(), 1 + (ages[_i].kept && !ages[_i].given_out));
}
END_TEST

START_TEST(keyring_takes_the_youngest) {
        struct keyring_cookie cookie;
        char text[512];

        snprintf(text, sizeof(text), "1 %lld " SECRET "\n2 %lld " SECRET "\n3 %lld " SECRET "\n",
                 (long long)NOW - 100, (long long)NOW - 50, (long long)NOW - 200);
        put(text);
        get(&cookie);
        ck_assert_uint_eq(cookie.id, 2);
}
END_TEST

START_TEST(keyring_passes_over_what_is_no_cookie) {
        static const char *const lines[] = {
                "",
                "\n\n",
                "1",
                "1 1700000000",
                "1 1700000000 ",
                "1 1700000000 0",
                "1 1700000000 zz",
                "1 1700000000 00 00",
                "1  1700000000 00",
                " 1 1700000000 00",
                "-1 1700000000 00",
                "2147483648 1700000000 00",
                "99999999999999999999 1700000000 00",
                "1 99999999999999999999 00",
                "1 -1700000000 00",
                "x 1700000000 00",
                "1 1700000000 " SECRET SECRET SECRET,
        };
        struct keyring_cookie cookie;

        put(lines[_i]);
        get(&cookie);
        ck_assert_uint_eq(strlen(cookie.secret), 48);
        ck_assert_uint_eq(n_lines(), 1);
}
END_TEST

START_TEST(keyring_does_not_grow_without_bounds) {
        struct keyring_cookie cookie;
        FILE *f;

        put("");
        f = fopen(file, "w");
        for (unsigned i = 0; i < 5000; i++)
                fprintf(f, "%u %lld " SECRET "\n", i, (long long)NOW - 310);
        fclose(f);
        get(&cookie);
        ck_assert_int_eq(cookie.time, NOW);
        ck_assert_uint_eq(n_lines(), 257);
}
END_TEST

START_TEST(keyring_is_not_read_when_others_could) {
        struct keyring_cookie cookie;

        put_cookie(7, 0);
        ck_assert_int_eq(chmod(file, 0644), 0);
        get(&cookie);
        ck_assert_uint_eq(strlen(cookie.secret), 48);
        ck_assert_str_ne(cookie.secret, SECRET);
        ck_assert_uint_eq(mode_of(file), 0600);

        ck_assert_int_eq(chmod(directory, 0755), 0);
        ck_assert_int_eq(keyring_get(directory, CONTEXT, NOW, NULL, &cookie), -EPERM);
        ck_assert_int_eq(chmod(directory, 0711), 0);
        get(&cookie);
}
END_TEST

START_TEST(keyring_follows_no_link) {
        struct keyring_cookie cookie;
        char other[128];
        struct stat st;

        snprintf(other, sizeof(other), "%s/other", top);
        put_cookie(7, 0);
        ck_assert_int_eq(rename(file, other), 0);
        ck_assert_int_eq(symlink(other, file), 0);
        get(&cookie);
        ck_assert_str_ne(cookie.secret, SECRET);
        ck_assert(lstat(file, &st) == 0 && S_ISREG(st.st_mode));
        ck_assert_int_eq(unlink(other), 0);
}
END_TEST

static atomic_bool cancel;

static void *unlock(void *userdata) {
        usleep(100000);
        if (userdata)
                unlink(lock);
        else
                atomic_store(&cancel, true);
        return NULL;
}

START_TEST(keyring_waits_for_the_lock) {
        struct keyring_cookie cookie;
        pthread_t thread;

        for (unsigned i = 0; i < 2; i++) {
                mkdir(directory, 0700);
                unlink(file);
                close(open(lock, O_CREAT | O_EXCL, 0600));
                atomic_store(&cancel, false);
                ck_assert_int_eq(pthread_create(&thread, NULL, unlock, i == 0 ? &thread : NULL), 0);
                ck_assert_int_eq(keyring_get(directory, CONTEXT, NOW, &cancel, &cookie),
                                 i == 0 ? 0 : -ECANCELED);
                pthread_join(thread, NULL);
        }
        /* the second call was cancelled, and has not removed the lock of the other program */
        ck_assert_int_eq(access(lock, F_OK), 0);
        /* a young cookie needs no lock */
        put_cookie(7, 0);
        ck_assert_int_eq(keyring_get(directory, CONTEXT, NOW, NULL, &cookie), 0);
        ck_assert_uint_eq(cookie.id, 7);
}
END_TEST

/* Like libdbus, keyring_get() takes over a lock after about eight seconds: its maker has died. */
START_TEST(keyring_takes_over_the_lock_of_the_dead) {
        struct keyring_cookie cookie;

        mkdir(directory, 0700);
        close(open(lock, O_CREAT | O_EXCL, 0600));
        get(&cookie);
        ck_assert_uint_eq(n_lines(), 1);
}
END_TEST

static void *get_many(void *userdata) {
        struct keyring_cookie *cookie = userdata;

        for (unsigned i = 0; i < 20; i++)
                if (keyring_get(directory, CONTEXT, NOW, NULL, cookie) != 0)
                        cookie->id = UINT32_MAX;
        return NULL;
}

START_TEST(keyring_is_shared) {
        struct keyring_cookie cookies[8];
        pthread_t threads[8];

        for (unsigned i = 0; i < 8; i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, get_many, &cookies[i]), 0);
        for (unsigned i = 0; i < 8; i++) {
                pthread_join(threads[i], NULL);
                ck_assert_uint_eq(cookies[i].id, cookies[0].id);
                ck_assert_str_eq(cookies[i].secret, cookies[0].secret);
        }
        ck_assert_uint_eq(n_lines(), 1);
}
END_TEST

START_TEST(keyring_fails_without_a_place) {
        struct keyring_cookie cookie;

        ck_assert_int_eq(keyring_get("/nonexistent/keyrings", CONTEXT, NOW, NULL, &cookie),
                         -ENOENT);
        ck_assert_int_eq(keyring_get("/dev/null", CONTEXT, NOW, NULL, &cookie), -ENOTDIR);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("keyring");

        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, keyring_is_made_and_used_again);
        tcase_add_loop_test(tcase, keyring_gives_out_young_cookies_only, 0, 8);
        tcase_add_test(tcase, keyring_takes_the_youngest);
        tcase_add_loop_test(tcase, keyring_passes_over_what_is_no_cookie, 0, 17);
        tcase_add_test(tcase, keyring_does_not_grow_without_bounds);
        tcase_add_test(tcase, keyring_is_not_read_when_others_could);
        tcase_add_test(tcase, keyring_follows_no_link);
        tcase_add_test(tcase, keyring_waits_for_the_lock);
        tcase_add_test(tcase, keyring_takes_over_the_lock_of_the_dead);
        tcase_add_test(tcase, keyring_is_shared);
        tcase_add_test(tcase, keyring_fails_without_a_place);
        return suite_run("keyring", tcase);
}
