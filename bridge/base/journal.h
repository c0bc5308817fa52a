/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The journal - entries with fields, in journald's native protocol
 *
 * An entry is one datagram of KEY=value lines. A value with line breaks is sent as the key, a line
 * break, the length in 64 bits, the value, and a line break (systemd.io/JOURNAL_NATIVE_PROTOCOL). A
 * field that does not fit into the entry is left out. A value is cut to JOURNAL_VALUE_MAX bytes.
 *
 * sd_journal_sendv() of libsystemd is not used: it blocks when journald does not keep up.
 */

#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_ENTRY_MAX 16384
#define JOURNAL_VALUE_MAX 2048

struct journal_entry {
        size_t n;
        char data[JOURNAL_ENTRY_MAX];
};

/*
 * Add a field. journald accepts keys of upper-case letters, digits and underscores that start with
 * a letter.
 */
void journal_add(struct journal_entry *entry, const char *key, const char *value, size_t n);

/*
 * Send an entry to journald through the socket *fd. If *fd is -1, a socket is made, which the
 * caller closes. Never blocks. Returns 0, -EAGAIN if journald does not keep up, or another negative
 * errno, for example if there is no journald.
 */
int journal_send(int *fd, const struct journal_entry *entry);

/* Is the descriptor connected to the journal, so that each line written becomes an entry? */
bool journal_has(int fd);
