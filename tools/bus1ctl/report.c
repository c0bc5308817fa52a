/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reporting: messages on standard error. */

#include "tools/bus1ctl/report.h"

#include <stdarg.h>
#include <stdio.h>

int report_failure(const char *format, ...) {
        va_list args;

        fputs("bus1ctl: ", stderr);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        return STATUS_FAILED;
}
