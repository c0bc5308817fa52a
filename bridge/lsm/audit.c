/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Audit: loads libaudit and opens the log. */

#include <libaudit.h>

#include "bridge/lsm/audit.h"
#include "bridge/lsm/library.h"

#define LIBRARY "libaudit.so.1"

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
        if (lsm_library_load(LIBRARY, symbols, sizeof(symbols) / sizeof(*symbols), &functions,
                             &error) < 0)
                return;
        audit->write = functions.write;
        audit->fd = functions.open();
}
