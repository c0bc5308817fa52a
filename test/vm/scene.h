/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Every command once, on peers that have objects
 *
 * A scene has two peers. Both own nodes and hold handles, and a message of the second peer waits in
 * the queue of the first. An operation prepares one command of the first peer, or the opening of
 * another peer. Each array or structure of the command has pages of its own, so that a test
 * can make an access to any of these pages fault. A transcript lists what both peers have and
 * receive after the operation, but nothing about the first peer if the operation has ended it.
 * Equal behaviour gives equal transcripts.
 */

#include "device.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* the pages of a command, and of the arrays and structures that it points to */
enum scene_page {
        PAGE_COMMAND,
        PAGE_PART, /* the send or receive of a CALL */
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

/*
 * Sizes of the send of 2026. Other commands have the same sizes or smaller ones. N_DATA is also the
 * size of the queued message.
 */
#define N_DATA 6000
#define N_VECS 12 /* more than the kernel keeps on its stack */
#define N_TRANSFERS 6
#define N_IDS 6
#define N_FDS 3

struct scene {
        /* a runs the command, b is the other peer */
        int a, b;
        /* the peer that the operation `open` has opened; negative if there is none */
        int opened;
        uint8_t *pages;
        unsigned long request;
        /*
         * Objects of a: its node, a handle to it, handles to a node and to a one-shot node of b.
         * For a peer of 2016, only "other" is set: its nodes have fixed IDs, see scene-2016.c.
         */
        uint64_t node, own, other, oneshot;
        /* prepare_slice_release() has received the queued message into the pool */
        bool has_slice;
};

struct operation {
        const char *name;
        void (*prepare)(struct scene *scene);
        /* a bit for each page that the command reads or writes */
        unsigned pages;
        /* the command may have its effect although it fails with EFAULT */
        bool is_done_before_results;
        /* after the command, a refuses every other command */
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

/* Run the prepared command, or open the device. Returns 0 or a negative errno. */
int scene_run(struct scene *scene);

/*
 * The resources in use: lines of debugfs about the peers, the results of BUS1_CMD_QUERY (all 0 for
 * a peer of 2016), and the number of open descriptors.
 */
struct state {
        char usage[256];
        struct bus1_cmd_query a, b;
        int n_fds;
};

void scene_state(const struct scene *scene, const struct operation *operation, struct state *ret);

/*
 * Send a message through to_a, a handle of b. It has data, descriptors, the given handle of b, and
 * a handle to a new node.
 */
void scene_queue_message(const struct scene *scene, uint64_t to_a, uint64_t handle);
/* Fill PAGE_DATA and PAGE_DATA_END with N_DATA bytes, and PAGE_VECS with the vectors for them. */
void scene_prepare_data(struct scene *scene);
/* A checksum of n bytes in the pool of a. */
uint32_t scene_pool_sum(const struct scene *scene, uint64_t offset, size_t n);
/* Receive everything that waits. Returns the transcript, which the caller frees. */
char *scene_transcript(struct scene *scene, const struct operation *operation);

/* peers of 2016 (scene-2016.c) */

void scene_init_2016(struct scene *scene);
/* Receive everything that waits for the peer a, and describe it in f. */
void scene_describe_2016(FILE *f, const struct scene *scene);
