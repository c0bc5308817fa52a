/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Workloads: see workload.h. */

#include "test/bench/workload.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/bench/raw.h"
#include "test/bench/traffic.h"

#define RULE "type='signal',interface='" BENCH_NAME "'"

#define CALLS WORKLOAD_CALLS, .n_body = 8
#define PING_PONG CALLS, .one_cpu = true, .window = 1
#define BROADCAST WORKLOAD_SIGNALS, .broadcast = true, .n_body = 8
#define BACKLOG BROADCAST, .window = 4, .block = 64
#define UNICAST WORKLOAD_SIGNALS, .window = 4, .block = 1024, .receivers = 1, .n_body = 8
#define IN_FLIGHT BROADCAST, .one_cpu = true, .window = 1, .block = 1
#define FOREIGN(which)                                                                        \
        WORKLOAD_SIGNALS, .broadcast = true, .n_body = 24, .signature = "s", .one_cpu = true, \
                          .window = 1, .block = 8, .receivers = 1, .setting = which

const struct workload workloads[] = {
        {"ping-pong", PING_PONG, .count_calls = true},
        {"ping-pong of 64 KiB", WORKLOAD_CALLS, .one_cpu = true, .window = 1, .n_body = 65536},
        {"64 calls outstanding", CALLS, .window = 64, .count_calls = true},
        {"64 outstanding, one write each", CALLS, .window = 64, .single_writes = true},
        {"stream of unicast signals", UNICAST, .count_calls = true},
        {"broadcast to 10, backlog", BACKLOG, .receivers = 10},
        {"broadcast to 100, backlog", BACKLOG, .receivers = 100, .count_calls = true},
        {"broadcast to 500, backlog", BACKLOG, .receivers = 500},
        {"broadcast to 10, one in flight", IN_FLIGHT, .receivers = 10, .count_calls = true},
        {"broadcast to 100, one in flight", IN_FLIGHT, .receivers = 100, .count_calls = true},
        {"50 clients, mixed", WORKLOAD_MIXED, .one_cpu = true, .receivers = 50, .n_body = 8},
        {"ping-pong to a name", PING_PONG, .to_name = true, .count_calls = true},
        {"ping-pong, policy of 861 rules", PING_PONG, .to_name = true, .count_calls = true,
         .setting = SETTING_POLICY},
        {"ping-pong, policy of 20,000 rules", PING_PONG, .to_name = true,
         .setting = SETTING_SYSTEM},
        {"unicast signals, 861 rules", UNICAST, .count_calls = true, .setting = SETTING_POLICY},
        {"unicast signals, 20,000 rules", UNICAST, .all_named = true, .count_calls = true,
         .setting = SETTING_SYSTEM},
        {"broadcast to 100, 861 rules", BACKLOG, .receivers = 100, .count_calls = true,
         .setting = SETTING_POLICY},
        {"broadcast to 100, 20,000 rules", BACKLOG, .receivers = 100, .all_named = true,
         .count_calls = true, .setting = SETTING_SYSTEM},
        {"ping-pong, 100,000 replies pending", PING_PONG, .setting = SETTING_REPLIES},
        {"ping-pong, 10,000 clients idle", PING_PONG, .setting = SETTING_IDLE},
        {"signals, no foreign rules", FOREIGN(SETTING_PLAIN)},
        {"signals, 10,000 paths", FOREIGN(SETTING_RULES_PATH)},
        {"signals, 10,000 arg0", FOREIGN(SETTING_RULES_ARG0)},
        {"signals, 10,000 path_namespace", FOREIGN(SETTING_RULES_NAMESPACE)},
        {"signals, 10,000 arg0namespace", FOREIGN(SETTING_RULES_ARG0_NAMESPACE)},
        {"signals, 10,000 arg0path", FOREIGN(SETTING_RULES_ARG0_PATH)},
        {"connect, Hello, close", WORKLOAD_CONNECT},
        {"connect, policy of 20,000 rules", WORKLOAD_CONNECT, .setting = SETTING_SYSTEM},
};
const size_t n_workloads = sizeof(workloads) / sizeof(workloads[0]);

