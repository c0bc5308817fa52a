/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Commands of peers in other processes
 *
 * This file checks the header of a request, its lengths, and the seals of its memfd. The core
 * checks the rest: flags of transfers, IDs, quotas.
 *
 * A request fails in one of two ways: the reply carries the error, or the server drops the client
 * (-EPROTO). The server drops clients that break the protocol, which libbus1 never does.
 */

#include "kernel/hosted/state.h"

/* A request as it came in. Its packet is in domain->request. */
struct hosted_request {
	size_t n_packet;
	int fds[BUS1_HOSTED_FDS_MAX]; /* the command sets those that it takes to -1 */
	size_t n_fds;
	bool fds_lost; /* descriptors are missing, mostly because this process ran out of them */
};

/* A reply. Its packet begins with n_packet bytes of domain->reply. */
struct hosted_reply {
	size_t n_packet;
	/*
	 * a reference, or NULL; the packet ends with n_data bytes of its data, from data_offset on
	 */
	struct bus1_payload *payload;
	size_t data_offset;
	size_t n_data;
	int fds[BUS1_HOSTED_FDS_MAX]; /* borrowed from payload, or own_fd */
	size_t n_fds;
	int own_fd; /* the caller of hosted_command_run() closes it; -1: none */
};

/*
 * Carry out a request and prepare its reply, which may carry an error. Returns 0, or -EPROTO if the
 * caller must drop the client.
 */
int hosted_command_run(struct hosted_served *served, struct hosted_request *request,
		       struct hosted_reply *reply);
