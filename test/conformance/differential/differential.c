/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The differential test: do the same on the reference and on the bridge, and compare
 *
 *   differential [--sequences N] [--first N] [--document FILE] [--no-self-test] [--verbose]
 *                REFERENCE BRIDGE
 *
 * The random choices of a sequence depend on its number; see also compare(). In a sequence, three
 * to five clients connect, take 8 to 18 steps, and leave. In most steps a client sends a message to
 * the bus or to clients. After each step the test waits for all effects of the step. Then every
 * client must have received the same on both sides, apart from parts that are free to differ
 * (compare.c) and documented differences (differences.c). Before the sequences, unless
 * --no-self-test is given, the test alters received messages on purpose; the comparison must notice
 * each alteration.
 *
 * FILE is doc/operating/compatibility.md. If it is given, it must have a row for each difference of
 * differences.c, and each of these differences must occur.
 */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/bench/raw.h"
#include "test/conformance/differential/run.h"

#define STEPS_MIN 8
#define STEPS_MORE 11
#define FAILURES_MAX 20
#define SEQUENCES_PER_DAEMON 100

struct options {
        unsigned long first;
        unsigned long n_sequences;
        const char *document;
        bool no_self_test;
};

struct counts {
        unsigned long n_steps;
        unsigned long n_failed;
};

static bool run_step(struct world *world, struct step *step, unsigned long sequence,
                     unsigned number, const struct alteration *alteration, struct counts *counts) {
        unsigned long n_altered = alteration ? *alteration->n : 0;
        bool same;

        same = world_step(world, step, sequence, number, alteration);
        counts->n_steps++;
        if (same && alteration && *alteration->n > n_altered) {
                printf("# alteration %d was not noticed in sequence %lu step %u\n",
                       alteration->kind, sequence, number);
                counts->n_failed++;
        }
        return same;
}

/* Run one sequence, up to the first difference. Returns false if the two sides differ. */
static bool run_sequence(struct world *world, unsigned long sequence,
                         const struct alteration *alteration, struct counts *counts) {
        unsigned n_clients, n_steps, number = 0;
        static struct step step;

        world->random.state = sequence * 0x632be59bd9b4e019;
        n_clients = 3 + random_below(&world->random, 3);
        n_steps = STEPS_MIN + random_below(&world->random, STEPS_MORE);
        for (unsigned i = 1; i < N_CLIENTS; i++)
                world->clients[i].with_fds = random_percent(&world->random, 30);

        while (number < n_clients + n_steps) {
                unsigned actor = number < n_clients ? number + 1
                                                    : 1 + random_below(&world->random, n_clients);

                step_generate(world, &step, actor);
                if (!run_step(world, &step, sequence, number++, alteration, counts))
                        return false;
        }
        for (unsigned i = 1; i < N_CLIENTS; i++) {
                if (world->clients[i].state == CLIENT_ABSENT)
                        continue;
                step = (struct step){.kind = STEP_CLOSE, .actor = i};
                snprintf(step.actor_name, sizeof(step.actor_name), "%s", world->clients[i].unique);
                if (!run_step(world, &step, sequence, number++, alteration, counts))
                        return false;
        }
        return true;
}

/* Returns false if some alteration was never made, or was not noticed by the comparison. */
static bool self_test(struct world *world) {
        bool good = true;

        for (unsigned kind = 0; kind < N_ALTERATIONS; kind++) {
                unsigned long n = 0;
                const struct alteration alteration = {kind, &n};
                struct counts counts = {};

                for (unsigned long i = 1; i <= 40 && n < 3; i++) {
                        world_start(world);
                        run_sequence(world, i, &alteration, &counts);
                        world_stop(world);
                }
                if (n == 0 || counts.n_failed > 0)
                        good = false;
                printf("# alteration %u: %lu made, %lu not noticed\n", kind, n, counts.n_failed);
        }
        return good;
}

/*
 * The messages of a sequence contain unique names, which depend on how many clients the daemons
 * have had before. So the daemons are started again for each hundred sequences (1 to 100, 101 to
 * 200, and so on). A run with --first 101, for example, sends exactly the messages that a run from
 * 1 sends from sequence 101 on. The daemons are also started again after a difference, because a
 * sequence with a difference ends early and leaves its clients connected.
 */
static bool compare(struct world *world, const struct options *options) {
        unsigned long failed = 0, last = options->first + options->n_sequences;
        struct counts counts = {};
        bool clean = true, fresh = false;

        for (unsigned long i = options->first; i < last && failed < FAILURES_MAX; i++) {
                if (!fresh || i % SEQUENCES_PER_DAEMON == 1) {
                        clean &= world_stop(world);
                        world_start(world);
                }
                fresh = run_sequence(world, i, NULL, &counts);
                failed += !fresh;
                fflush(stdout);
        }
        clean &= world_stop(world);
        if (!clean)
                printf("# a daemon did not end cleanly\n");
        printf("# %lu sequences, %lu steps, %lu sequences differ%s\n", options->n_sequences,
               counts.n_steps, failed, failed == FAILURES_MAX ? ", the rest was not run" : "");
        return failed == 0 && clean;
}

static unsigned n_tests;

static bool report(bool good, const char *name) {
        printf("%s %u - %s\n", good ? "ok" : "not ok", ++n_tests, name);
        fflush(stdout);
        return good;
}

int main(int argc, char **argv) {
        static const struct option long_options[] = {
                {"sequences", required_argument, NULL, 'n'},
                {"first", required_argument, NULL, 'f'},
                {"document", required_argument, NULL, 'd'},
                {"no-self-test", no_argument, NULL, 's'},
                {"verbose", no_argument, NULL, 'v'},
                {},
        };
        struct options options = {.first = 1, .n_sequences = 10000};
        char directory[] = "/tmp/differential-XXXXXX", command[64];
        static struct world world;
        bool good = true;
        int c;

        while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0)
                switch (c) {
                case 'n':
                        options.n_sequences = strtoul(optarg, NULL, 10);
                        break;
                case 'f':
                        options.first = strtoul(optarg, NULL, 10);
                        break;
                case 'd':
                        options.document = optarg;
                        break;
                case 's':
                        options.no_self_test = true;
                        break;
                case 'v':
                        world.verbose = true;
                        break;
                default:
                        return 2;
                }
        if (argc - optind != 2)
                return 2;
        world.daemons[SIDE_REFERENCE].binary = argv[optind];
        world.daemons[SIDE_BRIDGE].binary = argv[optind + 1];
        if (access(argv[optind], X_OK) < 0) {
                printf("1..0 # SKIP %s is not installed\n", argv[optind]);
                return 77;
        }
        if (!mkdtemp(directory))
                raw_fail("no directory for the sockets");
        world.directory = directory;

        if (!options.no_self_test)
                good &= report(self_test(&world), "what is altered is noticed");
        good &= report(compare(&world, &options), "both sides are alike");
        if (options.document) {
                good &= report(differences_report(), "every documented difference occurs");
                good &= report(differences_check_document(options.document),
                               "every difference is documented");
        } else
                differences_report();
        printf("1..%u\n", n_tests);

        snprintf(command, sizeof(command), "rm -r %s", directory);
        if (system(command) != 0)
                return 1;
        return good ? 0 : 1;
}
