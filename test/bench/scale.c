/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1-scale - does the cost of a message depend on the numbers of handles and peers?
 *
 *         bus1-scale [--device] [--handles N] [--peers N] [--rounds N]
 *
 * Sends and receives a message, with and without a handle in it: first while the two peers have ten
 * handles each and ten other peers are open, then with --handles and --peers (default 100000 and
 * 10000), then with ten of each again. For each case it prints the time of a message in the fastest
 * round, and the ratio of many to ten. Each of the other peers holds a handle to a node of the
 * receiver. Each of the first thousand of them has also sent a message to a third peer of the
 * receiver's user, and this message waits in the queue of the third peer. If root runs the program,
 * the other peers belong to up to a thousand users, and the sender to yet another user. Otherwise
 * all peers belong to one user.
 *
 * Without --device the core is in this process. With --device each peer is a descriptor. So the
 * program sets its limit of open descriptors to --peers plus 100, or to the hard limit if that is
 * less.
 */

#include <bus1/bus1.h>
#include <bus1/hosted.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FEW 10
#define N_USERS 1000
#define BATCH 1000
#define PER_ROUND 500

/* Evaluate an expression that should not fail. If it is a negative errno, end the program. */
#define must(expression)                                                                         \
        do {                                                                                     \
                int result = (expression);                                                       \
                if (result < 0) {                                                                \
                        fprintf(stderr, "bus1-scale: %s: %s\n", #expression, strerror(-result)); \
                        exit(2);                                                                 \
                }                                                                                \
        } while (0)

struct scale {
        struct bus1_domain *domain; /* NULL: the device is used */
        struct bus1_client *sender, *receiver, *sink;
        uint64_t node, handle; /* a node of the receiver, and the sender's handle to it */
        uint64_t own, to_sink; /* handles that the receiver holds: to node, and to a node of sink */
        struct bus1_client **peers;
        size_t n_peers, n_handles;
        size_t n_rounds;
};

enum { PLAIN, WITH_HANDLE, N_CASES };
static const char *const cases[N_CASES] = {"a message", "a message with a handle"};

static struct bus1_client *client_new(struct scale *scale, uid_t uid) {
        bool is_root = getuid() == 0;
        struct bus1_client *client;

        if (is_root && seteuid(uid) < 0)
                must(-errno);
        must(scale->domain ? bus1_domain_client_new(scale->domain, &client)
                           : bus1_client_new_device(&client, NULL));
        if (is_root && seteuid(0) < 0)
                must(-errno);
        return client;
}

static uint64_t give(struct bus1_client *from, struct bus1_client *to, uint64_t handle) {
        struct bus1_transfer src = {.id = handle}, dst;

        must(bus1_client_transfer(from, to, 1, &src, &dst));
        return dst.id;
}

static void send_one(struct bus1_client *client, uint64_t handle, uint64_t carried) {
        static char data[64];
        struct bus1_transfer transfer = {.id = carried};
        struct iovec vec = {data, sizeof(data)};
        struct bus1_message message = {
                .n_transfers = carried != BUS1_INVALID,
                .ptr_transfers = (uintptr_t)&transfer,
                .n_data = sizeof(data),
                .n_data_vecs = 1,
                .ptr_data_vecs = (uintptr_t)&vec,
        };

        must(bus1_client_send(client, 1, &handle, NULL, &message));
}

static void recv_one(struct scale *scale) {
        char data[64];
        struct bus1_transfer transfer;
        struct iovec vec = {data, sizeof(data)};
        struct bus1_message message = {
                .type = BUS1_INVALID,
                .n_transfers = 1,
                .ptr_transfers = (uintptr_t)&transfer,
                .n_data = sizeof(data),
                .n_data_vecs = 1,
                .ptr_data_vecs = (uintptr_t)&vec,
        };
        struct bus1_metadata metadata;

        must(bus1_client_recv(scale->receiver, 0, &metadata, &message));
        if (metadata.id != scale->node || message.n_data != sizeof(data))
                must(-EBADMSG);
        if (message.n_transfers > 0)
                must(bus1_client_release_one(scale->receiver, transfer.id));
}

static double now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1e9 + t.tv_nsec;
}

/*
 * Store the nanoseconds of one message in each case. They are the least average of any round, also
 * of the rounds of an earlier call with the same times.
 */
