/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The functions of the core that the stress test calls, implemented with /dev/bus1
 *
 * With them, the stress test checks the order of messages that go through the module. A peer is an
 * open device, and commands are ioctls. The stress test also looks at messages without taking them.
 * For this, a receive points to memory that cannot be written: the receive fails, and the message
 * must stay queued.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/bus1.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "test/unit/core/stress.h"

#define USAGE_PATH "/sys/kernel/debug/bus1/usage"
#define DATA_MAX (1024 * 1024)

struct bus1_accounts {
        int unused;
};

/* a received message or notification, until bus1_peer_recv_commit() */
struct bus1_queue_entry {
        struct bus1_payload *payload;
        struct bus1_transfer transfers[MAX_TRANSFERS];
};

static uint64_t ptr(const void *p) {
        return (uintptr_t)p;
}

/*
 * The pointer to a peer is the number of a descriptor, not an address. So processes that inherit
 * the descriptors can use the same pointers.
 */
static struct bus1_peer *peer_from_fd(int fd) {
        return (struct bus1_peer *)(intptr_t)fd;
}

static int peer_fd(struct bus1_peer *peer) {
        return (int)(intptr_t)peer;
}

static int command(struct bus1_peer *peer, unsigned long request, void *argument) {
        return ioctl(peer_fd(peer), request, argument) < 0 ? -errno : 0;
}

/* the kernel keeps the accounts */

struct bus1_accounts *bus1_accounts_new(const struct bus1_limits *limits) {
        return calloc(1, sizeof(struct bus1_accounts));
}

struct bus1_accounts *bus1_accounts_unref(struct bus1_accounts *accounts) {
        free(accounts);
        return NULL;
}

void bus1_accounts_usage(struct bus1_accounts *accounts, size_t *ret_n_accounts,
                         u64 ret_used[_BUS1_RESOURCE_N]) {
        unsigned long long n, bytes, objects, messages, files;
        FILE *f = fopen(USAGE_PATH, "re");

        if (!f || fscanf(f, "accounts %llu bytes %llu objects %llu messages %llu files %llu", &n,
                         &bytes, &objects, &messages, &files) != 5)
                fail("cannot read " USAGE_PATH);
        fclose(f);

        *ret_n_accounts = n;
        ret_used[BUS1_RESOURCE_BYTES] = bytes;
        ret_used[BUS1_RESOURCE_OBJECTS] = objects;
        ret_used[BUS1_RESOURCE_MESSAGES] = messages;
        ret_used[BUS1_RESOURCE_FILES] = files;
}

/* payloads */

struct bus1_payload *bus1_payload_new(size_t n_data, size_t n_files) {
        struct bus1_payload *payload = calloc(1, sizeof(*payload) + n_data);

        if (!payload)
                fail("no memory");
        payload->n_data = n_data;
        payload->data = (u8 *)(payload + 1);
        return payload;
}

struct bus1_payload *bus1_payload_unref(struct bus1_payload *payload) {
        free(payload);
        return NULL;
}

/* peers */

/*
 * Open the device as another user, if this process is root. The system call changes only this
 * thread, unlike the function setresuid() of the C library.
 */
static int open_as(uid_t uid) {
        bool changed = syscall(SYS_setresuid, -1, uid, -1) == 0;
        int fd = open("/dev/bus1", O_RDWR | O_CLOEXEC);

        if (changed && syscall(SYS_setresuid, -1, 0, -1) < 0)
                fail("setresuid: %m");
        return fd;
}

struct bus1_peer *bus1_peer_new(struct bus1_accounts *accounts, kuid_t uid, bus1_wake_t wake,
                                void *data) {
        int fd = open_as(__kuid_val(uid));

        if (fd < 0)
                fail("/dev/bus1: %m");
        return peer_from_fd(fd);
}

int bus1_peer_disconnect(struct bus1_peer *peer) {
        return close(peer_fd(peer)) < 0 ? -errno : 0;
}

int bus1_peer_reset(struct bus1_peer *peer) {
        return command(peer, BUS1_CMD_RESET, &(struct bus1_cmd_reset){});
}

struct bus1_peer *bus1_peer_unref(struct bus1_peer *peer) {
        return NULL;
}

/* commands */

int bus1_peer_query(struct bus1_peer *peer, struct bus1_cmd_query *query) {
        return command(peer, BUS1_CMD_QUERY, query);
}

