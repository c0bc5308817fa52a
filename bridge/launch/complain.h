/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Complaints of bus1-launch - lines on standard error, which systemd connects to the journal */

/* Print a line that says what is wrong. Returns status. */
int complain_status(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
