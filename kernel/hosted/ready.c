// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readiness
 *
 * The core reports a queue that becomes readable while it holds the lock of that queue, so whoever
 * finds a message has its report behind him. The way back races with the next report: after the
 * eventfd was emptied the queue is looked at again, so that a report that got lost in between is
 * made up for. An eventfd that is written twice is still emptied with one read.
 */

#include "kernel/hosted/hosted.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int hosted_ready_init(struct hosted_ready *ready)
{
	*ready = (struct hosted_ready){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (ready->fd < 0)
		return -errno;

	pthread_mutex_init(&ready->lock, NULL);
	return 0;
}

void hosted_ready_destroy(struct hosted_ready *ready)
{
	close(ready->fd);
	pthread_mutex_destroy(&ready->lock);
}

static void ready_set(struct hosted_ready *ready)
{
	uint64_t one = 1;
	ssize_t l;

	/* fails only when a client filled it up, and then it is readable */
	l = write(ready->fd, &one, sizeof(one));
	(void)l;
}

static void ready_clear(struct hosted_ready *ready)
{
	uint64_t count;
	ssize_t l;

	/* fails only when it is not set */
	l = read(ready->fd, &count, sizeof(count));
	(void)l;
}

void hosted_ready_wake(struct bus1_peer *peer, void *data)
{
	ready_set(data);
}

void hosted_ready_update(struct hosted_ready *ready, bool released)
{
	struct bus1_recv recv;

	pthread_mutex_lock(&ready->lock);
	ready->moot |= released;

	/* makes the core drop what is moot at the front of the queue */
	if (ready->moot && bus1_peer_recv_begin(ready->peer, &recv) >= 0)
		bus1_peer_recv_abort(&recv);

	if (bus1_peer_poll(ready->peer) == 0) {
		ready->moot = false;
		ready_clear(ready);
		if (bus1_peer_poll(ready->peer) != 0)
			ready_set(ready);
	}
	pthread_mutex_unlock(&ready->lock);
}
