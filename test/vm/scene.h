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

#include "device.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

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
#define BIT(page) (1u << (page))

/* what a command that sends has of each, and a message that waits of bytes */
#define N_DATA 6000
#define N_VECS 12 /* more than the kernel keeps on its stack */
#define N_TRANSFERS 6
#define N_IDS 6
#define N_FDS 3

struct scene {
        /* what acts, and who is acted upon */
        int a, b;
        /* open on success of the operation `open` */
        int opened;
        uint8_t *pages;
        unsigned long request;
        /* of a: its node, a handle to it, one to a node of b, one to a one-shot node of b */
        uint64_t node, own, other, oneshot;
        /* the message that waited has been received into the pool */
        bool has_slice;
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
        /* a is a peer of 2016, b is not */
        bool is_2016;
};

extern const struct operation operations[], operations_2016[];
extern const size_t n_operations, n_operations_2016;

void scene_init(struct scene *scene, const struct operation *operation);
void scene_deinit(struct scene *scene);

static inline void *scene_page(struct scene *scene, enum scene_page page) {
        return scene->pages + (size_t)page * PAGE_SIZE;
}

/* Run what was prepared. */
int scene_run(struct scene *scene);

/* What the peers have, without changing anything; as the device sees it and they do. */
struct state {
        char usage[256];
        struct bus1_cmd_query a, b;
        int n_fds;
};

void scene_state(const struct scene *scene, const struct operation *operation, struct state *ret);

/* A message of b for a, with everything; handle is one of b's that goes along. */
void scene_queue_message(const struct scene *scene, uint64_t to_a, uint64_t handle);
/* Vectors for N_DATA bytes. */
void scene_prepare_data(struct scene *scene);
/* Data that was received into the pool of a. */
uint32_t scene_pool_sum(const struct scene *scene, uint64_t offset, size_t n);

/* peers of 2016 (scene-2016.c) */

void scene_init_2016(struct scene *scene);
/* Receive everything of a. */
void scene_describe_2016(FILE *f, const struct scene *scene);

/* Receive everything, and write down what it was and what is left; to be freed. */
char *scene_transcript(struct scene *scene, const struct operation *operation);
