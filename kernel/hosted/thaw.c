// SPDX-License-Identifier: GPL-2.0-only
/*
 * Thawing a domain, see freeze.h
 *
 * A domain that is being thawed is complete but for three things: its served peers are not in the
 * loop, no peer wakes anybody, and nodes do not know their handles (restore.h). hosted_thaw_end()
 * adds them, in steps that cannot fail after the first one.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "kernel/core/message.h"
#include "kernel/core/peer.h"
#include "kernel/core/restore.h"
#include "kernel/hosted/freeze.h"
#include "kernel/hosted/local.h"
#include "kernel/hosted/payload.h"
#include "kernel/hosted/served.h"
#include "kernel/hosted/state.h"

struct thaw_served {
	struct hosted_served *served;
	bool reading;
};

struct thaw_local {
	struct bus1_peer *peer; /* a reference; NULL when the client has it */
	struct bus1_client *client;
	struct hosted_ready *readiness;
	bool ready;
};

struct hosted_thaw {
	struct bus1_domain *domain;
	struct bus1_restore restore;
	struct hosted_frozen_domain head;
	struct thaw_served *served;
	size_t n_served;
	struct thaw_local *locals;
	size_t n_locals;
	uint64_t *claimed; /* a bit for each descriptor that the structures have named */
	size_t n_claimed;  /* elements */
};

/* Remember a failure: after it, the thaw can only be given up. */
static int thaw_result(struct hosted_thaw *thaw, int r)
{
	return bus1_restore_result(&thaw->restore, r);
}

/* Make room for one more element, so that the array has more than n of them. */
static int reserve(void *array, size_t n, size_t size)
{
	void *grown;

	/* The room doubles whenever the number reaches a power of two. */
	if ((n & (n - 1)) != 0)
		return 0;
	grown = realloc(*(void **)array, (n > 0 ? 2 * n : 1) * size);
	if (!grown)
		return -ENOMEM;
	*(void **)array = grown;
	return 0;
}

/* descriptors */

static int claim_number(struct hosted_thaw *thaw, int fd)
{
	size_t i = (size_t)fd / 64, n = thaw->n_claimed;
	uint64_t bit = 1ULL << (fd % 64), *grown;

	if (i >= n) {
		grown = realloc(thaw->claimed, (2 * i + 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		memset(grown + n, 0, (2 * i + 1 - n) * sizeof(*grown));
		thaw->claimed = grown;
		thaw->n_claimed = 2 * i + 1;
	}
	if (thaw->claimed[i] & bit)
		return -EBADMSG;
	thaw->claimed[i] |= bit;
	return 0;
}

/* Check that a descriptor is open, and that no other structure has named it. */
static int claim_fd(struct hosted_thaw *thaw, int fd)
{
	if (fd < 0 || fcntl(fd, F_GETFD) < 0)
		return -EBADMSG;
	return claim_number(thaw, fd);
}

/* The same for a socket of a served peer. */
static int claim_socket(struct hosted_thaw *thaw, int fd)
{
	socklen_t n_family = sizeof(int), n_type = sizeof(int);
	int family, type, r;

	r = claim_fd(thaw, fd);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &n_family) < 0 || family != AF_UNIX ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n_type) < 0 || type != SOCK_SEQPACKET)
		return -EBADMSG;
	return 0;
}

/* the beginning */

static int thaw_begin(struct hosted_thaw *thaw, const struct hosted_frozen_domain *frozen)
{
	struct bus1_domain *domain;
	int r;

	r = bus1_domain_new(&thaw->domain);
	if (r < 0)
		return r;
	domain = thaw->domain;
	r = bus1_restore_begin(&thaw->restore, domain->accounts, &frozen->core);
	if (r < 0)
		return r;
	if (frozen->last_served > BUS1_RESTORE_MAX)
		return -EBADMSG;

	memcpy(domain->id, frozen->id, sizeof(domain->id));
	domain->last_served = frozen->last_served;
	thaw->head = *frozen;
	/* The structures do not mean the descriptors of the new domain. */
	r = claim_number(thaw, domain->loop.epoll_fd);
	return r < 0 ? r : claim_number(thaw, domain->loop.timer.fd);
}

int hosted_thaw_new(const struct hosted_frozen_domain *frozen, struct hosted_thaw **ret_thaw)
{
	struct hosted_thaw *thaw = calloc(1, sizeof(*thaw));
	int r;

	if (!thaw)
		return -ENOMEM;
	r = thaw_begin(thaw, frozen);
	if (r < 0)
		hosted_thaw_free(thaw);
	else
		*ret_thaw = thaw;
	return r;
}

struct hosted_thaw *hosted_thaw_free(struct hosted_thaw *thaw)
{
	if (!thaw)
		return NULL;

