/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests that need the device, among them memory that faults, refused descriptors, namespaces, and
 * processes that die
 *
 * Needs root and bus1.ko. Uses no library. The argument selects the tests:
 *
 *     all           every test that needs no special module
 *     query         only a query of one peer
 *     limits        needs the module loaded with
 *                   max_objects=64 max_messages=8 max_bytes=262144 max_files=2
 *     without-2016  needs a module that was built with BUS1_2016=n
 */

#include "device.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/bus1-2016.h>
#include <linux/bus1.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void test_query(void) {
        struct bus1_cmd_query q = {.flags = 1};
        int fd = peer_open();

        EXPECT(command(fd, BUS1_CMD_QUERY, &q) == -EINVAL);
        EXPECT(query(fd).version == BUS1_VERSION);
        EXPECT(ioctl(fd, _IO(BUS1_IOCTL_MAGIC, 99)) < 0 && errno == ENOTTY);
        EXPECT(ioctl(fd, BUS1_CMD_QUERY, BAD) < 0 && errno == EFAULT);
        close(fd);
}

static void test_flags(void) {
        struct bus1_transfer item = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, dst;
        struct bus1_message message = {}, room = {.type = BUS1_INVALID};
        struct bus1_metadata metadata;
        int fd = peer_open();
        uint64_t node, handle;

        node_create(fd, fd, &node, &handle);
        for (uint64_t flag = 1; flag != 0; flag <<= 1) {
                struct bus1_cmd_transfer t = {.flags = flag,
                                              .to = UINT64_MAX,
                                              .n_transfers = 1,
                                              .ptr_src = ptr(&item),
                                              .ptr_dst = ptr(&dst)};
                struct bus1_cmd_release r = {.flags = flag, .n_ids = 1, .ptr_ids = ptr(&node)};
                struct bus1_cmd_send s = {.flags = flag,
                                          .n_destinations = 1,
                                          .ptr_destinations = ptr(&handle),
                                          .ptr_message = ptr(&message)};
                struct bus1_cmd_disconnect d = {.flags = flag};

                EXPECT(command(fd, BUS1_CMD_TRANSFER, &t) == -EINVAL);
                EXPECT(item.flags == BUS1_TRANSFER_FLAG_CREATE && item.id == BUS1_INVALID);
                EXPECT(command(fd, BUS1_CMD_RELEASE, &r) == -EINVAL);
                /* SEND and RECV know some of the flags up to 0x80: the extensions */
                if (flag > 0xff) {
                        EXPECT(command(fd, BUS1_CMD_SEND, &s) == -EINVAL);
                        EXPECT(recv_message(fd, &room, flag, &metadata) == -EINVAL);
                }
                EXPECT(command(fd, BUS1_CMD_DISCONNECT, &d) == -EINVAL);
                EXPECT(command(fd, BUS1_CMD_RESET, &d) == -EINVAL);
        }
        EXPECT(query(fd).n_nodes == 1 && query(fd).n_handles == 1 && query(fd).n_messages == 0);
        close(fd);
}

/* All descriptors of an open device are one peer, which ends with the last of them. */
static void test_descriptors(void) {
        struct bus1_metadata_credentials metadata;
        int fd = peer_open(), other = peer_open(), same = dup(fd);
        uint64_t node, handle, other_node, other_handle;

        EXPECT(same >= 0);
        node_create(fd, other, &node, &handle);
        node_create(other, same, &other_node, &other_handle);
        EXPECT(send_bytes(other, handle, "x", 1) == 0);
        EXPECT(send_bytes(fd, other_handle, "x", 1) == 0);
        close(fd);
        EXPECT(recv_any(same, &metadata) == BUS1_MESSAGE_TYPE_USER && metadata.metadata.id == node);
        EXPECT(recv_any(other, &metadata) == BUS1_MESSAGE_TYPE_USER);
        EXPECT(recv_any(other, &metadata) == -EAGAIN);

        close(same);
        for (int i = 0; i < 2; i++) {
                int type = recv_any(other, &metadata);

                EXPECT(type == BUS1_MESSAGE_TYPE_NODE_RELEASE ||
                       type == BUS1_MESSAGE_TYPE_HANDLE_RELEASE);
                EXPECT(metadata.metadata.id ==
                       (type == BUS1_MESSAGE_TYPE_NODE_RELEASE ? handle : other_node));
        }
        EXPECT(recv_any(other, &metadata) == -EAGAIN);
        EXPECT(query(other).n_nodes == 0 && query(other).n_handles == 0);
        close(other);
}

