/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * A domain as plain structures, see freeze.h
 *
 * These are what a domain has beyond its core. The structures of the core are in save.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/core/save.h"

/* What comes first. */
struct hosted_frozen_domain {
	uint8_t id[16];
	uint64_t last_served; /* the greatest peer token that was given out */
	uint64_t n_served;
	uint64_t n_locals;
	struct bus1_frozen_counts core;
};

/* A peer in another process. */
struct hosted_frozen_served {
	uint64_t peer; /* the number of the core's peer */
	uint64_t id;   /* the peer token */
	uint8_t secret[16];
	uint64_t cookie; /* of the client's end, if the domain made the socket pair; else 0 */
	uint32_t gid;
	int32_t pid;
	int fd;	      /* the server's end of the socket */
	int bell_fd;  /* the server's end of the bell; -1: the client has not said hello */
	bool rung;    /* a packet waits in the bell, or will when there is one */
	bool reading; /* the client reads the payload of its first message piece by piece */
};

/* A peer in this process. */
struct hosted_frozen_local {
	uint64_t peer; /* the number of the core's peer */
	bool ready;    /* its descriptor is readable */
};

/* A payload. */
struct hosted_frozen_payload {
	uint32_t account; /* the user whose account the sender belonged to */
	uint32_t uid, gid;
	int32_t pid, tid;
	size_t n_data;
	const uint8_t *data;
	size_t n_fds;
	const int *fds;
};
