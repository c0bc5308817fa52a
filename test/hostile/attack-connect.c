/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks by connections: those that never become clients, and those that come and go. */

#include <string.h>

#include "test/hostile/attack.h"
#include "test/hostile/crowd.h"

static void never_hello(const struct scene *scene) {
        static const struct crowd_plan plan = {.connections = 400, .no_handshake = true};

        crowd_run(scene, &plan);
}

static void handshake_bytes(struct text *t, const struct scene *scene, unsigned member) {
        text_add_hello(t);
}

static void slow_handshake(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .no_handshake = true,
                .alike = true,
                .round = handshake_bytes,
                .end = CROWD_LEAVES,
                .chunk = 1,
        };

        crowd_run(scene, &plan);
}

static void line_begin(struct text *t, const struct scene *scene, unsigned member) {
        static const char line[] = "\0AUTH EXTERNAL ";

        text_add(t, line, sizeof(line) - 1);
}

static void line_rest(struct text *t, const struct scene *scene, unsigned member) {
        static char digits[4096];

        memset(digits, '3', sizeof(digits));
        text_add(t, digits, sizeof(digits));
}

static void endless_line(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .no_handshake = true,
                .alike = true,
                .enter = line_begin,
                .round = line_rest,
        };

        crowd_run(scene, &plan);
}

static void nul(struct text *t, const struct scene *scene, unsigned member) {
        text_add(t, "", 1);
}

static void wrong_lines(struct text *t, const struct scene *scene, unsigned member) {
        for (unsigned i = 0; i < 100; i++)
                text_add(t, "AUTH NOTHING\r\nERROR\r\n", 21);
}

static void endless_lines(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .no_handshake = true,
                .alike = true,
                .enter = nul,
                .round = wrong_lines,
                .reading = CROWD_READS_NOT,
        };

        crowd_run(scene, &plan);
}

static void come_and_go(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 128,
                .alike = true,
                .end = CROWD_LEAVES,
                .await = 1,
        };

        crowd_run(scene, &plan);
}

static void turnstile(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 1000,
                .no_handshake = true,
                .enter = nul,
                .alike = true,
                .end = CROWD_LEAVES,
        };

        crowd_run(scene, &plan);
}

static void wrong_message(struct text *t, const struct scene *scene, unsigned member) {
        static const struct raw_fields call = {
                .type = RAW_CALL,
                .path = "/",
                .member = "Call",
                .destination = VICTIM_NAME,
                .signature = "s",
                .body = "\xff\xff\xff\xff", /* the length of a string that is not there */
                .n_body = 4,
        };

        text_add_message(t, &call);
}

static void invalid_messages(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 128,
                .alike = true,
                .enter = wrong_message,
        };

        crowd_run(scene, &plan);
}

const struct attack attacks_connect[] = {
        {
                .name = "never-hello",
                .what = "400 sockets that never say Hello",
                .n_processes = 1,
                .step = VICTIM_CONNECTS,
                .run = never_hello,
        },
        {
                .name = "slow-handshake",
                .what = "250 handshakes, byte by byte",
                .n_processes = 2,
                .step = VICTIM_CONNECTS,
                .run = slow_handshake,
        },
        {
                .name = "endless-line",
                .what = "250 handshakes of one line that never ends",
                .n_processes = 2,
                .step = VICTIM_CONNECTS,
                .run = endless_line,
        },
        {
                .name = "endless-lines",
                .what = "250 handshakes of wrong lines, answers unread",
                .n_processes = 2,
                .step = VICTIM_CONNECTS,
                .run = endless_lines,
        },
        {
                .name = "come-and-go",
                .what = "connect, Hello, close on 128 connections",
                .n_processes = 2,
                .run = come_and_go,
        },
        {
                .name = "turnstile",
                .what = "1000 sockets that connect, write a byte and close",
                .n_processes = 2,
                .run = turnstile,
                .fds = 600,
        },
        {
                .name = "invalid-messages",
                .what = "connect, Hello, an invalid message on 128 connections",
                .n_processes = 2,
                .run = invalid_messages,
        },
        {},
};
