/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Service files: which lines are accepted, what they mean, and that one bad line makes a file bad.
 *
 * dbus-daemon 1.14 parses files in the same way, with two exceptions: it does not check names, and
 * it wants Exec in each file.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/activation/service-file.h"
#include "test/unit/suite.h"

#define G "[D-BUS Service]\n"
#define GOOD G "Name=a.b\nExec=/x\n"

static struct service *parse(const char *text, size_t n, char **ret_error) {
        struct service *service = NULL;
        int r;

        *ret_error = NULL;
        r = service_file_parse(text, n, "/d/f.service", &service, ret_error);
        ck_assert_int_eq(r, service ? 0 : -EINVAL);
        ck_assert_int_eq(!service, !!*ret_error);
        return service;
}

static void check_good(const char *text, const char *exec) {
        char *error;
        struct service *service = parse(text, strlen(text), &error);

        ck_assert_msg(service, "%s: %s", text, error);
        ck_assert_str_eq(service->name, "a.b");
        ck_assert_str_eq(service->path, "/d/f.service");
        if (exec)
                ck_assert_str_eq(service->exec, exec);
        else
                ck_assert_ptr_null(service->exec);
        ck_assert_ptr_null(service_free(service));
}

static void check_bad(const char *text, size_t n, const char *error) {
        char *said;
        struct service *service = parse(text, n, &said);

        ck_assert_msg(!service, "%s", text);
        ck_assert_msg(!strncmp(said, error, strlen(error)), "%s: %s instead of %s", text, said,
                      error);
        free(said);
}

START_TEST(syntax_is_that_of_dbus_daemon) {
        static const struct {
                const char *text, *exec;
        } examples[] = {
                {GOOD, "/x"},
                {G "Name=a.b\nExec=/x", "/x"},
                {G "Name =a.b\nExec  =   /x\n", "/x"},
                {G "Name=a.b\nExec=/x  \n", "/x  "},
                {G "Name=a.b\nExec=\t/x\n", "\t/x"},
                {G "Name=a.b\nExec=a=b\n", "a=b"},
                {G "Name=a.b\nExec=a #x\n", "a #x"},
                {G "Name=a.b\nExec=\n", ""},
                {G "Name=a.b\nExec=\x01\x7f\v\n", "\x01\x7f\v"},
                {G "Name=a.b\nExec=\\s\\n\\t\\r\\\\\n", " \n\t\r\\"},
                /* ends of lines */
                {"[D-BUS Service]\r\nName=a.b\r\nExec=/x\r\n", "/x"},
                {"[D-BUS Service]\rName=a.b\rExec=/x\r", "/x"},
                {"[D-BUS Service]\r\r\nName=a.b\r\r\nExec=/x\r\n\r", "/x"},
                {G "Name=a.b\rExec=/x\nExec=/y\n", "/x"},
                /* comments and blanks */
                {"# c\n\n  \n\t\n" GOOD, "/x"},
                {G "Name=a.b\n \t\f\nExec=/x\n#\n#[x\n  ", "/x"},
                {GOOD "#\x01\x02[\n", "/x"},
                {GOOD "#\xef\xbf\xbf\n", "/x"},
                /* groups */
                {"[X]\nName=c.d\nExec=/y\n" GOOD, "/x"},
                {GOOD "[X]\nExec=/y\n[X]\nName=c.d\n", "/x"},
                {GOOD "[a-b c_=;#~]\n", "/x"},
                {GOOD G "Name=c.d\nExec=/y\n", "/x"},
                {G "Name=a.b\n" G "Exec=/y\n", NULL},
                /* keys */
                {G "Name=a.b\nExec=/x\nName=c.d\nExec=/y\n", "/x"},
                {GOOD "X-1=\n1a=  \n-a=x\n", "/x"},
                {GOOD "name=c.d\nexec=/y\n", "/x"},
                {G "Name[de]=c.d\nExec[de]=/y\nName=a.b\nExec=/x\n", "/x"},
                {GOOD "Name[]=x\nFoo[de=x\nBar[d e]=x\nBar[de]x=x\nBar[\xc3\xa9] =x\n", "/x"},
                {GOOD "Foo[de]=\\y\n", "/x"},
                /* dbus-daemon refuses files without Exec; these lack SystemdService too */
                {G "Name=a.b\n", NULL},
                {G "Name=a.b\n[X]\nExec=/x\n", NULL},
        };

        for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++)
                check_good(examples[i].text, examples[i].exec);
}
END_TEST

