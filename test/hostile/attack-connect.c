/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks by connecting, and by what comes before Hello. */

#include <string.h>

#include "test/hostile/attack.h"

static void handshake_round(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        text_add_hello(t);
}

static void endless_line(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        text_add(t, "", 1);
        for (unsigned i = 0; i < 1000; i++)
                text_add(t, "AUTH EXTERNAL 0000000000000000000000000000000000000000000000", 60);
}

static void garbage(struct text *t, const struct scene *scene, unsigned member) {
        static const uint8_t bytes[64] = {'l', 9, 9, 9, 0xff, 0xff, 0xff, 0xff};

        (void)scene;
        (void)member;
        text_add(t, bytes, sizeof(bytes));
}

const struct attack attacks_connect[] = {
        {
                .name = "silent",
                .what = "400 sockets that never say Hello",
                .plan = {.connections = 400, .no_handshake = true, .end = CROWD_RESTS},
                .victim = VICTIM_CONNECTS,
        },
        {
                .name = "connect",
                .what = "250 connections come, say Hello and leave",
                .plan = {.connections = 250, .alike = true, .end = CROWD_LEAVES, .await = 1},
                .victim = VICTIM_CONNECTS,
        },
        {
                .name = "bytewise",
                .what = "250 handshakes, a byte at a time",
                .plan = {.connections = 250,
                         .no_handshake = true,
                         .alike = true,
                         .round = handshake_round,
                         .chunk = 1},
                .victim = VICTIM_CONNECTS,
        },
        {
                .name = "endless line",
                .what = "250 handshakes with lines that do not end",
                .plan = {.connections = 250,
                         .no_handshake = true,
                         .alike = true,
                         .round = endless_line},
                .victim = VICTIM_CALLS,
        },
        {
                .name = "garbage",
                .what = "250 connections that send no messages, and come again",
                .plan = {.connections = 250, .alike = true, .round = garbage},
                .victim = VICTIM_CALLS,
        },
        {},
};
