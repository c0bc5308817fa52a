/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1-bench-reload - measures how much a reload delays the messages of clients
 *
 * 50 clients, in pairs, send each other signals in small batches. Each batch has signals of two
 * interfaces, X and Y. A client sends the next batch when the other client has got the signals of X
 * of the last batch, and the client itself an error for each signal of Y. In a first run nothing
 * else happens. In a second run the bus reads its configuration, which has 20,000 rules, again and
 * again. The configuration alternates between two policies. Both allow X and refuse Y: one refuses
 * to send Y, the other refuses to receive Y. So if a signal of Y arrives, it was judged by a
 * mixture of both policies. Such a signal or a lost message ends the program with an error.
 *
 * The program prints how long batches took, in milliseconds: the longest batch, and the longest one
 * if the slowest thousandth of the batches is left out.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/bench/bus.h"
#include "test/bench/raw.h"
#include "test/bench/setting.h"
#include "test/bench/traffic.h"
#include "test/bench/workload.h"

#define CLIENTS 50
#define BATCH 10 /* signals of X, and as many of Y */
#define FILES 500
#define RULES 40
#define X "com.example.X"
#define Y "com.example.Y"
#define TICK 1e-5     /* width of a bar of the histogram, in seconds */
#define TICKS 1000000 /* a longer time counts as this many ticks */

struct client {
        int fd;
        struct client *peer;
        struct stream in;
        uint8_t *out; /* one batch, ready to be written */
        size_t n_out, n_message;
        uint32_t serial;
        uint64_t sent, received;
        unsigned under_way; /* signals of the batch that have not arrived or been refused yet */
        double started;
};

struct run {
        struct client clients[CLIENTS];
        char unique[CLIENTS + 1][64];
        int control;
        struct stream in; /* received by control */
        const char *directory;
        uint64_t n_messages, messages; /* to be sent at least; sent so far */
        unsigned n_reloads, reloads;   /* to be done; asked for so far */
        bool reloading;
        uint64_t batches;
        uint32_t *histogram;
};

/* files */

static void write_file(const char *directory, const char *name, const char *text) {
        char path[400], temporary[410];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        snprintf(temporary, sizeof(temporary), "%s.new", path);
        f = fopen(temporary, "we");
        if (!f || fputs(text, f) < 0 || fclose(f) != 0 || rename(temporary, path) < 0)
                raw_fail("%s: %s", path, strerror(errno));
}

static void write_policy(const char *directory, bool by_receiver) {
        char text[1024];

        snprintf(text, sizeof(text),
                 "<busconfig><policy context=\"default\"><allow send_destination=\"*\" "
                 "eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/>%s</policy>"
                 "</busconfig>",
                 by_receiver ? "<deny receive_interface=\"" Y "\" receive_type=\"signal\"/>"
                             : "<deny send_interface=\"" Y "\"/>");
        write_file(directory, "policy.conf", text);
}

/* Write files with the 20,000 rules, and all.conf, which includes policy.conf and these files. */
static void write_rules(const char *directory) {
        static char text[RULES * 128 + 256];
        char rules[300];

        snprintf(rules, sizeof(rules), "%s/rules", directory);
        if (mkdir(rules, 0755) < 0)
                raw_fail("%s: %s", rules, strerror(errno));
        for (unsigned i = 0; i < FILES; i++) {
                char name[32];
                int n = snprintf(text, sizeof(text), "<busconfig><policy context=\"default\">\n");

                for (unsigned k = 0; k < RULES; k++)
                        n += snprintf(text + n, sizeof(text) - n,
                                      "<deny send_destination=\"com.example.Service%u\" "
                                      "send_interface=\"com.example.I%u\"/>\n",
                                      i, k);
                snprintf(text + n, sizeof(text) - n, "</policy></busconfig>\n");
                snprintf(name, sizeof(name), "%u.conf", i);
                write_file(rules, name, text);
        }
        snprintf(text, sizeof(text),
                 "<busconfig><include>%s/policy.conf</include><includedir>%s</includedir>"
                 "</busconfig>\n",
                 directory, rules);
        write_file(directory, "all.conf", text);
}

/* clients */

