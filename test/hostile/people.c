/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* People: see people.h. */

#include "test/hostile/people.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "test/bench/raw.h"

#define PEOPLE_MAX 32

static struct {
        uid_t uid;
        gid_t gid;
} people[PEOPLE_MAX];

static unsigned n_people;

const char *people_bus(void) {
        return getpwnam("messagebus") ? "messagebus" : "nobody";
}

unsigned people_find(unsigned n_attackers) {
        const struct passwd *entry = getpwnam(people_bus());
        uid_t bus = entry ? entry->pw_uid : 0;

        setpwent();
        for (n_people = 0; n_people < 1 + n_attackers && n_people < PEOPLE_MAX;) {
                entry = getpwent();
                if (!entry)
                        break;
                if (entry->pw_uid == 0 || entry->pw_uid == bus)
                        continue;
                people[n_people].uid = entry->pw_uid;
                people[n_people++].gid = entry->pw_gid;
        }
        endpwent();
        if (n_people < 2)
                raw_fail("this machine has too few users");
        return n_people - 1;
}

pid_t people_fork(unsigned person) {
        pid_t parent = getpid(), pid = fork();
        uid_t uid = people[person].uid;
        gid_t gid = people[person].gid;

        if (pid < 0)
                raw_fail("fork: %s", strerror(errno));
        if (pid > 0)
                return pid;
        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                raw_fail("cannot become user %u: %s", (unsigned)uid, strerror(errno));
        for (int i = 1; i < NSIG; i++)
                signal(i, SIG_DFL); /* the handlers of the harness end the whole scene */
        /* after the change of the user, which resets it */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(0);
        return 0;
}

pid_t people_burn(unsigned person) {
        pid_t pid = people_fork(person);

        for (volatile unsigned long n = 0; pid == 0; n++)
                ;
        return pid;
}
