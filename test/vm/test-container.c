/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Users without privileges, and containers
 *
 * test_containers() makes containers as container managers do: an unprivileged user is root in its
 * own user, pid, mount, IPC, UTS and network namespaces, with a root directory that contains only
 * the device. Needs root, and the file bus1/usage of debugfs.
 */

#include "device.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EVERYTHING \
        (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET)

static void become(uid_t uid) {
        EXPECT(setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
        /* after a change of user, root would own the files of this process in /proc */
        EXPECT(prctl(PR_SET_DUMPABLE, 1) == 0);
}

/* Wait for the next message or notification. Returns its type, or a negative errno. */
static int recv_wait(int fd, struct bus1_metadata_credentials *ret) {
        int r;

        while ((r = recv_any(fd, ret)) == -EAGAIN)
                usleep(1000);
        return r;
}

/* a container: its process gets a peer that was opened outside, and a handle of this peer */

static void make_root(void) {
        int fd;

        EXPECT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
        EXPECT(mount("root", "/tmp", "tmpfs", 0, "mode=755") == 0);
        EXPECT(mkdir("/tmp/dev", 0755) == 0);
        fd = open("/tmp/dev/bus1", O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
        EXPECT(fd >= 0);
        close(fd);
        EXPECT(mount("/dev/bus1", "/tmp/dev/bus1", NULL, MS_BIND, NULL) == 0);
        EXPECT(chroot("/tmp") == 0 && chdir("/") == 0);
        EXPECT(access("/proc", F_OK) < 0);
}

/* The process in a container: it opens a peer, and sends through line to a peer outside. */
static void be_contained(int line, uint64_t handle) {
        struct bus1_metadata_credentials m;
        struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        struct bus1_message message = {.n_transfers = 1, .ptr_transfers = ptr(&src)};
        uint64_t node, own;
        int fd;

        EXPECT(getpid() == 1 && getuid() == 0);
        make_root();
        fd = peer_open();

        /* the process sees itself as root and as process 1 */
        node_create(fd, fd, &node, &own);
        EXPECT(send_bytes(fd, own, "x", 1) == 0);
        EXPECT(recv_any(fd, &m) == BUS1_MESSAGE_TYPE_USER);
        EXPECT(m.metadata.id == node && m.metadata.account == 0);
        EXPECT(m.uid == 0 && m.gid == 0 && m.pid == 1 && m.tid == 1);

        /* users outside have no uid in here; the answer arrives at a new node */
        EXPECT(send_message(line, handle, &message) == 0);
        EXPECT(recv_wait(line, &m) == BUS1_MESSAGE_TYPE_USER);
        EXPECT(m.metadata.id == src.id && m.metadata.account == BUS1_INVALID);
        EXPECT(m.uid == BUS1_INVALID && m.gid == BUS1_INVALID);
        EXPECT(m.pid == BUS1_INVALID && m.tid == BUS1_INVALID);

        /* the end of the process ends the peer that it has opened */
        EXPECT(handle_copy(line, fd, handle) != BUS1_INVALID);
        _exit(0);
}

/* Start a container as an unprivileged user. Returns the pid of the process that waits for it. */
static pid_t start_container(uid_t uid, int line, uint64_t handle) {
        pid_t pid = fork(), child;

        EXPECT(pid >= 0);
        if (pid > 0)
                return pid;
        become(uid);
        EXPECT(unshare(EVERYTHING) == 0);
        write_file("/proc/self/setgroups", "deny");
        map_ids(getpid(), "uid_map", uid, 1);
        map_ids(getpid(), "gid_map", uid, 1);
        child = fork();
        if (child == 0)
                be_contained(line, handle);
        expect_exit(child);
        _exit(0);
}

/* Receive the message of a container. Returns the handle in it, and its metadata in *ret. */
static uint64_t recv_request(int fd, struct bus1_metadata_credentials *ret) {
        struct bus1_transfer reply;
        struct bus1_message message;
        int r;

        do {
                message = (struct bus1_message){
                        .type = BUS1_INVALID, .n_transfers = 1, .ptr_transfers = ptr(&reply)};
                r = recv_message(fd, &message, BUS1_RECV_FLAG_CREDENTIALS, ret);
                usleep(1000);
        } while (r == -EAGAIN);
        EXPECT(r == 0 && message.type == BUS1_MESSAGE_TYPE_USER && message.n_transfers == 1);
        return reply.id;
}

static void test_containers(void) {
        struct bus1_metadata_credentials m;
        uint64_t nodes[2], handles[2], reply;
        pid_t containers[2];
        int fd = peer_open(), lines[2];

        for (unsigned i = 0; i < 2; i++) {
                lines[i] = peer_open();
                node_create(fd, lines[i], &nodes[i], &handles[i]);
                containers[i] = start_container(2000 + i, lines[i], handles[i]);
                reply = recv_request(fd, &m);
                EXPECT(m.metadata.id == nodes[i]);
                /* the account is the opener's, the credentials are the sender's */
                EXPECT(m.metadata.account == 0 && m.uid == 2000 + i && m.gid == 2000 + i);
                EXPECT(m.pid != BUS1_INVALID && m.pid > (uint64_t)containers[i]);
                EXPECT(send_bytes(fd, reply, "answer", 6) == 0);
                expect_exit(containers[i]);
        }
        for (unsigned i = 0; i < 2; i++) {
                EXPECT(query(lines[i]).n_messages == 0);
                close(lines[i]);
        }
        close(fd);
        expect_no_usage();
}

/* An unprivileged user can use the device, but not its resources without limit. */
static void test_users(void) {
        struct bus1_metadata_credentials m;
        int fd = peer_open();
        uint64_t node, handle;

        node_create(fd, fd, &node, &handle);
        for (uid_t uid = 3000; uid < 3003; uid++) {
                pid_t pid = fork();

                if (pid == 0) {
                        uint64_t own_node, own;
                        int own_fd, r, n = 0;

                        become(uid);
                        own_fd = peer_open();
                        node_create(own_fd, own_fd, &own_node, &own);
                        EXPECT(send_bytes(own_fd, own, "x", 1) == 0);
                        EXPECT(recv_any(own_fd, &m) == BUS1_MESSAGE_TYPE_USER);
                        EXPECT(m.metadata.account == uid && m.uid == uid && m.gid == uid);
                        /* The quota of this user limits what it can queue for itself. */
                        while ((r = send_bytes(own_fd, own, (char[4096]){}, 4096)) == 0 && n < 1000)
                                ++n;
                        EXPECT(r == 0 || r == -EDQUOT);
                        /* root has its own quota, so a message to root's peer arrives. */
                        own = handle_copy(fd, own_fd, handle);
                        EXPECT(send_bytes(own_fd, own, "y", 1) == 0);
                        _exit(0);
                }
                expect_exit(pid);
                EXPECT(recv_any(fd, &m) == BUS1_MESSAGE_TYPE_USER);
                EXPECT(m.metadata.id == node && m.metadata.account == uid && m.uid == uid);
                EXPECT(m.pid == (uint64_t)pid);
        }
        close(fd);
        expect_no_usage();
}

/* A process of a container. The kernel kills it when it kills the container's first process. */
static void be_busy(int line, uint64_t handle) {
        struct bus1_metadata_credentials m;
        int fd = peer_open();

        for (;;) {
                uint64_t node, own;

                node_create(fd, fd, &node, &own);
                send_bytes(fd, own, "x", 1);
                send_bytes(line, handle, "y", 1);
                send_bytes(fd, handle_copy(line, fd, handle), "z", 1);
                recv_any(fd, &m);
                release_id(fd, node);
        }
}

static void test_killed_container(void) {
        for (unsigned i = 0; i < 20; i++) {
                struct bus1_metadata_credentials m;
                int fd = peer_open(), line = peer_open(), ready[2], status, r;
                uint64_t node, handle, line_node, line_handle;
                bool told = false;
                pid_t pid;
                char c;

                node_create(fd, line, &node, &handle);
                node_create(line, fd, &line_node, &line_handle);
                EXPECT(pipe2(ready, O_CLOEXEC) == 0);
                pid = fork();
                if (pid == 0) {
                        become(2000);
                        EXPECT(unshare(EVERYTHING) == 0);
                        /* the first process of the container; it is killed when its parent ends */
                        if (fork() == 0) {
                                EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
                                for (unsigned k = 0; k < 3; k++)
                                        if (fork() == 0)
                                                be_busy(line, handle);
                                EXPECT(write(ready[1], "r", 1) == 1);
                                for (;;)
                                        pause();
                        }
                        close(line);
                        for (;;)
                                pause();
                }
                close(line);
                EXPECT(read(ready[0], &c, 1) == 1);
                close(ready[0]);
                close(ready[1]);
                usleep((i * 997) % 20000);
                EXPECT(kill(pid, SIGKILL) == 0);
                EXPECT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
                /* The processes may send faster than this one receives, until they are killed. */
                for (time_t end = time(NULL) + 20; !told && time(NULL) < end;) {
                        r = recv_any(fd, &m);
                        EXPECT(r >= 0 || r == -EAGAIN);
                        told = r == BUS1_MESSAGE_TYPE_NODE_RELEASE && m.metadata.id == line_handle;
                        if (r == -EAGAIN)
                                usleep(1000);
                }
                EXPECT(told);
                close(fd);
        }
        expect_no_usage();
}

int main(void) {
        test_users();
        test_containers();
        test_killed_container();
        printf("users and containers: as expected\n");
        return 0;
}