/* select(), pselect() and ppoll() agree. */
static void expect_select(int fd, bool is_readable) {
        struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
        struct timespec zero = {};
        struct timeval now = {};
        fd_set in, out;

        FD_ZERO(&in);
        FD_ZERO(&out);
        FD_SET(fd, &in);
        FD_SET(fd, &out);
        EXPECT(select(fd + 1, &in, &out, NULL, &now) == 1 + is_readable);
        EXPECT(FD_ISSET(fd, &in) == is_readable && FD_ISSET(fd, &out));
        FD_SET(fd, &in);
        EXPECT(pselect(fd + 1, &in, &out, NULL, &zero, NULL) == 1 + is_readable);
        EXPECT(FD_ISSET(fd, &in) == is_readable && FD_ISSET(fd, &out));
        EXPECT((int)syscall(SYS_ppoll, &p, 1, &zero, NULL, 0) == 1);
        EXPECT(p.revents == (is_readable ? POLLIN | POLLOUT : POLLOUT));
}

static void test_readiness(void) {
        struct bus1_metadata_credentials metadata;
        struct epoll_event event = {.events = EPOLLIN | EPOLLET};
        int fd = peer_open(), epoll = epoll_create1(EPOLL_CLOEXEC);
        struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
        uint64_t node, handle;
        char c;

        EXPECT(poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
        EXPECT(read(fd, &c, 1) < 0 && errno == EINVAL);
        EXPECT(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
        EXPECT(epoll_wait(epoll, &event, 1, 0) == 0);
        expect_select(fd, false);
        node_create(fd, fd, &node, &handle);
        for (int i = 0; i < 3; i++) {
                pid_t pid = fork();

                if (pid == 0) {
                        usleep(50000);
                        _exit(send_bytes(fd, handle, "x", 1) == 0 ? 0 : 1);
                }
                EXPECT(epoll_wait(epoll, &event, 1, 20000) == 1);
                EXPECT(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLOUT));
                expect_select(fd, true);
                EXPECT(recv_any(fd, &metadata) == BUS1_MESSAGE_TYPE_USER);
                EXPECT(metadata.metadata.id == node && metadata.pid == (uint64_t)pid);
                EXPECT(poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
                expect_exit(pid);
        }
        close(epoll);
        close(fd);
}

/* The end of the peer wakes all workers, even with EPOLLEXCLUSIVE. */
static void test_end_wakes_all(void) {
        struct bus1_cmd_disconnect disconnect = {};
        int fd = peer_open();
        pid_t pids[4];

        for (int i = 0; i < 4; i++) {
                pids[i] = fork();
                if (pids[i] == 0) {
                        struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
                        int epoll = epoll_create1(EPOLL_CLOEXEC);

                        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
                                _exit(2);
                        _exit(epoll_wait(epoll, &event, 1, 5000) == 1 && event.events & EPOLLHUP
                                      ? 0
                                      : 1);
                }
        }
        usleep(300000);
        EXPECT(ioctl(fd, BUS1_CMD_DISCONNECT, &disconnect) == 0);
        for (int i = 0; i < 4; i++)
                expect_exit(pids[i]);
        close(fd);
}

/* Commands that cannot read or write their memory: see EFAULT in doc/internals/module.md. */
static void test_faults(void) {
        struct bus1_metadata_credentials metadata;
        struct bus1_transfer transfer_item = {0, BUS1_INVALID}, transfers[2];
        struct bus1_message_fds fds_message;
        struct bus1_message message;
        struct bus1_cmd_send send;
        struct bus1_cmd_query q;
        struct iovec vecs[2];
        int fd = peer_open(), fds[2], n_fds;
        uint64_t node, handle;
        char data[8], *page;

        node_create(fd, fd, &node, &handle);

        /* commands */
        for (unsigned i = 0; i < 5; i++)
                EXPECT(command(fd,
                               (unsigned long[]){BUS1_CMD_TRANSFER, BUS1_CMD_RELEASE, BUS1_CMD_SEND,
                                                 BUS1_CMD_RECV, BUS1_CMD_QUERY}[i],
                               (void *)BAD) == -EFAULT);
        EXPECT(command(fd, BUS1_CMD_RELEASE,
                       &(struct bus1_cmd_release){.n_ids = 1, .ptr_ids = BAD}) == -EFAULT);
        EXPECT(command(fd, BUS1_CMD_TRANSFER,
                       &(struct bus1_cmd_transfer){
                               .to = UINT64_MAX, .n_transfers = 1, .ptr_src = BAD}) == -EFAULT);

        /* send */
        message = (struct bus1_message){};
        send = (struct bus1_cmd_send){.n_destinations = 1, .ptr_destinations = ptr(&handle)};
        send.ptr_message = BAD;
        EXPECT(command(fd, BUS1_CMD_SEND, &send) == -EFAULT);
        send.ptr_message = ptr(&message);
        send.ptr_destinations = BAD;
        EXPECT(command(fd, BUS1_CMD_SEND, &send) == -EFAULT);
        message = (struct bus1_message){.n_transfers = 1, .ptr_transfers = BAD};
        EXPECT(send_message(fd, handle, &message) == -EFAULT);
        message = (struct bus1_message){.n_data = 1, .n_data_vecs = 1, .ptr_data_vecs = BAD};
        EXPECT(send_message(fd, handle, &message) == -EFAULT);
        EXPECT(send_bytes(fd, handle, (void *)BAD, 1) == -EFAULT);
        /* data may end at the end of a page, but not one byte later */
        page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT(page != MAP_FAILED && munmap(page + 4096, 4096) == 0);
        EXPECT(send_bytes(fd, handle, page + 4000, 97) == -EFAULT);
        fds_message = (struct bus1_message_fds){
                .message.flags = BUS1_MESSAGE_FLAG_FDS, .n_fds = 1, .ptr_fds = BAD};
        EXPECT(send_message(fd, handle, &fds_message.message) == -EFAULT);
        q = query(fd);
        EXPECT(q.n_messages == 0 && q.n_bytes == 0 && q.n_fds == 0);
        EXPECT(q.n_nodes == 1 && q.n_handles == 1);

        /* receive: the message stays queued */
        EXPECT(pipe2(fds, O_CLOEXEC) == 0);
        vecs[0] = (struct iovec){(char *)"12345678", 8};
        transfer_item.id = handle;
        fds_message = (struct bus1_message_fds){
                .message = {.flags = BUS1_MESSAGE_FLAG_FDS,
                            .n_transfers = 1,
                            .ptr_transfers = ptr(&transfer_item),
                            .n_data = 8,
                            .n_data_vecs = 1,
                            .ptr_data_vecs = ptr(vecs)},
                .n_fds = 2,
                .ptr_fds = ptr(fds),
        };
        EXPECT(send_message(fd, handle, &fds_message.message) == 0);
        close(fds[0]);
        close(fds[1]);
        n_fds = count_fds();
        for (int i = 0; i < 6; i++) {
                vecs[0] = (struct iovec){data, 4};
                vecs[1] = (struct iovec){i == 0 ? (void *)BAD : data + 4, 4};
                fds_message = (struct bus1_message_fds){
                        .message = {.flags = BUS1_MESSAGE_FLAG_FDS,
                                    .type = BUS1_INVALID,
                                    .n_transfers = 2,
                                    .ptr_transfers = i == 1 ? BAD : ptr(transfers),
                                    .n_data = 8,
                                    .n_data_vecs = 2,
                                    .ptr_data_vecs = i == 2 ? BAD : ptr(vecs)},
                        .n_fds = 2,
                        .ptr_fds = i == 3 ? BAD : ptr(fds),
                };
                EXPECT(recv_message(fd, &fds_message.message, 0,
                                    i == 4 ? (void *)BAD : &metadata) == (i < 5 ? -EFAULT : 0));
                EXPECT(count_fds() == n_fds + (i < 5 ? 0 : 2));
                if (i < 5)
                        EXPECT(fds_message.message.type == BUS1_INVALID);
        }
        EXPECT(memcmp(data, "12345678", 8) == 0 && fds_message.n_fds == 2);
        EXPECT(fds_message.message.n_transfers == 1 && transfers[0].id != BUS1_INVALID);
        EXPECT(metadata.metadata.id == node && metadata.metadata.account == 0);
        close(fds[0]);
        close(fds[1]);

        /* a struct bus1_message that can be read but not written */
        EXPECT(send_bytes(fd, handle, "x", 1) == 0);
        vecs[0] = (struct iovec){data, 8};
        *(struct bus1_message *)page = (struct bus1_message){
                .type = BUS1_INVALID, .n_data = 8, .n_data_vecs = 1, .ptr_data_vecs = ptr(vecs)};
        EXPECT(mprotect(page, 4096, PROT_READ) == 0);
        EXPECT(recv_message(fd, (void *)page, 0, &metadata) == -EFAULT);
        EXPECT(recv_any(fd, &metadata) == BUS1_MESSAGE_TYPE_USER);
        EXPECT(recv_any(fd, &metadata) == -EAGAIN);
        munmap(page, 4096);
        close(fd);
}

static void test_sizes(void) {
        uint64_t sizes[] = {1ULL << 20, 1ULL << 32, 1ULL << 60, 1ULL << 63, UINT64_MAX};
        struct bus1_metadata metadata;
        struct bus1_transfer src = {0, 1}, dst;
        struct bus1_message message;
        int fd = peer_open(), null = open("/dev/null", O_RDWR | O_CLOEXEC);
        uint64_t node, handle;
        struct iovec vec;
        char c = 0;

        node_create(fd, fd, &node, &handle);
        src.id = handle;
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                uint64_t n = sizes[i];

                EXPECT(command(fd, BUS1_CMD_TRANSFER,
                               &(struct bus1_cmd_transfer){.to = UINT64_MAX, .n_transfers = n}) ==
                       -EMSGSIZE);
                EXPECT(command(fd, BUS1_CMD_RELEASE, &(struct bus1_cmd_release){.n_ids = n}) ==
                       -EMSGSIZE);
                message = (struct bus1_message){};
                EXPECT(command(fd, BUS1_CMD_SEND,
                               &(struct bus1_cmd_send){.n_destinations = n,
                                                       .ptr_message = ptr(&message)}) == -EMSGSIZE);
                message = (struct bus1_message){.n_transfers = n};
                EXPECT(send_message(fd, handle, &message) == -EMSGSIZE);
                message = (struct bus1_message){.n_data_vecs = n};
                EXPECT(send_message(fd, handle, &message) == -EINVAL);
                vec = (struct iovec){&c, 1};
                message = (struct bus1_message){
                        .n_data = n, .n_data_vecs = 1, .ptr_data_vecs = ptr(&vec)};
                EXPECT(send_message(fd, handle, &message) == (i < 1 ? -EINVAL : -EMSGSIZE));
                message.type = BUS1_INVALID;
                EXPECT(recv_message(fd, &message, 0, &metadata) == -EINVAL);
                EXPECT(transfer(fd, n - 1, &src, &dst) == -EBADF);
        }
        EXPECT(transfer(fd, (uint64_t)null, &src, &dst) == -EINVAL);
        message = (struct bus1_message){.flags = 1ULL << 40};
        EXPECT(send_message(fd, handle, &message) == -EINVAL);
        message = (struct bus1_message){.type = BUS1_MESSAGE_TYPE_NODE_RELEASE};
        EXPECT(send_message(fd, handle, &message) == -EINVAL);
        /* vectors may be longer than the data: the kernel does not read the rest */
        vec = (struct iovec){&c, 1ULL << 40};
        message = (struct bus1_message){.n_data = 1, .n_data_vecs = 1, .ptr_data_vecs = ptr(&vec)};
        EXPECT(send_message(fd, handle, &message) == 0);
        EXPECT(query(fd).n_messages == 1);
        close(null);
        close(fd);
}

/*
 * Send files of kinds that are accepted, because they hold no other files, or only files of certain
 * kinds. Some kernels do not have all of the sent kinds.
 */
static void test_passed_descriptors(int fd, uint64_t handle) {
        static const char *const paths[] = {"/",         "/proc/self/status", "/dev/null",
                                            "/dev/zero", "/dev/full",         "/dev/console",
                                            "/dev/tty"};
        struct perf_event_attr perf = {
                .type = PERF_TYPE_SOFTWARE,
                .size = sizeof(perf),
                .config = PERF_COUNT_SW_TASK_CLOCK,
        };
        union bpf_attr map = {
                .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
        sigset_t signals;
        int files[] = {
                timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC),
                sigemptyset(&signals) == 0 ? signalfd(-1, &signals, SFD_CLOEXEC) : -1,
                inotify_init1(IN_CLOEXEC),
                fanotify_init(FAN_CLOEXEC | FAN_CLASS_NOTIF, O_RDONLY),
                (int)syscall(SYS_pidfd_open, getpid(), 0),
                (int)syscall(SYS_userfaultfd, O_CLOEXEC),
                (int)syscall(SYS_perf_event_open, &perf, 0, -1, -1, PERF_FLAG_FD_CLOEXEC),
                (int)syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map)),
                socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0),
        };
        unsigned n = 0;

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                if (files[i] < 0)
                        continue;
                EXPECT(send_fd(fd, handle, files[i]) == 0);
                close(files[i]);
                ++n;
        }
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                int file = open(paths[i], O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

                if (file < 0)
                        continue;
                EXPECT(send_fd(fd, handle, file) == 0);
                close(file);
                ++n;
        }
        EXPECT(n >= 10);
        for (unsigned i = 0; i < n; i++) {
                struct bus1_metadata_credentials metadata;

                EXPECT(recv_any(fd, &metadata) == BUS1_MESSAGE_TYPE_USER);
        }
}

