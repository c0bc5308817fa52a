/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A domain that a thread serves, with a client in this process, and clients that use sockets, as
 * those of other processes do
 */

#include <bus1/bus1.h>
#include <bus1/hosted.h>
#include <pthread.h>
#include <stdbool.h>

#define SITE_CLIENTS 5

struct site {
        struct bus1_domain *domain;
        struct bus1_client *local;
        struct bus1_client *clients[SITE_CLIENTS];
        uint64_t tokens[SITE_CLIENTS];
        size_t n; /* clients */
        pthread_t server;
        int stop_fd;
};

/* Make a site with clients of several users. */
void site_init(struct site *site, size_t n_clients);
/* Free all clients, check that nothing is left of them in the core, and free the domain. */
void site_deinit(struct site *site);

/* Make a client with a socket, for a user that depends on its position. */
void site_serve(struct site *site, size_t i);
/* Make a socket for a client, and let no client use it. */
int site_serve_fd(struct site *site, uint32_t uid, uint64_t *ret_token);

/* Let the thread end, so that the test can do what it does. */
void site_stop(struct site *site);
void site_start(struct site *site);

/*
 * Freeze the domain, and put the one that is thawed in its place. Checks that freezing it again
 * gives the same, and that the accounts have what they had. The site is stopped.
 */
void site_refreeze(struct site *site);
/* The second half of it: the new domain and client take the place of the old ones. */
void site_replace(struct site *site, struct bus1_domain *domain, struct bus1_client *local);
