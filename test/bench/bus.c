/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The buses that are measured: see bus.h. */

#include "test/bench/bus.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/bench/raw.h"
#include "test/bench/setting.h"
#include "test/bench/workload.h"

static const char *const bus_names[N_BUSES] = {
        [BUS_FORWARDER] = "forwarder",
        [BUS_BRIDGE] = "bridge",
        [BUS_BROKER] = "dbus-broker",
        [BUS_DAEMON] = "dbus-daemon",
};

/* "%s%s%s" stands for a <policy> or an <include>. <user> and the end of the file follow. */
static const char config_format[] =
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig>\n"
        "  <type>%s</type>\n"
        "  <listen>unix:path=%s</listen>\n"
        "%s%s%s"
        "%s";

/*
 * Like session.conf of dbus-daemon, but without activation and with a higher limit of pending
 * replies.
 */
static const char bench_limits[] =
        "  <limit name=\"max_incoming_bytes\">1000000000</limit>\n"
        "  <limit name=\"max_outgoing_bytes\">1000000000</limit>\n"
        "  <limit name=\"max_message_size\">1000000000</limit>\n"
        "  <limit name=\"max_completed_connections\">100000</limit>\n"
        "  <limit name=\"max_incomplete_connections\">10000</limit>\n"
        "  <limit name=\"max_connections_per_user\">100000</limit>\n"
        "  <limit name=\"max_match_rules_per_connection\">50000</limit>\n"
        "  <limit name=\"max_replies_per_connection\">200000</limit>\n";

static const char allow_all[] = "    <allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
                                "    <allow eavesdrop=\"true\"/>\n"
                                "    <allow own=\"*\"/>\n";

static void daemon_start(struct bench_bus *bus, const char *binary, const char *directory,
                         const struct bench_config *with) {
        const struct bench_policy *policy = with->policy;
        char *rules = policy && !policy->file ? bench_policy_format(policy) : NULL;
        char config[256], path[300], argument[320];
        int out[2];
        ssize_t n;
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s.sock", directory, bus->name);
        snprintf(config, sizeof(config), "%s/%s.conf", directory, bus->name);
        f = fopen(config, "we");
        if (!f)
                raw_fail("%s: %s", config, strerror(errno));
        if (policy && policy->file)
                fprintf(f, config_format, with->type, path, "  <include>", policy->file,
                        "</include>\n", with->elements);
        else
                fprintf(f, config_format, with->type, path, "  <policy context=\"default\">\n",
                        rules ? rules : allow_all, "  </policy>\n", with->elements);
        if (with->user)
                fprintf(f, "  <user>%s</user>\n", with->user);
        fputs("</busconfig>\n", f);
        fclose(f);
        free(rules);

        if (pipe(out) < 0)
                raw_fail("pipe: %s", strerror(errno));
        bus->spawned = bench_now();
        bus->pid = fork();
        if (bus->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGTERM);
                dup2(out[1], 1);
                if (with->log)
                        dup2(fileno(fopen(with->log, "we") ?: stderr), 2);
                close(out[0]);
                close(out[1]);
                snprintf(argument, sizeof(argument), "--config-file=%s", config);
                execlp(binary, binary, argument, "--nofork", "--print-address=1", NULL);
                _exit(127);
        }
        close(out[1]);
        n = read(out[0], bus->address, sizeof(bus->address) - 1);
        close(out[0]);
        if (n <= 0) {
                bus->why_not = "does not start";
                waitpid(bus->pid, NULL, 0);
                bus->pid = 0;
                return;
        }
        bus->address[strcspn(bus->address, "\n")] = 0;
        bus->available = true;
}

static void broker_listen(struct bench_bus *bus, const char *binary, const char *directory,
                          const struct bench_config *with) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        int fd, r;

        snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/broker", directory);
        snprintf(bus->address, sizeof(bus->address), "unix:path=%s", sa.sun_path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, SOMAXCONN) < 0)
                raw_fail("%s: %s", sa.sun_path, strerror(errno));
        chmod(sa.sun_path, 0666); /* for other users: the policy says who may connect */
        r = broker_start(bus, binary, fd, with);
        close(fd);
        if (r < 0) {
                bus->why_not = "dbus-broker is not installed or does not start";
                return;
        }
        bus->available = true;
}

const char *bus_name(enum bus_kind kind) {
        return bus_names[kind];
}

