// SPDX-License-Identifier: GPL-2.0-only
/*
 * BUS1_CMD_RECV: receive the next message
 *
 * Everything is written to the user before the message is taken out of the queue. If the write
 * fails (-EFAULT), the message stays queued, and the content of the user's buffers is undefined.
 */

#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include "ioctl-recv.h"

#define BUS1_RECV_FLAGS                                                             \
	(BUS1_RECV_FLAG_CREDENTIALS | BUS1_RECV_FLAG_PEEK | BUS1_RECV_FLAG_SECCTX | \
	 BUS1_RECV_FLAG_DISCARD | BUS1_RECV_FLAG_WAIT)

/* number of handles that are copied to the user at a time */
#define BUS1_RECV_BATCH 16

static noinline_for_stack int
bus1_ioctl_recv_put_transfers(const struct bus1_ioctl_recv_state *state,
			      const struct bus1_recv *recv)
{
	size_t i = 0, n;
	int r;

	while (i < recv->n_transfers) {
		struct bus1_transfer batch[BUS1_RECV_BATCH];
		u64 ptr = state->message.message.ptr_transfers + i * sizeof(*batch);

		for (n = 0; n < BUS1_RECV_BATCH && i < recv->n_transfers; ++n, ++i)
			batch[n] = bus1_recv_transfer(recv, i);
		r = bus1_user_put(ptr, batch, n, sizeof(*batch));
		if (r < 0)
			return r;
	}
	return 0;
}

static bool bus1_ioctl_recv_makes_fds(const struct bus1_ioctl_recv_state *state)
{
	return state->message.message.flags & BUS1_MESSAGE_FLAG_FDS &&
	       !(state->cmd.flags & BUS1_RECV_FLAG_PEEK);
}

static int bus1_ioctl_recv_put_fds(struct bus1_ioctl_recv_state *state,
				   const struct bus1_recv *recv)
{
	size_t n = recv->payload ? recv->payload->n_files : 0;
	int r;

	if (n == 0 || !bus1_ioctl_recv_makes_fds(state))
		return 0;

	state->fds = kmalloc_array(n, sizeof(*state->fds), GFP_KERNEL_ACCOUNT);
	if (!state->fds)
		return -ENOMEM;
	r = bus1_files_reserve(state->fds, recv->payload->files, n);
	if (r < 0)
		return r;
	state->n_fds = n;
	state->payload = bus1_payload_ref((struct bus1_payload *)recv->payload);
	return bus1_user_put(state->message.ptr_fds, state->fds, n, sizeof(*state->fds));
}

static int bus1_ioctl_recv_put_metadata(const struct bus1_ioctl_recv_state *state,
					const struct bus1_recv *recv)
{
	bool credentials = state->cmd.flags & (BUS1_RECV_FLAG_CREDENTIALS | BUS1_RECV_FLAG_SECCTX);
	struct bus1_metadata_secctx metadata = state->metadata;
	int r;

	bus1_metadata_fill(&metadata.credentials, recv, credentials);
	if (!credentials)
		return bus1_user_put_struct(state->cmd.ptr_metadata, &metadata.credentials.metadata,
					    sizeof(metadata.credentials.metadata));
	if (!(state->cmd.flags & BUS1_RECV_FLAG_SECCTX))
		return bus1_user_put_struct(state->cmd.ptr_metadata, &metadata.credentials,
					    sizeof(metadata.credentials));

	metadata.n_secctx = state->secctx.n;
	if (state->secctx.data) {
		r = bus1_user_put(metadata.ptr_secctx, state->secctx.data, state->secctx.n, 1);
		if (r < 0)
			return r;
	}
	return bus1_user_put_struct(state->cmd.ptr_metadata, &metadata, sizeof(metadata));
}

static bool bus1_ioctl_recv_discards(const struct bus1_ioctl_recv_state *state)
{
	return state->cmd.flags & BUS1_RECV_FLAG_DISCARD;
}

