// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ask security modules whether a task may send to a peer, or pass on a handle to it
 *
 * The kernel has no hooks for bus1 yet. Those of binder ask the same: may the one who acts send to,
 * or give a reference to, the one who receives. bus1 uses them where modules may call them. The one
 * who acts is the current task, whose label the receiver gets with the message. The one who
 * receives is the opener of the peer. Files in messages are asked about when they are received,
 * because only then it is known who gets them (file-ask.c).
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
	/* Other errors of a send have meanings of their own. */
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
