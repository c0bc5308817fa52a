/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks on what the bus has to keep: memory and descriptors. */

#include <stdlib.h>

#include "test/hostile/attack.h"

#define MIB (1024 * 1024)

static void list_names(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        for (unsigned i = 0; i < 64; i++)
                text_add_bus_call(t, 0, "ListNames", NULL);
}

static void add_bytes(struct text *t, const char *destination, uint8_t flags, uint32_t n_bytes) {
        struct raw_fields f = {
                .type = RAW_CALL,
                .flags = flags,
                .path = "/com/example",
                .interface = ATTACK_INTERFACE,
                .member = "Large",
                .destination = destination,
                .signature = "ay",
                .n_body = 4 + n_bytes,
        };
        uint32_t *body = calloc(1, f.n_body);

        if (!body)
                raw_fail("out of memory");
        *body = n_bytes;
        f.body = body;
        text_add_message(t, &f);
        free(body);
}

static void large_message(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        add_bytes(t, VICTIM_NAME, RAW_NO_REPLY, 31 * MIB);
}

static void call_of_a_mib(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        add_bytes(t, VICTIM_NAME, 0, MIB);
}

static void own_name(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        text_add_bus_call(t, 0, "RequestName", attack_name(member));
}

static void large_to_itself(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        add_bytes(t, attack_name(member), RAW_NO_REPLY, MIB);
}

static void small_to_itself(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        for (unsigned i = 0; i < 64; i++)
                attack_add_call(t, attack_name(member), "x");
}

static void descriptors_to_itself(struct text *t, const struct scene *scene, unsigned member) {
        const struct raw_fields f = {
                .type = RAW_CALL,
                .flags = RAW_NO_REPLY,
                .n_fds = 16,
                .path = "/com/example",
                .interface = ATTACK_INTERFACE,
                .member = "Take",
                .destination = attack_name(member),
        };

        (void)scene;
        text_add_message(t, &f);
}

static void never_answered(struct text *t, const struct scene *scene, unsigned member) {
        const struct raw_fields f = {
                .type = RAW_CALL,
                .path = "/com/example",
                .interface = ATTACK_INTERFACE,
                .member = "Wait",
                .destination = attack_name(member),
        };

        (void)scene;
        for (unsigned i = 0; i < 64; i++)
                text_add_message(t, &f);
}

const struct attack attacks_memory[] = {
        {
                .name = "unread answers",
                .what = "ListNames from 250 connections that do not read",
                .plan = {.connections = 250,
                         .alike = true,
                         .round = list_names,
                         .reading = CROWD_READS_NOT},
        },
        {
                .name = "slow reader",
                .what = "ListNames from 250 connections that read a byte at a time",
                .plan = {.connections = 250,
                         .alike = true,
                         .round = list_names,
                         .reading = CROWD_READS_A_BYTE},
        },
        {
                .name = "unfinished",
                .what = "96 messages of 31 MiB without their last byte",
                .plan = {.connections = 96,
                         .alike = true,
                         .round = large_message,
                         .end = CROWD_WITHHOLDS},
        },
        {
                .name = "large calls",
                .what = "calls of 1 MiB to the victim's service, 64 connections",
                .plan = {.connections = 64, .renumber = true, .round = call_of_a_mib},
        },
        {
                .name = "large, unread",
                .what = "messages of 1 MiB to itself, 64 connections that do not read",
                .plan = {.connections = 64,
                         .enter = own_name,
                         .round = large_to_itself,
                         .reading = CROWD_READS_NOT},
        },
        {
                .name = "small, unread",
                .what = "small messages to itself, 250 connections that do not read",
                .plan = {.connections = 250,
                         .enter = own_name,
                         .round = small_to_itself,
                         .reading = CROWD_READS_NOT},
        },
        {
                .name = "descriptors",
                .what = "16 descriptors in each message to itself, 250 that do not read",
                .plan = {.connections = 250,
                         .enter = own_name,
                         .round = descriptors_to_itself,
                         .reading = CROWD_READS_NOT,
                         .n_fds = 16},
        },
        {
                .name = "half with fds",
                .what = "250 messages with 16 descriptors, without their last byte",
                .plan = {.connections = 250,
                         .enter = own_name,
                         .round = descriptors_to_itself,
                         .end = CROWD_WITHHOLDS,
                         .n_fds = 16},
        },
        {
                .name = "no replies",
                .what = "calls to itself that it does not answer, 250 connections",
                .plan = {.connections = 250,
                         .enter = own_name,
                         .renumber = true,
                         .round = never_answered},
        },
        {},
};
