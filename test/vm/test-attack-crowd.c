/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Many transactions of another user that are under way at the same time
 *
 * A service and its client, run by root, exchange messages. Meanwhile another user has 500 threads
 * that send multicasts: once to the service, and 128 times to another peer. The threads together
 * get a twentieth of a CPU. So at any time, some of them have been stopped with a message staged in
 * the queue of the service, and operations on this queue may have to look at all these messages.
 * The mean round trip of the client must not be much longer than beside as many busy loops with the
 * same limit.
 *
 * Needs root, and the cpu controller of cgroups.
 */

#include "slow.h"
#include "victim.h"
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTACKER 1000
#define N_THREADS 500
#define N_DESTINATIONS 128
#define SECONDS 4
/* The least of the rounds counts: other work of the host only makes a round longer. */
#define ROUNDS 3
/* The mean round trip under attack may take this many times as long as beside busy loops. */
#define FACTOR_MEAN 2

/* A thread of the attacker has one peer, which can send to the service. */
struct thread {
        int sender;
        uint64_t service;
};

static struct thread threads[N_THREADS];
static pthread_barrier_t all_started;

static void *run_busy(void *userdata) {
        pthread_barrier_wait(&all_started);
        be_busy();
        return userdata;
}

/* Send one multicast to the service and, many times, to a new peer. Close this peer afterwards. */
static void multicast(const struct thread *t) {
        uint64_t ids[N_DESTINATIONS + 1] = {t->service}, node;
        struct bus1_message message = {};
        struct bus1_cmd_send cmd = {
                .n_destinations = N_DESTINATIONS + 1,
                .ptr_destinations = ptr(ids),
                .ptr_message = ptr(&message),
        };
        int receiver;

        receiver = peer_open();
        node_create(receiver, t->sender, &node, &ids[1]);
        for (int i = 2; i <= N_DESTINATIONS; i++)
                ids[i] = ids[1];
        EXPECT(command(t->sender, BUS1_CMD_SEND, &cmd) == 0);
        close(receiver);
        EXPECT(release_id(t->sender, ids[1]) == 0);
}

static void *run_attack(void *userdata) {
        const struct thread *t = userdata;

        pthread_barrier_wait(&all_started);
        for (;;)
                multicast(t);
        return NULL;
}

static void prepare(const struct victim *v) {
        for (int i = 0; i < N_THREADS; i++) {
                uint64_t node;

                threads[i].sender = peer_open_as(ATTACKER);
                node_create(v->service, threads[i].sender, &node, &threads[i].service);
        }
}

/* Start a process of the attacker, whose threads run until it is killed. */
static pid_t start_crowd(void *(*run)(void *)) {
        pthread_attr_t attr;
        pid_t pid;

        pid = fork();
        EXPECT(pid >= 0);
        if (pid > 0)
                return pid;
        slow_join();
        EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        EXPECT(setresuid(ATTACKER, ATTACKER, ATTACKER) == 0);
        EXPECT(pthread_barrier_init(&all_started, NULL, N_THREADS) == 0);
        EXPECT(pthread_attr_init(&attr) == 0);
        EXPECT(pthread_attr_setstacksize(&attr, 64 * 1024) == 0);
        for (int i = 0; i < N_THREADS; i++) {
                pthread_t id;

                EXPECT(pthread_create(&id, &attr, run, &threads[i]) == 0);
        }
        for (;;)
                pause();
}

/*
 * Returns the mean round trip in ms. Sets *ret_n_staged to the length of the service's queue after
 * the last round trip.
 */
static double mean_during(const struct victim *v, void *(*run)(void *), uint64_t *ret_n_staged) {
        struct round_trips t;
        pid_t crowd;

        /* Let all threads get into their loops before they become slow. */
        slow_limit("max 100000");
        crowd = start_crowd(run);
        sleep(4);
        slow_limit("5000 100000");
        sleep(1);
        t = exchange(v, SECONDS, -1);
        *ret_n_staged = query(v->service).n_messages;
        EXPECT(waitpid(crowd, NULL, WNOHANG) == 0);
        end(crowd);
        return t.mean;
}

static double least(double a, double b) {
        return a < b ? a : b;
}

int main(void) {
        struct rlimit files = {.rlim_cur = 2 * N_THREADS + 100, .rlim_max = 2 * N_THREADS + 100};
        double beside_loops = INFINITY, attacked = INFINITY;
        uint64_t n_staged;
        struct victim v;
        pid_t service;

        EXPECT(setrlimit(RLIMIT_NOFILE, &files) == 0);
        slow_begin("max 100000");
        service = victim_start(&v);

        prepare(&v);
        for (int i = 0; i < ROUNDS; i++) {
                beside_loops = least(beside_loops, mean_during(&v, run_busy, &n_staged));
                attacked = least(attacked, mean_during(&v, run_attack, &n_staged));
                EXPECT(n_staged >= N_THREADS / 100);
        }
        printf("mean round trip %.3f ms, beside busy loops %.3f ms, %d staged\n", attacked,
               beside_loops, (int)n_staged);
        fflush(stdout);
        EXPECT(attacked <= FACTOR_MEAN * beside_loops);
        end(service);
        slow_end();
        return 0;
}
