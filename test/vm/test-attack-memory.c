/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Attacks on the memory of the system, as a user without privileges
 *
 * All memory that a user makes the kernel keep must be within the limit of the user, and must not
 * prevent the commands of other users. In the first four attacks, a user makes copies from or to
 * its memory stall, by userfaultfd, so that commands keep memory while they are under way. In the
 * others, each message keeps more memory than its data needs.
 *
 *      stall     senders that stall while the kernel copies their data
 *      nowhere   the same with a handle that does not exist, so the kernel must copy nothing
 *      vectors   senders of 2016 that stall while the kernel copies their vectors
 *      receive   receivers of 2016 that stall while the kernel copies the result of the receive to
 *                them. Then the message has left the queue, and another thread releases its slice
 *      rounding  messages for which the allocator gives more memory than they need
 *      pids      messages of threads that end, in nested pid namespaces
 *      groups    a sender that sets its groups before each message: each message keeps the
 *                credentials with which it was sent
 *
 * Needs root, in order to make the userfaultfd before it becomes another user, and debugfs.
 */

#include "device.h"
#include <fcntl.h>
#include <grp.h>
#include <linux/bus1-2016.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTACKER 1500
#define VICTIM 1501
#define MIB ((size_t)1 << 20)
#define N_SENDERS 7
#define PAGE ((size_t)4096)
#define N_RECEIVED (128 * MIB)
#define N_RECEIVERS 3

struct report {
        unsigned stalled, refused, failed;
};

static unsigned long long meminfo(const char *name) {
        unsigned long long kib = 0, value;
        char line[128], key[64];
        FILE *f = fopen("/proc/meminfo", "re");

        EXPECT(f != NULL);
        while (fgets(line, sizeof(line), f))
                if (sscanf(line, "%63[^:]: %llu", key, &value) == 2 && strcmp(key, name) == 0)
                        kib = value;
        fclose(f);
        return kib * 1024;
}

/* The limit of bytes of one user. */
static unsigned long long max_bytes(void) {
        unsigned long long n = 0, memory = meminfo("MemTotal") / 8;
        FILE *f = fopen("/sys/module/bus1/parameters/max_bytes", "re");

        EXPECT(f != NULL && fscanf(f, "%llu", &n) == 1);
        fclose(f);
        return n > 0 ? n : memory < (2ULL << 30) ? memory : 2ULL << 30;
}

/*
 * Two fifths of the limit, but at most 200 MiB, because the size of a message is limited, too. One
 * peer can send this. If the limit is less than 600 MiB, a second peer of the user cannot do so at
 * the same time, because a peer gets at most half of what its account has left.
 */
static size_t n_data(void) {
        size_t n = max_bytes() / 5 * 2 / MIB * MIB;

        return n < 200 * MIB ? n : 200 * MIB;
}

static void become(uid_t uid) {
        EXPECT(setgid(uid) == 0 && setuid(uid) == 0);
}

/* Memory that is not present, so an access to it stalls until the page is provided. */
static char *absent_memory(size_t size, int *ret_uffd) {
        struct uffdio_api api = {.api = UFFD_API};
        struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
        char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

        EXPECT(p != MAP_FAILED && fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0);
        range.range.start = ptr(p);
        range.range.len = size;
        EXPECT(ioctl(fd, UFFDIO_REGISTER, &range) == 0);
        *ret_uffd = fd;
        return p;
}

/* Make the page present, until MADV_DONTNEED takes it away. */
static void provide_page(int uffd, const void *page) {
        struct uffdio_zeropage zero = {.range = {ptr(page), PAGE}};

        EXPECT(ioctl(uffd, UFFDIO_ZEROPAGE, &zero) == 0);
}

static char *absent;
static bool nowhere, receives, vectors;
static atomic_uint refused, failed;

#define N_VECTORS 1024

static int attack_vectors(void) {
        uint64_t node = 0x100;
        struct bus1_2016_send send = {
                .ptr_destinations = ptr(&node),
                .n_destinations = 1,
                .ptr_vecs = ptr(absent),
                .n_vecs = N_VECTORS,
        };

        return command(peer_open(), BUS1_2016_SEND, &send);
}

static int attack_send(void) {
        int peer;
        uint64_t node, handle;

        if (vectors)
                return attack_vectors();
        peer = peer_open();
        node_create(peer, peer, &node, &handle);
        return send_bytes(peer, nowhere ? 0x1001 : handle, absent, n_data());
}

static void *attack(void *data) {
        int r = attack_send();

        if (r == -EDQUOT)
                ++refused;
        else
                ++failed;
        return NULL;
}

