/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ids: the file with the first number that is free. */

#include "bridge/base/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FILE_NAME "unique-names"
#define TEXT_MAX 32
/* Higher numbers are none that a bus can have reached. */
#define IDS_MAX (UINT64_MAX / 2)

void ids_reserve(struct ids *ids) {
        char text[TEXT_MAX];
        int n;

        ids->end = ids->next + IDS_BLOCK;
        n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)ids->end);
        /* numbers only grow, so the new text is never shorter */
        if (pwrite(ids->fd, text, (size_t)n, 0) != n) {
                /* Ignored: the names of the next bus may then be those of clients of this one. */
        }
}

/* Read the number. An empty file is a new one. */
static int read_number(int fd, uint64_t *ret_number) {
        char text[TEXT_MAX], *end;
        unsigned long long number;
        ssize_t n;

        n = pread(fd, text, sizeof(text) - 1, 0);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        errno = 0;
        number = strtoull(text, &end, 10);
        if (n > 0 && (text[0] < '0' || text[0] > '9' || *end != '\n' || errno || number > IDS_MAX))
                return -EINVAL;
        *ret_number = n > 0 ? number : 0;
        return 0;
}

int ids_open(struct ids *ids, const char *directory) {
        CLEANUP_FREE char *path = NULL;
        CLEANUP_CLOSE int fd = -1;
        int r;

        ids_init(ids);
        if (asprintf(&path, "%s/" FILE_NAME, directory) < 0)
                return -ENOMEM;
        fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = read_number(fd, &ids->next);
        if (r < 0)
                return r;
        ids->fd = steal_fd(&fd);
        ids_reserve(ids);
        return 0;
}

void ids_adopt(struct ids *ids, int fd, uint64_t next, uint64_t end) {
        *ids = (struct ids){.fd = fd, .next = next, .end = end};
}

void ids_close(struct ids *ids) {
        if (ids->fd >= 0)
                close(ids->fd);
        ids_init(ids);
}
