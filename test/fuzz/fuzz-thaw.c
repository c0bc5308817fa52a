/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any structures of a frozen domain. They are refused, or make a domain that works, that can be
 * frozen and thawed again, and of which nothing is left when its peers have ended.
 *
 * The first byte of the input says whether it has the numbers of structures, too; if not, they are
 * counted. Then each structure begins with a byte for its kind. Numbers up to 239 are one byte,
 * others are a greater byte and eight more. Descriptors are positions in a set of sockets and
 * files.
 */

#include "kernel/core/inspect.h"
#include "kernel/hosted/freeze.h"
#include "kernel/hosted/state.h"

#include <fcntl.h>
#include <linux/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

#define MAX_RECORDS 1024
#define MAX_HANDLES 8
#define MAX_FDS 4
#define MAX_DATA 100000
#define N_SOCKETS 12
#define N_FILES 6

enum kind { PEER, SERVED, LOCAL, NODE, HANDLE, PAYLOAD, MESSAGE, NOTIFICATION, _N_KINDS };

struct record {
        enum kind kind;
        union {
                struct bus1_frozen_peer peer;
                struct hosted_frozen_served served;
                struct hosted_frozen_local local;
                struct bus1_frozen_node node;
                struct bus1_frozen_handle handle;
                struct hosted_frozen_payload payload;
                struct bus1_frozen_message message;
                struct bus1_frozen_notification notification;
        };
        uint32_t handles[MAX_HANDLES];
        int fds[MAX_FDS];
};

struct input {
        const uint8_t *p;
        size_t n;
};

static struct record records[MAX_RECORDS];
static size_t n_records;
static struct hosted_frozen_domain head;
static const uint8_t data[MAX_DATA];
static int pool[N_SOCKETS + N_FILES];

/* reading the input */

static uint64_t get(struct input *input) {
        uint64_t value = 0;

        if (input->n == 0)
                return 0;
        input->n--;
        value = *input->p++;
        if (value < 240 || input->n < 8)
                return value;
        memcpy(&value, input->p, 8);
        input->p += 8;
        input->n -= 8;
        return value;
}

static int get_fd(struct input *input) {
        uint64_t i = get(input);

        return i < N_SOCKETS + N_FILES ? pool[i] : (int)(int32_t)i;
}

static void get_message(struct input *input, struct record *record) {
        struct bus1_frozen_message *message = &record->message;

        *message = (struct bus1_frozen_message){
                .timestamp = get(input),
                .tx = get(input),
                .index = (uint32_t)get(input),
                .node = (uint32_t)get(input),
                .payload = (uint32_t)get(input),
                .n_handles = get(input) % (MAX_HANDLES + 1),
                .handles = record->handles,
        };
        for (size_t i = 0; i < message->n_handles; i++)
                record->handles[i] = (uint32_t)get(input);
}

static void get_payload(struct input *input, struct record *record) {
        struct hosted_frozen_payload *payload = &record->payload;

        *payload = (struct hosted_frozen_payload){
                .account = (uint32_t)get(input),
                .uid = (uint32_t)get(input),
                .pid = (int32_t)get(input),
                .n_data = get(input) % (MAX_DATA + 1),
                .data = data,
                .n_fds = get(input) % (MAX_FDS + 1),
                .fds = record->fds,
        };
        for (size_t i = 0; i < payload->n_fds; i++)
                record->fds[i] = get_fd(input);
}

static void get_served(struct input *input, struct record *record) {
        record->served = (struct hosted_frozen_served){
                .peer = get(input),
                .id = get(input),
                .cookie = get(input),
                .pid = (int32_t)get(input),
                .fd = get_fd(input),
                .bell_fd = get_fd(input),
                .rung = get(input) & 1,
                .reading = get(input) & 1,
        };
}

