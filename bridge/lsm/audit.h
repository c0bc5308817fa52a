/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Audit - USER_AVC records in the kernel's audit log, about verdicts of security modules
 *
 * Writing needs CAP_AUDIT_WRITE and libaudit. If either is missing, fd stays -1 and the caller
 * writes the text of the record to the log of the bus.
 */

#include <sys/types.h>

struct lsm_audit {
        int fd; /* -1: the process cannot write to the audit log */
        /* audit_log_user_avc_message() of libaudit */
        int (*write)(int fd, int type, const char *message, const char *hostname, const char *addr,
                     const char *tty, uid_t uid);
};

void lsm_audit_open(struct lsm_audit *audit);
void lsm_audit_close(struct lsm_audit *audit);
/* Write a record about a program of this user. Does nothing if fd is -1. */
void lsm_audit_write(const struct lsm_audit *audit, const char *text, uid_t uid);