void bus_start_with(struct bench_bus *bus, enum bus_kind kind, const char *binary,
                    const char *directory, const struct bench_config *config) {
        *bus = (struct bench_bus){.kind = kind, .name = bus_names[kind]};
        if (kind == BUS_FORWARDER) {
                bus->available = true;
        } else if (!binary) {
                bus->why_not = "not given";
        } else if (kind == BUS_BROKER) {
                broker_listen(bus, binary, directory, config);
        } else {
                daemon_start(bus, binary, directory, config);
        }
}

static void start(struct bench_bus *bus, enum bus_kind kind, const char *binary,
                  const char *directory, const struct bench_policy *policy, const char *log) {
        const struct bench_config config = {
                .policy = policy,
                .type = "session",
                .elements = bench_limits,
                .log = log,
                .broker = {"1000000000", "60000", "1000000", "10000000"},
        };

        bus_start_with(bus, kind, binary, directory, &config);
}

void bus_start(struct bench_bus *bus, enum bus_kind kind, const char *binary, const char *directory,
               const struct bench_policy *policy) {
        start(bus, kind, binary, directory, policy, NULL);
}

void bus_start_silently(struct bench_bus *bus, enum bus_kind kind, const char *binary,
                        const char *directory, const struct bench_policy *policy) {
        start(bus, kind, binary, directory, policy, "/dev/null");
}

void bus_stop(struct bench_bus *bus) {
        pid_t child = bus->controller ? bus->controller : bus->pid;

        if (child > 0) {
                kill(child, SIGTERM);
                waitpid(child, NULL, 0);
        }
        bus->pid = bus->controller = 0;
        bus->available = false;
}

uint64_t bus_cpu(const struct bench_bus *bus) {
        char path[300];
        struct dirent *entry;
        uint64_t sum = 0;
        DIR *dir;

        snprintf(path, sizeof(path), "/proc/%d/task", (int)bus->pid);
        dir = opendir(path);
        while (dir && (entry = readdir(dir))) {
                uint64_t ns;
                FILE *f;

                if (entry->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)bus->pid,
                         entry->d_name);
                f = fopen(path, "re");
                if (f && fscanf(f, "%" SCNu64, &ns) == 1)
                        sum += ns;
                if (f)
                        fclose(f);
        }
        if (dir)
                closedir(dir);
        return sum;
}

void bus_pin(const struct bench_bus *bus, int cpu) {
        cpu_set_t set;

        CPU_ZERO(&set);
        if (cpu >= 0)
                CPU_SET(cpu, &set);
        else
                for (int i = 0; i < CPU_SETSIZE; i++)
                        CPU_SET(i, &set);
        sched_setaffinity(0, sizeof(set), &set);
        if (bus->pid > 0)
                sched_setaffinity(bus->pid, sizeof(set), &set);
}

static void forwarder_connect(struct bench_bus *bus, size_t n, int *fds, char (*unique)[64],
                              bool in_pairs) {
        int *far = calloc(n, sizeof(*far));

        if (!far)
                raw_fail("out of memory");
        for (size_t i = 0; i < n; i++) {
                int pair[2];

                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                        raw_fail("socketpair: %s", strerror(errno));
                fds[i] = pair[0];
                far[i] = pair[1];
                snprintf(unique[i], 64, ":f.%zu", i);
        }
        bus->pid = fork();
        if (bus->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (size_t i = 0; i < n; i++)
                        close(fds[i]);
                forwarder_run(far, n, in_pairs);
        }
        for (size_t i = 0; i < n; i++)
                close(far[i]);
        free(far);
}

void bus_connect(struct bench_bus *bus, size_t n, int *fds, char (*unique)[64], const char *rule,
                 bool in_pairs) {
        if (bus->kind == BUS_FORWARDER) {
                forwarder_connect(bus, n, fds, unique, in_pairs);
                return;
        }
        for (size_t i = 0; i < n; i++) {
                fds[i] = raw_connect(bus->address);
                if (fds[i] < 0)
                        raw_fail("%s: %s", bus->address, strerror(errno));
                raw_hello(fds[i], unique[i]);
                /*
                 * The answer to this call comes after all messages that Hello caused, such as
                 * NameAcquired.
                 */
                raw_bus_call(fds[i], i > 0 && rule ? "AddMatch" : "NameHasOwner",
                             i > 0 && rule ? rule : "com.example.Nobody");
        }
}

void bus_disconnect(struct bench_bus *bus, size_t n, int *fds) {
        for (size_t i = 0; i < n; i++)
                close(fds[i]);
        if (bus->kind == BUS_FORWARDER && bus->pid > 0) {
                kill(bus->pid, SIGKILL);
                waitpid(bus->pid, NULL, 0);
                bus->pid = 0;
        }
}
