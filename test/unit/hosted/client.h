/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tests of frozen domains do with clients. If an operation fails, so does the test. */

#include "test/unit/hosted/site.h"

/* The number of open descriptors. */
int count_fds(void);
/* The number that a descriptor of send_message() contains. */
uint64_t number_of(int fd);
bool is_readable(struct bus1_client *client);

/*
 * Send a message to n destinations: with data that depends on the number, and with n_fds
 * descriptors that contain the numbers from this one on. Returns the result of the send.
 */
int send_message(struct bus1_client *client, const uint64_t *destinations, size_t n,
                 struct bus1_transfer *transfers, size_t n_transfers, size_t n_data,
                 uint64_t number, size_t n_fds);
/* Send a message that has only data, whose number is 1. Returns the result of the send. */
int send_text(struct bus1_client *client, uint64_t handle, size_t n_data);
/* Receive, and check the ID, the size of the data and the number of descriptors. */
void expect(struct bus1_client *client, uint64_t id, size_t n_data, size_t n_fds);
/* Copy a handle from one client to another. */
uint64_t give(struct bus1_client *from, struct bus1_client *to, uint64_t handle);
/* site_refreeze() for a site that is not stopped. */
void refreeze(struct site *site);
