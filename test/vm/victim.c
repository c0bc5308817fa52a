/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A service and its client, see victim.h
 */

#include "victim.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double now_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

void be_busy(void) {
        for (;;)
                __asm__ volatile("");
}

pid_t start_busy(uid_t uid) {
        pid_t pid = fork();

        EXPECT(pid >= 0);
        if (pid > 0)
                return pid;
        EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        EXPECT(setresuid(uid, uid, uid) == 0);
        be_busy();
}

void end(pid_t pid) {
        EXPECT(kill(pid, SIGKILL) == 0);
        EXPECT(waitpid(pid, NULL, 0) == pid);
}

static void serve(const struct victim *v) {
        struct bus1_metadata_credentials m;

        for (;;) {
                struct pollfd p = {.fd = v->service, .events = POLLIN};
                int r = recv_any(v->service, &m);

                if (r == -EAGAIN)
                        EXPECT(poll(&p, 1, -1) >= 0);
                else if (r == BUS1_MESSAGE_TYPE_USER && m.metadata.id == v->request_node)
                        EXPECT(send_bytes(v->service, v->reply, "y", 1) == 0);
        }
}

pid_t victim_start(struct victim *v) {
        pid_t pid;

        v->service = peer_open();
        v->client = peer_open();
        node_create(v->service, v->client, &v->request_node, &v->request);
        node_create(v->client, v->service, &v->reply_node, &v->reply);
        pid = fork();
        EXPECT(pid >= 0);
        if (pid == 0) {
                EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
                serve(v);
        }
        return pid;
}

static bool has_ended(int pipe) {
        struct pollfd p = {.fd = pipe, .events = POLLIN};

        return pipe >= 0 && poll(&p, 1, 0) > 0;
}

struct round_trips exchange(const struct victim *v, double seconds, int pipe) {
        double begin_all = now_ms(), end = begin_all + seconds * 1e3;
        struct round_trips ret = {};
        unsigned long n = 0;
        struct bus1_metadata_credentials m;

        while (now_ms() < end && !has_ended(pipe)) {
                double begin = now_ms(), took;
                int r;

                EXPECT(send_bytes(v->client, v->request, "x", 1) == 0);
                while ((r = recv_any(v->client, &m)) == -EAGAIN) {
                        struct pollfd p = {.fd = v->client, .events = POLLIN};

                        EXPECT(poll(&p, 1, 60000) == 1);
                }
                EXPECT(r == BUS1_MESSAGE_TYPE_USER && m.metadata.id == v->reply_node);
                took = now_ms() - begin;
                ret.longest = took > ret.longest ? took : ret.longest;
                n++;
        }
        ret.mean = n > 0 ? (now_ms() - begin_all) / n : 0;
        return ret;
}

void expect_no_longer(const char *name, double attacked, double beside_loops) {
        double limit = FACTOR * (beside_loops > NOISE ? beside_loops : NOISE);

        printf("%s: longest round trip %.1f ms, beside busy loops %.1f ms\n", name, attacked,
               beside_loops);
        fflush(stdout);
        EXPECT(attacked <= limit);
}
