/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Commands of peers in other processes
 *
 * A request is checked once and completely: its header, its lengths, the seals of its memfd. Then
 * the core is called, which checks the rest: flags of transfers, IDs, quotas.
 *
 * A request fails in one of two ways. If a program can make the library send such a request, the
 * server refuses it, and the reply carries the error. If the library never sends such a request,
 * the server drops the client (-EPROTO).
 */

#include "kernel/hosted/state.h"

/* A request as it came in. Its packet is in the domain's buffer. */
struct hosted_request {
	size_t n_packet;
	int fds[BUS1_HOSTED_FDS_MAX]; /* the command sets those that it takes to -1 */
	size_t n_fds;
	bool fds_lost; /* descriptors are missing: this process ran out of them */
};

/* A reply: its packet is in the domain's buffer, its data and descriptors are not. */
struct hosted_reply {
	size_t n_packet;
	/*
	 * a reference, or NULL; n_data bytes of its data, from data_offset on, are sent after the
	 * packet
	 */
	struct bus1_payload *payload;
	size_t data_offset;
	size_t n_data;
	int fds[BUS1_HOSTED_FDS_MAX]; /* borrowed from payload, or own_fd */
	size_t n_fds;
	int own_fd; /* the server closes it after sending the reply; -1: none */
};

/* Carry out a request and prepare its reply. -EPROTO: the caller must drop the client. */
int hosted_command_run(struct hosted_served *served, struct hosted_request *request,
		       struct hosted_reply *reply);
