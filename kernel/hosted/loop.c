// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loop of the thread that serves, see loop.h
 */

#include "kernel/hosted/loop.h"

#include <errno.h>
#include <linux/container_of.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

/*
 * The most sources that one turn dispatches: enough that epoll_pwait() costs little for each, and
 * few enough that the turn is short.
 */
#define TURN_MAX 64
/* After this time, the other sources wait for the next turn: the process may do other things. */
#define TURN_NSEC (1000 * 1000)

static int loop_control(struct hosted_loop *loop, int operation, struct hosted_source *source,
			uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(loop->epoll_fd, operation, source->fd, &event) < 0 ? -errno : 0;
}

int hosted_loop_add(struct hosted_loop *loop, struct hosted_source *source)
{
	return loop_control(loop, EPOLL_CTL_ADD, source, EPOLLIN);
}

void hosted_loop_mute(struct hosted_loop *loop, struct hosted_source *source, bool muted)
{
	loop_control(loop, EPOLL_CTL_MOD, source, muted ? 0 : EPOLLIN);
}

void hosted_loop_remove(struct hosted_loop *loop, struct hosted_source *source)
{
	loop_control(loop, EPOLL_CTL_DEL, source, 0);
}

void hosted_loop_set_timer(struct hosted_loop *loop, long nsec)
{
	struct itimerspec spec = { .it_value.tv_nsec = nsec };

	timerfd_settime(loop->timer.fd, 0, &spec, NULL);
}

static void loop_timer_dispatch(struct hosted_source *source, uint32_t events)
{
	struct hosted_loop *loop = container_of(source, struct hosted_loop, timer);
	uint64_t count;
	ssize_t l;

	/* The read fails if the timer was set again in the meantime. That does no harm. */
	l = read(source->fd, &count, sizeof(count));
	(void)l;
	loop->expired(loop);
}

int hosted_loop_init(struct hosted_loop *loop, void (*expired)(struct hosted_loop *loop))
{
	*loop = (struct hosted_loop){
		.epoll_fd = epoll_create1(EPOLL_CLOEXEC),
		.timer.dispatch = loop_timer_dispatch,
		.timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
		.expired = expired,
	};
	if (loop->epoll_fd < 0 || loop->timer.fd < 0)
		return -errno;

	return hosted_loop_add(loop, &loop->timer);
}

void hosted_loop_destroy(struct hosted_loop *loop)
{
	closep(&loop->timer.fd);
	closep(&loop->epoll_fd);
}

int hosted_loop_turn(struct hosted_loop *loop, int timeout, const sigset_t *sigmask)
{
	struct epoll_event events[TURN_MAX];
	uint64_t begin;
	int n, i;

	n = epoll_pwait(loop->epoll_fd, events, TURN_MAX, timeout, sigmask);
	if (n < 0)
		return -errno;

	/*
	 * Each source is in the array only once, and dispatch() frees no source but its own. So all
	 * sources in the array are valid when they are used. Those that are left are reported
	 * again, in the same order: so the next turn begins in another place.
	 */
	begin = now_ns();
	for (i = 0; i < n && now_ns() - begin < TURN_NSEC; i++) {
		struct epoll_event *event = &events[(loop->first + i) % n];
		struct hosted_source *source = event->data.ptr;

		source->dispatch(source, event->events);
	}
	loop->first = i < n ? loop->first + i : 0;

	return 0;
}
