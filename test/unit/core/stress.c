/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stress test of the core: threads send, receive, transfer, create and release at random
 *
 * The threads record a history, and the program checks the order of transactions in it afterwards.
 * Now and then a peer is reset, or ends and a new one takes its place. At the end the program
 * releases all handles. Then no node, handle or message may be left, and no account when all peers
 * have ended.
 *
 * With --freeze=N the core is saved about once in N steps, and the run goes on with what was
 * restored from that.
 *
 * With --processes there are processes in place of threads. They share only their descriptors and
 * the memory of allocate(). So the core must be outside of their memory: in the kernel. With --stop
 * as well, the program again and again stops one of these processes, chosen at random, for up to
 * 20 ms.
 */

#include "stress.h"
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void transfer_between(struct worker *worker, struct peer *from, struct peer *to) {
        struct peer *first = from < to ? from : to, *second = from < to ? to : from;

        pthread_mutex_lock(&first->lock);
        if (first != second)
                pthread_mutex_lock(&second->lock);
        do_transfer(worker, from, to);
        if (first != second)
                pthread_mutex_unlock(&second->lock);
        pthread_mutex_unlock(&first->lock);
}

/* Receive most of what a queue has above MAX_QUEUE, before the senders reach their limits. */
static void receive_excess(struct stress *stress, struct peer *peer) {
        struct bus1_cmd_query query = {};

        pthread_mutex_lock(&peer->lock);
        if (bus1_peer_query(peer->peer, &query) < 0)
                fail("query");
        for (u64 n = query.n_messages; n > MAX_QUEUE && do_receive(stress, peer); --n)
                ;
        pthread_mutex_unlock(&peer->lock);
}

static void step(struct worker *worker) {
        struct stress *stress = worker->stress;
        struct peer *peer = &stress->peers[draw(worker, stress->n_peers)];
        struct peer *other = &stress->peers[draw(worker, stress->n_peers)];
        uint32_t what = draw(worker, 100);

        if (what < 8) {
                transfer_between(worker, peer, other);
        } else {
                pthread_mutex_lock(&peer->lock);
                if (draw(worker, stress->max_transactions / MAX_DEATHS + 1) == 0 &&
                    stress->n_lives + MAX_THREADS < stress->history.n_peers)
                        do_die(stress, peer);
                else if (peer->n_handles > MAX_HANDLES)
                        do_release(worker, peer, 0, MAX_HANDLES / 2);
                else if (what < 10)
                        do_release(worker, peer, 1, 0);
                else if (what < 16)
                        do_release(worker, peer, 0, 1);
                else if (what < 17)
                        do_release(worker, peer, draw(worker, 3), draw(worker, 6));
                else
                        do_send(worker, peer);
                pthread_mutex_unlock(&peer->lock);
        }

        pthread_mutex_lock(&other->lock);
        for (uint32_t n = 1 + draw(worker, 3); n > 0 && do_receive(stress, other); --n)
                ;
        if (draw(worker, 64) == 0)
                for (uint32_t n = MAX_QUEUE; n > 0 && do_receive(stress, other); --n)
                        ;
        pthread_mutex_unlock(&other->lock);

        /* by chance, most handles can be to the nodes of one peer, whose queue then grows */
        if (draw(worker, 256) == 0)
                for (size_t i = 0; i < stress->n_peers; i++)
                        receive_excess(stress, &stress->peers[i]);
}

/* A step, in which the core stays the same one. Between two steps it may be frozen. */
static void step_or_freeze(struct worker *worker) {
        struct stress *stress = worker->stress;

        pthread_rwlock_rdlock(&stress->freezing);
        step(worker);
        pthread_rwlock_unlock(&stress->freezing);

        if (draw(worker, stress->freeze_every) != 0)
                return;
        pthread_rwlock_wrlock(&stress->freezing);
        freeze(stress);
        pthread_rwlock_unlock(&stress->freezing);
}

static void *work(void *data) {
        struct worker *worker = data;

        while (worker->stress->n_transactions < worker->stress->max_transactions) {
                if (worker->stress->freeze_every > 0)
                        step_or_freeze(worker);
                else
                        step(worker);
        }
        return NULL;
}

/* the run */

