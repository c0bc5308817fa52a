// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listening sockets, see listener.h
 */

#include "kernel/hosted/listener.h"

#include <bus1/hosted.h>
#include <errno.h>
#include <linux/container_of.h>
#include <linux/minmax.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "kernel/hosted/served.h"
#include "libbus1/util.h"

#define ACCEPT_MAX 4 /* connections that a listener accepts in one turn of the loop */
#define PAUSE_NSEC (100 * 1000 * 1000)
#define PEERS_PER_USER 4096
#define FDS_PER_PEER 2
/*
 * A user can connect until its peers take 1/USER_SHARE of the descriptors, so that others get some,
 * too.
 */
#define USER_SHARE 4

struct hosted_listener {
	struct hosted_source source;
	struct bus1_domain *domain;
	struct hosted_listener *next;
	struct hosted_address address;
	bool paused;
	/* the socket file that the listener made, so that it removes no other one */
	bool bound;
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

static void listener_pause(struct hosted_listener *listener)
{
	struct bus1_domain *domain = listener->domain;

	listener->paused = true;
	domain->listening_paused = true;
	hosted_loop_mute(&domain->loop, &listener->source, true);
	hosted_loop_set_timer(&domain->loop, PAUSE_NSEC);
}

void hosted_listener_resume_all(struct bus1_domain *domain)
{
	struct hosted_listener *listener;

	domain->listening_paused = false;
	LL_FOREACH(domain->listeners, listener) {
		if (!listener->paused)
			continue;
		listener->paused = false;
		hosted_loop_mute(&domain->loop, &listener->source, false);
	}
}

/* Serve a new connection. When this fails, the caller closes it. */
static int listener_serve(struct hosted_listener *listener, int connection)
{
	struct bus1_domain *domain = listener->domain;
	struct hosted_served *served;
	struct hosted_user *user;
	struct ucred ucred;
	socklen_t n = sizeof(ucred);
	int r;

	if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &ucred, &n) < 0)
		return -errno;

	r = hosted_user_ref(&domain->users, ucred.uid, user_max_peers(), &user);
	if (r < 0)
		return r;

	r = hosted_served_new(domain, connection, 0, &ucred, user, &served);
	if (r < 0)
		hosted_user_unref(&domain->users, user);

	return r;
}

static void listener_dispatch(struct hosted_source *source, uint32_t events)
{
	struct hosted_listener *listener = container_of(source, struct hosted_listener, source);

	for (int i = 0; i < ACCEPT_MAX; i++) {
		int connection, r;

		connection = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (connection < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			    errno == ENOMEM)
				listener_pause(listener);
			/*
			 * All other errors concern one connection only, or mean that no connection
			 * waits.
			 */
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

/* creation */

/* Is there a socket at this path on which nobody listens? */
static bool address_is_stale(const struct sockaddr_un *un)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat st;

	if (lstat(un->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;

	return connect(fd, (const struct sockaddr *)un, sizeof(*un)) < 0 && errno == ECONNREFUSED;
}

static int address_bind(int fd, const struct sockaddr_un *un)
{
	const struct sockaddr *address = (const struct sockaddr *)un;

	if (bind(fd, address, sizeof(*un)) >= 0)
		return 0;
	if (errno != EADDRINUSE || !address_is_stale(un))
		return -errno;

	if (unlink(un->sun_path) < 0 || bind(fd, address, sizeof(*un)) < 0)
		return -errno;

	return 0;
}

static int listener_bind(struct hosted_listener *listener)
{
	const char *path = listener->address.un.sun_path;
	struct stat st;
	int r;

	r = address_bind(listener->source.fd, &listener->address.un);
	if (r < 0)
		return r;

	if (lstat(path, &st) < 0) {
		r = -errno;
		unlink(path);
		return r;
	}
	listener->bound = true;
	listener->dev = st.st_dev;
	listener->ino = st.st_ino;

	/* The directory decides which processes can reach the socket. */
	if (chmod(path, 0666) < 0 || listen(listener->source.fd, SOMAXCONN) < 0)
		return -errno;

	return 0;
}

static void listener_free(struct hosted_listener *listener)
{
	const char *path = listener->address.un.sun_path;
	struct stat st;

	/* Another process may have replaced the socket by its own in the meantime. */
	if (listener->bound && lstat(path, &st) >= 0 && st.st_dev == listener->dev &&
	    st.st_ino == listener->ino)
		unlink(path);

	closep(&listener->source.fd);
	free(listener);
}

static void listener_freep(struct hosted_listener **listener)
{
	if (*listener)
		listener_free(*listener);
}

BUS1_EXPORT int bus1_domain_listen(struct bus1_domain *domain, const char *path)
{
	CLEANUP(listener_freep) struct hosted_listener *listener = NULL;
	int r;

	if (!*path)
		return -EINVAL;
	if (strlen(path) >= sizeof(listener->address.un.sun_path))
		return -ENAMETOOLONG;

	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;

	listener->source.dispatch = listener_dispatch;
	listener->domain = domain;
	listener->address.un.sun_family = AF_UNIX;
	strcpy(listener->address.un.sun_path, path);

	listener->source.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->source.fd < 0)
		return -errno;

	r = listener_bind(listener);
	if (r < 0)
		return r;

	r = hosted_loop_add(&domain->loop, &listener->source);
	if (r < 0)
		return r;

	hosted_ends_add_address(&domain->ends, &listener->address);
	LL_PREPEND(domain->listeners, listener);
	steal_ptr(&listener);
	return 0;
}

void hosted_listener_free_all(struct bus1_domain *domain)
{
	struct hosted_listener *listener, *next;

	LL_FOREACH_SAFE(domain->listeners, listener, next) {
		hosted_ends_remove_address(&domain->ends, &listener->address);
		hosted_loop_remove(&domain->loop, &listener->source);
		listener_free(listener);
	}
	domain->listeners = NULL;
}
