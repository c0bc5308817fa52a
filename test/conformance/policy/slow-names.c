/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A name service that hangs: a library that test-reload.py preloads into the daemon
 *
 * If the environment variable SLOW_NAMES is set, a look-up of the user "slow" makes the directory
 * that the variable names, waits until the test removes this directory, and then finds no such
 * user.
 */

#include <dlfcn.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((visibility("default"))) int getpwnam_r(const char *name, struct passwd *entry,
                                                      char *buffer, size_t n,
                                                      struct passwd **ret_found) {
        int (*next)(const char *, struct passwd *, char *, size_t, struct passwd **);
        const char *path = getenv("SLOW_NAMES");

        if (path && !strcmp(name, "slow")) {
                mkdir(path, 0700);
                while (access(path, F_OK) == 0)
                        usleep(10000);
                *ret_found = NULL;
                return 0;
        }
        next = dlsym(RTLD_NEXT, "getpwnam_r");
        return next(name, entry, buffer, n, ret_found);
}
