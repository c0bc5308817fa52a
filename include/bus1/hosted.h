/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libbus1-hosted - the bus1 core in user space
 *
 * A domain is one core: peers of one domain can exchange messages and handles. A peer is in the
 * same process, or is served to another process over a SOCK_SEQPACKET socket. Several threads may
 * use the peers in the process at once. The server part belongs to one thread, which polls the
 * descriptor of the domain and calls bus1_domain_dispatch().
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

/* Make a peer in this process, with the credentials of this process. */
int bus1_domain_client_new(struct bus1_domain *domain, struct bus1_client **ret_client);

/*
 * Make a peer for another process. ret_fd is one end of a SOCK_SEQPACKET socket: hand it to that
 * process, which opens it with bus1_client_new_from_fd(). uid, gid and pid are the credentials in
 * the messages of the peer. *ret_peer_token names the peer to bus1_domain_grant() and _revoke().
 * The token is valid until the other process has closed its end, and never reused.
 */
int bus1_domain_serve_peer(struct bus1_domain *domain, uint32_t uid, uint32_t gid, uint32_t pid,
                           int *ret_fd, uint64_t *ret_peer_token);
/*
 * Transfer the handle of a client in this process to a served peer. Returns -ESTALE when the peer
 * has gone.
 */
int bus1_domain_grant(struct bus1_domain *domain, struct bus1_client *from, uint64_t handle,
                      uint64_t peer_token, uint64_t *ret_handle);
/* Disconnect a served peer. Does nothing when it has gone already. */
void bus1_domain_revoke(struct bus1_domain *domain, uint64_t peer_token);

/*
 * Serve every process that connects to the socket at path. A socket file that has lost its listener
 * is replaced. Returns -EADDRINUSE when there is a listener.
 */
int bus1_domain_listen(struct bus1_domain *domain, const char *path);

/* the server part, in the thread that owns it */

/* Get a descriptor that is readable when bus1_domain_dispatch() has something to do. */
int bus1_domain_get_fd(struct bus1_domain *domain);
/*
 * Serve what is ready, without blocking. Returns 0, or a negative errno when the domain is broken.
 */
int bus1_domain_dispatch(struct bus1_domain *domain);

#ifdef __cplusplus
}
#endif