static void test_refused_descriptors(void) {
        int fd = peer_open(), other = peer_open(), sockets[2], ring, fine[4], path;
        char params[512] = {};
        uint64_t node, handle;

        node_create(fd, fd, &node, &handle);
        EXPECT(send_fd(fd, handle, fd) == -EINVAL);
        EXPECT(send_fd(fd, handle, other) == -EINVAL);
        for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
                EXPECT(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sockets) == 0);
                EXPECT(send_fd(fd, handle, sockets[0]) == -EOPNOTSUPP);
                close(sockets[0]);
                close(sockets[1]);
        }
        ring = (int)syscall(SYS_io_uring_setup, 1, params);
        EXPECT(ring >= 0);
        EXPECT(send_fd(fd, handle, ring) == -EOPNOTSUPP);
        path = open("/dev/bus1", O_PATH | O_CLOEXEC);
        EXPECT(path >= 0 && send_fd(fd, handle, path) == -EBADF);
        EXPECT(send_fd(fd, handle, -1) == -EBADF && send_fd(fd, handle, 4000) == -EBADF);
        EXPECT(query(fd).n_messages == 0 && query(fd).n_fds == 0);

        fine[0] = eventfd(0, EFD_CLOEXEC);
        fine[1] = epoll_create1(EPOLL_CLOEXEC);
        fine[2] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        fine[3] = memfd_create("test", MFD_CLOEXEC);
        for (int i = 0; i < 4; i++) {
                EXPECT(fine[i] >= 0 || i == 2);
                if (fine[i] >= 0)
                        EXPECT(send_fd(fd, handle, fine[i]) == 0);
                close(fine[i]);
        }
        test_passed_descriptors(fd, handle);
        /*
         * The end of the peer must close the queued descriptors. The part usage-at-end of the test
         * checks that no account is charged any more.
         */
        close(path);
        close(ring);
        close(other);
        close(fd);
}

