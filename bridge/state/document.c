/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parts that writing and reading share: sets of descriptors, and files in memory. */

#include "bridge/state/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int state_fds_add(struct state_fds *fds, int64_t fd) {
        uint64_t bit;
        size_t word;

        if (fd < 0 || fd >= STATE_FDS_MAX)
                return -ERANGE;
        bit = UINT64_C(1) << fd % 64;
        word = (size_t)fd / 64;
        if (word >= fds->n_words) {
                size_t n = 2 * word + 16;
                uint64_t *bits = realloc(fds->bits, n * sizeof(*bits));

                if (!bits)
                        return -ENOMEM;
                memset(bits + fds->n_words, 0, (n - fds->n_words) * sizeof(*bits));
                fds->bits = bits;
                fds->n_words = n;
        }
        if (fds->bits[word] & bit)
                return -EEXIST;
        fds->bits[word] |= bit;
        fds->n++;
        return 0;
}

bool state_fds_have(const struct state_fds *fds, int fd) {
        return fd >= 0 && (size_t)fd / 64 < fds->n_words &&
               fds->bits[fd / 64] & UINT64_C(1) << fd % 64;
}

int state_fds_next(const struct state_fds *fds, int from) {
        uint64_t mask = ~UINT64_C(0) << from % 64;

        for (size_t word = (size_t)from / 64; word < fds->n_words; word++) {
                uint64_t bits = fds->bits[word] & mask;

                if (bits)
                        return (int)(64 * word) + __builtin_ctzll(bits);
                mask = ~UINT64_C(0);
        }
        return -1;
}

void state_fds_deinit(struct state_fds *fds) {
        free(fds->bits);
        *fds = (struct state_fds){};
}

int state_file_new(int *ret_fd) {
        int fd = memfd_create("bus1-bridge-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

int state_file_seal(int fd) {
        return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

bool state_file_is_sealed(int fd) {
        int seals = fcntl(fd, F_GET_SEALS);

        return seals >= 0 && (seals & SEALS) == SEALS;
}
