/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A name service that hangs, to be preloaded
 *
 * Whoever looks for the user "slow" waits until somebody opens the FIFO of the variable SLOW_NAMES,
 * and learns then that there is no such user.
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((visibility("default"))) int getpwnam_r(const char *name, struct passwd *entry,
                                                      char *buffer, size_t n,
                                                      struct passwd **ret_found) {
        int (*next)(const char *, struct passwd *, char *, size_t, struct passwd **);
        const char *fifo = getenv("SLOW_NAMES");

        if (fifo && !strcmp(name, "slow")) {
                int fd = open(fifo, O_RDONLY | O_CLOEXEC);

                if (fd >= 0)
                        close(fd);
                *ret_found = NULL;
                return 0;
        }
        next = dlsym(RTLD_NEXT, "getpwnam_r");
        return next(name, entry, buffer, n, ret_found);
}
