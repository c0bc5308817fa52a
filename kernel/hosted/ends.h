/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Clients' ends of the sockets of a domain
 *
 * A message that holds the client's end of a peer's socket keeps this peer alive. If the message
 * waits in the queue of the same peer, both stay for ever. So payload.c refuses such descriptors.
 * It has to recognise two kinds:
 *
 *	a socket pair of the domain	recognised by the kernel's cookie of the client's socket
 *	a connection to a listener	recognised by the address that it is connected to
 *
 * Only the thread that serves adds and removes entries. Any thread may call hosted_ends_have().
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "kernel/hosted/hash.h"

/* The client's end of a socket pair. The kernel gave the socket the cookie; 0: there is no pair. */
struct hosted_pair {
	uint64_t cookie;
	UT_hash_handle hh;
};

/* The address of a listening socket. */
struct hosted_address {
	struct sockaddr_un un;
	struct hosted_address *next;
};

struct hosted_ends {
	pthread_mutex_t lock; /* guards the following */
	struct hosted_pair *pairs;
	struct hosted_address *addresses;
};

void hosted_ends_init(struct hosted_ends *ends);
void hosted_ends_destroy(struct hosted_ends *ends);

/* Adding a pair can fail with -ENOMEM. Remove only what was added. */
int hosted_ends_add_pair(struct hosted_ends *ends, struct hosted_pair *pair);
void hosted_ends_remove_pair(struct hosted_ends *ends, struct hosted_pair *pair);
void hosted_ends_add_address(struct hosted_ends *ends, struct hosted_address *address);
void hosted_ends_remove_address(struct hosted_ends *ends, struct hosted_address *address);

/* Is fd the client's end of a peer's socket? */
bool hosted_ends_have(struct hosted_ends *ends, int fd);
