/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

static int open_below(const char *root, const char *path, int flags, unsigned resolve) {
        CLEANUP_CLOSE int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct open_how how = {.flags = (unsigned)flags | O_CLOEXEC, .resolve = resolve};
        long fd;

        if (top < 0)
                return -errno;
        fd = syscall(SYS_openat2, top, path, &how, sizeof(how));
        return fd < 0 ? -errno : (int)fd;
}

int tree_open(const char *root, const char *path, int flags) {
        int fd;

        if (*root)
                return open_below(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
        fd = open(path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

bool tree_is_left(const char *root, const char *path) {
        int fd;

        if (!*root)
                return false;
        fd = open_below(root, path + strspn(path, "/"), O_PATH, RESOLVE_BENEATH);
        if (fd >= 0)
                close(fd);
        return fd == -EXDEV;
}
