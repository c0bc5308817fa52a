/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Descriptors - file descriptors in messages, by the user who makes the bus hold them
 *
 * A process has at most RLIMIT_NOFILE descriptors. In addition, the kernel lets a user have only
 * this many in flight, which means sent to sockets and not received yet. If the bus reaches either
 * limit, all users lose messages. So the users divide a quarter of each, like memory (account.h).
 *
 *      FDS_HELD    in the bus: in unfinished messages, charged to the user of the connection, and
 *                  in queues, charged to the user who caused the message
 *      FDS_SENT    in sockets, charged to the user who does not read
 */

#include "bridge/bus/account.h"

/* Set the limits from RLIMIT_NOFILE. */
void fds_init(struct bus *bus);
/* May the user have n more? */
bool fds_may_take(const struct bus *bus, const struct account *account, enum fds_kind kind,
                  size_t n);
/* Charge n (0 is fine) to the account, which stays until fds_drop(). */
void fds_take(struct bus *bus, struct account *account, enum fds_kind kind, size_t n);
void fds_drop(struct bus *bus, struct account *account, enum fds_kind kind, size_t n);
