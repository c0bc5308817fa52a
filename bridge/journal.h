/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The journal - entries with fields, in journald's native protocol
 *
 * An entry is one datagram: KEY=value lines, or, for values with line breaks, the key, a line
 * break, the length and the value (systemd.io/JOURNAL_NATIVE_PROTOCOL). It is made in place; a
 * field for which there is no room is left out, a long value is cut.
 */

#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_ENTRY_MAX 16384
#define JOURNAL_VALUE_MAX 2048

struct journal_entry {
        size_t n;
        char data[JOURNAL_ENTRY_MAX];
};

/* key is one that journald takes: upper case, digits and underscores. */
void journal_add(struct journal_entry *entry, const char *key, const char *value, size_t n);

/*
 * Send to journald from *fd, a socket that is made when it is -1. Never blocks. Returns 0, -EAGAIN
 * when journald does not keep up, or another errno when there is none.
 */
int journal_send(int *fd, const struct journal_entry *entry);

/* Whether what is written to this descriptor goes to the journal anyway, line by line. */
bool journal_has(int fd);
