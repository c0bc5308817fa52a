/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The stage: see stage.h. */

#include "test/hostile/stage.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/bench/raw.h"
#include "test/bench/workload.h"
#include "test/hostile/people.h"
#include "test/hostile/watch.h"

#define LOOK 0.02        /* seconds between two looks at the bus */
#define SETTLING 0.1     /* seconds that burners burn before it counts */
#define PREPARATION 4.0  /* seconds that attackers may take before it counts */
#define CEILING_MIB 1536 /* a bus that grows more ends the scene: the machine shall survive */

/* The processes of the current scene. */
static struct {
        struct scene scene;
        struct victim victim;
        pid_t attackers[ATTACK_USERS_MAX];
        unsigned n_attackers;
        double patience;
} cast;

/* everybody may connect; %s is a directory of service files */
static const char elements_format[] = "  <policy context=\"default\"><allow user=\"*\"/></policy>\n"
                                      "  <servicedir>%s/services</servicedir>\n"
                                      "%s";

/* those of session.conf of dbus-daemon */
static const char session_limits[] =
        "  <limit name=\"max_incoming_bytes\">1000000000</limit>\n"
        "  <limit name=\"max_incoming_unix_fds\">250000000</limit>\n"
        "  <limit name=\"max_outgoing_bytes\">1000000000</limit>\n"
        "  <limit name=\"max_outgoing_unix_fds\">250000000</limit>\n"
        "  <limit name=\"max_message_size\">1000000000</limit>\n"
        "  <limit name=\"service_start_timeout\">120000</limit>\n"
        "  <limit name=\"auth_timeout\">240000</limit>\n"
        "  <limit name=\"pending_fd_timeout\">150000</limit>\n"
        "  <limit name=\"max_completed_connections\">100000</limit>\n"
        "  <limit name=\"max_incomplete_connections\">10000</limit>\n"
        "  <limit name=\"max_connections_per_user\">100000</limit>\n"
        "  <limit name=\"max_pending_service_starts\">10000</limit>\n"
        "  <limit name=\"max_names_per_connection\">50000</limit>\n"
        "  <limit name=\"max_match_rules_per_connection\">50000</limit>\n"
        "  <limit name=\"max_replies_per_connection\">50000</limit>\n";

static double load_double(const double *p) {
        double v;

        __atomic_load(p, &v, __ATOMIC_ACQUIRE);
        return v;
}

