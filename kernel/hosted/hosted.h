/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_HOSTED_H
#define __BUS1_HOSTED_H

/*
 * The hosted core: what its parts know of each other
 *
 * domain.c    a core, the thread that serves it, and its epoll set
 * local.c     peers in this process
 * served.c    peers in other processes: sockets, packets, replies
 * command.c   their commands: checked requests become calls of the core
 * user.c      what the peers of one user may take of the server
 * listener.c  listening sockets
 * payload.c   payloads: files and credentials of user space in the core's terms
 * ready.c     the descriptor that tells whether a queue is readable
 */

#include <bus1/hosted.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

/* leaves hh.tbl NULL, rather than ending the process, when memory runs out */
#define HASH_NONFATAL_OOM 1
/* fine for short keys; the default one is not free of warnings */
#define HASH_FUNCTION(key, n, hash) HASH_OAT(key, n, hash)
#include <uthash.h>

#include "kernel/core/core.h"
#include "libbus1/hosted-protocol.h"

/* readiness */

/*
 * A descriptor that is readable exactly while the queue of a peer is: an eventfd for peers in this
 * process, the other end of a socket (the bell) for the others. The core reports each change to
 * readable; that a queue is not readable any more is found out by whoever received from it, with
 * hosted_ready_update().
 */
struct hosted_ready {
	struct bus1_peer *peer;
	/* keeps updates apart; never taken by the core's report */
	pthread_mutex_t update_lock;

	/* guards the following; the core is never called with it */
	pthread_mutex_t lock;
	int fd;
	bool is_bell;
	bool set;
};

/* An eventfd, which is ready->fd. */
int hosted_ready_init_event(struct hosted_ready *ready);
/* A bell, silent until there is somebody to hear it. */
void hosted_ready_init_bell(struct hosted_ready *ready);
void hosted_ready_destroy(struct hosted_ready *ready);
/* A new bell instead of the one before, if any; the client's end is the caller's. */
int hosted_ready_renew_bell(struct hosted_ready *ready, int *ret_fd);
/* the bus1_wake_t of peers; data is the struct hosted_ready */
void hosted_ready_wake(struct bus1_peer *peer, void *data);
/*
 * After every command that takes something off the queue. True when the queue was readable and is
 * not any more, so that a packet is to be taken from the bell, which only the client can do.
 */
bool hosted_ready_update(struct hosted_ready *ready);

/* payloads */

/* Credentials of a process, with references to its numbers. */
int hosted_creds_init(struct bus1_creds *creds, uid_t uid, gid_t gid, pid_t pid, pid_t tid);
void hosted_creds_destroy(struct bus1_creds *creds);

/* The entry of a message's metadata; flags are those of the receive command. */
void hosted_metadata_fill(struct bus1_metadata_credentials *metadata, const struct bus1_recv *recv);

/*
 * A payload with credentials and files, and n_data bytes to be filled in. On success the payload
 * owns the descriptors, on failure the caller still does. -EINVAL when one of them is a peer of the
 * domain, -EMSGSIZE, -ENOMEM.
 */
int hosted_payload_new(struct bus1_domain *domain, const struct bus1_creds *creds, size_t n_data,
		       const int *fds, size_t n_fds, struct bus1_payload **ret_payload);

/* the domain */

/* Something in the epoll set of a domain. May free itself, but nothing else, when dispatched. */
struct hosted_source {
	void (*dispatch)(struct hosted_source *source, uint32_t events);
};

struct hosted_listener;
struct hosted_served;
struct hosted_user;

struct bus1_domain {
	uint8_t id[16];
	struct bus1_accounts *accounts;
	int epoll_fd;

	/*
	 * Guards what any thread that sends descriptors looks at: the addresses in listeners, and
	 * pairs. Only the thread that serves changes these.
	 */
	pthread_mutex_t lock;
	struct hosted_listener *listeners;
	struct hosted_served *pairs; /* the served peers with a socket made here, by other_cookie */

	/* from here on only for the thread that serves */

	struct hosted_served *served; /* by id */
	uint64_t last_served;
	struct hosted_user *users; /* by uid */
	/* ends the pauses of users, and that of listening when descriptors run out */
	struct hosted_source timer;
	int timer_fd;

