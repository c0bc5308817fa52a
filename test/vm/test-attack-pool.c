/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Attacks by a user without privileges: using kernel memory that no account is charged for
 *
 *      fillers   free ranges of the pool between small slices
 *      small     one small slice in each page
 *      touch     reading the memory of a released slice, through a mapping of the pool
 *      collapse  asking for huge pages where only one page in each has a slice
 *      huge      one small slice in each pool, where shared memory uses huge pages
 *      closed    a mapping that stays when its peer is closed
 *      handles   keeping one of each 64 handles, and releasing the others
 *
 * Needs root, to read what the module has charged, and debugfs.
 */

#include "device.h"
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTACKER 1500
#define VICTIM 1501
#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define PAGE ((size_t)4096)
#define HUGE_PAGE (2 * MIB)
#define N_PEERS 6
#define N_HUGE 100
#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

struct peer {
        int fd;
        uint64_t node, handle;
};

static uint8_t data[64 * MIB];

static struct peer peer_new(void) {
        struct peer peer = {.fd = peer_open()};

        node_create(peer.fd, peer.fd, &peer.node, &peer.handle);
        return peer;
}

static const uint8_t *map_pool(const struct peer *peer, size_t n) {
        uint8_t *p = mmap(NULL, n + HUGE_PAGE, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        EXPECT(p != MAP_FAILED);
        p += -(uintptr_t)p % HUGE_PAGE;
        EXPECT(mmap(p, n, PROT_READ, MAP_SHARED | MAP_FIXED, peer->fd, 0) == p);
        return p;
}

/* The peer sends itself n bytes, and receives them into its pool. Returns their offset. */
static uint64_t pass(const struct peer *peer, size_t n) {
        struct bus1_message_pool message = {
                .fds.message.flags = BUS1_MESSAGE_FLAG_POOL,
                .fds.message.type = BUS1_INVALID,
                .fds.message.n_data = UINT64_MAX,
                .offset = UINT64_MAX,
        };
        struct bus1_metadata metadata;

        EXPECT(send_bytes(peer->fd, peer->handle, data, n) == 0);
        EXPECT(recv_message(peer->fd, &message.fds.message, 0, &metadata) == 0);
        return message.offset;
}

static void release(const struct peer *peer, uint64_t offset) {
        struct bus1_cmd_slice_release cmd = {.offset = offset};

        EXPECT(command(peer->fd, BUS1_CMD_SLICE_RELEASE, &cmd) == 0);
}

/* Leave n slices of 8 bytes, one every distance bytes. The slices between them are released. */
static void scatter(const struct peer *peer, size_t distance, size_t n) {
        uint64_t *fillers = malloc(n * sizeof(*fillers));

        EXPECT(fillers != NULL);
        for (size_t i = 0; i < n; i++) {
                fillers[i] = pass(peer, distance - 8);
                pass(peer, 8);
        }
        for (size_t i = 0; i < n; i++)
                release(peer, fillers[i]);
        free(fillers);
}

static void attack_fillers(void) {
        for (unsigned i = 0; i < N_PEERS; i++) {
                struct peer peer = peer_new();

                scatter(&peer, 252 * KIB, 40);
        }
}

static void attack_small(void) {
        for (unsigned i = 0; i < N_PEERS; i++) {
                struct peer peer = peer_new();

                scatter(&peer, PAGE, 1000);
        }
}

static void attack_touch(void) {
        struct peer peer = peer_new();
        const uint8_t *pool = map_pool(&peer, sizeof(data));

        release(&peer, pass(&peer, sizeof(data)));
        for (size_t i = 0; i < sizeof(data); i += PAGE)
                madvise((void *)(pool + i), PAGE, MADV_POPULATE_READ);
}

static void attack_collapse(void) {
        struct peer peer = peer_new();
        size_t n = 16 * HUGE_PAGE;
        const uint8_t *pool = map_pool(&peer, n);

        scatter(&peer, HUGE_PAGE, 16);
        for (size_t i = 0; i < n; i += HUGE_PAGE) {
                madvise((void *)(pool + i + HUGE_PAGE - PAGE), PAGE, MADV_POPULATE_READ);
                madvise((void *)(pool + i), HUGE_PAGE, MADV_HUGEPAGE);
                /* Kernels before 6.1 do not know MADV_COLLAPSE. */
                madvise((void *)(pool + i), HUGE_PAGE, MADV_COLLAPSE);
        }
}

static void attack_huge(void) {
        for (unsigned i = 0; i < N_HUGE; i++) {
                struct peer peer = peer_new();

                pass(&peer, 8);
        }
}

static void attack_closed(void) {
        for (unsigned i = 0; i < N_PEERS; i++) {
                struct peer peer = peer_new();
                const uint8_t *pool = map_pool(&peer, 8 * MIB);

                for (unsigned k = 0; k < 40; k++)
                        pass(&peer, 200 * KIB);
                EXPECT(madvise((void *)pool, 39 * 200 * KIB, MADV_POPULATE_READ) == 0);
                EXPECT(close(peer.fd) == 0);
        }
}

#define N_BATCH 64
#define N_LEFT 16384

/* Make handles, and release them except each 64th: the IDs that are left are far apart. */
static void attack_handles(void) {
        struct bus1_transfer src[N_BATCH], dst[N_BATCH];
        struct peer owner = peer_new();
        int holder = peer_open();
        uint64_t ids[N_BATCH];

        for (unsigned i = 0; i < N_LEFT; i++) {
                struct bus1_cmd_transfer transfers = {
                        .to = (uint64_t)holder,
                        .n_transfers = N_BATCH,
                        .ptr_src = ptr(src),
                        .ptr_dst = ptr(dst),
                };
                struct bus1_cmd_release releases = {.n_ids = N_BATCH - 1, .ptr_ids = ptr(ids)};

                for (unsigned k = 0; k < N_BATCH; k++)
                        src[k] = (struct bus1_transfer){0, owner.handle};
                EXPECT(command(owner.fd, BUS1_CMD_TRANSFER, &transfers) == 0);
                for (unsigned k = 0; k < N_BATCH; k++)
                        ids[k] = dst[k].id;
                EXPECT(command(holder, BUS1_CMD_RELEASE, &releases) == 0);
        }
}

static const struct attack {
        const char *name;
        void (*run)(void);
} attacks[] = {
        {"fillers", attack_fillers},   {"small", attack_small},   {"touch", attack_touch},
        {"collapse", attack_collapse}, {"closed", attack_closed}, {"handles", attack_handles},
        {"huge", attack_huge},
};

static void become(uid_t uid) {
        EXPECT(setgid(uid) == 0 && setuid(uid) == 0);
}

/* A field of /proc/meminfo, in bytes */
static long long meminfo(const char *name) {
        long long kib = 0, value;
        char line[128], key[64];
        FILE *f;
        int fd;

        /* Make the kernel add the counters of all processors to the sums in /proc/meminfo. */
        fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);
        EXPECT(fd >= 0 && write(fd, "1", 1) == 1 && close(fd) == 0);
        f = fopen("/proc/meminfo", "re");
        EXPECT(f != NULL);
        while (fgets(line, sizeof(line), f))
                if (sscanf(line, "%63[^:]: %lld", key, &value) == 2 && strcmp(key, name) == 0)
                        kib = value;
        fclose(f);
        return kib * 1024;
}

