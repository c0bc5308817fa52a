/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A service and its client, run by root, whose round trips must stay short while other users attack
 */

#include "device.h"
#include <stdbool.h>

/* The host can take a CPU from the virtual machine for this long, in ms. */
#define NOISE 100.0
/*
 * While an attack runs, the longest round trip may take FACTOR times as long as the longest one
 * while other users only run busy loops, or FACTOR * NOISE if that is more.
 */
#define FACTOR 5

struct victim {
        int service, client;
        uint64_t request_node, request; /* node of the service, handle of the client */
        uint64_t reply_node, reply;     /* node of the client, handle of the service */
};

double now_ms(void);
/* Start a process of a user with a busy loop. It ends with its parent. Returns the process ID. */
pid_t start_busy(uid_t uid);
void be_busy(void) __attribute__((noreturn));
/* Kill a process and wait for it. */
void end(pid_t pid);

/*
 * Make the peers, and start the service: a process that answers each request, and drops everything
 * else that it receives. Returns the process ID.
 */
pid_t victim_start(struct victim *v);
/* Times in ms. */
struct round_trips {
        double longest, mean;
};

/* Exchange messages for this many seconds, or until the pipe (-1: none) is readable or closed. */
struct round_trips exchange(const struct victim *v, double seconds, int pipe);
/* Fail if the longest round trip during an attack exceeds the limit. All times are in ms. */
void expect_no_longer(const char *name, double attacked, double beside_loops);
