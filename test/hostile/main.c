/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Hostile users
 *
 *   hostile --bridge=BUS [--others] [--rounds=N] [--seconds=S] [--only=NAME]
 *   hostile --bridge=BUS --check=GROUP
 *
 * A victim works on a bus while another user attacks it. The first form measures: the rate of the
 * victim beside the attackers, as a ratio to its rate beside as many processes that only use CPU
 * time ("burners"), in turn, with the longest wait of the victim, its failures, and what the bus
 * holds. The column "a/a" has the ratio of burners to burners: how far the machine can tell.
 *
 * The second form checks the attacks of a group: the victim waits for nothing longer than
 * CHECK_SECONDS, nothing that it does fails, it can connect anew, and the memory and the
 * descriptors of the bus are bounded. It measures no times. Only root can run this program, because
 * the users are different; otherwise it exits with 77.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/bench/bus.h"
#include "test/bench/median.h"
#include "test/bench/raw.h"
#include "test/bench/workload.h"
#include "test/hostile/attack.h"
#include "test/hostile/people.h"
#include "test/hostile/watch.h"

#define EXIT_SKIPPED 77
#define CHECK_SECONDS 10.0  /* nobody waits longer */
#define SETTLE_SECONDS 10.0 /* for the attackers to begin; some never get as far as they want */
#define CROWD_USERS 20      /* of the last row */
#define ROUNDS_MAX 100

static const struct {
        const char *name;
        const struct attack *attacks;
} groups[] = {
        {"connect", attacks_connect}, {"memory", attacks_memory}, {"flood", attacks_flood},
        {"driver", attacks_driver},   {"match", attacks_match},
};

#define N_GROUPS (sizeof(groups) / sizeof(groups[0]))

/* How the victim did, and what the bus held. */
struct outcome {
        double rate;    /* steps in a second */
        double longest; /* seconds */
        double mib;
        uint64_t failed;
        unsigned fds;
        bool alive;
        bool victim_ended; /* after its last step, and after it had connected anew */
        const char *waited_for;
};

static struct {
        const char *bridge;
        const char *only;
        const char *check;
        bool others;
        unsigned rounds;
        double seconds;
        char directory[64];
        unsigned n_attackers;
} options = {.rounds = 5, .seconds = 1};

/* one scene */

static void start_bus(struct scene *scene, enum bus_kind kind) {
        static const char *const binaries[N_BUSES] = {
                [BUS_BROKER] = "dbus-broker",
                [BUS_DAEMON] = "dbus-daemon",
        };
        static unsigned n_buses;
        char directory[96], log[128];
        const struct bench_config config = {
                .type = "system",
                .elements = "  <policy context=\"default\"><allow user=\"*\"/></policy>\n",
                .user = people_bus(),
                .log = log,
                /* what its launcher asks for on a system bus */
                .broker = {"536870912", "128", "16384", "16384"},
        };

        /* each bus has sockets and a log of its own */
        snprintf(directory, sizeof(directory), "%s/%u", options.directory, n_buses++);
        if (mkdir(directory, 0777) < 0 || chmod(directory, 0777) < 0)
                raw_fail("mkdir %s: %s", directory, strerror(errno));
        snprintf(log, sizeof(log), "%s/log", directory);
        bus_start_with(&scene->bus, kind, kind == BUS_BRIDGE ? options.bridge : binaries[kind],
                       directory, &config);
}

__attribute__((noreturn)) static void attack_run(struct scene scene, const struct attack *attack,
                                                 unsigned process) {
        scene.process = process;
        scene.n_processes = attack->n_processes ? attack->n_processes : 1;
        crowd_run(&scene, &attack->plan);
}

struct attackers {
        pid_t pids[64];
        unsigned n;
        unsigned n_members; /* connections that they want */
};

/* Start the processes of one attacker; without an attack, burners. */
static void attackers_add(struct attackers *a, const struct scene *scene,
                          const struct attack *attack, bool burns, unsigned person) {
        unsigned n = attack->n_processes ? attack->n_processes : 1;

        for (unsigned i = 0; i < n && a->n < sizeof(a->pids) / sizeof(a->pids[0]); i++) {
                pid_t pid = burns ? people_burn(person) : people_fork(person);

                if (pid == 0)
                        attack_run(*scene, attack, i);
                a->pids[a->n++] = pid;
        }
        if (!burns)
                a->n_members += attack->plan.connections;
}

static void attackers_settle(const struct attackers *a, const struct scene *scene) {
        double until = bench_now() + SETTLE_SECONDS;

        while (__atomic_load_n(&scene->record->entered, __ATOMIC_ACQUIRE) < a->n_members &&
               bench_now() < until)
                usleep(10000);
        usleep(200000);
}

static void attackers_end(struct attackers *a) {
        for (unsigned i = 0; i < a->n; i++)
                peer_end(a->pids[i]);
}