static long long charged_bytes(void) {
        FILE *f = fopen("/sys/kernel/debug/bus1/usage", "re");
        long long n = -1;
        char line[128];

        EXPECT(f != NULL);
        while (fgets(line, sizeof(line), f))
                sscanf(line, "bytes %lld", &n);
        fclose(f);
        EXPECT(n >= 0);
        return n;
}

/* Check that another user can still send and receive something large. */
static void victim(void) {
        pid_t pid = fork();

        EXPECT(pid >= 0);
        if (pid == 0) {
                struct peer peer;

                become(VICTIM);
                peer = peer_new();
                for (unsigned i = 0; i < 4; i++)
                        release(&peer, pass(&peer, 16 * MIB));
                _exit(0);
        }
        expect_exit(pid);
}

static void run(const struct attack *attack) {
        bool handles = attack->run == attack_handles;
        const char *memory = handles ? "Slab" : "Shmem";
        long long before, used, charged;
        int ends[2], status;
        pid_t pid;
        char byte;

        /* Touch data now, so that the parent needs no more memory between the two measurements. */
        memset(data, 1, sizeof(data));
        EXPECT(pipe2(ends, O_CLOEXEC) == 0);
        before = meminfo(memory);
        pid = fork();
        EXPECT(pid >= 0);
        if (pid == 0) {
                become(ATTACKER);
                /* The attacker must also end when the parent fails. */
                EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
                attack->run();
                EXPECT(write(ends[1], "", 1) == 1);
                for (;;)
                        pause();
        }
        close(ends[1]);
        EXPECT(read(ends[0], &byte, 1) == 1);
        used = meminfo(memory) - before;
        charged = charged_bytes();
        if (handles)
                printf("%s: %lld bytes for each\n", attack->name, used / N_LEFT);
        else
                printf("%s: %lld KiB used, %lld KiB of it not charged\n", attack->name, used / 1024,
                       (used - charged) / 1024);
        fflush(stdout);
        if (handles)
                EXPECT(used / N_LEFT < 228); /* a handle takes 128 bytes; the map may add 99 */
        else
                EXPECT(used - charged < (long long)MIB);
        victim();

        EXPECT(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
        close(ends[0]);
        expect_no_usage();
        if (!handles)
                EXPECT(meminfo(memory) - before < (long long)MIB);
}

static void run_huge(const struct attack *attack) {
        static const char *const settings[] = {"always", "within_size", "force"};

        for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
                write_file(SHMEM_ENABLED, settings[i]);
                printf("%s: ", settings[i]);
                run(attack);
        }
        write_file(SHMEM_ENABLED, "never");
}

int main(int argc, char **argv) {
        for (size_t i = 0; argc == 2 && i < sizeof(attacks) / sizeof(attacks[0]); i++)
                if (strcmp(argv[1], attacks[i].name) == 0) {
                        if (attacks[i].run == attack_huge)
                                run_huge(&attacks[i]);
                        else
                                run(&attacks[i]);
                        return 0;
                }
        fprintf(stderr, "usage: %s fillers|small|touch|collapse|closed|handles|huge\n", argv[0]);
        return 2;
}
