// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers in this process
 *
 * A transport of libbus1 right on the core: commands are calls, descriptors are duplicated on their
 * way in and out. Any number of threads may use one peer.
 */

#include "kernel/hosted/hosted.h"

#include <bus1/transport.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libbus1/iovec.h"

#define MESSAGE_FLAGS BUS1_MESSAGE_FLAG_FDS
#define RECV_FLAGS (BUS1_RECV_FLAG_CREDENTIALS | BUS1_RECV_FLAG_PEEK | BUS1_RECV_FLAG_SECCTX)

struct local_peer {
	struct bus1_domain *domain;
	struct bus1_peer *peer;
	struct hosted_ready ready;
};

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
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

	/* uint64_t and __u64 are different types of the same size */
	r = bus1_peer_release(local->peer, (const u64 *)ids, n);
	hosted_ready_update(&local->ready);
	return r;
}

/* The payload of a message, with everything of it copied. */
static int local_payload_new(struct local_peer *local, const struct bus1_message *message,
			     struct bus1_payload **ret_payload)
{
	const struct bus1_message_fds *with_fds = (const void *)message;
	int fds[BUS1_MAX_FILES];
	struct bus1_creds creds;
	size_t n_fds, n = 0;
	const int *from;
	int r;

	n_fds = message->flags & BUS1_MESSAGE_FLAG_FDS ? with_fds->n_fds : 0;
	if (n_fds > BUS1_MAX_FILES)
		return -EMSGSIZE;

	r = hosted_creds_init(&creds, geteuid(), getegid(), getpid(), gettid());
	if (r < 0)
		return r;

	from = n_fds > 0 ? ptr_from_u64(with_fds->ptr_fds) : NULL;
	for (; n < n_fds; n++) {
		fds[n] = fcntl(from[n], F_DUPFD_CLOEXEC, 3);
		if (fds[n] < 0) {
			r = -errno;
			goto exit;
		}
	}

	r = hosted_payload_new(local->domain, &creds, message->n_data, fds, n_fds, ret_payload);
	if (r < 0)
		goto exit;

	n = 0;
	iovec_gather((*ret_payload)->data, ptr_from_u64(message->ptr_data_vecs), message->n_data);
exit:
	close_all(fds, n);
	hosted_creds_destroy(&creds);
	return r;
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

/* One try; -ESTALE when the message ceased to exist in the meantime. */
static int local_recv_one(struct local_peer *local, uint64_t flags, struct bus1_metadata *metadata,
			  struct bus1_message *message)
{
	struct bus1_message_fds *with_fds = (void *)message;
	struct bus1_metadata_credentials credentials;
	size_t n_data, n_files, n_transfers, n = 0;
	bool peek = flags & BUS1_RECV_FLAG_PEEK;
	struct bus1_transfer *transfers;
	int fds[BUS1_MAX_FILES];
	struct bus1_recv recv;
	uint64_t type;
	bool fits;
	int r;

	r = bus1_peer_recv_begin(local->peer, &recv);
	if (r < 0)
		return r;

	type = recv.type;
	n_transfers = recv.n_transfers;
	n_data = recv.payload ? recv.payload->n_data : 0;
	n_files = recv.payload ? recv.payload->n_files : 0;

	fits = n_transfers <= message->n_transfers && n_data <= message->n_data;
	if (message->flags & BUS1_MESSAGE_FLAG_FDS && !peek)
		fits = fits && n_files <= with_fds->n_fds;
	if (!fits) {
		r = -EMSGSIZE;
		goto abort;
	}

	if (message->flags & BUS1_MESSAGE_FLAG_FDS && !peek) {
		for (; n < n_files; n++) {
			fds[n] = fcntl(recv.payload->files[n]->fd, F_DUPFD_CLOEXEC, 3);
			if (fds[n] < 0) {
				r = -errno;
				goto abort;
			}
		}
	}

	if (n_data > 0)
		iovec_scatter(ptr_from_u64(message->ptr_data_vecs), 0, recv.payload->data, n_data);
	transfers = ptr_from_u64(message->ptr_transfers);
	for (size_t i = 0; i < n_transfers; i++)
		transfers[i] = bus1_recv_transfer(&recv, i);
	hosted_metadata_fill(&credentials, &recv);

	r = 0;
	if (peek)
		bus1_peer_recv_abort(&recv);
	else
		r = bus1_peer_recv_commit(&recv);
	if (r < 0) {
		close_all(fds, n);
		return r;
	}

	if (flags & BUS1_RECV_FLAG_SECCTX)
		((struct bus1_metadata_secctx *)metadata)->n_secctx = BUS1_INVALID;
	if (flags & (BUS1_RECV_FLAG_CREDENTIALS | BUS1_RECV_FLAG_SECCTX))
		*(struct bus1_metadata_credentials *)metadata = credentials;
	else
		*metadata = credentials.metadata;
	if (n > 0)
		memcpy(ptr_from_u64(with_fds->ptr_fds), fds, n * sizeof(*fds));
	message->type = type;
	goto sizes;

abort:
	close_all(fds, n);
	bus1_peer_recv_abort(&recv);
	if (r != -EMSGSIZE)
		return r;
sizes:
	message->n_transfers = n_transfers;
	message->n_data = n_data;
	if (message->flags & BUS1_MESSAGE_FLAG_FDS)
		with_fds->n_fds = n_files;
	return r;
}

static int local_recv(void *p, uint64_t flags, struct bus1_metadata *metadata,
		      struct bus1_message *message)
{
	struct local_peer *local = p;
	int r;

	if (flags & ~RECV_FLAGS || message->flags & ~MESSAGE_FLAGS || message->type != BUS1_INVALID)
		return -EINVAL;
	r = iovec_check_message(message);
	if (r < 0)
		return r;

	do
		r = local_recv_one(local, flags, metadata, message);
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

	bus1_peer_disconnect(local->peer);
	bus1_peer_unref(local->peer);
	hosted_ready_destroy(&local->ready);
	free(local);
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

struct bus1_peer *hosted_local_peer(struct bus1_domain *domain, struct bus1_client *client)
{
	struct local_peer *local = bus1_client_get_transport_peer(client, &local_transport);

	return local && local->domain == domain ? local->peer : NULL;
}

BUS1_EXPORT int bus1_domain_client_new(struct bus1_domain *domain, struct bus1_client **ret_client)
{
	struct local_peer *local;
	int r;

	local = malloc(sizeof(*local));
	if (!local)
		return -ENOMEM;

	local->domain = domain;
	r = hosted_ready_init_event(&local->ready);
	if (r < 0)
		goto free_local;

	local->peer = bus1_peer_new(domain->accounts, KUIDT_INIT(geteuid()), hosted_ready_wake,
				    &local->ready);
	if (IS_ERR(local->peer)) {
		r = PTR_ERR(local->peer);
		goto destroy_ready;
	}
	local->ready.peer = local->peer;

	r = bus1_client_new_transport(ret_client, &local_transport, local);
	if (r < 0)
		goto unref_peer;

	return 0;

unref_peer:
	bus1_peer_disconnect(local->peer);
	bus1_peer_unref(local->peer);
destroy_ready:
	hosted_ready_destroy(&local->ready);
free_local:
	free(local);
	return r;
}