double bench_now(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec + ts.tv_nsec * 1e-9;
}

pid_t peer_fork(void) {
        pid_t pid = fork();

        if (pid < 0)
                raw_fail("fork: %s", strerror(errno));
        if (pid == 0)
                prctl(PR_SET_PDEATHSIG, SIGKILL);
        return pid;
}

void peer_end(pid_t pid) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

/* calls */

__attribute__((noreturn)) static void echo_run(const struct workload *w, int fd,
                                               const char *caller) {
        struct stream in = {};
        struct batch replies;
        size_t n, at;
        uint8_t *m;

        m = traffic_build(RAW_RETURN, caller, w->n_body, "ay", &n);
        at = raw_message_reply_serial_at(m, n);
        batch_init(&replies, m, n, w->window);
        while (stream_read(&in, fd)) {
                const uint8_t *call;
                size_t k = 0;

                while (k < w->window && (call = stream_next(&in))) {
                        uint32_t serial = raw_message_serial(call);

                        memcpy(replies.data + k * n + at, &serial, 4);
                        k++;
                }
                batch_write(&replies, fd, k, w->single_writes);
        }
        _exit(0);
}

static uint64_t calls_run(const struct workload *w, int fd, const char *callee, double seconds) {
        struct stream in = {};
        struct batch calls;
        uint64_t done = 0, outstanding = w->window;
        double end = bench_now() + seconds;
        size_t n;
        uint8_t *m;

        m = traffic_build(RAW_CALL, callee, w->n_body, "ay", &n);
        batch_init(&calls, m, n, w->window);
        batch_write(&calls, fd, w->window, w->single_writes);
        while (outstanding > 0) {
                const uint8_t *reply;
                size_t k = 0;

                if (!stream_read(&in, fd))
                        raw_fail("the bus closed the connection");
                while ((reply = stream_next(&in))) {
                        if (reply[1] != RAW_RETURN)
                                raw_fail("not a reply but a message of type %u", reply[1]);
                        k++;
                }
                done += k;
                outstanding -= k;
                if (k > 0 && bench_now() < end) {
                        batch_write(&calls, fd, k, w->single_writes);
                        outstanding += k;
                }
        }
        free(m);
        free(calls.data);
        free(in.data);
        return done;
}

/* signals */

/*
 * Receive the signals. For every block * receivers signals, counted over all receivers, write a
 * byte to credit.
 */
__attribute__((noreturn)) static void receivers_run(const struct workload *w, const int *fds,
                                                    int credit) {
        struct stream *in = calloc(w->receivers, sizeof(*in));
        uint64_t per_block = (uint64_t)w->block * w->receivers, count = 0;
        int epoll = epoll_create1(EPOLL_CLOEXEC);

        for (size_t i = 0; i < w->receivers; i++)
                epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i],
                          &(struct epoll_event){.events = EPOLLIN, .data.u64 = i});
        for (;;) {
                struct epoll_event events[128];
                int n = epoll_wait(epoll, events, 128, -1);

                for (int e = 0; e < n; e++) {
                        struct stream *s = &in[events[e].data.u64];

                        if (!stream_read(s, fds[events[e].data.u64]))
                                _exit(1);
                        while (stream_next(s))
                                count++;
                }
                for (; count >= per_block; count -= per_block)
                        if (write(credit, "", 1) != 1)
                                _exit(1);
        }
}

static uint64_t signals_run(const struct workload *w, int fd, const char *receiver, int credit,
                            double seconds) {
        unsigned burst = w->block < 64 ? w->block : 64, under_way = 0;
        struct batch signals;
        uint64_t blocks = 0;
        double end = bench_now() + seconds;
        size_t n;
        uint8_t *m;

        m = traffic_build(RAW_SIGNAL, w->broadcast ? NULL : receiver, w->n_body,
                          w->signature ? w->signature : "ay", &n);
        batch_init(&signals, m, n, burst);
        for (bool more = true; more || under_way > 0; more = more && bench_now() < end) {
                if (more) {
                        for (unsigned i = 0; i < w->block; i += burst)
                                batch_write(&signals, fd, burst, w->single_writes);
                        under_way++;
                        blocks++;
                }
                if (under_way >= w->window || !more) {
                        char c;

                        if (read(credit, &c, 1) != 1)
                                raw_fail("the receivers have gone");
                        under_way--;
                }
        }
        free(m);
        free(signals.data);
        return blocks * w->block * w->receivers;
}

