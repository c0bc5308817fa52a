// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of peers in other processes, see command.h
 */

#include "kernel/hosted/command.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/minmax.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/hosted/payload.h"

#define MESSAGE_FLAGS BUS1_MESSAGE_FLAG_FDS
#define RECV_FLAGS                                                                  \
	(BUS1_RECV_FLAG_CREDENTIALS | BUS1_RECV_FLAG_PEEK | BUS1_RECV_FLAG_SECCTX | \
	 BUS1_RECV_FLAG_DISCARD)

/* The part of a request that follows its header: in the same packet, or in a memfd. */
struct body {
	const u64 *ids;
	struct bus1_transfer *transfers;
	const uint8_t *data; /* in the packet */
	int memfd;	     /* -1: none */
	off_t data_offset;   /* in the memfd */
	void *arrays;	     /* a copy of ids and transfers from the memfd, to be freed */
};

static void body_free(struct body *body)
{
	free(body->arrays);
}

static int pread_all(int fd, uint8_t *p, size_t n, off_t offset)
{
	while (n > 0) {
		ssize_t l = pread(fd, p, n, offset);

		if (l < 0 && errno == EINTR)
			continue;
		/*
		 * The size was checked and cannot change. So the client is hostile, or the kernel
		 * cannot read a page.
		 */
		if (l <= 0)
			return -EPROTO;
		p += l;
		offset += l;
		n -= l;
	}

	return 0;
}

/*
 * Check that fd is a memfd of this size, and that nobody can change the memfd. Only memfds can have
 * these seals, so no call here reaches a file system that could block.
 */
static int memfd_check(int fd, size_t size)
{
	struct stat st;
	int r;

	r = fcntl(fd, F_GET_SEALS);
	if (r < 0 || (r & BUS1_HOSTED_SEALS) != BUS1_HOSTED_SEALS || fstat(fd, &st) < 0 ||
	    st.st_size < 0 || (uint64_t)st.st_size != size)
		return -EPROTO;

	return 0;
}

/*
 * Find the IDs, transfers and data of a request. The caller has checked the counts in the header
 * against their limits, so no sum overflows. The caller frees the body, also after a failure.
 */
static int body_parse(struct hosted_served *served, const struct hosted_request *request,
		      struct body *body)
{
	struct bus1_domain *domain = served->domain;
	const struct bus1_hosted_request *header = &domain->request.header;
	size_t n_ids = header->n_ids * sizeof(u64);
	size_t n_transfers = header->n_transfers * sizeof(struct bus1_transfer);
	size_t n_total = n_ids + n_transfers + header->n_data;
	uint8_t *arrays;
	int r;

	*body = (struct body){ .memfd = -1 };

	if (!(header->request_flags & BUS1_HOSTED_REQUEST_MEMFD)) {
		if (request->n_packet != sizeof(*header) + n_total)
			return -EPROTO;

		arrays = domain->request.bytes + sizeof(*header);
		body->data = arrays + n_ids + n_transfers;
	} else {
		if (request->n_packet != sizeof(*header))
			return -EPROTO;

		body->memfd = request->fds[0];
		body->data_offset = n_ids + n_transfers;
		r = memfd_check(body->memfd, n_total);
		if (r < 0)
			return r;

		/* One byte more, because malloc(0) may return NULL. */
		arrays = body->arrays = malloc(n_ids + n_transfers + 1);
		if (!arrays)
			return -ENOMEM;
		r = pread_all(body->memfd, arrays, n_ids + n_transfers, 0);
		if (r < 0)
			return r;
	}

	body->ids = (const u64 *)arrays;
	body->transfers = (struct bus1_transfer *)(arrays + n_ids);
	return 0;
}

static int body_read_data(const struct body *body, uint8_t *to, size_t n)
{
	if (body->memfd >= 0)
		return pread_all(body->memfd, to, n, body->data_offset);

	memcpy(to, body->data, n);
	return 0;
}

/* The charge for the memory that a command needs. */
struct charge {
	struct bus1_peer *peer; /* NULL: not charged */
	size_t n;
};

static int charge_begin(struct charge *charge, struct hosted_served *served, size_t n)
{
	int r;

	r = bus1_peer_begin_command(served->peer, n);
	if (r < 0)
		return r;

	*charge = (struct charge){ served->peer, n };
	return 0;
}

