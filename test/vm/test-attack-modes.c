/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Attackers that are held up in the middle of a command
 *
 * Some processes of another user run one kind of commands, again and again, and are kept from
 * finishing them:
 *
 *      throttled   together they get a twentieth of a CPU
 *      idle        they run at idle priority, beside busy loops
 *      stopped     SIGSTOP stops one of them for a while, then another, at random
 *      stalled     memory that the command needs is never present: each process waits in a copy
 *                  until it is killed
 *
 * Meanwhile a service and its client, run by root, exchange messages. Their longest round trip must
 * not be much longer than beside busy loops that are throttled, idle or stopped in the same way, or
 * that run freely (stalled).
 *
 *      test-attack-modes throttled|idle|stopped|stalled
 *
 * Needs root, and the cpu controller of cgroups.
 */

#include "slow.h"
#include "victim.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ATTACKER 1000
#define SECONDS 1.5
#define N_ATTACKERS 4
#define N_BUSY 4
#define N_DATA 65536
#define N_DESTINATIONS 256
/* The pause between two steps in the modes STOPPED and STALLED, so that the service keeps up. */
#define PAUSE_US 1000

enum mode { THROTTLED, IDLE, STOPPED, STALLED, N_MODES };

static const char *const mode_names[N_MODES] = {"throttled", "idle", "stopped", "stalled"};

/* One attacker. */
struct attacker {
        int peer;
        uint64_t service;                  /* handle to a node of the service */
        uint64_t own_node, own;            /* node and handle of the attacker itself */
        uint64_t many[N_DESTINATIONS + 1]; /* handles to nodes of the attacker; the last: service */
        void *memory; /* for what a command reads or writes; absent in STALLED */
};

/* the commands */

static void step_send(struct attacker *a) {
        send_bytes(a->peer, a->service, a->memory, N_DATA);
}

static void step_multicast(struct attacker *a) {
        struct bus1_message message = {};
        struct bus1_cmd_send cmd = {
                .n_destinations = N_DESTINATIONS + 1,
                .ptr_destinations = ptr(a->many),
                .ptr_errors = ptr(a->memory), /* written when all is sent */
                .ptr_message = ptr(&message),
                .flags = BUS1_SEND_FLAG_CONTINUE,
        };
        struct bus1_metadata_credentials metadata;

        command(a->peer, BUS1_CMD_SEND, &cmd);
        while (recv_any(a->peer, &metadata) >= 0)
                ;
}

static void step_recv(struct attacker *a) {
        static char data[N_DATA];
        struct iovec vec = {a->memory, N_DATA};
        struct bus1_message message = {
                .type = BUS1_INVALID,
                .n_data = N_DATA,
                .n_data_vecs = 1,
                .ptr_data_vecs = ptr(&vec),
        };
        struct bus1_metadata metadata;

        send_bytes(a->peer, a->own, data, N_DATA);
        recv_message(a->peer, &message, 0, &metadata);
}

/* Give the service a handle to a new node. Returns the node. */
static uint64_t give_handle(int peer, uint64_t service) {
        struct bus1_transfer transfer = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        struct bus1_message message = {.n_transfers = 1, .ptr_transfers = ptr(&transfer)};

        send_message(peer, service, &message);
        return transfer.id;
}

static void step_release(struct attacker *a) {
        uint64_t node = give_handle(a->peer, a->service);
        struct bus1_cmd_release cmd = {.n_ids = 1, .ptr_ids = ptr(a->memory)};

        /* If the memory is absent, this waits until the process is killed. */
        command(a->peer, BUS1_CMD_RELEASE, &cmd);
        release_id(a->peer, node);
}

static void step_transfer(struct attacker *a) {
        struct bus1_transfer dst;
        struct bus1_cmd_transfer cmd = {
                .to = UINT64_MAX,
                .n_transfers = 1,
                .ptr_src = ptr(a->memory),
                .ptr_dst = ptr(&dst),
        };

        command(a->peer, BUS1_CMD_TRANSFER, &cmd);
}

/* End a peer. The service has a handle to a node of it. The command itself is in a->memory. */
static void step_disconnect(struct attacker *a) {
        int peer = peer_open();
        uint64_t service = handle_copy(a->peer, peer, a->service);

        give_handle(peer, service);
        command(peer, BUS1_CMD_DISCONNECT, a->memory);
        close(peer);
}

static void step_files(struct attacker *a) {
        struct bus1_metadata_credentials metadata;

        send_fd(a->peer, a->service, STDERR_FILENO);
        send_bytes(a->peer, a->own, a->memory, 1);
        recv_any(a->peer, &metadata);
}

static void step_open(struct attacker *a) {
        close(peer_open());
        command(a->peer, BUS1_CMD_QUERY, a->memory);
}

static void step_pool(struct attacker *a) {
        struct bus1_message_pool message = {
                .fds.message.flags = BUS1_MESSAGE_FLAG_POOL,
                .fds.message.type = BUS1_INVALID,
                .fds.message.n_data = UINT64_MAX,
                .offset = UINT64_MAX,
        };
        struct bus1_cmd_slice_release release = {};

        send_bytes(a->peer, a->own, "x", 1);
        /* the metadata is written first, then the data goes to the pool */
        recv_message(a->peer, &message.fds.message, 0, a->memory);
        release.offset = message.offset;
        command(a->peer, BUS1_CMD_SLICE_RELEASE, &release);
}