static void client_prepare(struct client *c, const char *destination) {
        static const uint64_t number;
        struct raw_fields f = {
                .type = RAW_SIGNAL,
                .flags = RAW_NO_REPLY,
                .serial = 1,
                .destination = destination,
                .path = "/",
                .interface = X,
                .member = "M",
                .signature = "t",
                .body = &number,
                .n_body = sizeof(number),
        };
        uint8_t *x = raw_build(&f, &c->n_message), *y;
        size_t n;

        f.interface = Y;
        y = raw_build(&f, &n);
        c->n_out = 2 * BATCH * n;
        c->out = malloc(c->n_out);
        if (!c->out || n != c->n_message)
                raw_fail("out of memory");
        for (unsigned i = 0; i < 2 * BATCH; i++)
                memcpy(c->out + i * n, i % 2 ? y : x, n);
        free(x);
        free(y);
}

static void client_send(struct run *run, struct client *c) {
        for (unsigned i = 0; i < 2 * BATCH; i++) {
                uint8_t *m = c->out + i * c->n_message;

                raw_message_set_serial(m, ++c->serial);
                if (i % 2 == 0) {
                        c->sent++;
                        memcpy(m + c->n_message - sizeof(c->sent), &c->sent, sizeof(c->sent));
                }
        }
        c->under_way = 2 * BATCH;
        c->started = bench_now();
        run->messages += 2 * BATCH;
        raw_write(c->fd, c->out, c->n_out);
}

static void client_done(struct run *run, struct client *c) {
        double ticks = (bench_now() - c->started) / TICK;

        run->histogram[ticks < TICKS ? (size_t)ticks : TICKS]++;
        run->batches++;
        if (run->messages < run->n_messages || run->reloads < run->n_reloads)
                client_send(run, c);
}

static void client_receive(struct run *run, struct client *c) {
        const uint8_t *m;

        if (!stream_read(&c->in, c->fd))
                raw_fail("the bus closed the connection");
        while ((m = stream_next(&c->in))) {
                struct client *sender = c->peer;
                size_t n = raw_message_size(m, 16);

                if (m[1] == RAW_ERROR) {
                        sender = c;
                } else {
                        uint64_t number;

                        memcpy(&number, m + n - sizeof(number), sizeof(number));
                        if (m[1] != RAW_SIGNAL || memmem(m, n, Y, strlen(Y)))
                                raw_fail("a message was judged by a mixture of policies");
                        if (number != ++c->received)
                                raw_fail("a message was lost");
                }
                if (--sender->under_way == 0)
                        client_done(run, sender);
        }
}

/* reloads */

static void reload(struct run *run) {
        uint8_t *m;
        size_t n;

        if (run->reloading || run->reloads >= run->n_reloads ||
            run->reloads * run->n_messages > run->messages * run->n_reloads)
                return;
        write_policy(run->directory, run->reloads++ % 2 == 0);
        m = raw_build_bus_call(run->reloads + 1000, &n, "ReloadConfig", NULL);
        raw_write(run->control, m, n);
        free(m);
        run->reloading = true;
}

static void control_receive(struct run *run) {
        const uint8_t *m;

        if (!stream_read(&run->in, run->control))
                raw_fail("the bus closed the connection");
        while ((m = stream_next(&run->in))) {
                if (m[1] == RAW_ERROR)
                        raw_fail("a reload failed");
                if (m[1] == RAW_RETURN)
                        run->reloading = false;
        }
}

/* The longest time that a batch took, in ms, if the n slowest batches are left out. */
static double delay(const struct run *run, uint64_t n) {
        size_t i = TICKS;

        for (uint64_t seen = run->histogram[i]; seen <= n && i > 0; seen += run->histogram[i])
                i--;
        return i * TICK * 1e3;
}

struct outcome {
        double longest, usual, seconds;
        uint64_t messages;
};

