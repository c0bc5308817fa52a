// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers in other processes, see served.h
 */

#include "kernel/hosted/served.h"

#include <errno.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "kernel/hosted/command.h"
#include "kernel/hosted/payload.h"
#include "libbus1/util.h"

/*
 * Read one request. Returns -EAGAIN when there is none, or memory is short; -ESHUTDOWN when the
 * client has gone, or its packet is too large.
 */
static int served_read(struct hosted_served *served, struct hosted_request *request)
{
	struct bus1_domain *domain = served->domain;
	union scm_buffer control;
	struct iovec vec = { domain->request.bytes, sizeof(domain->request.bytes) };
	struct msghdr message = {
		.msg_iov = &vec,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t l;

	request->n_fds = 0;

	l = TEMP_FAILURE_RETRY(
		recvmsg(served->source.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
	if (l < 0)
		return errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS ? -EAGAIN
									      : -ESHUTDOWN;

	request->n_fds = scm_take(&message, request->fds);
	request->n_packet = l;
	request->fds_lost = message.msg_flags & MSG_CTRUNC;
	return l == 0 || (message.msg_flags & MSG_TRUNC) ? -ESHUTDOWN : 0;
}

/*
 * Send a reply, without waiting for room: if there is none, the client does not read its replies.
 * Returns -EPROTO if the caller must drop the client.
 */
static int served_write(struct hosted_served *served, const struct hosted_reply *reply)
{
	union scm_buffer control;
	struct iovec vecs[2] = { { served->domain->reply.bytes, reply->n_packet } };
	struct msghdr message = { .msg_iov = vecs, .msg_iovlen = 1 };
	int n_unread;

	if (reply->n_data > 0) {
		vecs[1] =
			(struct iovec){ reply->payload->data + reply->data_offset, reply->n_data };
		message.msg_iovlen = 2;
	}

	/*
	 * The kernel limits how many descriptors the user of this process may have on their way in
	 * sockets. A client must not collect descriptors there. So a client that is to get
	 * descriptors, but has not read its earlier packets, is dropped.
	 */
	if (reply->n_fds > 0 && (ioctl(served->source.fd, SIOCOUTQ, &n_unread) < 0 || n_unread > 0))
		return -EPROTO;
	scm_attach(&message, &control, reply->fds, reply->n_fds);

	while (TEMP_FAILURE_RETRY(
		       sendmsg(served->source.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)) < 0) {
		if (errno != ETOOMANYREFS || message.msg_controllen == 0)
			return -EPROTO;

		/*
		 * Other sockets have used up that limit. This client loses the descriptors of this
		 * reply, as if its own table of descriptors were full.
		 */
		message.msg_control = NULL;
		message.msg_controllen = 0;
	}

	return 0;
}

/* Serve one request only, so that all clients have their turn. epoll reports the next one again. */
static int served_serve(struct hosted_served *served)
{
	struct hosted_request request;
	struct hosted_reply reply;
	int r;

	r = served_read(served, &request);
	if (r >= 0) {
		reply.n_packet = sizeof(struct bus1_hosted_reply);
		reply.payload = NULL;
		reply.n_data = 0;
		reply.n_fds = 0;
		reply.own_fd = -1;

		r = hosted_command_run(served, &request, &reply);
		if (r >= 0)
			r = served_write(served, &reply);
		bus1_payload_unref(reply.payload);
		closep(&reply.own_fd);
	}

	for (size_t i = 0; i < request.n_fds; i++)
		if (request.fds[i] >= 0)
			close(request.fds[i]);

	return r == -EAGAIN ? 0 : r;
}

static void served_dispatch(struct hosted_source *source, uint32_t events)
{
	struct hosted_served *served = container_of(source, struct hosted_served, source);
	struct bus1_domain *domain = served->domain;
	struct hosted_user *user = served->user;
	uint64_t begin;

	/* If the client goes during the pause, the requests still in its socket are discarded. */
	if (user->paused_until > 0) {
		if (events & (EPOLLHUP | EPOLLERR))
			hosted_served_free(served);
		return;
	}

	begin = hosted_now();
	user->n_peers++; /* The user must outlive its peer. */
	if (served_serve(served) < 0)
		hosted_served_free(served);
	hosted_user_spend(&domain->users, user, hosted_now() - begin);
	hosted_user_unref(&domain->users, user);
}

/* Free a peer that is not in the loop. Its socket, and the reference to its user, are kept. */
static void served_destroy(struct hosted_served *served)
{
	struct bus1_domain *domain = served->domain;

	if (served->pair.hh.tbl)
		hosted_ends_remove_pair(&domain->ends, &served->pair);
	if (served->hh.tbl)
		HASH_DELETE(hh, domain->served, served);
	if (served->peer) {
		bus1_peer_disconnect(served->peer);
		bus1_peer_unref(served->peer);
	}
	hosted_ready_destroy(&served->ready);
	hosted_creds_destroy(&served->creds);
	free(served);
}

static void served_destroyp(struct hosted_served **served)
{
	if (*served)
		served_destroy(*served);
}

static int served_new_peer(struct hosted_served *served, const struct ucred *ucred)
{
	struct bus1_peer *peer;
	int r;

	if (getrandom(served->secret, sizeof(served->secret), 0) != sizeof(served->secret))
		return -EIO;

	r = hosted_creds_init(&served->creds, ucred->uid, ucred->gid, ucred->pid, ucred->pid);
	if (r < 0)
		return r;

	peer = bus1_peer_new(served->domain->accounts, KUIDT_INIT(ucred->uid), hosted_ready_wake,
			     &served->ready);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	served->peer = peer;
	served->ready.peer = peer;
	return 0;
}

/* Add the peer to the tables. */
static int served_register(struct hosted_served *served)
{
	struct bus1_domain *domain = served->domain;

	HASH_ADD(hh, domain->served, id, sizeof(served->id), served);
	if (!served->hh.tbl)
		return -ENOMEM;
	return served->pair.cookie > 0 ? hosted_ends_add_pair(&domain->ends, &served->pair) : 0;
}

int hosted_served_new(struct bus1_domain *domain, int fd, uint64_t cookie,
		      const struct ucred *ucred, struct hosted_user *user,
		      struct hosted_served **ret_served)
{
	CLEANUP(served_destroyp) struct hosted_served *served = calloc(1, sizeof(*served));
	int size = 2 * BUS1_HOSTED_PACKET_MAX, r;

	if (!served)
		return -ENOMEM;

	served->source.dispatch = served_dispatch;
	served->source.fd = fd;
	served->domain = domain;
	served->id = domain->last_served + 1;
	served->pair.cookie = cookie;
	served->user = user;
	hosted_ready_init_bell(&served->ready);

	/*
	 * The system's default may be too small for a packet. If its limit is too small as well,
	 * sending a large reply fails.
	 */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));

	r = served_new_peer(served, ucred);
	if (r < 0)
		return r;
	r = served_register(served);
	if (r < 0)
		return r;
	/* This is the last step that can fail, so it needs no undo. */
	r = hosted_loop_add(&domain->loop, &served->source);
	if (r < 0)
		return r;

	hosted_user_add_source(&domain->users, user, &served->source);
	domain->last_served++;
	*ret_served = steal_ptr(&served);
	return 0;
}

int hosted_served_thaw(struct bus1_domain *domain, const struct hosted_frozen_served *frozen,
		       struct bus1_peer *peer, struct hosted_user *user,
		       struct hosted_served **ret_served)
{
	CLEANUP(served_destroyp) struct hosted_served *served = calloc(1, sizeof(*served));
	int r;

	if (!served)
		return -ENOMEM;

	served->source.dispatch = served_dispatch;
	served->source.fd = frozen->fd;
	served->domain = domain;
	served->id = frozen->id;
	memcpy(served->secret, frozen->secret, sizeof(served->secret));
	served->pair.cookie = frozen->cookie;
	served->user = user;
	hosted_ready_init_bell(&served->ready);

	r = hosted_creds_init(&served->creds, __kuid_val(bus1_peer_uid(peer)), frozen->gid,
			      frozen->pid, frozen->pid);
	if (r < 0)
		return r;
	r = served_register(served);
	if (r < 0)
		return r;

	served->peer = peer;
	served->ready.peer = peer;
	served->ready.fd = frozen->bell_fd;
	served->ready.set = frozen->rung;
	hosted_user_add_source(&domain->users, user, &served->source);
	*ret_served = steal_ptr(&served);
	return 0;
}

void hosted_served_free(struct hosted_served *served)
{
	struct bus1_domain *domain = served->domain;
	struct hosted_user *user = served->user;

	hosted_user_remove_source(user, &served->source);
	hosted_loop_remove(&domain->loop, &served->source);
	shutdown(served->source.fd, SHUT_RDWR);
	close(served->source.fd);
	/* This also wakes a client that polls the peer's descriptor. */
	served_destroy(served);
	hosted_user_unref(&domain->users, user);

	/* Descriptors are free again: let the timer expire now, so that paused listeners accept. */
	if (domain->listening_paused)
		hosted_loop_set_timer(&domain->loop, 1);
}