/* Start threads whose sends stall or fail. Report how many do, and wait to be killed. */
static void attacker(int to) {
        struct report report = {};
        pthread_attr_t attr;
        pthread_t thread;
        int uffd;

        absent = absent_memory(n_data(), &uffd);
        become(ATTACKER);
        EXPECT(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, 1 << 18) == 0);
        for (unsigned i = 0; i < N_SENDERS; i++)
                EXPECT(pthread_create(&thread, &attr, attack, NULL) == 0);
        /* The send of each thread causes one event, or fails. */
        for (unsigned i = 0; i < 200 && report.stalled + refused + failed < N_SENDERS; i++) {
                struct pollfd p = {.fd = uffd, .events = POLLIN};
                struct uffd_msg message;

                poll(&p, 1, 50);
                while (read(uffd, &message, sizeof(message)) == sizeof(message))
                        ++report.stalled;
        }
        report.refused = refused;
        report.failed = failed;
        EXPECT(write(to, &report, sizeof(report)) == sizeof(report));
        for (;;)
                pause();
}

/* Check that a new peer of the user can send and receive a message of n bytes. */
static void bystander(uid_t uid, size_t n) {
        struct bus1_metadata_credentials metadata;
        uint64_t node, handle;
        pid_t pid = fork();

        if (pid == 0) {
                char *data = malloc(n);
                struct iovec vec = {data, n};
                struct bus1_message message = {
                        .type = BUS1_INVALID,
                        .n_data = n,
                        .n_data_vecs = 1,
                        .ptr_data_vecs = ptr(&vec),
                };
                int peer;

                EXPECT(data != NULL);
                memset(data, 1, n);
                become(uid);
                peer = peer_open();
                node_create(peer, peer, &node, &handle);
                EXPECT(send_bytes(peer, handle, data, n) == 0);
                EXPECT(recv_message(peer, &message, BUS1_RECV_FLAG_CREDENTIALS, &metadata) == 0);
                EXPECT(message.n_data == n);
                _exit(0);
        }
        expect_exit(pid);
}

/*
 * A peer of 2016 whose receive never ends: while the kernel copies the data, the page of the
 * command is removed, so the kernel waits for this page when it writes the result.
 */
struct receiver {
        pthread_t thread;
        int peer, uffd;
        struct bus1_2016_recv *cmd; /* alone in its page */
};

static void *receive(void *data) {
        struct receiver *receiver = data;

        command(receiver->peer, BUS1_2016_RECV, receiver->cmd);
        return NULL;
}

/* A peer of 2016 sends to a node of its own. */
static int send_to_itself(int peer, const char *data, size_t n) {
        uint64_t node = 0x100;
        struct iovec vec = {(char *)data, n};
        struct bus1_2016_send send = {
                .ptr_destinations = ptr(&node),
                .n_destinations = 1,
                .ptr_vecs = ptr(&vec),
                .n_vecs = 1,
        };

        return command(peer, BUS1_2016_SEND, &send);
}

static void receiver_init(struct receiver *receiver, char *data) {
        struct bus1_2016_peer_reset limits = {};

        receiver->peer = peer_open();
        EXPECT(command(receiver->peer, BUS1_2016_PEER_QUERY, &limits) == 0);
        EXPECT(send_to_itself(receiver->peer, data, N_RECEIVED) == 0);
        *receiver->cmd = (struct bus1_2016_recv){.max_offset = UINT64_MAX};
}

/* Start a receive, and release its slice. Returns whether the receive stalls in its last step. */
static bool receiver_stalls(struct receiver *receiver) {
        struct pollfd p = {.fd = receiver->uffd, .events = POLLIN};
        struct uffd_msg message;
        uint64_t offset = 0;

        EXPECT(pthread_create(&receiver->thread, NULL, receive, receiver) == 0);
        /* By now, the kernel should have read the command, and be copying the data. */
        usleep(10000);
        EXPECT(madvise(receiver->cmd, PAGE, MADV_DONTNEED) == 0);
        if (poll(&p, 1, 20000) != 1)
                return false;
        EXPECT(read(receiver->uffd, &message, sizeof(message)) == sizeof(message));
        /* The message is not charged any more. After this release, its slice is not either. */
        return command(receiver->peer, BUS1_2016_SLICE_RELEASE, &offset) == 0;
}

