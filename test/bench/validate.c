/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1-validate - what does it cost to check a message?
 *
 *         bus1-validate [--rounds=N] [--size=BYTES] [--part=BYTES] [--only=NAME]
 *
 * A client chooses the bodies of its messages, so the bus must not need much more time for one body
 * than for another of the same size. For each kind of body (bodies.h) the program prints the
 * nanoseconds that message_parse() takes for each byte of the message in the fastest round, the
 * ratio of this time to that of memcpy(), the same nanoseconds for message_parse_body_part(), and
 * the microseconds that the slowest part takes in its fastest round. The header of a message is no
 * part: it is checked in one go. The last line has the greatest times. By default there are 100
 * rounds, the bodies have 128 KiB, and a part is 4096 bytes, as in the bus. With --only=NAME, only
 * the kinds whose names contain NAME are measured.
 *
 * Invalid bodies are no kinds of their own: the check of a body stops at its first fault.
 */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bodies.h"
#include "bridge/wire/message.h"

struct options {
        unsigned rounds;
        size_t size, part;
        const char *only;
};

/* The least times of a kind in all rounds, in ns. */
struct times {
        double whole, copy, parts;
        double *part; /* of each part */
        size_t n_parts;
        double slowest_part;
};

static double now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1e9 + t.tv_nsec;
}

static void keep_least(double *least, double value) {
        if (*least == 0 || value < *least)
                *least = value;
}

static struct message *new_message(const uint8_t *data, size_t n) {
        struct message *m;

        if (message_new(&m, n) < 0) {
                fprintf(stderr, "bus1-validate: out of memory\n");
                exit(2);
        }
        memcpy(m->wire, data, n);
        return m;
}

static void expect_valid(const struct body_kind *kind, int r) {
        if (r == 0)
                return;
        fprintf(stderr, "bus1-validate: %s: %s\n", kind->name, message_violation(r));
        exit(2);
}

/* Parse a message. Returns how long it took. */
static double parse(const struct body_kind *kind, const uint8_t *data, size_t n) {
        struct message *m = new_message(data, n);
        double begin, time;
        int r;

        begin = now();
        r = message_parse(m);
        time = now() - begin;
        message_unref(m);
        expect_valid(kind, r);
        return time;
}

static void keep_part(struct times *times, size_t i, double time) {
        if (i == times->n_parts) {
                times->part = reallocarray(times->part, ++times->n_parts, sizeof(double));
                if (!times->part)
                        exit(2);
                times->part[i] = 0;
        }
        keep_least(&times->part[i], time);
}

/* Parse a message in parts. Returns how long it took. */
static double parse_parts(const struct body_kind *kind, const uint8_t *data, size_t n,
                          size_t n_part, struct times *times) {
        struct message *m = new_message(data, n);
        struct body_check *check = NULL;
        double begin = now(), last;
        size_t i = 0;

        expect_valid(kind, message_parse_header(m));
        last = now();
        do {
                double time;

                expect_valid(kind, message_parse_body_part(m, n_part, &check));
                time = now();
                keep_part(times, i++, time - last);
                last = time;
        } while (check);
        message_unref(m);
        return last - begin;
}

static double copy(const uint8_t *data, size_t n) {
        uint8_t *to = malloc(n);
        double begin, time;

        if (!to) {
                fprintf(stderr, "bus1-validate: out of memory\n");
                exit(2);
        }
        memset(to, 1, n);
        begin = now();
        memcpy(to, data, n);
        __asm__ volatile("" : : "r"(to) : "memory"); /* the copy is used */
        time = now() - begin;
        free(to);
        return time;
}

static void keep_greatest(double *greatest, double value) {
        if (value > *greatest)
                *greatest = value;
}

/* Measure a kind and print its line. Keeps the greatest times: those of parts, else for a byte. */
static void measure(const struct body_kind *kind, const struct options *options,
                    struct times *greatest) {
        struct times times = {};
        size_t n;
        uint8_t *data = body_new_message(kind, options->size, &n);

        for (unsigned i = 0; i < options->rounds; i++) {
                keep_least(&times.whole, parse(kind, data, n));
                keep_least(&times.parts, parse_parts(kind, data, n, options->part, &times));
                keep_least(&times.copy, copy(data, n));
        }
        free(data);
        for (size_t i = 0; i < times.n_parts; i++)
                keep_greatest(&times.slowest_part, times.part[i]);
        free(times.part);
        printf("%-32s %8.2f %8.1f %8.2f %8.1f\n", kind->name, times.whole / n,
               times.whole / times.copy, times.parts / n, times.slowest_part / 1000);
        keep_greatest(&greatest->whole, times.whole / n);
        keep_greatest(&greatest->parts, times.parts / n);
        keep_greatest(&greatest->slowest_part, times.slowest_part);
}

static struct options parse_options(int argc, char **argv) {
        static const struct option longs[] = {{"rounds", required_argument, NULL, 'r'},
                                              {"size", required_argument, NULL, 's'},
                                              {"part", required_argument, NULL, 'p'},
                                              {"only", required_argument, NULL, 'o'},
                                              {}};
        struct options options = {100, 128 * 1024, 4096, ""};
        int c;

        while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0)
                if (c == 'r')
                        options.rounds = strtoul(optarg, NULL, 10);
                else if (c == 's')
                        options.size = strtoul(optarg, NULL, 10);
                else if (c == 'p')
                        options.part = strtoul(optarg, NULL, 10);
                else if (c == 'o')
                        options.only = optarg;
                else
                        exit(2);
        return options;
}

int main(int argc, char **argv) {
        struct options options = parse_options(argc, argv);
        struct times greatest = {};

        printf("%-32s %8s %8s %8s %8s\n", "kind of body", "ns/byte", "memcpy", "in parts",
               "us/part");
        for (size_t i = 0; i < body_n_kinds; i++)
                if (strstr(body_kinds[i].name, options.only))
                        measure(&body_kinds[i], &options, &greatest);
        printf("%-32s %8.2f %8s %8.2f %8.1f\n", "greatest", greatest.whole, "", greatest.parts,
               greatest.slowest_part / 1000);
        return 0;
}
