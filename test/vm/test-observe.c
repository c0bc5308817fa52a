/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * debugfs and tracepoints, by which root observes the module, and fdinfo, by which a user observes
 * its peers
 *
 * There must be no peers of other programs, because the test expects exact contents.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/bus1-2016.h>
#include <linux/bus1.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEBUGFS "/sys/kernel/debug/bus1/"
#define TRACEFS "/sys/kernel/tracing/"
/* so many nodes that one read() of a file in debugfs cannot list them all */
#define N_NODES 1000

#define EXPECT(condition)                                                                   \
        do {                                                                                \
                if (!(condition)) {                                                         \
                        fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #condition); \
                        exit(1);                                                            \
                }                                                                           \
        } while (0)

typedef unsigned long long ull;

static FILE *table(const char *name, char *head, size_t n_head) {
        char path[100];
        FILE *f;

        snprintf(path, sizeof(path), DEBUGFS "%s", name);
        f = fopen(path, "re");
        EXPECT(f && fgets(head, n_head, f));
        return f;
}

static ull peers[2];
static struct bus1_transfer nodes[N_NODES], handles[N_NODES];

static void check_peers(void) {
        char head[200], state[20];
        ull uid, n_nodes, n_handles, bytes, objects, messages, files;
        FILE *f = table("peers", head, sizeof(head));

        EXPECT(strcmp(head, "peer uid state nodes handles bytes objects messages files\n") == 0);
        for (int i = 0; i < 2; i++) {
                EXPECT(fscanf(f, "%llu %llu %19s %llu %llu %llu %llu %llu %llu", &peers[i], &uid,
                              state, &n_nodes, &n_handles, &bytes, &objects, &messages,
                              &files) == 9);
                EXPECT(uid == geteuid() && strcmp(state, "open") == 0);
                EXPECT(n_nodes == (i == 0 ? N_NODES : 0));
                EXPECT(n_handles == (i == 0 ? 0 : N_NODES));
                EXPECT(messages == (i == 0 ? 1 : 0) && bytes == (i == 0 ? 5 : 0) && files == 0);
        }
        EXPECT(fgetc(f) == '\n' && fgetc(f) == EOF);
        EXPECT(peers[0] < peers[1]);
        fclose(f);
}

static void check_queues(void) {
        char head[200], state[20];
        ull peer, clock, n;
        FILE *f = table("queues", head, sizeof(head));

        EXPECT(fscanf(f, "%llu %llu %llu %19s", &peer, &clock, &n, state) == 4);
        EXPECT(peer == peers[0] && n == 1 && strcmp(state, "readable") == 0);
        EXPECT(fscanf(f, "%llu %llu %llu %19s", &peer, &clock, &n, state) == 4);
        EXPECT(peer == peers[1] && n == 0 && strcmp(state, "empty") == 0);
        fclose(f);
}

static void check_objects(void) {
        char head[200];
        ull peer, id, owner, node;
        FILE *f;

        f = table("nodes", head, sizeof(head));
        for (size_t i = 0; i < N_NODES; i++)
                EXPECT(fscanf(f, "%llu %llu", &peer, &id) == 2 && peer == peers[0] &&
                       id == nodes[i].id);
        EXPECT(fgetc(f) == '\n' && fgetc(f) == EOF);
        fclose(f);

        f = table("handles", head, sizeof(head));
        for (size_t i = 0; i < N_NODES; i++)
                EXPECT(fscanf(f, "%llu %llu %llu %llu", &peer, &id, &owner, &node) == 4 &&
                       peer == peers[1] && id == handles[i].id && owner == peers[0] &&
                       node == nodes[i].id);
        EXPECT(fgetc(f) == '\n' && fgetc(f) == EOF);
        fclose(f);
}

static void check_accounts(void) {
        char head[200];
        ull uid, n_users, bytes, max_bytes, objects, max_objects, memory, copies, max_copies;
        FILE *f = table("accounts", head, sizeof(head));

        EXPECT(fscanf(f, "%llu %llu %llu/%llu %llu/%llu %*u/%*u %*u/%*u %llu/%*u %llu/%llu", &uid,
                      &n_users, &bytes, &max_bytes, &objects, &max_objects, &memory, &copies,
                      &max_copies) == 9);
        EXPECT(uid == geteuid() && n_users == 0 && bytes == 5 && max_bytes > bytes);
        EXPECT(objects == 2 * N_NODES && max_objects > objects);
        EXPECT(memory >= 5 + 768 + objects * 1024 && memory <= 5 + 2 * 768 + objects * 1024);
        EXPECT(copies == 0 && max_copies == 16384);
        fclose(f);
}

/* Only root may read the files. */
static void check_access(void) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                if (setuid(1000) < 0)
                        _exit(2);
                _exit(open(DEBUGFS "handles", O_RDONLY | O_CLOEXEC) < 0 ? 0 : 1);
        }
        EXPECT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void read_fdinfo(int fd, char *text, size_t size) {
        char path[100];
        size_t n;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        f = fopen(path, "re");
        EXPECT(f);
        n = fread(text, 1, size - 1, f);
        text[n] = '\0';
        fclose(f);
}