static void get_record(struct input *input, struct record *record) {
        record->kind = get(input) % _N_KINDS;
        switch (record->kind) {
        case PEER:
                record->peer = (struct bus1_frozen_peer){
                        .number = get(input),
                        .uid = (uint32_t)get(input),
                        .disconnected = get(input) & 1,
                        .clock = get(input),
                        .last_id = get(input),
                };
                break;
        case SERVED:
                get_served(input, record);
                break;
        case LOCAL:
                record->local = (struct hosted_frozen_local){get(input), get(input) & 1};
                break;
        case NODE:
                record->node = (struct bus1_frozen_node){
                        .owner = get(input),
                        .id = get(input),
                        .state = (uint32_t)get(input),
                        .oneshot = get(input) & 1,
                };
                break;
        case HANDLE:
                record->handle = (struct bus1_frozen_handle){
                        .holder = get(input),
                        .node = (uint32_t)get(input),
                        .id = get(input),
                        .state = (uint32_t)get(input),
                        .copied = get(input) & 1,
                };
                /* so that it takes one byte */
                if (record->handle.id == 0)
                        record->handle.id = BUS1_INVALID;
                break;
        case PAYLOAD:
                get_payload(input, record);
                break;
        case MESSAGE:
                get_message(input, record);
                break;
        default:
                record->notification = (struct bus1_frozen_notification){
                        .timestamp = get(input),
                        .tx = get(input),
                        .index = (uint32_t)get(input),
                        .is_node = get(input) & 1,
                        .object = (uint32_t)get(input),
                };
        }
}

static void get_all(struct input *input) {
        bool has_counts = get(input) & 1;
        uint64_t n[_N_KINDS] = {0};

        head = (struct hosted_frozen_domain){
                .last_served = get(input),
                .core.last_peer = get(input),
        };
        for (size_t i = 0; i < _N_KINDS && has_counts; i++)
                n[i] = get(input);
        for (n_records = 0; n_records < MAX_RECORDS && input->n > 0; n_records++) {
                get_record(input, &records[n_records]);
                n[records[n_records].kind] += !has_counts;
        }
        head.core.n_peers = n[PEER];
        head.n_served = n[SERVED];
        head.n_locals = n[LOCAL];
        head.core.n_nodes = n[NODE];
        head.core.n_handles = n[HANDLE];
        head.core.n_payloads = n[PAYLOAD];
        head.core.n_messages = n[MESSAGE];
        head.core.n_notifications = n[NOTIFICATION];
}

/* thawing */

static int thaw_record(struct hosted_thaw *thaw, const struct record *record) {
        switch (record->kind) {
        case PEER:
                return hosted_thaw_peer(thaw, &record->peer);
        case SERVED:
                return hosted_thaw_served(thaw, &record->served);
        case LOCAL:
                return hosted_thaw_local(thaw, &record->local);
        case NODE:
                return hosted_thaw_node(thaw, &record->node);
        case HANDLE:
                return hosted_thaw_handle(thaw, &record->handle);
        case PAYLOAD:
                return hosted_thaw_payload(thaw, &record->payload);
        case MESSAGE:
                return hosted_thaw_message(thaw, &record->message);
        default:
                return hosted_thaw_notification(thaw, &record->notification);
        }
}

/* Thaw the records. Returns whether that gave a domain; it has at most MAX_RECORDS clients. */
static bool thaw_all(struct bus1_domain **ret_domain, struct bus1_client **ret_clients) {
        struct hosted_thaw *thaw;
        int r;

        r = hosted_thaw_new(&head, &thaw);
        if (r < 0) {
                FUZZ_CHECK(r == -EBADMSG);
                return false;
        }
        for (size_t i = 0; i < n_records && r == 0; i++)
                r = thaw_record(thaw, &records[i]);
        if (r == 0)
                r = hosted_thaw_end(thaw, ret_domain, ret_clients, head.n_locals);
        if (r < 0) {
                FUZZ_CHECK(r == -EBADMSG);
                hosted_thaw_free(thaw);
        }
        return r == 0;
}

/* Keep the structures of a domain in the place of the records. */

static int keep(struct record record) {
        FUZZ_CHECK(n_records < MAX_RECORDS);
        records[n_records++] = record;
        return 0;
}

static int keep_domain(void *unused, const struct hosted_frozen_domain *domain) {
        head = *domain;
        n_records = 0;
        return 0;
}

static int keep_peer(void *unused, const struct bus1_frozen_peer *peer) {
        return keep((struct record){PEER, .peer = *peer});
}

static int keep_served(void *unused, const struct hosted_frozen_served *served) {
        return keep((struct record){SERVED, .served = *served});
}

static int keep_local(void *unused, const struct hosted_frozen_local *local) {
        return keep((struct record){LOCAL, .local = *local});
}

static int keep_node(void *unused, const struct bus1_frozen_node *node) {
        return keep((struct record){NODE, .node = *node});
}

static int keep_handle(void *unused, const struct bus1_frozen_handle *handle) {
        return keep((struct record){HANDLE, .handle = *handle});
}

