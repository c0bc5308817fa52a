/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who - see the header
 */

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ids.h"
#include "tools/bus1ctl/report.h"
#include "tools/bus1ctl/who.h"

static int groups_of_user(struct who *who) {
        struct passwd *user = getpwuid(who->uid);
        int n = 64, room;

        /* a number without an entry has no groups */
        if (!user)
                return 0;
        for (;;) {
                gid_t *gids = realloc(who->gids, n * sizeof(*gids));

                if (!gids)
                        return report_failure("out of memory");
                who->gids = gids;
                room = n;
                if (getgrouplist(user->pw_name, user->pw_gid, gids, &n) >= 0)
                        break;
                n = n > room ? n : 2 * room;
        }
        who->n_gids = n;
        return 0;
}

int who_resolve(struct who *ret_who, const char *user, char *const *groups, size_t n_groups) {
        struct who who = {};
        int r;

        r = policy_resolve_user(user, &who.uid);
        if (r)
                return report_failure("user %s: %s", user, r > 0 ? "unknown" : strerror(-r));
        if (n_groups == 0) {
                r = groups_of_user(&who);
        } else {
                who.gids = calloc(n_groups, sizeof(*who.gids));
                if (!who.gids)
                        return report_failure("out of memory");
                for (size_t i = 0; i < n_groups && !r; i++) {
                        r = policy_resolve_group(groups[i], &who.gids[i]);
                        if (r)
                                r = report_failure("group %s: %s", groups[i],
                                                   r > 0 ? "unknown" : strerror(-r));
                }
                who.n_gids = n_groups;
        }
        if (r) {
                who_clear(&who);
                return r;
        }
        *ret_who = who;
        return 0;
}

void who_clear(struct who *who) {
        free(who->gids);
        *who = (struct who){};
}
