/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A program of 2016 on the device: every command, and most errors of its manual page
 *
 * It uses only the header of 2016. test-generations.c tests both generations together. Needs root
 * and bus1.ko.
 */

#include "command.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bus1.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define POOL (16 * 1024 * 1024)
#define BAD ((uint64_t)1)

/* a peer as programs of 2016 make it: open the device, then map the pool */
struct peer {
        int fd;
        const uint8_t *pool;
};

static struct peer peer_new(void) {
        struct peer peer = {.fd = open("/dev/bus1", O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};

        EXPECT(peer.fd >= 0);
        peer.pool = mmap(NULL, POOL, PROT_READ, MAP_SHARED, peer.fd, 0);
        EXPECT(peer.pool != MAP_FAILED);
        return peer;
}

static void peer_free(struct peer *peer) {
        EXPECT(munmap((void *)peer->pool, POOL) == 0);
        EXPECT(close(peer->fd) == 0);
}

static int peer_query(int fd, struct bus1_cmd_peer_reset *query) {
        return command(fd, BUS1_CMD_PEER_QUERY, query);
}

static int handle_release(int fd, uint64_t id) {
        return command(fd, BUS1_CMD_HANDLE_RELEASE, &id);
}

static int slice_release(int fd, uint64_t offset) {
        return command(fd, BUS1_CMD_SLICE_RELEASE, &offset);
}

static int handle_transfer(int fd, uint64_t src, uint64_t dst_fd, uint64_t *ret_dst) {
        struct bus1_cmd_handle_transfer cmd = {
                .src_handle = src,
                .dst_fd = dst_fd,
                .dst_handle = BUS1_HANDLE_INVALID,
        };
        int r = command(fd, BUS1_CMD_HANDLE_TRANSFER, &cmd);

        if (r == 0)
                *ret_dst = cmd.dst_handle;
        else
                EXPECT(cmd.dst_handle == BUS1_HANDLE_INVALID);
        return r;
}

/* Make a handle to a node of one peer for the other peer. */
static uint64_t handle_of(const struct peer *owner, uint64_t id, const struct peer *holder) {
        uint64_t handle;

        EXPECT(handle_transfer(owner->fd, id, holder->fd, &handle) == 0);
        EXPECT(handle & BUS1_HANDLE_FLAG_MANAGED && handle & BUS1_HANDLE_FLAG_REMOTE);
        return handle;
}

static int nodes_destroy(int fd, uint64_t flags, uint64_t id) {
        struct bus1_cmd_nodes_destroy cmd = {.flags = flags, .ptr_nodes = ptr(&id), .n_nodes = 1};

        return command(fd, BUS1_CMD_NODES_DESTROY, &cmd);
}

static struct bus1_cmd_send message(const uint64_t *destination, const struct iovec *vec) {
        return (struct bus1_cmd_send){
                .ptr_destinations = ptr(destination),
                .n_destinations = 1,
                .ptr_vecs = ptr(vec),
                .n_vecs = 1,
        };
}

static int send_text(int fd, uint64_t destination, const char *text) {
        struct iovec vec = {(void *)text, strlen(text)};
        struct bus1_cmd_send cmd = message(&destination, &vec);

        return command(fd, BUS1_CMD_SEND, &cmd);
}

static int send_fds(int fd, uint64_t destination, const int *fds, size_t n) {
        struct bus1_cmd_send cmd = {
                .ptr_destinations = ptr(&destination),
                .n_destinations = 1,
                .ptr_fds = ptr(fds),
                .n_fds = n,
        };

        return command(fd, BUS1_CMD_SEND, &cmd);
}

static int recv_flags(int fd, uint64_t flags, struct bus1_cmd_recv *ret_cmd) {
        *ret_cmd = (struct bus1_cmd_recv){.flags = flags, .max_offset = POOL};
        return command(fd, BUS1_CMD_RECV, ret_cmd);
}

static struct bus1_cmd_recv recv_message(const struct peer *peer, uint64_t type, uint64_t id) {
        struct bus1_cmd_recv cmd;

