/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ids - the numbers in unique names
 *
 * While a machine runs, no unique name may come twice, even if the bus ends and starts again: a
 * program that still holds the name of a client of before must not reach a client of now. If
 * systemd gives the bus a directory that outlives it ($RUNTIME_DIRECTORY, from RuntimeDirectory=
 * and RuntimeDirectoryPreserve= in the unit), a file there has the first number that no bus has
 * used. The bus takes numbers from it in blocks of IDS_BLOCK, so the file is seldom written, and
 * after a start names begin with the next block. Without the directory they begin with 0.
 */

#include <stdint.h>

#define IDS_BLOCK 10000

struct ids {
        int fd;        /* of the file; -1: none */
        uint64_t next; /* the next number to use */
        uint64_t end;  /* below it, numbers need not be reserved */
};

/*
 * Open the file below directory, and reserve a block. Without a file, ids go from 0. Returns 0, or
 * a negative errno if the file cannot be used; -EINVAL if it holds no number. ids can be used in
 * any case.
 */
int ids_open(struct ids *ids, const char *directory);
/* Go on with the file and the numbers of a bus that this one replaces; fd -1: without a file. */
void ids_adopt(struct ids *ids, int fd, uint64_t next, uint64_t end);
void ids_close(struct ids *ids);
/* Reserve the next block. What the file keeps is only behind if it cannot be written. */
void ids_reserve(struct ids *ids);

static inline void ids_init(struct ids *ids) {
        *ids = (struct ids){.fd = -1, .end = UINT64_MAX};
}

/* Look at the next number; ids_use() uses it up. */
static inline uint64_t ids_next(struct ids *ids) {
        if (ids->next >= ids->end)
                ids_reserve(ids);
        return ids->next;
}

static inline void ids_use(struct ids *ids) {
        ids->next++;
}