	if (thaw->domain)
		hosted_let_go(thaw->domain);
	for (size_t i = 0; i < thaw->restore.payloads.n; i++)
		hosted_payload_let_go(bus1_restore_payload_at(&thaw->restore, i)->payload);
	bus1_restore_abort(&thaw->restore);
	for (size_t i = 0; i < thaw->n_locals; i++) {
		bus1_client_free(thaw->locals[i].client);
		bus1_peer_unref(thaw->locals[i].peer);
	}
	bus1_domain_free(thaw->domain);
	free(thaw->served);
	free(thaw->locals);
	free(thaw->claimed);
	free(thaw);
	return NULL;
}

/* one structure after the other */

/* Whether the peers have come, and those that use them have not yet. */
static bool peers_are_due(const struct hosted_thaw *thaw)
{
	return !thaw->restore.failed && thaw->restore.peers.n == thaw->head.core.n_peers &&
	       thaw->restore.nodes.n == 0;
}

int hosted_thaw_peer(struct hosted_thaw *thaw, const struct bus1_frozen_peer *frozen)
{
	return bus1_restore_peer(&thaw->restore, frozen);
}

static int thaw_served(struct hosted_thaw *thaw, const struct hosted_frozen_served *frozen)
{
	struct bus1_domain *domain = thaw->domain;
	struct thaw_served *last = thaw->n_served > 0 ? &thaw->served[thaw->n_served - 1] : NULL;
	struct hosted_served *served;
	struct hosted_pair *pair;
	struct hosted_user *user;
	struct bus1_peer *peer;
	int r;

	if (!peers_are_due(thaw) || thaw->n_locals > 0 || thaw->n_served >= thaw->head.n_served ||
	    frozen->id > domain->last_served || frozen->id <= (last ? last->served->id : 0))
		return -EBADMSG;
	HASH_FIND(hh, domain->ends.pairs, &frozen->cookie, sizeof(frozen->cookie), pair);
	if (pair)
		return -EBADMSG;
	r = claim_socket(thaw, frozen->fd);
	if (r >= 0 && frozen->bell_fd != -1)
		r = claim_socket(thaw, frozen->bell_fd);
	if (r >= 0)
		r = reserve(&thaw->served, thaw->n_served, sizeof(*thaw->served));
	if (r >= 0)
		r = bus1_restore_claim(&thaw->restore, frozen->peer, &peer);
	if (r < 0)
		return r;

	r = hosted_user_ref(&domain->users, __kuid_val(bus1_peer_uid(peer)), SIZE_MAX, &user);
	if (r >= 0) {
		r = hosted_served_thaw(domain, frozen, peer, user, &served);
		if (r < 0)
			hosted_user_unref(&domain->users, user);
	}
	if (r < 0) {
		bus1_peer_disconnect(peer);
		bus1_peer_unref(peer);
		return r;
	}
	thaw->served[thaw->n_served++] = (struct thaw_served){ served, frozen->reading };
	return 0;
}

int hosted_thaw_served(struct hosted_thaw *thaw, const struct hosted_frozen_served *frozen)
{
	return thaw_result(thaw, thaw_served(thaw, frozen));
}

static int thaw_local(struct hosted_thaw *thaw, const struct hosted_frozen_local *frozen)
{
	struct bus1_peer *peer;
	int r;

	if (!peers_are_due(thaw) || thaw->n_served != thaw->head.n_served ||
	    thaw->n_locals >= thaw->head.n_locals)
		return -EBADMSG;
	r = reserve(&thaw->locals, thaw->n_locals, sizeof(*thaw->locals));
	if (r >= 0)
		r = bus1_restore_claim(&thaw->restore, frozen->peer, &peer);
	if (r < 0)
		return r;
	thaw->locals[thaw->n_locals++] =
		(struct thaw_local){ .peer = peer, .ready = frozen->ready };
	return 0;
}

int hosted_thaw_local(struct hosted_thaw *thaw, const struct hosted_frozen_local *frozen)
{
	return thaw_result(thaw, thaw_local(thaw, frozen));
}

int hosted_thaw_node(struct hosted_thaw *thaw, const struct bus1_frozen_node *frozen)
{
	if (thaw->n_served != thaw->head.n_served || thaw->n_locals != thaw->head.n_locals)
		return thaw_result(thaw, -EBADMSG);
	return bus1_restore_node(&thaw->restore, frozen);
}

int hosted_thaw_handle(struct hosted_thaw *thaw, const struct bus1_frozen_handle *frozen)
{
	return bus1_restore_handle(&thaw->restore, frozen);
}

