/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Commands of peers in other processes
 *
 * A request is checked once and completely: its header, its lengths, the seals of its memfd. Then
 * the core is called, which checks the rest: flags of transfers, IDs, quotas.
 *
 * A request fails in one of two ways. It is refused, and the reply carries the error: a program can
 * make the library send such a request. Or it gets its client dropped (-EPROTO): the library
 * never sends such a request.
 */

#include "kernel/hosted/state.h"

/* A request as it came in. Its packet is in the domain's buffer. */
struct hosted_request {
	size_t n_packet;
	int fds[BUS1_HOSTED_FDS_MAX]; /* -1: taken by the command */
	size_t n_fds;
	bool fds_lost; /* there were more, but this process ran out of descriptors */
};

/* What is sent back: the packet in the domain's buffer, and what is not copied there. */
struct hosted_reply {
	size_t n_packet;
	/* a reference to the message whose data, or a part of it, follows the packet */
	struct bus1_payload *payload;
	size_t data_offset;
	size_t n_data;
	int fds[BUS1_HOSTED_FDS_MAX]; /* borrowed from payload, or own_fd */
	size_t n_fds;
	int own_fd; /* to be closed after the reply was sent, or -1 */
};

/* Carry out a request and prepare its reply. -EPROTO when the client is to be dropped. */
int hosted_command_run(struct hosted_served *served, struct hosted_request *request,
		       struct hosted_reply *reply);
