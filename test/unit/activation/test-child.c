/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Children: their events, what they inherit, and that the bus reaps them. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bridge/activation/child.h"
#include "test/unit/suite.h"

#define LIMIT 123
#define NOBODY 65534
#define STARTS_MAX 64

/* One start, and the events that were reported. */
struct start {
        struct child *child;
        unsigned n_runs, n_ends;
        enum child_event end;
        int value;
        int result; /* what event() returns for the last event */
        void (*at_end)(struct start *start);
};

static struct loop loop;
static struct children children;
static struct loop_timer patience;
static unsigned n_waited_for;
static char output[] = "/tmp/test-child-XXXXXX";

static int out_of_patience(struct loop_timer *timer) {
        ck_abort_msg("An event after the last one");
        return 0;
}

static void setup(void) {
        const struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = 2 * LIMIT};
        int fd;

        strcpy(strrchr(output, '-') + 1, "XXXXXX");
        fd = mkstemp(output);
        ck_assert_int_ge(fd, 0);
        close(fd);
        ck_assert_int_eq(loop_init(&loop), 0);
        ck_assert_int_eq(children_init(&children, &loop, &limit), 0);
        patience = (struct loop_timer){.expired = out_of_patience};
        ck_assert_int_eq(loop_timer_set(&loop, &patience, loop_now() + INT64_C(20000000000)), 0);
        n_waited_for = 0;
}

static void teardown(void) {
        children_deinit(&children);
        loop_timer_cancel(&loop, &patience);
        loop_deinit(&loop);
        unlink(output);
}

static int event(struct child *child, enum child_event e, int value, void *userdata) {
        struct start *start = userdata;

        ck_assert_ptr_eq(start->child, child);
        ck_assert_uint_eq(start->n_ends, 0);
        if (e == CHILD_RUNS) {
                ck_assert_uint_eq(start->n_runs++, 0);
                ck_assert_int_eq(value, 0);
                return 0;
        }
        ck_assert_uint_eq(start->n_runs, e != CHILD_NOT_EXECUTED);
        start->n_ends++;
        start->end = e;
        start->value = value;
        if (start->at_end)
                start->at_end(start);
        if (--n_waited_for == 0)
                loop_stop(&loop);
        return start->result;
}

static void start_program(struct start *start, char *const *argv) {
        char *const environment[] = {(char *)"PATH=/usr/bin:/bin", (char *)"A=b c", NULL};

        ck_assert_int_eq(
                child_start(&children, argv, environment, NULL, event, start, &start->child), 0);
        n_waited_for++;
}

static void start_shell(struct start *start, const char *command) {
        char text[512];

        snprintf(text, sizeof(text), "exec 9>>%s; %s", output, command);
        start_program(start, (char *[]){(char *)"/bin/sh", (char *)"-c", text, (char *)"zero",
                                        (char *)"one", NULL});
}

static int wait_for_all(void) {
        loop.stop = false;
        return loop_run(&loop);
}

static void check_end(const struct start *start, enum child_event end, int value) {
        ck_assert_uint_eq(start->n_ends, 1);
        ck_assert_int_eq(start->end, end);
        ck_assert_int_eq(start->value, value);
}

/* The text that the commands wrote to descriptor 9. */
static const char *said(void) {
        static char text[4096];
        FILE *f = fopen(output, "r");
        size_t n;

        ck_assert_ptr_nonnull(f);
        n = fread(text, 1, sizeof(text) - 1, f);
        text[n] = '\0';
        fclose(f);
        return text;
}

static void check_said(const char *command, const char *expected) {
        struct start start = {};

        ck_assert_int_eq(truncate(output, 0), 0);
        start_shell(&start, command);
        ck_assert_int_eq(wait_for_all(), 0);
        check_end(&start, CHILD_EXITED, 0);
        ck_assert_str_eq(said(), expected);
}

static void check_no_child_left(void) {
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
        ck_assert_ptr_null(children.list);
}

/* events */

START_TEST(end_is_told_with_its_status) {
        struct start a = {}, b = {}, c = {};

        start_shell(&a, "exit 0");
        start_shell(&b, "exit 200");
        start_shell(&c, "kill -9 $$");
        ck_assert_int_eq(wait_for_all(), 0);
        check_end(&a, CHILD_EXITED, 0);
        check_end(&b, CHILD_EXITED, 200);
        check_end(&c, CHILD_SIGNALED, SIGKILL);
        check_no_child_left();
}
END_TEST

