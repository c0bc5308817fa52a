/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cookies of DBUS_COOKIE_SHA1 - look-ups that do not block the bus
 *
 * The file of a keyring may be on a slow file system, and another program may hold its lock for
 * seconds. So a thread does each look-up, and its result is the answer to all requests that arrive
 * meanwhile. The functions here are called from the bus thread only.
 */

#include <pthread.h>

#include "bridge/base/loop.h"
#include "bridge/socket/keyring.h"

#define COOKIES_CONTEXT "org_freedesktop_general"

struct cookie_request {
        struct cookie_request *prev, *next;
        bool queued;
        /* cookie is NULL if there is none. Returns 0 or a negative errno that is fatal. */
        int (*done)(struct cookie_request *request, const struct keyring_cookie *cookie);
};

struct cookies {
        struct loop *loop;
        char *directory;
        char *user;   /* name of the user that the cookies belong to, or NULL */
        uint32_t uid; /* UINT32_MAX until cookies_start() has succeeded */
        struct cookie_request *requests;
        struct loop_source source; /* eventfd by which the thread reports its end */
        pthread_t thread;
        bool is_running;
        atomic_bool cancel;
        /* until the thread has ended, only it touches these */
        int result;
        struct keyring_cookie cookie;
};

void cookies_init(struct cookies *cookies, struct loop *loop);
/* Find the user's name and keyring directory. Negative errno: there will be no cookies. */
int cookies_start(struct cookies *cookies);
/* No request may be waiting. */
void cookies_deinit(struct cookies *cookies);

/*
 * Start a request; request->done() is called from the loop later. -ENOENT before cookies_start()
 * has succeeded, -EAGAIN and others if no thread can be started.
 */
int cookies_request(struct cookies *cookies, struct cookie_request *request);
/*
 * Wait for the thread, which is told to end soon: the process is about to execute another program.
 * Requests stay. If the program cannot be executed, cookies_resume() goes on;
 * it returns 0 or a negative errno that is fatal.
 */
void cookies_stop(struct cookies *cookies);
int cookies_resume(struct cookies *cookies);
/* Drop the request, so that done() is not called. Does nothing if it is not waiting. */
void cookies_cancel(struct cookies *cookies, struct cookie_request *request);
