/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The victim
 *
 * Two processes of one user: a service, which answers every call, and a client, which takes one
 * step after the other until the harness stops it. The record of the scene has what came of it
 * while the harness let it count.
 */

#include "test/hostile/scene.h"

enum victim_step {
        VICTIM_CALLS,    /* a small call to the service */
        VICTIM_CONNECTS, /* a new connection, Hello, close */
        VICTIM_SIGNALS,  /* a block of broadcast signals; the service says how many came */
};

struct victim {
        pid_t service;
        pid_t client;
};

/*
 * Start both processes. At its end, the client makes a new connection if connect_at_end is set.
 * After a failure that they do not count, such as the loss of their connection, they end early.
 */
void victim_start(struct victim *v, struct scene *scene, enum victim_step step,
                  bool connect_at_end);
