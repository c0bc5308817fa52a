/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1-validate - what does it cost to check a message?
 *
 *         bus1-validate [--rounds=N] [--size=BYTES] [--only=NAME]
 *
 * A client chooses the bodies of its messages, so the bus must not need much more time for one body
 * than for another of the same size. For each kind of body (bodies.h) the program prints the
 * nanoseconds that message_parse() takes for each byte of the message in the fastest round, and the
 * ratio of this time to that of memcpy(). The last line has the greatest time. By default there are
 * 100 rounds, and the bodies have 128 KiB. With --only=NAME, only the kinds whose names contain
 * NAME are measured.
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
        size_t size;
        const char *only;
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

/* Parse a message. Returns how long it took. */
static double parse(const struct body_kind *kind, const uint8_t *data, size_t n) {
        struct message *m;
        double begin, time;
        int r;

        if (message_new(&m, n) < 0) {
                fprintf(stderr, "bus1-validate: out of memory\n");
                exit(2);
        }
        memcpy(m->wire, data, n);

        begin = now();
        r = message_parse(m);
        time = now() - begin;
        message_unref(m);
        if (r) {
                fprintf(stderr, "bus1-validate: %s: %s\n", kind->name, message_violation(r));
                exit(2);
        }
        return time;
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

/* Measure a kind and print its line. Returns its nanoseconds a byte. */
static double measure(const struct body_kind *kind, const struct options *options) {
        double least_parse = 0, least_copy = 0;
        size_t n;
        uint8_t *data = body_new_message(kind, options->size, &n);

        for (unsigned i = 0; i < options->rounds; i++) {
                keep_least(&least_parse, parse(kind, data, n));
                keep_least(&least_copy, copy(data, n));
        }
        free(data);
        printf("%-32s %8.2f %8.1f\n", kind->name, least_parse / n, least_parse / least_copy);
        return least_parse / n;
}

static struct options parse_options(int argc, char **argv) {
        static const struct option longs[] = {{"rounds", required_argument, NULL, 'r'},
                                              {"size", required_argument, NULL, 's'},
                                              {"only", required_argument, NULL, 'o'},
                                              {}};
        struct options options = {100, 128 * 1024, ""};
        int c;

        while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0)
                if (c == 'r')
                        options.rounds = strtoul(optarg, NULL, 10);
                else if (c == 's')
                        options.size = strtoul(optarg, NULL, 10);
                else if (c == 'o')
                        options.only = optarg;
                else
                        exit(2);
        return options;
}

int main(int argc, char **argv) {
        struct options options = parse_options(argc, argv);
        double most = 0;

        printf("%-32s %8s %8s\n", "kind of body", "ns/byte", "memcpy");
        for (size_t i = 0; i < body_n_kinds; i++)
                if (strstr(body_kinds[i].name, options.only)) {
                        double time = measure(&body_kinds[i], &options);

                        if (time > most)
                                most = time;
                }
        printf("%-32s %8.2f\n", "greatest", most);
        return 0;
}