/* Start receivers that should stall. Report how many do, and wait to be killed. */
static void attacker_receive(int to) {
        struct receiver receivers[N_RECEIVERS];
        struct report report = {};
        char *data = malloc(N_RECEIVED);

        EXPECT(data != NULL);
        memset(data, 1, N_RECEIVED);
        for (unsigned i = 0; i < N_RECEIVERS; i++) {
                receivers[i].cmd = (void *)absent_memory(PAGE, &receivers[i].uffd);
                provide_page(receivers[i].uffd, receivers[i].cmd);
        }
        become(ATTACKER);
        for (unsigned i = 0; i < N_RECEIVERS; i++) {
                receiver_init(&receivers[i], data);
                if (receiver_stalls(&receivers[i]))
                        ++report.stalled;
                else
                        ++report.failed;
        }
        free(data);
        EXPECT(write(to, &report, sizeof(report)) == sizeof(report));
        for (;;)
                pause();
}

/* the groups of the attacker's user namespace */
#define FIRST_GROUP 100000
#define N_GROUPS 16383
#define N_GROUP_MESSAGES 256

/*
 * Set the groups and send a message of one byte, again and again: each message keeps credentials of
 * its own.
 */
static void send_with_groups(int peer, uint64_t handle) {
        gid_t *groups = malloc(N_GROUPS * sizeof(*groups));

        EXPECT(groups != NULL);
        for (unsigned i = 0; i < N_GROUPS; i++)
                groups[i] = i;
        for (unsigned n = 0; n < N_GROUP_MESSAGES; n++) {
                EXPECT(setgroups(N_GROUPS, groups) == 0);
                EXPECT(send_bytes(peer, handle, "x", 1) == 0);
        }
        free(groups);
}

/* The memory that the attacker is charged for, as the limit of bytes counts it. */
static long long charged(void) {
        FILE *f = fopen("/sys/kernel/debug/bus1/accounts", "re");
        long long memory = -1, value;
        char line[256];
        unsigned uid;

        EXPECT(f != NULL);
        while (fgets(line, sizeof(line), f))
                if (sscanf(line, "%u %*u %*u/%*u %*u/%*u %*u/%*u %*u/%*u %lld", &uid, &value) ==
                            2 &&
                    uid == ATTACKER)
                        memory = value;
        fclose(f);
        EXPECT(memory >= 0);
        return memory;
}

static long long kernel_memory(void) {
        return (long long)(meminfo("SUnreclaim") + meminfo("VmallocUsed"));
}

/* Check that messages keep at most 1 MiB more than their receiver is charged for. */
static void expect_charged(long long before) {
        long long held = kernel_memory() - before, charge = charged();

        printf("messages keep %lld KiB, %lld KiB are charged\n", held / 1024, charge / 1024);
        fflush(stdout);
        EXPECT(held <= charge + (long long)MIB);
}

/* Of the 8 KiB that the allocator gives for a message, more than a third is not used. */
#define N_ROUNDED 8192
#define ROUNDED_SIZE 5000

static void send_rounded(int peer, uint64_t handle) {
        static char data[ROUNDED_SIZE];

        for (unsigned i = 0; i < N_ROUNDED; i++)
                EXPECT(send_bytes(peer, handle, data, sizeof(data)) == 0);
}

#define N_ENDED 2000
#define PID_LEVELS 30

static int shared_peer;
static uint64_t shared_handle;

static void *send_one(void *data) {
        EXPECT(send_bytes(shared_peer, shared_handle, "x", 1) == 0);
        return NULL;
}

/*
 * Send messages from threads that end. Then only the message keeps the sender's credentials, and
 * the IDs of its process and thread.
 */
static void send_and_end(int peer, uint64_t handle) {
        shared_peer = peer;
        shared_handle = handle;
        for (unsigned i = 0; i < N_ENDED; i++) {
                pid_t pid = fork();
                pthread_t thread;

                if (pid == 0) {
                        EXPECT(pthread_create(&thread, NULL, send_one, NULL) == 0);
                        EXPECT(pthread_join(thread, NULL) == 0);
                        _exit(0);
                }
                expect_exit(pid);
        }
}

