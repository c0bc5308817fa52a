/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Readiness: the descriptor that a client polls
 *
 * It becomes readable when the core reports an entry of the queue. It stays readable until the
 * queue is empty, or until a receive of the client finds the queue empty. Once the peer has ended,
 * it is readable for ever. For a peer in this process it is an eventfd. For a peer in another
 * process it is one end of a socket pair, the bell: the server sends a packet when the queue
 * becomes readable, and the client takes the packet out when a reply says that the queue is not
 * readable any more.
 *
 *	core: queue becomes readable --> hosted_ready_wake()   --> descriptor is set
 *	a command took entries off   --> hosted_ready_update() --> descriptor is cleared, when the
 *								   queue is not readable any more
 */

#include <pthread.h>
#include <stdbool.h>

#include "kernel/core/core.h"

struct hosted_ready {
	struct bus1_peer *peer;
	/* serialises updates; hosted_ready_wake() never takes it */
	pthread_mutex_t update_lock;

	/* guards the following; never held while the core is called */
	pthread_mutex_t lock;
	int fd;
	bool is_bell;
	bool set;
};

/* Make an eventfd, which is ready->fd. */
int hosted_ready_init_event(struct hosted_ready *ready);
/* Make a bell that is silent until hosted_ready_renew_bell(). */
void hosted_ready_init_bell(struct hosted_ready *ready);
void hosted_ready_destroy(struct hosted_ready *ready);

/* Replace the bell by a new one. ret_fd is the client's end, which the caller closes. */
int hosted_ready_renew_bell(struct hosted_ready *ready, int *ret_fd);

/* the bus1_wake_t of a peer; data is its struct hosted_ready */
void hosted_ready_wake(struct bus1_peer *peer, unsigned int n, void *data);

/*
 * Call this after a command that may have taken entries off the queue. Returns true when it has
 * cleared the descriptor: then the client of a bell must take a packet out of it.
 */
bool hosted_ready_update(struct hosted_ready *ready);
