/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/base/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* notify */

int systemd_notify(const char *state) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        const char *name = getenv("NOTIFY_SOCKET");
        size_t n;
        int fd, r = 0;

        if (!name)
                return 0;
        n = strlen(name);
        if ((name[0] != '/' && name[0] != '@') || n < 2)
                return -EAFNOSUPPORT;
        if (n >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, name, n);
        if (name[0] == '@')
                address.sun_path[0] = '\0';

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                   offsetof(struct sockaddr_un, sun_path) + n) < 0)
                r = -errno;
        close(fd);
        return r;
}

/* sockets */

static int parse(const char *text, long max, long *ret_number) {
        char *end;

        if (text[0] < '0' || text[0] > '9')
                return -EINVAL;
        errno = 0;
        *ret_number = strtol(text, &end, 10);
        return errno || *end || *ret_number > max ? -EINVAL : 0;
}

static int passed_fds(void) {
        const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
        long number, n;

        if (!pid || !fds)
                return 0;
        if (parse(pid, INT_MAX, &number) < 0)
                return -EINVAL;
        /* The sockets were passed to another process, for example to the parent. */
        if (number != getpid())
                return 0;
        if (parse(fds, INT_MAX - SYSTEMD_LISTEN_FDS_START, &n) < 0)
                return -EINVAL;
        for (int i = 0; i < n; i++)
                if (fcntl(SYSTEMD_LISTEN_FDS_START + i, F_SETFD, FD_CLOEXEC) < 0)
                        return -errno;
        return (int)n;
}

int systemd_listen_fds(void) {
        int n = passed_fds();

        unsetenv("LISTEN_PID");
        unsetenv("LISTEN_FDS");
        unsetenv("LISTEN_FDNAMES");
        return n;
}

char *systemd_runtime_directory(void) {
        const char *list = getenv("RUNTIME_DIRECTORY");
        char *directory = NULL;

        if (list && list[0] == '/')
                directory = strndup(list, strcspn(list, ":"));
        unsetenv("RUNTIME_DIRECTORY");
        return directory;
}
