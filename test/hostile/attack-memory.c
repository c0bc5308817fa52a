/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks on the memory and the descriptors of the bus: messages that are unfinished or unread. */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "test/hostile/attack.h"
#include "test/hostile/crowd.h"
#include "test/hostile/own.h"

#define MIB ((size_t)1024 * 1024)

static void ask_lists(struct text *t, const struct scene *scene, unsigned member) {
        for (unsigned i = 0; i < 100; i++)
                text_add_bus_call(t, 0, "ListNames", NULL);
}

static void unread_lists(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .alike = true,
                .round = ask_lists,
                .reading = CROWD_READS_NOT,
        };

        crowd_run(scene, &plan);
}

static void slowly_read_lists(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .alike = true,
                .round = ask_lists,
                .reading = CROWD_READS_A_BYTE,
        };

        crowd_run(scene, &plan);
}

static void huge_signal(struct text *t, const struct scene *scene, unsigned member) {
        /* with its header, the signal has at most 32 MiB, the largest size of a system bus */
        const uint32_t n = 32 * MIB - 1024;
        CLEANUP_FREE uint8_t *body = calloc(1, n + sizeof(n));

        if (!body)
                raw_fail("out of memory");
        memcpy(body, &n, sizeof(n));
        text_add_message(t, &(struct raw_fields){
                                    .type = RAW_SIGNAL,
                                    .path = "/",
                                    .interface = OWN_INTERFACE,
                                    .member = "Huge",
                                    .signature = "ay",
                                    .body = body,
                                    .n_body = n + sizeof(n),
                            });
}

static void unfinished(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 96,
                .alike = true,
                .round = huge_signal,
                .end = CROWD_WITHHOLDS,
        };

        crowd_run(scene, &plan);
}

static void own_with_fds(struct text *t, const struct scene *scene, unsigned member) {
        own_add(t, member, RAW_SIGNAL, 0, 16);
}

static void unread_fds(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .enter = own_name,
                .round = own_with_fds,
                .reading = CROWD_READS_NOT,
                .n_fds = 16,
        };

        crowd_run(scene, &plan);
}

static void unfinished_fds(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .enter = own_name,
                .round = own_with_fds,
                .end = CROWD_WITHHOLDS,
                .n_fds = 16,
        };

        crowd_run(scene, &plan);
}

static void own_calls(struct text *t, const struct scene *scene, unsigned member) {
        for (unsigned i = 0; i < 100; i++)
                own_add(t, member, RAW_CALL, 0, 0);
}

static void unanswered(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .renumber = true,
                .enter = own_name,
                .round = own_calls,
        };

        crowd_run(scene, &plan);
}

const struct attack attacks_memory[] = {
        {
                .name = "unread-lists",
                .what = "ListNames from 250 connections, answers unread",
                .n_processes = 2,
                .run = unread_lists,
        },
        {
                .name = "slowly-read-lists",
                .what = "the same, answers read by single bytes",
                .n_processes = 2,
                .run = slowly_read_lists,
        },
        {
                .name = "unfinished",
                .what = "96 messages of 32 MiB without their last byte",
                .n_processes = 2,
                .run = unfinished,
        },
        {
                .name = "unread-fds",
                .what = "16 descriptors a message to itself, unread, 250 connections",
                .n_processes = 2,
                .run = unread_fds,
        },
        {
                .name = "unfinished-fds",
                .what = "messages with 16 descriptors without their last byte, 250 connections",
                .n_processes = 2,
                .run = unfinished_fds,
        },
        {
                .name = "unanswered",
                .what = "calls to itself that it never answers, 250 connections",
                .n_processes = 2,
                .run = unanswered,
        },
        {},
};