START_TEST(one_bad_line_makes_a_bad_file) {
        static const struct {
                const char *text, *error;
        } examples[] = {
                {"", "/d/f.service: There is no [D-BUS Service]"},
                {"[d-bus service]\nName=a.b\n", "/d/f.service: There is no"},
                {"[D-BUS\\sService]\nName=a.b\n", "/d/f.service: There is no"},
                {G "Exec=/x\n", "/d/f.service: [D-BUS Service] has no Name"},
                {G "Name[de]=a.b\n", "/d/f.service: [D-BUS Service] has no Name"},
                {G "name=a.b\n", "/d/f.service: [D-BUS Service] has no Name"},
                {G G "Name=a.b\n", "/d/f.service: [D-BUS Service] has no Name"},
                {G "X=\n[X]\n" G "Name=a.b\n", "/d/f.service: [D-BUS Service] has no Name"},
                {"X=\n" GOOD, "/d/f.service:1: A line before the first group"},
                {"\xef\xbb\xbf" GOOD, "/d/f.service:1: A line before the first group"},
                {" " GOOD, "/d/f.service:1: A line before the first group"},
                {"[D-BUS Service]x\nName=a.b\n", "/d/f.service:1: Not a valid group header"},
                {"[D-BUS Service] \nName=a.b\n", "/d/f.service:1: Not a valid group header"},
                {"[D-BUS Service\nName=a.b\n", "/d/f.service:1: Not a valid group header"},
                {GOOD "[]\n", "/d/f.service:4: Not a valid group header"},
                {GOOD "[\n", "/d/f.service:4: Not a valid group header"},
                {GOOD "[a]]\n", "/d/f.service:4: Not a valid group header"},
                {GOOD "[a[b]\n", "/d/f.service:4: Not a valid group header"},
                {GOOD "[a\tb]\n", "/d/f.service:4: Not a valid group header"},
                {GOOD "[a\x7f]\n", "/d/f.service:4: Not a valid group header"},
                {GOOD "[\xc3\xa9]\n", "/d/f.service:4: Not a valid group header"},
                {GOOD "[de]=x\n", "/d/f.service:4: Not a valid group header"},
                {GOOD "\n[X]\nfoo bar\n", "/d/f.service:6: Neither"},
                {GOOD "foo\n", "/d/f.service:4: Neither"},
                {GOOD "=x\n", "/d/f.service:4: Neither"},
                {GOOD "  # c\n", "/d/f.service:4: Neither"},
                {GOOD " [X]\n", "/d/f.service:4: Neither"},
                {GOOD " Foo=x\n", "/d/f.service:4: Neither"},
                {GOOD ";x\n", "/d/f.service:4: Neither"},
                {GOOD "\v\n", "/d/f.service:4: Neither"},
                {GOOD "\xc3\xa9=x\n", "/d/f.service:4: Neither"},
                {G "Name=a.b\rfoo bar\nExec=/x\n", "/d/f.service:3: Neither"},
                {GOOD "X_Y=x\n", "/d/f.service:4: Not the name of a key"},
                {GOOD "X Y=x\n", "/d/f.service:4: Not the name of a key"},
                {GOOD "X\t=x\n", "/d/f.service:4: Not the name of a key"},
                {GOOD "a.b=x\n", "/d/f.service:4: Not the name of a key"},
                {GOOD "a#b=x\n", "/d/f.service:4: Not the name of a key"},
                {GOOD "Bar]=x\n", "/d/f.service:4: Not the name of a key"},
                {GOOD "Bar [de]=x\n", "/d/f.service:4: Not the name of a key"},
                {GOOD "Foo=\\q\n", "/d/f.service:4: A backslash"},
                {GOOD "Foo=\\;\n", "/d/f.service:4: A backslash"},
                {GOOD "Foo=\\0\n", "/d/f.service:4: A backslash"},
                {GOOD "Foo=\\\n", "/d/f.service:4: A backslash"},
                {GOOD "[X]\nFoo=\\y\n", "/d/f.service:5: A backslash"},
                {GOOD "#\xff\n", "/d/f.service: Not text"},
                {GOOD "#\xed\xa0\x80\n", "/d/f.service: Not text"},
                {GOOD "#\xc0\x80\n", "/d/f.service: Not text"},
        };
        static const char with_nul[] = GOOD "X=a\0b\n";

        for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++)
                check_bad(examples[i].text, strlen(examples[i].text), examples[i].error);
        check_bad(with_nul, sizeof(with_nul) - 1, "/d/f.service: Not text");
}
END_TEST

START_TEST(name_must_be_one_that_can_be_owned) {
        static const char *const names[] = {
                "", "nodot", ":1.5", "a.b ", "\ta.b", "a..b", "a\\sb.c", "1a.b", "a.b\xc3\xa9",
        };
        char text[512], longest[300];

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
                snprintf(text, sizeof(text), "#\n" G "Exec=/x\nName=%s\n", names[i]);
                check_bad(text, strlen(text), "/d/f.service:4: Name is not a well-known bus name");
        }
        check_bad(G "Name=org.freedesktop.DBus\n", strlen(G "Name=org.freedesktop.DBus\n"),
                  "/d/f.service:2: Name is that of the bus");

        memset(longest, 'a', sizeof(longest));
        longest[1] = '.';
        longest[256] = '\0';
        snprintf(text, sizeof(text), G "Name=%s\n", longest);
        check_bad(text, strlen(text), "/d/f.service:2: Name is not");
}
END_TEST

