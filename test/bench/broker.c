/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The controller of dbus-broker
 *
 * dbus-broker opens no listening sockets. Its parent, the controller, speaks to it over a private
 * D-Bus connection (dbus-broker(1), "CONTROLLER") and gives it a listening socket with a policy.
 * This controller has only what the benchmarks need: one socket, one policy for all users, no
 * activation.
 */

#include "test/bench/bus.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "test/bench/setting.h"
#include "test/bench/workload.h"

#define BATCH "bta(btbs)a(btssssuutt)a(btssssuutt)"
#define POLICY "(a(u(" BATCH "))a(buu(" BATCH "))a(ss)bs)"

/* Append the rules of one family (own, send or receive), with ascending priorities. */
static int append_rules(sd_bus_message *m, const struct bench_policy *policy,
                        enum bench_rule_family family) {
        bool own = family == BENCH_RULE_OWN;
        int r = sd_bus_message_open_container(m, 'a', own ? "(btbs)" : "(btssssuutt)");

        for (size_t i = 0; i < policy->n_rules && r >= 0; i++) {
                const struct bench_rule *rule = &policy->rules[i];
                const char *name = rule->name ? rule->name : "";

                if (rule->family != family)
                        continue;
                if (own)
                        r = sd_bus_message_append(m, "(btbs)", rule->allow, (uint64_t)i + 2,
                                                  !rule->name || rule->is_prefix, name);
                else
                        r = sd_bus_message_append(m, "(btssssuutt)", rule->allow, (uint64_t)i + 2,
                                                  name, rule->path ?: "", rule->interface ?: "",
                                                  rule->member ?: "", (uint32_t)rule->type, 0u,
                                                  UINT64_C(0), UINT64_MAX);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_batch(sd_bus_message *m, const struct bench_policy *policy) {
        /* allow all owning, sending and receiving */
        static struct bench_rule all[] = {
                {.family = BENCH_RULE_OWN, .allow = true},
                {.family = BENCH_RULE_SEND, .allow = true},
                {.family = BENCH_RULE_RECEIVE, .allow = true},
        };
        static const struct bench_policy allow_all = {all, 3};
        int r;

        if (!policy)
                policy = &allow_all;
        r = sd_bus_message_append(m, "bt", 1, UINT64_C(1));
        for (int family = BENCH_RULE_OWN; family <= BENCH_RULE_RECEIVE && r >= 0; family++)
                r = append_rules(m, policy, family);
        return r;
}

static int append_policy(sd_bus_message *m, const struct bench_policy *policy) {
        int r = sd_bus_message_open_container(m, 'v', POLICY);

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r',
                                                  "a(u(" BATCH "))a(buu(" BATCH "))a(ss)bs");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(u(" BATCH "))");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "u(" BATCH ")");
        if (r >= 0) /* the policy of all users without an entry of their own */
                r = sd_bus_message_append(m, "u", UINT32_MAX);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', BATCH);
        if (r >= 0)
                r = append_batch(m, policy);
        for (int i = 0; i < 3 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(buu(" BATCH "))", 0);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(ss)bs", 0, 0, "session");
        for (int i = 0; i < 2 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return 0; /* ignore requests to activate a service or to set the environment */
}

static int add_listener(sd_bus *bus, int listener, const struct bench_policy *policy) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, NULL, "/org/bus1/DBus/Broker",
                                           "org.bus1.DBus.Broker", "AddListener");
        if (r >= 0)
                r = sd_bus_message_append(m, "oh", "/org/bus1/DBus/Listener/0", listener);
        if (r >= 0)
                r = append_policy(m, policy);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, &error, NULL);
        if (r < 0 && error.message)
                fprintf(stderr, "dbus-broker: %s: %s\n", error.name, error.message);
        sd_bus_error_free(&error);
        sd_bus_message_unref(m);
        return r;
}

static bool become(const char *user) {
        const struct passwd *entry = user ? getpwnam(user) : NULL;

        if (!user)
                return true;
        return entry && setgroups(0, NULL) == 0 &&
               setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) == 0 &&
               setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) == 0;
}

/* The message from the controller to the benchmark. */
struct started {
        pid_t broker; /* or a negative errno */
        double spawned;
};

__attribute__((noreturn)) static void controller_run(const char *binary, int listener,
                                                     const struct bench_config *config, int ready) {
        int pair[2], r;
        struct started started = {};
        sd_bus *bus = NULL;
        pid_t pid;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                _exit(1);
        started.spawned = bench_now();
        pid = fork();
        if (pid == 0) {
                char fd[16], id[SD_ID128_STRING_MAX];
                sd_id128_t machine = SD_ID128_MAKE(62, 75, 73, 31, 62, 72, 69, 64, 67, 65, 62, 65,
                                                   6e, 63, 68, 01);

                if (!become(config->user))
                        _exit(127);
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of the user resets it */
                pair[1] = dup(pair[1]);           /* the copy has no close-on-exec flag */
                snprintf(fd, sizeof(fd), "%d", pair[1]);
                execlp(binary, binary, "--controller", fd, "--machine-id",
                       sd_id128_to_string(machine, id), "--max-bytes", config->broker.bytes,
                       "--max-fds", config->broker.fds, "--max-matches", config->broker.matches,
                       "--max-objects", config->broker.objects, NULL);
                _exit(127);
        }
        close(pair[1]);
        r = pid < 0 ? -errno : sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, pair[0], pair[0]);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_add_filter(bus, NULL, on_message, NULL);
        if (r >= 0)
                r = add_listener(bus, listener, config->policy);
        started.broker = r < 0 ? r : pid;
        if (write(ready, &started, sizeof(started)) != sizeof(started) || r < 0)
                _exit(1);
        close(ready);
        while (sd_bus_process(bus, NULL) >= 0 && sd_bus_wait(bus, UINT64_MAX) >= 0)
                ;
        _exit(1);
}

int broker_start(struct bench_bus *bus, const char *binary, int listener,
                 const struct bench_config *config) {
        struct started started = {};
        pid_t controller;
        int ready[2];

        if (pipe(ready) < 0)
                return -errno;
        controller = fork();
        if (controller == 0) {
                close(ready[0]);
                controller_run(binary, listener, config, ready[1]);
        }
        close(ready[1]);
        if (controller < 0 || read(ready[0], &started, sizeof(started)) != sizeof(started))
                started.broker = -ECHILD;
        close(ready[0]);
        if (started.broker < 0)
                return started.broker;
        bus->controller = controller;
        bus->pid = started.broker;
        bus->spawned = started.spawned;
        return 0;
}
