// SPDX-License-Identifier: GPL-2.0-only
/*
 * BUS1_CMD_CALL: send messages, then wait for messages
 *
 * The arguments of the first receive are checked before anything is sent. So a command whose first
 * receive is invalid sends nothing.
 */

#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include "ioctl-recv.h"

/* Copy the next receive, and check it. */
static int bus1_ioctl_call_collect(struct bus1_ioctl_recv_state *state, struct bus1_file *bus1_file,
				   u64 ptr)
{
	if (bus1_user_get_struct(&state->cmd, ptr, sizeof(state->cmd)) < 0)
		return -EFAULT;
	if (state->cmd.flags & (BUS1_RECV_FLAG_PEEK | BUS1_RECV_FLAG_WAIT))
		return -EINVAL;
	return bus1_ioctl_recv_collect(state, bus1_file);
}

/* Carry out the sends, until one fails or a signal comes. @cmd then says which sends are left. */
static int bus1_ioctl_call_send(struct bus1_file *bus1_file, struct bus1_cmd_call *cmd)
{
	struct bus1_cmd_send send;
	int r = 0;

	while (cmd->n_sends > 0) {
		if (bus1_user_get_struct(&send, cmd->ptr_sends, sizeof(send)) < 0)
			return -EFAULT;
		r = bus1_ioctl_send_cmd(bus1_file->peer, &send);
		if (r < 0)
			return r;
		cmd->ptr_sends += sizeof(send);
		--cmd->n_sends;
		if (cmd->n_sends > 0 && signal_pending(current))
			return -ERESTARTSYS;
		cond_resched();
	}
	return 0;
}

/* Receive the first message. Wait for it, unless @cmd or @state forbids to wait. */
static int bus1_ioctl_call_recv_first(struct bus1_ioctl_recv_state *state,
				      struct bus1_file *bus1_file, struct bus1_cmd_call *cmd,
				      struct bus1_recv_filter *filter)
{
	ktime_t deadline = KTIME_MAX;
	int r;

	/* Only a receive finds out whether a message concerns the node. */
	if (cmd->timeout == 0 || state->nowait || filter) {
		r = bus1_ioctl_recv_run(state, bus1_file, filter);
		if (r != -EAGAIN || cmd->timeout == 0 || state->nowait)
			return r;
	}
	if (cmd->timeout <= KTIME_MAX)
		deadline = ktime_add_safe(ktime_get(), ns_to_ktime(cmd->timeout));
	r = bus1_ioctl_recv_wait(state, bus1_file, filter, deadline);
	if (r < 0 && deadline != KTIME_MAX)
		cmd->timeout = max_t(s64, ktime_to_ns(ktime_sub(deadline, ktime_get())),
				     r == -ETIMEDOUT ? 0 : 1);
	return r;
}

/* Receive more messages, which are there already. Returns their number. */
static u64 bus1_ioctl_call_recv_more(struct bus1_ioctl_recv_state *state,
				     struct bus1_file *bus1_file, const struct bus1_cmd_call *cmd,
				     struct bus1_recv_filter *filter)
{
	u64 n;
	int r;

	for (n = 1; n < cmd->n_recvs && !signal_pending(current); n++) {
		r = bus1_ioctl_call_collect(state, bus1_file,
					    cmd->ptr_recvs + n * sizeof(struct bus1_cmd_recv));
		if (r < 0)
			break;
		r = bus1_ioctl_recv_run(state, bus1_file, filter);
		bus1_ioctl_recv_destroy(state);
		if (r < 0)
			break;
		cond_resched();
	}
	return n - 1;
}

static int bus1_ioctl_call_run(struct bus1_file *bus1_file, struct bus1_cmd_call *cmd, bool nowait)
{
	struct bus1_recv_filter node = { .node = cmd->node };
	struct bus1_recv_filter *filter = cmd->node == BUS1_INVALID ? NULL : &node;
	struct bus1_ioctl_recv_state state;
	int r;

	if (cmd->n_recvs == 0)
		return bus1_ioctl_call_send(bus1_file, cmd);

	state.nowait = nowait;
	r = bus1_ioctl_call_collect(&state, bus1_file, cmd->ptr_recvs);
	if (r < 0)
		return r;
	r = bus1_ioctl_call_send(bus1_file, cmd);
	if (r == 0)
		r = bus1_ioctl_call_recv_first(&state, bus1_file, cmd, filter);
	bus1_ioctl_recv_destroy(&state);
	if (r == 0)
		cmd->n_recvs = 1 + bus1_ioctl_call_recv_more(&state, bus1_file, cmd, filter);
	return r;
}

int bus1_ioctl_call(struct bus1_file *bus1_file, void __user *argp, bool nowait)
{
	struct bus1_cmd_call __user *user = argp;
	u64 ptr = (uintptr_t)argp;
	struct bus1_cmd_call cmd;
	u64 n_recvs;
	int r;

	if (bus1_user_get_struct(&cmd, ptr, sizeof(cmd)) < 0)
		return -EFAULT;
	if (cmd.flags != 0)
		return -EINVAL;
	if (cmd.n_sends > BUS1_CALL_MAX || cmd.n_recvs > BUS1_CALL_MAX)
		return -EMSGSIZE;

	n_recvs = cmd.n_recvs;
	r = bus1_ioctl_call_run(bus1_file, &cmd, nowait);
	/* Like poll(): a signal with a handler ends the command, whatever SA_RESTART says. */
	if (r == -ERESTARTSYS || r == -EINTR)
		r = -ERESTARTNOHAND;
	if (r < 0)
		return bus1_user_put_struct(ptr, &cmd, sizeof(cmd)) < 0 ? -EFAULT : r;
	if (cmd.n_recvs != n_recvs && put_user(cmd.n_recvs, &user->n_recvs))
		return -EFAULT;
	return 0;
}