static bool bus1_ioctl_recv_label_fits(const struct bus1_ioctl_recv_state *state)
{
	return !state->secctx.data || state->secctx.n <= state->metadata.n_secctx;
}

static bool bus1_ioctl_recv_fits(const struct bus1_ioctl_recv_state *state,
				 const struct bus1_message_fds *actual)
{
	if (bus1_ioctl_recv_discards(state))
		return bus1_ioctl_recv_label_fits(state);
	if (actual->message.n_transfers > state->message.message.n_transfers ||
	    actual->message.n_data > state->message.message.n_data)
		return false;
	if (bus1_ioctl_recv_makes_fds(state) && actual->n_fds > state->message.n_fds)
		return false;
	return bus1_ioctl_recv_label_fits(state);
}

/* Tell the user how much room the message needs. Returns -EMSGSIZE, or -EFAULT. */
static noinline_for_stack int bus1_ioctl_recv_put_sizes(const struct bus1_ioctl_recv_state *state,
							const struct bus1_message_fds *actual)
{
	struct bus1_metadata_secctx metadata = state->metadata;
	int r = 0;

	if (state->cmd.flags & BUS1_RECV_FLAG_SECCTX) {
		metadata.n_secctx = state->secctx.n;
		r = bus1_user_put_struct(state->cmd.ptr_metadata, &metadata, sizeof(metadata));
	}
	if (r == 0)
		r = bus1_user_put_message(state->cmd.ptr_message, actual);
	return r < 0 ? r : -EMSGSIZE;
}

static u64 __user *bus1_ioctl_recv_ptr_offset(const struct bus1_ioctl_recv_state *state)
{
	struct bus1_message_pool __user *message = u64_to_user_ptr(state->cmd.ptr_message);

	return &message->offset;
}

static int bus1_ioctl_recv_put_data(const struct bus1_ioctl_recv_state *state,
				    struct bus1_recv *recv)
{
	struct iov_iter iter;
	u64 offset;
	int r;

	if (state->message.message.flags & BUS1_MESSAGE_FLAG_POOL) {
		r = bus1_recv_to_pool(recv, state->max_offset, &offset);
		return r < 0 ? r : put_user(offset, bus1_ioctl_recv_ptr_offset(state));
	}
	if (!recv->payload)
		return 0;
	iter = state->data.iter;
	return bus1_user_write_data(recv->payload->data, recv->payload->n_data, &iter);
}

static int bus1_ioctl_recv_put_content(struct bus1_ioctl_recv_state *state, struct bus1_recv *recv)
{
	int r;

	r = bus1_ioctl_recv_put_data(state, recv);
	if (r < 0)
		return r;
	r = bus1_ioctl_recv_put_transfers(state, recv);
	return r < 0 ? r : bus1_ioctl_recv_put_fds(state, recv);
}

/*
 * Write a message to the user. Each step can fail, so the caller takes the message only afterwards.
 */
static int bus1_ioctl_recv_put(struct bus1_ioctl_recv_state *state, struct bus1_recv *recv)
{
	struct bus1_message_fds actual = state->message;
	int r;

	actual.message.n_transfers = recv->n_transfers;
	actual.message.n_data = recv->payload ? recv->payload->n_data : 0;
	actual.n_fds = recv->payload ? recv->payload->n_files : 0;

	if (state->cmd.flags & BUS1_RECV_FLAG_SECCTX) {
		r = bus1_secctx_get(&state->secctx, recv);
		if (r < 0)
			return r;
	}
	if (!bus1_ioctl_recv_fits(state, &actual))
		return bus1_ioctl_recv_put_sizes(state, &actual);

	r = bus1_ioctl_recv_put_metadata(state, recv);
	if (r == 0 && !bus1_ioctl_recv_discards(state))
		r = bus1_ioctl_recv_put_content(state, recv);
	if (r < 0)
		return r;

	actual.message.type = recv->type;
	return bus1_user_put_message(state->cmd.ptr_message, &actual);
}

