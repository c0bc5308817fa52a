// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users, see user.h
 */

#include "kernel/hosted/user.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* A request that takes no longer than this does not pause its user. */
#define QUICK_NSEC (5 * 1000 * 1000)
/* How often the server looks for pauses that are over, unless a listener sets the timer later. */
#define TICK_NSEC (5 * 1000 * 1000)

uint64_t hosted_now(void)
{
	return now_ns();
}

static int user_new(struct hosted_users *users, uid_t uid, struct hosted_user **ret_user)
{
	CLEANUP_FREE struct hosted_user *user = calloc(1, sizeof(*user));

	if (!user)
		return -ENOMEM;

	user->uid = uid;
	HASH_ADD(hh, users->by_uid, uid, sizeof(user->uid), user);
	if (!user->hh.tbl)
		return -ENOMEM;

	*ret_user = steal_ptr(&user);
	return 0;
}

int hosted_user_ref(struct hosted_users *users, uid_t uid, size_t max_peers,
		    struct hosted_user **ret_user)
{
	struct hosted_user *user;
	int r;

	HASH_FIND(hh, users->by_uid, &uid, sizeof(uid), user);
	if (!user) {
		r = user_new(users, uid, &user);
		if (r < 0)
			return r;
	} else if (user->n_peers >= max_peers) {
		return -EUSERS;
	}

	user->n_peers++;
	*ret_user = user;
	return 0;
}

void hosted_user_unref(struct hosted_users *users, struct hosted_user *user)
{
	if (--user->n_peers > 0)
		return;

	HASH_DELETE(hh, users->by_uid, user);
	free(user);
}

void hosted_user_add_source(struct hosted_users *users, struct hosted_user *user,
			    struct hosted_source *source)
{
	DL_APPEND(user->sources, source);
	if (user->paused_until > 0)
		hosted_loop_mute(users->loop, source, true);
}

void hosted_user_remove_source(struct hosted_user *user, struct hosted_source *source)
{
	DL_DELETE(user->sources, source);
}

static void user_mute(struct hosted_users *users, struct hosted_user *user, bool muted)
{
	struct hosted_source *source;

	DL_FOREACH(user->sources, source) {
		hosted_loop_mute(users->loop, source, muted);
	}
}

void hosted_user_spend(struct hosted_users *users, struct hosted_user *user, uint64_t nsec)
{
	if (nsec <= QUICK_NSEC)
		return;

	user->paused_until = hosted_now() + nsec;
	user_mute(users, user, true);
	hosted_loop_set_timer(users->loop, TICK_NSEC);
}

void hosted_user_resume_all(struct hosted_users *users)
{
	struct hosted_user *user, *next;
	uint64_t now = hosted_now();
	bool more = false;

	HASH_ITER(hh, users->by_uid, user, next) {
		if (user->paused_until == 0)
			continue;
		if (user->paused_until > now) {
			more = true;
			continue;
		}
		user->paused_until = 0;
		user_mute(users, user, false);
	}

	if (more)
		hosted_loop_set_timer(users->loop, TICK_NSEC);
}
