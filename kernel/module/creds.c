// SPDX-License-Identifier: GPL-2.0-only
/*
 * Credentials of the sender, as the receiver sees them, and the account of an opener
 *
 * A send captures the effective user and group of the sending task, its process and its thread. A
 * receive translates them into the user and pid namespaces of the receiving task. An ID that does
 * not exist there becomes BUS1_INVALID. The overflow user does not stand for it, because the
 * overflow user can be a real user.
 */

#include <linux/align.h>
#include <linux/cache.h>
#include <linux/cred.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include "module.h"

/* the longest list of groups whose memory is counted in BUS1_COST_MESSAGE */
#define BUS1_CREDS_GROUPS 8

/* Store the credentials of the current task, with references that the payload owns. */
void bus1_creds_capture(struct bus1_creds *creds)
{
	creds->uid = current_euid();
	creds->gid = current_egid();
	creds->pid = get_pid(task_tgid(current));
	creds->tid = get_pid(task_pid(current));
	creds->cred = get_current_cred();
}

/*
 * The bytes of memory that credentials keep, beyond those counted in BUS1_COST_MESSAGE: a long
 * list of groups, the numbers of a process and a thread in nested pid namespaces, and what the
 * kernel knows of a user of a namespace. A task can change its groups and its user between two
 * messages, and end after one, so each message may be all that keeps these. The keyrings of the
 * task and its namespaces are not among them: the kernel has limits for them.
 */
size_t bus1_creds_kept(const struct bus1_creds *creds)
{
	const struct group_info *groups = creds->cred->group_info;
	size_t kept = 0;

	if (groups->ngroups > BUS1_CREDS_GROUPS)
		kept += bus1_allocated(struct_size(groups, gid, groups->ngroups));
	if (creds->pid->level > 0)
		kept += 2 * ALIGN(creds->pid->level * sizeof(struct upid), L1_CACHE_BYTES);
	if (creds->cred->user_ns != &init_user_ns)
		kept += sizeof(struct user_struct) + sizeof(struct ucounts);
	return kept;
}

/**
 * bus1_principal_fill() - find out whose account the peer of an opener belongs to
 * @principal:	set to the user, and to the namespaces that it lives in
 * @cred:	credentials of the opener
 *
 * The owner of a namespace lives outside of it. A namespace does not count if its owner is the
 * user, or also owns the namespace inside of it. When more than BUS1_MAX_NAMESPACES count, the
 * innermost ones count as part of the one around them.
 */
void bus1_principal_fill(struct bus1_principal *principal, const struct cred *cred)
{
	struct user_namespace *ns;
	kuid_t uid = cred->euid;
	size_t n = 0, i;

	for (ns = cred->user_ns; ns->parent; ns = ns->parent) {
		if (!uid_eq(uid, ns->owner)) {
			uid = ns->owner;
			++n;
		}
	}

	uid = cred->euid;
	principal->uid = uid;
	principal->n_outer = 2 * min_t(size_t, n, BUS1_MAX_NAMESPACES);
	for (ns = cred->user_ns; ns->parent; ns = ns->parent) {
		if (uid_eq(uid, ns->owner))
			continue;
		uid = ns->owner;
		i = 2 * --n;
		if (i >= principal->n_outer)
			continue;
		principal->outer[i] = __kuid_val(uid);
		principal->outer[i + 1] = BUS1_KEY_NAMESPACE | ns->ns.inum;
	}
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

/*
 * Fill in the metadata of a message, with IDs in the namespaces of the current task. Without
 * @credentials, and for notifications, uid, gid, pid and tid are BUS1_INVALID.
 */
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
