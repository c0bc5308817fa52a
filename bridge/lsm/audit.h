/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Audit - USER_AVC records in the kernel's audit log, about verdicts of security modules
 *
 * Writing needs libaudit, a kernel with audit, and CAP_AUDIT_WRITE. If a record cannot be written,
 * the caller writes its text to the log of the bus.
 */

#include <stdbool.h>
#include <sys/types.h>

struct lsm_audit {
        int fd; /* -1: there is no libaudit or no audit in the kernel */
        /* audit_log_user_avc_message() of libaudit */
        int (*write)(int fd, int type, const char *message, const char *hostname, const char *addr,
                     const char *tty, uid_t uid);
};

void lsm_audit_open(struct lsm_audit *audit);
void lsm_audit_close(struct lsm_audit *audit);
/* Write a record about a program of this user. Returns whether the kernel has taken it. */
bool lsm_audit_write(const struct lsm_audit *audit, const char *text, uid_t uid);