START_TEST(all_keys_are_read) {
        static const char text[] = GOOD "User=u\nSystemdService=s.service\n"
                                        "AssumedAppArmorLabel=/l m\n";
        static const char empty[] = GOOD "User=\nSystemdService=\nAssumedAppArmorLabel=\n";
        struct service *service;
        char *error;

        service = parse(text, strlen(text), &error);
        ck_assert_ptr_nonnull(service);
        ck_assert_str_eq(service->user, "u");
        ck_assert_str_eq(service->systemd_unit, "s.service");
        ck_assert_str_eq(service->apparmor_label, "/l m");
        service_free(service);

        service = parse(empty, strlen(empty), &error);
        ck_assert_ptr_nonnull(service);
        ck_assert_ptr_null(service->user);
        ck_assert_ptr_null(service->systemd_unit);
        ck_assert_ptr_null(service->apparmor_label);
        service_free(service);
        service_free(NULL);
}
END_TEST

/* files */

static char directory[] = "/tmp/test-service-XXXXXX";
static int directory_fd;

static void setup(void) {
        strcpy(strrchr(directory, '-') + 1, "XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        directory_fd = open(directory, O_RDONLY | O_DIRECTORY);
        ck_assert_int_ge(directory_fd, 0);
}

static void teardown(void) {
        close(directory_fd);
        ck_assert_int_eq(rmdir(directory), 0);
}

/* Write a good file, filled up to n bytes. */
static void put(const char *name, size_t n) {
        int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        FILE *f = fdopen(fd, "w");

        ck_assert_ptr_nonnull(f);
        fputs(GOOD "#", f);
        while ((size_t)ftell(f) < n)
                fputc('x', f);
        fclose(f);
}

static void check_read(const char *name, int result, const char *error) {
        struct service *service = NULL;
        char *said = NULL, expected[256];

        ck_assert_int_eq(service_file_read(directory_fd, directory, name, false, &service, &said),
                         result);
        if (result == 0) {
                ck_assert_str_eq(service->name, "a.b");
                ck_assert_uint_ne(service->stamp, 0);
                ck_assert_int_eq(service->misnamed, strcmp(name, "a.b.service") != 0);
                ck_assert_str_eq(service->path + strlen(directory) + 1, name);
        } else {
                snprintf(expected, sizeof(expected), "%s/%s: %s", directory, name, error);
                ck_assert_str_eq(said, expected);
        }
        service_free(service);
        free(said);
        unlinkat(directory_fd, name, 0);
}

START_TEST(file_tells_whether_it_is_named_after_its_service) {
        static const char *const names[] = {
                "a.b.service", "a.service", "a.b.c.service", "a.b", ".service", "a.bservice",
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
                put(names[i], 0);
                check_read(names[i], 0, NULL);
        }
}
END_TEST

START_TEST(size_of_a_file_is_bounded) {
        put("big.service", SERVICE_FILE_SIZE_MAX);
        check_read("big.service", 0, NULL);
        put("big.service", SERVICE_FILE_SIZE_MAX + 1);
        check_read("big.service", -EINVAL, "Larger than 131072 bytes");
}
END_TEST

START_TEST(what_is_no_file_is_not_waited_for) {
        check_read("missing.service", -ENOENT, "No such file or directory");
        ck_assert_int_eq(mkfifoat(directory_fd, "fifo.service", 0600), 0);
        check_read("fifo.service", -EINVAL, "Not a regular file");
        ck_assert_int_eq(symlinkat("/dev/zero", directory_fd, "zero.service"), 0);
        check_read("zero.service", -EINVAL, "Not a regular file");
        ck_assert_int_eq(symlinkat("loop.service", directory_fd, "loop.service"), 0);
        check_read("loop.service", -ELOOP, "Too many levels of symbolic links");
}
END_TEST

int main(void) {
        TCase *t = tcase_create("service-file");

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, syntax_is_that_of_dbus_daemon);
        tcase_add_test(t, one_bad_line_makes_a_bad_file);
        tcase_add_test(t, name_must_be_one_that_can_be_owned);
        tcase_add_test(t, all_keys_are_read);
        tcase_add_test(t, file_tells_whether_it_is_named_after_its_service);
        tcase_add_test(t, size_of_a_file_is_bounded);
        tcase_add_test(t, what_is_no_file_is_not_waited_for);
        return suite_run("activation-service-file", t);
}
