/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Footprint: see footprint.h. */

#include "test/bench/footprint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/bench/raw.h"
#include "test/bench/workload.h"

#define N_CONNECTIONS 1000
#define RULES_EACH 10

/* The proportional set size: a page that n processes share counts as 1/n of a page. */
static double memory_kib(const struct bench_bus *bus) {
        char path[64], line[256];
        double kib = 0;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)bus->pid);
        f = fopen(path, "re");
        if (!f)
                raw_fail("%s: %s", path, strerror(errno));
        while (fgets(line, sizeof(line), f))
                if (sscanf(line, "Pss: %lf", &kib) == 1)
                        break;
        fclose(f);
        return kib;
}

static void add_rules(int fd, unsigned nth) {
        for (unsigned i = 0; i < RULES_EACH; i++) {
                char rule[256];

                snprintf(rule, sizeof(rule),
                         "type='signal',sender='org.example.Service%u',"
                         "interface='org.example.Interface',path='/org/example/object/%u'",
                         i, nth * RULES_EACH + i);
                raw_bus_call(fd, "AddMatch", rule);
        }
}

bool footprint_measure(enum bus_kind kind, const char *binary, const char *directory,
                       struct footprint *ret_footprint) {
        static int fds[N_CONNECTIONS];
        struct bench_bus bus;
        char own[256], unique[64];
        double before, after;
        int first;

        snprintf(own, sizeof(own), "%s/footprint", directory);
        if (kind == BUS_FORWARDER || (mkdir(own, 0755) < 0 && errno != EEXIST))
                return false;

        bus_start(&bus, kind, binary, own, NULL);
        if (!bus.available)
                return false;
        first = raw_connect(bus.address);
        if (first < 0)
                raw_fail("%s: %s", bus.address, strerror(errno));
        raw_hello(first, unique);
        ret_footprint->spawn_ms = (bench_now() - bus.spawned) * 1e3;

        before = memory_kib(&bus);
        ret_footprint->start_kib = before;
        for (int i = 0; i < N_CONNECTIONS; i++) {
                fds[i] = raw_connect(bus.address);
                if (fds[i] < 0)
                        raw_fail("%s: %s", bus.address, strerror(errno));
                raw_hello(fds[i], unique);
                raw_bus_call(fds[i], "NameHasOwner", "com.example.Nobody");
        }
        after = memory_kib(&bus);
        ret_footprint->connection_kib = (after - before) / N_CONNECTIONS;
        for (int i = 0; i < N_CONNECTIONS; i++)
                add_rules(fds[i], i);
        ret_footprint->rule_kib = (memory_kib(&bus) - after) / (N_CONNECTIONS * RULES_EACH);

        for (int i = 0; i < N_CONNECTIONS; i++)
                close(fds[i]);
        close(first);
        bus_stop(&bus);
        snprintf(own, sizeof(own), "%s/footprint/broker", directory);
        unlink(own);
        return true;
}
