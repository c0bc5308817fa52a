/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reporting - exit statuses of bus1ctl, and its messages on standard error */

enum {
        STATUS_OK = 0,     /* allowed, or nothing found */
        STATUS_NO = 1,     /* denied, or something found */
        STATUS_FAILED = 2, /* wrong usage, an invalid configuration, out of memory */
};

/* Print a message on standard error. Returns STATUS_FAILED. */
int report_failure(const char *format, ...) __attribute__((format(printf, 1, 2)));
