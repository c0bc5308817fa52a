/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Complaints - log lines that clients cause
 *
 * A denial or a violation gets a line in the log, but a client must not fill the log. So a user has
 * a token bucket of lines, which refills with time. While it is empty, lines about the user are
 * only counted, and the next line that is logged is preceded by that count. To bound memory, only
 * the COMPLAINT_USERS users with the most recent lines have a bucket. When a user loses the bucket,
 * the count is lost.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log;
struct log_field;

#define COMPLAINT_BURST 100                   /* lines at once */
#define COMPLAINT_INTERVAL INT64_C(200000000) /* ns until one more line is allowed */
#define COMPLAINT_USERS 32

struct complaint_bucket {
        uint32_t uid;
        uint32_t n_lines; /* how many may still be logged */
        int64_t filled;   /* refilled up to this time (loop_now()); 0: not in use */
        uint64_t n_suppressed;
};

struct complaints {
        struct log *log;                                  /* NULL: nothing is logged */
        struct complaint_bucket buckets[COMPLAINT_USERS]; /* most recently used first */
};

/*
 * May a line about the user be logged now? If so, take it from the bucket, and set
 * *ret_n_suppressed to the number of lines about the user that were suppressed since the last
 * logged one.
 */
bool complaint_take(struct complaints *complaints, uint32_t uid, int64_t now,
                    uint64_t *ret_n_suppressed);
/* Log a warning about the user, unless too many lines about the user were logged lately. */
void complain(struct complaints *complaints, uint32_t uid, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Like complain(), at another level (LOG_LEVEL_*). */
void complain_at(struct complaints *complaints, int level, uint32_t uid, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* Like complain(), with fields for the journal. */
void complain_with(struct complaints *complaints, uint32_t uid, const struct log_field *fields,
                   size_t n_fields, const char *format, ...) __attribute__((format(printf, 5, 6)));