static void set_up(const struct stage *stage, enum bus_kind kind, const struct attack *attack) {
        static unsigned n;
        struct scene *scene = &cast.scene;
        char elements[4096], log[256];
        struct bench_config config = {
                .type = stage->session ? "session" : "system",
                .elements = elements,
                .user = people_bus(),
                .log = log,
                .broker = {"536870912", "4096", "16384", "16384"},
        };

        if (stage->session)
                config.broker =
                        (struct broker_limits){"1000000000", "60000", "1000000", "10000000"};
        *scene = (struct scene){.record = scene->record};
        snprintf(scene->directory, sizeof(scene->directory), "%s/%u", stage->directory, n++);
        if (mkdir(scene->directory, 0755) < 0)
                raw_fail("%s: %s", scene->directory, strerror(errno));
        snprintf(elements, sizeof(elements), elements_format, scene->directory,
                 stage->session ? session_limits : "");
        snprintf(log, sizeof(log), "%s/log", scene->directory);
        if (attack->set_up)
                attack->set_up(scene);
        if (!scene->record)
                scene->record = mmap(NULL, sizeof(*scene->record), PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (scene->record == MAP_FAILED)
                raw_fail("no shared memory: %s", strerror(errno));
        *scene->record = (struct scene_record){};
        bus_start_with(&scene->bus, kind, stage->binary[kind], scene->directory, &config);
}

/*
 * Look at the bus for a time, or until what becomes true. Returns false if the scene cannot go on,
 * because the bus has ended or grown beyond all bounds.
 */
static bool look(struct watch *watch, double seconds, bool (*what)(void)) {
        double end = bench_now() + seconds;

        do {
                if (!watch_look(watch) || watch->grown_mib > CEILING_MIB)
                        return false;
                if (what && what())
                        return true;
                usleep(LOOK * 1e6);
        } while (bench_now() < end);
        return true;
}

static bool victim_serves(void) {
        return __atomic_load_n(&cast.scene.record->serving, __ATOMIC_ACQUIRE);
}

static bool attackers_are_ready(void) {
        const struct scene_record *r = cast.scene.record;

        return __atomic_load_n(&r->at_work, __ATOMIC_ACQUIRE) == cast.n_attackers &&
               __atomic_load_n(&r->entered, __ATOMIC_ACQUIRE) >=
                       __atomic_load_n(&r->members, __ATOMIC_ACQUIRE);
}

static double victim_waits(void) {
        double since = load_double(&cast.scene.record->waiting);

        return since > 0 ? bench_now() - since : 0;
}

/* The client has done its last step, or cannot do it. */
static bool victim_has_ended(void) {
        if (cast.victim.client > 0 && waitpid(cast.victim.client, NULL, WNOHANG) != 0)
                cast.victim.client = 0;
        return cast.victim.client == 0 || victim_waits() > cast.patience;
}

static void send_attackers(const struct attack *attack, bool burn) {
        unsigned n_users = attack->n_users > 0 ? attack->n_users : 1;

        for (unsigned i = 0; i < attack->n_processes; i++) {
                unsigned person = PEOPLE_ATTACKER + i % n_users;
                pid_t pid = burn ? people_burn(person) : people_fork(person);

                if (pid == 0) {
                        cast.scene.process = i;
                        cast.scene.n_processes = attack->n_processes;
                        attack->run(&cast.scene);
                        _exit(1);
                }
                cast.attackers[cast.n_attackers++] = pid;
        }
}

static void play(const struct stage *stage, const struct attack *attack, bool burn,
                 struct outcome *o) {
        struct scene_record *r = cast.scene.record;
        struct watch watch;
        double begin;
        bool on;

        cast.patience = stage->patience;
        watch_begin(&watch, cast.scene.bus.pid);
        victim_start(&cast.victim, &cast.scene, attack->step, stage->from_start);
        on = look(&watch, stage->patience, victim_serves);
        if (stage->from_start)
                __atomic_store_n(&r->counting, true, __ATOMIC_RELEASE);
        begin = bench_now();
        send_attackers(attack, burn);
        if (on && !stage->from_start) {
                on = look(&watch, burn ? SETTLING : PREPARATION, burn ? NULL : attackers_are_ready);
                __atomic_store_n(&r->counting, true, __ATOMIC_RELEASE);
                begin = bench_now();
        }
        on = on && look(&watch, stage->seconds, NULL);
        o->rate = r->done / (bench_now() - begin);
        __atomic_store_n(&r->stop, true, __ATOMIC_RELEASE);
        if (on)
                look(&watch, INFINITY, victim_has_ended);

        o->lives = watch_look(&watch);
        o->answered = __atomic_load_n(&r->ended, __ATOMIC_ACQUIRE);
        o->outgrown = watch.grown_mib > CEILING_MIB;
        o->gap = r->current ?: "first step";
        o->longest = r->longest;
        if (!o->answered)
                o->longest = fmax(o->longest, victim_waits());
        o->done = r->done;
        o->failed = r->failed;
        o->dropped = __atomic_load_n(&r->dropped, __ATOMIC_RELAXED);
        o->grown_mib = watch.grown_mib;
        o->fds = watch.fds;
}

void stage_clear(void) {
        for (unsigned i = 0; i < cast.n_attackers; i++)
                kill(cast.attackers[i], SIGKILL);
        if (cast.victim.client > 0)
                kill(cast.victim.client, SIGKILL);
        if (cast.victim.service > 0)
                kill(cast.victim.service, SIGKILL);
        if (cast.scene.bus.pid > 0)
                kill(cast.scene.bus.pid, SIGKILL);
}

void stage_play(const struct stage *stage, enum bus_kind kind, const struct attack *attack,
                bool burn, struct outcome *ret_outcome) {
        *ret_outcome = (struct outcome){};
        set_up(stage, kind, attack);
        ret_outcome->available = cast.scene.bus.available;
        if (ret_outcome->available)
                play(stage, attack, burn, ret_outcome);
        stage_clear();
        while (cast.n_attackers > 0)
                waitpid(cast.attackers[--cast.n_attackers], NULL, 0);
        if (cast.victim.client > 0)
                waitpid(cast.victim.client, NULL, 0);
        if (cast.victim.service > 0)
                waitpid(cast.victim.service, NULL, 0);
        cast.victim = (struct victim){};
        bus_stop(&cast.scene.bus);
}
