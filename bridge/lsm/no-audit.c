/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Audit, in builds without libaudit: nothing. */

#include "bridge/lsm/lsm.h"

void lsm_audit_open(struct lsm_audit *audit) {
        *audit = (struct lsm_audit){.fd = -1};
}

void lsm_audit_close(struct lsm_audit *audit) {
}

void lsm_audit_write(const struct lsm_audit *audit, const char *text, uid_t uid) {
}
