/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Audit - the kernel's audit log
 *
 * A security module's denials go there as USER_AVC records. Writing needs CAP_AUDIT_WRITE and
 * libaudit; where either is missing, fd stays -1 and the caller logs the denial itself.
 */

#include <sys/types.h>

struct lsm_audit {
        int fd; /* -1: there is no audit, or no right to write to it */
        /* audit_log_user_avc_message() of libaudit */
        int (*write)(int fd, int type, const char *message, const char *hostname, const char *addr,
                     const char *tty, uid_t uid);
};

/* Never fails: fd is -1 where the process may not write to the audit log. */
void lsm_audit_open(struct lsm_audit *audit);
void lsm_audit_close(struct lsm_audit *audit);
/* Write a USER_AVC record about a program of this user; nothing without a log. */
void lsm_audit_write(const struct lsm_audit *audit, const char *text, uid_t uid);
