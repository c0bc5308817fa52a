// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers in this process, see local.h
 */

#include "kernel/hosted/local.h"

#include <bus1/hosted.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/hosted/payload.h"
#include "libbus1/iovec.h"

#define MESSAGE_FLAGS BUS1_MESSAGE_FLAG_FDS
#define RECV_FLAGS                                                                  \
	(BUS1_RECV_FLAG_CREDENTIALS | BUS1_RECV_FLAG_PEEK | BUS1_RECV_FLAG_SECCTX | \
	 BUS1_RECV_FLAG_DISCARD)

struct local_peer {
	struct bus1_domain *domain;
	struct bus1_peer *peer;
	struct hosted_ready ready;
};

/* The n descriptors in fds are closed at the end of the scope, unless n was set to 0 before. */
struct local_fds {
	size_t n;
	int fds[BUS1_MAX_FILES];
};

static void local_fds_close(struct local_fds *fds)
{
	while (fds->n > 0)
		close(fds->fds[--fds->n]);
}

static int local_fds_add_copy(struct local_fds *fds, int fd)
{
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return -errno;

	fds->fds[fds->n++] = fd;
	return 0;
}

static int local_get_fd(void *p)
{
	struct local_peer *local = p;

	return local->ready.fd;
}

static int local_transfer(void *from, void *to, size_t n, struct bus1_transfer *src,
			  struct bus1_transfer *dst)
{
	struct local_peer *local = from, *to_local = to ?: from;

	if (to_local->domain != local->domain)
		return -EXDEV;

	return bus1_peer_transfer(local->peer, to_local->peer, src, dst, n);
}

static int local_release(void *p, size_t n, const uint64_t *ids)
{
	struct local_peer *local = p;
	int r;

	/* uint64_t and u64 can be different types of the same size. */
	r = bus1_peer_release(local->peer, (const u64 *)ids, n);
	hosted_ready_update(&local->ready);
	return r;
}

/* Make the payload of a message, with copies of its data and descriptors. */
static int local_payload_new(struct local_peer *local, const struct bus1_message *message,
			     struct bus1_payload **ret_payload)
{
	const struct bus1_message_fds *with_fds = (const void *)message;
	CLEANUP(hosted_creds_destroy) struct bus1_creds creds = {};
	CLEANUP(local_fds_close) struct local_fds fds;
	const int *from;
	size_t n_fds;
	int r;

	fds.n = 0;
	n_fds = message->flags & BUS1_MESSAGE_FLAG_FDS ? with_fds->n_fds : 0;
	if (n_fds > BUS1_MAX_FILES)
		return -EMSGSIZE;

	r = hosted_creds_init(&creds, geteuid(), getegid(), getpid(), gettid());
	if (r < 0)
		return r;

	from = n_fds > 0 ? ptr_from_u64(with_fds->ptr_fds) : NULL;
	for (size_t i = 0; i < n_fds; i++) {
		r = local_fds_add_copy(&fds, from[i]);
		if (r < 0)
			return r;
	}

	r = hosted_payload_new(local->domain, local->peer, &creds, message->n_data, fds.fds, n_fds,
			       ret_payload);
	if (r < 0)
		return r;

	fds.n = 0;
	iovec_gather((*ret_payload)->data, ptr_from_u64(message->ptr_data_vecs), message->n_data);
	return 0;
}

static int local_send(void *p, uint64_t flags, size_t n_destinations, const uint64_t *destinations,
		      int32_t *errors, struct bus1_message *message)
{
	struct local_peer *local = p;
	struct bus1_payload *payload;
	struct bus1_send send;
	int r;

	if (message->flags & ~MESSAGE_FLAGS || message->type != BUS1_MESSAGE_TYPE_USER)
		return -EINVAL;
	if (message->n_data > BUS1_MAX_DATA)
		return -EMSGSIZE;
	r = iovec_check_message(message);
	if (r < 0)
		return r;

	r = local_payload_new(local, message, &payload);
	if (r < 0)
		return r;

	send = (struct bus1_send){
		.flags = flags,
		.destinations = (const u64 *)destinations,
		.n_destinations = n_destinations,
		.errors = errors,
		.transfers = ptr_from_u64(message->ptr_transfers),
		.n_transfers = message->n_transfers,
		.payload = payload,
	};
	r = bus1_peer_send(local->peer, &send);
	bus1_payload_unref(payload);
	return r;
}

