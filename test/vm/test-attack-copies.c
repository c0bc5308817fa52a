/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A user who copies the handle to somebody else's node as often as it can
 *
 * When root releases the node, the release queues a notification for each copy. The copies are held
 * by many peers, each with many epoll instances that watch it. The release must not take longer
 * than the host can take a CPU away (NOISE).
 *
 * Needs root.
 */

#include "device.h"
#include "victim.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#define ATTACKER 1000
#define N_PEERS 16
#define N_WATCHES 50
#define N_TRANSFERS 1024

/* Copy a handle, many at a time and then fewer, until the user may have no more. */
static unsigned copy_until_refused(int from, int to, uint64_t handle) {
        static struct bus1_transfer src[N_TRANSFERS], dst[N_TRANSFERS];
        unsigned n_copies = 0, n = N_TRANSFERS;

        for (int i = 0; i < N_TRANSFERS; i++)
                src[i] = (struct bus1_transfer){.id = handle};
        while (n > 0) {
                struct bus1_cmd_transfer cmd = {
                        .to = from == to ? UINT64_MAX : (uint64_t)to,
                        .n_transfers = n,
                        .ptr_src = ptr(src),
                        .ptr_dst = ptr(dst),
                };
                int r = command(from, BUS1_CMD_TRANSFER, &cmd);

                EXPECT(r == 0 || r == -EDQUOT);
                if (r == 0)
                        n_copies += n;
                else
                        n /= 2;
        }
        return n_copies;
}

static void watch(int peer) {
        for (int i = 0; i < N_WATCHES; i++) {
                struct epoll_event event = {.events = EPOLLIN};
                int epoll = epoll_create1(EPOLL_CLOEXEC);

                EXPECT(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, peer, &event) == 0);
        }
}

static void attack(const int *peers, uint64_t handle, int to) {
        unsigned n = 0;

        EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        EXPECT(setresgid(ATTACKER, ATTACKER, ATTACKER) == 0);
        EXPECT(setresuid(ATTACKER, ATTACKER, ATTACKER) == 0);
        for (int i = 0; i < N_PEERS; i++) {
                n += copy_until_refused(peers[0], peers[i], handle);
                watch(peers[i]);
        }
        EXPECT(write(to, &n, sizeof(n)) == sizeof(n));
        for (;;)
                pause();
}

/* Attack, and release the node. Returns how long the release takes, in ms. */
static double release_attacked(int service) {
        uint64_t node, handle;
        int peers[N_PEERS], ends[2];
        double begin, took;
        unsigned n;
        pid_t pid;

        EXPECT(pipe2(ends, O_CLOEXEC) == 0);
        for (int i = 0; i < N_PEERS; i++)
                peers[i] = peer_open_as(ATTACKER);
        node_create(service, peers[0], &node, &handle);
        pid = fork();
        EXPECT(pid >= 0);
        if (pid == 0)
                attack(peers, handle, ends[1]);
        EXPECT(read(ends[0], &n, sizeof(n)) == sizeof(n));

        begin = now_ms();
        EXPECT(release_id(service, node) == 0);
        took = now_ms() - begin;
        end(pid);
        for (int i = 0; i < N_PEERS; i++)
                close(peers[i]);
        close(ends[0]);
        close(ends[1]);
        printf("release with %u copies: %.1f ms\n", n, took);
        fflush(stdout);
        EXPECT(n > 8192);
        return took;
}

int main(void) {
        int service = peer_open();
        double shortest = 1e9;

        /* the shortest of a few, because something else may take the CPU away */
        for (int i = 0; i < 3; i++) {
                double took = release_attacked(service);

                shortest = took < shortest ? took : shortest;
        }
        EXPECT(shortest <= NOISE);
        return 0;
}