static int keep_payload(void *unused, const struct hosted_frozen_payload *payload) {
        struct record *record = &records[n_records];

        keep((struct record){PAYLOAD, .payload = *payload});
        memcpy(record->fds, payload->fds, payload->n_fds * sizeof(*payload->fds));
        record->payload.fds = record->fds;
        record->payload.data = data;
        return 0;
}

static int keep_message(void *unused, const struct bus1_frozen_message *message) {
        struct record *record = &records[n_records];

        keep((struct record){MESSAGE, .message = *message});
        memcpy(record->handles, message->handles, message->n_handles * sizeof(*message->handles));
        record->message.handles = record->handles;
        return 0;
}

static int keep_notification(void *unused, const struct bus1_frozen_notification *notification) {
        return keep((struct record){NOTIFICATION, .notification = *notification});
}

static const struct hosted_saver keeper = {
        .domain = keep_domain,
        .peer = keep_peer,
        .served = keep_served,
        .local = keep_local,
        .node = keep_node,
        .handle = keep_handle,
        .payload = keep_payload,
        .message = keep_message,
        .notification = keep_notification,
};

/* using a domain */

static void receive_all(struct bus1_peer *peer) {
        struct bus1_recv recv;
        int r;

        while ((r = bus1_peer_recv_begin(peer, &recv)) == 0)
                FUZZ_CHECK(bus1_peer_recv_commit(&recv) == 0);
        FUZZ_CHECK(r == -EAGAIN || r == -ESHUTDOWN);
}

/* Send through all handles of a peer, and release every second object. */
static void use_objects(struct bus1_domain *domain, struct bus1_peer *peer, u64 number) {
        struct bus1_object_info info;
        struct bus1_payload *payload;
        u64 id = 0;

        while (bus1_inspect_object(domain->accounts, number, id, &info)) {
                id = info.id + 1;
                payload = bus1_payload_new(1, 0);
                FUZZ_CHECK(!IS_ERR(payload));
                payload->data[0] = 0;
                if (!info.is_node)
                        bus1_peer_send(peer, &(struct bus1_send){.destinations = &info.id,
                                                                 .n_destinations = 1,
                                                                 .payload = payload});
                bus1_payload_unref(payload);
                if (id % 4 == 0)
                        bus1_peer_release(peer, &info.id, 1);
        }
}

static void use(struct bus1_domain *domain) {
        struct hosted_served *served, *next;
        struct bus1_peer_info info;
        u64 number = 0;

        while (bus1_inspect_peer(domain->accounts, number, &info)) {
                HASH_ITER(hh, domain->served, served, next) {
                        struct bus1_peer_info own;

                        bus1_inspect_peer_now(served->peer, &own);
                        if (own.number == info.number)
                                use_objects(domain, served->peer, info.number);
                }
                number = info.number + 1;
        }
        HASH_ITER(hh, domain->served, served, next) {
                receive_all(served->peer);
        }
}

static void end(struct bus1_domain *domain, struct bus1_client **clients, size_t n_clients) {
        u64 used[_BUS1_RESOURCE_N];
        size_t n_accounts;

        while (domain->served)
                bus1_domain_revoke(domain, domain->served->id);
        for (size_t i = 0; i < n_clients; i++)
                bus1_client_free(clients[i]);
        bus1_accounts_usage(domain->accounts, &n_accounts, used);
        FUZZ_CHECK(n_accounts == 0);
        bus1_domain_free(domain);
}

static void make_pool(void) {
        for (size_t i = 0; i < N_SOCKETS; i += 2)
                FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, &pool[i]) == 0);
        for (size_t i = N_SOCKETS; i < N_SOCKETS + N_FILES; i++) {
                pool[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
                FUZZ_CHECK(pool[i] >= 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
        static struct bus1_client *clients[MAX_RECORDS], *again_clients[MAX_RECORDS];
        struct input input = {bytes, n};
        struct bus1_domain *domain, *again;
        size_t n_clients;

        if (pool[0] == 0)
                make_pool();
        get_all(&input);
        if (thaw_all(&domain, clients)) {
                n_clients = head.n_locals;
                FUZZ_CHECK(hosted_freeze(domain, clients, n_clients, &keeper, NULL) == 0);
                FUZZ_CHECK(thaw_all(&again, again_clients));
                /* The next input uses the descriptors again. */
                hosted_let_go(domain);
                hosted_let_go(again);
                end(again, again_clients, n_clients);
                use(domain);
                end(domain, clients, n_clients);
        }
        for (size_t i = 0; i < N_SOCKETS + N_FILES; i++)
                FUZZ_CHECK(fcntl(pool[i], F_GETFD) >= 0);
        return 0;
}
