// SPDX-License-Identifier: GPL-2.0-only
/*
 * The send command of 2016
 */

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include "../core/v2016.h"
#include "ioctl-2016.h"

static struct bus1_payload *bus1_ioctl_2016_send_payload(struct bus1_peer *peer,
							 const struct bus1_2016_send *cmd,
							 struct iov_iter *data)
{
	struct bus1_payload *payload;

	payload =
		bus1_ioctl_send_payload(peer, data, iov_iter_count(data), cmd->ptr_fds, cmd->n_fds);
	/* In 2016 there is one error for all descriptors that are refused. */
	return payload == ERR_PTR(-EINVAL) ? ERR_PTR(-EOPNOTSUPP) : payload;
}

static int bus1_ioctl_2016_send_run(struct bus1_peer *peer, const struct bus1_2016_send *cmd,
				    struct bus1_v2016_send *send, struct iov_iter *data)
{
	int r;

	if (iov_iter_count(data) > BUS1_COMMAND_FREE) {
		r = bus1_v2016_check_destinations(peer, send->destinations, send->n_destinations);
		if (r < 0)
			return r;
	}
	if (cmd->ptr_errors && cmd->n_destinations > 0) {
		send->errors = kvmalloc_array(cmd->n_destinations, sizeof(*send->errors),
					      GFP_KERNEL_ACCOUNT);
		if (!send->errors)
			return -ENOMEM;
	}
	send->payload = bus1_ioctl_2016_send_payload(peer, cmd, data);
	if (IS_ERR(send->payload)) {
		r = PTR_ERR(send->payload);
		goto free_errors;
	}

	r = bus1_v2016_send(peer, send);
	/* The report may take any time. Do not keep the payload for so long. */
	bus1_payload_unref(send->payload);
	if (r == 0 && send->errors)
		r = bus1_user_put(cmd->ptr_errors, send->errors, cmd->n_destinations,
				  sizeof(*send->errors));

free_errors:
	kvfree(send->errors);
	return r;
}

/* Copy the arrays of a send, and run it. The sender has been charged for the arrays. */
static int bus1_ioctl_2016_send_collect(struct bus1_peer *peer, const struct bus1_2016_send *cmd,
					struct iov_iter *data)
{
	u64 *destinations, *handles;
	struct bus1_v2016_send send;
	int r;

	destinations =
		bus1_user_dup(cmd->ptr_destinations, cmd->n_destinations, sizeof(*destinations));
	if (IS_ERR(destinations))
		return PTR_ERR(destinations);
	handles = bus1_user_dup(cmd->ptr_handles, cmd->n_handles, sizeof(*handles));
	if (IS_ERR(handles)) {
		r = PTR_ERR(handles);
		goto free_destinations;
	}

	send = (struct bus1_v2016_send){
		.flags = cmd->flags,
		.destinations = destinations,
		.n_destinations = cmd->n_destinations,
		.handles = handles,
		.n_handles = cmd->n_handles,
	};
	r = bus1_ioctl_2016_send_run(peer, cmd, &send, data);

	kvfree(handles);
free_destinations:
	kvfree(destinations);
	return r;
}

/* Run a send whose vectors have been imported, so that the size of the data is known. */
static int bus1_ioctl_2016_send_data(struct bus1_peer *peer, const struct bus1_2016_send *cmd,
				     struct iov_iter *data)
{
	size_t n;
	int r;

	/* import_iovec() may have cut off the data, but only far above BUS1_MAX_DATA. */
	if (iov_iter_count(data) > BUS1_MAX_DATA)
		return -EMSGSIZE;

	n = bus1_send_memory(iov_iter_count(data), cmd->n_destinations, cmd->n_handles) +
	    bus1_user_vecs_memory(cmd->n_vecs);
	r = bus1_peer_begin_command(peer, n);
	if (r < 0)
		return r;
	r = bus1_ioctl_2016_send_collect(peer, cmd, data);
	bus1_peer_end_command(peer, n);
	return r;
}

int bus1_ioctl_2016_send(struct bus1_file *bus1_file, void __user *argp)
{
	struct iovec few[UIO_FASTIOV], *vecs = few;
	struct bus1_peer *peer = bus1_file->peer;
	struct bus1_2016_send cmd;
	struct iov_iter data;
	size_t n_memory;
	ssize_t n;
	int r;

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	if (cmd.n_destinations > BUS1_MAX_DESTINATIONS || cmd.n_handles > BUS1_MAX_TRANSFERS ||
	    cmd.n_vecs > UIO_MAXIOV || cmd.n_fds > BUS1_2016_FD_MAX)
		return -EMSGSIZE;

	n_memory = bus1_user_vecs_memory(cmd.n_vecs);
	r = bus1_peer_begin_command(peer, n_memory);
	if (r < 0)
		return r;
	n = import_iovec(ITER_SOURCE, u64_to_user_ptr(cmd.ptr_vecs), cmd.n_vecs, ARRAY_SIZE(few),
			 &vecs, &data);
	/* The rest of the command charges the vectors together with its other memory. */
	bus1_peer_end_command(peer, n_memory);
	if (n < 0)
		return n;
	r = bus1_ioctl_2016_send_data(peer, &cmd, &data);
	kfree(vecs);
	return r;
}