/* The lines that the module adds to fdinfo must be these, in this order. */
static void expect_fdinfo(int fd, const char *expected) {
        char text[2000];
        const char *lines;

        read_fdinfo(fd, text, sizeof(text));
        lines = strstr(text, "bus1-");
        if (!lines || strcmp(lines, expected) != 0) {
                fprintf(stderr, "fdinfo is\n%s\nnot\n%s", text, expected);
                exit(1);
        }
}

static void check_fdinfo(int a, int b) {
        struct bus1_cmd_query query = {};
        char expected[1000];

        EXPECT(ioctl(a, BUS1_CMD_QUERY, &query) == 0);
        snprintf(expected, sizeof(expected),
                 "bus1-generation:\t2026\nbus1-peer:\t%llu\nbus1-uid:\t%u\n"
                 "bus1-state:\treadable\nbus1-nodes:\t%llu\nbus1-handles:\t%llu\n"
                 "bus1-queued:\t%llu\nbus1-bytes:\t%llu\nbus1-objects:\t%d\n"
                 "bus1-messages:\t1\nbus1-files:\t%llu\nbus1-pending:\t0\n",
                 peers[0], geteuid(), (ull)query.n_nodes, (ull)query.n_handles,
                 (ull)query.n_messages, (ull)query.n_bytes, N_NODES, (ull)query.n_fds);
        expect_fdinfo(a, expected);
        snprintf(expected, sizeof(expected),
                 "bus1-generation:\t2026\nbus1-peer:\t%llu\nbus1-uid:\t%u\n"
                 "bus1-state:\topen\nbus1-nodes:\t0\nbus1-handles:\t%d\n"
                 "bus1-queued:\t0\nbus1-bytes:\t0\nbus1-objects:\t%d\n"
                 "bus1-messages:\t0\nbus1-files:\t0\nbus1-pending:\t0\n",
                 peers[1], geteuid(), N_NODES, N_NODES);
        expect_fdinfo(b, expected);
}

/* fdinfo of a peer that has run no command, then becomes a peer of 2016, then ends. */
static void check_fdinfo_2016(void) {
        int fd = open("/dev/bus1", O_RDWR | O_CLOEXEC);
        struct bus1_2016_peer_reset query = {};
        char text[2000];

        EXPECT(fd >= 0);
        read_fdinfo(fd, text, sizeof(text));
        EXPECT(strstr(text, "bus1-generation:\tnone\n") && strstr(text, "bus1-nodes:\t0\n"));
        if (ioctl(fd, BUS1_2016_PEER_QUERY, &query) == 0) {
                read_fdinfo(fd, text, sizeof(text));
                EXPECT(strstr(text, "bus1-generation:\t2016\n") && !strstr(text, "nodes"));
                EXPECT(ioctl(fd, BUS1_2016_PEER_DISCONNECT, &(uint64_t){0}) == 0);
                read_fdinfo(fd, text, sizeof(text));
                EXPECT(strstr(text, "bus1-state:\tended\n"));
        }
        close(fd);
}

/* The kernel shows fdinfo only to processes that may trace the process. */
static void check_fdinfo_access(int a) {
        char path[100];
        pid_t pid = fork();
        int status;

        snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid == 0 ? getppid() : getpid(), a);
        if (pid == 0) {
                if (setuid(1000) < 0)
                        _exit(2);
                _exit(open(path, O_RDONLY | O_CLOEXEC) < 0 ? 0 : 1);
        }
        EXPECT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

        EXPECT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        close(fd);
}

__attribute__((format(printf, 2, 3))) static void expect_traced(const char *trace,
                                                                const char *format, ...) {
        char line[300];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(line, sizeof(line), format, arguments);
        va_end(arguments);
        if (!strstr(trace, line)) {
                fprintf(stderr, "no \"%s\" in\n%s", line, trace);
                exit(1);
        }
}

static void read_trace(char *trace, size_t size) {
        int fd = open(TRACEFS "trace", O_RDONLY | O_CLOEXEC);
        size_t n = 0;
        ssize_t l;

        EXPECT(fd >= 0);
        while (n < size - 1 && (l = read(fd, trace + n, size - 1 - n)) > 0)
                n += l;
        trace[n] = '\0';
        close(fd);
}

static void send_five(int fd, uint64_t handle) {
        struct iovec vec = {"12345", 5};
        struct bus1_message message = {
                .n_data = 5, .n_data_vecs = 1, .ptr_data_vecs = (uintptr_t)&vec};
        struct bus1_cmd_send cmd = {
                .n_destinations = 1,
                .ptr_destinations = (uintptr_t)&handle,
                .ptr_message = (uintptr_t)&message,
        };

        EXPECT(ioctl(fd, BUS1_CMD_SEND, &cmd) == 0);
}

