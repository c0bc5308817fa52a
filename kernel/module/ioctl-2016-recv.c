// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receive command of 2016
 *
 * The message is in the pool, so only the structure of the command is written to the user. The
 * command checks that the structure can be written before it takes the message. So a message is
 * lost only if the structure cannot be written any more, for example because the user has unmapped
 * it in between. The slice and the descriptors of the lost message exist all the same.
 *
 * The write is the last step, because the user can make it take any time. The command has dropped
 * the payload before, because nobody is charged for the payload any more.
 */

#include <linux/container_of.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include "../core/v2016.h"
#include "ioctl-2016.h"

static void bus1_ioctl_2016_recv_creds(struct bus1_2016_msg *msg,
				       const struct bus1_payload *payload)
{
	const struct bus1_recv recv = { .payload = payload };
	struct bus1_metadata_credentials metadata;

	/*
	 * An ID that does not exist in the receiver's namespaces becomes the invalid user or group,
	 * or process or thread 0.
	 */
	bus1_metadata_fill(&metadata, &recv, true);
	msg->uid = metadata.uid;
	msg->gid = metadata.gid;
	msg->pid = metadata.pid == BUS1_INVALID ? 0 : metadata.pid;
	msg->tid = metadata.tid == BUS1_INVALID ? 0 : metadata.tid;
}

/**
 * struct bus1_ioctl_2016_recv_state - a receive in progress
 * @recv:	arguments and results
 * @secctx:	label of the sender, when the peer wants it
 */
struct bus1_ioctl_2016_recv_state {
	struct bus1_v2016_recv recv;
	struct bus1_secctx secctx;
};

static int bus1_ioctl_2016_recv_label(struct bus1_v2016_recv *recv,
				      const struct bus1_payload *payload)
{
	const struct bus1_recv message = { .payload = payload };
	struct bus1_ioctl_2016_recv_state *state;
	int r;

	state = container_of(recv, struct bus1_ioctl_2016_recv_state, recv);
	r = bus1_secctx_get(&state->secctx, &message);
	if (r < 0 || state->secctx.n == BUS1_INVALID)
		return r;
	recv->has_secctx = true;
	recv->secctx = state->secctx.data;
	recv->n_secctx = state->secctx.n;
	return 0;
}

/* Take credentials and descriptors from the payload, and drop it. Notifications have no payload. */
static void bus1_ioctl_2016_recv_end_payload(struct bus1_v2016_recv *recv)
{
	bus1_ioctl_2016_recv_creds(&recv->msg, recv->payload);
	if (recv->msg.n_fds > 0)
		bus1_files_install(recv->fds, recv->payload->files, recv->msg.n_fds);
	kvfree(recv->fds);
	bus1_payload_unref(recv->payload);
}

int bus1_ioctl_2016_recv(struct bus1_file *bus1_file, void __user *argp)
{
	struct bus1_ioctl_2016_recv_state state;
	struct bus1_2016_recv cmd;
	int r;

	if (copy_from_user(&cmd, argp, sizeof(cmd)) || copy_to_user(argp, &cmd, sizeof(cmd)))
		return -EFAULT;

	state = (struct bus1_ioctl_2016_recv_state){
		.recv.flags = cmd.flags,
		.recv.max_offset = cmd.max_offset,
		.recv.reserve = bus1_files_reserve,
		.recv.unreserve = bus1_files_unreserve,
		.recv.label = bus1_ioctl_2016_recv_label,
	};
	r = bus1_v2016_recv(bus1_file->peer, &state.recv);
	bus1_secctx_put(&state.secctx);
	if (r < 0)
		return r;

	bus1_ioctl_2016_recv_end_payload(&state.recv);
	cmd.msg = state.recv.msg;
	return copy_to_user(argp, &cmd, sizeof(cmd)) ? -EFAULT : 0;
}
