/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/launch/become.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/launch/complain.h"
#include "bridge/launch/status.h"

/* A number that uid_t cannot hold must not become the number of another user. */
static struct passwd *find_user(const char *user) {
        struct passwd *entry = getpwnam(user);
        unsigned long number;
        char *end;

        if (entry || *user < '0' || *user > '9')
                return entry;
        errno = 0;
        number = strtoul(user, &end, 10);
        return *end || errno || number >= (uid_t)-1 ? NULL : getpwuid((uid_t)number);
}

static int change(const struct passwd *entry) {
        uid_t uid[3];
        gid_t gid[3];

        if (initgroups(entry->pw_name, entry->pw_gid) < 0 ||
            setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) < 0 ||
            setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) < 0)
                return complain_status(STATUS_SETUP_FAILED, "cannot become user %s: %s",
                                       entry->pw_name, strerror(errno));

        /* Whatever a security module or a C library did: nothing of root may be left. */
        if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
                return complain_status(STATUS_SETUP_FAILED, "cannot find out who it is: %s",
                                       strerror(errno));
        for (int i = 0; i < 3; i++)
                if (uid[i] != entry->pw_uid || gid[i] != entry->pw_gid)
                        return complain_status(STATUS_SETUP_FAILED, "has not become user %s",
                                               entry->pw_name);
        if (entry->pw_uid != 0 && setuid(0) == 0)
                return complain_status(STATUS_SETUP_FAILED, "user %s could become root again",
                                       entry->pw_name);
        return 0;
}

int become_user(const char *user) {
        struct passwd *entry;
        int status;

        if (geteuid() != 0)
                return complain_status(STATUS_NOT_ROOT, "only root can become user %s", user);
        errno = 0;
        entry = find_user(user);
        if (!entry)
                return complain_status(STATUS_SETUP_FAILED, "there is no user %s%s%s", user,
                                       errno ? ": " : "", errno ? strerror(errno) : "");
        status = change(entry);
        if (status)
                return status;
        if (setenv("USER", entry->pw_name, 1) < 0 || setenv("LOGNAME", entry->pw_name, 1) < 0 ||
            setenv("HOME", entry->pw_dir, 1) < 0 || setenv("SHELL", entry->pw_shell, 1) < 0)
                return complain_status(STATUS_NO_MEMORY, "no memory");
        return 0;
}