        EXPECT(recv_flags(peer->fd, 0, &cmd) == 0);
        EXPECT(cmd.msg.type == type);
        EXPECT(cmd.msg.destination == id);
        if (type != BUS1_MSG_DATA)
                EXPECT(cmd.msg.offset == BUS1_OFFSET_INVALID && cmd.msg.n_bytes == 0 &&
                       cmd.msg.n_handles == 0 && cmd.msg.n_fds == 0 && cmd.msg.n_secctx == 0);
        return cmd;
}

static void recv_text(const struct peer *peer, uint64_t id, const char *text) {
        struct bus1_cmd_recv cmd = recv_message(peer, BUS1_MSG_DATA, id);

        EXPECT(cmd.msg.n_bytes == strlen(text));
        EXPECT(memcmp(peer->pool + cmd.msg.offset, text, strlen(text)) == 0);
        EXPECT(slice_release(peer->fd, cmd.msg.offset) == 0);
}

static void recv_nothing(const struct peer *peer) {
        struct bus1_cmd_recv cmd;

        EXPECT(recv_flags(peer->fd, 0, &cmd) == -EAGAIN);
}

static const uint64_t *handles_in(const struct peer *peer, const struct bus1_cmd_recv *cmd) {
        return (const uint64_t *)(peer->pool + cmd->msg.offset + (cmd->msg.n_bytes + 7) / 8 * 8);
}

static const int *fds_in(const struct peer *peer, const struct bus1_cmd_recv *cmd) {
        return (const int *)(handles_in(peer, cmd) + cmd->msg.n_handles);
}

static short events(int fd) {
        struct pollfd p = {fd, POLLIN | POLLOUT, 0};

        EXPECT(poll(&p, 1, 0) >= 0);
        return p.revents;
}

/* Whether two descriptors refer to the same event counter. */
static bool same_counter(int a, int b) {
        uint64_t n = 1;

        return write(a, &n, sizeof(n)) == sizeof(n) && read(b, &n, sizeof(n)) == sizeof(n) &&
               n == 1;
}

static void test_peer(void) {
        struct bus1_cmd_peer_reset state = {}, reset = {
                                                       .peer_flags = BUS1_PEER_FLAG_WANT_SECCTX,
                                                       .max_slices = 2,
                                                       .max_handles = 5,
                                                       .max_inflight_bytes = 100,
                                                       .max_inflight_fds = 1,
                                               };
        struct peer a = peer_new(), b = peer_new();
        uint64_t handle, no_handle = BUS1_HANDLE_INVALID;
        struct bus1_cmd_recv cmd;
        char big[101] = {};

        /* at first, every limit is at its maximum */
        EXPECT(peer_query(a.fd, &state) == 0);
        EXPECT(state.peer_flags == 0 && state.max_slices == UINT32_MAX &&
               state.max_handles == UINT32_MAX && state.max_inflight_bytes == UINT32_MAX &&
               state.max_inflight_fds == UINT32_MAX);
        state.flags = 1;
        EXPECT(peer_query(a.fd, &state) == -EINVAL);

        handle = handle_of(&a, 0x100, &b);
        reset.flags = 8;
        EXPECT(command(a.fd, BUS1_CMD_PEER_RESET, &reset) == -EINVAL);
        reset.flags = 0;
        reset.peer_flags |= 2;
        EXPECT(command(a.fd, BUS1_CMD_PEER_RESET, &reset) == -EINVAL);
        reset.peer_flags = BUS1_PEER_FLAG_WANT_SECCTX;
        EXPECT(command(a.fd, BUS1_CMD_PEER_RESET, &reset) == 0);
        state.flags = 0;
        EXPECT(peer_query(a.fd, &state) == 0);
        EXPECT(memcmp(&state, &reset, sizeof(state)) == 0);

        /* -1 leaves the peer flags, or a limit, as before */
        memset(&state, -1, sizeof(state));
        state.flags = 0;
        EXPECT(command(a.fd, BUS1_CMD_PEER_RESET, &state) == 0);
        memset(&state, 0, sizeof(state));
        EXPECT(peer_query(a.fd, &state) == 0);
        EXPECT(memcmp(&state, &reset, sizeof(state)) == 0);

        /* the limits are enforced; a slice counts until it is released */
        memset(big, 'x', 100);
        EXPECT(send_text(b.fd, handle, big) == 0);
        EXPECT(send_text(b.fd, handle, "x") == -EDQUOT);
        recv_text(&a, 0x100, big);
        EXPECT(send_text(b.fd, handle, "") == 0);
        EXPECT(send_text(b.fd, handle, "") == 0);
        EXPECT(send_text(b.fd, handle, "") == -EDQUOT);
        cmd = recv_message(&a, BUS1_MSG_DATA, 0x100);
        EXPECT(send_text(b.fd, handle, "") == -EDQUOT);
        EXPECT(slice_release(a.fd, cmd.msg.offset) == 0);
        EXPECT(send_fds(b.fd, handle, (int[]){a.fd, a.fd}, 2) == -EOPNOTSUPP);
        EXPECT(send_fds(b.fd, handle, (int[]){0, 0}, 2) == -EDQUOT);
        EXPECT(send_fds(b.fd, handle, (int[]){0}, 1) == 0);
        EXPECT(handle_transfer(a.fd, 0x104, a.fd, &no_handle) == 0);
        EXPECT(handle_transfer(a.fd, 0x108, a.fd, &no_handle) == 0);
        EXPECT(handle_transfer(a.fd, 0x10c, a.fd, &no_handle) == -EDQUOT);

        /* a flush of a peer without a seed drops its messages, handles and nodes */
        EXPECT(events(a.fd) == (POLLIN | POLLOUT));
        reset.flags = BUS1_PEER_RESET_FLAG_FLUSH;
        EXPECT(command(a.fd, BUS1_CMD_PEER_RESET, &reset) == 0);
        EXPECT(events(a.fd) == POLLOUT);
        recv_message(&b, BUS1_MSG_NODE_DESTROY, handle);
        EXPECT(handle_release(a.fd, 0x104) == -ENXIO);

        /* a disconnected peer refuses every command */
        handle = handle_of(&b, 0x10, &a);
        EXPECT(send_text(a.fd, handle, "last") == 0);
        EXPECT(command(a.fd, BUS1_CMD_PEER_DISCONNECT, NULL) == 0);
        EXPECT(events(a.fd) == POLLHUP);
        EXPECT(command(a.fd, BUS1_CMD_PEER_DISCONNECT, NULL) == -ESHUTDOWN);
        EXPECT(peer_query(a.fd, &state) == -ESHUTDOWN);
        reset.flags = 0;
        EXPECT(command(a.fd, BUS1_CMD_PEER_RESET, &reset) == -ESHUTDOWN);
        EXPECT(handle_release(a.fd, handle) == -ESHUTDOWN);
        EXPECT(handle_transfer(a.fd, handle, b.fd, &no_handle) == -ESHUTDOWN);
        EXPECT(handle_transfer(b.fd, 0x10, a.fd, &no_handle) == -ESHUTDOWN);
        EXPECT(nodes_destroy(a.fd, 0, 0x104) == -ESHUTDOWN);
        EXPECT(slice_release(a.fd, 0) == -ESHUTDOWN);
        EXPECT(send_text(a.fd, handle, "") == -ESHUTDOWN);
        EXPECT(recv_flags(a.fd, 0, &cmd) == -ESHUTDOWN);
        EXPECT(mmap(NULL, POOL, PROT_READ, MAP_SHARED, a.fd, 0) == MAP_FAILED);
        recv_text(&b, 0x10, "last");
        recv_message(&b, BUS1_MSG_NODE_RELEASE, 0x10);
        recv_nothing(&b);
        peer_free(&a);
        peer_free(&b);
}

static void test_commands(void) {
        struct peer a = peer_new();
        uint64_t id = 0x100;

        EXPECT(command(a.fd, _IOWR(BUS1_IOCTL_MAGIC, 0x60, uint64_t), &id) == -ENOTTY);
        /* the same number with another size is another command */
        EXPECT(command(a.fd, _IOWR(BUS1_IOCTL_MAGIC, 0x40, uint64_t), &id) == -ENOTTY);
        EXPECT(!isatty(a.fd));
        EXPECT(command(a.fd, BUS1_CMD_PEER_QUERY, (void *)BAD) == -EFAULT);
        EXPECT(command(a.fd, BUS1_CMD_PEER_RESET, (void *)BAD) == -EFAULT);
        EXPECT(command(a.fd, BUS1_CMD_HANDLE_RELEASE, (void *)BAD) == -EFAULT);
        EXPECT(command(a.fd, BUS1_CMD_HANDLE_TRANSFER, (void *)BAD) == -EFAULT);
        EXPECT(command(a.fd, BUS1_CMD_NODES_DESTROY, (void *)BAD) == -EFAULT);
        EXPECT(command(a.fd, BUS1_CMD_SLICE_RELEASE, (void *)BAD) == -EFAULT);
        EXPECT(command(a.fd, BUS1_CMD_SEND, (void *)BAD) == -EFAULT);
        EXPECT(command(a.fd, BUS1_CMD_RECV, (void *)BAD) == -EFAULT);
        peer_free(&a);
}

static void test_handles(void) {
        struct peer a = peer_new(), b = peer_new();
        struct bus1_cmd_handle_transfer cmd = {.src_handle = 0x100, .dst_fd = (uint64_t)-1};
        uint64_t handle, id, ids[3];
        struct bus1_cmd_nodes_destroy destroy = {.ptr_nodes = ptr(ids), .n_nodes = 2};
        int fd;

        /* arguments */
        EXPECT(command(a.fd, BUS1_CMD_HANDLE_TRANSFER, &cmd) == -EINVAL);
        cmd.dst_handle = BUS1_HANDLE_INVALID;
        cmd.flags = 1;
        EXPECT(command(a.fd, BUS1_CMD_HANDLE_TRANSFER, &cmd) == -EINVAL);
        EXPECT(handle_transfer(a.fd, 0x100, 1000, &id) == -EBADF);
        EXPECT(handle_transfer(a.fd, 0x100, 1ULL << 40, &id) == -EBADF);
        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        EXPECT(handle_transfer(a.fd, 0x100, fd, &id) == -EOPNOTSUPP);
        close(fd);
        EXPECT(handle_transfer(a.fd, 0x101, b.fd, &id) == -ENXIO);
        EXPECT(handle_transfer(a.fd, BUS1_HANDLE_INVALID, b.fd, &id) == -ENXIO);
        EXPECT(handle_transfer(a.fd, 0x102, b.fd, &id) == -EINVAL);
        /* none of these failed commands made a node */
        EXPECT(handle_release(a.fd, 0x100) == -ENXIO);

        /* with -1 as destination, the peer that makes the node gets a reference to the node's ID */
        cmd.flags = 0;
        EXPECT(command(a.fd, BUS1_CMD_HANDLE_TRANSFER, &cmd) == 0);
        EXPECT(cmd.dst_handle == 0x100);
        EXPECT(handle_release(a.fd, 0x100) == 0);
        recv_message(&a, BUS1_MSG_NODE_RELEASE, 0x100);
        EXPECT(handle_release(a.fd, 0x100) == -EPERM);

        /* two transfers give two references to one ID; after their release, the next ID differs */
        handle = handle_of(&a, 0x100, &b);
        EXPECT(handle_of(&a, 0x100, &b) == handle);
        EXPECT(handle_release(b.fd, handle) == 0);
        recv_nothing(&a);
        EXPECT(handle_release(b.fd, handle) == 0);
        EXPECT(handle_release(b.fd, handle) == -ENXIO);
        EXPECT(events(a.fd) == (POLLIN | POLLOUT));
        /* a new handle to the node cancels the queued notification NODE_RELEASE */
        id = handle_of(&a, 0x100, &b);
        EXPECT(id != handle);
        EXPECT(events(a.fd) == POLLOUT);
        recv_nothing(&a);
        handle = id;

        /* destruction */
        ids[0] = 0x100;
        ids[1] = 0x100;
        EXPECT(command(a.fd, BUS1_CMD_NODES_DESTROY, &destroy) == -EINVAL);
        ids[1] = 0x104;
        EXPECT(command(a.fd, BUS1_CMD_NODES_DESTROY, &destroy) == -ENXIO);
        id = handle_of(&b, 0x10, &a);
        ids[1] = id;
        EXPECT(command(a.fd, BUS1_CMD_NODES_DESTROY, &destroy) == -EPERM);
        destroy.ptr_nodes = BAD;
        EXPECT(command(a.fd, BUS1_CMD_NODES_DESTROY, &destroy) == -EFAULT);
        destroy.n_nodes = 1ULL << 61;
        EXPECT(command(a.fd, BUS1_CMD_NODES_DESTROY, &destroy) == -EMSGSIZE);
        EXPECT(nodes_destroy(a.fd, 2, 0x100) == -EINVAL);
        recv_nothing(&b);
        EXPECT(send_text(b.fd, handle, "queued") == 0);
        EXPECT(nodes_destroy(a.fd, 0, 0x100) == 0);
        EXPECT(nodes_destroy(a.fd, 0, 0x100) == -EHOSTUNREACH);
        EXPECT(send_text(b.fd, handle, "late") == -EHOSTUNREACH);
        EXPECT(handle_transfer(b.fd, handle, a.fd, &id) == -EHOSTUNREACH);
        recv_message(&b, BUS1_MSG_NODE_DESTROY, handle);
        EXPECT(handle_release(b.fd, handle) == 0);
        recv_text(&a, 0x100, "queued");
        recv_message(&a, BUS1_MSG_NODE_DESTROY, 0x100);
        EXPECT(handle_release(a.fd, 0x100) == 0);
        EXPECT(handle_release(a.fd, 0x100) == -ENXIO);
        recv_nothing(&a);

        /* destroy the node, and release the owner's reference, in one command */
        handle = handle_of(&a, 0x100, &b);
        EXPECT(send_text(b.fd, handle, "dropped") == 0);
        EXPECT(nodes_destroy(a.fd, BUS1_NODES_DESTROY_FLAG_RELEASE_HANDLES, 0x100) == 0);
        EXPECT(handle_release(a.fd, 0x100) == -ENXIO);
        recv_nothing(&a);
        recv_message(&b, BUS1_MSG_NODE_DESTROY, handle);
        peer_free(&a);
        peer_free(&b);
}

static void test_send(void) {
        struct peer a = peer_new(), b = peer_new();
        uint64_t there = handle_of(&b, 0x10, &a), gone = handle_of(&b, 0x14, &a);
        uint64_t destinations[] = {there, gone, there}, handles[] = {0x100, there, 0x100};
        struct iovec vecs[] = {{"one ", 4}, {NULL, 0}, {"two", 3}}, huge;
        struct bus1_cmd_send cmd = message(&there, vecs), good = cmd;
        int32_t errors[3] = {1, 1, 1};
        struct bus1_cmd_recv received;

        /* arguments */
        cmd.flags = 4;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EINVAL);
        cmd.flags = BUS1_SEND_FLAG_CONTINUE | BUS1_SEND_FLAG_SEED;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EINVAL);
        cmd.flags = BUS1_SEND_FLAG_SEED;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EINVAL);
        for (size_t i = 0; i < 4; i++) {
                static const uint64_t too_many[] = {1ULL << 61, UINT64_MAX, 1ULL << 32, 65537};

                cmd = good;
                cmd.n_destinations = too_many[i];
                EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EMSGSIZE);
                cmd = good;
                cmd.n_vecs = too_many[i];
                EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EMSGSIZE);
                cmd = good;
                cmd.n_handles = too_many[i];
                EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EMSGSIZE);
                cmd = good;
                cmd.n_fds = too_many[i];
                EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EMSGSIZE);
        }
        cmd = good;
        cmd.n_fds = BUS1_FD_MAX + 1;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EMSGSIZE);
        cmd = good;
        cmd.ptr_destinations = BAD;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EFAULT);
        cmd = good;
        cmd.ptr_vecs = BAD;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EFAULT);
        cmd = good;
        cmd.n_handles = 1;
        cmd.ptr_handles = BAD;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EFAULT);
        cmd = good;
        cmd.n_fds = 1;
        cmd.ptr_fds = BAD;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EFAULT);
        huge = (struct iovec){(void *)BAD, 1ULL << 62};
        cmd = good;
        cmd.ptr_vecs = ptr(&huge);
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EMSGSIZE ||
               command(a.fd, BUS1_CMD_SEND, &cmd) == -EFAULT);
        huge.iov_len = SIZE_MAX;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EINVAL);
        huge = (struct iovec){(void *)ptr(a.pool), 257 * 1024 * 1024};
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EMSGSIZE);
        huge = (struct iovec){(void *)BAD, 10};
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EFAULT);
        EXPECT(send_text(a.fd, 0x103, "") == -ENXIO);
        EXPECT(send_text(a.fd, 0x102, "") == -EINVAL);
        recv_nothing(&b);

        /* several vectors and handles; the send makes the node 0x100 */
        cmd = good;
        cmd.n_vecs = 3;
        cmd.ptr_handles = ptr(handles);
        cmd.n_handles = 3;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == 0);
        received = recv_message(&b, BUS1_MSG_DATA, 0x10);
        EXPECT(received.msg.n_bytes == 7 && received.msg.n_handles == 3);
        EXPECT(memcmp(b.pool + received.msg.offset, "one two", 7) == 0);
        EXPECT(received.msg.uid == getuid() && received.msg.gid == getgid());
        EXPECT(received.msg.pid == (unsigned)getpid() && received.msg.tid == (unsigned)gettid());
        handles[1] = handles_in(&b, &received)[0];
        EXPECT(handles[1] == handles_in(&b, &received)[2]);
        EXPECT(handles_in(&b, &received)[1] == 0x10);
        EXPECT(send_text(b.fd, handles[1], "back") == 0);
        recv_text(&a, 0x100, "back");
        EXPECT(handle_release(b.fd, handles[1]) == 0);
        recv_nothing(&a);
        EXPECT(handle_release(b.fd, handles[1]) == 0);
        recv_message(&a, BUS1_MSG_NODE_RELEASE, 0x100);

        /* the node of one destination has gone */
        EXPECT(nodes_destroy(b.fd, BUS1_NODES_DESTROY_FLAG_RELEASE_HANDLES, 0x14) == 0);
        recv_message(&a, BUS1_MSG_NODE_DESTROY, gone);
        cmd = good;
        cmd.ptr_destinations = ptr(destinations);
        cmd.n_destinations = 3;
        cmd.ptr_errors = ptr(errors);
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == -EHOSTUNREACH);
        EXPECT(errors[0] == 1);
        recv_nothing(&b);
        cmd.flags = BUS1_SEND_FLAG_CONTINUE;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == 0);
        EXPECT(errors[0] == 0 && errors[1] == -EHOSTUNREACH && errors[2] == 0);
        received = recv_message(&b, BUS1_MSG_DATA, 0x10);
        EXPECT(received.msg.flags == BUS1_MSG_FLAG_CONTINUE);
        received = recv_message(&b, BUS1_MSG_DATA, 0x10);
        EXPECT(received.msg.flags == 0);
        recv_nothing(&b);

        /* for a handle whose node has gone, BUS1_HANDLE_INVALID arrives */
        handles[0] = gone;
        cmd = good;
        cmd.ptr_handles = ptr(handles);
        cmd.n_handles = 1;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == 0);
        received = recv_message(&b, BUS1_MSG_DATA, 0x10);
        EXPECT(handles_in(&b, &received)[0] == BUS1_HANDLE_INVALID);

        /* without destinations, a send only makes the new nodes */
        handles[0] = 0x200;
        cmd.n_destinations = 0;
        cmd.ptr_destinations = BAD;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &cmd) == 0);
        EXPECT(handle_release(a.fd, 0x200) == -EPERM);
        peer_free(&a);
        peer_free(&b);
}