/* Zeroed memory that all processes share. The kernel provides only the pages that are used. */
static void *allocate(size_t n, size_t size) {
        void *p = mmap(NULL, n * size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (p == MAP_FAILED)
                fail("no memory");
        return p;
}

static void deallocate(void *p, size_t n, size_t size) {
        munmap(p, n * size);
}

/* Give arrays their full size now: a process could not enlarge them for the other processes. */
static void reserve(struct stress *stress) {
        for (size_t i = 0; i < stress->n_peers; i++) {
                stress->peers[i].n_handles_allocated = MAX_HANDLES * MAX_QUEUE;
                stress->peers[i].handles = allocate(MAX_HANDLES * MAX_QUEUE, sizeof(struct held));
        }
        for (size_t i = 0; i < stress->history.n_peers; i++) {
                struct history_peer *peer = &stress->history.peers[i];

                peer->n_allocated = stress->max_transactions * (HISTORY_MAX_DESTINATIONS + 1);
                peer->events = allocate(peer->n_allocated, sizeof(*peer->events));
        }
}

static void drain(struct stress *stress) {
        bool again = true;

        while (again) {
                again = false;
                for (size_t i = 0; i < stress->n_peers; i++)
                        while (do_receive(stress, &stress->peers[i]))
                                again = true;
        }
}

/*
 * All threads have ended and all queues are empty. So every holder of a handle to a dead node has
 * been notified, and no ledger has such a handle any more.
 */
static void check_settled(struct stress *stress) {
        for (size_t i = 0; i < stress->n_peers; i++) {
                for (size_t k = 0; k < stress->peers[i].n_handles; k++) {
                        const struct node *node = &stress->nodes[stress->peers[i].handles[k].node];

                        if (node->release || node->sent)
                                fail("peer %zu was not told of a release", i);
                }
        }
}

/* Every node is dead by now: it was released, received its one message, or lost its last handle. */
static void check_empty(struct stress *stress) {
        for (size_t i = 0; i < stress->n_peers; i++) {
                struct bus1_cmd_query query = {};

                if (stress->peers[i].n_nodes > 0)
                        fail("peer %zu was not told that handles are gone", i);
                if (bus1_peer_query(stress->peers[i].peer, &query) < 0 || query.n_nodes > 0 ||
                    query.n_handles > 0 || query.n_messages > 0 || query.n_bytes > 0)
                        fail("peer %zu has things left", i);
        }
}

static void check_accounts(struct bus1_accounts *accounts) {
        u64 used[_BUS1_RESOURCE_N];
        size_t n_accounts;

        bus1_accounts_usage(accounts, &n_accounts, used);
        if (n_accounts > 0 || used[BUS1_RESOURCE_OBJECTS] || used[BUS1_RESOURCE_MESSAGES])
                fail("%zu accounts are left", n_accounts);
}

static void set_up(struct stress *stress, struct bus1_accounts *accounts, size_t n_peers,
                   size_t n_transactions) {
        pthread_rwlockattr_t writers_first;
        pthread_mutexattr_t shared;

        pthread_rwlockattr_init(&writers_first);
        pthread_rwlockattr_setkind_np(&writers_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
        pthread_rwlock_init(&stress->freezing, &writers_first);
        pthread_rwlockattr_destroy(&writers_first);
        pthread_mutexattr_init(&shared);
        pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
        stress->n_peers = n_peers;
        stress->max_transactions = n_transactions;
        stress->max_nodes = n_transactions + 1024;
        stress->peers = allocate(n_peers, sizeof(*stress->peers));
        stress->nodes = allocate(stress->max_nodes, sizeof(*stress->nodes));
        stress->last_sequence = allocate(n_peers * n_peers, sizeof(*stress->last_sequence));
        stress->history.nodes = allocate(stress->max_nodes, sizeof(*stress->history.nodes));
        stress->history.transactions =
                allocate(n_transactions, sizeof(*stress->history.transactions));
        stress->history.n_peers = n_peers + MAX_DEATHS + MAX_THREADS;
        stress->history.peers = allocate(stress->history.n_peers, sizeof(*stress->history.peers));
        stress->accounts = accounts;
        if (stress->has_processes)
                reserve(stress);

        for (size_t i = 0; i < n_peers; i++) {
                struct peer *peer = &stress->peers[i];

                peer->index = i;
                pthread_mutex_init(&peer->lock, &shared);
                new_peer(stress, peer);
        }
        pthread_mutexattr_destroy(&shared);
}

static void tear_down(struct stress *stress) {
        for (size_t i = 0; i < stress->n_peers; i++) {
                bus1_peer_disconnect(stress->peers[i].peer);
                bus1_peer_unref(stress->peers[i].peer);
                pthread_mutex_destroy(&stress->peers[i].lock);
                if (!stress->has_processes)
                        free(stress->peers[i].handles);
        }
        pthread_rwlock_destroy(&stress->freezing);
        for (size_t i = 0; i < stress->history.n_peers && !stress->has_processes; i++)
                free(stress->history.peers[i].events);
        deallocate(stress->history.peers, stress->history.n_peers, sizeof(*stress->history.peers));
        deallocate(stress->history.transactions, stress->max_transactions,
                   sizeof(*stress->history.transactions));
        deallocate(stress->history.nodes, stress->max_nodes, sizeof(*stress->history.nodes));
        deallocate(stress->last_sequence, stress->n_peers * stress->n_peers,
                   sizeof(*stress->last_sequence));
        deallocate(stress->nodes, stress->max_nodes, sizeof(*stress->nodes));
        deallocate(stress->peers, stress->n_peers, sizeof(*stress->peers));
}

/* Start a process that shares its table of descriptors with this process and all others. */
static pid_t start_process(struct worker *worker) {
        pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);

        if (pid < 0)
                fail("no process");
        if (pid == 0) {
                work(worker);
                _exit(0);
        }
        return pid;
}

/*
 * Stop a process wherever it is: for example, after it has sent a message, but before it has
 * recorded that. Meanwhile other processes may wait for a lock of this test that the stopped
 * process holds. In the core they never wait for the stopped process.
 */
static void stop_for_a_while(struct stress *stress, pid_t pid, struct worker *random) {
        if (kill(pid, SIGSTOP) < 0)
                fail("cannot stop a process");
        nanosleep(&(struct timespec){.tv_nsec = 1000000 * (1 + (long)draw(random, 20))}, NULL);
        if (kill(pid, SIGCONT) < 0)
                fail("cannot continue a process");
        ++stress->n_stops;
}

static void run_processes(struct stress *stress, struct worker *workers, size_t n, uint64_t seed) {
        struct worker random = {.random = ~seed * 0x9e3779b97f4a7c15ULL};
        size_t n_running = n;
        pid_t pids[MAX_THREADS], pid;
        bool failed = false;
        int status;

        for (size_t i = 0; i < n; i++)
                pids[i] = start_process(&workers[i]);
        while (n_running > 0) {
                size_t i = 0;

                if (stress->stops)
                        stop_for_a_while(stress, pids[draw(&random, (uint32_t)n_running)], &random);
                pid = waitpid(-1, &status, stress->stops ? WNOHANG : 0);
                if (pid < 0)
                        fail("cannot wait for processes");
                if (pid == 0)
                        continue;
                while (pids[i] != pid)
                        ++i;
                pids[i] = pids[--n_running];
                if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                        continue;
                /* End the others too: they may wait for a lock that the failed one holds. */
                failed = true;
                for (i = 0; i < n_running; i++)
                        kill(pids[i], SIGKILL);
        }
        if (failed)
                fail("a process failed");
}

static void run_threads(struct worker *workers, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
                        fail("no thread");
        for (size_t i = 0; i < n; i++)
                pthread_join(workers[i].thread, NULL);
}

static void run_workers(struct stress *stress, size_t n, uint64_t seed) {
        struct worker workers[MAX_THREADS];

        for (size_t i = 0; i < n; i++)
                workers[i] = (struct worker){
                        .stress = stress,
                        .random = (seed + i + 1) * 0x9e3779b97f4a7c15ULL,
                };
        if (stress->has_processes)
                run_processes(stress, workers, n, seed);
        else
                run_threads(workers, n);
}

static double now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(struct stress *stress, double seconds) {
        size_t longest = 0;

        for (size_t i = 0; i < stress->history.n_peers; i++)
                if (stress->history.peers[i].n_events > longest)
                        longest = stress->history.peers[i].n_events;
        printf("%zu transactions in %.1f s: %llu multicasts, %llu messages received, %llu handles "
               "carried (%llu arrived invalid), %llu node releases and %llu handle releases "
               "received\n",
               stress->max_transactions, seconds, (unsigned long long)stress->n_multicasts,
               (unsigned long long)stress->n_received, (unsigned long long)stress->n_carried,
               (unsigned long long)stress->n_invalid, (unsigned long long)stress->n_node_releases,
               (unsigned long long)stress->n_handle_releases);
        if (stress->stops)
                printf("processes were stopped %llu times\n", (unsigned long long)stress->n_stops);
        if (stress->freeze_every > 0)
                printf("%llu freezes: %llu messages, %llu notifications, %llu handles (%llu held, "
                       "%llu in flight, %llu lost, %llu released)\n",
                       (unsigned long long)stress->n_freezes,
                       (unsigned long long)stress->n_frozen_messages,
                       (unsigned long long)stress->n_frozen_notifications,
                       (unsigned long long)stress->n_frozen_handles,
                       (unsigned long long)stress->n_frozen_states[0],
                       (unsigned long long)stress->n_frozen_states[1],
                       (unsigned long long)stress->n_frozen_states[2],
                       (unsigned long long)stress->n_frozen_states[3]);
        printf("%zu peers ended in use; longest history of a peer: %zu events\n",
               stress->n_lives - stress->n_peers, longest);
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                {"threads", required_argument, NULL, 't'},
                {"processes", required_argument, NULL, 'f'},
                {"peers", required_argument, NULL, 'p'},
                {"transactions", required_argument, NULL, 'n'},
                {"seed", required_argument, NULL, 's'},
                {"freeze", required_argument, NULL, 'z'},
                {"stop", no_argument, NULL, 'o'},
                {"self-test", no_argument, NULL, 'x'},
                {},
        };
        size_t n_threads = 8, n_peers = 10, n_transactions = 1000000, n_complaints;
        uint64_t seed = (uint64_t)time(NULL);
        struct bus1_accounts *accounts;
        struct stress *stress = allocate(1, sizeof(*stress));
        bool self_test = false;
        double start;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (c) {
                case 't':
                        n_threads = strtoul(optarg, NULL, 0);
                        break;
                case 'f':
                        n_threads = strtoul(optarg, NULL, 0);
                        stress->has_processes = true;
                        break;
                case 'p':
                        n_peers = strtoul(optarg, NULL, 0);
                        break;
                case 'n':
                        n_transactions = strtoul(optarg, NULL, 0);
                        break;
                case 's':
                        seed = strtoull(optarg, NULL, 0);
                        break;
                case 'z':
                        stress->freeze_every = (uint32_t)strtoul(optarg, NULL, 0);
                        break;
                case 'o':
                        stress->stops = true;
                        break;
                case 'x':
                        self_test = true;
                        break;
                default:
                        return 2;
                }
        }
        if (stress->stops && !stress->has_processes)
                return 2;
        if (stress->freeze_every > 0 && stress->has_processes)
                return 2;
        if (n_threads < 1 || n_threads > MAX_THREADS || n_peers < 1 || n_transactions < 1 ||
            n_transactions >= HISTORY_NONE / 2)
                return 2;

        /* Print the seed first: to repeat the run, one needs it also if this program is killed. */
        setlinebuf(stdout);
        printf("%zu %s, %zu peers, seed %llu\n", n_threads,
               stress->has_processes ? "processes" : "threads", n_peers, (unsigned long long)seed);
        accounts = bus1_accounts_new(NULL);
        if (IS_ERR(accounts))
                fail("no memory");
        set_up(stress, accounts, n_peers, n_transactions);

        start = now();
        run_workers(stress, n_threads, seed);
        drain(stress);
        check_settled(stress);
        for (size_t i = 0; i < stress->n_peers; i++)
                do_release_handles(stress, &stress->peers[i]);
        drain(stress);
        check_empty(stress);
        report(stress, now() - start);

        stress->history.n_transactions = n_transactions;
        stress->history.n_nodes =
                stress->n_nodes < stress->max_nodes ? stress->n_nodes : stress->max_nodes;
        start = now();
        n_complaints = self_test ? history_self_test(&stress->history)
                                 : history_check(&stress->history, true);
        printf("%zu transactions, %llu multicasts, %llu messages, order checked in %.1f s: "
               "%zu complaints\n",
               n_transactions, (unsigned long long)stress->n_multicasts,
               (unsigned long long)stress->n_received, now() - start, n_complaints);

        accounts = stress->accounts;
        tear_down(stress);
        deallocate(stress, 1, sizeof(*stress));
        check_accounts(accounts);
        bus1_accounts_unref(accounts);
        return n_complaints ? 1 : 0;
}
