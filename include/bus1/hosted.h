/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libbus1-hosted - the bus1 core in user space
 *
 * A domain is one core: peers of one domain can exchange messages and handles. A peer is in the
 * same process, or is served to another process over a SOCK_SEQPACKET socket. Several threads may
 * use different peers in the process at once, and any thread may call bus1_domain_client_new(). One
 * thread calls all other functions of this header: the thread that serves. It polls the descriptor
 * of the domain, and calls bus1_domain_dispatch().
 */

#include <bus1/bus1.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bus1_domain;

int bus1_domain_new(struct bus1_domain **ret_domain);
/*
 * End the domain and all peers that it serves to other processes. The caller frees its clients in
 * this process first. Returns NULL.
 */
struct bus1_domain *bus1_domain_free(struct bus1_domain *domain);
/* For variables with __attribute__((cleanup(bus1_domain_freep))), which own what they hold, or are
 * NULL. */
static inline void bus1_domain_freep(struct bus1_domain **domain) {
        bus1_domain_free(*domain);
}

/* Make a peer in this process, with the credentials of this process. */
int bus1_domain_client_new(struct bus1_domain *domain, struct bus1_client **ret_client);

/*
 * Make a peer for another process. *ret_fd is one end of a SOCK_SEQPACKET socket pair: pass it to
 * that process, which opens it with bus1_client_new_from_fd(). uid, gid and pid are the credentials
 * in the messages of the peer. *ret_peer_token names the peer for bus1_domain_grant(),
 * bus1_domain_query() and bus1_domain_revoke(). It is valid until the server drops the peer:
 * because the other process has closed its end of the socket or broken the protocol, or by
 * bus1_domain_revoke(). No token is used again.
 */
int bus1_domain_serve_peer(struct bus1_domain *domain, uint32_t uid, uint32_t gid, uint32_t pid,
                           int *ret_fd, uint64_t *ret_peer_token);
/*
 * Give a served peer a copy of a handle that a client in this process holds. *ret_handle is the ID
 * of the copy. Returns -ESTALE when the peer has gone, -EXDEV when the client is of another domain
 * or transport.
 */
int bus1_domain_grant(struct bus1_domain *domain, struct bus1_client *from, uint64_t handle,
                      uint64_t peer_token, uint64_t *ret_handle);
/*
 * Get the usage of a served peer, for example how many bytes it has not received yet. query is as
 * for bus1_client_query(). Returns -ESTALE when the peer has gone.
 */
int bus1_domain_query(struct bus1_domain *domain, uint64_t peer_token,
                      struct bus1_cmd_query *query);
/* End a served peer, and close its socket. Does nothing when the peer has gone already. */
void bus1_domain_revoke(struct bus1_domain *domain, uint64_t peer_token);

/*
 * Listen on a socket at path, and serve the processes that connect to it, up to a limit for each
 * user. A socket file at path that has lost its listener is replaced. Returns -EADDRINUSE when any
 * other file is there.
 */
int bus1_domain_listen(struct bus1_domain *domain, const char *path);

/* the loop of the thread that serves */

/* Get a descriptor that is readable when bus1_domain_dispatch() has something to do. */
int bus1_domain_get_fd(struct bus1_domain *domain);
/*
 * Serve what is ready, without blocking. Returns 0, or a negative errno when the domain is broken.
 */
int bus1_domain_dispatch(struct bus1_domain *domain);

#ifdef __cplusplus
}
#endif
