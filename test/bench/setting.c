/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Settings: see setting.h. */

#include "test/bench/setting.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/bench/raw.h"
#include "test/bench/workload.h"

#define IDLE_PATIENCE 60000 /* ms that BENCH_IDLE clients may need to connect */
#define SIGNALS "type='signal',interface='" BENCH_NAME "',"

static const struct {
        const char *name;
        const char *rule; /* the match rules of another client; %u is the index of the rule */
} settings[N_SETTINGS] = {
        [SETTING_PLAIN] = {"plain"},
        [SETTING_POLICY] = {"policy"},
        [SETTING_SYSTEM] = {"system"},
        [SETTING_RULES_PATH] = {"path", SIGNALS "path='/com/example/Foreign%u'"},
        [SETTING_RULES_ARG0] = {"arg0", SIGNALS "arg0='com.example.Foreign%u'"},
        [SETTING_RULES_NAMESPACE] = {"namespace", SIGNALS "path_namespace='/com/example/F%u'"},
        [SETTING_RULES_ARG0_NAMESPACE] = {"arg0namespace",
                                          SIGNALS "arg0namespace='com.example.Foreign%u'"},
        [SETTING_RULES_ARG0_PATH] = {"arg0path", SIGNALS "arg0path='/com/example/Foreign%u/'"},
        [SETTING_REPLIES] = {"replies"},
        [SETTING_IDLE] = {"idle"},
};

static int stranger(struct bench_bus *bus, char unique[static 64]) {
        int fd = raw_connect(bus->address);

        if (fd < 0)
                raw_fail("%s: %s", bus->address, strerror(errno));
        /*
         * The callers do not close the descriptor, so that the bus keeps the rules or pending
         * replies.
         */
        raw_hello(fd, unique);
        return fd;
}

static void leave_rules(struct bench_bus *bus, const char *format) {
        char unique[64], rule[256];
        int fd = stranger(bus, unique);

        for (unsigned i = 0; i < BENCH_FOREIGN_RULES; i++) {
                uint8_t *m;
                size_t n;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                snprintf(rule, sizeof(rule), format, i);
#pragma GCC diagnostic pop
                m = raw_build_bus_call(i + 100, &n, "AddMatch", rule);
                m[2] = RAW_NO_REPLY;
                raw_write(fd, m, n);
                free(m);
        }
        raw_bus_call(fd, "NameHasOwner", "com.example.Nobody");
}

static void leave_replies(struct bench_bus *bus) {
        char caller[64], callee[64];
        int from = stranger(bus, caller), to = stranger(bus, callee);
        struct raw_fields f = {
                .type = RAW_CALL,
                .serial = 1,
                .destination = callee,
                .path = "/com/example/Bench",
                .interface = BENCH_NAME,
                .member = "Method",
        };
        uint8_t *m, *got;
        size_t n, n_got;

        raw_bus_call(from, "NameHasOwner", "com.example.Nobody");
        raw_bus_call(to, "NameHasOwner", "com.example.Nobody");
        m = raw_build(&f, &n);
        for (unsigned i = 0; i < BENCH_FOREIGN_REPLIES; i += 100) {
                for (unsigned k = 0; k < 100; k++) {
                        raw_message_set_serial(m, i + k + 10);
                        raw_write(from, m, n);
                }
                for (unsigned k = 0; k < 100; k++) {
                        got = raw_read_message(to, &n_got);
                        if (!got || got[1] != RAW_CALL)
                                raw_fail("%s does not take the calls", bus->name);
                        free(got);
                }
        }
        free(m);
}

/*
 * The clients are in a process of their own for each bus, which needs as many descriptors as the
 * bus. Returns whether all of them are there.
 */
static bool leave_idle(struct bench_bus *bus) {
        const struct rlimit limit = {.rlim_cur = BENCH_IDLE + 100, .rlim_max = BENCH_IDLE + 100};
        char unique[64], ready = 0;
        int fds[2];
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                raw_fail("no pipe: %s", strerror(errno));
        pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                        _exit(1);
                for (unsigned i = 0; i < BENCH_IDLE; i++)
                        stranger(bus, unique);
                if (write(fds[1], "", 1) == 1)
                        pause();
                _exit(1);
        }
        close(fds[1]);
        /* a bus that has no descriptor left lets the clients wait */
        ready = pid > 0 && poll(&(struct pollfd){fds[0], POLLIN, 0}, 1, IDLE_PATIENCE) == 1 &&
                read(fds[0], &ready, 1) == 1;
        close(fds[0]);
        if (!ready && pid > 0)
                kill(pid, SIGKILL);
        return ready;
}

void setting_start(enum setting setting, struct bench_bus *bus, enum bus_kind kind,
                   const char *binary, const char *directory, const char *system_policy) {
        struct bench_policy *policy = NULL;
        char own[256];

        if (setting != SETTING_PLAIN && kind == BUS_FORWARDER) {
                *bus = (struct bench_bus){.kind = kind, .name = "forwarder"};
                return;
        }
        if (setting == SETTING_SYSTEM && !system_policy) {
                *bus = (struct bench_bus){.kind = kind, .name = bus_name(kind)};
                return;
        }
        if (setting == SETTING_POLICY)
                policy = bench_policy_new(BENCH_NAME);
        else if (setting == SETTING_SYSTEM)
                policy = bench_policy_load(system_policy);
        snprintf(own, sizeof(own), "%s/%s", directory, settings[setting].name);
        if (mkdir(own, 0755) < 0 && errno != EEXIST)
                raw_fail("%s: %s", own, strerror(errno));
        if (setting == SETTING_IDLE)
                raw_raise_fd_limit();
        bus_start(bus, kind, binary, own, policy);
        if (!bus->available)
                return;
        if (settings[setting].rule)
                leave_rules(bus, settings[setting].rule);
        if (setting == SETTING_REPLIES)
                leave_replies(bus);
        if (setting == SETTING_IDLE && !leave_idle(bus))
                bus_stop(bus);
}
