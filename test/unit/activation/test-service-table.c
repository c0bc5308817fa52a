/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service table: which file counts for a name, warnings, and changes of files. */

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bridge/activation/service-table.h"
#include "test/unit/suite.h"

static char top[] = "/tmp/test-table-XXXXXX";
static char paths[3][64];
static struct bus_servicedir servicedirs[3];
static struct bus_config config;
static struct service_table *table;

static void setup(void) {
        strcpy(strrchr(top, '-') + 1, "XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(top));
        for (size_t i = 0; i < 3; i++) {
                snprintf(paths[i], sizeof(paths[i]), "%s/%zu", top, i);
                servicedirs[i] = (struct bus_servicedir){.path = paths[i]};
                if (i < 2)
                        ck_assert_int_eq(mkdir(paths[i], 0700), 0);
        }
        config = (struct bus_config){.servicedirs = servicedirs, .n_servicedirs = 3};
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

static void teardown(void) {
        table = service_table_free(table);
        ck_assert_int_eq(nftw(top, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void put_text(size_t directory, const char *file, const char *text) {
        char path[128];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", paths[directory], file);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        fclose(f);
}

static void put(size_t directory, const char *file, const char *name) {
        char text[128];

        snprintf(text, sizeof(text), "[D-BUS Service]\nName=%s\nExec=/%zu/%s\n", name, directory,
                 file);
        put_text(directory, file, text);
}

static void drop(size_t directory, const char *file) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", paths[directory], file);
        ck_assert_int_eq(unlink(path), 0);
}

static void load(void) {
        table = service_table_free(table);
        ck_assert_int_eq(service_table_load(&config, &table), 0);
}

/* Check which file counts for a name: "/DIRECTORY/FILE", or NULL for none. */
static void check(const char *name, const char *file) {
        const struct service *service = service_table_find(table, name);

        if (!file) {
                ck_assert_ptr_null(service);
                return;
        }
        ck_assert_msg(service, "%s", name);
        ck_assert_str_eq(service->name, name);
        ck_assert_str_eq(service->exec, file);
        ck_assert_str_eq(service->path + strlen(top), file);
}

static void check_warning(size_t index, const char *file, const char *text) {
        ck_assert_uint_lt(index, table->n_warnings);
        ck_assert_msg(strstr(table->warnings[index], file) && strstr(table->warnings[index], text),
                      "%s", table->warnings[index]);
}

/* Load the table again if it is out of date for this name. Was it? */
static bool refresh(const char *name) {
        if (service_table_is_current(table, name))
                return false;
        load();
        return true;
}

/* Wait until a change of a file is so old that the table trusts its stamp: see stamp_to_read(). */
static void rest(void) {
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

START_TEST(first_directory_counts) {
        put(0, "x.service", "a.b");
        put(1, "a.b.service", "a.b");
        put(1, "x.service", "a.c");
        load();
        ck_assert_uint_eq(table->n_services, 2);
        ck_assert_uint_eq(table->n_warnings, 0);
        check("a.b", "/0/x.service");
        check("a.c", "/1/x.service");
        check("a", NULL);
        check("a.bb", NULL);
        check("", NULL);
}
END_TEST

START_TEST(file_named_after_its_service_counts_in_a_directory) {
        put(0, "a.a.service", "a.b");
        put(0, "a.b.service", "a.b");
        put(0, "a.c.service", "a.b");
        put(0, "z.service", "a.z");
        put(0, "y.service", "a.z");
        load();
        check("a.b", "/0/a.b.service");
        check("a.z", "/0/y.service");
        ck_assert_uint_eq(table->n_warnings, 3);
        check_warning(0, "a.a.service", "a.b.service is for the same name");
        check_warning(1, "a.c.service", "a.b.service is for the same name");
        check_warning(2, "z.service", "y.service is for the same name");
}
END_TEST

START_TEST(services_are_listed_by_name) {
        put(0, "3.service", "a.b");
        put(1, "2.service", "A.b");
        put(0, "1.service", "c.d");
        put(0, ".service", "b.b");
        put(1, ".hidden.service", "a.a");
        load();
        ck_assert_uint_eq(table->n_services, 5);
        for (size_t i = 0; i < 5; i++)
                ck_assert_str_eq(table->services[i]->name,
                                 ((const char *[]){"A.b", "a.a", "a.b", "b.b", "c.d"})[i]);
}
END_TEST

START_TEST(other_files_are_not_read) {
        put(0, "x.SERVICE", "a.a");
        put(0, "x.service~", "a.b");
        put(0, "x.service.bak", "a.c");
        put(0, "xservice", "a.d");
        load();
        ck_assert_uint_eq(table->n_services, 0);
        ck_assert_uint_eq(table->n_warnings, 0);
}
END_TEST

START_TEST(bad_file_disturbs_no_other) {
        char path[128];

        put_text(0, "a.b.service", "[D-BUS Service]\nName=a.b\nbad\n");
        put(0, "a.c.service", "a.c");
        put(1, "a.b.service", "a.b");
        snprintf(path, sizeof(path), "%s/d.service", paths[0]);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        load();
        ck_assert_uint_eq(table->n_services, 2);
        ck_assert_uint_eq(table->n_warnings, 2);
        check("a.b", "/1/a.b.service");
        check("a.c", "/0/a.c.service");
        for (size_t i = 0; i < 2; i++)
                if (strstr(table->warnings[i], "a.b.service"))
                        check_warning(i, "/0/a.b.service:3: ", "Neither");
                else
                        check_warning(i, "/0/d.service: ", "Not a regular file");
}
END_TEST

START_TEST(what_is_no_directory_disturbs_no_other) {
        FILE *f = fopen(paths[2], "w");

        ck_assert_ptr_nonnull(f);
        fclose(f);
        put(1, "a.b.service", "a.b");
        load();
        ck_assert_uint_eq(table->n_services, 1);
        ck_assert_uint_eq(table->n_warnings, 1);
        check_warning(0, "/2: ", "Not a directory");
        rest();
        load();
        ck_assert(!refresh("a.c"));
}
END_TEST

START_TEST(shortage_is_no_change) {
        struct rlimit old, few;
        struct service_table *next = NULL;

        put(0, "a.b.service", "a.b");
        load();
        drop(0, "a.b.service");
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
        few = (struct rlimit){.rlim_max = old.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        ck_assert_int_eq(service_table_load(&config, &next), -EMFILE);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
        ck_assert_ptr_null(next);
        ck_assert(refresh("a.b"));
}
END_TEST

START_TEST(runtime_directory_wants_files_named_after_services) {
        servicedirs[0].kind = SERVICEDIR_RUNTIME;
        put(0, "x.service", "a.b");
        put(0, "a.c.service", "a.c");
        put(1, "y.service", "a.b");
        load();
        check("a.b", "/1/y.service");
        check("a.c", "/0/a.c.service");
        ck_assert_uint_eq(table->n_warnings, 1);
        check_warning(0, "/0/x.service: ", "Should be named a.b.service; left out");
}
END_TEST

START_TEST(service_helper_wants_files_named_after_services) {
        config.servicehelper = (char *)"/helper";
        put(0, "x.service", "a.b");
        load();
        check("a.b", "/0/x.service");
        ck_assert(table->services[0]->misnamed);
        ck_assert_uint_eq(table->n_warnings, 1);
        check_warning(0, "/0/x.service: ", "Should be named a.b.service, or the service helper");
}
END_TEST

START_TEST(no_directory_is_no_service) {
        config.n_servicedirs = 0;
        load();
        ck_assert_uint_eq(table->n_services, 0);
        check("a.b", NULL);
}
END_TEST

/* changes of files */

START_TEST(new_file_is_seen_when_its_name_is_asked_for) {
        put(0, "a.b.service", "a.b");
        rest();
        load();
        ck_assert(!refresh("a.c"));
        ck_assert(!refresh("a.b"));
        put(1, "x.service", "a.c");
        /* a change that does not concern this name */
        ck_assert(!refresh("a.b"));
        ck_assert(refresh("a.c"));
        check("a.b", "/0/a.b.service");
        check("a.c", "/1/x.service");
}
END_TEST

START_TEST(file_that_comes_right_after_reading_is_seen) {
        char file[32], name[32], path[48];

        for (unsigned i = 0; i < 100; i++) {
                load();
                snprintf(file, sizeof(file), "%u.service", i);
                snprintf(name, sizeof(name), "a.n%u", i);
                snprintf(path, sizeof(path), "/0/%s", file);
                put(0, file, name);
                ck_assert(refresh(name));
                check(name, path);
        }
}
END_TEST

START_TEST(nonsense_makes_nothing_be_read) {
        put(0, "a.b.service", "a.b");
        load();
        rest();
        /* One refresh reads again, because the directory had just changed when load() read it. */
        ck_assert(refresh("x.y"));
        ck_assert(!refresh("x.y"));
        ck_assert(!refresh(""));
        ck_assert(!refresh(":1.1"));
}
END_TEST

START_TEST(new_directory_is_seen) {
        rest();
        load();
        ck_assert(!refresh("a.b"));
        ck_assert_int_eq(mkdir(paths[2], 0700), 0);
        put(2, "x.service", "a.b");
        ck_assert(refresh("a.b"));
        check("a.b", "/2/x.service");
}
END_TEST

START_TEST(changed_or_removed_file_is_seen) {
        put(0, "x.service", "a.b");
        put(1, "y.service", "a.b");
        rest();
        load();
        rest();
        put_text(0, "x.service", "[D-BUS Service]\nName=a.b\nExec=/0/x.service\nUser=u\n");
        ck_assert(refresh("a.b"));
        check("a.b", "/0/x.service");
        ck_assert_str_eq(service_table_find(table, "a.b")->user, "u");
        ck_assert(!refresh("a.b"));

        drop(0, "x.service");
        ck_assert(refresh("a.b"));
        check("a.b", "/1/y.service");
        drop(1, "y.service");
        ck_assert(refresh("a.b"));
        check("a.b", NULL);
}
END_TEST

START_TEST(file_that_is_put_right_in_place_is_seen) {
        servicedirs[1].kind = SERVICEDIR_RUNTIME;
        put_text(0, "empty.service", "");
        put(1, "x.service", "a.c");
        rest();
        load();
        check("a.b", NULL);
        check("a.c", NULL);
        ck_assert(!refresh("a.b"));
        put(0, "empty.service", "a.b");
        ck_assert(refresh("a.b"));
        check("a.b", "/0/empty.service");

        put(1, "x.service", "x");
        ck_assert(refresh("a.d"));
        put(1, "x.service", "a.d");
        ck_assert(refresh("a.d"));
        check("a.d", NULL);
        rest();
        refresh("a.d");
        ck_assert(!refresh("a.d"));
}
END_TEST

START_TEST(table_keeps_what_it_was_told) {
        config.servicehelper = (char *)"/helper";
        servicedirs[1].kind = SERVICEDIR_RUNTIME;
        load();
        put(0, "x.service", "a.b");
        put(1, "y.service", "a.c");
        ck_assert(refresh("a.b"));
        ck_assert_uint_eq(table->n_services, 1);
        ck_assert_uint_eq(table->n_warnings, 2);
        check_warning(0, "/0/x.service: ", "service helper");
        check_warning(1, "/1/y.service: ", "left out");
}
END_TEST

int main(void) {
        TCase *t = tcase_create("service-table");

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_set_timeout(t, 30);
        tcase_add_test(t, first_directory_counts);
        tcase_add_test(t, file_named_after_its_service_counts_in_a_directory);
        tcase_add_test(t, services_are_listed_by_name);
        tcase_add_test(t, other_files_are_not_read);
        tcase_add_test(t, bad_file_disturbs_no_other);
        tcase_add_test(t, what_is_no_directory_disturbs_no_other);
        tcase_add_test(t, shortage_is_no_change);
        tcase_add_test(t, runtime_directory_wants_files_named_after_services);
        tcase_add_test(t, service_helper_wants_files_named_after_services);
        tcase_add_test(t, no_directory_is_no_service);
        tcase_add_test(t, new_file_is_seen_when_its_name_is_asked_for);
        tcase_add_test(t, file_that_comes_right_after_reading_is_seen);
        tcase_add_test(t, nonsense_makes_nothing_be_read);
        tcase_add_test(t, new_directory_is_seen);
        tcase_add_test(t, changed_or_removed_file_is_seen);
        tcase_add_test(t, file_that_is_put_right_in_place_is_seen);
        tcase_add_test(t, table_keeps_what_it_was_told);
        return suite_run("activation-service-table", t);
}
