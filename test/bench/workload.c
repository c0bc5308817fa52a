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

#define CHUNK (256 * 1024)
#define RULE "type='signal',interface='com.example.Bench'"

const struct workload workloads[] = {
        {"ping-pong, one CPU", WORKLOAD_CALLS, .one_cpu = true, .window = 1, .n_body = 8},
        {"ping-pong of 64 KiB, one CPU", WORKLOAD_CALLS, .one_cpu = true, .window = 1,
         .n_body = 65536},
        {"64 calls outstanding", WORKLOAD_CALLS, .window = 64, .n_body = 8},
        {"64 outstanding, one write each", WORKLOAD_CALLS, .window = 64, .n_body = 8,
         .single_writes = true},
        {"stream of unicast signals", WORKLOAD_SIGNALS, .window = 4, .block = 1024, .receivers = 1,
         .n_body = 8},
        {"broadcast to 10, backlog", WORKLOAD_SIGNALS, .window = 4, .block = 64, .receivers = 10,
         .n_body = 8},
        {"broadcast to 100, backlog", WORKLOAD_SIGNALS, .window = 4, .block = 64, .receivers = 100,
         .n_body = 8},
        {"broadcast to 10, one in flight", WORKLOAD_SIGNALS, .one_cpu = true, .window = 1,
         .block = 1, .receivers = 10, .n_body = 8},
        {"broadcast to 100, one in flight", WORKLOAD_SIGNALS, .one_cpu = true, .window = 1,
         .block = 1, .receivers = 100, .n_body = 8},
        {"connect, Hello, close", WORKLOAD_CONNECT},
};
const size_t n_workloads = sizeof(workloads) / sizeof(workloads[0]);