static void charge_end(struct charge *charge)
{
	if (charge->peer)
		bus1_peer_end_command(charge->peer, charge->n);
}

static void reply_append(struct hosted_served *served, struct hosted_reply *reply, const void *p,
			 size_t n)
{
	memcpy(served->domain->reply.bytes + reply->n_packet, p, n);
	reply->n_packet += n;
}

/*
 * Tell the client if its queue is not readable any more. RELEASE, RECV and RESET call this when
 * they may have taken entries off the queue.
 */
static void queue_update(struct hosted_served *served)
{
	served->reading = NULL;
	if (hosted_ready_update(&served->ready))
		served->domain->reply.header.reply_flags |= BUS1_HOSTED_REPLY_BELL;
}

/* Compare in the same time for each guess, so that a client cannot find the secret byte by byte. */
static bool secret_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint8_t difference = 0;

	for (size_t i = 0; i < n; i++)
		difference |= a[i] ^ b[i];

	return difference == 0;
}

static int command_hello(struct hosted_served *served, struct hosted_request *request,
			 struct hosted_reply *reply)
{
	struct bus1_hosted_hello hello = { .peer = served->id };
	int r;

	r = hosted_ready_renew_bell(&served->ready, &reply->own_fd);
	if (r < 0)
		return r;

	memcpy(hello.domain, served->domain->id, sizeof(hello.domain));
	memcpy(hello.secret, served->secret, sizeof(hello.secret));
	reply_append(served, reply, &hello, sizeof(hello));
	reply->fds[reply->n_fds++] = reply->own_fd;
	return 0;
}

static int command_transfer(struct hosted_served *served, struct hosted_request *request,
			    struct hosted_reply *reply)
{
	struct bus1_domain *domain = served->domain;
	const struct bus1_hosted_request *header = &domain->request.header;
	struct bus1_transfer *src, *dst;
	struct hosted_served *to = served;
	CLEANUP(charge_end) struct charge charge = {};
	CLEANUP(body_free) struct body body = {};
	size_t n;
	int r;

	if (header->n_transfers > BUS1_MAX_TRANSFERS)
		return -EMSGSIZE;

	r = charge_begin(&charge, served, bus1_transfer_memory(header->n_transfers));
	if (r < 0)
		return r;
	r = body_parse(served, request, &body);
	if (r < 0)
		return r;

	if (header->to > 0) {
		/*
		 * libbus1 sends only IDs that the server has given to a client. So if there is no
		 * such peer, the peer has gone.
		 */
		to = hosted_served_find(domain, header->to);
		if (!to || !secret_equal(to->secret, header->to_secret, sizeof(to->secret)))
			return -ESHUTDOWN;
	}

	n = header->n_transfers;
	src = (struct bus1_transfer *)(domain->reply.bytes + reply->n_packet);
	dst = src + n;
	memcpy(src, body.transfers, n * sizeof(*src));
	memset(dst, 0, n * sizeof(*dst));

	r = bus1_peer_transfer(served->peer, to->peer, src, dst, n);
	if (r >= 0)
		reply->n_packet += 2 * n * sizeof(*src);
	return r;
}

static int command_release(struct hosted_served *served, struct hosted_request *request,
			   struct hosted_reply *reply)
{
	const struct bus1_hosted_request *header = &served->domain->request.header;
	CLEANUP(charge_end) struct charge charge = {};
	CLEANUP(body_free) struct body body = {};
	int r;

	if (header->n_ids > BUS1_MAX_IDS)
		return -EMSGSIZE;

	r = charge_begin(&charge, served, bus1_release_memory(header->n_ids));
	if (r < 0)
		return r;
	r = body_parse(served, request, &body);
	if (r < 0)
		return r;

	r = bus1_peer_release(served->peer, body.ids, header->n_ids);
	queue_update(served);
	return r;
}

static int command_send(struct hosted_served *served, struct hosted_request *request,
			struct hosted_reply *reply)
{
	struct bus1_domain *domain = served->domain;
	const struct bus1_hosted_request *header = &domain->request.header;
	bool has_memfd = header->request_flags & BUS1_HOSTED_REQUEST_MEMFD;
	CLEANUP(charge_end) struct charge charge = {};
	CLEANUP(hosted_payload_unrefp) struct bus1_payload *payload = NULL;
	struct bus1_send send;
	s32 *errors = NULL;
	CLEANUP(body_free) struct body body = {};
	int r;

