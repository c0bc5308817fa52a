/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scratch: see support.h. */

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

static const struct bus_config_environment test_environment = {
        .home = "/home/x",
        .selinux_root = "/nonexistent/selinux",
};

void scratch_open(struct scratch *scratch) {
        *scratch = (struct scratch){.directory = "/tmp/bus1-policy-XXXXXX"};
        ck_assert_ptr_nonnull(mkdtemp(scratch->directory));
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *walk) {
        return remove(path);
}

void scratch_close(struct scratch *scratch) {
        free(scratch->error);
        ck_assert_int_eq(nftw(scratch->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static char *scratch_path(struct scratch *scratch, const char *name) {
        char *path;

        ck_assert_int_ge(asprintf(&path, "%s/%s", scratch->directory, name), 0);
        return path;
}

void scratch_mkdir(struct scratch *scratch, const char *name) {
        char *path = scratch_path(scratch, name);

        ck_assert_int_eq(mkdir(path, 0700), 0);
        free(path);
}

void scratch_write(struct scratch *scratch, const char *name, const char *content) {
        char *path = scratch_path(scratch, name);
        FILE *f;

        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(content, f), 0);
        ck_assert_int_eq(fclose(f), 0);
        free(path);
}

void scratch_write_body(struct scratch *scratch, const char *name, const char *body) {
        char *content;

        ck_assert_int_ge(asprintf(&content,
                                  "<busconfig><listen>unix:path=/x</listen>\n%s</busconfig>", body),
                         0);
        scratch_write(scratch, name, content);
        free(content);
}

struct bus_config *scratch_load(struct scratch *scratch, const char *name) {
        char *path = scratch_path(scratch, name);
        struct bus_config *config = NULL;
        int r;

        free(scratch->error);
        scratch->error = NULL;
        r = bus_config_load(path, &test_environment, &config, &scratch->error);
        free(path);
        if (r < 0) {
                ck_assert(r == -EINVAL || r == -ENOENT);
                ck_assert_ptr_null(config);
                ck_assert_ptr_nonnull(scratch->error);
                return NULL;
        }
        ck_assert_int_eq(r, 0);
        ck_assert_ptr_nonnull(config);
        ck_assert_ptr_null(scratch->error);
        return config;
}

struct bus_config *scratch_load_body(struct scratch *scratch, const char *body) {
        scratch_write_body(scratch, "main.conf", body);
        return scratch_load(scratch, "main.conf");
}

bool config_warns(const struct bus_config *config, const char *text) {
        for (size_t i = 0; i < config->n_warnings; i++)
                if (strstr(config->warnings[i], text))
                        return true;
        return false;
}

int run_suite(Suite *suite) {
        SRunner *runner = srunner_create(suite);
        int failed;

        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
