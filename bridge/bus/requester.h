/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Requesters - who asked for something, for a line of the log
 *
 * Besides user, process and label, the line names the program and the unit of the process, which
 * the bus reads from /proc when it writes the line. It does not read the command line of the
 * process, because a process can make that take any time. A process chooses the name of its
 * program, and another process may have its number by then, so nothing depends on the two but the
 * log.
 */

#include <stdbool.h>

#include "bridge/bus/credentials.h"

#define REQUESTER_MAX 768

/*
 * Write 'uid=N pid=N comm="..." unit="..." label="..."' to text; what is not known is left out.
 * Returns text.
 */
const char *requester_describe(const struct client_credentials *credentials,
                               char text[static REQUESTER_MAX]);
/*
 * Read the name of the program of a process, at most 15 bytes and a '\0', as the process has set
 * it. False if it cannot be read.
 */
bool requester_read_comm(uint32_t pid, char comm[static 16]);
