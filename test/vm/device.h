/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The device without a library, for tests that want to see exactly what it does
 */

#include "command.h"
#include <linux/bus1.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* nothing can be read or written there */
#define BAD ((uint64_t)1)

int peer_open(void);
struct bus1_cmd_query query(int fd);

/* One transfer; to is a descriptor, or UINT64_MAX for the same peer. */
int transfer(int from, uint64_t to, struct bus1_transfer *src, struct bus1_transfer *dst);
/* A node of owner, and a handle to it that holder has. */
void node_create(int owner, int holder, uint64_t *ret_node, uint64_t *ret_handle);
/* Copy a handle. */
uint64_t handle_copy(int from, int to, uint64_t handle);
int release_id(int fd, uint64_t id);

int send_message(int fd, uint64_t handle, struct bus1_message *message);
int send_bytes(int fd, uint64_t handle, const void *data, size_t n);
int send_fd(int fd, uint64_t handle, int passed);

int recv_message(int fd, struct bus1_message *message, uint64_t flags, void *metadata);
/* Type of the next message, whatever is in it; its metadata. */
int recv_any(int fd, struct bus1_metadata_credentials *ret);

/* How many of the lower descriptors are open. */
int count_fds(void);
/* Wait for a process that must end well. */
void expect_exit(pid_t pid);
/* Wait until the module accounts nothing any more. */
void expect_no_usage(void);
