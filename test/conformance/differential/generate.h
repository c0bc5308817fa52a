/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Parts of the generator: names, bodies, match rules, messages. */

#include "test/conformance/differential/world.h"

/* Any name: well-known, unique, reserved, missing, invalid. */
const char *generate_name(struct world *world);
/* Values of that signature. */
void generate_body(struct world *world, struct draft *draft, const char *signature);
void generate_rule(struct world *world, char *rule, size_t size);
/* A call, signal, reply or error, from one client to others. */
void generate_send(struct world *world, struct draft *draft, const struct client *actor);
/* A call to the bus. rule is where a match rule may be put. */
void generate_bus_call(struct world *world, struct draft *draft, struct client *actor, char *rule,
                       size_t n_rule);
/* BecomeMonitor. */
void generate_become_monitor(struct world *world, struct draft *draft);
/* Flags, sender, unknown fields, order of fields. */
void generate_trimmings(struct world *world, struct draft *draft);
