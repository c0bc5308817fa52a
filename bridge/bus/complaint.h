/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Complaints - log lines that clients cause
 *
 * A denial or a violation is worth a line, a million of them are not: every user has a bucket of
 * lines that fills with time. What did not get into the log is counted, and the count is logged
 * when there is room again. Only the users who complained last have a bucket, so that memory is
 * bounded.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log;
struct log_field;

#define COMPLAINT_BURST 100                   /* lines at once */
#define COMPLAINT_INTERVAL INT64_C(200000000) /* one more in this time, nanoseconds */
#define COMPLAINT_USERS 32

struct complaint_bucket {
        uint32_t uid;
        uint32_t n_lines; /* that may still be logged */
        int64_t filled;   /* n_lines is up to date for this time (loop_now()); 0: not in use */
        uint64_t n_suppressed;
};

struct complaints {
        struct log *log;                                  /* NULL: nothing is logged */
        struct complaint_bucket buckets[COMPLAINT_USERS]; /* the last user first */
};

/*
 * May a line about the user be logged now? If so, *ret_n_suppressed is the number of lines about it
 * that were suppressed since the last one.
 */
bool complaint_take(struct complaints *complaints, uint32_t uid, int64_t now,
                    uint64_t *ret_n_suppressed);
/* Log a warning about the user, unless too many were logged lately. */
void complain(struct complaints *complaints, uint32_t uid, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* The same at another level (LOG_LEVEL_*). */
void complain_at(struct complaints *complaints, int level, uint32_t uid, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* With fields for the journal. */
void complain_with(struct complaints *complaints, uint32_t uid, const struct log_field *fields,
                   size_t n_fields, const char *format, ...) __attribute__((format(printf, 5, 6)));