/* If the receiver has no room for descriptors, the message stays queued for another try. */
static void test_no_descriptors_left(void) {
        struct rlimit limit, none;
        struct bus1_metadata metadata;
        struct bus1_message_fds message;
        int fd = peer_open(), fds[3], n;
        uint64_t node, handle;

        node_create(fd, fd, &node, &handle);
        for (int i = 0; i < 3; i++)
                fds[i] = eventfd(0, EFD_CLOEXEC);
        message = (struct bus1_message_fds){
                .message.flags = BUS1_MESSAGE_FLAG_FDS, .n_fds = 3, .ptr_fds = ptr(fds)};
        EXPECT(send_message(fd, handle, &message.message) == 0);
        for (int i = 0; i < 3; i++)
                close(fds[i]);
        n = count_fds();

        EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
        none = limit;
        none.rlim_cur = (rlim_t)fds[2];
        EXPECT(setrlimit(RLIMIT_NOFILE, &none) == 0);
        message.message.type = BUS1_INVALID;
        EXPECT(recv_message(fd, &message.message, 0, &metadata) == -EMFILE);
        EXPECT(count_fds() == n);
        EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        EXPECT(recv_message(fd, &message.message, 0, &metadata) == 0);
        EXPECT(message.n_fds == 3 && count_fds() == n + 3);
        for (int i = 0; i < 3; i++)
                close(fds[i]);
        close(fd);
}