static void test_recv(void) {
        struct peer a = peer_new(), b = peer_new();
        uint64_t handle = handle_of(&a, 0x100, &b);
        struct bus1_cmd_recv cmd, again;
        void *read_only;

        EXPECT(recv_flags(a.fd, 8, &cmd) == -EINVAL);
        recv_nothing(&a);
        EXPECT(recv_flags(a.fd, BUS1_RECV_FLAG_SEED, &cmd) == -EAGAIN);
        EXPECT(events(a.fd) == POLLOUT);

        EXPECT(send_text(b.fd, handle, "first") == 0);
        EXPECT(send_text(b.fd, handle, "second") == 0);
        EXPECT(events(a.fd) == (POLLIN | POLLOUT));
        cmd = (struct bus1_cmd_recv){.max_offset = 7};
        EXPECT(command(a.fd, BUS1_CMD_RECV, &cmd) == -ERANGE);
        EXPECT(slice_release(a.fd, 0) == -ENXIO);
        /* if the memory for the result is read-only, the message stays queued */
        read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT(command(a.fd, BUS1_CMD_RECV, read_only) == -EFAULT);

        EXPECT(recv_flags(a.fd, BUS1_RECV_FLAG_PEEK, &cmd) == 0);
        EXPECT(recv_flags(a.fd, BUS1_RECV_FLAG_PEEK, &again) == 0);
        EXPECT(memcmp(&cmd, &again, sizeof(cmd)) == 0);
        recv_text(&a, 0x100, "first");
        recv_text(&a, 0x100, "second");
        EXPECT(slice_release(a.fd, cmd.msg.offset) == -ENXIO);
        EXPECT(slice_release(a.fd, BUS1_OFFSET_INVALID) == -ENXIO);
        recv_nothing(&a);

        /* a peer sends to a node of its own that the same command makes */
        EXPECT(send_text(a.fd, 0x104, "self") == 0);
        cmd = recv_message(&a, BUS1_MSG_DATA, 0x104);
        EXPECT(slice_release(a.fd, cmd.msg.offset + 1) == -ENXIO);
        EXPECT(slice_release(a.fd, cmd.msg.offset) == 0);
        munmap(read_only, 4096);
        peer_free(&a);
        peer_free(&b);
}

