/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_IOCTL_RECV_H
#define __BUS1_IOCTL_RECV_H

/*
 * Receiving a message for a user
 *
 * BUS1_CMD_RECV receives one message, BUS1_CMD_CALL can receive several. Each receive goes through
 * bus1_ioctl_recv_collect(), _run() or _wait(), and _destroy().
 */

#include "module.h"

/**
 * struct bus1_ioctl_recv_state - a receive in progress
 * @cmd:	the command
 * @nowait:	do not wait, neither for a message nor for another receiver of the peer
 * @message:	message as the user passed it
 * @max_offset:	offset that the user passed: data in the pool has to end there at the latest
 * @metadata:	metadata as the user passed it, with BUS1_RECV_FLAG_SECCTX; else all 0
 * @data:	buffers for the data, unless it goes to the pool or is discarded
 * @peer:	receiver, which is charged for the vectors of @data
 * @n_pending:	argument of bus1_peer_begin_command() for these vectors
 * @secctx:	label of the sender, when the user asks for it
 * @fds:	numbers that were reserved for descriptors
 * @n_fds:	number of @fds
 * @payload:	payload with the files for @fds; referenced, NULL when there are none
 */
struct bus1_ioctl_recv_state {
	struct bus1_cmd_recv cmd;
	bool nowait;
	struct bus1_message_fds message;
	u64 max_offset;
	struct bus1_metadata_secctx metadata;
	struct bus1_user_data data;
	struct bus1_peer *peer;
	size_t n_pending;
	struct bus1_secctx secctx;
	s32 *fds;
	size_t n_fds;
	struct bus1_payload *payload;
};

int bus1_ioctl_recv_collect(struct bus1_ioctl_recv_state *state, struct bus1_file *bus1_file);
int bus1_ioctl_recv_run(struct bus1_ioctl_recv_state *state, struct bus1_file *bus1_file,
			struct bus1_recv_filter *filter);
int bus1_ioctl_recv_wait(struct bus1_ioctl_recv_state *state, struct bus1_file *bus1_file,
			 struct bus1_recv_filter *filter, ktime_t deadline);
void bus1_ioctl_recv_destroy(struct bus1_ioctl_recv_state *state);

#endif /* __BUS1_IOCTL_RECV_H */