static void test_credentials(void) {
        struct bus1_metadata_credentials m;
        int fd = peer_open(), foreign[2], pipe_fds[2];
        uint64_t node, handle;
        pid_t pid;

        /* the account is that of the opener of the peer, the credentials are those of the sender */
        node_create(fd, fd, &node, &handle);
        pid = fork();
        if (pid == 0) {
                EXPECT(setresgid(2000, 2001, 2002) == 0 && setresuid(1000, 1001, 1002) == 0);
                EXPECT(send_bytes(fd, handle, "x", 1) == 0);
                _exit(0);
        }
        expect_exit(pid);
        EXPECT(recv_any(fd, &m) == BUS1_MESSAGE_TYPE_USER);
        EXPECT(m.metadata.account == 0 && m.uid == 1001 && m.gid == 2001);
        EXPECT(m.pid == (uint64_t)pid && m.tid == (uint64_t)pid);

        /* the account is that of the effective user when the peer was opened */
        EXPECT(pipe(pipe_fds) == 0);
        foreign[0] = peer_open_as(1003);
        {
                struct bus1_transfer src = {0, handle}, dst;

                EXPECT(transfer(fd, (uint64_t)foreign[0], &src, &dst) == 0);
                EXPECT(send_bytes(foreign[0], dst.id, "x", 1) == 0);
        }
        EXPECT(recv_any(fd, &m) == BUS1_MESSAGE_TYPE_USER);
        EXPECT(m.metadata.account == 1003 && m.uid == 0 && m.pid == (uint64_t)getpid());

        /* a receiver in namespaces that have no uid and pid for the sender */
        EXPECT(send_bytes(fd, handle, "x", 1) == 0);
        pid = fork();
        if (pid == 0) {
                pid_t child;

                EXPECT(unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0);
                child = fork();
                if (child == 0) {
                        EXPECT(recv_any(fd, &m) == BUS1_MESSAGE_TYPE_USER);
                        EXPECT(m.metadata.account == BUS1_INVALID && m.uid == BUS1_INVALID);
                        EXPECT(m.gid == BUS1_INVALID && m.pid == BUS1_INVALID);
                        EXPECT(m.tid == BUS1_INVALID);
                        /* the namespaces of the test have a uid and pid for this sender */
                        EXPECT(send_bytes(fd, handle, "x", 1) == 0);
                        _exit(0);
                }
                expect_exit(child);
                _exit(0);
        }
        expect_exit(pid);
        EXPECT(recv_any(fd, &m) == BUS1_MESSAGE_TYPE_USER);
        EXPECT(m.uid == 0 && m.pid != BUS1_INVALID && m.pid > (uint64_t)pid);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        close(foreign[0]);
        close(fd);
}

