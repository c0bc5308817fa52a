/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bus1ctl - finds the command by its name */

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "tools/bus1ctl/output.h"

static const char usage[] =
        "usage: bus1ctl policy check [--json] FILE...\n"
        "       bus1ctl policy check [--json] --live [--system|--session|--address ADDRESS]\n"
        "       bus1ctl policy explain [--json] [--matching] [--system|--session|--config FILE]\n"
        "               --user USER [--group GROUP]... QUESTION\n"
        "       bus1ctl policy explain [--json] [--matching] --live\n"
        "               [--system|--session|--address ADDRESS]\n"
        "               --client NAME|--user USER [--group GROUP]... QUESTION\n"
        "       " REEXEC_USAGE "       " STATE_USAGE "       " SWITCH_USAGE
        "       bus1ctl --help | --version\n"
        "\n"
        "questions:\n"
        "  connect\n"
        "  own NAME\n"
        "  send [destination=NAME] [owns=NAME]... [KEY=VALUE]...\n"
        "  receive [sender=NAME]... [destination=NAME] [KEY=VALUE]...\n"
        "\n"
        "keys: type (method_call, method_return, error, signal), path, interface, member, error,\n"
        "fds, requested_reply, eavesdrop\n";

static int print(const char *text) {
        return fputs(text, stdout) < 0 ? report_failure("cannot write to standard output: %m")
                                       : output_flush();
}

int main(int argc, char *argv[]) {
        static const struct {
                const char *group, *name; /* a command without a group has only the first */
                int (*run)(int argc, char *argv[]);
        } commands[] = {
                {"policy", "check", policy_check_main}, {"policy", "explain", policy_explain_main},
                {"reexec", NULL, reexec_main},          {"state", "show", state_show_main},
                {"switch", NULL, switch_main},
        };

        /* json_make_string() needs a UTF-8 locale. All else stays as in the C locale. */
        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                setlocale(LC_CTYPE, "");
        if (argc == 2 && strcmp(argv[1], "--help") == 0)
                return print(usage);
        if (argc == 2 && strcmp(argv[1], "--version") == 0)
                return print("bus1ctl " BUS1CTL_VERSION "\n");
        for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
                int words = commands[i].name ? 2 : 1;

                if (argc > words && strcmp(argv[1], commands[i].group) == 0 &&
                    (words == 1 || strcmp(argv[2], commands[i].name) == 0))
                        return commands[i].run(argc - words, argv + words);
        }
        fputs(usage, stderr);
        return STATUS_FAILED;
}