/* Make the descriptors, or give their numbers back. */
static void bus1_ioctl_recv_end_fds(struct bus1_ioctl_recv_state *state, bool make)
{
	if (make && state->n_fds > 0)
		bus1_files_install(state->fds, state->payload->files, state->n_fds);
	else
		bus1_files_unreserve(state->fds, state->n_fds);
	kfree(state->fds);
	state->fds = NULL;
	state->n_fds = 0;
	state->payload = bus1_payload_unref(state->payload);
}

/*
 * Try once to receive. Returns -ESTALE if the message ceased to exist in the meantime; then the
 * caller tries again.
 */
static int bus1_ioctl_recv_one(struct bus1_peer *peer, struct bus1_ioctl_recv_state *state,
			       struct bus1_recv_filter *filter)
{
	struct bus1_recv recv;
	int r;

	r = state->nowait ? bus1_peer_recv_try_begin(peer, &recv, filter)
			  : bus1_peer_recv_begin_for(peer, &recv, filter);
	if (r < 0)
		return r;

	r = bus1_ioctl_recv_put(state, &recv);
	if (r < 0 || state->cmd.flags & BUS1_RECV_FLAG_PEEK) {
		bus1_peer_recv_abort(&recv);
		bus1_ioctl_recv_end_fds(state, false);
		goto out;
	}

	r = bus1_ioctl_recv_discards(state) ? bus1_peer_recv_discard(&recv)
					    : bus1_peer_recv_commit(&recv);
	bus1_ioctl_recv_end_fds(state, r == 0);
	/* Restore the user's structure. It was writable a moment ago. */
	if (r < 0 && bus1_user_put_message(state->cmd.ptr_message, &state->message) < 0)
		r = -EFAULT;

out:
	bus1_secctx_put(&state->secctx);
	return r;
}

/* Find out where the data is to be written. */
static int bus1_ioctl_recv_import_data(struct bus1_file *bus1_file,
				       struct bus1_ioctl_recv_state *state)
{
	const struct bus1_message *message = &state->message.message;

	if (bus1_ioctl_recv_discards(state)) {
		if (message->flags & BUS1_MESSAGE_FLAG_POOL ||
		    state->cmd.flags & BUS1_RECV_FLAG_PEEK)
			return -EINVAL;
		state->data.vecs = NULL;
		return 0;
	}
	if (!(message->flags & BUS1_MESSAGE_FLAG_POOL))
		return bus1_user_import_data(&state->data, ITER_DEST, message);

	if (message->n_data_vecs != 0 || state->cmd.flags & BUS1_RECV_FLAG_PEEK)
		return -EINVAL;
	if (get_user(state->max_offset, bus1_ioctl_recv_ptr_offset(state)))
		return -EFAULT;
	state->data.vecs = NULL;
	return bus1_pool_enable(bus1_file);
}

/**
 * bus1_ioctl_recv_collect() - copy and check the arguments of a receive
 * @state:	its @cmd and @nowait are set; this function sets all else that the receive needs
 * @bus1_file:	open device of the receiver
 *
 * Return: 0 or a negative errno. After a success bus1_ioctl_recv_destroy() must follow.
 */
