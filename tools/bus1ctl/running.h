/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Running buses - which program a bus is
 *
 * The credentials of the socket do not tell it, because systemd has made the socket of most buses.
 * Each bus answers with its own process if a client asks for the process of org.freedesktop.DBus.
 */

#include <stddef.h>
#include <sys/types.h>

struct running {
        char *error; /* why no bus answers; NULL: a bus has answered */
        pid_t pid;
        char *program; /* its path, or only its name if the path may not be read; NULL: not known */
};

struct running_user {
        uid_t uid;
        char *address;
};

/*
 * Ask the bus at an address, as the user uid. Only root can ask as another user. The caller clears
 * the result.
 */
void running_ask(struct running *ret_running, const char *address, uid_t uid);
void running_clear(struct running *running);

/*
 * List the buses of users that this process may ask: as root those of all users who are logged in,
 * else that of the own user. Sorted by uid. The caller frees the list with running_users_free().
 */
void running_list_users(struct running_user **ret_users, size_t *ret_n);
void running_users_free(struct running_user *users, size_t n);