/* Wait until the victim has ended, and look at the bus meanwhile. Returns false after too long. */
static bool wait_for_end(const struct scene_record *r, struct watch *watch, const bool *flag,
                         double seconds, struct outcome *o) {
        double until = bench_now() + seconds, since;

        while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) {
                __atomic_load(&r->waiting, &since, __ATOMIC_ACQUIRE);
                if (since > 0 && bench_now() - since > o->longest)
                        o->longest = bench_now() - since;
                o->alive = watch_look(watch);
                if (!o->alive || bench_now() > until) {
                        o->waited_for = r->current;
                        return false;
                }
                usleep(10000);
        }
        return true;
}

/* Let the victim work for a while beside the attackers. */
static void observe(struct scene *scene, struct watch *watch, enum victim_step step,
                    double patience, struct outcome *o) {
        struct scene_record *r = scene->record;
        const bool never = false;
        struct victim victim;
        double begin;

        victim_start(&victim, scene, step, true);
        if (wait_for_end(r, watch, &r->serving, patience, o)) {
                usleep(100000);
                begin = bench_now();
                __atomic_store_n(&r->counting, true, __ATOMIC_RELEASE);
                wait_for_end(r, watch, &never, options.seconds, o);
                __atomic_store_n(&r->counting, false, __ATOMIC_RELEASE);
                o->rate = (double)r->done / (bench_now() - begin);
                __atomic_store_n(&r->stop, true, __ATOMIC_RELEASE);
                o->victim_ended = wait_for_end(r, watch, &r->ended, patience, o);
        } else {
                o->waited_for = "its service";
        }
        o->failed = r->failed;
        if (r->longest > o->longest)
                o->longest = r->longest;
        victim_end(&victim);
}

