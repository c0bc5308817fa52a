/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/lsm/audit.h"

#include <linux/audit.h>
#include <unistd.h>

#include "bridge/lsm/library.h"

#if LSM_AUDIT
#include <libaudit.h>

struct functions {
        __typeof__(&audit_open) open;
        __typeof__(&audit_log_user_avc_message) write;
};

void lsm_audit_open(struct lsm_audit *audit) {
        static const struct lsm_symbol symbols[] = {
                {"audit_open", offsetof(struct functions, open)},
                {"audit_log_user_avc_message", offsetof(struct functions, write)},
        };
        struct functions functions;
        const char *error;

        *audit = (struct lsm_audit){.fd = -1};
        if (LSM_LIBRARY_LOAD("libaudit.so.1", symbols, &functions, &error) < 0)
                return;
        audit->write = functions.write;
        audit->fd = functions.open();
}
#else
void lsm_audit_open(struct lsm_audit *audit) {
        *audit = (struct lsm_audit){.fd = -1};
}
#endif

void lsm_audit_close(struct lsm_audit *audit) {
        if (audit->fd >= 0)
                close(audit->fd);
        audit->fd = -1;
}

bool lsm_audit_write(const struct lsm_audit *audit, const char *text, uid_t uid) {
        return audit->fd >= 0 &&
               audit->write(audit->fd, AUDIT_USER_AVC, text, NULL, NULL, NULL, uid) > 0;
}