/* The sizes of a message. They are kept here until the receive has ended. */
struct local_sizes {
	size_t n_transfers;
	size_t n_data;
	size_t n_files;
};

static struct local_sizes local_get_sizes(const struct bus1_recv *recv)
{
	return (struct local_sizes){
		.n_transfers = recv->n_transfers,
		.n_data = recv->payload ? recv->payload->n_data : 0,
		.n_files = recv->payload ? recv->payload->n_files : 0,
	};
}

static void local_put_sizes(struct bus1_message *message, const struct local_sizes *sizes)
{
	message->n_transfers = sizes->n_transfers;
	message->n_data = sizes->n_data;
	if (message->flags & BUS1_MESSAGE_FLAG_FDS)
		((struct bus1_message_fds *)message)->n_fds = sizes->n_files;
}

static void local_put_metadata(struct bus1_metadata *metadata, uint64_t flags,
			       const struct bus1_metadata_credentials *credentials)
{
	if (flags & BUS1_RECV_FLAG_SECCTX)
		((struct bus1_metadata_secctx *)metadata)->n_secctx = BUS1_INVALID;
	if (flags & (BUS1_RECV_FLAG_CREDENTIALS | BUS1_RECV_FLAG_SECCTX))
		*(struct bus1_metadata_credentials *)metadata = *credentials;
	else
		*metadata = credentials->metadata;
}

/* Try once to discard the next message. Returns -ESTALE like local_recv_one(). */
static int local_discard_one(struct local_peer *local, uint64_t flags,
			     struct bus1_metadata *metadata, struct bus1_message *message)
{
	struct bus1_metadata_credentials credentials;
	struct local_sizes sizes;
	struct bus1_recv recv;
	uint64_t type;
	int r;

	r = bus1_peer_recv_begin(local->peer, &recv);
	if (r < 0)
		return r;

	type = recv.type;
	sizes = local_get_sizes(&recv);
	hosted_metadata_fill(&credentials, &recv);
	r = bus1_peer_recv_discard(&recv);
	if (r < 0)
		return r;

	local_put_metadata(metadata, flags, &credentials);
	message->type = type;
	local_put_sizes(message, &sizes);
	return 0;
}

/*
 * Try once to receive. Returns -ESTALE if the message was dropped in the meantime; then the caller
 * tries again.
 */
static int local_recv_one(struct local_peer *local, uint64_t flags, struct bus1_metadata *metadata,
			  struct bus1_message *message)
{
	struct bus1_message_fds *with_fds = (void *)message;
	struct bus1_metadata_credentials credentials;
	CLEANUP(local_fds_close) struct local_fds fds;
	struct local_sizes sizes;
	bool peek = flags & BUS1_RECV_FLAG_PEEK;
	bool takes_fds = message->flags & BUS1_MESSAGE_FLAG_FDS && !peek;
	struct bus1_transfer *transfers;
	struct bus1_recv recv;
	uint64_t type;
	int r;

	fds.n = 0;
	r = bus1_peer_recv_begin(local->peer, &recv);
	if (r < 0)
		return r;

	type = recv.type;
	sizes = local_get_sizes(&recv);

	if (sizes.n_transfers > message->n_transfers || sizes.n_data > message->n_data ||
	    (takes_fds && sizes.n_files > with_fds->n_fds)) {
		bus1_peer_recv_abort(&recv);
		local_put_sizes(message, &sizes);
		return -EMSGSIZE;
	}

	for (size_t i = 0; takes_fds && i < sizes.n_files; i++) {
		r = local_fds_add_copy(&fds, recv.payload->files[i]->fd);
		if (r < 0) {
			bus1_peer_recv_abort(&recv);
			return r;
		}
	}

	if (sizes.n_data > 0)
		iovec_scatter(ptr_from_u64(message->ptr_data_vecs), 0, recv.payload->data,
			      sizes.n_data);
	transfers = ptr_from_u64(message->ptr_transfers);
	for (size_t i = 0; i < sizes.n_transfers; i++)
		transfers[i] = bus1_recv_transfer(&recv, i);
	hosted_metadata_fill(&credentials, &recv);

	if (peek)
		bus1_peer_recv_abort(&recv);
	else
		r = bus1_peer_recv_commit(&recv);
	if (r < 0)
		return r;

