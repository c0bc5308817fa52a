/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Attacks on accounts, their locks and their shares: test-attack-accounts users|locks|shares
 *
 *     users  a user with thousands of subordinate uids sends a descriptor as each of them to a
 *            service. Another user must be able to send to the service as well.
 *     locks  a user that gets little time of a CPU opens peers and sends to a service all the time.
 *            The time that another user needs to open a peer and to have a message received by
 *            the same service must not be much longer than beside busy loops with the same limit.
 *     shares a user with many subordinate uids sends a message from each to each. When all are
 *            received, the kernel may keep less than 1 MiB of memory for them, because nobody is
 *            charged for it.
 *
 * Needs root, and the cpu controller of cgroups.
 */

#include "device.h"
#include "slow.h"
#include <fcntl.h>
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
#define VICTIM 2000
#define FIRST_UID 100000
#define N_UIDS 8192
#define N_PAIRED 192
#define MIB (1024LL * 1024)
#define N_ATTACKERS 4
#define SECONDS 6

/* The host can take a CPU from the virtual machine for this long, in ms. */
#define NOISE 100.0
#define FACTOR 5

static double now_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* Receive everything that waits for a peer. */
static void drain(int fd) {
        struct bus1_metadata_credentials metadata;

        while (recv_any(fd, &metadata) >= 0)
                ;
}

/* many users */

struct attack {
        int service;
        uint64_t handle; /* of the service, which gives each sender a copy */
        int passed;
};

static void send_as_each_uid(void *data) {
        const struct attack *attack = data;

        for (uid_t uid = 0; uid < N_UIDS; uid++) {
                int fd = peer_open_as(uid), r;

                r = send_fd(fd, handle_copy(attack->service, fd, attack->handle), attack->passed);
                EXPECT(r == 0 || r == -EDQUOT);
                close(fd);
        }
}

/*
 * Run a function in a process of the attacker, in a user namespace with many uids, which root maps
 * as newuidmap does. Wait until the process has ended.
 */
static void run_with_users(void (*function)(void *), void *data) {
        int ready[2], mapped[2];
        char c;
        pid_t pid;

        EXPECT(pipe2(ready, O_CLOEXEC) == 0 && pipe2(mapped, O_CLOEXEC) == 0);
        pid = fork();
        if (pid == 0) {
                EXPECT(setresgid(ATTACKER, ATTACKER, ATTACKER) == 0);
                EXPECT(setresuid(ATTACKER, ATTACKER, ATTACKER) == 0);
                EXPECT(unshare(CLONE_NEWUSER) == 0);
                EXPECT(write(ready[1], "x", 1) == 1 && read(mapped[0], &c, 1) == 1);
                EXPECT(setresuid(0, 0, 0) == 0);
                function(data);
                _exit(0);
        }
        EXPECT(read(ready[0], &c, 1) == 1);
        map_ids(pid, "uid_map", FIRST_UID, N_UIDS);
        EXPECT(write(mapped[1], "x", 1) == 1);
        expect_exit(pid);
}

static void test_users(void) {
        int service = peer_open(), victim = peer_open_as(VICTIM);
        static char data[65536];
        uint64_t node, handle, own;
        unsigned n_fds, n_messages;
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        EXPECT(null >= 0);
        node_create(service, service, &node, &own);
        handle = handle_copy(service, victim, own);
        run_with_users(send_as_each_uid, &(struct attack){service, own, null});
        for (n_fds = 0; n_fds < 100 && send_fd(victim, handle, null) == 0; n_fds++)
                ;
        for (n_messages = 0;
             n_messages < 100 && send_bytes(victim, handle, data, sizeof(data)) == 0; n_messages++)
                ;
        printf("beside %d uids another user sent %u descriptors and %u messages of 64 KiB\n",
               N_UIDS, n_fds, n_messages);
        EXPECT(n_fds == 100 && n_messages == 100);
        close(victim);
        close(service);
}

/* shares */

/* The memory of the slab allocator of the kernel, in bytes. */
static long long slab(void) {
        char line[128];
        long long kib = -1;
        FILE *f;

        /* The kernel adds up what each processor has counted, by default every second. */
        sleep(2);
        f = fopen("/proc/meminfo", "re");
        EXPECT(f != NULL);
        while (fgets(line, sizeof(line), f))
                sscanf(line, "Slab: %lld kB", &kib);
        fclose(f);
        EXPECT(kib >= 0);
        return kib * 1024;
}

