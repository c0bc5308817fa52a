/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Audit: records of what a security module denies. */

#include <linux/audit.h>
#include <unistd.h>

#include "bridge/lsm/audit.h"

void lsm_audit_close(struct lsm_audit *audit) {
        if (audit->fd >= 0)
                close(audit->fd);
        audit->fd = -1;
}

void lsm_audit_write(const struct lsm_audit *audit, const char *text, uid_t uid) {
        if (audit->fd >= 0)
                audit->write(audit->fd, AUDIT_USER_AVC, text, NULL, NULL, NULL, uid);
}
