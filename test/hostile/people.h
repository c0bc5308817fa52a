/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * People - the users of the scenes
 *
 * They are users of this machine that are neither root nor the user of the bus: dbus-daemon refuses
 * users that it cannot look up. The first one is the victim.
 */

#include <sys/types.h>

#define PEOPLE_VICTIM 0
#define PEOPLE_ATTACKER 1 /* and those after it, if there are several */

/* The user that the bus becomes. */
const char *people_bus(void);
/* Find the users, at most 1 + n_attackers. Returns the number of attackers. */
unsigned people_find(unsigned n_attackers);
/*
 * Like fork(), but the child belongs to a user and is killed when its parent ends. A failure ends
 * the program.
 */
pid_t people_fork(unsigned person);
/* A process of the user that only uses CPU time. */
pid_t people_burn(unsigned person);
