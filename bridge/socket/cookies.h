/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cookies - getting them without waiting
 *
 * A keyring's file may be on a slow file system, and its lock may be held by others for seconds. So
 * a thread that lives as long as one look-up does the waiting; all who asked meanwhile get its
 * answer. Everything here is called from the bus's thread only.
 */

#include <pthread.h>

#include "bridge/base/loop.h"
#include "bridge/socket/keyring.h"

#define COOKIES_CONTEXT "org_freedesktop_general"

struct cookie_request {
        struct cookie_request *prev, *next;
        bool queued;
        /* With the cookie, or NULL when there is none. 0 or a fatal errno. */
        int (*done)(struct cookie_request *request, const struct keyring_cookie *cookie);
};

struct cookies {
        struct loop *loop;
        char *directory;
        char *user;   /* whose cookies they are: the name, or NULL */
        uint32_t uid; /* UINT32_MAX before cookies_start() */
        struct cookie_request *requests;
        struct loop_source source; /* an eventfd: the look-up is over */
        pthread_t thread;
        bool is_running;
        atomic_bool cancel;
        /* the thread's, until it is over */
        int result;
        struct keyring_cookie cookie;
};

void cookies_init(struct cookies *cookies, struct loop *loop);
/* Learn who the process is; may look into the user database. Negative errno: no cookies. */
int cookies_start(struct cookies *cookies);
/* Nobody may be waiting any more. */
void cookies_deinit(struct cookies *cookies);

/* request->done is called later, from the loop. -ENOMEM, -EAGAIN and others. */
int cookies_request(struct cookies *cookies, struct cookie_request *request);
/* Idempotent. */
void cookies_cancel(struct cookies *cookies, struct cookie_request *request);
