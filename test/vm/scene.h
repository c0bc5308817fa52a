/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Every command once, on peers that have a bit of everything
 *
 * A scene has two peers that own nodes, hold handles of each other and have a message queued. An
 * operation prepares one command of the first peer in memory where each pointer of the command
 * points to a page of its own, so that a test can let any of them fault. What both peers have and
 * receive after it is written down as a transcript, which is the same each time that the same
 * happened.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "device.h"

/* what pointers point to */
enum scene_page {
        PAGE_COMMAND,
        PAGE_IDS,
        PAGE_ERRORS,
        PAGE_MESSAGE,
        PAGE_TRANSFERS,
        PAGE_RESULTS,
        PAGE_VECS,
        PAGE_FDS,
        PAGE_METADATA,
        PAGE_DATA,
        PAGE_DATA_END,
        N_PAGES,
};

#define PAGE_SIZE 4096

struct scene {
        /* what acts, and who is acted upon */
        int a, b;
        /* open on success of the operation `open` */
        int opened;
        uint8_t *pages;
        unsigned long request;
        /* of a: its node, a handle to it, one to a node of b, one to a one-shot node of b */
        uint64_t node, own, other, oneshot;
};

struct operation {
        const char *name;
        void (*prepare)(struct scene *scene);
        /* a bit for each page that the command reads or writes */
        unsigned pages;
        /* it may fail with EFAULT and have been done nevertheless */
        bool is_done_before_results;
        /* nothing can be asked of a any more */
        bool ends;
};

extern const struct operation operations[];
extern const size_t n_operations;

void scene_init(struct scene *scene);
void scene_deinit(struct scene *scene);

static inline void *scene_page(struct scene *scene, enum scene_page page) {
        return scene->pages + (size_t)page * PAGE_SIZE;
}

/* Run what was prepared. */
int scene_run(struct scene *scene);

/* What the peers have, without changing anything. */
struct state {
        struct bus1_cmd_query a, b;
        int n_fds;
};

void scene_state(const struct scene *scene, struct state *ret);

/* Receive everything, and write down what it was and what is left; to be freed. */
char *scene_transcript(struct scene *scene, const struct operation *operation);
