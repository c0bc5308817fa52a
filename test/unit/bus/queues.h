/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Clients of several users with queues that are charged like those of the socket front end.
 *
 * The messages have no bytes worth mentioning: the tests choose the memory that they are charged
 * with.
 */

#include <check.h>

#include "bridge/bus/bus.h"
#include "bridge/bus/membership.h"
#include "bridge/bus/quota.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
/* The limits of the bus with the default configuration, see quota.c. */
#define USER_MAX (48 * MIB)
#define RESERVE (32 * KIB)
#define PART (USER_MAX / 16)

struct member {
        struct client client;
        struct message **queue;
        size_t n, n_allocated;
        unsigned n_resumed;
};

extern struct bus bus;

void queues_setup(void);
/* All clients must be gone. Checks that the bus holds nothing any more. */
void queues_teardown(void);

/* A client of this user that has its unique name. */
struct member *member_new(uint32_t uid);
/* Empty the queue, and end the client. Returns NULL. */
struct member *member_free(struct member *member);

/* A message that this user (ACCOUNT_NOBODY: the bus) caused. */
struct message *message_of(uint64_t uid, uint64_t cost);
/* The same with descriptors. */
struct message *message_with_fds(uint64_t uid, uint64_t cost, size_t n_fds);
/* An answer of the bus to this client, and NameAcquired. */
struct message *answer_to(struct member *member, uint64_t cost);
struct message *notice_to(struct member *member);

/* Queue a message, and drop the caller's reference. Returns whether it fitted. */
bool put(struct member *member, struct message *m);
/* The same for a call of sender, which its backlog counts. */
bool put_call(struct member *sender, struct member *receiver, uint64_t cost);
/* The client reads the first message of its queue. Returns whether there was one. */
bool take(struct member *member);
void take_all(struct member *member);

int run_tests(TCase *tcase);
