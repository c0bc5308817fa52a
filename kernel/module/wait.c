// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for a message
 *
 * A command waits on the wait queue of its peer, like a task that polls. Each message wakes one of
 * the commands that wait for any message, all commands that wait for a message to one node, and all
 * tasks that poll without EPOLLEXCLUSIVE.
 */

#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/poll.h>
#include <linux/wait.h>
#include "module.h"

static bool bus1_file_has_news(struct bus1_file *bus1_file, const struct bus1_recv_filter *filter)
{
	return filter ? bus1_peer_poll_for(bus1_file->peer, filter)
		      : bus1_peer_poll(bus1_file->peer) != 0;
}

/**
 * bus1_file_wait() - wait until there is something to receive, or the peer is disconnected
 * @bus1_file:	open device
 * @filter:	filter of a receive that has found nothing; NULL to wait for any message
 * @deadline:	time of CLOCK_MONOTONIC; KTIME_MAX when there is no limit
 *
 * Another receiver may take the message before the caller does. A caller without a filter that does
 * not take a message must call bus1_file_pass_on().
 *
 * Return: 0; -ETIMEDOUT; -ERESTARTSYS after a signal.
 */
int bus1_file_wait(struct bus1_file *bus1_file, const struct bus1_recv_filter *filter,
		   ktime_t deadline)
{
	ktime_t *expires = deadline == KTIME_MAX ? NULL : &deadline;
	bool late = false;
	int r;

	if (bus1_file_has_news(bus1_file, filter))
		return 0;
	r = ___wait_event(bus1_file->waitq, late || bus1_file_has_news(bus1_file, filter),
			  TASK_INTERRUPTIBLE, !filter, 0,
			  late = !schedule_hrtimeout(expires, HRTIMER_MODE_ABS));
	if (r < 0 || !late)
		return r;
	/* The timer ended the wait without another look: a message may have come before it. */
	return bus1_file_has_news(bus1_file, filter) ? 0 : -ETIMEDOUT;
}

/* Wake the commands that wait for messages to one node, because the node may have gone. */
void bus1_file_poke(struct bus1_file *bus1_file)
{
	/*
	 * This can also wake a command that waits for any message. If there is none, the command
	 * goes on waiting.
	 */
	if (waitqueue_active(&bus1_file->waitq))
		wake_up_interruptible(&bus1_file->waitq);
}

/* Wake another command that waits, if there is still something to receive. */
void bus1_file_pass_on(struct bus1_file *bus1_file)
{
	/*
	 * A task that joins the wait queue later looks for messages itself, see bus1_file_wake().
	 */
	if (waitqueue_active(&bus1_file->waitq) && bus1_file_has_news(bus1_file, NULL))
		wake_up_interruptible_poll(&bus1_file->waitq, EPOLLIN | EPOLLRDNORM);
}