static void test_seed(void) {
        struct peer a = peer_new(), b = peer_new();
        struct bus1_cmd_peer_reset reset = {
                .flags = BUS1_PEER_RESET_FLAG_FLUSH,
                .max_slices = UINT32_MAX,
                .max_handles = UINT32_MAX,
                .max_inflight_bytes = UINT32_MAX,
                .max_inflight_fds = UINT32_MAX,
        };
        uint64_t handles[] = {0x100, handle_of(&b, 0x10, &a)}, handle = handle_of(&a, 0x100, &b);
        struct iovec vec = {"seed", 4};
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        struct bus1_cmd_send set = {
                .flags = BUS1_SEND_FLAG_SEED,
                .ptr_vecs = ptr(&vec),
                .n_vecs = 1,
                .ptr_handles = ptr(handles),
                .n_handles = 2,
                .ptr_fds = ptr(&fd),
                .n_fds = 1,
        };
        struct bus1_cmd_recv cmd;

        EXPECT(command(a.fd, BUS1_CMD_SEND, &set) == 0);
        EXPECT(events(a.fd) == POLLOUT);
        EXPECT(command(a.fd, BUS1_CMD_PEER_RESET, &reset) == 0);
        recv_nothing(&b);
        EXPECT(send_text(b.fd, handle, "pinned") == 0);
        recv_text(&a, 0x100, "pinned");
        for (size_t i = 0; i < 2; i++) {
                EXPECT(recv_flags(a.fd,
                                  BUS1_RECV_FLAG_SEED | BUS1_RECV_FLAG_PEEK |
                                          BUS1_RECV_FLAG_INSTALL_FDS,
                                  &cmd) == 0);
                EXPECT(cmd.msg.type == BUS1_MSG_DATA);
                EXPECT(cmd.msg.destination == BUS1_HANDLE_INVALID);
                EXPECT(memcmp(a.pool + cmd.msg.offset, "seed", 4) == 0);
                EXPECT(handles_in(&a, &cmd)[0] == 0x100);
                EXPECT(handles_in(&a, &cmd)[1] != handles[1]);
                EXPECT(cmd.msg.n_fds == 1 && same_counter(fds_in(&a, &cmd)[0], fd));
                close(fds_in(&a, &cmd)[0]);
        }
        EXPECT(send_text(a.fd, handles_in(&a, &cmd)[1], "again") == 0);
        recv_text(&b, 0x10, "again");
        EXPECT(recv_flags(a.fd, BUS1_RECV_FLAG_SEED, &cmd) == 0);
        EXPECT(cmd.msg.n_fds == 0);
        EXPECT(recv_flags(a.fd, BUS1_RECV_FLAG_SEED, &cmd) == -EAGAIN);

        EXPECT(command(a.fd, BUS1_CMD_SEND, &set) == -ENXIO);
        set.n_handles = 1;
        EXPECT(command(a.fd, BUS1_CMD_SEND, &set) == 0);
        reset.flags = BUS1_PEER_RESET_FLAG_FLUSH | BUS1_PEER_RESET_FLAG_FLUSH_SEED;
        EXPECT(command(a.fd, BUS1_CMD_PEER_RESET, &reset) == 0);
        EXPECT(recv_flags(a.fd, BUS1_RECV_FLAG_SEED, &cmd) == -EAGAIN);
        recv_message(&b, BUS1_MSG_NODE_RELEASE, 0x10);
        recv_message(&b, BUS1_MSG_NODE_DESTROY, handle);
        close(fd);
        peer_free(&a);
        peer_free(&b);
}

