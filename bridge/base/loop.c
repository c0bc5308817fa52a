/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <utlist.h>

#include "base/clock.h"

int64_t loop_now(void) {
        return (int64_t)now_ns();
}

int loop_init(struct loop *loop) {
        *loop = (struct loop){};
        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        return loop->epoll_fd < 0 ? -errno : 0;
}

void loop_deinit(struct loop *loop) {
        if (loop->epoll_fd >= 0)
                close(loop->epoll_fd);
        free(loop->timers);
        *loop = (struct loop){.epoll_fd = -1};
}

/* sources */

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events) {
        struct epoll_event event = {.events = events, .data.ptr = source};

        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0)
                return -errno;
        source->events = events;
        source->added = true;
        return 0;
}

int loop_set_events(struct loop *loop, struct loop_source *source, uint32_t events) {
        struct epoll_event event = {.events = events, .data.ptr = source};

        if (source->events == events)
                return 0;
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0)
                return -errno;
        source->events = events;
        return 0;
}

void loop_remove(struct loop *loop, struct loop_source *source) {
        if (!source->added)
                return;
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
        source->added = false;
        for (int i = 0; i < loop->n_events; i++)
                if (loop->events[i].data.ptr == source)
                        loop->events[i].data.ptr = NULL;
}

int loop_adopt(struct loop *loop, struct loop_source *source, int fd, uint32_t events) {
        int r;

        source->fd = fd;
        r = fd < 0 ? -errno : loop_add(loop, source, events);
        if (r < 0)
                loop_close(loop, source);
        return r;
}

void loop_close(struct loop *loop, struct loop_source *source) {
        loop_remove(loop, source);
        if (source->fd >= 0)
                close(source->fd);
        source->fd = -1;
}

int loop_adopt_signals(struct loop *loop, struct loop_source *source, const sigset_t *signals) {
        source->fd = -1;
        if (sigprocmask(SIG_BLOCK, signals, NULL) < 0)
                return -errno;
        return loop_adopt(loop, source, signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK), EPOLLIN);
}

/* timers */

static void heap_put(struct loop *loop, size_t i, struct loop_timer *timer) {
        loop->timers[i - 1] = timer;
        timer->index = i;
}

/* Restore the order of the heap after position i has got another timer or deadline. */
static void heap_fix(struct loop *loop, size_t i) {
        struct loop_timer *timer = loop->timers[i - 1];

        while (i > 1 && loop->timers[i / 2 - 1]->deadline > timer->deadline) {
                heap_put(loop, i, loop->timers[i / 2 - 1]);
                i /= 2;
        }
        for (;;) {
                size_t child = 2 * i;

                if (child > loop->n_timers)
                        break;
                if (child < loop->n_timers &&
                    loop->timers[child]->deadline < loop->timers[child - 1]->deadline)
                        child++;
                if (loop->timers[child - 1]->deadline >= timer->deadline)
                        break;
                heap_put(loop, i, loop->timers[child - 1]);
                i = child;
        }
        heap_put(loop, i, timer);
}

int loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t deadline) {
        timer->deadline = deadline;
        if (timer->index == 0) {
                if (loop->n_timers == loop->n_timers_allocated) {
                        size_t n = loop->n_timers_allocated ? loop->n_timers_allocated * 2 : 64;
                        struct loop_timer **timers = reallocarray(loop->timers, n, sizeof(*timers));

                        if (!timers)
                                return -ENOMEM;
                        loop->timers = timers;
                        loop->n_timers_allocated = n;
                }
                heap_put(loop, ++loop->n_timers, timer);
        }
        heap_fix(loop, timer->index);
        return 0;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer) {
        size_t i = timer->index;
        struct loop_timer *last;

        if (i == 0)
                return;
        timer->index = 0;
        last = loop->timers[--loop->n_timers];
        if (last != timer) {
                heap_put(loop, i, last);
                heap_fix(loop, i);
        }
}

int loop_failed(struct loop *loop, int r) {
        return loop->failed ? loop->failed(loop, r) : r;
}

static int run_timers(struct loop *loop) {
        int64_t now;
        int r;

        if (loop->n_timers == 0)
                return 0;
        now = loop_now();
        while (loop->n_timers > 0 && loop->timers[0]->deadline <= now) {
                struct loop_timer *timer = loop->timers[0];

                loop_timer_cancel(loop, timer);
                r = timer->expired(timer);
                if (r < 0 && (r = loop_failed(loop, r)) < 0)
                        return r;
        }
        return 0;
}

/*
 * The timeout for epoll_wait() in ms: 0 while there is work, -1 without timers, else the time until
 * the next timer expires, rounded up, but at most an hour.
 */
static int next_timeout(const struct loop *loop) {
        int64_t ms;

        if (loop->work && loop->work->is_wanted)
                return 0;
        if (loop->n_timers == 0)
                return -1;
        ms = (loop->timers[0]->deadline - loop_now() + 999999) / 1000000;
        if (ms < 0)
                return 0;
        return ms > 3600 * 1000 ? 3600 * 1000 : (int)ms;
}

/* turns */

static int dispatch(struct loop *loop) {
        int r;

        for (int i = 0; i < loop->n_events; i++) {
                struct loop_source *source = loop->events[i].data.ptr;

                if (!source)
                        continue;
                r = source->dispatch(source, loop->events[i].events);
                if (r < 0 && (r = loop_failed(loop, r)) < 0)
                        return r;
        }
        return 0;
}

static int run_work(struct loop *loop) {
        int r;

        if (!loop->work || !loop->work->is_wanted)
                return 0;
        r = loop->work->run(loop->work);
        return r < 0 ? loop_failed(loop, r) : 0;
}

static int run_between(struct loop *loop) {
        int r;

        if (!loop->between || loop->stop)
                return 0;
        r = loop->between(loop->between_userdata);
        return r < 0 ? loop_failed(loop, r) : 0;
}

int loop_run(struct loop *loop) {
        int r = 0;

        while (r >= 0 && !loop->stop) {
                loop->n_events = epoll_wait(loop->epoll_fd, loop->events, LOOP_EVENTS_MAX,
                                            next_timeout(loop));
                if (loop->n_events < 0) {
                        loop->n_events = 0;
                        if (errno != EINTR)
                                return -errno;
                }
                r = dispatch(loop);
                loop->n_events = 0;
                if (r >= 0)
                        r = run_work(loop);
                if (r >= 0)
                        r = run_timers(loop);
                if (r >= 0)
                        r = run_between(loop);
        }
        return r;
}

void loop_stop(struct loop *loop) {
        loop->stop = true;
}
