/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Complaints - log lines that clients cause
 *
 * A denial or a violation gets a line in the log, but a client must not fill the log. So every user
 * has a bucket of lines, which refills with time. Lines that find the bucket empty are only
 * counted, and the next line is preceded by that count. To bound memory, only the users with the
 * most recent lines have a bucket.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log;
struct log_field;

#define COMPLAINT_BURST 100                   /* lines at once */
#define COMPLAINT_INTERVAL INT64_C(200000000) /* nanoseconds until there is one more */
#define COMPLAINT_USERS 32

struct complaint_bucket {
        uint32_t uid;
        uint32_t n_lines; /* how many may still be logged */
        int64_t filled;   /* when n_lines was updated (loop_now()); 0: not in use */
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
/* Like complain(), at another level (LOG_LEVEL_*). */
void complain_at(struct complaints *complaints, int level, uint32_t uid, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* Like complain(), with fields for the journal. */
void complain_with(struct complaints *complaints, uint32_t uid, const struct log_field *fields,
                   size_t n_fields, const char *format, ...) __attribute__((format(printf, 5, 6)));