static void test_files(void) {
        struct peer a = peer_new(), b = peer_new();
        uint64_t handle = handle_of(&a, 0x100, &b);
        int fds[BUS1_FD_MAX], pair[2], fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        struct bus1_cmd_recv cmd;
        struct rlimit limit, none;

        EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        EXPECT(send_fds(b.fd, handle, (int[]){-1}, 1) == -EBADF);
        EXPECT(send_fds(b.fd, handle, (int[]){1000}, 1) == -EBADF);
        EXPECT(send_fds(b.fd, handle, &a.fd, 1) == -EOPNOTSUPP);
        EXPECT(send_fds(b.fd, handle, pair, 1) == -EOPNOTSUPP);
        recv_nothing(&a);

        for (size_t i = 0; i < BUS1_FD_MAX; i++)
                fds[i] = fd;
        EXPECT(send_fds(b.fd, handle, fds, BUS1_FD_MAX) == 0);
        EXPECT(send_fds(b.fd, handle, fds, 3) == 0);
        EXPECT(recv_flags(a.fd, 0, &cmd) == 0);
        EXPECT(cmd.msg.n_fds == 0);
        /* the process has no room for three descriptors: the message stays queued */
        EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
        none = limit;
        none.rlim_cur = dup(fd) + 1;
        close(none.rlim_cur - 1);
        EXPECT(setrlimit(RLIMIT_NOFILE, &none) == 0);
        EXPECT(recv_flags(a.fd, BUS1_RECV_FLAG_INSTALL_FDS, &cmd) == -EMFILE);
        EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        EXPECT(recv_flags(a.fd, BUS1_RECV_FLAG_INSTALL_FDS, &cmd) == 0);
        EXPECT(cmd.msg.n_fds == 3);
        for (size_t i = 0; i < 3; i++) {
                EXPECT(same_counter(fds_in(&a, &cmd)[i], fd));
                EXPECT(fcntl(fds_in(&a, &cmd)[i], F_GETFD) == FD_CLOEXEC);
                close(fds_in(&a, &cmd)[i]);
        }
        close(pair[0]);
        close(pair[1]);
        close(fd);
        peer_free(&a);
        peer_free(&b);
}

