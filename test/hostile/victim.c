/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The victim: see victim.h. */

#include "test/hostile/victim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "test/bench/raw.h"
#include "test/bench/workload.h"
#include "test/hostile/frames.h"
#include "test/hostile/people.h"
#include "test/hostile/text.h"

#define RULE "type='signal',interface='" VICTIM_NAME "'"
#define BLOCK 32 /* signals in a step */
#define FIELD_SENDER 7

static void store(bool *flag, bool value) {
        __atomic_store_n(flag, value, __ATOMIC_RELEASE);
}

static bool load(const bool *flag) {
        return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static int join(const struct scene *scene, char unique[static 64]) {
        int fd = raw_connect(scene->bus.address);

        if (fd < 0)
                raw_fail("the victim cannot connect: %s", strerror(errno));
        raw_hello(fd, unique);
        return fd;
}

/* the service */

/* Answer a call with the number of signals so far. */
static void answer(int fd, const struct frames *call, uint32_t n_signals) {
        size_t at = raw_message_field_at(call->head, call->n_head, FIELD_SENDER), n;
        struct raw_fields f = {
                .type = RAW_RETURN,
                .serial = 1,
                .reply_serial = raw_message_serial(call->head),
                .destination = (const char *)call->head + at + 4,
                .signature = "u",
                .body = &n_signals,
                .n_body = sizeof(n_signals),
        };
        CLEANUP_FREE uint8_t *m = NULL;

        if (at == 0)
                raw_fail("a call without a sender");
        m = raw_build(&f, &n);
        raw_write(fd, m, n);
}

__attribute__((noreturn)) static void service_run(struct scene *scene) {
        static uint8_t buffer[256 * 1024];
        struct frames frames = {};
        uint32_t n_signals = 0;
        char unique[64];
        int fd = join(scene, unique);

        raw_bus_call(fd, "AddMatch", RULE);
        raw_bus_call(fd, "RequestName", VICTIM_NAME);
        store(&scene->record->serving, true);
        for (;;) {
                ssize_t l = recv(fd, buffer, sizeof(buffer), 0);
                size_t at = 0;

                if (l <= 0)
                        raw_fail("the victim's service has lost its connection");
                while (at < (size_t)l) {
                        bool complete;

                        at += frames_take(&frames, buffer + at, l - at, &complete);
                        if (!complete)
                                continue;
                        if (frames.head[1] == RAW_CALL && !(frames.head[2] & RAW_NO_REPLY))
                                answer(fd, &frames, n_signals);
                        else if (frames.head[1] == RAW_SIGNAL)
                                n_signals++;
                }
        }
}

/* the client */

struct client {
        struct scene *scene;
        int fd;
        uint8_t *call;
        size_t n_call;
        struct text block; /* signals */
        uint32_t serial;
        uint32_t n_sent;      /* signals */
        uint32_t n_delivered; /* signals, as far as the service has told */
        uint64_t n_lost;
};

static void client_build(struct client *c) {
        struct raw_fields f = {
                .type = RAW_CALL,
                .serial = 1,
                .path = VICTIM_PATH,
                .interface = VICTIM_NAME,
                .member = "Call",
                .destination = VICTIM_NAME,
        };

        c->serial = 1;
        c->call = raw_build(&f, &c->n_call);
        f.type = RAW_SIGNAL;
        f.member = "Signal";
        f.destination = NULL;
        for (unsigned i = 0; i < BLOCK; i++)
                text_add_string(&c->block, &f, VICTIM_NAME);
}

/*
 * Call the service, and wait for the answer. Returns false if the answer is an error. *ret_n is the
 * number of signals that the service has got.
 */
static bool client_call(struct client *c, uint32_t *ret_n) {
        raw_message_set_serial(c->call, ++c->serial);
        raw_write(c->fd, c->call, c->n_call);
        for (;;) {
                size_t n;
                CLEANUP_FREE uint8_t *m = raw_read_message(c->fd, &n);

                if (!m)
                        raw_fail("the victim's client has lost its connection");
                if (!raw_message_answers(m, n, c->serial))
                        continue;
                if (m[1] == RAW_RETURN)
                        memcpy(ret_n, m + n - sizeof(*ret_n), sizeof(*ret_n));
                return m[1] == RAW_RETURN;
        }
}

static void client_connect(struct client *c) {
        char unique[64];
        int fd = join(c->scene, unique);

        close(fd);
}

/* Returns what the step adds to the record; *ret_failed has what it failed to add. */
static uint64_t client_step(struct client *c, enum victim_step step, uint64_t *ret_failed) {
        uint64_t lost = c->n_lost;
        uint32_t n;

        *ret_failed = 0;
        if (step == VICTIM_CONNECTS) {
                client_connect(c);
                return 1;
        }
        if (step == VICTIM_SIGNALS) {
                raw_write(c->fd, c->block.data, c->block.n);
                c->n_sent += BLOCK;
        }
        if (!client_call(c, &n)) {
                *ret_failed = 1;
                return 0;
        }
        if (step == VICTIM_CALLS)
                return 1;
        c->n_lost = (uint64_t)c->n_sent - n;
        n -= c->n_delivered;
        c->n_delivered += n;
        *ret_failed = c->n_lost - lost;
        return n;
}

static void begin_step(struct scene_record *r, const char *what, double *ret_begin) {
        *ret_begin = bench_now();
        __atomic_store_n(&r->current, what, __ATOMIC_RELAXED);
        __atomic_store(&r->waiting, ret_begin, __ATOMIC_RELEASE);
}

static void end_step(struct scene_record *r, double begin, uint64_t done, uint64_t failed) {
        double none = 0, took = bench_now() - begin;

        __atomic_store(&r->waiting, &none, __ATOMIC_RELEASE);
        if (!load(&r->counting))
                return;
        r->done += done;
        r->failed += failed;
        if (took > r->longest)
                r->longest = took;
}

__attribute__((noreturn)) static void client_run(struct scene *scene, enum victim_step step,
                                                 bool connect_at_end) {
        static const char *const names[] = {
                [VICTIM_CALLS] = "call",
                [VICTIM_CONNECTS] = "connection",
                [VICTIM_SIGNALS] = "block of signals",
        };
        struct scene_record *r = scene->record;
        struct client c = {.scene = scene};
        char unique[64];
        double begin;

        c.fd = join(scene, unique);
        client_build(&c);
        while (!load(&r->serving))
                usleep(1000);
        while (!load(&r->stop)) {
                uint64_t done, failed;

                begin_step(r, names[step], &begin);
                done = client_step(&c, step, &failed);
                end_step(r, begin, done, failed);
        }
        if (connect_at_end) {
                begin_step(r, "new connection", &begin);
                client_connect(&c);
                end_step(r, begin, 0, 0);
        }
        store(&r->ended, true);
        _exit(0);
}

void victim_start(struct victim *v, struct scene *scene, enum victim_step step,
                  bool connect_at_end) {
        v->service = people_fork(PEOPLE_VICTIM);
        if (v->service == 0)
                service_run(scene);
        v->client = people_fork(PEOPLE_VICTIM);
        if (v->client == 0)
                client_run(scene, step, connect_at_end);
}
