// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receive command of 2016
 *
 * All that is written to the user is the command itself: the message is in the pool. That this can
 * be done is found out before the message is taken, so that it does not get lost unless the user
 * takes his memory away at that very moment.
 */

#include <linux/uaccess.h>
#include "module.h"

static void bus1_v2016_recv_creds(struct bus1_2016_msg *msg, const struct bus1_payload *payload)
{
	const struct bus1_recv recv = { .payload = payload };
	struct bus1_metadata_credentials metadata;

	/* what has no name here is an invalid user, and no process */
	bus1_metadata_fill(&metadata, &recv, true);
	msg->uid = metadata.uid;
	msg->gid = metadata.gid;
	msg->pid = metadata.pid == BUS1_INVALID ? 0 : metadata.pid;
	msg->tid = metadata.tid == BUS1_INVALID ? 0 : metadata.tid;
}

int bus1_v2016_cmd_recv(struct bus1_file *bus1_file, void __user *argp)
{
	struct bus1_v2016_recv recv;
	struct bus1_2016_recv cmd;
	int r;

	if (copy_from_user(&cmd, argp, sizeof(cmd)) || copy_to_user(argp, &cmd, sizeof(cmd)))
		return -EFAULT;

	recv = (struct bus1_v2016_recv){
		.flags = cmd.flags,
		.max_offset = cmd.max_offset,
		.install = bus1_files_install,
		.uninstall = bus1_files_uninstall,
	};
	r = bus1_v2016_recv(bus1_file->peer, &recv);
	if (r < 0)
		return r;

	cmd.msg = recv.msg;
	bus1_v2016_recv_creds(&cmd.msg, recv.payload);
	bus1_payload_unref(recv.payload);
	return copy_to_user(argp, &cmd, sizeof(cmd)) ? -EFAULT : 0;
}