START_TEST(program_that_cannot_run_is_told_with_the_reason) {
        struct start missing = {}, directory = {}, text = {}, relative = {}, none = {};

        ck_assert_int_eq(chmod(output, 0700), 0);
        start_program(&missing, (char *[]){(char *)"/no/such/program", NULL});
        start_program(&directory, (char *[]){(char *)"/", NULL});
        start_program(&text, (char *[]){output, NULL});
        start_program(&relative, (char *[]){(char *)"sh", NULL});
        start_program(&none, (char *[]){NULL});
        ck_assert_int_eq(wait_for_all(), 0);
        check_end(&missing, CHILD_NOT_EXECUTED, ENOENT);
        check_end(&directory, CHILD_NOT_EXECUTED, EACCES);
        check_end(&text, CHILD_NOT_EXECUTED, ENOEXEC);
        check_end(&relative, CHILD_NOT_EXECUTED, ENOENT);
        check_end(&none, CHILD_NOT_EXECUTED, ENOENT);

        /* start other programs until the loop has reaped the processes of the failed starts */
        for (unsigned i = 0; i < 200 && children.list; i++) {
                struct start another = {};

                start_shell(&another, "exit 0");
                ck_assert_int_eq(wait_for_all(), 0);
        }
        check_no_child_left();
}
END_TEST

