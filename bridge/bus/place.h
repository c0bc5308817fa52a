/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Places - how many clients may have called Hello, and who gives way
 *
 * A user has max_connections_per_user places, and all users together have
 * max_completed_connections. When these are taken, a user who has fewer than another one still gets
 * one: the user with most clients loses the newest of them. So whoever takes no more than its even
 * part of the places keeps all it has, and a stranger always finds one.
 */

#include "bridge/bus/client.h"

/*
 * The client is about to be registered: is there a place for it? If another client has to give way
 * to it, that one is closed. Returns false if there is none.
 */
bool place_find(struct client *client);
/* A registered client begins to leave, which may take a while: its place can be given away. */
void place_promise(struct client *client);
/* It gives its place back. */
void place_leave(struct client *client);
