/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The log - lines on standard error, in the syslog, or both
 *
 * The syslog is the journal where there is one, and gets the fields of a line as well as its text;
 * so does standard error that ends in the journal. Writing never blocks and never fails: a line for
 * which there is no room is lost.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum log_level {
        LOG_LEVEL_ERROR = 3, /* syslog's numbers */
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
};

struct log {
        const char *program;
        char context[64]; /* "[session uid=0 pid=1] ", "" before the configuration is known */
        bool to_stderr;
        bool to_syslog;
        bool stderr_is_journal;
        int syslog_fd;        /* of the journal and of syslog; -1: none yet */
        unsigned long n_lost; /* lines that the journal had no room for, not said yet */
};

/* For programs that read the journal. */
struct log_field {
        const char *key; /* upper case, digits and underscores */
        const char *value;
};

void log_init(struct log *log, const char *program);
void log_deinit(struct log *log);
/* Say in each line which bus this is; type may be NULL. */
void log_set_context(struct log *log, const char *type);
/* log may be NULL: nothing is written. */
void log_write(struct log *log, enum log_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* With fields besides the text. */
void log_write_fields(struct log *log, enum log_level level, const struct log_field *fields,
                      size_t n_fields, const char *format, va_list args)
        __attribute__((format(printf, 5, 0)));
