/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The table of services in use - which names can be started
 */

#include "bridge/bus/launch.h"

/* Replace the table of services by *table; *table gets the old one, which the caller frees. */
void activation_exchange_table(struct activation *activation, struct service_table **table);
/*
 * Is the table out of date, as far as this name is concerned? Then the process reads the files
 * again, and a message about the name may wait for that: docket_hold() lets it. The bus thread
 * reads no directory itself. If the files cannot be read, this table stays in use, and nobody
 * waits.
 */
bool activation_table_is_old(struct activation *activation, const char *name);
/*
 * Is name that of systemd, on a bus with --systemd-activation? The bus then waits for systemd even
 * if there is no service file of this name.
 */
bool activation_waits_for(const struct activation *activation, const char *name);
/*
 * Is there a service file for this name, or is it the name of systemd on a bus with
 * --systemd-activation? It does not matter whether the name has an owner. If it is unknown, the
 * call may wait as above.
 */
bool activation_knows(struct activation *activation, const char *name);
