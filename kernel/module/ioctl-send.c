// SPDX-License-Identifier: GPL-2.0-only
/*
 * BUS1_CMD_SEND: send one message to all destinations
 *
 * If the results cannot be written to the user, the command returns -EFAULT, but the message has
 * been sent.
 */

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include "module.h"

/* Make the payload of a message from data, descriptors and credentials, for both generations. */
struct bus1_payload *bus1_ioctl_send_payload(struct bus1_peer *peer, struct iov_iter *data,
					     size_t n_data, u64 ptr_fds, size_t n_fds)
{
	struct bus1_payload *payload;
	int r;

	payload = bus1_payload_new(n_data, n_fds);
	if (IS_ERR(payload))
		return payload;

	bus1_creds_capture(&payload->creds);
	payload->n_kept += bus1_creds_kept(&payload->creds);
	r = bus1_user_read_data(payload->data, n_data, data);
	if (r == 0)
		r = bus1_files_charge(payload, peer);
	if (r == 0)
		r = bus1_files_collect(payload->files, ptr_fds, n_fds);
	if (r < 0) {
		bus1_payload_unref(payload);
		return ERR_PTR(r);
	}
	return payload;
}

static struct bus1_payload *bus1_ioctl_send_get_payload(struct bus1_peer *peer,
							const struct bus1_message_fds *message)
{
	struct bus1_payload *payload;
	struct bus1_user_data data;
	int r;

	r = bus1_user_import_data(&data, ITER_SOURCE, &message->message);
	if (r < 0)
		return ERR_PTR(r);
	payload = bus1_ioctl_send_payload(peer, &data.iter, message->message.n_data,
					  message->ptr_fds, message->n_fds);
	kfree(data.vecs);
	return payload;
}

/* Write the errors to the user. If a send without BUS1_SEND_FLAG_CONTINUE succeeds, all are 0. */
static int bus1_ioctl_send_put_errors(const struct bus1_cmd_send *cmd, const struct bus1_send *send)
{
	if (!cmd->ptr_errors || send->n_destinations == 0)
		return 0;
	if (send->errors)
		return bus1_user_put(cmd->ptr_errors, send->errors, send->n_destinations,
				     sizeof(*send->errors));
	return clear_user(u64_to_user_ptr(cmd->ptr_errors), send->n_destinations * sizeof(s32))
		       ? -EFAULT
		       : 0;
}

/* Report the results of a send. The send has happened already, even if the report fails. */
static int bus1_ioctl_send_put(const struct bus1_cmd_send *cmd, const struct bus1_message *message,
			       const struct bus1_send *send, bool created)
{
	int r = 0;

	if (created)
		r = bus1_user_put(message->ptr_transfers, send->transfers, send->n_transfers,
				  sizeof(*send->transfers));
	return r < 0 ? r : bus1_ioctl_send_put_errors(cmd, send);
}

static int bus1_ioctl_send_run(struct bus1_peer *peer, const struct bus1_cmd_send *cmd,
			       const struct bus1_message_fds *message, struct bus1_send *send)
{
	struct bus1_payload *payload;
	bool created;
	int r;

	if (message->message.n_data > BUS1_COMMAND_FREE) {
		r = bus1_peer_check_destinations(peer, send->destinations, send->n_destinations);
		if (r < 0)
			return r;
	}
	payload = bus1_ioctl_send_get_payload(peer, message);
	if (IS_ERR(payload))
		return PTR_ERR(payload);
	send->payload = payload;
	created = bus1_transfers_create(send->transfers, send->n_transfers);
	r = bus1_peer_send(peer, send);
	/* The report may take any time. Do not keep the payload for so long. */
	bus1_payload_unref(payload);
	return r < 0 ? r : bus1_ioctl_send_put(cmd, &message->message, send, created);
}

/* Copy the arrays of a send, and run it. The sender has been charged for the arrays. */
static int bus1_ioctl_send_collect(struct bus1_peer *peer, const struct bus1_cmd_send *cmd,
				   const struct bus1_message_fds *message)
{
	u64 destination, *destinations = &destination;
	struct bus1_send send = {
		.flags = cmd->flags,
		.n_destinations = cmd->n_destinations,
		.n_transfers = message->message.n_transfers,
	};
	int r = 0;

	if (cmd->n_destinations == 1)
		r = get_user(destination, (u64 __user *)u64_to_user_ptr(cmd->ptr_destinations));
	else
		destinations = bus1_user_dup(cmd->ptr_destinations, cmd->n_destinations,
					     sizeof(*destinations));
	if (r < 0)
		return r;
	if (IS_ERR(destinations))
		return PTR_ERR(destinations);
	send.destinations = destinations;
	send.transfers = bus1_user_dup(message->message.ptr_transfers, send.n_transfers,
				       sizeof(*send.transfers));
	if (IS_ERR(send.transfers)) {
		r = PTR_ERR(send.transfers);
		goto free_destinations;
	}
	if (cmd->flags & BUS1_SEND_FLAG_CONTINUE && cmd->ptr_errors) {
		/* one more, so that the array is never empty */
		send.errors =
			kvcalloc(send.n_destinations + 1, sizeof(*send.errors), GFP_KERNEL_ACCOUNT);
		if (!send.errors) {
			r = -ENOMEM;
			goto free_transfers;
		}
	}

	r = bus1_ioctl_send_run(peer, cmd, message, &send);

	kvfree(send.errors);
free_transfers:
	kvfree(send.transfers);
free_destinations:
	if (destinations != &destination)
		kvfree(destinations);
	return r;
}

/* Carry out a send whose structure has been copied. */
int bus1_ioctl_send_cmd(struct bus1_peer *peer, const struct bus1_cmd_send *cmd)
{
	struct bus1_message_fds message;
	size_t n;
	int r;

	if (cmd->flags & ~BUS1_SEND_FLAG_CONTINUE)
		return -EINVAL;
	r = bus1_user_get_message(&message, cmd->ptr_message, BUS1_MESSAGE_FLAG_FDS);
	if (r < 0)
		return r;
	if (message.message.type != BUS1_MESSAGE_TYPE_USER)
		return -EINVAL;
	if (cmd->n_destinations > BUS1_MAX_DESTINATIONS ||
	    message.message.n_transfers > BUS1_MAX_TRANSFERS ||
	    message.message.n_data > BUS1_MAX_DATA || message.n_fds > BUS1_MAX_FILES)
		return -EMSGSIZE;

	n = bus1_send_memory(message.message.n_data, cmd->n_destinations,
			     message.message.n_transfers) +
	    bus1_user_vecs_memory(message.message.n_data_vecs);
	r = bus1_peer_begin_command(peer, n);
	if (r < 0)
		return r;
	r = bus1_ioctl_send_collect(peer, cmd, &message);
	bus1_peer_end_command(peer, n);
	return r;
}

int bus1_ioctl_send(struct bus1_peer *peer, void __user *argp)
{
	struct bus1_cmd_send cmd;

	if (bus1_user_get_struct(&cmd, (uintptr_t)argp, sizeof(cmd)) < 0)
		return -EFAULT;
	return bus1_ioctl_send_cmd(peer, &cmd);
}