/* connections */

static uint64_t connect_run(struct bench_bus *bus, double seconds) {
        double end = bench_now() + seconds;
        uint64_t n = 0;

        do {
                char unique[64];
                int fd = raw_connect(bus->address);

                if (fd < 0)
                        raw_fail("%s: %s", bus->address, strerror(errno));
                raw_hello(fd, unique);
                close(fd);
                n++;
        } while (bench_now() < end);
        return n;
}

bool workload_run(const struct workload *w, struct bench_bus *bus, double seconds,
                  struct workload_probe *probe, struct workload_result *ret_result) {
        size_t n = w->kind == WORKLOAD_CALLS   ? 2
                   : w->kind == WORKLOAD_MIXED ? w->receivers
                                               : 1 + w->receivers;
        int *fds = calloc(n, sizeof(*fds)), credit[2];
        char(*unique)[64] = calloc(n, 64);
        uint64_t cpu, done, messages;
        double start, rate_end;
        pid_t peer = 0;

        if (!fds || !unique || pipe(credit) < 0)
                raw_fail("out of memory or descriptors");
        if (w->kind == WORKLOAD_CONNECT && bus->kind == BUS_FORWARDER) {
                free(fds);
                free(unique);
                close(credit[0]);
                close(credit[1]);
                return false;
        }

        if (w->kind != WORKLOAD_CONNECT)
                bus_connect(bus, n, fds, unique, w->broadcast ? RULE : NULL,
                            w->kind == WORKLOAD_MIXED);
        for (size_t i = 0; w->all_named && i < n && bus->kind != BUS_FORWARDER; i++)
                raw_bus_call(fds[i], "RequestName", BENCH_NAME);
        if (w->to_name && bus->kind != BUS_FORWARDER) {
                raw_bus_call(fds[1], "RequestName", BENCH_NAME);
                strcpy(unique[1], BENCH_NAME);
        }
        bus_pin(bus, w->one_cpu ? 0 : -1);
        if (w->kind == WORKLOAD_CALLS || w->kind == WORKLOAD_SIGNALS) {
                peer = peer_fork();
                if (peer == 0) {
                        if (w->kind == WORKLOAD_CALLS)
                                echo_run(w, fds[1], unique[0]);
                        receivers_run(w, fds + 1, credit[1]);
                }
        }

        if (probe)
                probe->begin(probe, bus);
        cpu = bus_cpu(bus);
        start = bench_now();
        switch (w->kind) {
        case WORKLOAD_CALLS:
                done = calls_run(w, fds[0], unique[1], seconds);
                messages = 2 * done;
                break;
        case WORKLOAD_SIGNALS:
                done = signals_run(w, fds[0], unique[1], credit[0], seconds);
                messages = done;
                break;
        case WORKLOAD_MIXED:
                done = mixed_run(n, fds, unique, bus->kind == BUS_FORWARDER, w->n_body, seconds);
                messages = 2 * done;
                break;
        default:
                done = connect_run(bus, seconds);
                messages = done;
        }
        rate_end = bench_now();
        *ret_result = (struct workload_result){
                .rate = done / (rate_end - start),
                .cpu = (bus_cpu(bus) - cpu) / 1e3 / messages,
                .messages = messages,
        };
        if (probe)
                probe->end(probe);

        if (peer > 0)
                peer_end(peer);
        bus_pin(bus, -1);
        if (w->kind != WORKLOAD_CONNECT)
                bus_disconnect(bus, n, fds);
        close(credit[0]);
        close(credit[1]);
        free(fds);
        free(unique);
        return true;
}
