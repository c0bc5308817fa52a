/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Credentials: read from the kernel once, when a client connects. */

#include "bridge/bus/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

void client_credentials_init(struct client_credentials *credentials) {
        *credentials = (struct client_credentials){
                .uid = UINT32_MAX,
                .gid = UINT32_MAX,
                .pidfd = -1,
        };
}

int client_credentials_copy(const struct client_credentials *credentials,
                            struct client_credentials *ret_copy) {
        struct client_credentials copy = *credentials;

        copy.pidfd = -1;
        copy.gids = NULL;
        copy.label = NULL;

        if (credentials->pidfd >= 0) {
                copy.pidfd = fcntl(credentials->pidfd, F_DUPFD_CLOEXEC, 3);
                if (copy.pidfd < 0)
                        return -errno;
        }
        if (credentials->n_gids > 0) {
                copy.gids = malloc(credentials->n_gids * sizeof(*copy.gids));
                if (!copy.gids)
                        goto oom;
                memcpy(copy.gids, credentials->gids, credentials->n_gids * sizeof(*copy.gids));
        }
        if (credentials->label) {
                copy.label = malloc(credentials->n_label + 1);
                if (!copy.label)
                        goto oom;
                memcpy(copy.label, credentials->label, credentials->n_label);
                copy.label[credentials->n_label] = '\0';
        }
        *ret_copy = copy;
        return 0;

oom:
        client_credentials_deinit(&copy);
        return -ENOMEM;
}

void client_credentials_deinit(struct client_credentials *credentials) {
        if (credentials->pidfd >= 0)
                close(credentials->pidfd);
        free(credentials->gids);
        free(credentials->label);
        client_credentials_init(credentials);
}

static int gid_compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return x < y ? -1 : x > y;
}

/* Keep all groups, sorted and without duplicates. gids has room to add the primary group. */
static int set_groups(struct client_credentials *credentials, uint32_t *gids, size_t n) {
        size_t n_unique = 0;

        gids[n++] = credentials->gid;
        if (n > 1)
                qsort(gids, n, sizeof(*gids), gid_compare);
        for (size_t i = 0; i < n; i++)
                if (n_unique == 0 || gids[n_unique - 1] != gids[i])
                        gids[n_unique++] = gids[i];

        credentials->gids = malloc(n_unique * sizeof(*gids));
        if (!credentials->gids)
                return -ENOMEM;
        memcpy(credentials->gids, gids, n_unique * sizeof(*gids));
        credentials->n_gids = n_unique;
        return 0;
}

static int get_socket_groups(int fd, struct client_credentials *credentials) {
        uint32_t few[64], *gids = few, *more = NULL;
        size_t room = sizeof(few) / sizeof(few[0]) - 1;
        socklen_t n;
        int r;

        for (;;) {
                n = room * sizeof(*gids);
                if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &n) == 0) {
                        r = set_groups(credentials, gids, n / sizeof(*gids));
                        break;
                }
                r = 0; /* the kernel does not tell: groups stay unknown */
                if (errno != ERANGE || n / sizeof(*gids) <= room)
                        break;
                room = n / sizeof(*gids);
                free(more);
                gids = more = malloc((room + 1) * sizeof(*gids));
                if (!gids)
                        return -ENOMEM;
        }
        free(more);
        return r;
}

static int set_label(struct client_credentials *credentials, const char *label, size_t n) {
        credentials->label = malloc(n + 1);
        if (!credentials->label)
                return -ENOMEM;
        memcpy(credentials->label, label, n);
        credentials->label[n] = '\0';
        credentials->n_label = n;
        return 0;
}

static int get_socket_label(int fd, struct client_credentials *credentials) {
        char few[256], *label = few, *more = NULL;
        socklen_t n = sizeof(few);
        int r = 0;

        while (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label, &n) < 0) {
                if (errno != ERANGE || n > 65536)
                        goto finish;
                free(more);
                label = more = malloc(n);
                if (!label)
                        return -ENOMEM;
        }
        while (n > 0 && label[n - 1] == '\0')
                n--;
        if (n > 0)
                r = set_label(credentials, label, n);
finish:
        free(more);
        return r;
}

int credentials_of_socket(int fd, struct client_credentials *ret_credentials) {
        struct client_credentials credentials;
        struct ucred ucred;
        socklen_t n;
        int r, pidfd;

        client_credentials_init(&credentials);

        n = sizeof(ucred);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &n) == 0 && ucred.uid != (uid_t)-1) {
                credentials.uid = ucred.uid;
                credentials.gid = ucred.gid;
                credentials.pid = ucred.pid;
                r = get_socket_groups(fd, &credentials);
                if (r < 0)
                        goto fail;
        }

        n = sizeof(pidfd);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &n) == 0)
                credentials.pidfd = pidfd;

        r = get_socket_label(fd, &credentials);
        if (r < 0)
                goto fail;
        *ret_credentials = credentials;
        return 0;

fail:
        client_credentials_deinit(&credentials);
        return r;
}

static void get_own_label(struct client_credentials *credentials) {
        char label[4096];
        ssize_t n;
        int fd;

        fd = open("/proc/self/attr/current", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        n = read(fd, label, sizeof(label) - 1);
        close(fd);
        while (n > 0 && (label[n - 1] == '\0' || label[n - 1] == '\n'))
                n--;
        if (n > 0)
                set_label(credentials, label, n);
}

void credentials_of_self(struct client_credentials *ret_credentials) {
        struct client_credentials credentials;
        uint32_t *gids;
        int n;

        client_credentials_init(&credentials);
        credentials.uid = geteuid();
        credentials.gid = getegid();
        credentials.pid = getpid();
        credentials.pidfd = syscall(SYS_pidfd_open, getpid(), 0);
        if (credentials.pidfd < 0)
                credentials.pidfd = -1;

        n = getgroups(0, NULL);
        gids = n >= 0 ? malloc((n + 1) * sizeof(*gids)) : NULL;
        if (gids) {
                n = getgroups(n, gids);
                if (n >= 0)
                        set_groups(&credentials, gids, n);
                free(gids);
        }
        get_own_label(&credentials);
        *ret_credentials = credentials;
}
