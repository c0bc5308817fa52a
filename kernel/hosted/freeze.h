/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Freezing and thawing a domain
 *
 * A process that executes a new version of its program in place keeps its descriptors, but not its
 * memory. hosted_freeze() describes a domain by plain structures (frozen.h, save.h), and the new
 * program makes an equal domain from them with hosted_thaw_...(). The clients notice nothing: the
 * domain goes on with the same sockets, with the requests that wait in them, the same secrets and
 * tokens, and the same bells. Who writes the structures to where, and who keeps the descriptors
 * open, is a matter of the caller: the structures have the numbers of the descriptors, which an
 * execve() does not change.
 *
 * The structures come in an order in which each refers only to what came before it:
 *
 *	domain		with the numbers of all others
 *	peers
 *	served		peers in other processes
 *	locals		peers in this process
 *	nodes, handles, payloads, messages, notifications
 *
 * A domain can be frozen between two calls of bus1_domain_dispatch(), while no thread uses it or
 * its clients. It must have no listeners: those are for daemons that do nothing else.
 *
 * A thaw takes the structures as input from outside. It checks each of them against what came
 * before, and at the end the domain as a whole: whoever reads wrong structures gets -EBADMSG, and
 *no domain. Until hosted_thaw_end() has succeeded, a thaw sends nothing, wakes nobody, and leaves
 *the descriptors alone: they stay open and belong to the caller, also when the thaw is given up. So
 *the caller can still pass them to somebody else. The caller makes sure that the descriptors were
 * handed over for the domain; the thaw checks that each of them is open, of the right kind, and
 * named once. It does not change FD_CLOEXEC.
 *
 * Limits do not apply to what is thawed. A user who has more than is allowed now can send and
 * receive again when less is queued.
 */

#include <bus1/hosted.h>

#include "kernel/hosted/frozen.h"

/*
 * What hosted_freeze() calls for each structure, with its argument data. The structures, and what
 * they point to, are valid during the call. A function that fails ends the freeze with its error.
 */
struct hosted_saver {
	int (*domain)(void *data, const struct hosted_frozen_domain *domain);
	int (*peer)(void *data, const struct bus1_frozen_peer *peer);
	int (*served)(void *data, const struct hosted_frozen_served *served);
	int (*local)(void *data, const struct hosted_frozen_local *local);
	int (*node)(void *data, const struct bus1_frozen_node *node);
	int (*handle)(void *data, const struct bus1_frozen_handle *handle);
	int (*payload)(void *data, const struct hosted_frozen_payload *payload);
	int (*message)(void *data, const struct bus1_frozen_message *message);
	int (*notification)(void *data, const struct bus1_frozen_notification *notification);
};

/*
 * Describe a domain, which stays as it is and can go on. clients are all clients that the domain
 * has in this process; they come back from hosted_thaw_end() in the same order. Returns -EBUSY when
 * the domain has a listener, another client in this process, or a command under way; -EXDEV when a
 * client is of another domain; -ENOMEM; or the error of the saver.
 */
int hosted_freeze(struct bus1_domain *domain, struct bus1_client *const *clients, size_t n_clients,
		  const struct hosted_saver *saver, void *data);

/*
 * Let the domain forget the descriptors of its served peers and of its messages, because another
 * domain has them now, and wake nobody any more. After this, the caller can only free the clients
 * of this process and the domain; that has no effect outside of this process.
 */
void hosted_let_go(struct bus1_domain *domain);

struct hosted_thaw;

/* Begin with a new domain. Returns -EBADMSG, -ENOMEM, or another error of bus1_domain_new(). */
int hosted_thaw_new(const struct hosted_frozen_domain *frozen, struct hosted_thaw **ret_thaw);
/* Give up a thaw; NULL is fine. Returns NULL. */
struct hosted_thaw *hosted_thaw_free(struct hosted_thaw *thaw);

/*
 * Take one structure after the other, in the order of hosted_freeze(). Returns -EBADMSG or -ENOMEM;
 * then the thaw can only be given up.
 */
int hosted_thaw_peer(struct hosted_thaw *thaw, const struct bus1_frozen_peer *frozen);
int hosted_thaw_served(struct hosted_thaw *thaw, const struct hosted_frozen_served *frozen);
int hosted_thaw_local(struct hosted_thaw *thaw, const struct hosted_frozen_local *frozen);
int hosted_thaw_node(struct hosted_thaw *thaw, const struct bus1_frozen_node *frozen);
int hosted_thaw_handle(struct hosted_thaw *thaw, const struct bus1_frozen_handle *frozen);
int hosted_thaw_payload(struct hosted_thaw *thaw, const struct hosted_frozen_payload *frozen);
int hosted_thaw_message(struct hosted_thaw *thaw, const struct bus1_frozen_message *frozen);
int hosted_thaw_notification(struct hosted_thaw *thaw,
			     const struct bus1_frozen_notification *frozen);

/*
 * Check the domain as a whole, and set it to work. ret_clients has room for the n_clients clients
 * of this process. On success the domain owns the descriptors, and the thaw is freed. Returns
 * -EBADMSG, also when n_clients is not the number of clients; -ENOMEM; or another error of
 * epoll_ctl() or eventfd(). Then the thaw can only be given up.
 */
int hosted_thaw_end(struct hosted_thaw *thaw, struct bus1_domain **ret_domain,
		    struct bus1_client **ret_clients, size_t n_clients);
