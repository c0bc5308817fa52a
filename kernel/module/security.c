// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ask security modules whether a task may send to a peer, or pass on a handle to it
 *
 * The kernel has no hooks for bus1 yet. The hooks of binder ask the same questions: may a sender
 * send to a receiver, and may it give the receiver a reference? bus1 uses these hooks if it is
 * built into the kernel, or if the kernel lets modules call them (BUS1_LSM). The sender is the
 * current task; a receiver that asks for a label gets the label of this task with the message. The
 * receiver is the opener of the peer. Security modules are asked about the files in a message when
 * it is received, because only then it is known who gets them (file-ask.c).
 */

#include <linux/cred.h>
#include <linux/errno.h>
#include <linux/rcupdate.h>
#include <linux/security.h>
#include "module.h"

#if defined(BUS1_LSM) || !defined(MODULE)

/*
 * The credentials are those of the file, so they are freed by RCU when the peer is closed. No
 * security module sleeps in these hooks.
 */
static int bus1_security_ask(struct bus1_peer *peer, unsigned int acts)
{
	const struct cred *opener;
	int r = 0;

	rcu_read_lock();
	opener = bus1_peer_opener(peer);
	if (opener && acts & BUS1_ACT_SEND)
		r = security_binder_transaction(current_cred(), opener);
	if (opener && r == 0 && acts & BUS1_ACT_TRANSFER)
		r = security_binder_transfer_binder(current_cred(), opener);
	rcu_read_unlock();
	/* A security module can return any error. Other errors of a send have other meanings. */
	return r == 0 || r == -ENOMEM ? r : -EACCES;
}

bus1_ask_t bus1_security(void)
{
	return bus1_security_ask;
}

#else

bus1_ask_t bus1_security(void)
{
	return NULL;
}

#endif
