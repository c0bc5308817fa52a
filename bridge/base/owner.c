/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/base/owner.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define OVERFLOW_UID 65534 /* the default of /proc/sys/kernel/overflowuid */

/* Has each user a number here, as outside of user namespaces? */
static bool all_are_mapped(void) {
        CLEANUP_FCLOSE FILE *f = fopen("/proc/self/uid_map", "re");
        uint32_t first, outside, n;

        /* without user namespaces there is no such file */
        return !f || fscanf(f, "%" SCNu32 " %" SCNu32 " %" SCNu32, &first, &outside, &n) != 3 ||
               n == UINT32_MAX;
}

bool owner_is_ours(uid_t uid) {
        return geteuid() != 0 || uid == 0 || (uid == OVERFLOW_UID && !all_are_mapped());
}

int owner_check(const char *path, uid_t *ret_uid) {
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        *ret_uid = st.st_uid;
        return !owner_is_ours(st.st_uid);
}

int owner_make_directory(const char *path) {
        const char *end = strrchr(path, '/');
        CLEANUP_FREE char *above = NULL;
        uid_t owner;
        int r;

        if (access(path, F_OK) == 0)
                return 0;
        if (!end)
                return -EPERM;
        above = strndup(path, end == path ? 1 : (size_t)(end - path));
        if (!above)
                return -ENOMEM;
        r = owner_check(above, &owner);
        if (r != 0)
                return r < 0 ? r : -EPERM;
        return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}