	if (header->message_flags & ~MESSAGE_FLAGS ||
	    header->message_type != BUS1_MESSAGE_TYPE_USER)
		return -EINVAL;
	if (header->n_fds > 0 && !(header->message_flags & BUS1_MESSAGE_FLAG_FDS))
		return -EPROTO;
	if (header->n_ids > BUS1_MAX_DESTINATIONS || header->n_transfers > BUS1_MAX_TRANSFERS ||
	    header->n_data > BUS1_MAX_DATA)
		return -EMSGSIZE;

	r = charge_begin(&charge, served,
			 bus1_send_memory(header->n_data, header->n_ids, header->n_transfers));
	if (r < 0)
		return r;
	r = body_parse(served, request, &body);
	if (r < 0)
		return r;
	if (header->n_data > BUS1_COMMAND_FREE) {
		r = bus1_peer_check_destinations(served->peer, body.ids, header->n_ids);
		if (r < 0)
			return r;
	}

	if (header->flags & BUS1_SEND_FLAG_CONTINUE) {
		/* The errors follow the transfers in the reply. */
		errors = (s32 *)(domain->reply.bytes + reply->n_packet +
				 header->n_transfers * sizeof(*body.transfers));
		memset(errors, 0, header->n_ids * sizeof(*errors));
	}

	r = hosted_payload_new(domain, served->peer, &served->creds, header->n_data,
			       request->fds + has_memfd, header->n_fds, &payload);
	if (r < 0)
		return r;
	for (size_t i = has_memfd; i < request->n_fds; i++)
		request->fds[i] = -1;

	r = body_read_data(&body, payload->data, header->n_data);
	if (r < 0)
		return r;

	send = (struct bus1_send){
		.flags = header->flags,
		.destinations = body.ids,
		.n_destinations = header->n_ids,
		.errors = errors,
		.transfers = body.transfers,
		.n_transfers = header->n_transfers,
		.payload = payload,
	};
	r = bus1_peer_send(served->peer, &send);
	if (r >= 0) {
		reply_append(served, reply, body.transfers,
			     header->n_transfers * sizeof(*body.transfers));
		if (errors)
			reply->n_packet += header->n_ids * sizeof(*errors);
	}

	return r;
}

/*
 * Try once to discard the next message. The reply has its type, sizes and metadata, but none of its
 * content. Returns -ESTALE like recv_one().
 */
static int discard_one(struct hosted_served *served)
{
	const struct bus1_hosted_request *header = &served->domain->request.header;
	struct bus1_hosted_reply *head = &served->domain->reply.header;
	struct bus1_recv recv;
	int r;

	r = bus1_peer_recv_begin(served->peer, &recv);
	if (r < 0)
		return r;

	head->n_transfers = recv.n_transfers;
	head->n_data = recv.payload ? recv.payload->n_data : 0;
	head->n_fds = recv.payload && header->message_flags & BUS1_MESSAGE_FLAG_FDS
			      ? recv.payload->n_files
			      : 0;
	head->message_type = recv.type;
	hosted_metadata_fill(&head->metadata, &recv);
	r = bus1_peer_recv_discard(&recv);
	queue_update(served);
	return r;
}

/*
 * Try once to receive. Returns -ESTALE if the message was dropped in the meantime; then the caller
 * tries again. Returns -ENOLINK if the client has to read the data of the message again.
 */
