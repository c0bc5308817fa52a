/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* System calls: see calls.h. */

#include "test/bench/calls.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t attach(pid_t pid, const char *output) {
        char number[16], c;
        int ready[2];
        pid_t tracer;

        if (pipe(ready) < 0)
                return -1;
        snprintf(number, sizeof(number), "%d", (int)pid);
        tracer = peer_fork();
        if (tracer == 0) {
                dup2(ready[1], 2); /* strace writes a line to stderr when it is attached */
                execlp("strace", "strace", "-c", "-f", "-U", "calls,name", "-o", output, "-p",
                       number, NULL);
                _exit(127);
        }
        close(ready[1]);
        if (poll(&(struct pollfd){ready[0], POLLIN, 0}, 1, 5000) != 1 ||
            read(ready[0], &c, 1) != 1) {
                peer_end(tracer);
                tracer = -1;
        }
        /* Keep the pipe open, because strace may write more. The pipe has room for that. */
        if (tracer > 0)
                fcntl(ready[0], F_SETFD, FD_CLOEXEC);
        else
                close(ready[0]);
        return tracer;
}

static double read_total(const char *output) {
        double total = NAN, n;
        char line[256], name[128];
        FILE *f = fopen(output, "re");

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "%lf %127s", &n, name) == 2 && strcmp(name, "total") == 0)
                        total = n;
        if (f)
                fclose(f);
        return total;
}

struct tracing {
        struct workload_probe probe;
        char output[64];
        pid_t tracer;
};

static void tracing_begin(struct workload_probe *probe, const struct bench_bus *bus) {
        struct tracing *tracing = (struct tracing *)probe;

        tracing->tracer = attach(bus->pid, tracing->output);
}

static void tracing_end(struct workload_probe *probe) {
        struct tracing *tracing = (struct tracing *)probe;

        if (tracing->tracer <= 0)
                return;
        kill(tracing->tracer, SIGINT);
        waitpid(tracing->tracer, NULL, 0);
}

double calls_per_message(const struct workload *w, struct bench_bus *bus, double seconds) {
        struct tracing tracing = {
                .probe = {tracing_begin, tracing_end},
                .output = "/tmp/bus1-bench-calls-XXXXXX",
        };
        struct workload_result result;
        double total = NAN;
        int fd;

        fd = mkstemp(tracing.output);
        if (fd < 0)
                return NAN;
        close(fd);
        if (workload_run(w, bus, seconds, &tracing.probe, &result) && tracing.tracer > 0)
                total = read_total(tracing.output) / result.messages;
        unlink(tracing.output);
        return total;
}
