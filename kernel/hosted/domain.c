// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domains: the functions of <bus1/hosted.h>, except those in listener.c and local.c
 */

#include "kernel/hosted/domain.h"

#include <errno.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel/hosted/listener.h"
#include "kernel/hosted/local.h"
#include "kernel/hosted/served.h"
#include "libbus1/util.h"

/*
 * The limit of files in messages to the peers of one user, and the limit of files in messages from
 * them, are at most 1/FILES_SHARE of RLIMIT_NOFILE, so that it takes many users to use it up. But a
 * message of SCM_MAX_FD (253) files shall fit: each gets at least FILES_MIN, or half if this is
 * less.
 */
#define FILES_SHARE 16
#define FILES_MIN 512

int hosted_domain_wait(struct bus1_domain *domain, const sigset_t *sigmask)
{
	return hosted_loop_turn(&domain->loop, -1, sigmask);
}

BUS1_EXPORT int bus1_domain_dispatch(struct bus1_domain *domain)
{
	int r;

	r = hosted_loop_turn(&domain->loop, 0, NULL);
	return r == -EINTR ? 0 : r;
}

BUS1_EXPORT int bus1_domain_get_fd(struct bus1_domain *domain)
{
	return domain->loop.epoll_fd;
}

static void domain_timer_expired(struct hosted_loop *loop)
{
	struct bus1_domain *domain = container_of(loop, struct bus1_domain, loop);

	hosted_listener_resume_all(domain);
	hosted_user_resume_all(&domain->users);
}

/*
 * What users leave unread is memory of this process, which does other things for all of them, too.
 * So there is less of it than in the kernel. One peer can have half of it, which is more than the
 * largest D-Bus message takes.
 */
#define DOMAIN_MAX_BYTES (320ULL * 1024 * 1024)

static u64 files_of(u64 n_fds)
{
	u64 min = min_t(u64, FILES_MIN, n_fds / 2);

	return max_t(u64, n_fds / FILES_SHARE, min);
}

/*
 * Unlike in the kernel, a file in a message takes a descriptor of this process, and all users share
 * these descriptors. So the limit of files in messages depends on RLIMIT_NOFILE.
 */
static struct bus1_limits domain_limits(void)
{
	struct bus1_limits limits = { .max[BUS1_RESOURCE_FILES] = BUS1_DEFAULT_MAX_FILES };
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) >= 0 && limit.rlim_cur != RLIM_INFINITY)
		limits.max[BUS1_RESOURCE_FILES] =
			min_t(u64, BUS1_DEFAULT_MAX_FILES, files_of(limit.rlim_cur));

	bus1_limits_fill(&limits, (u64)sysconf(_SC_PHYS_PAGES) * (u64)sysconf(_SC_PAGESIZE));
	limits.max[BUS1_RESOURCE_BYTES] =
		min_t(u64, limits.max[BUS1_RESOURCE_BYTES], DOMAIN_MAX_BYTES);
	return limits;
}

BUS1_EXPORT int bus1_domain_new(struct bus1_domain **ret_domain)
{
	CLEANUP(bus1_domain_freep) struct bus1_domain *domain = NULL;
	struct bus1_limits limits = domain_limits();
	struct bus1_accounts *accounts;
	int r;

	/* The large buffers at the end usually take no memory until they are first used. */
	domain = calloc(1, sizeof(*domain));
	if (!domain)
		return -ENOMEM;

	domain->max_files = limits.max[BUS1_RESOURCE_FILES];
	hosted_ends_init(&domain->ends);
	domain->users.loop = &domain->loop;
	r = hosted_loop_init(&domain->loop, domain_timer_expired);
	if (r < 0)
		return r;

	accounts = bus1_accounts_new(&limits);
	if (IS_ERR(accounts))
		return PTR_ERR(accounts);
	domain->accounts = accounts;

	if (getrandom(domain->id, sizeof(domain->id), 0) != sizeof(domain->id))
		return -EIO;

	*ret_domain = steal_ptr(&domain);
	return 0;
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

	hosted_loop_destroy(&domain->loop);
	hosted_ends_destroy(&domain->ends);
	bus1_accounts_unref(domain->accounts);
	free(domain);
	return NULL;
}

/* peers that the owner of the domain gives to other processes */

BUS1_EXPORT int bus1_domain_serve_peer(struct bus1_domain *domain, uint32_t uid, uint32_t gid,
				       uint32_t pid, int *ret_fd, uint64_t *ret_peer_token)
{
	struct ucred ucred = { .uid = uid, .gid = gid, .pid = pid };
	int fds[2], size = 2 * BUS1_HOSTED_PACKET_MAX, r;
	CLEANUP_CLOSE int server_fd = -1, client_fd = -1;
	struct hosted_served *served;
	struct hosted_user *user;
	uint64_t cookie;
	socklen_t n = sizeof(cookie);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	server_fd = fds[0];
	client_fd = fds[1];

	setsockopt(client_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (getsockopt(client_fd, SOL_SOCKET, SO_COOKIE, &cookie, &n) < 0)
		return -errno;

	/* The owner of the domain decides how many peers a user gets in this way. */
	r = hosted_user_ref(&domain->users, uid, SIZE_MAX, &user);
	if (r < 0)
		return r;

	r = hosted_served_new(domain, server_fd, cookie, &ucred, user, &served);
	if (r < 0) {
		hosted_user_unref(&domain->users, user);
		return r;
	}

	steal_fd(&server_fd);
	*ret_fd = steal_fd(&client_fd);
	*ret_peer_token = served->id;
	return 0;
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

BUS1_EXPORT int bus1_domain_query(struct bus1_domain *domain, uint64_t peer_token,
				  struct bus1_cmd_query *query)
{
	struct hosted_served *served = hosted_served_find(domain, peer_token);

	return served ? bus1_peer_query(served->peer, query) : -ESTALE;
}

BUS1_EXPORT void bus1_domain_revoke(struct bus1_domain *domain, uint64_t peer_token)
{
	struct hosted_served *served;

	served = hosted_served_find(domain, peer_token);
	if (served)
		hosted_served_free(served);
}