/* Whether a byte can be read. */
static bool readable(const uint8_t *p) {
        int pipe_fds[2];
        bool r;

        EXPECT(pipe2(pipe_fds, O_CLOEXEC) == 0);
        r = write(pipe_fds[1], p, 1) == 1;
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        return r;
}

static void test_mmap(void) {
        struct peer a = peer_new(), b = peer_new();
        uint64_t handle = handle_of(&a, 0x100, &b);
        struct bus1_cmd_recv cmd;
        uint8_t *big, *private;
        struct iovec vec;
        struct bus1_cmd_send send;
        int status;
        pid_t pid;

        /* the mapping is never writable */
        EXPECT(mmap(NULL, POOL, PROT_READ | PROT_WRITE, MAP_SHARED, a.fd, 0) == MAP_FAILED);
        EXPECT(errno == EPERM);
        EXPECT(mmap(NULL, POOL, PROT_WRITE, MAP_PRIVATE, a.fd, 0) == MAP_FAILED);
        EXPECT(errno == EPERM);
        EXPECT(mprotect((void *)a.pool, POOL, PROT_READ | PROT_WRITE) < 0 && errno == EACCES);
        private = mmap(NULL, POOL, PROT_READ, MAP_PRIVATE, a.fd, 0);
        EXPECT(private != MAP_FAILED);
        EXPECT(mprotect(private, POOL, PROT_WRITE) < 0 && errno == EACCES);
        EXPECT(munmap(private, POOL) == 0);

        /* the pool grows as needed */
        EXPECT(!readable(a.pool));
        EXPECT(send_text(b.fd, handle, "x") == 0);
        EXPECT(recv_flags(a.fd, 0, &cmd) == 0);
        EXPECT(a.pool[cmd.msg.offset] == 'x' && a.pool[4095] == 0);
        EXPECT(!readable(a.pool + 4096));

        big = malloc(3000000);
        EXPECT(big);
        for (size_t i = 0; i < 3000000; i++)
                big[i] = i * 7 >> 3;
        vec = (struct iovec){big, 3000000};
        send = message(&handle, &vec);
        EXPECT(command(b.fd, BUS1_CMD_SEND, &send) == 0);
        EXPECT(recv_flags(a.fd, 0, &cmd) == 0);
        EXPECT(memcmp(a.pool + cmd.msg.offset, big, 3000000) == 0);

        /* a child has the same mapping, and sees later messages too */
        pid = fork();
        EXPECT(pid >= 0);
        if (pid == 0) {
                struct bus1_cmd_recv mine;

                EXPECT(memcmp(a.pool + cmd.msg.offset, big, 3000000) == 0);
                EXPECT(send_text(b.fd, handle, "child") == 0);
                EXPECT(recv_flags(a.fd, 0, &mine) == 0);
                EXPECT(memcmp(a.pool + mine.msg.offset, "child", 5) == 0);
                EXPECT(mine.msg.pid == (unsigned)getpid());
                _exit(0);
        }
        EXPECT(waitpid(pid, &status, 0) == pid && status == 0);

        /* most released pages go back to the system; their part of the pool is used again */
        EXPECT(readable(a.pool + cmd.msg.offset + 2000000));
        EXPECT(slice_release(a.fd, cmd.msg.offset) == 0);
        EXPECT(!readable(a.pool + cmd.msg.offset + 2000000));
        EXPECT(command(b.fd, BUS1_CMD_SEND, &send) == 0);
        EXPECT(recv_flags(a.fd, 0, &cmd) == 0);
        EXPECT(memcmp(a.pool + cmd.msg.offset, big, 3000000) == 0);

        /* a mapping does not keep the peer open: the peer's end drops the data, not the mapping */
        EXPECT(close(a.fd) == 0);
        recv_message(&b, BUS1_MSG_NODE_DESTROY, handle);
        EXPECT(!readable(a.pool + cmd.msg.offset + 2000000) && !readable(a.pool));
        EXPECT(munmap((void *)a.pool, POOL) == 0);

        /* a peer works without a mapping */
        a = peer_new();
        handle = handle_of(&a, 0x100, &b);
        EXPECT(munmap((void *)a.pool, POOL) == 0);
        EXPECT(send_text(b.fd, handle, "later") == 0);
        EXPECT(recv_flags(a.fd, 0, &cmd) == 0);
        a.pool = mmap(NULL, POOL, PROT_READ, MAP_SHARED, a.fd, 0);
        EXPECT(a.pool != MAP_FAILED);
        EXPECT(memcmp(a.pool + cmd.msg.offset, "later", 5) == 0);
        free(big);
        peer_free(&a);
        peer_free(&b);
}