static void check_trace(int a, int b) {
        static char trace[65536];
        char data[5];
        struct iovec vec = {data, 5};
        struct bus1_message message = {.type = BUS1_INVALID,
                                       .n_data = 5,
                                       .n_data_vecs = 1,
                                       .ptr_data_vecs = (uintptr_t)&vec};
        struct bus1_metadata metadata;
        struct bus1_cmd_recv recv = {.ptr_metadata = (uintptr_t)&metadata,
                                     .ptr_message = (uintptr_t)&message};
        struct bus1_cmd_release release = {.n_ids = 1, .ptr_ids = (uintptr_t)&nodes[1].id};
        struct bus1_cmd_release unknown = {.n_ids = 1,
                                           .ptr_ids = (uintptr_t) & (uint64_t){1ULL << 40}};
        struct bus1_cmd_reset reset = {};
        struct bus1_cmd_disconnect disconnect = {};

        if (access(TRACEFS "events/bus1", F_OK) < 0) {
                printf("no tracefs, ");
                return;
        }
        write_file(TRACEFS "trace", "");
        write_file(TRACEFS "events/bus1/enable", "1");
        send_five(b, handles[0].id);
        EXPECT(ioctl(a, BUS1_CMD_RECV, &recv) == 0);
        EXPECT(ioctl(a, BUS1_CMD_RELEASE, &release) == 0);
        EXPECT(ioctl(a, BUS1_CMD_RELEASE, &unknown) < 0 && errno == EBADRQC);
        EXPECT(ioctl(b, BUS1_CMD_RESET, &reset) == 0);
        EXPECT(ioctl(b, BUS1_CMD_DISCONNECT, &disconnect) == 0);
        write_file(TRACEFS "events/bus1/enable", "0");

        read_trace(trace, sizeof(trace));
        expect_traced(trace,
                      "bus1_send: peer=%llu flags=0x0 destinations=1 first=%llu "
                      "transfers=0 data=5 files=0 result=0",
                      peers[1], (ull)handles[0].id);
        expect_traced(trace,
                      "bus1_recv: peer=%llu type=user id=%llu transfers=0 data=5 files=0 "
                      "result=0",
                      peers[0], (ull)nodes[0].id);
        expect_traced(trace, "bus1_release: peer=%llu ids=1 result=0", peers[0]);
        expect_traced(trace, "bus1_release: peer=%llu ids=1 result=-%d", peers[0], EBADRQC);
        expect_traced(trace, "bus1_end: peer=%llu reset", peers[1]);
        expect_traced(trace, "bus1_end: peer=%llu disconnect", peers[1]);
}

/* A peer of 2016 causes the same events, with the message types of 2026. */
static void check_trace_2016(void) {
        static char trace[65536];
        int fd = open("/dev/bus1", O_RDWR | O_CLOEXEC);
        uint64_t id = 4;
        struct bus1_2016_send send = {.ptr_destinations = (uintptr_t)&id, .n_destinations = 1};
        struct bus1_2016_recv recv = {.max_offset = UINT64_MAX};

        if (access(TRACEFS "events/bus1", F_OK) < 0)
                return;
        write_file(TRACEFS "trace", "");
        write_file(TRACEFS "events/bus1/enable", "1");
        EXPECT(fd >= 0 && ioctl(fd, BUS1_2016_SEND, &send) == 0);
        EXPECT(ioctl(fd, BUS1_2016_RECV, &recv) == 0);
        write_file(TRACEFS "events/bus1/enable", "0");
        read_trace(trace, sizeof(trace));
        expect_traced(trace,
                      "flags=0x0 destinations=1 first=4 transfers=0 data=0 files=0 result=0");
        expect_traced(trace, "type=user id=4 transfers=0 data=0 files=0 result=0");
        close(fd);
}

int main(void) {
        int a = open("/dev/bus1", O_RDWR | O_CLOEXEC), b = open("/dev/bus1", O_RDWR | O_CLOEXEC);
        struct bus1_cmd_transfer cmd = {
                .to = b,
                .n_transfers = N_NODES,
                .ptr_src = (uintptr_t)nodes,
                .ptr_dst = (uintptr_t)handles,
        };

        EXPECT(a >= 0 && b >= 0);
        for (size_t i = 0; i < N_NODES; i++)
                nodes[i] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        EXPECT(ioctl(a, BUS1_CMD_TRANSFER, &cmd) == 0);
        send_five(b, handles[0].id);

        check_peers();
        check_queues();
        check_objects();
        check_accounts();
        check_access();
        check_fdinfo(a, b);
        check_fdinfo_2016();
        check_fdinfo_access(a);
        check_trace(a, b);
        check_trace_2016();
        printf("tables of 2 peers, %d nodes and handles; fdinfo; traces\n", N_NODES);
        return 0;
}
