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

static struct bus1_payload *bus1_ioctl_2016_send_payload(const struct bus1_2016_send *cmd)
{
	struct iovec few[UIO_FASTIOV], *vecs = few;
	struct bus1_payload *payload;
	struct iov_iter iter;
	ssize_t n;

	n = import_iovec(ITER_SOURCE, u64_to_user_ptr(cmd->ptr_vecs), cmd->n_vecs, ARRAY_SIZE(few),
			 &vecs, &iter);
	if (n < 0)
		return ERR_PTR(n);
	/*
	 * import_iovec() cuts longer data off at MAX_RW_COUNT, which is far above BUS1_MAX_DATA. So
	 * data that was cut is refused here.
	 */
	payload = n > BUS1_MAX_DATA ? ERR_PTR(-EMSGSIZE)
				    : bus1_ioctl_send_payload(&iter, n, cmd->ptr_fds, cmd->n_fds);
	kfree(vecs);
	/* In 2016 there is one error for all descriptors that are refused. */
	return payload == ERR_PTR(-EINVAL) ? ERR_PTR(-EOPNOTSUPP) : payload;
}

static int bus1_ioctl_2016_send_run(struct bus1_peer *peer, const struct bus1_2016_send *cmd,
				    struct bus1_v2016_send *send)
{
	int r;

	if (cmd->ptr_errors && cmd->n_destinations > 0) {
		send->errors = kvmalloc_array(cmd->n_destinations, sizeof(*send->errors),
					      GFP_KERNEL_ACCOUNT);
		if (!send->errors)
			return -ENOMEM;
	}

	r = bus1_v2016_send(peer, send);
	if (r == 0 && send->errors)
		r = bus1_user_put(cmd->ptr_errors, send->errors, cmd->n_destinations,
				  sizeof(*send->errors));
	kvfree(send->errors);
	return r;
}

int bus1_ioctl_2016_send(struct bus1_file *bus1_file, void __user *argp)
{
	u64 *destinations, *handles;
	struct bus1_v2016_send send;
	struct bus1_2016_send cmd;
	int r;

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	if (cmd.n_destinations > BUS1_MAX_DESTINATIONS || cmd.n_handles > BUS1_MAX_TRANSFERS ||
	    cmd.n_vecs > UIO_MAXIOV || cmd.n_fds > BUS1_2016_FD_MAX)
		return -EMSGSIZE;

	destinations =
		bus1_user_dup(cmd.ptr_destinations, cmd.n_destinations, sizeof(*destinations));
	if (IS_ERR(destinations))
		return PTR_ERR(destinations);
	handles = bus1_user_dup(cmd.ptr_handles, cmd.n_handles, sizeof(*handles));
	if (IS_ERR(handles)) {
		r = PTR_ERR(handles);
		goto free_destinations;
	}

	send = (struct bus1_v2016_send){
		.flags = cmd.flags,
		.destinations = destinations,
		.n_destinations = cmd.n_destinations,
		.handles = handles,
		.n_handles = cmd.n_handles,
	};
	send.payload = bus1_ioctl_2016_send_payload(&cmd);
	if (IS_ERR(send.payload)) {
		r = PTR_ERR(send.payload);
		goto free_handles;
	}
	r = bus1_ioctl_2016_send_run(bus1_file->peer, &cmd, &send);
	bus1_payload_unref(send.payload);

free_handles:
	kvfree(handles);
free_destinations:
	kvfree(destinations);
	return r;
}