/* n rows of attacks by n users at the same time. Returns false if there is no such bus. */
static bool play(enum bus_kind kind, const struct attack *const *attacks, unsigned n, bool burns,
                 struct outcome *o) {
        struct scene scene = {};
        struct attackers attackers = {};
        struct watch watch;

        *o = (struct outcome){.alive = true};
        scene.record = mmap(NULL, sizeof(*scene.record), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (scene.record == MAP_FAILED)
                raw_fail("out of memory");
        start_bus(&scene, kind);
        if (!scene.bus.available) {
                munmap(scene.record, sizeof(*scene.record));
                return false;
        }
        watch_begin(&watch, scene.bus.pid);
        for (unsigned i = 0; i < n; i++)
                attackers_add(&attackers, &scene, attacks[i], burns,
                              PEOPLE_ATTACKER + i % options.n_attackers);
        attackers_settle(&attackers, &scene);
        observe(&scene, &watch, n == 1 ? attacks[0]->victim : VICTIM_CALLS, CHECK_SECONDS, o);
        o->mib = watch.grown_mib;
        o->fds = watch.fds;
        attackers_end(&attackers);
        bus_stop(&scene.bus);
        munmap(scene.record, sizeof(*scene.record));
        return true;
}

/* all rows */

/* One attack, or CROWD_USERS of them at once. */
struct row {
        const char *name;
        const struct attack *attacks[CROWD_USERS];
        unsigned n;
};

static unsigned collect(struct row *rows, unsigned max, const char *group) {
        struct row all = {.name = "20 users"};
        unsigned n = 0;

        for (unsigned g = 0; g < N_GROUPS; g++)
                for (const struct attack *a = groups[g].attacks; a->name; a++) {
                        if (all.n < CROWD_USERS)
                                all.attacks[all.n++] = a;
                        if (group && strcmp(group, groups[g].name) != 0)
                                continue;
                        if (options.only && strcmp(options.only, a->name) != 0)
                                continue;
                        if (n < max)
                                rows[n++] = (struct row){.name = a->name, .attacks = {a}, .n = 1};
                }
        if ((!group || strcmp(group, "crowd") == 0) &&
            (!options.only || strcmp(options.only, all.name) == 0) && n < max)
                rows[n++] = all;
        return n;
}

/* checking */

static bool check(const struct row *row) {
        double mib_max = ATTACK_MIB_MAX * row->n;
        bool ok = false;
        struct outcome o;

        if (!play(BUS_BRIDGE, row->attacks, row->n, false, &o))
                raw_fail("%s does not start", options.bridge);
        if (!o.alive)
                printf("%s: the bus has ended\n", row->name);
        else if (!o.victim_ended)
                printf("%s: the victim waited too long for %s\n", row->name, o.waited_for);
        else if (o.failed > 0)
                printf("%s: %llu steps of the victim failed\n", row->name,
                       (unsigned long long)o.failed);
        else if (o.longest > CHECK_SECONDS)
                printf("%s: the victim waited for %.1f s\n", row->name, o.longest);
        else if (o.mib > mib_max)
                printf("%s: the bus has grown by %.0f MiB (%.0f)\n", row->name, o.mib, mib_max);
        else if (o.fds > ATTACK_FDS_MAX)
                printf("%s: the bus has %u descriptors\n", row->name, o.fds);
        else
                ok = true;
        printf("%s - %s: %.0f/s, longest %.1f ms, %.0f MiB, %u descriptors\n", ok ? "ok" : "not ok",
               row->name, o.rate, o.longest * 1000, o.mib, o.fds);
        fflush(stdout);
        return ok;
}

/* measuring */

struct figures {
        double ratio[ROUNDS_MAX], same[ROUNDS_MAX], longest[ROUNDS_MAX], excess[ROUNDS_MAX];
        double mib, failed;
        unsigned fds, n;
        bool alive;
};

static bool measure_round(const struct row *row, enum bus_kind kind, struct figures *f) {
        struct outcome before, beside, after;
        unsigned i = f->n;

        if (!play(kind, row->attacks, row->n, true, &before))
                return false;
        play(kind, row->attacks, row->n, false, &beside);
        play(kind, row->attacks, row->n, true, &after);
        f->ratio[i] = 2 * beside.rate / (before.rate + after.rate);
        f->same[i] = after.rate / before.rate;
        f->longest[i] = beside.longest * 1000;
        f->excess[i] = f->longest[i] -
                       1000 * (before.longest > after.longest ? before.longest : after.longest);
        f->failed += (double)beside.failed + !beside.victim_ended;
        f->mib = beside.mib > f->mib ? beside.mib : f->mib;
        f->fds = beside.fds > f->fds ? beside.fds : f->fds;
        f->alive &= beside.alive;
        f->n++;
        return true;
}

static void measure(const struct row *row) {
        static struct figures figures[N_BUSES];

        for (unsigned k = 0; k < N_BUSES; k++)
                figures[k] = (struct figures){.alive = true};
        for (unsigned i = 0; i < options.rounds; i++)
                for (unsigned k = BUS_BRIDGE; k < N_BUSES; k++)
                        if (k == BUS_BRIDGE || options.others)
                                measure_round(row, k, &figures[k]);
        for (unsigned k = BUS_BRIDGE; k < N_BUSES; k++) {
                struct figures *f = &figures[k];

                if (f->n == 0)
                        continue;
                printf("%-16s %-12s %5.2f %5.2f %9.1f %9.1f %7.0f %6.0f %6u%s\n", row->name,
                       bus_name(k), median(f->ratio, f->n), median(f->same, f->n),
                       median(f->longest, f->n), median(f->excess, f->n), f->failed, f->mib, f->fds,
                       f->alive ? "" : "  the bus ended");
        }
        fflush(stdout);
}

/* options */

static void parse(int argc, char **argv) {
        static const struct option longopts[] = {
                {"bridge", required_argument, NULL, 'b'},
                {"others", no_argument, NULL, 'o'},
                {"rounds", required_argument, NULL, 'r'},
                {"seconds", required_argument, NULL, 's'},
                {"only", required_argument, NULL, 'n'},
                {"check", required_argument, NULL, 'c'},
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "", longopts, NULL)) >= 0)
                switch (c) {
                case 'b':
                        options.bridge = optarg;
                        break;
                case 'o':
                        options.others = true;
                        break;
                case 'r':
                        options.rounds = (unsigned)atoi(optarg);
                        break;
                case 's':
                        options.seconds = atof(optarg);
                        break;
                case 'n':
                        options.only = optarg;
                        break;
                case 'c':
                        options.check = optarg;
                        break;
                default:
                        exit(2);
                }
        if (!options.bridge || options.rounds == 0 || options.rounds > ROUNDS_MAX ||
            options.seconds <= 0) {
                fprintf(stderr,
                        "usage: %s --bridge=BUS [--others] [--rounds=N] [--seconds=S] "
                        "[--only=NAME] [--check=GROUP]\n",
                        argv[0]);
                exit(2);
        }
}

int main(int argc, char **argv) {
        static struct row rows[64];
        unsigned n, n_failed = 0;
        char command[128];

        parse(argc, argv);
        if (geteuid() != 0) {
                printf("only root can have several users\n");
                return EXIT_SKIPPED;
        }
        strcpy(options.directory, "/tmp/bus1-hostile-XXXXXX");
        if (!mkdtemp(options.directory))
                raw_fail("mkdtemp");
        chmod(options.directory, 0777);
        options.n_attackers = people_find(CROWD_USERS);
        n = collect(rows, sizeof(rows) / sizeof(rows[0]), options.check);
        if (!options.check)
                printf("%-16s %-12s %5s %5s %9s %9s %7s %6s %6s\n", "attack", "bus", "rate", "a/a",
                       "longest", "excess", "failed", "MiB", "fds");
        for (unsigned i = 0; i < n; i++) {
                if (!options.check)
                        measure(&rows[i]);
                else if (!check(&rows[i]))
                        n_failed++;
        }
        snprintf(command, sizeof(command), "rm -rf %s", options.directory);
        if (system(command) != 0)
                perror(command);
        if (n == 0)
                raw_fail("there is no such attack");
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