/* Give the sender the receiver's handle, send one message through it, and receive the message. */
static void send_once(int from, int to, uint64_t handle) {
        struct bus1_metadata_credentials metadata;
        uint64_t copied = handle_copy(to, from, handle);

        EXPECT(send_bytes(from, copied, "x", 1) == 0);
        EXPECT(recv_any(to, &metadata) >= 0);
        EXPECT(release_id(from, copied) == 0);
}

static void send_from_each_to_each(void *data) {
        int fds[N_PAIRED];
        uint64_t node, handles[N_PAIRED];
        long long before, left;

        for (unsigned i = 0; i < N_PAIRED; i++) {
                fds[i] = peer_open_as(i);
                node_create(fds[i], fds[i], &node, &handles[i]);
                /* Send once now, so that memory that each peer keeps for itself is not counted. */
                send_once(fds[i], fds[i], handles[i]);
        }
        before = slab();
        for (unsigned i = 0; i < N_PAIRED; i++) {
                for (unsigned k = 0; k < N_PAIRED; k++)
                        send_once(fds[i], fds[k], handles[k]);
        }
        left = slab() - before;
        printf("%lld KiB are left of messages from each of %d uids to each\n", left / 1024,
               N_PAIRED);
        fflush(stdout);
        EXPECT(left < MIB);
}

static void test_shares(void) {
        run_with_users(send_from_each_to_each, NULL);
}

/* locks */

static void open_and_send(int line, uint64_t handle) {
        int fd = peer_open();

        send_bytes(line, handle, "x", 1);
        close(fd);
}

/* Start a process of the attacker that gets little time. If handle is 0, it runs a busy loop. */
static pid_t start_attacker(int line, uint64_t handle) {
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        slow_join();
        EXPECT(setresgid(ATTACKER, ATTACKER, ATTACKER) == 0);
        EXPECT(setresuid(ATTACKER, ATTACKER, ATTACKER) == 0);
        for (;;) {
                if (handle)
                        open_and_send(line, handle);
                else
                        getppid();
        }
}

/* The longest time, in ms, that the victim needs to open a peer and to have a message received. */
static double longest(int service, int victim, uint64_t handle) {
        double end = now_ms() + SECONDS * 1e3, begin, took, most = 0;

        do {
                begin = now_ms();
                close(peer_open_as(VICTIM));
                EXPECT(send_bytes(victim, handle, "y", 1) == 0);
                drain(service);
                took = now_ms() - begin;
                if (took > most)
                        most = took;
        } while (now_ms() < end);
        return most;
}

static double longest_beside(int service, int victim, uint64_t handle, bool attack) {
        pid_t pids[N_ATTACKERS];
        double most;

        for (unsigned i = 0; i < N_ATTACKERS; i++) {
                int line = peer_open_as(ATTACKER);

                pids[i] = start_attacker(line, attack ? handle_copy(victim, line, handle) : 0);
                close(line);
        }
        most = longest(service, victim, handle);
        for (unsigned i = 0; i < N_ATTACKERS; i++) {
                EXPECT(kill(pids[i], SIGKILL) == 0);
                EXPECT(waitpid(pids[i], NULL, 0) == pids[i]);
        }
        return most;
}

static void test_locks(void) {
        int service = peer_open(), victim = peer_open_as(VICTIM);
        double idle, most;
        uint64_t node, handle;

        node_create(service, victim, &node, &handle);
        slow_begin("10000 500000");
        idle = longest_beside(service, victim, handle, false);
        most = longest_beside(service, victim, handle, true);
        printf("at most %.1f ms beside busy loops, %.1f ms beside the attack\n", idle, most);
        EXPECT(most <= FACTOR * idle || most <= NOISE);
        close(victim);
        close(service);
        slow_end();
}

int main(int argc, char **argv) {
        const char *what = argc == 2 ? argv[1] : "";

        if (strcmp(what, "users") == 0) {
                test_users();
        } else if (strcmp(what, "locks") == 0) {
                test_locks();
        } else if (strcmp(what, "shares") == 0) {
                test_shares();
        } else {
                fprintf(stderr, "usage: test-attack-accounts users|locks|shares\n");
                return 2;
        }
        expect_no_usage();
        return 0;
}
