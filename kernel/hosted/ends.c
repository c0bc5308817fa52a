// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients' ends of the sockets of a domain, see ends.h
 */

#include "kernel/hosted/ends.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

void hosted_ends_init(struct hosted_ends *ends)
{
	*ends = (struct hosted_ends){};
	pthread_mutex_init(&ends->lock, NULL);
}

void hosted_ends_destroy(struct hosted_ends *ends)
{
	pthread_mutex_destroy(&ends->lock);
}

int hosted_ends_add_pair(struct hosted_ends *ends, struct hosted_pair *pair)
{
	pthread_mutex_lock(&ends->lock);
	HASH_ADD(hh, ends->pairs, cookie, sizeof(pair->cookie), pair);
	pthread_mutex_unlock(&ends->lock);
	return pair->hh.tbl ? 0 : -ENOMEM;
}

void hosted_ends_remove_pair(struct hosted_ends *ends, struct hosted_pair *pair)
{
	pthread_mutex_lock(&ends->lock);
	HASH_DELETE(hh, ends->pairs, pair);
	pthread_mutex_unlock(&ends->lock);
}

void hosted_ends_add_address(struct hosted_ends *ends, struct hosted_address *address)
{
	pthread_mutex_lock(&ends->lock);
	LL_PREPEND(ends->addresses, address);
	pthread_mutex_unlock(&ends->lock);
}

void hosted_ends_remove_address(struct hosted_ends *ends, struct hosted_address *address)
{
	pthread_mutex_lock(&ends->lock);
	LL_DELETE(ends->addresses, address);
	pthread_mutex_unlock(&ends->lock);
}

/* Is fd connected to one of the addresses? The caller holds the lock. */
static bool ends_have_connection(struct hosted_ends *ends, int fd)
{
	struct sockaddr_un un = {};
	socklen_t n = sizeof(un);

	if (getpeername(fd, (struct sockaddr *)&un, &n) < 0 || un.sun_family != AF_UNIX)
		return false;

	for (struct hosted_address *a = ends->addresses; a; a = a->next)
		if (strncmp(a->un.sun_path, un.sun_path, sizeof(un.sun_path)) == 0)
			return true;

	return false;
}

bool hosted_ends_have(struct hosted_ends *ends, int fd)
{
	struct hosted_pair *pair;
	uint64_t cookie;
	int family, type;
	socklen_t n;
	bool r;

	/*
	 * Ask for the family and the type first, because getpeername() can wait for the lock of the
	 * socket. The lock of a socket of another family may be held for long.
	 */
	n = sizeof(family);
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &n) < 0 || family != AF_UNIX)
		return false;
	n = sizeof(type);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_SEQPACKET)
		return false;
	n = sizeof(cookie);
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n) < 0)
		return false;

	pthread_mutex_lock(&ends->lock);
	HASH_FIND(hh, ends->pairs, &cookie, sizeof(cookie), pair);
	r = pair || ends_have_connection(ends, fd);
	pthread_mutex_unlock(&ends->lock);
	return r;
}