static struct outcome run_once(struct bench_bus *bus, const char *directory, uint64_t n_messages,
                               unsigned n_reloads) {
        struct run *run = calloc(1, sizeof(*run));
        int fds[CLIENTS + 1], epoll = epoll_create1(EPOLL_CLOEXEC);
        struct outcome outcome = {};
        unsigned idle;

        if (!run || !(run->histogram = calloc(TICKS + 1, sizeof(*run->histogram))))
                raw_fail("out of memory");
        run->directory = directory;
        run->n_messages = n_messages;
        run->n_reloads = n_reloads;
        bus_connect(bus, CLIENTS + 1, fds, run->unique, NULL, false);
        for (size_t i = 0; i <= CLIENTS; i++)
                epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i],
                          &(struct epoll_event){.events = EPOLLIN, .data.u64 = i});
        run->control = fds[CLIENTS];
        for (size_t i = 0; i < CLIENTS; i++) {
                run->clients[i].fd = fds[i];
                run->clients[i].peer = &run->clients[i ^ 1];
                client_prepare(&run->clients[i], run->unique[i ^ 1]);
        }

        outcome.seconds = bench_now();
        for (size_t i = 0; i < CLIENTS; i++)
                client_send(run, &run->clients[i]);
        do {
                struct epoll_event events[CLIENTS + 1];
                int n = epoll_wait(epoll, events, CLIENTS + 1, 20000);

                if (n == 0)
                        raw_fail("messages are missing");
                for (int e = 0; e < n; e++)
                        if (events[e].data.u64 == CLIENTS)
                                control_receive(run);
                        else
                                client_receive(run, &run->clients[events[e].data.u64]);
                reload(run);
                idle = 0;
                for (size_t i = 0; i < CLIENTS; i++)
                        idle += run->clients[i].under_way == 0;
        } while (idle < CLIENTS || run->reloading);

        outcome.seconds = bench_now() - outcome.seconds;
        outcome.messages = run->messages;
        outcome.longest = delay(run, 0);
        outcome.usual = delay(run, run->batches / 1000);
        bus_disconnect(bus, CLIENTS + 1, fds);
        close(epoll);
        for (size_t i = 0; i < CLIENTS; i++) {
                free(run->clients[i].out);
                free(run->clients[i].in.data);
        }
        free(run->in.data);
        free(run->histogram);
        free(run);
        return outcome;
}

static void measure(enum bus_kind kind, const char *binary, const char *directory,
                    uint64_t n_messages, unsigned n_reloads) {
        struct outcome peace, reloads;
        struct bench_policy policy = {};
        struct bench_bus bus;
        char own[256], file[300];

        snprintf(own, sizeof(own), "%s/%s", directory, bus_name(kind));
        snprintf(file, sizeof(file), "%s/all.conf", own);
        if (mkdir(own, 0755) < 0)
                raw_fail("%s: %s", own, strerror(errno));
        write_policy(own, false);
        write_rules(own);
        policy.file = file;
        /* log lines would be about refused messages */
        bus_start_silently(&bus, kind, binary, own, &policy);
        if (!bus.available) {
                printf("%s: %s\n", bus.name, bus.why_not);
                return;
        }
        peace = run_once(&bus, own, n_messages, 0);
        reloads = run_once(&bus, own, n_messages, n_reloads);
        printf("%-12s %10llu %8u %10.1f %10.1f %10.2f %10.1f %10.1f %10.2f\n", bus.name,
               (unsigned long long)reloads.messages, n_reloads, peace.longest, reloads.longest,
               reloads.longest / peace.longest, peace.usual, reloads.usual,
               reloads.usual / peace.usual);
        bus_stop(&bus);
}

int main(int argc, char **argv) {
        static const struct option long_options[] = {
                {"bridge", required_argument, NULL, 'b'},
                {"daemon", required_argument, NULL, 'd'},
                {"messages", required_argument, NULL, 'm'},
                {"reloads", required_argument, NULL, 'r'},
                {"quick", no_argument, NULL, 'q'},
                {},
        };
        const char *bridge = NULL, *daemon = "dbus-daemon";
        char directory[] = "/tmp/bus1-bench-XXXXXX", command[64];
        uint64_t n_messages = 1000000;
        unsigned n_reloads = 100;
        int c;

        while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0)
                switch (c) {
                case 'b':
                        bridge = optarg;
                        break;
                case 'd':
                        daemon = optarg;
                        break;
                case 'm':
                        n_messages = strtoull(optarg, NULL, 10);
                        break;
                case 'r':
                        n_reloads = (unsigned)strtoul(optarg, NULL, 10);
                        break;
                case 'q':
                        n_messages = 100000;
                        n_reloads = 10;
                        break;
                default:
                        fprintf(stderr, "bus1-bench-reload [--bridge=BIN] [--daemon=BIN] "
                                        "[--messages=N] [--reloads=N] [--quick]\n");
                        return 1;
                }
        if (!mkdtemp(directory))
                raw_fail("no temporary directory");
        printf("\n%-12s %10s %8s %10s %10s %10s %10s %10s %10s\n", "reloads", "messages", "reloads",
               "longest", "reloading", "ratio", "99.9 %", "reloading", "ratio");
        if (bridge)
                measure(BUS_BRIDGE, bridge, directory, n_messages, n_reloads);
        /*
         * dbus-daemon gets fewer messages and reloads. Its verdicts cost so much that the numbers
         * of the bridge would take about 15 minutes.
         */
        measure(BUS_DAEMON, daemon, directory, n_messages / 50, n_reloads / 10);
        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command) == 0 ? 0 : 1;
}
