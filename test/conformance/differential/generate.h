/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Parts of the generator: names, bodies, match rules, messages. */

#include "test/conformance/differential/world.h"

/* A random name: well-known, unique, reserved, without an owner, or invalid. */
const char *generate_name(struct world *world);
/* Append random values of the signature to the body, and make it the signature of the draft. */
void generate_body(struct world *world, struct draft *draft, const char *signature);
void generate_rule(struct world *world, char *rule, size_t size);
/* Make a call, signal, return or error of a client, with any destination or none. */
void generate_send(struct world *world, struct draft *draft, const struct client *actor);
/* Make a call to the bus. rule is memory for a match rule. */
void generate_bus_call(struct world *world, struct draft *draft, struct client *actor, char *rule,
                       size_t n_rule);
/* Make a call to BecomeMonitor. */
void generate_become_monitor(struct world *world, struct draft *draft);
/* Choose the flags, SENDER, unknown header fields and the order of the header fields. */
void generate_trimmings(struct world *world, struct draft *draft);
