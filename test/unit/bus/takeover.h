/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A bus takes over from the one of the fixture: the state of clients, written and read.
 *
 * The documents have, besides what the code under test writes, the numbers that a bus goes on with,
 * and for each client only that it is there.
 */

#include "bridge/state/load.h"
#include "fixture.h"

struct later;

/* What the old bus had to answer, after takeover(). */
extern struct later *owed_answers;
/*
 * What a test has given to the bus of the fixture, besides clients: called before the old bus ends,
 * while it has its clients, and when the new one is made. Both may be NULL.
 */
extern void (*takeover_end)(void);
extern void (*takeover_begin)(void);

/*
 * Write a document of the bus. Returns 0 and the bytes, which the caller frees, or a negative errno
 * and in error the text, which is "" without memory. Uses no assertions.
 */
int takeover_save(uint8_t **ret_bytes, size_t *ret_n, char error[256]);
/*
 * Free the bus with all peers, and make an empty one with so many peers that are not registered,
 * which are stored in p.
 */
void takeover_renew(struct peer **p, size_t n);
/*
 * Read a document into such a bus. Returns 0, or load->error and the text. Uses no assertions.
 */
int takeover_load(struct peer **p, size_t n_peers, const uint8_t *bytes, size_t n, char error[256]);
/*
 * Let another bus take over, with all clients, which are peers in p, in any order, and are replaced
 * there. Checks that the document of the new bus is the same, and that nobody was told anything.
 */
void takeover(struct peer **p, size_t n);
