/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/launch/complain.h"

#include <stdarg.h>
#include <stdio.h>

int complain_status(int status, const char *format, ...) {
        va_list args;

        fputs("bus1-launch: ", stderr);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        return status;
}
