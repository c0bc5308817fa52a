/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Clients that call each other: see workload.h. */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/bench/raw.h"
#include "test/bench/traffic.h"
#include "test/bench/workload.h"

struct party {
        size_t n, self;
        char (*unique)[64];
        bool in_pairs;
        int fd;
        uint8_t **calls, **replies; /* one for each client, also for this one */
        size_t *n_calls, *n_replies;
        size_t reply_serial_at;
        uint32_t serial;
        unsigned seed;
};

static void party_prepare(struct party *p, size_t n_body) {
        p->calls = calloc(p->n, sizeof(*p->calls));
        p->replies = calloc(p->n, sizeof(*p->replies));
        p->n_calls = calloc(p->n, sizeof(*p->n_calls));
        p->n_replies = calloc(p->n, sizeof(*p->n_replies));
        if (!p->calls || !p->replies || !p->n_calls || !p->n_replies)
                raw_fail("out of memory");
        for (size_t i = 0; i < p->n; i++) {
                p->calls[i] = traffic_build(RAW_CALL, p->unique[i], n_body, "ay", &p->n_calls[i]);
                p->replies[i] =
                        traffic_build(RAW_RETURN, p->unique[i], n_body, "ay", &p->n_replies[i]);
        }
        p->reply_serial_at = raw_message_reply_serial_at(p->replies[0], p->n_replies[0]);
}

static void party_call(struct party *p) {
        size_t to = p->in_pairs ? p->self ^ 1 : (size_t)rand_r(&p->seed) % p->n;

        raw_message_set_serial(p->calls[to], ++p->serial);
        raw_write(p->fd, p->calls[to], p->n_calls[to]);
}

/*
 * Find the index of the client that sent the message m, by the field SENDER (code 7). The forwarder
 * sets no SENDER, but with in_pairs the sender is known.
 */
static size_t party_sender(const struct party *p, const uint8_t *m) {
        uint32_t n_fields;
        const uint8_t *end, *at;

        if (p->in_pairs)
                return p->self ^ 1;
        memcpy(&n_fields, m + 12, 4);
        end = m + 16 + n_fields;
        for (size_t i = 16; i + 8 <= (size_t)n_fields + 16;) {
                uint32_t v;

                i = (i + 7) & ~(size_t)7;
                at = m + i;
                memcpy(&v, at + 4, 4);
                if (at[0] == 7 && at + 8 < end)
                        for (size_t k = 0; k < p->n; k++)
                                if (strcmp(p->unique[k], (const char *)at + 8) == 0)
                                        return k;
                i += at[2] == 'u' ? 8 : at[2] == 'g' ? 6 + (size_t)at[4] : 9 + (size_t)v;
        }
        raw_fail("a call from nobody");
}

__attribute__((noreturn)) static void party_run(struct party *p, uint64_t *count) {
        struct stream in = {};
        const uint8_t *m;

        party_call(p);
        while (stream_read(&in, p->fd))
                while ((m = stream_next(&in))) {
                        if (m[1] == RAW_CALL) {
                                uint32_t serial = raw_message_serial(m);
                                size_t to = party_sender(p, m);

                                memcpy(p->replies[to] + p->reply_serial_at, &serial, 4);
                                raw_message_set_serial(p->replies[to], ++p->serial);
                                raw_write(p->fd, p->replies[to], p->n_replies[to]);
                        } else if (m[1] == RAW_RETURN) {
                                ++*count;
                                party_call(p);
                        }
                }
        _exit(0);
}

uint64_t mixed_run(size_t n, const int *fds, char (*unique)[64], bool in_pairs, size_t n_body,
                   double seconds) {
        uint64_t *counts = mmap(NULL, n * sizeof(*counts), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t *pids = calloc(n, sizeof(*pids));
        uint64_t sum = 0;

        if (counts == MAP_FAILED || !pids)
                raw_fail("out of memory");
        for (size_t i = 0; i < n; i++) {
                struct party party = {
                        .n = n,
                        .self = i,
                        .unique = unique,
                        .in_pairs = in_pairs,
                        .fd = fds[i],
                        .seed = (unsigned)i + 1,
                };

                pids[i] = peer_fork();
                if (pids[i] == 0) {
                        party_prepare(&party, n_body);
                        party_run(&party, &counts[i]);
                }
        }
        usleep((useconds_t)(seconds * 1e6));
        for (size_t i = 0; i < n; i++)
                sum += counts[i];
        for (size_t i = 0; i < n; i++)
                peer_end(pids[i]);
        munmap(counts, n * sizeof(*counts));
        free(pids);
        return sum;
}