static int recv_one(struct hosted_served *served, struct hosted_reply *reply)
{
	struct bus1_domain *domain = served->domain;
	const struct bus1_hosted_request *header = &domain->request.header;
	struct bus1_hosted_reply *head = &domain->reply.header;
	size_t n_data, n_files, n_packet = reply->n_packet;
	bool has_read = header->request_flags & BUS1_HOSTED_REQUEST_DATA_READ;
	bool peek = header->flags & BUS1_RECV_FLAG_PEEK;
	bool with_fds = header->message_flags & BUS1_MESSAGE_FLAG_FDS;
	struct bus1_payload *payload = NULL;
	struct bus1_recv recv;
	int r;

	r = bus1_peer_recv_begin(served->peer, &recv);
	if (r < 0)
		return r;

	n_data = recv.payload ? recv.payload->n_data : 0;
	n_files = recv.payload && with_fds ? recv.payload->n_files : 0;

	head->n_transfers = recv.n_transfers;
	head->n_data = n_data;
	head->n_fds = n_files;

	if (has_read && (!recv.payload || recv.payload != served->reading)) {
		/*
		 * The client has read the data of another message, or another command of the client
		 * has reset served->reading in the meantime.
		 */
		bus1_peer_recv_abort(&recv);
		return -ENOLINK;
	}
	if (recv.n_transfers > header->n_transfers || n_data > header->n_data ||
	    (n_files > header->n_fds && !peek)) {
		bus1_peer_recv_abort(&recv);
		return -EMSGSIZE;
	}
	if (!has_read && n_data > BUS1_HOSTED_DATA_INLINE_MAX) {
		served->reading = recv.payload;
		bus1_peer_recv_abort(&recv);
		return -ENOBUFS;
	}

	for (size_t i = 0; i < recv.n_transfers; i++) {
		struct bus1_transfer transfer = bus1_recv_transfer(&recv, i);

		memcpy(domain->reply.bytes + n_packet, &transfer, sizeof(transfer));
		n_packet += sizeof(transfer);
	}
	head->message_type = recv.type;
	hosted_metadata_fill(&head->metadata, &recv);

	/* The reply uses the data and files until it is sent, so it needs a reference. */
	if (recv.payload)
		payload = bus1_payload_ref((struct bus1_payload *)recv.payload);

	if (peek) {
		bus1_peer_recv_abort(&recv);
		n_files = 0;
	} else {
		r = bus1_peer_recv_commit(&recv);
		if (r < 0) {
			served->reading = NULL;
			bus1_payload_unref(payload);
			return r;
		}
	}

	for (size_t i = 0; i < n_files; i++)
		reply->fds[i] = payload->files[i]->fd;
	reply->n_fds = n_files;
	reply->payload = payload;
	reply->data_offset = 0;
	reply->n_data = has_read ? 0 : n_data;
	reply->n_packet = n_packet;
	queue_update(served);
	return 0;
}

static int command_recv(struct hosted_served *served, struct hosted_request *request,
			struct hosted_reply *reply)
{
	const struct bus1_hosted_request *header = &served->domain->request.header;
	bool discard = header->flags & BUS1_RECV_FLAG_DISCARD;
	int r;

	if (header->flags & ~RECV_FLAGS || header->message_flags & ~MESSAGE_FLAGS ||
	    header->message_type != BUS1_INVALID)
		return -EINVAL;
	if (discard && header->flags & BUS1_RECV_FLAG_PEEK)
		return -EINVAL;

	do
		r = discard ? discard_one(served) : recv_one(served, reply);
	while (r == -ESTALE);

	/* The core may have dropped moot entries that made the queue readable. */
	if (r == -EAGAIN)
		queue_update(served);
	return r == -ENOLINK ? -ESTALE : r;
}

static int command_read(struct hosted_served *served, struct hosted_request *request,
			struct hosted_reply *reply)
{
	const struct bus1_hosted_request *header = &served->domain->request.header;
	struct bus1_recv recv;
	int r;

	if (header->n_data > BUS1_HOSTED_READ_MAX)
		return -EMSGSIZE;

	r = bus1_peer_recv_begin(served->peer, &recv);
	if (r < 0)
		return r == -EAGAIN ? -ESTALE : r;

	if (!recv.payload || recv.payload != served->reading) {
		r = -ESTALE;
	} else if (header->offset > recv.payload->n_data ||
		   header->n_data > recv.payload->n_data - header->offset) {
		r = -EINVAL;
	} else {
		reply->payload = bus1_payload_ref((struct bus1_payload *)recv.payload);
		reply->data_offset = header->offset;
		reply->n_data = header->n_data;
		served->domain->reply.header.n_data = header->n_data;
	}

	bus1_peer_recv_abort(&recv);
	return r;
}

static int command_query(struct hosted_served *served, struct hosted_request *request,
			 struct hosted_reply *reply)
{
	const struct bus1_hosted_request *header = &served->domain->request.header;
	struct bus1_cmd_query query = { .flags = header->flags };
	int r;

	r = bus1_peer_query(served->peer, &query);
	if (r < 0)
		return r;

