// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers in other processes
 *
 * The server's end of a peer's socket: one request packet in, one reply packet out. Nothing here
 * blocks: a client that sends rubbish, or that lets its replies pile up in the socket, is dropped.
 */

#include "kernel/hosted/hosted.h"

#include <errno.h>
#include <linux/err.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "libbus1/util.h"

/* -EAGAIN when there is none, -ESHUTDOWN when the client has gone. */
static int served_read(struct hosted_served *served, struct hosted_request *request)
{
	struct bus1_domain *domain = served->domain;
	union {
		struct cmsghdr header;
		char buffer[CMSG_SPACE(sizeof(request->fds))];
	} control;
	struct iovec vec = { domain->request.bytes, sizeof(domain->request.bytes) };
	struct msghdr message = {
		.msg_iov = &vec,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t l;

	request->n_fds = 0;

	do
		l = recvmsg(served->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (l < 0 && errno == EINTR);
	if (l < 0)
		return errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS ? -EAGAIN
									      : -ESHUTDOWN;

	for (c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		/* no other option is set, so there is nothing else, and the kernel makes one of it
		 */
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;

		request->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(request->fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	}

	request->n_packet = l;
	request->fds_lost = message.msg_flags & MSG_CTRUNC;
	return l == 0 || (message.msg_flags & MSG_TRUNC) ? -ESHUTDOWN : 0;
}

/* Nothing is tried twice: a client that leaves no room for its reply did not read the ones before.
 */
static int served_write(struct hosted_served *served, const struct hosted_reply *reply)
{
	union {
		struct cmsghdr header;
		char buffer[CMSG_SPACE(sizeof(reply->fds))];
	} control;
	struct iovec vecs[2] = { { served->domain->reply.bytes, reply->n_packet } };
	struct msghdr message = { .msg_iov = vecs, .msg_iovlen = 1 };
	int n_unread;

	if (reply->n_data > 0) {
		vecs[1] =
			(struct iovec){ reply->payload->data + reply->data_offset, reply->n_data };
		message.msg_iovlen = 2;
	}

	if (reply->n_fds > 0) {
		/*
		 * Descriptors under way are limited for this process as a whole. No client gets a
		 * second set of them before it has read the first.
		 */
		if (ioctl(served->fd, SIOCOUTQ, &n_unread) < 0 || n_unread > 0)
			return -EPROTO;

		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * reply->n_fds);
		memcpy(CMSG_DATA(&control.header), reply->fds, sizeof(int) * reply->n_fds);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * reply->n_fds);
	}

	while (sendmsg(served->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != ETOOMANYREFS || message.msg_controllen == 0)
			return -EPROTO;

		/*
		 * Others have too many descriptors under way. Those of this client are lost to it,
		 * as when it has no room for them itself.
		 */
		message.msg_control = NULL;
		message.msg_controllen = 0;
	}

	return 0;
}

/* One request, so that all clients get theirs; what is left is reported again. */
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
	struct hosted_served *served = (struct hosted_served *)source;
	struct bus1_domain *domain = served->domain;
	struct hosted_user *user = served->user;
	uint64_t begin;

	/* what a client leaves behind does not get it around the pause */
	if (user->paused_until > 0) {
		if (events & (EPOLLHUP | EPOLLERR))
			hosted_served_free(served);
		return;
	}

	begin = hosted_now();
	++user->n_peers; /* keep it */
	if (served_serve(served) < 0)
		hosted_served_free(served);
	hosted_user_spend(domain, user, hosted_now() - begin);
	hosted_user_unref(domain, user);
}

void hosted_served_watch(struct hosted_served *served, bool on)
{
	struct epoll_event event = {
		.events = on ? EPOLLIN : 0,
		.data.ptr = &served->source,
	};

	epoll_ctl(served->domain->epoll_fd, EPOLL_CTL_MOD, served->fd, &event);
}

struct hosted_served *hosted_served_find(struct bus1_domain *domain, uint64_t id)
{
	struct hosted_served *served;

	HASH_FIND(hh, domain->served, &id, sizeof(id), served);
	return served;
}

int hosted_served_new(struct bus1_domain *domain, int fd, uint64_t other_cookie,
		      const struct ucred *ucred, struct hosted_user *user,
		      struct hosted_served **ret_served)
{
	struct hosted_served *served;
	int size, r;

	served = calloc(1, sizeof(*served));
	if (!served)
		return -ENOMEM;

	served->source.dispatch = served_dispatch;
	served->domain = domain;
	served->id = domain->last_served + 1;
	served->fd = fd;
	served->other_cookie = other_cookie;
	served->user = user;

	if (getrandom(served->secret, sizeof(served->secret), 0) != sizeof(served->secret)) {
		r = -EIO;
		goto free_served;
	}

	/* for a system whose default is too small for a packet; fails when the limit is, too */
	size = 2 * BUS1_HOSTED_PACKET_MAX;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));

	r = hosted_creds_init(&served->creds, ucred->uid, ucred->gid, ucred->pid, ucred->pid);
	if (r < 0)
		goto free_served;
	hosted_ready_init_bell(&served->ready);

	served->peer = bus1_peer_new(domain->accounts, KUIDT_INIT(ucred->uid), hosted_ready_wake,
				     &served->ready);
	if (IS_ERR(served->peer)) {
		r = PTR_ERR(served->peer);
		goto destroy_ready;
	}
	served->ready.peer = served->peer;

	r = hosted_domain_watch(domain, fd, &served->source);
	if (r < 0)
		goto unref_peer;

	HASH_ADD(hh, domain->served, id, sizeof(served->id), served);
	if (!served->hh.tbl) {
		r = -ENOMEM;
		goto unwatch;
	}
	if (other_cookie > 0) {
		pthread_mutex_lock(&domain->lock);
		HASH_ADD(hh_pairs, domain->pairs, other_cookie, sizeof(served->other_cookie),
			 served);
		pthread_mutex_unlock(&domain->lock);
		if (!served->hh_pairs.tbl) {
			r = -ENOMEM;
			goto unhash;
		}
	}

	if (user->paused_until > 0)
		hosted_served_watch(served, false);
	++domain->last_served;
	*ret_served = served;
	return 0;

unhash:
	HASH_DELETE(hh, domain->served, served);
unwatch:
	epoll_ctl(domain->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
unref_peer:
	bus1_peer_disconnect(served->peer);
	bus1_peer_unref(served->peer);
destroy_ready:
	hosted_ready_destroy(&served->ready);
	hosted_creds_destroy(&served->creds);
free_served:
	free(served);
	return r;
}

void hosted_served_free(struct hosted_served *served)
{
	struct bus1_domain *domain = served->domain;

	if (served->other_cookie > 0) {
		pthread_mutex_lock(&domain->lock);
		HASH_DELETE(hh_pairs, domain->pairs, served);
		pthread_mutex_unlock(&domain->lock);
	}
	HASH_DELETE(hh, domain->served, served);

	/* closing would do, were the socket not open in a forked child as well */
	epoll_ctl(domain->epoll_fd, EPOLL_CTL_DEL, served->fd, NULL);
	shutdown(served->fd, SHUT_RDWR);
	close(served->fd);

	/* who polls the peer's descriptor is woken by this, too */
	bus1_peer_disconnect(served->peer);
	bus1_peer_unref(served->peer);
	hosted_ready_destroy(&served->ready);
	hosted_creds_destroy(&served->creds);

	hosted_user_unref(domain, served->user);
	hosted_listener_resume_all(domain);
	free(served);
}
