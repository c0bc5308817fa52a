// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readiness
 *
 * The core reports a queue that becomes readable while it holds the lock of that queue, so whoever
 * finds a message has its report behind him. The way back races with the next report: after the
 * descriptor was cleared the queue is looked at again, which makes up for a report that came in
 * between and found it still set.
 *
 * A bell is a socket pair. The client can not be given an eventfd of the server: its O_NONBLOCK
 * belongs to whoever has the file, and a counter at its maximum would then block the server. So the
 * server only ever sends on its own end, which never waits for what the client does with the other.
 * The client takes one packet out for each time the queue was emptied; a client that does not fills
 * up the socket, and only deceives himself.
 */

#include "kernel/hosted/hosted.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void ready_init(struct hosted_ready *ready, int fd, bool is_bell)
{
	*ready = (struct hosted_ready){ .fd = fd, .is_bell = is_bell };
	pthread_mutex_init(&ready->update_lock, NULL);
	pthread_mutex_init(&ready->lock, NULL);
}

int hosted_ready_init_event(struct hosted_ready *ready)
{
	int fd;

	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;

	ready_init(ready, fd, false);
	return 0;
}

void hosted_ready_init_bell(struct hosted_ready *ready)
{
	ready_init(ready, -1, true);
}

void hosted_ready_destroy(struct hosted_ready *ready)
{
	if (ready->fd >= 0)
		close(ready->fd);
	pthread_mutex_destroy(&ready->lock);
	pthread_mutex_destroy(&ready->update_lock);
}

/* Under the lock. A failure means that it is set as it is, or that nobody is there. */
static void ready_signal(struct hosted_ready *ready)
{
	uint64_t one = 1;
	ssize_t l = 0;

	if (!ready->is_bell)
		l = write(ready->fd, &one, sizeof(one));
	else if (ready->fd >= 0)
		l = send(ready->fd, &one, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)l;
}

static void ready_set(struct hosted_ready *ready)
{
	pthread_mutex_lock(&ready->lock);
	if (!ready->set) {
		ready->set = true;
		ready_signal(ready);
	}
	pthread_mutex_unlock(&ready->lock);
}

static bool ready_clear(struct hosted_ready *ready)
{
	uint64_t count;
	ssize_t l;
	bool was_set;

	pthread_mutex_lock(&ready->lock);
	was_set = ready->set;
	ready->set = false;
	if (was_set && !ready->is_bell) {
		l = read(ready->fd, &count, sizeof(count));
		(void)l;
	}
	pthread_mutex_unlock(&ready->lock);
	return was_set;
}

void hosted_ready_wake(struct bus1_peer *peer, void *data)
{
	ready_set(data);
}

bool hosted_ready_update(struct hosted_ready *ready)
{
	bool cleared = false;

	pthread_mutex_lock(&ready->update_lock);
	if (bus1_peer_poll(ready->peer) == 0) {
		cleared = ready_clear(ready);
		if (bus1_peer_poll(ready->peer) != 0)
			ready_set(ready);
	}
	pthread_mutex_unlock(&ready->update_lock);
	return cleared;
}

int hosted_ready_renew_bell(struct hosted_ready *ready, int *ret_fd)
{
	int fds[2], size = 1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;

	/* the least there is: a packet or two, and nothing in the other direction */
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	shutdown(fds[0], SHUT_RD);

	pthread_mutex_lock(&ready->lock);
	if (ready->fd >= 0)
		close(ready->fd);
	ready->fd = fds[0];
	if (ready->set)
		ready_signal(ready);
	pthread_mutex_unlock(&ready->lock);

	*ret_fd = fds[1];
	return 0;
}
