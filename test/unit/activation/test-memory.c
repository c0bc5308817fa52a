/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Without memory: the tests let each allocation fail once. Each time the function under test must
 * return -ENOMEM, without a partial result, and leak nothing (which the sanitizers check). A table
 * that lacks a service would be worse than no table.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/activation/child.h"
#include "bridge/activation/command-line.h"
#include "bridge/activation/service-environment.h"
#include "bridge/activation/service-table.h"
#include "test/unit/memory.h"
#include "test/unit/suite.h"

static char directory[] = "/tmp/test-memory-XXXXXX";

static void put(const char *name, const char *text) {
        char path[64];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        fclose(f);
}

static void drop(const char *name) {
        char path[64];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        unlink(path);
}

static int load(void) {
        struct bus_servicedir servicedirs[] = {
                {.path = directory},
                {.path = directory, .kind = SERVICEDIR_RUNTIME},
        };
        const struct bus_config config = {
                .servicedirs = servicedirs,
                .n_servicedirs = 2,
                .servicehelper = (char *)"/x",
        };
        struct service_table *table = NULL;
        int r;

        r = service_table_load(&config, &table);
        if (r < 0 ? table != NULL : table->n_services != 2)
                r = -EPROTO;
        service_table_free(table);
        return r;
}

START_TEST(table_fails_as_a_whole) {
        ck_assert_ptr_nonnull(mkdtemp(directory));
        put("a.b.service", "[D-BUS Service]\nName=a.b\nExec=/x\nUser=u\nSystemdService=s\n");
        put("misnamed.service", "[D-BUS Service]\nName=a.c\nAssumedAppArmorLabel=l\nUser=\n");
        put("twice.service", "[D-BUS Service]\nName=a.b\n");
        put("bad.service", "[D-BUS Service]\nName=a.b\nbad\n");
        put("bad2.service", "\xff");
        memory_check(load, 40);
        drop("a.b.service");
        drop("misnamed.service");
        drop("twice.service");
        drop("bad.service");
        drop("bad2.service");
        ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

static int split(void) {
        const char *reason = NULL;
        char **argv = NULL;
        int r;

        r = command_line_split("/x 'a b' \"c\" d\\ e f", &argv, &reason);
        if ((r < 0) != !argv || reason)
                r = -EPROTO;
        command_line_free(argv);
        return r;
}

START_TEST(command_line_fails_as_a_whole) {
        memory_check(split, 8);
}
END_TEST

static int make(void) {
        const struct service_starter starter = {.address = "a:", .bus_type = "session"};
        char *const inherited[] = {(char *)"A=b", (char *)"C=d", NULL};
        struct service_environment environment = {};
        char **variables = NULL;
        int r;

        r = service_environment_set(&environment, "A", 1, "x", 1);
        if (r >= 0)
                r = service_environment_set(&environment, "B", 1, "x", 1);
        if (r >= 0)
                r = service_environment_set(&environment, "A", 1, "y", 1);
        if (r >= 0)
                r = service_environment_set(&environment, "B", 1, "y", 1);
        if (r >= 0)
                r = service_environment_set(&environment, "C", 1, "z", 1);
        if (r >= 0)
                r = service_environment_make(&environment, inherited, &starter, &variables);
        if ((r < 0) != !variables)
                r = -EPROTO;
        service_environment_free(variables);
        service_environment_clear(&environment);
        return r;
}

START_TEST(environment_fails_as_a_whole) {
        memory_check(make, 8);
}
END_TEST

static int never(struct child *child, enum child_event event, int value, void *userdata) {
        ck_abort_msg("An event without a loop");
        return 0;
}

static int start(void) {
        const struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};
        char *const argv[] = {(char *)"/bin/true", NULL};
        struct children children;
        struct child *child = NULL;
        struct loop loop;
        int r;

        if (loop_init(&loop) < 0 || children_init(&children, &loop, &limit) < 0)
                return -EPROTO;
        r = child_start(&children, argv, argv + 1, NULL, never, NULL, &child);
        if ((r < 0) != !child)
                r = -EPROTO;
        children_deinit(&children);
        loop_deinit(&loop);
        return r;
}

START_TEST(child_that_has_no_place_is_not_started) {
        memory_check(start, 1);
}
END_TEST

int main(void) {
        TCase *t = tcase_create("memory");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, table_fails_as_a_whole);
        tcase_add_test(t, command_line_fails_as_a_whole);
        tcase_add_test(t, environment_fails_as_a_whole);
        tcase_add_test(t, child_that_has_no_place_is_not_started);
        return suite_run("activation-memory", t);
}
