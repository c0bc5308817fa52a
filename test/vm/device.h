/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Commands of the device without a library, for tests that check exactly what the device does
 */

#include "command.h"
#include <linux/bus1.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* an address that can be neither read nor written */
#define BAD ((uint64_t)1)

int peer_open(void);
/* Open the device as another user. Only root may call this. */
int peer_open_as(uid_t uid);
struct bus1_cmd_query query(int fd);

/*
 * Make one transfer to the peer with the descriptor "to", or to the same peer if "to" is
 * UINT64_MAX. Returns 0 or a negative errno.
 */
int transfer(int from, uint64_t to, struct bus1_transfer *src, struct bus1_transfer *dst);
/* Make a node of owner, and a handle to it for holder. */
void node_create(int owner, int holder, uint64_t *ret_node, uint64_t *ret_handle);
/* Copy a handle to another peer. Returns the ID of the copy. */
uint64_t handle_copy(int from, int to, uint64_t handle);
int release_id(int fd, uint64_t id);

int send_message(int fd, uint64_t handle, struct bus1_message *message);
int send_bytes(int fd, uint64_t handle, const void *data, size_t n);
int send_fd(int fd, uint64_t handle, int passed);

int recv_message(int fd, struct bus1_message *message, uint64_t flags, void *metadata);
/*
 * Receive the next message or notification, with at most 64 KiB of data and 16 handles. Drop its
 * data and descriptors. Returns the type, and the metadata in *ret; or a negative errno.
 */
int recv_any(int fd, struct bus1_metadata_credentials *ret);

/* Write the text to a file of the kernel. */
void write_file(const char *path, const char *text);
/*
 * Map n IDs, from "first" on, to the IDs 0 to n - 1 of the user namespace of a process. The file is
 * uid_map or gid_map.
 */
void map_ids(pid_t pid, const char *file, unsigned first, unsigned n);
/* Number of open descriptors below 256. */
int count_fds(void);
/* Wait for a process, which must exit with 0. */
void expect_exit(pid_t pid);
/* Wait until the module has no account and no charges. Fails after some seconds. */
void expect_no_usage(void);