int bus1_ioctl_recv_collect(struct bus1_ioctl_recv_state *state, struct bus1_file *bus1_file)
{
	int r;

	state->fds = NULL;
	state->n_fds = 0;
	state->payload = NULL;
	state->metadata = (struct bus1_metadata_secctx){};
	state->secctx = (struct bus1_secctx){};
	if (state->cmd.flags & ~BUS1_RECV_FLAGS)
		return -EINVAL;
	if (state->cmd.flags & BUS1_RECV_FLAG_SECCTX &&
	    copy_from_user(&state->metadata, u64_to_user_ptr(state->cmd.ptr_metadata),
			   sizeof(state->metadata)))
		return -EFAULT;
	r = bus1_user_get_message(&state->message, state->cmd.ptr_message,
				  BUS1_MESSAGE_FLAG_FDS | BUS1_MESSAGE_FLAG_POOL);
	if (r < 0)
		return r;
	if (state->message.message.type != BUS1_INVALID)
		return -EINVAL;

	/* A receive keeps the vectors while it waits, so the peer is charged for them. */
	state->peer = bus1_file->peer;
	state->n_pending = bus1_user_vecs_memory(state->message.message.n_data_vecs);
	r = bus1_peer_begin_command(state->peer, state->n_pending);
	if (r < 0)
		return r;
	r = bus1_ioctl_recv_import_data(bus1_file, state);
	if (r < 0)
		bus1_peer_end_command(state->peer, state->n_pending);
	return r;
}

/*
 * Receive a message that is there already. Returns -EAGAIN if there is none; with nowait, also if
 * another receive is under way. The filter may be NULL.
 */
int bus1_ioctl_recv_run(struct bus1_ioctl_recv_state *state, struct bus1_file *bus1_file,
			struct bus1_recv_filter *filter)
{
	int r;

	do
		r = bus1_ioctl_recv_one(bus1_file->peer, state, filter);
	while (r == -ESTALE);
	return r;
}

/**
 * bus1_ioctl_recv_wait() - wait for a message, and receive it
 * @state:	receive
 * @bus1_file:	open device
 * @filter:	filter of a receive that has found nothing; NULL to wait for any message
 * @deadline:	time of CLOCK_MONOTONIC; KTIME_MAX when there is no limit
 *
 * Return: -ETIMEDOUT; -ERESTARTSYS after a signal; errors of bus1_ioctl_recv_run(), but not
 * -EAGAIN.
 */
int bus1_ioctl_recv_wait(struct bus1_ioctl_recv_state *state, struct bus1_file *bus1_file,
			 struct bus1_recv_filter *filter, ktime_t deadline)
{
	int r;

	do {
		r = bus1_file_wait(bus1_file, filter, deadline);
		if (r == 0)
			r = bus1_ioctl_recv_run(state, bus1_file, filter);
		/*
		 * Another receiver can have taken the message that ended the wait, or the filter
		 * has found none.
		 */
		if (r == -EAGAIN && signal_pending(current))
			r = -ERESTARTSYS;
		else if (r == -EAGAIN && ktime_compare(ktime_get(), deadline) >= 0)
			r = -ETIMEDOUT;
		cond_resched();
	} while (r == -EAGAIN);

	/* The message that woke this command may still be queued. Wake another receiver for it. */
	if (!filter && (r < 0 || state->cmd.flags & BUS1_RECV_FLAG_PEEK))
		bus1_file_pass_on(bus1_file);
	return r;
}

void bus1_ioctl_recv_destroy(struct bus1_ioctl_recv_state *state)
{
	kfree(state->data.vecs);
	bus1_peer_end_command(state->peer, state->n_pending);
}

int bus1_ioctl_recv(struct bus1_file *bus1_file, void __user *argp, bool nowait)
{
	struct bus1_ioctl_recv_state state;
	int r;

	if (bus1_user_get_struct(&state.cmd, (uintptr_t)argp, sizeof(state.cmd)) < 0)
		return -EFAULT;
	state.nowait = nowait;
	r = bus1_ioctl_recv_collect(&state, bus1_file);
	if (r < 0)
		return r;

	if (state.cmd.flags & BUS1_RECV_FLAG_WAIT && !nowait)
		r = bus1_ioctl_recv_wait(&state, bus1_file, NULL, KTIME_MAX);
	else
		r = bus1_ioctl_recv_run(&state, bus1_file, NULL);
	bus1_ioctl_recv_destroy(&state);
	return r;
}