	/* the request and the reply under way */
	union {
		struct bus1_hosted_request header;
		uint8_t bytes[BUS1_HOSTED_PACKET_MAX];
	} request;
	union {
		struct bus1_hosted_reply header;
		uint8_t bytes[sizeof(struct bus1_hosted_reply) +
			      2 * BUS1_MAX_TRANSFERS * sizeof(struct bus1_transfer) +
			      BUS1_MAX_DESTINATIONS * sizeof(s32)];
	} reply;
};

int hosted_domain_watch(struct bus1_domain *domain, int fd, struct hosted_source *source);
void hosted_domain_set_timer(struct bus1_domain *domain, long nsec);
/*
 * bus1_domain_dispatch() for a process that does nothing else: waits for something to do, with the
 * given signal mask meanwhile. -EINTR after a signal.
 */
int hosted_domain_wait(struct bus1_domain *domain, const sigset_t *sigmask);

/* peers in this process */

/* The core's peer of a client made by the domain, or NULL. */
struct bus1_peer *hosted_local_peer(struct bus1_domain *domain, struct bus1_client *client);

/* peers in other processes */

struct hosted_served {
	struct hosted_source source;
	struct bus1_domain *domain;
	uint64_t id;
	uint8_t secret[16];
	int fd;
	/* the socket at the other end, when it was made here; else 0 */
	uint64_t other_cookie;
	struct hosted_user *user;
	struct bus1_peer *peer;
	struct bus1_creds creds;
	struct hosted_ready ready;
	/*
	 * The payload that is being read: that of the message at the front of the queue, where it
	 * stays until this peer receives or releases something. No reference, only compared.
	 */
	const struct bus1_payload *reading;
	UT_hash_handle hh;
	UT_hash_handle hh_pairs;
};

/* Takes fd and user over on success. other_cookie as in the structure. */
int hosted_served_new(struct bus1_domain *domain, int fd, uint64_t other_cookie,
		      const struct ucred *ucred, struct hosted_user *user,
		      struct hosted_served **ret_served);
void hosted_served_free(struct hosted_served *served);
struct hosted_served *hosted_served_find(struct bus1_domain *domain, uint64_t id);
/* Listen to the requests of a peer, or do not. */
void hosted_served_watch(struct hosted_served *served, bool on);

/* A request as it came in. */
struct hosted_request {
	size_t n_packet;
	int fds[BUS1_HOSTED_FDS_MAX]; /* -1 where taken */
	size_t n_fds;
	bool fds_lost; /* there were more, but this process ran out of descriptors */
};

/* What goes out: the domain's reply buffer, and what is not copied there. */
struct hosted_reply {
	size_t n_packet; /* bytes in the domain's reply buffer */
	/* the message whose data (a part of it) follows, and whose files are fds; a reference */
	struct bus1_payload *payload;
	size_t data_offset;
	size_t n_data;
	int fds[BUS1_HOSTED_FDS_MAX];
	size_t n_fds;
	int own_fd; /* one of fds that is to be closed after sending, or -1 */
};

/*
 * Carry out the request in the domain's buffer and prepare the reply. 0 when there is a reply,
 * -EPROTO when the client breaks the protocol and is to be dropped.
 */
int hosted_command_run(struct hosted_served *served, struct hosted_request *request,
		       struct hosted_reply *reply);

/* users */

struct hosted_user {
	uid_t uid;
	size_t n_peers;
	uint64_t paused_until; /* CLOCK_MONOTONIC, in nanoseconds; 0: not paused */
	UT_hash_handle hh;
};

uint64_t hosted_now(void);
/* One peer of this user more. -EUSERS when he has max_peers already, -ENOMEM. */
int hosted_user_ref(struct bus1_domain *domain, uid_t uid, size_t max_peers,
		    struct hosted_user **ret_user);
/* One less. */
void hosted_user_unref(struct bus1_domain *domain, struct hosted_user *user);
/* A peer of this user took that much time. */
void hosted_user_spend(struct bus1_domain *domain, struct hosted_user *user, uint64_t nsec);
/* Listen again to those whose pause is over. */
void hosted_user_resume_all(struct bus1_domain *domain);

/* listening sockets */

/* Whether fd is a client's end of a connection to a listening socket. Under the domain's lock. */
bool hosted_listener_is_connection(struct bus1_domain *domain, int fd);
void hosted_listener_free_all(struct bus1_domain *domain);
/* There may be descriptors to accept with again. */
void hosted_listener_resume_all(struct bus1_domain *domain);

#endif /* __BUS1_HOSTED_H */
