/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Handing over - what a bus writes to a state document, and how the next one takes it over
 *
 * The first record, Process, is about the process itself. The other ones belong to the folders
 * whose structures they describe. Their order is that in which things are made: what refers to
 * another thing comes after it.
 *
 *      hand_over_begin()    the document and its record Process, before the configuration is read
 *      hand_over_load()     all other records; the bus has its configuration
 *      hand_over_end()      the bus serves: the descriptors are its own
 *      hand_over_wake()     and its clients go on
 *
 * Until hand_over_end(), nothing is sent, logged or scheduled for what the document contains, and
 * no descriptor is closed. So another program can take over if a function fails.
 */

#include "bridge/bridge.h"

/*
 * Is nothing under way that a document cannot describe? Connections that are being closed are gone
 * afterwards. 1: yes. 0: the caller asks again later. Or a negative errno that is fatal.
 */
int hand_over_come_to_rest(struct bridge *bridge);
void hand_over_save(const struct bridge *bridge, struct state_save *save);

/*
 * These return 0 or a negative errno; the text is in bridge->load.error_text. hand_over_begin()
 * returns 1 if the document is not that of this process, which then ignores it.
 */
int hand_over_begin(struct bridge *bridge);
int hand_over_load(struct bridge *bridge);
void hand_over_end(struct bridge *bridge);
/* Returns 0 or a negative errno that is fatal, like what runs in the loop. */
int hand_over_wake(struct bridge *bridge);

/* To notice whether the warnings of a configuration are new. */
uint32_t hand_over_hash_warnings(const struct bus_config *config);
