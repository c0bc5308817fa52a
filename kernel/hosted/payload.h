/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Payloads: descriptors and credentials of a message, between user space and the core
 *
 * For a message that is sent, descriptors become files, and the numbers of users and processes
 * become credentials. When the message is received, the credentials become numbers again.
 */

#include <sys/types.h>

#include "kernel/core/core.h"
#include "kernel/hosted/frozen.h"
#include "kernel/hosted/state.h"

/*
 * Make the credentials of a process. hosted_creds_destroy() drops their references to the process
 * and the thread. Returns 0 or -ENOMEM.
 */
int hosted_creds_init(struct bus1_creds *creds, uid_t uid, gid_t gid, pid_t pid, pid_t tid);
void hosted_creds_destroy(struct bus1_creds *creds);

/* Fill in the metadata. The credentials of a notification are BUS1_INVALID. */
void hosted_metadata_fill(struct bus1_metadata_credentials *metadata, const struct bus1_recv *recv);

/*
 * Make a payload with credentials, files, and n_data bytes to be filled in. On success the payload
 * owns the descriptors, on failure the caller still does. Returns 0; -EINVAL when one of the
 * descriptors is the client's end of a peer's socket; -ETOOMANYREFS when the user of the sender has
 * too many files in flight; -EMSGSIZE; -ENOMEM.
 */
int hosted_payload_new(struct bus1_domain *domain, struct bus1_peer *sender,
		       const struct bus1_creds *creds, size_t n_data, const int *fds, size_t n_fds,
		       struct bus1_payload **ret_payload);

static inline void hosted_payload_unrefp(struct bus1_payload **payload)
{
	bus1_payload_unref(*payload);
}

/*
 * Make the payload that a structure describes. The payload has the descriptors, which belong to the
 * caller until hosted_payload_let_go() or for good. Nobody is charged. Returns 0 or -ENOMEM.
 */
int hosted_payload_thaw(const struct hosted_frozen_payload *frozen,
			struct bus1_payload **ret_payload);
/* Let a payload forget its descriptors, so that it does not close them. */
void hosted_payload_let_go(struct bus1_payload *payload);