int bus1_peer_transfer(struct bus1_peer *from, struct bus1_peer *to, struct bus1_transfer *src,
                       struct bus1_transfer *dst, size_t n) {
        struct bus1_cmd_transfer cmd = {
                .to = from == to ? UINT64_MAX : (uint64_t)peer_fd(to),
                .n_transfers = n,
                .ptr_src = ptr(src),
                .ptr_dst = ptr(dst),
        };

        return command(from, BUS1_CMD_TRANSFER, &cmd);
}

int bus1_peer_release(struct bus1_peer *peer, const u64 *ids, size_t n_ids) {
        struct bus1_cmd_release cmd = {.n_ids = n_ids, .ptr_ids = ptr(ids)};

        return command(peer, BUS1_CMD_RELEASE, &cmd);
}

int bus1_peer_send(struct bus1_peer *peer, const struct bus1_send *send) {
        struct iovec vec = {send->payload->data, send->payload->n_data};
        struct bus1_message message = {
                .type = BUS1_MESSAGE_TYPE_USER,
                .n_transfers = send->n_transfers,
                .ptr_transfers = ptr(send->transfers),
                .n_data = send->payload->n_data,
                .n_data_vecs = 1,
                .ptr_data_vecs = ptr(&vec),
        };
        struct bus1_cmd_send cmd = {
                .n_destinations = send->n_destinations,
                .ptr_destinations = ptr(send->destinations),
                .ptr_errors = ptr(send->errors),
                .ptr_message = ptr(&message),
        };

        return command(peer, BUS1_CMD_SEND, &cmd);
}

bool look_at_message(struct bus1_peer *peer) {
        static char data[DATA_MAX];
        struct iovec vec = {data, sizeof(data)};
        struct bus1_transfer transfers[MAX_TRANSFERS];
        struct bus1_message message = {
                .type = BUS1_INVALID,
                .n_transfers = MAX_TRANSFERS,
                .ptr_transfers = ptr(transfers),
                .n_data = sizeof(data),
                .n_data_vecs = 1,
                .ptr_data_vecs = ptr(&vec),
        };
        struct bus1_cmd_recv cmd = {.ptr_metadata = 1, .ptr_message = ptr(&message)};
        int r = command(peer, BUS1_CMD_RECV, &cmd);

        if (r != -EFAULT && r != -EAGAIN)
                fail("looked at a message: %d", r);
        return r == -EFAULT;
}

static void receive(struct bus1_peer *peer, struct bus1_recv *recv, struct bus1_message *message,
                    int *ret_r) {
        struct bus1_metadata metadata;
        struct bus1_cmd_recv cmd = {
                .ptr_metadata = ptr(&metadata),
                .ptr_message = ptr(message),
        };

        *ret_r = command(peer, BUS1_CMD_RECV, &cmd);
        if (*ret_r < 0)
                return;
        recv->type = message->type;
        recv->id = metadata.id;
        recv->has_account = metadata.account != BUS1_INVALID;
        recv->account = KUIDT_INIT(metadata.account);
        recv->n_transfers = message->n_transfers;
}

int bus1_peer_recv_begin(struct bus1_peer *peer, struct bus1_recv *recv) {
        struct bus1_queue_entry *entry = calloc(1, sizeof(*entry));
        struct bus1_message message;
        size_t n_data = 256;
        struct iovec vec;
        int r;

        if (!entry)
                fail("no memory");
        *recv = (struct bus1_recv){.peer = peer, .entry = entry};
        do {
                bus1_payload_unref(entry->payload);
                entry->payload = bus1_payload_new(n_data, 0);
                vec = (struct iovec){entry->payload->data, n_data};
                message = (struct bus1_message){
                        .type = BUS1_INVALID,
                        .n_transfers = MAX_TRANSFERS,
                        .ptr_transfers = ptr(entry->transfers),
                        .n_data = n_data,
                        .n_data_vecs = 1,
                        .ptr_data_vecs = ptr(&vec),
                };
                receive(peer, recv, &message, &r);
                /* after a success or EMSGSIZE: the size of the data of the message */
                n_data = message.n_data;
        } while (r == -EMSGSIZE);

        if (r < 0) {
                bus1_payload_unref(entry->payload);
                free(entry);
                return r;
        }
        entry->payload->n_data = n_data;
        recv->payload = recv->type == BUS1_MESSAGE_TYPE_USER ? entry->payload : NULL;
        return 0;
}

struct bus1_transfer bus1_recv_transfer(const struct bus1_recv *recv, size_t i) {
        return recv->entry->transfers[i];
}

int bus1_peer_recv_commit(struct bus1_recv *recv) {
        bus1_payload_unref(recv->entry->payload);
        free(recv->entry);
        return 0;
}

/* The option --freeze is for cores in user space. */
void freeze(struct stress *stress) {
        fail("the device cannot be frozen");
}
