/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The log - lines on standard error, in the syslog, or both
 *
 * Writing never blocks and never fails: a line for which there is no room is lost.
 */

#include <stdarg.h>
#include <stdbool.h>

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
        int syslog_fd; /* -1: not connected */
};

void log_init(struct log *log, const char *program);
void log_deinit(struct log *log);
/* Say in each line which bus this is; type may be NULL. */
void log_set_context(struct log *log, const char *type);
/* log may be NULL: nothing is written. */
void log_write(struct log *log, enum log_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void log_write_va(struct log *log, enum log_level level, const char *format, va_list args)
        __attribute__((format(printf, 3, 0)));
