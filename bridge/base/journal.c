/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/base/journal.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static void put(struct journal_entry *entry, const void *data, size_t n) {
        memcpy(entry->data + entry->n, data, n);
        entry->n += n;
}

void journal_add(struct journal_entry *entry, const char *key, const char *value, size_t n) {
        size_t n_key = strlen(key);

        if (n > JOURNAL_VALUE_MAX)
                n = JOURNAL_VALUE_MAX;
        /* the form with a length is the longer one */
        if (n_key + 1 + sizeof(uint64_t) + n + 1 > sizeof(entry->data) - entry->n)
                return;

        put(entry, key, n_key);
        if (memchr(value, '\n', n)) {
                uint8_t length[sizeof(uint64_t)] = {};

                /* the length is little-endian on every machine */
                for (size_t i = 0; i < sizeof(length); i++)
                        length[i] = (uint8_t)((uint64_t)n >> 8 * i);
                put(entry, "\n", 1);
                put(entry, length, sizeof(length));
        } else
                put(entry, "=", 1);
        put(entry, value, n);
        put(entry, "\n", 1);
}

int journal_send(int *fd, const struct journal_entry *entry) {
        static const struct sockaddr_un address = {
                .sun_family = AF_UNIX,
                .sun_path = "/run/systemd/journal/socket",
        };

        if (*fd < 0) {
                *fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                if (*fd < 0)
                        return -errno;
        }
        /* The socket is not connected, so it still works after a restart of journald. */
        if (sendto(*fd, entry->data, entry->n, MSG_DONTWAIT | MSG_NOSIGNAL,
                   (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return 0;
}

bool journal_has(int fd) {
        const char *stream = getenv("JOURNAL_STREAM"); /* systemd.exec(5) */
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(fd, &st) == 0 &&
               st.st_dev == device && st.st_ino == inode;
}