	local_put_metadata(metadata, flags, &credentials);
	if (fds.n > 0)
		memcpy(ptr_from_u64(with_fds->ptr_fds), fds.fds, fds.n * sizeof(*fds.fds));
	fds.n = 0;
	message->type = type;
	local_put_sizes(message, &sizes);
	return 0;
}

static int local_recv(void *p, uint64_t flags, struct bus1_metadata *metadata,
		      struct bus1_message *message)
{
	struct local_peer *local = p;
	bool discard = flags & BUS1_RECV_FLAG_DISCARD;
	int r;

	if (flags & ~RECV_FLAGS || message->flags & ~MESSAGE_FLAGS || message->type != BUS1_INVALID)
		return -EINVAL;
	if (discard && flags & BUS1_RECV_FLAG_PEEK)
		return -EINVAL;
	r = discard ? 0 : iovec_check_message(message);
	if (r < 0)
		return r;

	do
		r = discard ? local_discard_one(local, flags, metadata, message)
			    : local_recv_one(local, flags, metadata, message);
	while (r == -ESTALE);

	hosted_ready_update(&local->ready);
	return r;
}

static int local_query(void *p, struct bus1_cmd_query *query)
{
	struct local_peer *local = p;

	return bus1_peer_query(local->peer, query);
}

static int local_disconnect(void *p)
{
	struct local_peer *local = p;

	return bus1_peer_disconnect(local->peer);
}

static int local_reset(void *p)
{
	struct local_peer *local = p;
	int r;

	r = bus1_peer_reset(local->peer);
	hosted_ready_update(&local->ready);
	return r;
}

static void local_free(void *p)
{
	struct local_peer *local = p;

	if (local->peer) {
		bus1_peer_disconnect(local->peer);
		bus1_peer_unref(local->peer);
	}
	hosted_ready_destroy(&local->ready);
	free(local);
}

static void local_freep(struct local_peer **local)
{
	if (*local)
		local_free(*local);
}

static const struct bus1_transport local_transport = {
	.name = "local",
	.get_fd = local_get_fd,
	.transfer = local_transfer,
	.release = local_release,
	.send = local_send,
	.recv = local_recv,
	.query = local_query,
	.disconnect = local_disconnect,
	.reset = local_reset,
	.free = local_free,
};

struct hosted_ready *hosted_local_ready(struct bus1_domain *domain, struct bus1_client *client)
{
	struct local_peer *local = bus1_client_get_transport_peer(client, &local_transport);

	return local && local->domain == domain ? &local->ready : NULL;
}

struct bus1_peer *hosted_local_peer(struct bus1_domain *domain, struct bus1_client *client)
{
	struct hosted_ready *ready = hosted_local_ready(domain, client);

	return ready ? ready->peer : NULL;
}

static int local_new(struct bus1_domain *domain, struct local_peer **ret_local)
{
	CLEANUP_FREE struct local_peer *local = calloc(1, sizeof(*local));
	int r;

	if (!local)
		return -ENOMEM;

	local->domain = domain;
	r = hosted_ready_init_event(&local->ready);
	if (r < 0)
		return r;

	*ret_local = steal_ptr(&local);
	return 0;
}

BUS1_EXPORT int bus1_domain_client_new(struct bus1_domain *domain, struct bus1_client **ret_client)
{
	CLEANUP(local_freep) struct local_peer *local = NULL;
	struct bus1_peer *peer;
	int r;

	r = local_new(domain, &local);
	if (r < 0)
		return r;

	peer = bus1_peer_new(domain->accounts, KUIDT_INIT(geteuid()), hosted_ready_wake,
			     &local->ready);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	local->peer = peer;
	local->ready.peer = peer;

	r = bus1_client_new_transport(ret_client, &local_transport, local);
	if (r < 0)
		return r;

	steal_ptr(&local);
	return 0;
}

int hosted_local_thaw(struct bus1_domain *domain, struct bus1_peer *peer,
		      struct hosted_ready **ret_ready, struct bus1_client **ret_client)
{
	CLEANUP(local_freep) struct local_peer *local = NULL;
	int r;

	r = local_new(domain, &local);
	if (r < 0)
		return r;

	local->ready.peer = peer;
	r = bus1_client_new_transport(ret_client, &local_transport, local);
	if (r < 0)
		return r;

	local->peer = peer;
	*ret_ready = &local->ready;
	steal_ptr(&local);
	return 0;
}
