/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks by the number and the contents of messages. */

#include <string.h>

#include "test/hostile/attack.h"

static void own_name(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        text_add_bus_call(t, 0, "RequestName", attack_name(member));
}

static void to_itself(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        for (unsigned i = 0; i < 64; i++)
                attack_add_call(t, attack_name(member), "x");
}

static void to_the_victim(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        for (unsigned i = 0; i < 64; i++)
                attack_add_call(t, VICTIM_NAME, "x");
}

/* Arrays of 31 nested structs with one byte: 8 bytes of body for each. */
static void expensive_body(struct text *t, const struct scene *scene, unsigned member) {
        static uint64_t body[128 * 1024];
        static char signature[1 + 31 + 1 + 31 + 1];
        struct raw_fields f = {
                .type = RAW_SIGNAL,
                .path = "/com/example",
                .interface = ATTACK_INTERFACE,
                .member = "Expensive",
                .signature = signature,
                .body = body,
                .n_body = sizeof(body) - 7,
        };
        uint32_t n = f.n_body - 8;

        (void)scene;
        (void)member;
        memcpy(body, &n, sizeof(n));
        signature[0] = 'a';
        memset(signature + 1, '(', 31);
        signature[32] = 'y';
        memset(signature + 33, ')', 31);
        text_add_message(t, &f);
}

const struct attack attacks_flood[] = {
        {
                .name = "flood, 1",
                .what = "small messages to itself, 1 connection",
                .plan = {.connections = 1, .enter = own_name, .round = to_itself},
        },
        {
                .name = "flood, 250",
                .what = "small messages to itself, 250 connections",
                .plan = {.connections = 250, .enter = own_name, .round = to_itself},
                .n_processes = 2,
        },
        {
                .name = "calls",
                .what = "small calls to the victim's service, 64 connections",
                .plan = {.connections = 64, .alike = true, .round = to_the_victim},
        },
        {
                .name = "expensive",
                .what = "bodies of 1 MiB with structs 31 deep, 64 connections in step",
                .plan = {.connections = 64,
                         .alike = true,
                         .round = expensive_body,
                         .end = CROWD_IN_STEP},
        },
        {},
};
