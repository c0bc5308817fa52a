// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domains
 *
 * A domain is one core with its accounts, and one epoll set with everything that is served to other
 * processes. Peers in this process need nothing of it but the accounts.
 */

#include "kernel/hosted/hosted.h"

#include <errno.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "libbus1/util.h"

/* sources served in one turn: enough to make a turn cheap, few enough to keep it short */
#define TURN_MAX 64
/* of this process's descriptors, for what is in messages to the peers of one user */
#define FILES_SHARE 2

int hosted_domain_watch(struct bus1_domain *domain, int fd, struct hosted_source *source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };

	return epoll_ctl(domain->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void hosted_domain_set_timer(struct bus1_domain *domain, long nsec)
{
	struct itimerspec spec = { .it_value.tv_nsec = nsec };

	timerfd_settime(domain->timer_fd, 0, &spec, NULL);
}

static int domain_turn(struct bus1_domain *domain, int timeout, const sigset_t *sigmask)
{
	struct epoll_event events[TURN_MAX];
	int n;

	n = epoll_pwait(domain->epoll_fd, events, TURN_MAX, timeout, sigmask);
	if (n < 0)
		return -errno;

	/* a source frees at most itself, and is in the array only once */
	for (int i = 0; i < n; i++) {
		struct hosted_source *source = events[i].data.ptr;

		source->dispatch(source, events[i].events);
	}

	return 0;
}

int hosted_domain_wait(struct bus1_domain *domain, const sigset_t *sigmask)
{
	return domain_turn(domain, -1, sigmask);
}

BUS1_EXPORT int bus1_domain_dispatch(struct bus1_domain *domain)
{
	int r;

	r = domain_turn(domain, 0, NULL);
	return r == -EINTR ? 0 : r;
}

BUS1_EXPORT int bus1_domain_get_fd(struct bus1_domain *domain)
{
	return domain->epoll_fd;
}

static void domain_timer_dispatch(struct hosted_source *source, uint32_t events)
{
	struct bus1_domain *domain = container_of(source, struct bus1_domain, timer);
	uint64_t count;
	ssize_t l;

	/* fails only when it has not expired after all */
	l = read(domain->timer_fd, &count, sizeof(count));
	(void)l;
	hosted_listener_resume_all(domain);
	hosted_user_resume_all(domain);
}

/* Other than in the kernel, a file in a message takes a descriptor, which all users share. */
static struct bus1_limits domain_limits(void)
{
	struct bus1_limits limits = {};
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) >= 0 && limit.rlim_cur != RLIM_INFINITY)
		limits.max[BUS1_RESOURCE_FILES] =
			min_t(u64, BUS1_DEFAULT_MAX_FILES, limit.rlim_cur / FILES_SHARE);

	return limits;
}

BUS1_EXPORT int bus1_domain_new(struct bus1_domain **ret_domain)
{
	struct bus1_limits limits = domain_limits();
	struct bus1_domain *domain;
	int r;

	/* the buffers at its end are not touched before they are used */
	domain = calloc(1, sizeof(*domain));
	if (!domain)
		return -ENOMEM;

	pthread_mutex_init(&domain->lock, NULL);
	domain->timer.dispatch = domain_timer_dispatch;
	domain->epoll_fd = -1;
	domain->timer_fd = -1;

	domain->accounts = bus1_accounts_new(&limits);
	if (IS_ERR(domain->accounts)) {
		r = PTR_ERR(domain->accounts);
		domain->accounts = NULL;
		goto error;
	}

	if (getrandom(domain->id, sizeof(domain->id), 0) != sizeof(domain->id)) {
		r = -EIO;
		goto error;
	}

	domain->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	domain->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (domain->epoll_fd < 0 || domain->timer_fd < 0) {
		r = -errno;
		goto error;
	}

	r = hosted_domain_watch(domain, domain->timer_fd, &domain->timer);
	if (r < 0)
		goto error;

	*ret_domain = domain;
	return 0;

error:
	bus1_domain_free(domain);
	return r;
}

BUS1_EXPORT struct bus1_domain *bus1_domain_free(struct bus1_domain *domain)
{
	struct hosted_served *served, *next;

	if (!domain)
		return NULL;

	hosted_listener_free_all(domain);
	HASH_ITER(hh, domain->served, served, next) {
		hosted_served_free(served);
	}

	closep(&domain->timer_fd);
	closep(&domain->epoll_fd);
	bus1_accounts_unref(domain->accounts);
	pthread_mutex_destroy(&domain->lock);
	free(domain);
	return NULL;
}

/* served peers of the owner's choice */

BUS1_EXPORT int bus1_domain_serve_peer(struct bus1_domain *domain, uint32_t uid, uint32_t gid,
				       uint32_t pid, int *ret_fd, uint64_t *ret_peer_token)
{
	struct ucred ucred = { .uid = uid, .gid = gid, .pid = pid };
	int fds[2], size = 2 * BUS1_HOSTED_PACKET_MAX, r;
	struct hosted_served *served;
	struct hosted_user *user;
	uint64_t cookie;
	socklen_t n = sizeof(cookie);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;

	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (getsockopt(fds[1], SOL_SOCKET, SO_COOKIE, &cookie, &n) < 0) {
		r = -errno;
		goto error;
	}

	/* how many there are is up to the owner */
	r = hosted_user_ref(domain, uid, SIZE_MAX, &user);
	if (r < 0)
		goto error;

	r = hosted_served_new(domain, fds[0], cookie, &ucred, user, &served);
	if (r < 0) {
		hosted_user_unref(domain, user);
		goto error;
	}

	*ret_fd = fds[1];
	*ret_peer_token = served->id;
	return 0;

error:
	close(fds[0]);
	close(fds[1]);
	return r;
}

BUS1_EXPORT int bus1_domain_grant(struct bus1_domain *domain, struct bus1_client *from,
				  uint64_t handle, uint64_t peer_token, uint64_t *ret_handle)
{
	struct bus1_transfer src = { .id = handle }, dst = {};
	struct hosted_served *served;
	struct bus1_peer *peer;
	int r;

	peer = hosted_local_peer(domain, from);
	if (!peer)
		return -EXDEV;
	served = hosted_served_find(domain, peer_token);
	if (!served)
		return -ESTALE;

	r = bus1_peer_transfer(peer, served->peer, &src, &dst, 1);
	if (r < 0)
		return r;

	*ret_handle = dst.id;
	return 0;
}

BUS1_EXPORT void bus1_domain_revoke(struct bus1_domain *domain, uint64_t peer_token)
{
	struct hosted_served *served;

	served = hosted_served_find(domain, peer_token);
	if (served)
		hosted_served_free(served);
}
