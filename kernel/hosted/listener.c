// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listening sockets
 *
 * Whoever connects becomes a peer with the credentials the kernel has of him, as long as his user
 * does not have too many. When descriptors run out, listening pauses: until a peer goes, or for a
 * moment, since the rest of the process may have freed some as well.
 */

#include "kernel/hosted/hosted.h"

#include <errno.h>
#include <linux/minmax.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "libbus1/util.h"

#define ACCEPT_MAX 4 /* in one turn */
#define PAUSE_NSEC (100 * 1000 * 1000)
#define PEERS_PER_USER 4096
#define FDS_PER_PEER 2
/* a single user must leave room for others */
#define USER_SHARE 4

struct hosted_listener {
	struct hosted_source source;
	struct bus1_domain *domain;
	struct hosted_listener *next;
	int fd;
	bool paused;
	struct sockaddr_un address;
	/* the file that is ours to remove */
	dev_t dev;
	ino_t ino;
};

static size_t user_max_peers(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return PEERS_PER_USER;

	return min_t(size_t, PEERS_PER_USER, limit.rlim_cur / USER_SHARE / FDS_PER_PEER);
}

/* accepting */

static void listener_watch(struct hosted_listener *listener, bool on)
{
	struct epoll_event event = {
		.events = on ? EPOLLIN : 0,
		.data.ptr = &listener->source,
	};

	listener->paused = !on;
	epoll_ctl(listener->domain->epoll_fd, EPOLL_CTL_MOD, listener->fd, &event);
}

static void listener_pause(struct hosted_listener *listener)
{
	listener_watch(listener, false);
	hosted_domain_set_timer(listener->domain, PAUSE_NSEC);
}

void hosted_listener_resume_all(struct bus1_domain *domain)
{
	for (struct hosted_listener *l = domain->listeners; l; l = l->next)
		if (l->paused)
			listener_watch(l, true);
}

/* A new connection; it is closed when it can not be served. */
static int listener_serve(struct hosted_listener *listener, int connection)
{
	struct hosted_served *served;
	struct hosted_user *user;
	struct ucred ucred;
	socklen_t n = sizeof(ucred);
	int r;

	if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &ucred, &n) < 0)
		return -errno;

	r = hosted_user_ref(listener->domain, ucred.uid, user_max_peers(), &user);
	if (r < 0)
		return r;

	r = hosted_served_new(listener->domain, connection, 0, &ucred, user, &served);
	if (r < 0)
		hosted_user_unref(listener->domain, user);

	return r;
}

static void listener_dispatch(struct hosted_source *source, uint32_t events)
{
	struct hosted_listener *listener = (struct hosted_listener *)source;

	for (int i = 0; i < ACCEPT_MAX; i++) {
		int connection, r;

		connection = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (connection < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			    errno == ENOMEM)
				listener_pause(listener);
			/* anything else concerns the one connection, or is that there is none */
			return;
		}

		r = listener_serve(listener, connection);
		if (r < 0)
			close(connection);
		if (r == -EMFILE || r == -ENFILE || r == -ENOMEM) {
			listener_pause(listener);
			return;
		}
	}
}

bool hosted_listener_is_connection(struct bus1_domain *domain, int fd)
{
	struct sockaddr_un address = {};
	socklen_t n = sizeof(address);

	if (getpeername(fd, (struct sockaddr *)&address, &n) < 0 || address.sun_family != AF_UNIX)
		return false;

	for (struct hosted_listener *l = domain->listeners; l; l = l->next)
		if (strncmp(l->address.sun_path, address.sun_path, sizeof(address.sun_path)) == 0)
			return true;

	return false;
}

/* creation */

/* Whether nobody listens any more on the socket that is in the way. */
static bool address_is_stale(const struct sockaddr_un *address)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat st;

	if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;

	return connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	       errno == ECONNREFUSED;
}

static int address_bind(int fd, const struct sockaddr_un *address)
{
	const struct sockaddr *a = (const struct sockaddr *)address;

	if (bind(fd, a, sizeof(*address)) >= 0)
		return 0;
	if (errno != EADDRINUSE || !address_is_stale(address))
		return -errno;

	if (unlink(address->sun_path) < 0 || bind(fd, a, sizeof(*address)) < 0)
		return -errno;

	return 0;
}

BUS1_EXPORT int bus1_domain_listen(struct bus1_domain *domain, const char *path)
{
	struct hosted_listener *listener;
	struct stat st;
	int r;

	if (!*path)
		return -EINVAL;
	if (strlen(path) >= sizeof(listener->address.sun_path))
		return -ENAMETOOLONG;

	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;

	listener->source.dispatch = listener_dispatch;
	listener->domain = domain;
	listener->address.sun_family = AF_UNIX;
	strcpy(listener->address.sun_path, path);

	listener->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0) {
		r = -errno;
		goto error;
	}

	r = address_bind(listener->fd, &listener->address);
	if (r < 0)
		goto error;

	/* who may reach it is up to the directory it is in */
	if (chmod(path, 0666) < 0 || lstat(path, &st) < 0 || listen(listener->fd, SOMAXCONN) < 0) {
		r = -errno;
		goto remove;
	}
	listener->dev = st.st_dev;
	listener->ino = st.st_ino;

	r = hosted_domain_watch(domain, listener->fd, &listener->source);
	if (r < 0)
		goto remove;

	pthread_mutex_lock(&domain->lock);
	listener->next = domain->listeners;
	domain->listeners = listener;
	pthread_mutex_unlock(&domain->lock);
	return 0;

remove:
	unlink(path);
error:
	closep(&listener->fd);
	free(listener);
	return r;
}

void hosted_listener_free_all(struct bus1_domain *domain)
{
	struct hosted_listener *listener;
	struct stat st;

	while ((listener = domain->listeners)) {
		pthread_mutex_lock(&domain->lock);
		domain->listeners = listener->next;
		pthread_mutex_unlock(&domain->lock);

		/* someone may have put his own there in the meantime */
		if (lstat(listener->address.sun_path, &st) >= 0 && st.st_dev == listener->dev &&
		    st.st_ino == listener->ino)
			unlink(listener->address.sun_path);

		epoll_ctl(domain->epoll_fd, EPOLL_CTL_DEL, listener->fd, NULL);
		close(listener->fd);
		free(listener);
	}
}