START_TEST(own_program_gets_its_descriptors_under_their_numbers) {
        int kept = open(output, O_WRONLY | O_APPEND | O_CLOEXEC), other, fds[1];
        struct start start = {};
        char text[512];

        other = fcntl(kept, F_DUPFD_CLOEXEC, kept + 1);
        fds[0] = fcntl(kept, F_DUPFD_CLOEXEC, other + 1);
        ck_assert_int_ge(fds[0], 0);
        snprintf(text, sizeof(text),
                 "test -e /proc/$$/fd/%d && exit 1; test -e /proc/$$/fd/%d && exit 2; "
                 "echo $OWN_VARIABLE >>/proc/$$/fd/%d",
                 kept, other, fds[0]);
        ck_assert_int_eq(setenv("OWN_VARIABLE", "inherited", 1), 0);
        ck_assert_int_eq(child_start_own(&children,
                                         (char *[]){(char *)"/bin/sh", (char *)"-c", text, NULL},
                                         fds, 1, event, &start, &start.child),
                         0);
        n_waited_for++;
        ck_assert_int_eq(wait_for_all(), 0);
        check_end(&start, CHILD_EXITED, 0);
        ck_assert_str_eq(said(), "inherited\n");
        /* those of the bus stay as they are */
        ck_assert_int_eq(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
        close(kept);
        close(other);
        close(fds[0]);
}
END_TEST

START_TEST(many_that_end_at_once_are_all_told) {
        struct start starts[STARTS_MAX] = {};
        int gate[2];
        char command[64];

        ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
        for (unsigned i = 0; i < STARTS_MAX; i++) {
                snprintf(command, sizeof(command), "read x < /proc/%d/fd/%d; exit %u", getpid(),
                         gate[0], i);
                start_shell(&starts[i], command);
        }
        close(gate[1]);
        ck_assert_int_eq(wait_for_all(), 0);
        for (unsigned i = 0; i < STARTS_MAX; i++)
                check_end(&starts[i], CHILD_EXITED, (int)i);
        close(gate[0]);
        check_no_child_left();
}
END_TEST

static struct start second;

static void start_second(struct start *start) {
        start_shell(&second, "exit 2");
}

START_TEST(another_may_be_started_when_one_ends) {
        struct start first = {.at_end = start_second};

        second = (struct start){};
        start_shell(&first, "exit 1");
        ck_assert_int_eq(wait_for_all(), 0);
        check_end(&first, CHILD_EXITED, 1);
        check_end(&second, CHILD_EXITED, 2);
        check_no_child_left();
}
END_TEST

START_TEST(forgotten_ones_run_on_and_are_reaped) {
        struct start forgotten = {}, seen = {};

        start_shell(&forgotten, "echo on >&9");
        n_waited_for--;
        ck_assert_ptr_null(child_forget(forgotten.child));
        child_forget(NULL);
        while (children.list) {
                seen = (struct start){};
                start_shell(&seen, "exit 0");
                ck_assert_int_eq(wait_for_all(), 0);
        }
        ck_assert_uint_eq(forgotten.n_runs + forgotten.n_ends, 0);
        ck_assert_str_eq(said(), "on\n");
        check_no_child_left();
}
END_TEST

static void forget_second(struct start *start) {
        if (second.n_ends)
                return;
        child_forget(second.child);
        second.n_ends = 1;
        n_waited_for--;
}

static void forget_first(struct start *start) {
        ck_abort_msg("An event of a child that was forgotten");
}

START_TEST(one_that_ends_may_have_another_forgotten) {
        struct start first = {.at_end = forget_second}, last = {};

        /* both end before the first one is reaped */
        second = (struct start){.at_end = forget_first};
        start_shell(&first, "exit 0");
        start_shell(&second, "exit 0");
        for (siginfo_t info = {}; !info.si_pid;)
                waitid(P_PID, (id_t)child_pid(first.child), &info, WEXITED | WNOWAIT);
        for (siginfo_t info = {}; !info.si_pid;)
                waitid(P_PID, (id_t)child_pid(second.child), &info, WEXITED | WNOWAIT);
        ck_assert_int_eq(wait_for_all(), 0);
        check_end(&first, CHILD_EXITED, 0);
        start_shell(&last, "exit 0");
        ck_assert_int_eq(wait_for_all(), 0);
        check_no_child_left();
}
END_TEST

START_TEST(failure_of_a_callback_ends_the_loop) {
        struct start bad = {.result = -EIO}, good = {};

        start_shell(&bad, "exit 0");
        start_shell(&good, "sleep 0.1");
        ck_assert_int_eq(wait_for_all(), -EIO);
        check_end(&bad, CHILD_EXITED, 0);
        ck_assert_int_eq(wait_for_all(), 0);
        check_end(&good, CHILD_EXITED, 0);
        check_no_child_left();
}
END_TEST

START_TEST(daemon_is_a_program_that_exits) {
        struct start start = {};

        start_shell(&start, "(sleep 0.2; echo later >&9) & exit 0");
        ck_assert_int_eq(wait_for_all(), 0);
        check_end(&start, CHILD_EXITED, 0);
        check_no_child_left();
        for (unsigned i = 0; i < 500 && strcmp(said(), "later\n") != 0; i++)
                nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        ck_assert_str_eq(said(), "later\n");
}
END_TEST

START_TEST(those_that_run_survive_the_end_of_the_bus) {
        struct start start = {};
        pid_t pid;

        start_shell(&start, "sleep 0.2; echo survived >&9; exit 5");
        pid = child_pid(start.child);
        children_deinit(&children);
        for (siginfo_t info = {}; !info.si_pid;)
                waitid(P_PID, (id_t)pid, &info, WEXITED);
        ck_assert_str_eq(said(), "survived\n");
        ck_assert_uint_eq(start.n_ends, 0);
        children_deinit(&children); /* may be called again */
}
END_TEST

/* what a child gets */

START_TEST(program_gets_its_words_and_environment) {
        check_said("echo \"$0|$1|$#|$A|$HOME\" >&9", "zero|one|1|b c|\n");
}
END_TEST

START_TEST(only_the_standard_descriptors_are_passed_on) {
        int low = open("/dev/zero", O_RDONLY), high = fcntl(low, F_DUPFD, 300);

        ck_assert_int_ge(high, 300);
        /* The answer goes to 9; ls opens 3. */
        check_said("exec ls /proc/self/fd >&9", "0\n1\n2\n3\n9\n");
        check_said("readlink /proc/$$/fd/0 >&9", "/dev/null\n");
        check_said("test /proc/$$/fd/2 -ef /proc/$PPID/fd/2 && echo same >&9", "same\n");
        check_said("read x || echo end >&9", "end\n");
        close(low);
        close(high);
}
END_TEST

START_TEST(limit_is_the_one_that_the_bus_was_given) {
        check_said("ulimit -Sn >&9; ulimit -Hn >&9", "123\n246\n");
}
END_TEST

START_TEST(signals_are_as_services_expect_them) {
        struct sigaction ignored = {.sa_handler = SIG_IGN};
        sigset_t all, old;

        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, &old);
        sigaction(SIGINT, &ignored, NULL);
        sigaction(SIGTERM, &ignored, NULL);
        sigaction(SIGRTMAX, &ignored, NULL);
        /*
         * This leaves out the digits of signals 32 and 33. The C library uses these signals itself:
         * it does not let a program reset them, and its posix_spawn() starts programs with both of
         * them ignored.
         */
        check_said("sed -n 's/^Sig\\(Blk\\|Ign\\):.\\(.\\{7\\}\\)..\\(.\\{7\\}\\)$/\\2--\\3/p' "
                   "/proc/self/status >&9",
                   "0000000--0000000\n0000000--0001000\n");
        sigprocmask(SIG_SETMASK, &old, NULL);
}
END_TEST

