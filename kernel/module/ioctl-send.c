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
struct bus1_payload *bus1_ioctl_send_payload(struct iov_iter *data, size_t n_data, u64 ptr_fds,
					     size_t n_fds)
{
	struct bus1_payload *payload;
	int r;

	payload = bus1_payload_new(n_data, n_fds);
	if (IS_ERR(payload))
		return payload;

	bus1_creds_capture(&payload->creds);
	r = bus1_user_read_data(payload->data, n_data, data);
	if (r == 0)
		r = bus1_files_collect(payload->files, ptr_fds, n_fds);
	if (r < 0) {
		bus1_payload_unref(payload);
		return ERR_PTR(r);
	}
	return payload;
}

static struct bus1_payload *bus1_ioctl_send_get_payload(const struct bus1_message_fds *message)
{
	struct bus1_payload *payload;
	struct bus1_user_data data;
	int r;

	r = bus1_user_import_data(&data, ITER_SOURCE, &message->message);
	if (r < 0)
		return ERR_PTR(r);
	payload = bus1_ioctl_send_payload(&data.iter, message->message.n_data, message->ptr_fds,
					  message->n_fds);
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

static int bus1_ioctl_send_run(struct bus1_peer *peer, const struct bus1_cmd_send *cmd,
			       const struct bus1_message *message, struct bus1_send *send)
{
	bool created;
	int r;

	created = bus1_transfers_create(send->transfers, send->n_transfers);
	r = bus1_peer_send(peer, send);
	if (r < 0)
		return r;

	if (created)
		r = bus1_user_put(message->ptr_transfers, send->transfers, send->n_transfers,
				  sizeof(*send->transfers));
	return r < 0 ? r : bus1_ioctl_send_put_errors(cmd, send);
}

int bus1_ioctl_send(struct bus1_peer *peer, void __user *argp)
{
	struct bus1_message_fds message;
	struct bus1_payload *payload;
	struct bus1_cmd_send cmd;
	u64 destination, *destinations = &destination;
	struct bus1_send send;
	int r;

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	if (cmd.flags & ~BUS1_SEND_FLAG_CONTINUE)
		return -EINVAL;
	r = bus1_user_get_message(&message, cmd.ptr_message, BUS1_MESSAGE_FLAG_FDS);
	if (r < 0)
		return r;
	if (message.message.type != BUS1_MESSAGE_TYPE_USER)
		return -EINVAL;
	if (cmd.n_destinations > BUS1_MAX_DESTINATIONS ||
	    message.message.n_transfers > BUS1_MAX_TRANSFERS ||
	    message.message.n_data > BUS1_MAX_DATA || message.n_fds > BUS1_MAX_FILES)
		return -EMSGSIZE;

	send = (struct bus1_send){
		.flags = cmd.flags,
		.n_destinations = cmd.n_destinations,
		.n_transfers = message.message.n_transfers,
	};
	if (cmd.n_destinations == 1)
		r = get_user(destination, (u64 __user *)u64_to_user_ptr(cmd.ptr_destinations));
	else
		destinations = bus1_user_dup(cmd.ptr_destinations, cmd.n_destinations,
					     sizeof(*destinations));
	if (r < 0)
		return r;
	if (IS_ERR(destinations))
		return PTR_ERR(destinations);
	send.destinations = destinations;
	send.transfers = bus1_user_dup(message.message.ptr_transfers, send.n_transfers,
				       sizeof(*send.transfers));
	if (IS_ERR(send.transfers)) {
		r = PTR_ERR(send.transfers);
		goto free_destinations;
	}
	if (cmd.flags & BUS1_SEND_FLAG_CONTINUE && cmd.ptr_errors) {
		/* one more, so that the array is never empty */
		send.errors =
			kvcalloc(send.n_destinations + 1, sizeof(*send.errors), GFP_KERNEL_ACCOUNT);
		if (!send.errors) {
			r = -ENOMEM;
			goto free_transfers;
		}
	}
	payload = bus1_ioctl_send_get_payload(&message);
	if (IS_ERR(payload)) {
		r = PTR_ERR(payload);
		goto free_errors;
	}
	send.payload = payload;

	r = bus1_ioctl_send_run(peer, &cmd, &message.message, &send);

	bus1_payload_unref(payload);
free_errors:
	kvfree(send.errors);
free_transfers:
	kvfree(send.transfers);
free_destinations:
	if (destinations != &destination)
		kvfree(destinations);
	return r;
}
