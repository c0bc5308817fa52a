// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who sent a message, and who that is for the receiver
 *
 * Captured when a message is sent: the effective user and group of the sending task, its process
 * and its thread. Translated when it is received, into the user and pid namespace of the receiving
 * task. What has no name there is BUS1_INVALID, rather than the overflow user, which may be a user
 * of its own.
 */

#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include "module.h"

/* Takes references for the payload it belongs to. */
void bus1_creds_capture(struct bus1_creds *creds)
{
	creds->uid = current_euid();
	creds->gid = current_egid();
	creds->pid = get_pid(task_tgid(current));
	creds->tid = get_pid(task_pid(current));
	creds->cred = get_current_cred();
}

static u64 bus1_uid_translate(kuid_t kuid)
{
	uid_t uid = from_kuid(current_user_ns(), kuid);

	return uid == (uid_t)-1 ? BUS1_INVALID : uid;
}

static u64 bus1_gid_translate(kgid_t kgid)
{
	gid_t gid = from_kgid(current_user_ns(), kgid);

	return gid == (gid_t)-1 ? BUS1_INVALID : gid;
}

static u64 bus1_pid_translate(struct pid *pid)
{
	pid_t nr = pid_vnr(pid);

	return nr > 0 ? nr : BUS1_INVALID;
}

/* What the current task gets to see about a message. */
void bus1_metadata_fill(struct bus1_metadata_credentials *metadata, const struct bus1_recv *recv,
			bool credentials)
{
	*metadata = (struct bus1_metadata_credentials){
		.metadata.id = recv->id,
		.metadata.account = BUS1_INVALID,
		.uid = BUS1_INVALID,
		.gid = BUS1_INVALID,
		.pid = BUS1_INVALID,
		.tid = BUS1_INVALID,
	};

	if (recv->has_account)
		metadata->metadata.account = bus1_uid_translate(recv->account);
	if (recv->payload && credentials) {
		metadata->uid = bus1_uid_translate(recv->payload->creds.uid);
		metadata->gid = bus1_gid_translate(recv->payload->creds.gid);
		metadata->pid = bus1_pid_translate(recv->payload->creds.pid);
		metadata->tid = bus1_pid_translate(recv->payload->creds.tid);
	}
}
