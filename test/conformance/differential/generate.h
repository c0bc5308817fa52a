/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Parts of the generator: names, bodies, match rules, messages. */

#include "test/conformance/differential/world.h"

/* A random name: well-known, unique, reserved, without an owner, or invalid. */
const char *generate_name(struct world *world);
/* Append random values of a signature. */
void generate_body(struct world *world, struct draft *draft, const char *signature);
void generate_rule(struct world *world, char *rule, size_t size);
/* Make a call, signal, reply or error from one client to others. */
void generate_send(struct world *world, struct draft *draft, const struct client *actor);
/* Make a call to the bus. rule is memory for a match rule. */
void generate_bus_call(struct world *world, struct draft *draft, struct client *actor, char *rule,
                       size_t n_rule);
/* Make a call of BecomeMonitor. */
void generate_become_monitor(struct world *world, struct draft *draft);
/* Choose the flags, the sender, unknown fields and the order of the fields. */
void generate_trimmings(struct world *world, struct draft *draft);
