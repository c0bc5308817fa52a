// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readiness, see ready.h
 *
 * The core makes an entry final and calls hosted_ready_wake() under one hold of the lock of the
 * queue. So when a receiver has found an entry, the call for this entry is done. The call for the
 * next entry may come just before hosted_ready_update() clears the descriptor, and find the
 * descriptor still set. So hosted_ready_update() checks the queue once more after that.
 *
 * A bell is a socket pair, and not an eventfd. Client and server would share the open file of an
 * eventfd, so a client could clear O_NONBLOCK, fill the counter, and block the server. On its own
 * end of the pair the server sends with MSG_DONTWAIT, so it never waits for the client. A client
 * that takes no packets out of its end fills the socket, and sees the bell readable for ever: it
 * harms only itself.
 */

#include "kernel/hosted/ready.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
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

/*
 * Make the descriptor that the client polls readable, if there is one. The caller holds the lock.
 * An error does no harm: the descriptor is readable already, or the client does not read from it.
 */
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

void hosted_ready_wake(struct bus1_peer *peer, unsigned int n, void *data)
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

	/* The smallest buffer has room for a few packets. Nothing goes in the other direction. */
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
