/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Complaints: token buckets of the users, in order of last use. */

#include "bridge/bus/complaint.h"

#include <stdarg.h>
#include <string.h>

#include "bridge/base/log.h"
#include "bridge/base/loop.h"

/*
 * Move the user's bucket to the front. A new bucket takes an unused place, or else that of the
 * least recently used one.
 */
static struct complaint_bucket *find_bucket(struct complaints *complaints, uint32_t uid,
                                            int64_t now) {
        struct complaint_bucket *buckets = complaints->buckets, found;
        size_t i;

        for (i = 0; i < COMPLAINT_USERS - 1; i++)
                if (buckets[i].filled == 0 || buckets[i].uid == uid)
                        break;

        found = buckets[i];
        if (found.filled == 0 || found.uid != uid)
                found = (struct complaint_bucket){
                        .uid = uid,
                        .n_lines = COMPLAINT_BURST,
                        .filled = now,
                };
        memmove(buckets + 1, buckets, i * sizeof(*buckets));
        buckets[0] = found;
        return buckets;
}

bool complaint_take(struct complaints *complaints, uint32_t uid, int64_t now,
                    uint64_t *ret_n_suppressed) {
        struct complaint_bucket *bucket = find_bucket(complaints, uid, now);
        int64_t n = (now - bucket->filled) / COMPLAINT_INTERVAL;

        bucket->filled += n * COMPLAINT_INTERVAL;
        if (n > COMPLAINT_BURST - (int64_t)bucket->n_lines)
                bucket->n_lines = COMPLAINT_BURST;
        else
                bucket->n_lines += n;

        if (bucket->n_lines == 0) {
                bucket->n_suppressed++;
                return false;
        }
        bucket->n_lines--;
        *ret_n_suppressed = bucket->n_suppressed;
        bucket->n_suppressed = 0;
        return true;
}

__attribute__((format(printf, 6, 0))) static void
complain_va(struct complaints *complaints, enum log_level level, uint32_t uid,
            const struct log_field *fields, size_t n_fields, const char *format, va_list args) {
        uint64_t n_suppressed;

        if (!complaints->log || !complaint_take(complaints, uid, loop_now(), &n_suppressed))
                return;
        if (n_suppressed > 0)
                log_write(complaints->log, LOG_LEVEL_WARNING,
                          "%llu log lines about uid=%d were suppressed, there were too many",
                          (unsigned long long)n_suppressed, (int)uid);
        log_write_fields(complaints->log, level, fields, n_fields, format, args);
}

void complain(struct complaints *complaints, uint32_t uid, const char *format, ...) {
        va_list args;

        va_start(args, format);
        complain_va(complaints, LOG_LEVEL_WARNING, uid, NULL, 0, format, args);
        va_end(args);
}

void complain_at(struct complaints *complaints, int level, uint32_t uid, const char *format, ...) {
        va_list args;

        va_start(args, format);
        complain_va(complaints, level, uid, NULL, 0, format, args);
        va_end(args);
}

void complain_with(struct complaints *complaints, uint32_t uid, const struct log_field *fields,
                   size_t n_fields, const char *format, ...) {
        va_list args;

        va_start(args, format);
        complain_va(complaints, LOG_LEVEL_WARNING, uid, fields, n_fields, format, args);
        va_end(args);
}
