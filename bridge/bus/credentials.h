/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Credentials - what the kernel knows about a process
 *
 * The credentials of a client are read from its socket when it connects. If it authenticates with
 * another mechanism than EXTERNAL, only the process ID and the socket are kept, and uid is that of
 * the user that it has proved to be, or unknown. After that they do not change. The bus reads its
 * own at start, and again after it has changed its user.
 *
 * A process descriptor for each client would double the number of descriptors of the bus. The
 * socket refers to the process as well, so the descriptor is made when somebody asks for it.
 */

#include <stddef.h>
#include <stdint.h>

struct client_credentials {
        uint32_t uid; /* UINT32_MAX: unknown */
        uint32_t gid;
        uint32_t pid;   /* 0: unknown */
        int socket;     /* of the connection; -1: none; not owned */
        uint32_t *gids; /* all groups, sorted; NULL: unknown; owned */
        size_t n_gids;
        char *label;    /* LSM label; NULL: unknown; owned */
        size_t n_label; /* without its terminating '\0' */
};

/* Make credentials of which nothing is known. */
void client_credentials_init(struct client_credentials *credentials);
/* A copy with arrays of its own. -ENOMEM. */
int client_credentials_copy(const struct client_credentials *credentials,
                            struct client_credentials *ret_copy);
void client_credentials_deinit(struct client_credentials *credentials);

/*
 * Read the credentials of the process that connected the socket. What cannot be read is unknown.
 * -ENOMEM.
 */
int credentials_of_socket(int fd, struct client_credentials *ret_credentials);
/* Make a pidfd of the process. Returns it, or a negative errno. */
int credentials_open_pidfd(const struct client_credentials *credentials);
/* Read the credentials of this process. */
void credentials_of_self(struct client_credentials *ret_credentials);
