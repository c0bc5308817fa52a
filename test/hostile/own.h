/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Own messages - what the members of a crowd send to themselves and to each other */

#include <stdint.h>

#include "test/hostile/scene.h"
#include "test/hostile/text.h"

#define OWN_INTERFACE "com.example.Attacker"

/* Ask for the well-known name of a member; a crowd_text. */
void own_name(struct text *t, const struct scene *scene, unsigned member);
/* A message to that name, without a body. */
void own_add(struct text *t, unsigned member, uint8_t type, uint8_t flags, unsigned n_fds);
/* A broadcast signal with an argument, or without one if it is NULL. */
void own_broadcast(struct text *t, const char *argument);