static int thaw_payload(struct hosted_thaw *thaw, const struct hosted_frozen_payload *frozen)
{
	CLEANUP(hosted_payload_unrefp) struct bus1_payload *payload = NULL;
	int r;

	if (frozen->n_data > BUS1_MAX_DATA || frozen->n_fds > BUS1_MAX_FILES)
		return -EBADMSG;
	for (size_t i = 0; i < frozen->n_fds; i++) {
		r = claim_fd(thaw, frozen->fds[i]);
		if (r < 0)
			return r;
		if (hosted_ends_have(&thaw->domain->ends, frozen->fds[i]))
			return -EBADMSG;
	}

	r = hosted_payload_thaw(frozen, &payload);
	if (r < 0)
		return r;
	r = bus1_restore_payload(&thaw->restore, payload, frozen->account);
	if (r < 0)
		hosted_payload_let_go(payload);
	return r;
}

int hosted_thaw_payload(struct hosted_thaw *thaw, const struct hosted_frozen_payload *frozen)
{
	return thaw_result(thaw, thaw_payload(thaw, frozen));
}

int hosted_thaw_message(struct hosted_thaw *thaw, const struct bus1_frozen_message *frozen)
{
	return bus1_restore_message(&thaw->restore, frozen);
}

int hosted_thaw_notification(struct hosted_thaw *thaw,
			     const struct bus1_frozen_notification *frozen)
{
	return bus1_restore_notification(&thaw->restore, frozen);
}

/* the end */

/*
 * Find the payload that the client of a served peer reads. It is that of the first message, and
 * has more data than a reply can have.
 */
static int end_reading(struct thaw_served *thawed)
{
	struct bus1_queue_entry *entry = bus1_queue_peek(&thawed->served->peer->queue);
	const struct bus1_payload *payload;

	if (!thawed->reading)
		return 0;
	if (!entry || entry->type != BUS1_ENTRY_MESSAGE)
		return -EBADMSG;
	payload = bus1_delivery_from_entry(entry)->payload;
	if (payload->n_data <= BUS1_HOSTED_DATA_INLINE_MAX)
		return -EBADMSG;
	thawed->served->reading = payload;
	return 0;
}

/* A client whose queue is readable has been told so, because it will not be told again. */
static bool is_told(struct bus1_peer *peer, bool told)
{
	return told || bus1_peer_poll(peer) == 0;
}

static int end_served(struct hosted_thaw *thaw)
{
	int r;

	for (size_t i = 0; i < thaw->n_served; i++) {
		struct hosted_served *served = thaw->served[i].served;

		if (!is_told(served->peer, served->ready.set))
			return -EBADMSG;
		r = end_reading(&thaw->served[i]);
		if (r < 0)
			return r;
		r = hosted_loop_add(&thaw->domain->loop, &served->source);
		if (r < 0)
			return r;
	}
	return 0;
}

static int end_locals(struct hosted_thaw *thaw)
{
	int r;

	for (size_t i = 0; i < thaw->n_locals; i++) {
		struct thaw_local *local = &thaw->locals[i];

		if (!is_told(local->peer, local->ready))
			return -EBADMSG;
		r = hosted_local_thaw(thaw->domain, local->peer, &local->readiness, &local->client);
		if (r < 0)
			return r;
		local->peer = NULL;
	}
	return 0;
}

static void end_wakes(struct hosted_thaw *thaw)
{
	for (size_t i = 0; i < thaw->n_served; i++) {
		struct hosted_served *served = thaw->served[i].served;

		bus1_restore_wake(served->peer, hosted_ready_wake, &served->ready);
	}
	for (size_t i = 0; i < thaw->n_locals; i++) {
		struct hosted_ready *ready = thaw->locals[i].readiness;

		/* Its descriptor is a new one. */
		if (thaw->locals[i].ready)
			hosted_ready_wake(ready->peer, 1, ready);
		bus1_restore_wake(ready->peer, hosted_ready_wake, ready);
	}
}

int hosted_thaw_end(struct hosted_thaw *thaw, struct bus1_domain **ret_domain,
		    struct bus1_client **ret_clients, size_t n_clients)
{
	int r;

	if (thaw->restore.failed || thaw->n_served != thaw->head.n_served ||
	    thaw->n_locals != thaw->head.n_locals || n_clients != thaw->n_locals)
		return thaw_result(thaw, -EBADMSG);
	r = end_served(thaw);
	if (r >= 0)
		r = end_locals(thaw);
	if (r >= 0)
		r = bus1_restore_end(&thaw->restore);
	if (r < 0)
		return thaw_result(thaw, r);

	end_wakes(thaw);
	for (size_t i = 0; i < n_clients; i++) {
		ret_clients[i] = thaw->locals[i].client;
		thaw->locals[i].client = NULL;
	}
	*ret_domain = steal_ptr(&thaw->domain);
	hosted_thaw_free(thaw);
	return 0;
}