/* A process that runs many commands until it is killed. */
static void be_busy(int fd, uint64_t handle) {
        static char data[30000];
        struct bus1_metadata_credentials metadata;
        int own = peer_open();

        for (;;) {
                uint64_t node, h, ids[1];
                struct bus1_transfer src = {0, handle}, dst;

                node_create(own, own, &node, &h);
                send_bytes(own, h, data, sizeof(data));
                send_fd(own, h, 1);
                if (transfer(fd, (uint64_t)own, &src, &dst) == 0)
                        send_bytes(own, dst.id, data, sizeof(data));
                while (recv_any(own, &metadata) >= 0)
                        ;
                ids[0] = node;
                command(own, BUS1_CMD_RELEASE,
                        &(struct bus1_cmd_release){.n_ids = 1, .ptr_ids = ptr(ids)});
        }
}

static void test_killed(void) {
        struct bus1_metadata_credentials metadata;

        for (int i = 0; i < 60; i++) {
                int fd = peer_open(), victim = peer_open(), status;
                uint64_t node, handle, victim_node, victim_handle;
                bool told = false;
                pid_t pid;

                node_create(fd, fd, &node, &handle);
                node_create(victim, fd, &victim_node, &victim_handle);
                pid = fork();
                if (pid == 0)
                        be_busy(fd, handle);
                close(victim);
                usleep((useconds_t)(i * 997 % 20000));
                EXPECT(kill(pid, SIGKILL) == 0);
                EXPECT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
                /* the death of the process has ended its peers, and the peer fd is notified */
                for (;;) {
                        int r = recv_any(fd, &metadata);

                        if (r == -EAGAIN)
                                break;
                        EXPECT(r >= 0);
                        if (r == BUS1_MESSAGE_TYPE_NODE_RELEASE) {
                                EXPECT(metadata.metadata.id == victim_handle);
                                told = true;
                        }
                }
                EXPECT(told);
                EXPECT(query(fd).n_nodes == 1 && query(fd).n_handles == 1);
                close(fd);
        }
}

