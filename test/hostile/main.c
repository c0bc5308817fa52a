/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * hostile - users of a bus that attack it, and one that wants to work
 *
 * Measures what each attack costs the victim (measure.h), or, with --functional, tests that it
 * costs the victim nothing but time (functional.h). Only root can start processes of other users;
 * for others the program exits with 77, which means that a test is skipped.
 */

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/bench/raw.h"
#include "test/hostile/functional.h"
#include "test/hostile/measure.h"
#include "test/hostile/people.h"

#define SKIPPED 77

struct options {
        struct stage stage;
        const char *build;
        const char *bridge;
        const char *only;
        const char *group;
        unsigned rounds;
        bool functional;
        bool all;
        bool list;
        bool one_cpu;
};

static void usage(FILE *f) {
        fprintf(f, "hostile [--functional] [--build=BUILD] [--bridge=BIN] [--session]\n"
                   "        [--group=GROUP] [--only=PART OF A NAME] [--seconds=S] [--rounds=N]\n"
                   "        [--one-cpu] [--all] [--list]\n"
                   "\n"
                   "--one-cpu lets all processes share a CPU; --all also measures dbus-daemon and\n"
                   "dbus-broker; --list prints the attacks\n");
}

static bool parse(struct options *o, int argc, char **argv) {
        static const struct option long_options[] = {
                {"all", no_argument, NULL, 'a'},
                {"bridge", required_argument, NULL, 'b'},
                {"build", required_argument, NULL, 'B'},
                {"functional", no_argument, NULL, 'f'},
                {"group", required_argument, NULL, 'g'},
                {"help", no_argument, NULL, 'h'},
                {"list", no_argument, NULL, 'l'},
                {"only", required_argument, NULL, 'o'},
                {"rounds", required_argument, NULL, 'r'},
                {"seconds", required_argument, NULL, 's'},
                {"session", no_argument, NULL, 'S'},
                {"one-cpu", no_argument, NULL, '1'},
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", long_options, NULL)) >= 0)
                switch (c) {
                case '1':
                        o->one_cpu = true;
                        break;
                case 'a':
                        o->all = true;
                        break;
                case 'b':
                        o->bridge = optarg;
                        break;
                case 'B':
                        o->build = optarg;
                        break;
                case 'f':
                        o->functional = true;
                        break;
                case 'g':
                        o->group = optarg;
                        break;
                case 'l':
                        o->list = true;
                        break;
                case 'o':
                        o->only = optarg;
                        break;
                case 'r':
                        o->rounds = atoi(optarg);
                        break;
                case 's':
                        o->stage.seconds = atof(optarg);
                        break;
                case 'S':
                        o->stage.session = true;
                        break;
                default:
                        usage(c == 'h' ? stdout : stderr);
                        exit(c == 'h' ? 0 : 1);
                }
        return optind == argc && o->rounds >= 1 && o->rounds <= MEASURE_ROUNDS_MAX &&
               o->stage.seconds >= 0;
}

static bool selected(const struct options *o, const struct attack_group *group,
                     const struct attack *attack) {
        return (!o->group || strcmp(o->group, group->name) == 0) &&
               (!o->only || strstr(attack->name, o->only));
}

/* Returns the number of attacks that failed. */
static unsigned run(const struct options *o) {
        unsigned n = 0, failed = 0;

        if (!o->functional && !o->list)
                measure_print_head();
        for (const struct attack_group *group = attack_groups; group->name; group++)
                for (const struct attack *a = group->attacks; a->name; a++) {
                        if (!selected(o, group, a))
                                continue;
                        n++;
                        if (o->list)
                                printf("%-8s %-20s %s\n", group->name, a->name, a->what);
                        else if (o->functional)
                                failed += !functional_run(&o->stage, BUS_BRIDGE, a);
                        else
                                measure_run(&o->stage, a, o->rounds);
                }
        if (n == 0)
                raw_fail("no attack has this name");
        if (!o->functional && !o->list)
                measure_print_sum();
        return failed;
}

/* Processes that are started from now on run on the same CPU as this one. */
static void share_a_cpu(void) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(sched_getcpu(), &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0)
                raw_fail("no CPU of its own: %s", strerror(errno));
}

static void on_signal(int number) {
        /* the other processes have other users, so that the kernel does not end them with us */
        stage_clear();
        _exit(128 + number);
}

int main(int argc, char **argv) {
        static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
        struct options o = {.build = "build", .rounds = 3};
        char directory[] = "/tmp/bus1-hostile-XXXXXX", bridge[256], command[64];
        unsigned failed;

        setvbuf(stdout, NULL, _IOLBF, 0);
        if (!parse(&o, argc, argv)) {
                usage(stderr);
                return 1;
        }
        if (o.list)
                return run(&o) > 0;
        if (getuid() != 0) {
                printf("skipped: only root can start processes of several users\n");
                return SKIPPED;
        }
        snprintf(bridge, sizeof(bridge), "%s/bridge/bus1-bridge", o.build);
        o.stage.binary[BUS_BRIDGE] = o.bridge ?: bridge;
        if (o.all) {
                o.stage.binary[BUS_DAEMON] = "dbus-daemon";
                o.stage.binary[BUS_BROKER] = "dbus-broker";
        }
        if (o.stage.seconds == 0)
                o.stage.seconds = o.functional ? 1.5 : 1;
        o.stage.from_start = o.functional;
        o.stage.patience = o.functional ? FUNCTIONAL_PATIENCE : 3;
        if (!mkdtemp(directory) || chmod(directory, 0755) < 0)
                raw_fail("no temporary directory");
        o.stage.directory = directory;
        people_find(ATTACK_USERS_MAX);
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
                signal(ends[i], on_signal);

        if (o.one_cpu)
                share_a_cpu();
        failed = run(&o);
        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command) == 0 && failed == 0 ? 0 : 1;
}
