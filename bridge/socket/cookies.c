/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cookies: the thread that looks them up, and the requests that wait for it. */

#include "bridge/socket/cookies.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "base/container-of.h"

static void *look_up(void *userdata) {
        struct cookies *cookies = userdata;

        cookies->result = keyring_get(cookies->directory, COOKIES_CONTEXT, time(NULL),
                                      &cookies->cancel, &cookies->cookie);
        eventfd_write(cookies->source.fd, 1); /* cannot fail: the counter has room for 1 */
        return NULL;
}

/* Answer all requests. */
static int answer(struct cookies *cookies, const struct keyring_cookie *cookie) {
        struct cookie_request *request;
        int r = 0;

        while (r == 0 && (request = cookies->requests)) {
                cookies_cancel(cookies, request);
                r = request->done(request, cookie);
        }
        return r;
}

static int looked_up(struct loop_source *source, uint32_t events) {
        struct cookies *cookies = container_of(source, struct cookies, source);
        eventfd_t count;
        int r;

        if (eventfd_read(source->fd, &count) < 0)
                return 0;
        pthread_join(cookies->thread, NULL);
        cookies->is_running = false;

        r = answer(cookies, cookies->result == 0 ? &cookies->cookie : NULL);
        explicit_bzero(&cookies->cookie, sizeof(cookies->cookie));
        return r;
}

void cookies_init(struct cookies *cookies, struct loop *loop) {
        *cookies = (struct cookies){
                .loop = loop,
                .uid = UINT32_MAX,
                .source = {.fd = -1, .dispatch = looked_up},
        };
}

int cookies_start(struct cookies *cookies) {
        struct passwd *user = getpwuid(geteuid());
        int r;

        if (user) {
                cookies->user = strdup(user->pw_name);
                if (!cookies->user)
                        return -ENOMEM;
        }
        cookies->directory = keyring_directory();
        if (!cookies->directory)
                return -ENOENT;
        r = loop_adopt(cookies->loop, &cookies->source, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                       EPOLLIN);
        if (r < 0)
                return r;
        cookies->uid = geteuid();
        return 0;
}

void cookies_deinit(struct cookies *cookies) {
        if (cookies->is_running) {
                atomic_store(&cookies->cancel, true);
                pthread_join(cookies->thread, NULL);
        }
        loop_close(cookies->loop, &cookies->source);
        free(cookies->directory);
        free(cookies->user);
        explicit_bzero(&cookies->cookie, sizeof(cookies->cookie));
}

static int start_thread(struct cookies *cookies) {
        sigset_t all, old;
        int r;

        if (cookies->is_running)
                return 0;
        /* Only the bus thread handles signals. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        r = pthread_create(&cookies->thread, NULL, look_up, cookies);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        cookies->is_running = r == 0;
        return -r;
}

void cookies_stop(struct cookies *cookies) {
        eventfd_t count;

        if (!cookies->is_running)
                return;
        atomic_store(&cookies->cancel, true);
        pthread_join(cookies->thread, NULL);
        atomic_store(&cookies->cancel, false);
        cookies->is_running = false;
        eventfd_read(cookies->source.fd, &count);
        explicit_bzero(&cookies->cookie, sizeof(cookies->cookie));
}

int cookies_resume(struct cookies *cookies) {
        if (!cookies->requests || start_thread(cookies) >= 0)
                return 0;
        return answer(cookies, NULL);
}

int cookies_request(struct cookies *cookies, struct cookie_request *request) {
        int r;

        if (cookies->uid == UINT32_MAX)
                return -ENOENT;
        r = start_thread(cookies);
        if (r < 0)
                return r;
        DL_APPEND(cookies->requests, request);
        request->queued = true;
        return 0;
}

void cookies_cancel(struct cookies *cookies, struct cookie_request *request) {
        if (!request->queued)
                return;
        DL_DELETE(cookies->requests, request);
        request->queued = false;
}