static double now(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/* A process that works at the other end until it is killed. */
static pid_t peer_fork(void) {
        pid_t pid = fork();

        if (pid < 0)
                raw_fail("fork: %s", strerror(errno));
        if (pid == 0)
                prctl(PR_SET_PDEATHSIG, SIGKILL);
        return pid;
}

static void peer_end(pid_t pid) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

static uint8_t *build(uint8_t type, const char *destination, size_t n_body, size_t *ret_n) {
        size_t n = n_body < 4 ? 4 : n_body;
        uint8_t *body = calloc(1, n), *m;
        uint32_t length = n - 4;
        struct raw_fields f = {
                .type = type,
                .flags = type == RAW_CALL ? 0 : RAW_NO_REPLY,
                .serial = 1,
                .destination = destination,
                .signature = "ay",
                .body = body,
                .n_body = n,
        };

        if (!body)
                raw_fail("out of memory");
        memcpy(body, &length, 4);
        if (type == RAW_RETURN) {
                f.reply_serial = 1;
        } else {
                f.path = "/com/example/Bench";
                f.interface = "com.example.Bench";
                f.member = "Method";
        }
        m = raw_build(&f, ret_n);
        free(body);
        return m;
}

/* n copies of a message in a row, to be written at once */
struct batch {
        uint8_t *data;
        size_t n_message;
        uint32_t serial;
};

static void batch_init(struct batch *b, const uint8_t *message, size_t n_message, size_t copies) {
        b->data = malloc(n_message * copies);
        b->n_message = n_message;
        b->serial = 1;
        if (!b->data)
                raw_fail("out of memory");
        for (size_t i = 0; i < copies; i++)
                memcpy(b->data + i * n_message, message, n_message);
}

static void batch_write(struct batch *b, int fd, size_t n, bool single) {
        for (size_t i = 0; i < n; i++) {
                b->serial = b->serial == UINT32_MAX ? 1 : b->serial + 1;
                raw_message_set_serial(b->data + i * b->n_message, b->serial);
                if (single)
                        raw_write(fd, b->data + i * b->n_message, b->n_message);
        }
        if (!single && n > 0)
                raw_write(fd, b->data, n * b->n_message);
}

/* Bytes as they come, of which whole messages are taken. */
struct stream {
        uint8_t *data;
        size_t n;
        size_t at;
};

static bool stream_read(struct stream *s, int fd) {
        ssize_t l;

        if (!s->data) {
                s->data = malloc(CHUNK);
                if (!s->data)
                        raw_fail("out of memory");
        }
        memmove(s->data, s->data + s->at, s->n - s->at);
        s->n -= s->at;
        s->at = 0;
        do
                l = recv(fd, s->data + s->n, CHUNK - s->n, 0);
        while (l < 0 && errno == EINTR);
        if (l <= 0)
                return false;
        s->n += l;
        return true;
}

static const uint8_t *stream_next(struct stream *s) {
        size_t size = raw_message_size(s->data + s->at, s->n - s->at);

        if (size == 0 || size > s->n - s->at)
                return NULL;
        s->at += size;
        return s->data + s->at - size;
}

/* calls */

__attribute__((noreturn)) static void echo_run(const struct workload *w, int fd,
                                               const char *caller) {
        struct stream in = {};
        struct batch replies;
        size_t n, at;
        uint8_t *m;

        m = build(RAW_RETURN, caller, w->n_body, &n);
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
        double end = now() + seconds;
        size_t n;
        uint8_t *m;

        m = build(RAW_CALL, callee, w->n_body, &n);
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
                if (k > 0 && now() < end) {
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

/* Counts what all receivers got; a byte into the pipe for each block that has arrived everywhere.
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
        double end = now() + seconds;
        size_t n;
        uint8_t *m;

        m = build(RAW_SIGNAL, w->receivers > 1 ? NULL : receiver, w->n_body, &n);
        batch_init(&signals, m, n, burst);
        for (bool more = true; more || under_way > 0; more = more && now() < end) {
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
        double end = now() + seconds;
        uint64_t n = 0;

        do {
                char unique[64];
                int fd = raw_connect(bus->address);

                if (fd < 0)
                        raw_fail("%s: %s", bus->address, strerror(errno));
                raw_hello(fd, unique);
                close(fd);
                n++;
        } while (now() < end);
        return n;
}

bool workload_run(const struct workload *w, struct bench_bus *bus, double seconds,
                  struct workload_result *ret_result) {
        size_t n = w->kind == WORKLOAD_SIGNALS ? 1 + w->receivers : 2;
        int *fds = calloc(n, sizeof(*fds)), credit[2];
        char(*unique)[64] = calloc(n, 64);
        uint64_t cpu, done, messages;
        double start, rate_end;
        pid_t peer = 0;

        if (!fds || !unique || pipe(credit) < 0)
                raw_fail("out of memory or descriptors");
        if (w->kind == WORKLOAD_CONNECT && bus->kind == BUS_FLOOR)
                return false;

        if (w->kind != WORKLOAD_CONNECT)
                bus_connect(bus, n, fds, unique,
                            w->kind == WORKLOAD_SIGNALS && w->receivers > 1 ? RULE : NULL);
        bus_pin(bus, w->one_cpu ? 0 : -1);
        if (w->kind != WORKLOAD_CONNECT) {
                peer = peer_fork();
                if (peer == 0) {
                        if (w->kind == WORKLOAD_CALLS)
                                echo_run(w, fds[1], unique[0]);
                        receivers_run(w, fds + 1, credit[1]);
                }
        }

        cpu = bus_cpu(bus);
        start = now();
        switch (w->kind) {
        case WORKLOAD_CALLS:
                done = calls_run(w, fds[0], unique[1], seconds);
                messages = 2 * done;
                break;
        case WORKLOAD_SIGNALS:
                done = signals_run(w, fds[0], unique[1], credit[0], seconds);
                messages = done;
                break;
        default:
                done = connect_run(bus, seconds);
                messages = done;
        }
        rate_end = now();
        *ret_result = (struct workload_result){
                .rate = done / (rate_end - start),
                .cpu = (bus_cpu(bus) - cpu) / 1e3 / messages,
        };

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
