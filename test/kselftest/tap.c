// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * Runs the tests of a program and reports their results as TAP
 *
 * Some test programs need an argument that names the test to run (see arguments[]); the others take
 * none. A program exits with 0 when its test passes. The Makefile renames the main() of a program
 * to test_main(). The main() of this file runs test_main() in a new process for each test, and
 * prints the output of the test as TAP comments.
 */

#include "../kselftest.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#undef main

#define MAX_TESTS 8

int test_main(int argc, char **argv);

/* programs that need an argument, and the arguments for the tests to run */
static const struct {
        const char *program;
        const char *tests[MAX_TESTS];
} arguments[] = {
        {"test-device", {"query", "all"}},
        {"test-attack-accounts", {"users", "locks"}},
        {"test-attack-files", {"close", "flight"}},
        {"test-attack-memory", {"stall", "nowhere", "vectors", "groups"}},
        {"test-attack-pool", {"fillers", "small", "touch", "collapse", "closed"}},
};

static void report_output(FILE *output) {
        char line[1024];

        rewind(output);
        while (fgets(line, sizeof(line), output)) {
                line[strcspn(line, "\n")] = '\0';
                ksft_print_msg("%s\n", line);
        }
}

static void run(const char *program, const char *test) {
        const char *arguments[] = {program, test, NULL};
        FILE *output = tmpfile();
        int status;
        pid_t pid;

        if (!output)
                ksft_exit_fail_msg("tmpfile: %s\n", strerror(errno));
        fflush(stdout);
        pid = fork();
        if (pid < 0)
                ksft_exit_fail_msg("fork: %s\n", strerror(errno));
        if (pid == 0) {
                setpgid(0, 0);
                dup2(fileno(output), STDOUT_FILENO);
                dup2(fileno(output), STDERR_FILENO);
                exit(test_main(test ? 2 : 1, (char **)arguments));
        }
        if (waitpid(pid, &status, 0) < 0)
                ksft_exit_fail_msg("waitpid: %s\n", strerror(errno));
        /* A test that fails may leave processes, which are in its process group. */
        kill(-pid, SIGKILL);
        report_output(output);
        fclose(output);
        ksft_test_result(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s%s%s\n", program,
                         test ? " " : "", test ? test : "");
}

int main(int argc, char **argv) {
        const char *program = program_invocation_short_name;
        const char *const *tests = NULL;
        unsigned int n = 1;

        ksft_print_header();
        if (access("/dev/bus1", R_OK | W_OK) < 0)
                ksft_exit_skip("no /dev/bus1\n");
        if (geteuid() != 0)
                ksft_exit_skip("only root can become other users\n");
        for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
                if (strcmp(program, arguments[i].program) == 0)
                        tests = arguments[i].tests;
        while (tests && n < MAX_TESTS && tests[n])
                n++;
        ksft_set_plan(n);
        for (unsigned int i = 0; i < n; i++)
                run(program, tests ? tests[i] : NULL);
        ksft_finished();
}