static void test_credentials(void) {
        struct peer a = peer_new(), b = peer_new();
        uint64_t handle = handle_of(&a, 0x100, &b);
        struct bus1_cmd_recv cmd;
        int status;
        pid_t pid;

        /* the credentials of the sender, not of the process that opened the peer */
        pid = fork();
        EXPECT(pid >= 0);
        if (pid == 0) {
                EXPECT(setgid(4711) == 0 && setuid(4712) == 0);
                EXPECT(send_text(b.fd, handle, "x") == 0);
                _exit(0);
        }
        EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
        EXPECT(recv_flags(a.fd, BUS1_RECV_FLAG_PEEK, &cmd) == 0);
        EXPECT(cmd.msg.uid == 4712 && cmd.msg.gid == 4711);

        /* the uid and gid of the sender do not exist in the user namespace of the receiver */
        pid = fork();
        EXPECT(pid >= 0);
        if (pid == 0) {
                EXPECT(unshare(CLONE_NEWUSER) == 0);
                EXPECT(recv_flags(a.fd, 0, &cmd) == 0);
                EXPECT(cmd.msg.uid == (uint32_t)-1 && cmd.msg.gid == (uint32_t)-1);
                _exit(0);
        }
        EXPECT(waitpid(pid, &status, 0) == pid && status == 0);

        EXPECT(handle_release(b.fd, handle) == 0);
        cmd = recv_message(&a, BUS1_MSG_NODE_RELEASE, 0x100);
        EXPECT(cmd.msg.uid == (uint32_t)-1 && cmd.msg.gid == (uint32_t)-1);
        EXPECT(cmd.msg.pid == 0 && cmd.msg.tid == 0);
        peer_free(&a);
        peer_free(&b);
}