	query.max_fds = min_t(u64, query.max_fds, BUS1_HOSTED_MESSAGE_FDS_MAX);
	reply_append(served, reply, &query, sizeof(query));
	return 0;
}

static int command_disconnect(struct hosted_served *served, struct hosted_request *request,
			      struct hosted_reply *reply)
{
	return bus1_peer_disconnect(served->peer);
}

static int command_reset(struct hosted_served *served, struct hosted_request *request,
			 struct hosted_reply *reply)
{
	int r;

	r = bus1_peer_reset(served->peer);
	queue_update(served);
	return r;
}

/*
 * How to run a command, and the fields of the header that it may use, besides magic and command.
 * All other fields must be 0.
 */
struct command {
	int (*run)(struct hosted_served *served, struct hosted_request *request,
		   struct hosted_reply *reply);
	uint64_t request_flags;
	bool flags, message, ids, transfers, data, fds, offset, to;
};

static const struct command commands[] = {
	[BUS1_HOSTED_HELLO] = { command_hello },
	[BUS1_HOSTED_TRANSFER] = { command_transfer, BUS1_HOSTED_REQUEST_MEMFD, .transfers = true,
				   .to = true },
	[BUS1_HOSTED_RELEASE] = { command_release, BUS1_HOSTED_REQUEST_MEMFD, .ids = true },
	[BUS1_HOSTED_SEND] = { command_send, BUS1_HOSTED_REQUEST_MEMFD, .flags = true,
			       .message = true, .ids = true, .transfers = true, .data = true,
			       .fds = true },
	[BUS1_HOSTED_RECV] = { command_recv, BUS1_HOSTED_REQUEST_DATA_READ, .flags = true,
			       .message = true, .transfers = true, .data = true, .fds = true },
	[BUS1_HOSTED_READ] = { command_read, .data = true, .offset = true },
	[BUS1_HOSTED_QUERY] = { command_query, .flags = true },
	[BUS1_HOSTED_DISCONNECT] = { command_disconnect },
	[BUS1_HOSTED_RESET] = { command_reset },
};

static const struct command *command_find(const struct bus1_hosted_request *header, size_t n)
{
	static const uint8_t no_secret[sizeof(header->to_secret)];
	const struct command *command;

	if (n < sizeof(*header) || header->magic != BUS1_HOSTED_MAGIC ||
	    header->command >= sizeof(commands) / sizeof(commands[0]))
		return NULL;

	command = &commands[header->command];
	if (header->request_flags & ~command->request_flags || (!command->flags && header->flags) ||
	    (!command->message && (header->message_flags || header->message_type)) ||
	    (!command->ids && header->n_ids) || (!command->transfers && header->n_transfers) ||
	    (!command->data && header->n_data) || (!command->fds && header->n_fds) ||
	    (!command->offset && header->offset) || (!command->to && header->to) ||
	    (!header->to && memcmp(header->to_secret, no_secret, sizeof(no_secret)) != 0))
		return NULL;
	/* Only commands whose body can be in a memfd have a body. */
	if (!(command->request_flags & BUS1_HOSTED_REQUEST_MEMFD) && n != sizeof(*header))
		return NULL;

	return command;
}

int hosted_command_run(struct hosted_served *served, struct hosted_request *request,
		       struct hosted_reply *reply)
{
	struct bus1_domain *domain = served->domain;
	const struct bus1_hosted_request *header = &domain->request.header;
	const struct command *command;
	size_t n_fds;
	int r;

	command = command_find(header, request->n_packet);
	if (!command)
		return -EPROTO;

	domain->reply.header = (struct bus1_hosted_reply){ .magic = BUS1_HOSTED_MAGIC };

	/* In RECV, header->n_fds is the number of descriptors that may come back. */
	n_fds = header->request_flags & BUS1_HOSTED_REQUEST_MEMFD ? 1 : 0;
	if (header->command != BUS1_HOSTED_RECV) {
		if (header->n_fds > BUS1_HOSTED_MESSAGE_FDS_MAX)
			return -EPROTO;
		n_fds += header->n_fds;
	}

	if (request->fds_lost)
		r = -EMFILE;
	else if (request->n_fds != n_fds)
		r = -EPROTO;
	else
		r = command->run(served, request, reply);

	/* A client that breaks the protocol is dropped without a reply. */
	if (r == -EPROTO)
		return r;

	domain->reply.header.result = r;
	return 0;
}
