/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line, which is that of dbus-daemon(1). Strings point into argv. */

#include <stdbool.h>

enum options_result {
        OPTIONS_RUN,
        OPTIONS_VERSION,
        OPTIONS_INTROSPECT,
        OPTIONS_USAGE, /* an error, or --help: usage on standard error and exit 1 */
};

struct options {
        const char *config_file;
        const char *address;  /* NULL: as configured */
        int print_address_fd; /* -1: do not */
        int print_pid_fd;
        int fork; /* -1: as configured; 0: no; 1: yes */
        bool no_pidfile;
        bool systemd_activation;
        int to_syslog; /* -1: as configured */
        int to_stderr; /* -1: yes, unless forked */
};

enum options_result options_parse(struct options *ret_options, int argc, char **argv);
void options_usage(const char *program);