static void write_oom_score(const char *score) {
        int fd = open("/proc/self/oom_score_adj", O_WRONLY);

        ck_assert_int_ge(fd, 0);
        if (write(fd, score, strlen(score)) < 0)
                ck_assert(errno == EACCES ||
                          errno == EPERM); /* not every user may lower the score */
        close(fd);
}

START_TEST(services_are_not_protected_as_the_bus_may_be) {
        write_oom_score("77");
        check_said("cat /proc/$$/oom_score_adj >&9", "77\n");
        write_oom_score("0");
        write_oom_score("-500");
        check_said("cat /proc/$$/oom_score_adj >&9", "0\n");
        /* also after the bus changed from root to another user: its files in /proc stay root's */
        if (geteuid() == 0) {
                ck_assert_int_eq(chown(output, NOBODY, NOBODY), 0);
                ck_assert_int_eq(seteuid(NOBODY), 0);
                check_said("cat /proc/$$/oom_score_adj >&9", "0\n");
                ck_assert_int_eq(seteuid(0), 0);
                ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
        }
        write_oom_score("0");
}
END_TEST

START_TEST(children_are_heard_of_even_if_they_were_ignored) {
        struct start start = {};

        teardown();
        signal(SIGCHLD, SIG_IGN);
        setup();
        start_shell(&start, "exit 3");
        ck_assert_int_eq(wait_for_all(), 0);
        check_end(&start, CHILD_EXITED, 3);
}
END_TEST

START_TEST(without_descriptors_there_is_no_child) {
        struct rlimit old, few = {};
        struct child *child = NULL;
        char *const argv[] = {(char *)"/bin/true", NULL};

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
        few.rlim_max = old.rlim_max;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        ck_assert_int_eq(child_start(&children, argv, argv + 1, NULL, event, NULL, &child),
                         -EMFILE);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
        ck_assert_ptr_null(child);
        check_no_child_left();
}
END_TEST

int main(void) {
        TCase *t = tcase_create("child");

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_set_timeout(t, 60);
        tcase_add_test(t, end_is_told_with_its_status);
        tcase_add_test(t, program_that_cannot_run_is_told_with_the_reason);
        tcase_add_test(t, own_program_gets_its_descriptors_under_their_numbers);
        tcase_add_test(t, many_that_end_at_once_are_all_told);
        tcase_add_test(t, another_may_be_started_when_one_ends);
        tcase_add_test(t, forgotten_ones_run_on_and_are_reaped);
        tcase_add_test(t, one_that_ends_may_have_another_forgotten);
        tcase_add_test(t, failure_of_a_callback_ends_the_loop);
        tcase_add_test(t, daemon_is_a_program_that_exits);
        tcase_add_test(t, those_that_run_survive_the_end_of_the_bus);
        tcase_add_test(t, program_gets_its_words_and_environment);
        tcase_add_test(t, only_the_standard_descriptors_are_passed_on);
        tcase_add_test(t, limit_is_the_one_that_the_bus_was_given);
        tcase_add_test(t, signals_are_as_services_expect_them);
        tcase_add_test(t, services_are_not_protected_as_the_bus_may_be);
        tcase_add_test(t, children_are_heard_of_even_if_they_were_ignored);
        tcase_add_test(t, without_descriptors_there_is_no_child);
        return suite_run("activation-child", t);
}
