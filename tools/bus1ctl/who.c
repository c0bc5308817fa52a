/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/who.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/ids.h"
#include "tools/bus1ctl/output.h"

static void add_groups_of_user(struct who *who) {
        struct passwd *user = getpwuid(who->uid);
        int n = 64, room;

        /* A uid that has no entry in the user database has no groups. */
        if (!user)
                return;
        for (;;) {
                gid_t *gids = realloc(who->gids, n * sizeof(*gids));

                check_memory(gids);
                who->gids = gids;
                room = n;
                if (getgrouplist(user->pw_name, user->pw_gid, gids, &n) >= 0)
                        break;
                n = n > room ? n : 2 * room;
        }
        who->n_gids = n;
}

int who_resolve(struct who *ret_who, const char *user, char *const *groups, size_t n_groups) {
        CLEANUP(who_clear) struct who who = {};
        gid_t gid;
        int r;

        r = policy_resolve_user(user, &who.uid);
        if (r)
                return report_failure("user %s: %s", user, r > 0 ? "unknown" : strerror(-r));
        if (n_groups == 0)
                add_groups_of_user(&who);
        for (size_t i = 0; i < n_groups; i++) {
                r = policy_resolve_group(groups[i], &gid);
                if (r)
                        return report_failure("group %s: %s", groups[i],
                                              r > 0 ? "unknown" : strerror(-r));
                APPEND(who.gids, who.n_gids, gid);
        }
        *ret_who = who;
        who = (struct who){};
        return STATUS_OK;
}

void who_clear(struct who *who) {
        free(who->gids);
        *who = (struct who){};
}