static void measure(struct scale *scale, double times[N_CASES]) {
        for (size_t round = 0; round < scale->n_rounds; round++)
                for (int k = 0; k < N_CASES; k++) {
                        double begin = now();

                        for (size_t i = 0; i < PER_ROUND; i++) {
                                send_one(scale->sender, scale->handle,
                                         k == WITH_HANDLE ? scale->handle : BUS1_INVALID);
                                recv_one(scale);
                        }
                        begin = (now() - begin) / PER_ROUND;
                        if (times[k] == 0 || begin < times[k])
                                times[k] = begin;
                }
}

/* Give the sender and the receiver more handles to node, until each of the two has got n. */
static void add_handles(struct scale *scale, size_t n) {
        static struct bus1_transfer src[BATCH], dst[BATCH];

        while (scale->n_handles < n) {
                size_t l = n - scale->n_handles < BATCH ? n - scale->n_handles : BATCH;

                /*
                 * The owner of the node passes on all handles, because there is a limit for handles
                 * that another user passes on.
                 */
                for (size_t i = 0; i < l; i++)
                        src[i] = (struct bus1_transfer){.id = scale->own};
                must(bus1_client_transfer(scale->receiver, scale->sender, l, src, dst));
                must(bus1_client_transfer(scale->receiver, NULL, l, src, dst));
                scale->n_handles += l;
        }
}

static void add_peers(struct scale *scale, size_t n) {
        scale->peers = realloc(scale->peers, n * sizeof(*scale->peers));
        if (!scale->peers)
                must(-ENOMEM);
        for (; scale->n_peers < n; ++scale->n_peers) {
                struct bus1_client *peer = client_new(scale, 1000 + scale->n_peers % N_USERS);

                scale->peers[scale->n_peers] = peer;
                give(scale->receiver, peer, scale->own);
                if (scale->n_peers < N_USERS)
                        send_one(peer, give(scale->receiver, peer, scale->to_sink), BUS1_INVALID);
        }
}

static void scale_init(struct scale *scale) {
        uint64_t node, own;

        scale->receiver = client_new(scale, 0);
        scale->sink = client_new(scale, 0);
        scale->sender = client_new(scale, 999);
        must(bus1_client_create_node(scale->receiver, 0, &scale->node, &scale->own));
        scale->handle = give(scale->receiver, scale->sender, scale->own);
        must(bus1_client_create_node(scale->sink, 0, &node, &own));
        scale->to_sink = give(scale->sink, scale->receiver, own);
        add_handles(scale, FEW);
        add_peers(scale, FEW);
}

static void scale_deinit(struct scale *scale) {
        while (scale->n_peers > 0)
                bus1_client_free(scale->peers[--scale->n_peers]);
        free(scale->peers);
        scale->peers = NULL;
        scale->n_handles = 0;
        bus1_client_free(scale->sender);
        bus1_client_free(scale->sink);
        bus1_client_free(scale->receiver);
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                {"device", no_argument, NULL, 'd'},
                {"handles", required_argument, NULL, 'h'},
                {"peers", required_argument, NULL, 'p'},
                {"rounds", required_argument, NULL, 'r'},
                {},
        };
        size_t n_handles = 100000, n_peers = 10000;
        double few[N_CASES] = {}, many[N_CASES] = {};
        struct scale scale = {.n_rounds = 40};
        bool device = false;
        struct rlimit limit;
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (option) {
                case 'd':
                        device = true;
                        break;
                case 'h':
                        n_handles = strtoul(optarg, NULL, 10);
                        break;
                case 'p':
                        n_peers = strtoul(optarg, NULL, 10);
                        break;
                case 'r':
                        scale.n_rounds = strtoul(optarg, NULL, 10);
                        break;
                default:
                        return 2;
                }
        if (optind < argc || n_handles < FEW || n_peers < FEW || scale.n_rounds == 0) {
                fprintf(stderr, "usage: bus1-scale [--device] [--handles N] [--peers N] "
                                "[--rounds N]\n");
                return 2;
        }

        limit = (struct rlimit){n_peers + 100, n_peers + 100};
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
        if (!device)
                must(bus1_domain_new(&scale.domain));

        scale_init(&scale);
        measure(&scale, few);
        add_handles(&scale, n_handles);
        add_peers(&scale, n_peers);
        measure(&scale, many);
        scale_deinit(&scale);
        scale_init(&scale);
        measure(&scale, few);
        scale_deinit(&scale);
        bus1_domain_free(scale.domain);

        for (int k = 0; k < N_CASES; k++)
                printf("%s: %.0f ns with %d handles and peers, %.0f ns with %zu handles and %zu "
                       "peers: %.3f\n",
                       cases[k], few[k], FEW, many[k], n_handles, n_peers, many[k] / few[k]);
        return 0;
}
