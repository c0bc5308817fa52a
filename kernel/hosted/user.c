// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users
 *
 * What the peers of one user, however many, may take of the server: descriptors, and time. A
 * request that fits in a packet is quick; but one can name as much data, or as many handles, as the
 * core takes and in the kernel would cost nobody but who makes it. Here it keeps everybody waiting.
 * So whoever made such a request is not listened to for as long as it took, nor are the other peers
 * of the same user: others find the server idle for at least half of the time.
 */

#include "kernel/hosted/hosted.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* what nobody needs to care about */
#define QUICK_NSEC (5 * 1000 * 1000)
/* between looks at whose pause is over */
#define TICK_NSEC (5 * 1000 * 1000)

uint64_t hosted_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * 1000 * 1000 + now.tv_nsec;
}

int hosted_user_ref(struct bus1_domain *domain, uid_t uid, size_t max_peers,
		    struct hosted_user **ret_user)
{
	struct hosted_user *user;

	HASH_FIND(hh, domain->users, &uid, sizeof(uid), user);
	if (!user) {
		user = calloc(1, sizeof(*user));
		if (!user)
			return -ENOMEM;

		user->uid = uid;
		HASH_ADD(hh, domain->users, uid, sizeof(user->uid), user);
		if (!user->hh.tbl) {
			free(user);
			return -ENOMEM;
		}
	} else if (user->n_peers >= max_peers) {
		return -EUSERS;
	}

	++user->n_peers;
	*ret_user = user;
	return 0;
}

void hosted_user_unref(struct bus1_domain *domain, struct hosted_user *user)
{
	if (--user->n_peers > 0)
		return;

	HASH_DELETE(hh, domain->users, user);
	free(user);
}

static void user_watch(struct bus1_domain *domain, const struct hosted_user *user, bool on)
{
	struct hosted_served *served, *next;

	HASH_ITER(hh, domain->served, served, next) {
		if (served->user == user)
			hosted_served_watch(served, on);
	}
}

void hosted_user_spend(struct bus1_domain *domain, struct hosted_user *user, uint64_t nsec)
{
	if (nsec <= QUICK_NSEC)
		return;

	user->paused_until = hosted_now() + nsec;
	user_watch(domain, user, false);
	hosted_domain_set_timer(domain, TICK_NSEC);
}

void hosted_user_resume_all(struct bus1_domain *domain)
{
	struct hosted_user *user, *next;
	uint64_t now = hosted_now();
	bool more = false;

	HASH_ITER(hh, domain->users, user, next) {
		if (user->paused_until == 0)
			continue;
		if (user->paused_until > now) {
			more = true;
			continue;
		}
		user->paused_until = 0;
		user_watch(domain, user, true);
	}

	if (more)
		hosted_domain_set_timer(domain, TICK_NSEC);
}
