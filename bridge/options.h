/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line: the options of dbus-daemon(1) */

#include <stdbool.h>

enum options_result {
        OPTIONS_RUN,
        OPTIONS_VERSION,
        OPTIONS_INTROSPECT,
        OPTIONS_USAGE, /* an error, or --help: usage on standard error and exit 1 */
};

struct options { /* strings point into argv, or are static */
        const char *config_file;
        bool is_standard;     /* config_file was chosen by --session or --system */
        const char *address;  /* NULL: the configured addresses */
        int print_address_fd; /* -1: the address is not printed */
        int print_pid_fd;     /* -1: the pid is not printed */
        int fork;             /* 1: yes, 0: no, -1: the configuration decides */
        bool no_pidfile;
        bool systemd_activation;
        int check_state_fd; /* -1: none; otherwise only check this state document */
        int to_syslog; /* 1: yes, 0: no, -1: yes, if the configuration says so or the bus forks */
        int to_stderr; /* 1: yes, 0: no, -1: yes, until the bus is in the background */
};

enum options_result options_parse(struct options *ret_options, int argc, char **argv);
void options_usage(const char *program);