static void test_limits(void) {
        struct bus1_message_fds message;
        int fd = peer_open(), fds[3] = {1, 1, 1}, r;
        uint64_t node, handle;
        static char data[262144];
        int n;

        node_create(fd, fd, &node, &handle);
        for (n = 0; (r = send_bytes(fd, handle, "x", 1)) == 0; n++)
                ;
        /* a peer gets at most half of the limit of its user */
        EXPECT(r == -EDQUOT && n == 4 && query(fd).n_messages == 4);
        close(fd);

        fd = peer_open();
        node_create(fd, fd, &node, &handle);
        EXPECT(send_bytes(fd, handle, data, sizeof(data)) == -EDQUOT);
        message = (struct bus1_message_fds){
                .message.flags = BUS1_MESSAGE_FLAG_FDS, .n_fds = 3, .ptr_fds = ptr(fds)};
        EXPECT(send_message(fd, handle, &message.message) == -EDQUOT);
        EXPECT(query(fd).n_bytes == 0 && query(fd).n_fds == 0 && query(fd).n_messages == 0);
        for (n = 1;; n++) {
                struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, dst;

                r = transfer(fd, UINT64_MAX, &src, &dst);
                if (r < 0)
                        break;
        }
        EXPECT(r == -EDQUOT && n == 16);
        EXPECT(query(fd).n_nodes == 16 && query(fd).n_handles == 16);
        close(fd);
}

static void test_without_2016(void) {
        static const unsigned long commands[] = {
                BUS1_2016_PEER_DISCONNECT,
                BUS1_2016_PEER_QUERY,
                BUS1_2016_PEER_RESET,
                BUS1_2016_HANDLE_RELEASE,
                BUS1_2016_HANDLE_TRANSFER,
                BUS1_2016_NODES_DESTROY,
                BUS1_2016_SLICE_RELEASE,
                BUS1_2016_SEND,
                BUS1_2016_RECV,
        };
        static uint64_t argument[32];
        int fd = peer_open();

        for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
                EXPECT(command(fd, commands[i], argument) == -ENOTTY);
        /* the peer can still use the interface of 2026 */
        EXPECT(query(fd).n_nodes == 0);
        close(fd);
}

int main(int argc, char **argv) {
        const char *what = argc == 2 ? argv[1] : "";

        if (strcmp(what, "query") == 0) {
                test_query();
        } else if (strcmp(what, "limits") == 0) {
                test_limits();
        } else if (strcmp(what, "without-2016") == 0) {
                test_without_2016();
        } else if (strcmp(what, "all") == 0) {
                test_query();
                test_flags();
                test_descriptors();
                test_readiness();
                test_end_wakes_all();
                test_faults();
                test_sizes();
                test_refused_descriptors();
                test_no_descriptors_left();
                test_credentials();
                test_killed();
        } else {
                fprintf(stderr, "usage: test-device all|query|limits|without-2016\n");
                return 2;
        }

        printf("%s: as expected\n", what);
        return 0;
}
