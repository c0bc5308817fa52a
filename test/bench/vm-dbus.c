/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1-bench-vm-dbus - measures a D-Bus call between two programs, libraries included
 *
 * Runs in a virtual machine with one processor (test/vm/run BUILD bench). A client calls a method
 * that returns its argument, a string: with sd-bus on both sides over dbus-broker and over the
 * bridge, and with libbus1-dbus on both sides over the bridge and over a direct channel on
 * /dev/bus1. With libbus1-dbus, the programs use type strings, as with sd-bus; over the channel,
 * also the DBusMessage of libdbus-1. The program runs rounds of all ways in turn and prints the
 * medians and ratios.
 */

#include <bus1/dbus-lazy.h>
#include <bus1/dbus-values.h>
#include <bus1/dbus.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "test/bench/bus.h"
#include "test/bench/median.h"
#include "test/bench/raw.h"
#include "test/bench/workload.h"

#define NAME "org.bus1.Bench"
#define PATH "/org/bus1/Bench"
#define N_CALLS 200
#define MAX_ROUNDS 101
#define MAX_SIZE 4096

enum way {
        WAY_BROKER,  /* sd-bus over dbus-broker */
        WAY_BRIDGE,  /* sd-bus over the bridge */
        WAY_NATIVE,  /* libbus1-dbus over the bridge */
        WAY_MESSAGE, /* libbus1-dbus over a direct channel, with DBusMessage */
        WAY_CHANNEL, /* libbus1-dbus over a direct channel */
        N_WAYS,
};

static void check(int r, const char *what) {
        if (r < 0)
                raw_fail("%s: %s", what, strerror(-r));
}

/* Tell the parent that the service has its name. */
static void report_ready(int fd) {
        if (write(fd, "", 1) != 1)
                raw_fail("pipe");
        close(fd);
}

/* sd-bus */

static sd_bus *sdbus_open(const char *address) {
        sd_bus *bus;

        check(sd_bus_new(&bus), "sd_bus_new");
        check(sd_bus_set_address(bus, address), "address");
        check(sd_bus_set_bus_client(bus, 1), "client");
        check(sd_bus_start(bus), "start");
        return bus;
}

static int sdbus_echo(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const char *text;
        int r;

        r = sd_bus_message_read(call, "s", &text);
        return r < 0 ? r : sd_bus_reply_method_return(call, "s", text);
}

