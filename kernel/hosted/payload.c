// SPDX-License-Identifier: GPL-2.0-only
/*
 * Payloads, see payload.h
 */

#include "kernel/hosted/payload.h"

#include <errno.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <string.h>

int hosted_creds_init(struct bus1_creds *creds, uid_t uid, gid_t gid, pid_t pid, pid_t tid)
{
	*creds = (struct bus1_creds){ .uid = KUIDT_INIT(uid), .gid = KGIDT_INIT(gid) };

	creds->pid = shim_pid_new(pid);
	creds->tid = tid == pid ? get_pid(creds->pid) : shim_pid_new(tid);
	if (!creds->pid || !creds->tid) {
		hosted_creds_destroy(creds);
		/* The caller may destroy them once more. */
		*creds = (struct bus1_creds){};
		return -ENOMEM;
	}

	return 0;
}

void hosted_creds_destroy(struct bus1_creds *creds)
{
	put_pid(creds->pid);
	put_pid(creds->tid);
}

void hosted_metadata_fill(struct bus1_metadata_credentials *metadata, const struct bus1_recv *recv)
{
	*metadata = (struct bus1_metadata_credentials){
		.metadata.id = recv->id,
		.metadata.account = recv->has_account ? __kuid_val(recv->account) : BUS1_INVALID,
		.uid = BUS1_INVALID,
		.gid = BUS1_INVALID,
		.pid = BUS1_INVALID,
		.tid = BUS1_INVALID,
	};

	if (recv->payload) {
		metadata->uid = __kuid_val(recv->payload->creds.uid);
		metadata->gid = __kgid_val(recv->payload->creds.gid);
		metadata->pid = pid_nr(recv->payload->creds.pid);
		metadata->tid = pid_nr(recv->payload->creds.tid);
	}
}

int hosted_payload_new(struct bus1_domain *domain, struct bus1_peer *sender,
		       const struct bus1_creds *creds, size_t n_data, const int *fds, size_t n_fds,
		       struct bus1_payload **ret_payload)
{
	struct bus1_payload *payload;
	size_t i;
	int r;

	for (i = 0; i < n_fds; i++)
		if (hosted_ends_have(&domain->ends, fds[i]))
			return -EINVAL;

	payload = bus1_payload_new(n_data, n_fds);
	if (IS_ERR(payload))
		return PTR_ERR(payload);
	r = bus1_payload_charge_files(payload, sender, domain->max_files);
	if (r < 0) {
		bus1_payload_unref(payload);
		return r;
	}

	for (i = 0; i < n_fds; i++) {
		payload->files[i] = shim_file_new(fds[i]);
		if (payload->files[i])
			continue;
		/* The caller still owns the descriptors, so they must not be closed here. */
		while (i-- > 0)
			payload->files[i]->fd = -1;
		bus1_payload_unref(payload);
		return -ENOMEM;
	}

	payload->creds = *creds;
	get_pid(payload->creds.pid);
	get_pid(payload->creds.tid);

	*ret_payload = payload;
	return 0;
}

void hosted_payload_let_go(struct bus1_payload *payload)
{
	for (size_t i = 0; i < payload->n_files; i++)
		if (payload->files[i])
			payload->files[i]->fd = -1;
}

int hosted_payload_thaw(const struct hosted_frozen_payload *frozen,
			struct bus1_payload **ret_payload)
{
	struct bus1_payload *payload;
	int r;

	payload = bus1_payload_new(frozen->n_data, frozen->n_fds);
	if (IS_ERR(payload))
		return PTR_ERR(payload);

	r = hosted_creds_init(&payload->creds, frozen->uid, frozen->gid, frozen->pid, frozen->tid);
	for (size_t i = 0; i < frozen->n_fds && r >= 0; i++) {
		payload->files[i] = shim_file_new(frozen->fds[i]);
		if (!payload->files[i])
			r = -ENOMEM;
	}
	if (r < 0) {
		hosted_payload_let_go(payload);
		bus1_payload_unref(payload);
		return r;
	}

	if (frozen->n_data > 0)
		memcpy(payload->data, frozen->data, frozen->n_data);
	*ret_payload = payload;
	return 0;
}
