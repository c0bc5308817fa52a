/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks by activation: services that never take their name. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "test/hostile/attack.h"
#include "test/hostile/crowd.h"

#define SERVICES 64

static void write_services(const struct scene *scene, const char *name, const char *program) {
        char path[256];

        snprintf(path, sizeof(path), "%s/services", scene->directory);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                raw_fail("%s: %s", path, strerror(errno));
        for (unsigned i = 0; i < SERVICES; i++) {
                CLEANUP_FCLOSE FILE *f = NULL;

                snprintf(path, sizeof(path), "%s/services/com.example.%s%u.service",
                         scene->directory, name, i);
                f = fopen(path, "we");
                if (!f)
                        raw_fail("%s: %s", path, strerror(errno));
                fprintf(f, "[D-BUS Service]\nName=com.example.%s%u\nExec=%s\n", name, i, program);
        }
}

static void calls(struct text *t, const char *name, size_t n_body) {
        CLEANUP_FREE char *body = calloc(1, n_body + 1);
        char destination[64];

        if (!body)
                raw_fail("out of memory");
        memset(body, 'x', n_body);
        for (unsigned i = 0; i < SERVICES; i++) {
                snprintf(destination, sizeof(destination), "com.example.%s%u", name, i);
                text_add_string(t,
                                &(struct raw_fields){
                                        .type = RAW_CALL,
                                        .path = "/",
                                        .interface = "com.example.Start",
                                        .member = "Start",
                                        .destination = destination,
                                },
                                body);
        }
}

static void write_sleepers(const struct scene *scene) {
        /* longer than any scene, but not much longer: nobody else ends them */
        write_services(scene, "Sleeper", "/bin/sleep 20");
}

static void call_sleepers(struct text *t, const struct scene *scene, unsigned member) {
        calls(t, "Sleeper", 8);
}

static void sleepers(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .renumber = true,
                .round = call_sleepers,
        };

        crowd_run(scene, &plan);
}

static void call_sleepers_at_length(struct text *t, const struct scene *scene, unsigned member) {
        calls(t, "Sleeper", 65536);
}

static void held_calls(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .alike = true,
                .round = call_sleepers_at_length,
        };

        crowd_run(scene, &plan);
}

static void write_failures(const struct scene *scene) {
        write_services(scene, "Failure", "/bin/false");
}

static void call_failures(struct text *t, const struct scene *scene, unsigned member) {
        calls(t, "Failure", 8);
}

static void failures(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 64,
                .renumber = true,
                .round = call_failures,
        };

        crowd_run(scene, &plan);
}

const struct attack attacks_start[] = {
        {
                .name = "sleepers",
                .what = "calls of 64 services that never take their name, 250 connections",
                .n_processes = 2,
                .set_up = write_sleepers,
                .run = sleepers,
        },
        {
                .name = "held-calls",
                .what = "the same with calls of 64 KiB",
                .n_processes = 2,
                .set_up = write_sleepers,
                .run = held_calls,
        },
        {
                .name = "failures",
                .what = "calls of 64 services that end at once, 64 connections",
                .n_processes = 2,
                .set_up = write_failures,
                .run = failures,
        },
        {},
};