static void sdbus_serve(const char *address, int ready) {
        static const sd_bus_vtable vtable[] = {
                SD_BUS_VTABLE_START(0),
                SD_BUS_METHOD("Echo", "s", "s", sdbus_echo, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_VTABLE_END,
        };
        sd_bus *bus = sdbus_open(address);

        check(sd_bus_add_object_vtable(bus, NULL, PATH, NAME, vtable, NULL), "object");
        check(sd_bus_request_name(bus, NAME, 0), "name");
        report_ready(ready);
        for (;;) {
                int r = sd_bus_process(bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                check(r, "sd-bus");
        }
}

static void sdbus_call(sd_bus *bus, const char *text) {
        sd_bus_message *reply = NULL;
        const char *result;

        check(sd_bus_call_method(bus, NAME, PATH, NAME, "Echo", NULL, &reply, "s", text), "Echo");
        check(sd_bus_message_read(reply, "s", &result), "reply");
        if (strcmp(result, text) != 0)
                raw_fail("Echo: wrong reply");
        sd_bus_message_unref(reply);
}

static double sdbus_measure(const char *address, const char *text) {
        sd_bus *bus = sdbus_open(address);
        double begin;

        for (int i = 0; i < 20; i++)
                sdbus_call(bus, text);
        begin = bench_now();
        for (int i = 0; i < N_CALLS; i++)
                sdbus_call(bus, text);
        begin = bench_now() - begin;
        sd_bus_flush_close_unref(bus);
        return begin;
}

/* libbus1-dbus */

static int native_echo(struct bus1_dbus_message *call, void *userdata) {
        const char *text;
        int r;

        r = bus1_dbus_message_read(call, "s", &text);
        return r < 0 ? r : bus1_dbus_reply_values(call, "s", text);
}

/* The same with libdbus-1 */
static int native_echo_message(struct bus1_dbus_message *call, void *userdata) {
        const char *text;

        dbus_message_get_args(call->message, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        return bus1_dbus_reply_args(call, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
}

static struct bus1_dbus *native_open(const char *address, enum way way) {
        struct bus1_dbus *bus;

        check(bus1_dbus_open(&bus, address, NULL), "bus1_dbus_open");
        bus1_dbus_set_lazy_messages(bus, way != WAY_MESSAGE);
        return bus;
}

static void native_serve(const char *address, enum way way, int ready) {
        static const struct bus1_dbus_method methods[][2] = {
                {{"Echo", "s", "s", native_echo, "text text"}, {}},
                {{"Echo", "s", "s", native_echo_message, "text text"}, {}},
        };
        static const struct bus1_dbus_interface interfaces[][2] = {
                {{.name = NAME, .methods = methods[0]}, {}},
                {{.name = NAME, .methods = methods[1]}, {}},
        };
        struct bus1_dbus *bus = native_open(address, way);
        struct bus1_dbus_object *object;

        check(bus1_dbus_object_new(bus, PATH, interfaces[way == WAY_MESSAGE], NULL, &object),
              "object");
        check(bus1_dbus_publish(bus, NAME, 0, NULL, NULL), "name");
        report_ready(ready);
        check(bus1_dbus_run(bus, NULL), "libbus1-dbus");
}

static void native_call(struct bus1_dbus *bus, uint64_t to, const char *text) {
        const char *destination = to == BUS1_DBUS_BUS ? NAME : NULL;
        struct bus1_dbus_message *reply;
        const char *result;

        check(bus1_dbus_call_method(bus, to, destination, PATH, NAME, "Echo", NULL, &reply, "s",
                                    text),
              "Echo");
        check(bus1_dbus_message_read(reply, "s", &result), "reply");
        if (strcmp(result, text) != 0)
                raw_fail("Echo: wrong reply");
        bus1_dbus_message_unref(reply);
}

/* The same with libdbus-1 */
static void native_call_message(struct bus1_dbus *bus, uint64_t to, const char *text) {
        struct bus1_dbus_message *reply;
        const char *result = "";
        DBusMessage *m;

        m = dbus_message_new_method_call(NULL, PATH, NAME, "Echo");
        if (!m || !dbus_message_append_args(m, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID))
                raw_fail("no memory");
        check(bus1_dbus_call(bus, to, m, NULL, 0, BUS1_DBUS_TIMEOUT_DEFAULT, &reply, NULL), "Echo");
        dbus_message_unref(m);
        dbus_message_get_args(reply->message, NULL, DBUS_TYPE_STRING, &result, DBUS_TYPE_INVALID);
        if (strcmp(result, text) != 0)
                raw_fail("Echo: wrong reply");
        bus1_dbus_message_unref(reply);
}

static double native_measure(const char *address, enum way way, const char *text) {
        void (*call)(struct bus1_dbus * bus, uint64_t to, const char *text) =
                way == WAY_MESSAGE ? native_call_message : native_call;
        struct bus1_dbus *bus = native_open(address, way);
        uint64_t to = BUS1_DBUS_BUS;
        double begin;

        if (way != WAY_NATIVE)
                check(bus1_dbus_lookup(bus, NAME, 0, &to, NULL), "Lookup");
        for (int i = 0; i < 20; i++)
                call(bus, to, text);
        begin = bench_now();
        for (int i = 0; i < N_CALLS; i++)
                call(bus, to, text);
        begin = bench_now() - begin;
        bus1_dbus_free(bus);
        return begin;
}

/* rounds */

/* Returns the microseconds of one call, or NAN if the bus is not available. */
static double measure(const struct bench_bus *bus, enum way way, const char *text) {
        bool native = way != WAY_BROKER && way != WAY_BRIDGE;
        double took;
        int ready[2];
        pid_t pid;
        char byte;

        if (!bus->available)
                return NAN;
        if (pipe(ready) < 0)
                raw_fail("pipe");
        pid = peer_fork();
        if (pid == 0) {
                close(ready[0]);
                if (native)
                        native_serve(bus->address, way, ready[1]);
                else
                        sdbus_serve(bus->address, ready[1]);
                _exit(1);
        }
        close(ready[1]);
        if (read(ready[0], &byte, 1) != 1)
                raw_fail("the service has not started");
        close(ready[0]);
        took = native ? native_measure(bus->address, way, text) : sdbus_measure(bus->address, text);
        peer_end(pid);
        return took * 1e6 / N_CALLS;
}

static unsigned print_target(size_t size, const char *of, double ratio, double least) {
        printf("call of %4zu B over a channel     of %-20s %6.2f times faster >= %.1f  %s\n", size,
               of, ratio, least, ratio >= least ? "met" : "MISSED");
        return ratio >= least;
}

int main(int argc, char **argv) {
        static const struct option long_options[] = {
                {"rounds", required_argument, NULL, 'r'},
                {"broker", required_argument, NULL, 'b'},
                {"bridge", required_argument, NULL, 'd'},
                {},
        };
        static const size_t sizes[] = {8, 512, 4096};
        static double us[3][N_WAYS][MAX_ROUNDS], results[3][N_WAYS];
        const char *broker_path = NULL, *bridge_path = NULL;
        struct bench_bus broker, bridge;
        char text[MAX_SIZE + 1];
        unsigned n_rounds = 5, met = 0;
        int c;

        while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0)
                switch (c) {
                case 'r':
                        n_rounds = atoi(optarg);
                        break;
                case 'b':
                        broker_path = optarg;
                        break;
                case 'd':
                        bridge_path = optarg;
                        break;
                default:
                        fprintf(stderr, "bus1-bench-vm-dbus [--rounds=N] [--broker=PATH] "
                                        "[--bridge=PATH]\n");
                        return 1;
                }
        if (n_rounds < 1 || n_rounds > MAX_ROUNDS)
                return 1;
        bus_start(&broker, BUS_BROKER, broker_path, "/run", NULL);
        bus_start(&bridge, BUS_BRIDGE, bridge_path, "/run", NULL);
        if (!broker.available || !bridge.available)
                raw_fail("no bus: %s", broker.available ? bridge.why_not : broker.why_not);

        for (unsigned round = 0; round < n_rounds; round++)
                for (size_t i = 0; i < 3; i++) {
                        memset(text, 'x', sizes[i]);
                        text[sizes[i]] = 0;
                        for (int way = 0; way < N_WAYS; way++)
                                us[i][way][round] =
                                        measure(way == WAY_BROKER ? &broker : &bridge, way, text);
                }
        bus_stop(&broker);
        bus_stop(&bridge);

        printf("%-24s %14s %14s %14s %14s %14s\n", "us", "sd-bus, broker", "sd-bus, bridge",
               "native, bridge", "DBusMessage", "channel");
        for (size_t i = 0; i < 3; i++) {
                printf("call of %4zu B           ", sizes[i]);
                for (int way = 0; way < N_WAYS; way++) {
                        results[i][way] = median(us[i][way], n_rounds);
                        printf(" %14.2f", results[i][way]);
                }
                printf("\n");
        }
        for (size_t i = 0; i < 3; i++) {
                double channel = results[i][WAY_CHANNEL];

                met += print_target(sizes[i], "sd-bus over broker",
                                    results[i][WAY_BROKER] / channel, 4);
                met += print_target(sizes[i], "sd-bus over the bridge",
                                    results[i][WAY_BRIDGE] / channel, 3);
        }
        printf("%u of 6 targets met\n", met);
        return 0;
}
