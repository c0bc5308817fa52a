/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The value of an option follows after '=' or is the next word. */

#include "bridge/options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"

struct parser {
        struct options *options;
        char **argv;
        int argc;
        int at;
        bool failed;
};

/* Is the current word this option? *ret_value gets the value after '=', or NULL. */
static bool is_option(const struct parser *p, const char *option, const char **ret_value) {
        const char *word = p->argv[p->at];
        size_t n = strlen(option);

        if (strncmp(word, option, n) != 0 || (word[n] != '\0' && word[n] != '='))
                return false;
        *ret_value = word[n] == '=' ? word + n + 1 : NULL;
        return true;
}

/* Print the error (NULL: the usage is enough), and make options_parse() fail. */
static bool fail(struct parser *p, const char *what, const char *word) {
        if (what)
                fprintf(stderr, "%s%s%s\n", what, word ? ": " : "", word ? word : "");
        p->failed = true;
        return true;
}

/* Get the value of an option that must have one. False: there is none. */
static bool take_value(struct parser *p, const char **value) {
        if (!*value && p->at + 1 < p->argc)
                *value = p->argv[++p->at];
        return *value != NULL;
}

static bool set_config(struct parser *p, const char *file) {
        if (p->options->config_file)
                return fail(p, "Only one configuration can be chosen", file);
        p->options->config_file = file;
        return true;
}

static bool set_standard(struct parser *p, const char *file) {
        p->options->is_standard = true;
        return set_config(p, file);
}

static bool parse_fd(struct parser *p, int *fd, const char *value) {
        char *end;
        long n;

        errno = 0;
        n = strtol(value, &end, 10);
        if (errno || end == value || *end || n < 0 || n > INT_MAX)
                return fail(p, "Invalid file descriptor", value);
        *fd = (int)n;
        return true;
}

/* Get the descriptor of --print-address or --print-pid, which is optional. */
static bool set_fd(struct parser *p, int *fd, const char *value) {
        if (*fd >= 0)
                return fail(p, "--print-address or --print-pid was given twice", NULL);
        if (!value && p->at + 1 < p->argc && p->argv[p->at + 1][0] != '-')
                value = p->argv[++p->at];
        if (!value || !*value) {
                *fd = 1;
                return true;
        }

        return parse_fd(p, fd, value);
}

static bool parse_value_option(struct parser *p) {
        struct options *o = p->options;
        const char *value;

        if (is_option(p, "--config-file", &value))
                return take_value(p, &value) ? set_config(p, value) : fail(p, NULL, NULL);
        if (is_option(p, "--address", &value)) {
                if (!take_value(p, &value))
                        return fail(p, NULL, NULL);
                if (!*value) /* like dbus-daemon: listen on the configured addresses */
                        return true;
                if (!strchr(value, ':'))
                        return fail(p, "The address has no colon", value);
                o->address = value;
                return true;
        }
        if (is_option(p, "--print-address", &value))
                return set_fd(p, &o->print_address_fd, value);
        if (is_option(p, "--print-pid", &value))
                return set_fd(p, &o->print_pid_fd, value);
        if (is_option(p, "--check-state", &value))
                return take_value(p, &value) ? parse_fd(p, &o->check_state_fd, value)
                                             : fail(p, NULL, NULL);
        return false;
}

static bool parse_plain_option(struct parser *p) {
        const char *word = p->argv[p->at];
        struct options *o = p->options;

        if (strcmp(word, "--session") == 0)
                return set_standard(p, BUS_CONFIG_SESSION);
        if (strcmp(word, "--system") == 0)
                return set_standard(p, BUS_CONFIG_SYSTEM);
        if (strcmp(word, "--fork") == 0)
                o->fork = 1;
        else if (strcmp(word, "--nofork") == 0)
                o->fork = 0;
        else if (strcmp(word, "--nopidfile") == 0)
                o->no_pidfile = true;
        else if (strcmp(word, "--systemd-activation") == 0)
                o->systemd_activation = true;
        else if (strcmp(word, "--syslog") == 0)
                o->to_syslog = o->to_stderr = 1;
        else if (strcmp(word, "--syslog-only") == 0) {
                o->to_syslog = 1;
                o->to_stderr = 0;
        } else if (strcmp(word, "--nosyslog") == 0) {
                o->to_syslog = 0;
                o->to_stderr = 1;
        } else
                return false;
        return true;
}

enum options_result options_parse(struct options *ret_options, int argc, char **argv) {
        struct parser p = {.options = ret_options, .argc = argc, .argv = argv, .at = 1};

        *ret_options = (struct options){
                .print_address_fd = -1,
                .print_pid_fd = -1,
                .fork = -1,
                .check_state_fd = -1,
                .to_syslog = -1,
                .to_stderr = -1,
        };

        for (; p.at < argc; p.at++) {
                if (strcmp(argv[p.at], "--version") == 0)
                        return OPTIONS_VERSION;
                if (strcmp(argv[p.at], "--introspect") == 0)
                        return OPTIONS_INTROSPECT;
                if ((!parse_value_option(&p) && !parse_plain_option(&p)) || p.failed)
                        return OPTIONS_USAGE;
        }
        if (!ret_options->config_file || !*ret_options->config_file) {
                fprintf(stderr, "No configuration file specified.\n");
                return OPTIONS_USAGE;
        }
        return OPTIONS_RUN;
}

void options_usage(const char *program) {
        fprintf(stderr,
                "%s [--version] [--session] [--system] [--config-file=FILE] "
                "[--print-address[=DESCRIPTOR]] [--print-pid[=DESCRIPTOR]] [--introspect] "
                "[--address=ADDRESS] [--nopidfile] [--nofork] [--fork] [--nosyslog] [--syslog] "
                "[--syslog-only] [--systemd-activation] [--check-state=DESCRIPTOR]\n",
                program);
}
