/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks by many or large messages, to the victim's service, to the attacker or to nobody. */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "test/hostile/attack.h"
#include "test/hostile/crowd.h"
#include "test/hostile/own.h"

#define MIB ((size_t)1024 * 1024)
#define SMALL 100                                  /* small messages in a round */
#define NESTING "((((((((((((((((((((((((((((((((" /* as deep as structs may be */
#define NESTING_END "))))))))))))))))))))))))))))))))"

static void large_call(struct text *t, const struct scene *scene, unsigned member) {
        const uint32_t n = MIB;
        CLEANUP_FREE uint8_t *body = calloc(1, n + sizeof(n));

        if (!body)
                raw_fail("out of memory");
        memcpy(body, &n, sizeof(n));
        text_add_message(t, &(struct raw_fields){
                                    .type = RAW_CALL,
                                    .path = "/",
                                    .interface = VICTIM_NAME,
                                    .member = "Large",
                                    .destination = VICTIM_NAME,
                                    .signature = "ay",
                                    .body = body,
                                    .n_body = n + sizeof(n),
                            });
}

static void large_calls(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 64,
                .alike = true,
                .round = large_call,
        };

        crowd_run(scene, &plan);
}

static void small_calls(struct text *t, const struct scene *scene, unsigned member) {
        static const struct raw_fields call = {
                .type = RAW_CALL,
                .flags = RAW_NO_REPLY,
                .path = "/",
                .interface = VICTIM_NAME,
                .member = "Small",
                .destination = VICTIM_NAME,
        };

        for (unsigned i = 0; i < SMALL; i++)
                text_add_message(t, &call);
}

static void flood_service(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 64,
                .alike = true,
                .round = small_calls,
        };

        crowd_run(scene, &plan);
}

static void false_replies(struct text *t, const struct scene *scene, unsigned member) {
        for (unsigned i = 0; i < SMALL; i++)
                text_add_message(t, &(struct raw_fields){
                                            .type = RAW_RETURN,
                                            .reply_serial = 1 + i,
                                            .destination = VICTIM_NAME,
                                    });
}

static void answer_uncalled(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 64,
                .alike = true,
                .round = false_replies,
        };

        crowd_run(scene, &plan);
}

static void signals_to_self(struct text *t, const struct scene *scene, unsigned member) {
        for (unsigned i = 0; i < SMALL; i++)
                own_add(t, member, RAW_SIGNAL, 0, 0);
}

static void flood_self_1(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 1,
                .enter = own_name,
                .round = signals_to_self,
        };

        crowd_run(scene, &plan);
}

static void flood_self_250(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .enter = own_name,
                .round = signals_to_self,
        };

        crowd_run(scene, &plan);
}

static void listen_own(struct text *t, const struct scene *scene, unsigned member) {
        text_add_bus_call(t, RAW_NO_REPLY, "AddMatch",
                          "type='signal',interface='" OWN_INTERFACE "'");
}

static void own_broadcasts(struct text *t, const struct scene *scene, unsigned member) {
        for (unsigned i = 0; i < SMALL; i++)
                own_broadcast(t, NULL);
}

static void fan_out(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .alike = true,
                .enter = listen_own,
                .round = own_broadcasts,
        };

        crowd_run(scene, &plan);
}

static void listen_victim(struct text *t, const struct scene *scene, unsigned member) {
        text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", "type='signal',interface='" VICTIM_NAME "'");
}

static void unread_signals(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .alike = true,
                .enter = listen_victim,
                .reading = CROWD_READS_NOT,
        };

        crowd_run(scene, &plan);
}

/* 1 MiB of structs that each have one byte, in 32 structs around each other. */
static void nested(struct text *t, const struct scene *scene, unsigned member) {
        const uint32_t n = MIB;
        CLEANUP_FREE uint8_t *body = calloc(1, n + 8);

        if (!body)
                raw_fail("out of memory");
        /* the last struct has no padding behind its byte, and the first is at a multiple of 8 */
        memcpy(body, &(uint32_t){n - 7}, sizeof(n));
        text_add_message(t, &(struct raw_fields){
                                    .type = RAW_SIGNAL,
                                    .path = "/",
                                    .interface = OWN_INTERFACE,
                                    .member = "Nested",
                                    .signature = "a" NESTING "y" NESTING_END,
                                    .body = body,
                                    .n_body = 8 + n - 7,
                            });
}

static void worst_bodies(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .alike = true,
                .round = nested,
                .end = CROWD_IN_STEP,
        };

        crowd_run(scene, &plan);
}

const struct attack attacks_flood[] = {
        {
                .name = "large-calls",
                .what = "calls of 1 MiB to the victim's service, 64 connections",
                .n_processes = 2,
                .run = large_calls,
        },
        {
                .name = "flood-service",
                .what = "small calls without a reply to the victim's service, 64 connections",
                .n_processes = 2,
                .run = flood_service,
        },
        {
                .name = "answer-uncalled",
                .what = "replies that the victim's service does not wait for, 64 connections",
                .n_processes = 2,
                .run = answer_uncalled,
        },
        {
                .name = "flood-self-1",
                .what = "signals to itself, one connection",
                .n_processes = 1,
                .run = flood_self_1,
        },
        {
                .name = "flood-self-250",
                .what = "signals to itself, 250 connections",
                .n_processes = 4,
                .run = flood_self_250,
        },
        {
                .name = "fan-out",
                .what = "broadcasts from 250 connections to all of them",
                .n_processes = 4,
                .run = fan_out,
        },
        {
                .name = "unread-signals",
                .what = "250 connections that never read the victim's signals",
                .n_processes = 1,
                .step = VICTIM_SIGNALS,
                .run = unread_signals,
        },
        {
                .name = "worst-bodies",
                .what = "signals of 1 MiB of structs 32 deep, in step, 250 connections",
                .n_processes = 2,
                .run = worst_bodies,
        },
        {},
};
