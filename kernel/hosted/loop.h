/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * The loop of the thread that serves
 *
 * One epoll set holds everything that a hosted core serves to other processes: listening sockets,
 * one socket for each peer, and a timer. Each is a source: a descriptor, and a function that is
 * called when the descriptor is ready. A source can be muted. Then it stays in the set, and only
 * a hang-up or an error is reported.
 *
 * All functions are for the thread that serves.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Embedded in the object that the descriptor belongs to. dispatch() may free its own source, but no
 * other. prev and next are for the list of a user, see user.h.
 */
struct hosted_source {
	void (*dispatch)(struct hosted_source *source, uint32_t events);
	int fd;
	struct hosted_source *prev, *next;
};

struct hosted_loop {
	int epoll_fd;
	struct hosted_source timer;
	int first; /* the event with which the next turn begins, modulo their number */
	void (*expired)(struct hosted_loop *loop);
};

/*
 * expired() is called when the timer expires. The caller destroys the loop, also after a failure.
 */
int hosted_loop_init(struct hosted_loop *loop, void (*expired)(struct hosted_loop *loop));
void hosted_loop_destroy(struct hosted_loop *loop);

int hosted_loop_add(struct hosted_loop *loop, struct hosted_source *source);
void hosted_loop_mute(struct hosted_loop *loop, struct hosted_source *source, bool muted);
/*
 * Remove a source before its descriptor is closed: close() alone does not remove it while a forked
 * child has the same socket open.
 */
void hosted_loop_remove(struct hosted_loop *loop, struct hosted_source *source);

/*
 * Call expired() once, this many nanoseconds (more than 0, less than a second) from now. This
 * replaces a time that was set before.
 */
void hosted_loop_set_timer(struct hosted_loop *loop, long nsec);

/*
 * Wait up to timeout milliseconds (-1: without end) with the signal mask, if any, and dispatch what
 * is ready. Returns -EINTR after a signal.
 */
int hosted_loop_turn(struct hosted_loop *loop, int timeout, const sigset_t *sigmask);
