/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The log - lines on standard error, in the syslog, or both
 *
 * If journald runs, the lines for the syslog go to the journal, with structured fields. So do the
 * lines for standard error if standard error is connected to the journal. Writing does not wait and
 * reports no errors: if an output has no room for a line, the line is lost. If the journal has no
 * room, the number of lost lines is logged after the next line that it takes.
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
        char context[64]; /* such as "[session uid=0 pid=1] "; "" until log_set_context() */
        bool to_stderr;
        bool to_syslog;
        bool stderr_is_journal;
        int syslog_fd;        /* one socket for journal and syslog; -1: not made yet */
        unsigned long n_lost; /* how many lines the journal had no room for; not reported yet */
};

/* A structured field, for programs that read the journal. */
struct log_field {
        const char *key; /* see journal_add() */
        const char *value;
};

void log_init(struct log *log, const char *program);
void log_deinit(struct log *log);
/*
 * Put the type of the bus (NULL: unknown) before the text of each line. For a session bus and for
 * an unknown type, add the uid and pid of the bus.
 */
void log_set_context(struct log *log, const char *type);
/* Write a line. A log of NULL writes nothing. */
void log_write(struct log *log, enum log_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Write a line. If it goes to the journal, it has these structured fields. */
void log_write_fields(struct log *log, enum log_level level, const struct log_field *fields,
                      size_t n_fields, const char *format, va_list args)
        __attribute__((format(printf, 5, 0)));
