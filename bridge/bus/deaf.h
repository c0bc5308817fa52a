/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Deaf clients - those that get no broadcasts for now, because their queues are full
 *
 * The senders of signals must not pay for receivers that do not read: for each broadcast, the bus
 * would find out anew that it does not fit. So the rules of such a client sleep once they were met
 * (match_rule_sleep()), for broadcasts of all users, or only of that user who has filled its share
 * of the queue.
 *
 * Nothing tells when there is room in a share again, or in the queue of a native client. So this
 * ends after DEAF_TIME, and is found out anew. The full queue of a legacy client ends its deafness
 * when half of what was in it has been read.
 */

#include "bridge/bus/client.h"

#define DEAF_TIME (20 * INT64_C(1000000)) /* ns */

/*
 * Let it end after at most DEAF_TIME: is_deaf, which the calling function may set afterwards, and
 * the sleep of the rules. Returns false if this is not possible: without memory, or without a loop.
 */
bool deaf_for_a_time(struct client *client);
/* The client can take broadcasts again, or leaves. */
void deaf_end(struct client *client);