static void test_label(void) {
        struct bus1_cmd_peer_reset want = {
                .peer_flags = BUS1_PEER_FLAG_WANT_SECCTX,
                .max_slices = UINT32_MAX,
                .max_handles = UINT32_MAX,
                .max_inflight_bytes = UINT32_MAX,
                .max_inflight_fds = UINT32_MAX,
        };
        struct peer a = peer_new(), b = peer_new();
        uint64_t handle = handle_of(&a, 0x100, &b);
        struct bus1_cmd_recv cmd;
        char label[256] = {};
        ssize_t n = -1;
        int fd;

        EXPECT(send_text(b.fd, handle, "x") == 0);
        cmd = recv_message(&a, BUS1_MSG_DATA, 0x100);
        EXPECT(cmd.msg.flags == 0 && cmd.msg.n_secctx == 0);

        EXPECT(command(a.fd, BUS1_CMD_PEER_RESET, &want) == 0);
        EXPECT(send_text(b.fd, handle, "x") == 0);
        cmd = recv_message(&a, BUS1_MSG_DATA, 0x100);
        /* the security label of this process, if a security module gives it one */
        fd = open("/proc/self/attr/current", O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
                n = read(fd, label, sizeof(label) - 1);
        close(fd);
        if (n <= 0) {
                EXPECT(cmd.msg.flags == 0 && cmd.msg.n_secctx == 0);
        } else {
                n = strcspn(label, "\n");
                EXPECT(cmd.msg.flags == BUS1_MSG_FLAG_HAS_SECCTX);
                EXPECT(cmd.msg.n_secctx == (uint64_t)n);
                EXPECT(memcmp(a.pool + cmd.msg.offset + 8, label, n) == 0);
        }
        peer_free(&a);
        peer_free(&b);
}

/* Processes die in the middle of commands. */
static void test_kill(void) {
        struct peer a = peer_new();
        uint64_t handle;

        for (unsigned i = 0; i < 100; i++) {
                int status;
                pid_t pid = fork();

                EXPECT(pid >= 0);
                if (pid == 0) {
                        struct peer b = peer_new();
                        struct bus1_cmd_recv cmd;

                        handle = handle_of(&b, 0x100, &a);
                        for (;;) {
                                EXPECT(send_text(a.fd, handle, "x") == 0);
                                EXPECT(send_text(a.fd, 0x10, "y") == 0 || errno == EDQUOT);
                                EXPECT(recv_flags(b.fd, 0, &cmd) == 0);
                                EXPECT(slice_release(b.fd, cmd.msg.offset) == 0);
                                if (recv_flags(a.fd, BUS1_RECV_FLAG_PEEK, &cmd) == 0)
                                        slice_release(a.fd, cmd.msg.offset);
                        }
                }
                usleep(i * 200);
                EXPECT(kill(pid, SIGKILL) == 0);
                EXPECT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
        }
        peer_free(&a);
}

int main(void) {
        static const struct {
                const char *name;
                void (*run)(void);
        } tests[] = {
                {"peer", test_peer},
                {"commands", test_commands},
                {"handles", test_handles},
                {"send", test_send},
                {"recv", test_recv},
                {"seed", test_seed},
                {"files", test_files},
                {"mmap", test_mmap},
                {"credentials", test_credentials},
                {"label", test_label},
                {"kill", test_kill},
        };

        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
                fprintf(stderr, "%s\n", tests[i].name);
                tests[i].run();
        }
        printf("%zu tests of the interface of 2016\n", sizeof(tests) / sizeof(tests[0]));
        return 0;
}