/* Continue in a process in nested pid namespaces. The outer processes wait for it. */
static void nest_pids(void) {
        for (unsigned i = 0; i < PID_LEVELS; i++) {
                pid_t pid;

                EXPECT(unshare(CLONE_NEWPID) == 0);
                pid = fork();
                EXPECT(pid >= 0);
                EXPECT(pid > 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
                if (pid > 0) {
                        EXPECT(waitpid(pid, NULL, 0) == pid);
                        _exit(1);
                }
        }
}

/* an attack by messages that keep much memory */
struct kept {
        const char *name;
        void (*send)(int peer, uint64_t handle);
        bool nests_pids;
        bool has_groups; /* sends from a user namespace, where it may set its groups */
};

static const struct kept kept[] = {
        {.name = "rounding", .send = send_rounded},
        {.name = "pids", .send = send_and_end, .nests_pids = true},
        {.name = "groups", .send = send_with_groups, .has_groups = true},
};

static void attacker_kept(const struct kept *attack, int peer, uint64_t handle, int from, int to) {
        char go;

        if (attack->nests_pids)
                nest_pids();
        become(ATTACKER);
        EXPECT(!attack->has_groups || unshare(CLONE_NEWUSER) == 0);
        EXPECT(write(to, "r", 1) == 1 && read(from, &go, 1) == 1);
        attack->send(peer, handle);
        EXPECT(write(to, "d", 1) == 1);
        for (;;)
                pause();
}

static void run_kept(const struct kept *attack) {
        int to[2], from[2], peer = peer_open_as(ATTACKER);
        uint64_t node, handle;
        long long before;
        char ready;
        pid_t pid;

        EXPECT(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
        node_create(peer, peer, &node, &handle);
        pid = fork();
        if (pid == 0)
                attacker_kept(attack, peer, handle, to[0], from[1]);
        EXPECT(read(from[0], &ready, 1) == 1);
        if (attack->has_groups) {
                map_ids(pid, "gid_map", FIRST_GROUP, N_GROUPS + 1);
                map_ids(pid, "uid_map", ATTACKER, 1);
        }
        before = kernel_memory();
        EXPECT(write(to[1], "g", 1) == 1 && read(from[0], &ready, 1) == 1);
        expect_charged(before);
        EXPECT(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
        close(peer);
        expect_no_usage();
}

/* The sum of what the commands of a process are charged for while they are under way. */
static long long pending(pid_t pid) {
        long long sum = 0, value;
        char path[64], line[128];

        for (int fd = 0; fd < 3 + 2 * N_SENDERS; fd++) {
                FILE *f;

                snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, fd);
                f = fopen(path, "re");
                while (f && fgets(line, sizeof(line), f))
                        if (sscanf(line, "bus1-pending: %lld", &value) == 1)
                                sum += value;
                if (f)
                        fclose(f);
        }
        return sum;
}

/* The vectors of each command are charged, except for the first 4096 bytes. */
static void expect_vectors_charged(pid_t pid) {
        long long least = N_SENDERS * (long long)(N_VECTORS * sizeof(struct iovec) - 4096);
        long long charge = pending(pid);

        printf("%lld KiB of vectors are charged, of at least %lld\n", charge / 1024, least / 1024);
        fflush(stdout);
        EXPECT(charge >= least);
}

static void run(void) {
        unsigned long long before = meminfo("VmallocUsed"), limit = max_bytes(), after;
        struct report report;
        int ends[2], status;
        long long held;
        pid_t pid;

        EXPECT(pipe2(ends, O_CLOEXEC) == 0);
        pid = fork();
        if (pid == 0 && receives)
                attacker_receive(ends[1]);
        else if (pid == 0)
                attacker(ends[1]);
        close(ends[1]);
        EXPECT(read(ends[0], &report, sizeof(report)) == sizeof(report));
        held = (long long)(meminfo("VmallocUsed") - before);
        printf("%u stalled, %u refused, %u failed: %lld KiB held, the limit is %llu\n",
               report.stalled, report.refused, report.failed, held / 1024, limit / 1024);
        fflush(stdout);
        EXPECT(report.stalled + report.refused + report.failed ==
               (receives ? N_RECEIVERS : N_SENDERS));
        EXPECT(held <= (long long)(limit + MIB));
        if (receives)
                EXPECT(report.stalled > 0 && held <= (long long)MIB);
        else if (nowhere)
                EXPECT(report.stalled == 0 && held <= (long long)MIB);
        else
                EXPECT(report.stalled > 0);
        if (vectors)
                expect_vectors_charged(pid);

        bystander(VICTIM, 64 * MIB);
        bystander(ATTACKER, MIB);

        EXPECT(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
        close(ends[0]);
        after = meminfo("VmallocUsed");
        for (int i = 0; i < 100 && after > before + MIB; i++) {
                usleep(20000);
                after = meminfo("VmallocUsed");
        }
        EXPECT(after <= before + MIB);
        expect_no_usage();
}

int main(int argc, char **argv) {
        const char *what = argc == 2 ? argv[1] : "";

        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
                if (strcmp(what, kept[i].name) == 0) {
                        run_kept(&kept[i]);
                        return 0;
                }
        }
        nowhere = strcmp(what, "nowhere") == 0;
        receives = strcmp(what, "receive") == 0;
        vectors = strcmp(what, "vectors") == 0;
        if (!nowhere && !receives && !vectors && strcmp(what, "stall") != 0) {
                fprintf(stderr, "usage: %s stall|nowhere|vectors|receive|rounding|pids|groups\n",
                        argv[0]);
                return 2;
        }
        run();
        return 0;
}
