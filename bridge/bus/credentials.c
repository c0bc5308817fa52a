/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Credentials: reading them from the kernel. */

#include "bridge/bus/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/*
 * The longest option that is read here is the list of groups: Linux allows 65536 of them
 * (NGROUPS_MAX). A longer value counts as unreadable.
 */
#define OPTION_MAX (65536 * sizeof(uint32_t))
#define LABEL_MAX 4096

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

void client_credentials_init(struct client_credentials *credentials) {
        *credentials = (struct client_credentials){
                .uid = UINT32_MAX,
                .gid = UINT32_MAX,
                .socket = -1,
        };
}

void client_credentials_deinit(struct client_credentials *credentials) {
        free(credentials->gids);
        free(credentials->label);
        client_credentials_init(credentials);
}

/* Move the credentials; *from has none afterwards. */
static void client_credentials_move(struct client_credentials *from,
                                    struct client_credentials *ret_to) {
        *ret_to = *from;
        client_credentials_init(from);
}

static void *copy_bytes(const void *bytes, size_t n) {
        void *copy = malloc(n);

        return copy ? memcpy(copy, bytes, n) : NULL;
}

int client_credentials_copy(const struct client_credentials *credentials,
                            struct client_credentials *ret_copy) {
        CLEANUP(client_credentials_deinit) struct client_credentials copy = *credentials;

        copy.gids = NULL;
        copy.label = NULL;

        if (credentials->n_gids > 0)
                copy.gids = copy_bytes(credentials->gids, copy.n_gids * sizeof(*copy.gids));
        if (credentials->label)
                copy.label = copy_bytes(credentials->label, copy.n_label + 1);
        if ((credentials->n_gids > 0 && !copy.gids) || (credentials->label && !copy.label))
                return -ENOMEM;
        client_credentials_move(&copy, ret_copy);
        return 0;
}

static int gid_compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return x < y ? -1 : x > y;
}

/*
 * Take over gids, which has n groups and room for one more. Add the primary group, sort the groups,
 * and keep each one once.
 */
static void set_groups(struct client_credentials *credentials, uint32_t *gids, size_t n) {
        size_t n_unique = 0;

        gids[n++] = credentials->gid;
        qsort(gids, n, sizeof(*gids), gid_compare);
        for (size_t i = 0; i < n; i++)
                if (n_unique == 0 || gids[n_unique - 1] != gids[i])
                        gids[n_unique++] = gids[i];
        credentials->gids = gids;
        credentials->n_gids = n_unique;
}

/*
 * Read a socket option of at most OPTION_MAX bytes. *ret_value has room for the value and `extra`
 * more bytes, but no more than that, because each connection keeps it. It is NULL if the option
 * cannot be read. Fails only with -ENOMEM.
 */
static int get_option(int fd, int option, size_t extra, void **ret_value, size_t *ret_n) {
        CLEANUP_FREE void *more = NULL;
        char few[256];
        void *value = few;
        socklen_t n = sizeof(few), room;

        *ret_value = NULL;
        for (;;) {
                room = n;
                if (getsockopt(fd, SOL_SOCKET, option, value, &n) == 0)
                        break;
                if (errno != ERANGE || n <= room || n > OPTION_MAX)
                        return 0;
                free(more);
                value = more = malloc(n);
                if (!value)
                        return -ENOMEM;
        }
        *ret_value = malloc(n + extra);
        if (!*ret_value)
                return -ENOMEM;
        memcpy(*ret_value, value, n);
        *ret_n = n;
        return 0;
}

/*
 * Take over a label of n bytes, without the zero bytes at its end. The buffer has room for a
 * terminator.
 */
static void set_label(struct client_credentials *credentials, char *label, size_t n) {
        while (n > 0 && label[n - 1] == '\0')
                n--;
        if (n == 0) {
                free(label);
                return;
        }
        label[n] = '\0';
        credentials->label = label;
        credentials->n_label = n;
}

int credentials_of_socket(int fd, struct client_credentials *ret_credentials) {
        CLEANUP(client_credentials_deinit) struct client_credentials credentials;
        struct ucred ucred;
        socklen_t n;
        size_t n_value;
        void *value;
        int r;

        client_credentials_init(&credentials);

        n = sizeof(ucred);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &n) == 0 && ucred.uid != (uid_t)-1) {
                credentials.uid = ucred.uid;
                credentials.gid = ucred.gid;
                credentials.pid = ucred.pid;
                r = get_option(fd, SO_PEERGROUPS, sizeof(uint32_t), &value, &n_value);
                if (r < 0)
                        return r;
                if (value)
                        set_groups(&credentials, value, n_value / sizeof(uint32_t));
        }

        credentials.socket = fd;
        r = get_option(fd, SO_PEERSEC, 1, &value, &n_value);
        if (r < 0)
                return r;
        if (value)
                set_label(&credentials, value, n_value);
        client_credentials_move(&credentials, ret_credentials);
        return 0;
}

int credentials_open_pidfd(const struct client_credentials *credentials) {
        socklen_t n = sizeof(int);
        int pidfd;

        if (credentials->pid == (uint32_t)getpid()) {
                pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
                return pidfd < 0 ? -errno : pidfd;
        }
        if (credentials->socket < 0)
                return -ENODATA;
        return getsockopt(credentials->socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &n) < 0 ? -errno
                                                                                         : pidfd;
}

static void get_own_label(struct client_credentials *credentials) {
        CLEANUP_CLOSE int fd = open("/proc/self/attr/current", O_RDONLY | O_CLOEXEC);
        char *label = fd >= 0 ? malloc(LABEL_MAX + 1) : NULL;
        ssize_t n;

        if (!label)
                return;
        n = read(fd, label, LABEL_MAX);
        label[n > 0 ? n : 0] = '\0';
        set_label(credentials, label, strcspn(label, "\n"));
}

void credentials_of_self(struct client_credentials *ret_credentials) {
        int n = getgroups(0, NULL);
        uint32_t *gids = n >= 0 ? malloc((n + 1) * sizeof(*gids)) : NULL;

        client_credentials_init(ret_credentials);
        ret_credentials->uid = geteuid();
        ret_credentials->gid = getegid();
        ret_credentials->pid = getpid();

        n = gids ? getgroups(n, gids) : -1;
        if (n >= 0)
                set_groups(ret_credentials, gids, n);
        else
                free(gids);
        get_own_label(ret_credentials);
}
