/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Transactions that another user leaves unfinished for long
 *
 * A service and its client, run by root, exchange messages. Meanwhile another user has transactions
 * under way that concern the service, and does not get the time to finish them: it is limited to a
 * twentieth of a CPU, or runs at idle priority beside busy loops. The longest round trip of the
 * client must not be much longer than beside busy loops with the same limits.
 *
 * Needs root, and the cpu controller of cgroups.
 */

#include "slow.h"
#include "victim.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ATTACKER 1000
#define SECONDS 4      /* to exchange messages beside busy loops */
#define SECONDS_MAX 20 /* and beside an attack that does not end */
#define N_NODES 40000
#define N_DESTINATIONS 4096
#define N_BUSY 4

/* What an attack needs, made by root before the user runs it. */
struct attack {
        int peer;      /* of the attacker */
        int other;     /* of the attacker; holds handles, or owns destinations */
        uint64_t *ids; /* destinations of a multicast */
        size_t n_ids;
        bool is_throttled; /* else it has idle priority, beside busy loops */
};

/* attackers: each runs as another user until it is killed */

static void be_slow(const struct attack *a) {
        struct sched_param param = {};

        if (a->is_throttled)
                slow_join();
        else
                EXPECT(sched_setscheduler(0, SCHED_IDLE, &param) == 0);
        EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        EXPECT(setresgid(ATTACKER, ATTACKER, ATTACKER) == 0);
        EXPECT(setresuid(ATTACKER, ATTACKER, ATTACKER) == 0);
}

/* End a peer that has many nodes. The service has a handle to one of them. */
static void run_disconnect(const struct attack *a) {
        struct bus1_cmd_disconnect cmd = {};

        EXPECT(command(a->peer, BUS1_CMD_DISCONNECT, &cmd) == 0);
}

/* Send to many nodes again and again. One of them is a node of the service. */
static void run_multicast(const struct attack *a) {
        for (;;) {
                struct bus1_message message = {};
                struct bus1_cmd_send cmd = {
                        .n_destinations = a->n_ids,
                        .ptr_destinations = ptr(a->ids),
                        .ptr_message = ptr(&message),
                        .flags = BUS1_SEND_FLAG_CONTINUE,
                };

                if (command(a->peer, BUS1_CMD_SEND, &cmd) < 0)
                        break;
        }
}

/*
 * Start the slow process of an attack, or a busy loop in its place if run is NULL. The process
 * closes its end of *ret_pipe when its attack has ended.
 */
static pid_t start_slow(const struct attack *a, void (*run)(const struct attack *a),
                        int *ret_pipe) {
        int fds[2];
        pid_t pid;

        EXPECT(pipe2(fds, O_CLOEXEC) == 0);
        pid = fork();
        EXPECT(pid >= 0);
        if (pid > 0) {
                close(fds[1]);
                *ret_pipe = fds[0];
                return pid;
        }
        be_slow(a);
        if (run) {
                run(a);
                close(fds[1]);
        }
        be_busy();
}

/* The longest round trip while an attack runs, or a busy loop in its place. */
static double longest_during(const struct victim *v, const struct attack *a,
                             void (*run)(const struct attack *a)) {
        int n_busy = a->is_throttled ? 0 : N_BUSY;
        pid_t slow, busy[N_BUSY] = {};
        double longest;
        int end_of_attack;

        for (int i = 0; i < n_busy; i++)
                busy[i] = start_busy(ATTACKER);
        slow = start_slow(a, run, &end_of_attack);
        longest = exchange(v, run ? SECONDS_MAX : SECONDS, end_of_attack).longest;
        close(end_of_attack);
        end(slow);
        for (int i = 0; i < n_busy; i++)
                end(busy[i]);
        return longest;
}

static void compare(const char *name, const struct victim *v, const struct attack *a,
                    void (*run)(const struct attack *a)) {
        double beside_loops = longest_during(v, a, NULL);
        double attacked = longest_during(v, a, run);

        expect_no_longer(name, attacked, beside_loops);
}

/* preparations */

static struct attack prepare_disconnect(const struct victim *v) {
        struct attack a = {.is_throttled = true};
        uint64_t node, handle;

        a.peer = peer_open_as(ATTACKER);
        a.other = peer_open_as(ATTACKER);
        node_create(a.peer, v->service, &node, &handle);
        for (int i = 0; i < N_NODES; i++)
                node_create(a.peer, a.other, &node, &handle);
        return a;
}

static struct attack prepare_multicast(const struct victim *v) {
        struct attack a = {};
        uint64_t node, handle;

        a.peer = peer_open_as(ATTACKER);
        a.other = peer_open_as(ATTACKER);
        a.ids = calloc(N_DESTINATIONS + 1, sizeof(*a.ids));
        EXPECT(a.ids);
        node_create(v->service, a.peer, &node, &a.ids[a.n_ids++]);
        for (int i = 0; i < N_DESTINATIONS; i++) {
                node_create(a.other, a.peer, &node, &handle);
                a.ids[a.n_ids++] = handle;
        }
        return a;
}

static void attack_end(struct attack *a) {
        close(a->peer);
        close(a->other);
        free(a->ids);
}

int main(void) {
        struct victim v;
        struct attack a;
        pid_t service;

        slow_begin("5000 100000");

        service = victim_start(&v);

        a = prepare_disconnect(&v);
        compare("throttled disconnect", &v, &a, run_disconnect);
        attack_end(&a);
        a = prepare_multicast(&v);
        compare("idle multicast", &v, &a, run_multicast);
        attack_end(&a);
        end(service);
        slow_end();
        return 0;
}