static const struct attack {
        const char *name;
        void (*step)(struct attacker *a);
} attacks[] = {
        {"send", step_send},
        {"multicast", step_multicast},
        {"recv", step_recv},
        {"release", step_release},
        {"transfer", step_transfer},
        {"pool", step_pool},
        {"disconnect", step_disconnect},
        {"files", step_files},
        {"open", step_open},
};

/* attackers */

/* Memory that is present. Or, if is_absent, memory where every access waits for ever. */
static void *memory_new(bool is_absent) {
        void *p = mmap(NULL, N_DATA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
        struct uffdio_api api = {.api = UFFD_API};
        int fd;

        EXPECT(p != MAP_FAILED);
        if (!is_absent)
                return memset(p, 0, N_DATA);
        fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
        range.range.start = ptr(p);
        range.range.len = N_DATA;
        EXPECT(fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0);
        EXPECT(ioctl(fd, UFFDIO_REGISTER, &range) == 0);
        return p;
}

static void attacker_init(struct attacker *a, const struct victim *v) {
        uint64_t node;

        a->peer = peer_open_as(ATTACKER);
        node_create(v->service, a->peer, &node, &a->service);
        node_create(a->peer, a->peer, &a->own_node, &a->own);
        for (size_t i = 0; i < N_DESTINATIONS; i++)
                node_create(a->peer, a->peer, &node, &a->many[i]);
        a->many[N_DESTINATIONS] = a->service;
}

static void enter(enum mode mode) {
        struct sched_param param = {};

        if (mode == THROTTLED)
                slow_join();
        if (mode == IDLE)
                EXPECT(sched_setscheduler(0, SCHED_IDLE, &param) == 0);
        EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        EXPECT(setresgid(ATTACKER, ATTACKER, ATTACKER) == 0);
        EXPECT(setresuid(ATTACKER, ATTACKER, ATTACKER) == 0);
}

/* Start an attacker, or a busy loop in its place if there is no attack. */
static pid_t start(const struct attack *attack, const struct victim *v, enum mode mode) {
        struct attacker a = {};
        pid_t pid;

        if (attack)
                attacker_init(&a, v);
        pid = fork();
        EXPECT(pid >= 0);
        if (pid > 0) {
                if (attack)
                        close(a.peer);
                return pid;
        }
        a.memory = memory_new(mode == STALLED);
        enter(mode);
        for (;;) {
                if (!attack)
                        be_busy();
                attack->step(&a);
                if (mode == STOPPED || mode == STALLED)
                        usleep(PAUSE_US);
        }
}

/* Start a process that stops a random one of pids for a while, again and again. */
static pid_t start_stopping(const pid_t *pids) {
        unsigned seed = 1;
        pid_t pid = fork();

        EXPECT(pid >= 0);
        if (pid > 0)
                return pid;
        EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        for (;;) {
                pid_t victim = pids[(unsigned)rand_r(&seed) % N_ATTACKERS];

                kill(victim, SIGSTOP);
                usleep(1000 + (useconds_t)rand_r(&seed) % 100000);
                kill(victim, SIGCONT);
        }
}

static double longest_during(const struct attack *attack, const struct victim *v, enum mode mode) {
        pid_t pids[N_ATTACKERS], busy[N_BUSY], stopping = 0;
        double longest;

        slow_limit("5000 100000");
        for (int i = 0; i < N_ATTACKERS; i++)
                pids[i] = start(attack, v, mode);
        for (int i = 0; i < N_BUSY && mode == IDLE; i++)
                busy[i] = start_busy(ATTACKER);
        if (mode == STOPPED)
                stopping = start_stopping(pids);
        longest = exchange(v, SECONDS, -1).longest;
        /* without the limit, so that the killed processes end soon */
        slow_limit("max 100000");
        if (stopping)
                end(stopping);
        for (int i = 0; i < N_BUSY && mode == IDLE; i++)
                end(busy[i]);
        for (int i = 0; i < N_ATTACKERS; i++)
                end(pids[i]);
        return longest;
}

static void run(enum mode mode) {
        double beside_loops;
        struct victim v;
        pid_t service;

        service = victim_start(&v);
        beside_loops = longest_during(NULL, &v, mode);
        for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
                char name[64];

                snprintf(name, sizeof(name), "%s %s", mode_names[mode], attacks[i].name);
                expect_no_longer(name, longest_during(&attacks[i], &v, mode), beside_loops);
        }
        end(service);
        close(v.service);
        close(v.client);
        expect_no_usage();
}

int main(int argc, char **argv) {
        for (int mode = 0; argc == 2 && mode < N_MODES; mode++) {
                if (strcmp(argv[1], mode_names[mode]) != 0)
                        continue;
                slow_begin("max 100000");
                run((enum mode)mode);
                slow_end();
                return 0;
        }
        fprintf(stderr, "usage: %s throttled|idle|stopped|stalled\n", argv[0]);
        return 2;
}
