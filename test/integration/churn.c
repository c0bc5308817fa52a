/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * churn - connections that end at every point
 *
 * Opens connections, and drops them at random points of the handshake and of messages, also of
 * messages with file descriptors. The points come from a seed, so that a failure can be repeated.
 * Then it checks that the daemon has no more descriptors than before, that its memory has not grown
 * steadily, that it still serves, and that it ends well.
 *
 *   churn [DAEMON [CONNECTIONS [SEED]]]
 *
 * Only memory that the daemon allocated counts, not pages of its files, which the kernel maps and
 * evicts as it likes. When the daemon falls behind, more messages wait than before, and afterwards
 * the allocator keeps up to 128 KiB of their memory. This happens once, while a leak grows all the
 * time. So after the first WARM_UP connections there are ROUNDS rounds with the same number of
 * connections. In at least one round, the memory must grow by less than one smallest possible
 * allocation for every two connections. With a sanitizer or valgrind, this is not checked.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/bench/proc.h"
#include "test/bench/raw.h"

#define WARM_UP 2000
#define ROUNDS 4
#define ALLOCATION_MIN 32
#define N_OPEN 24 /* connections at a time */

static const char config_format[] =
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig>\n"
        "  <type>session</type>\n"
        "  <listen>unix:path=%s/bus</listen>\n"
        "  <policy context=\"default\">\n"
        "    <allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
        "    <allow eavesdrop=\"true\"/>\n"
        "    <allow own=\"*\"/>\n"
        "  </policy>\n"
        "</busconfig>\n";

static uint64_t seed = 1;

static uint32_t random_below(uint32_t n) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t)(seed >> 33) % n;
}

/* the daemon */

static char directory[] = "/tmp/bus-churn-XXXXXX";
static char address[256];

static pid_t daemon_start(const char *binary) {
        char config[64], argument[80];
        int out[2];
        ssize_t n;
        pid_t pid;
        FILE *f;

        if (!mkdtemp(directory) || pipe(out) < 0)
                raw_fail("set-up: %s", strerror(errno));
        snprintf(config, sizeof(config), "%s/conf", directory);
        f = fopen(config, "we");
        if (!f)
                raw_fail("%s: %s", config, strerror(errno));
        fprintf(f, config_format, directory);
        fclose(f);
        pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGTERM);
                dup2(out[1], 1);
                close(out[0]);
                close(out[1]);
                snprintf(argument, sizeof(argument), "--config-file=%s", config);
                execlp(binary, binary, argument, "--nofork", "--print-address=1", NULL);
                _exit(127);
        }
        close(out[1]);
        n = read(out[0], address, sizeof(address) - 1);
        close(out[0]);
        if (n <= 0)
                raw_fail("%s does not start", binary);
        address[strcspn(address, "\n")] = 0;
        return pid;
}

static unsigned count_fds(pid_t pid) {
        unsigned n = proc_count_fds(pid);

        if (n == 0)
                raw_fail("the daemon has gone");
        return n;
}

/* The memory that the daemon allocated, in KiB. */
static unsigned long allocated_kib(pid_t pid) {
        return proc_status_kib(pid, "RssAnon") + proc_status_kib(pid, "VmSwap");
}

/* the bytes that a connection sends */

struct script {
        uint8_t data[8192];
        size_t n;
        size_t fds_at[8]; /* positions of the bytes that carry descriptors */
        size_t n_fds_at;
};

static void script_put(struct script *s, const void *data, size_t n) {
        if (n > sizeof(s->data) - s->n)
                raw_fail("the script is too long");
        memcpy(s->data + s->n, data, n);
        s->n += n;
}

static void script_put_message(struct script *s, uint8_t *m, size_t n) {
        script_put(s, m, n);
        free(m);
}

static void script_put_fields(struct script *s, const struct raw_fields *fields) {
        size_t n;
        uint8_t *m = raw_build(fields, &n);

        if (fields->n_fds > 0)
                s->fds_at[s->n_fds_at++] = s->n;
        script_put_message(s, m, n);
}

/* The bytes of every connection: handshake, Hello, and calls and signals of several kinds. */
static void script_init(struct script *s, const char *sink) {
        static const uint8_t body[64] = {60};
        char hex[32] = "", uid[16], line[128];
        uint32_t serial = 1;
        size_t n;
        uint8_t *m;

        snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
        for (size_t i = 0; uid[i]; i++)
                snprintf(hex + 2 * i, 3, "%02x", (unsigned char)uid[i]);
        script_put(s, "", 1);
        script_put(s, line,
                   snprintf(line, sizeof(line),
                            "AUTH EXTERNAL %s\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", hex));
        m = raw_build_bus_call(serial++, &n, "Hello", NULL);
        script_put_message(s, m, n);
        m = raw_build_bus_call(serial++, &n, "AddMatch", "type='signal',arg0='x',path='/churn'");
        script_put_message(s, m, n);
        m = raw_build_bus_call(serial++, &n, "RequestName", "com.example.Churn");
        script_put_message(s, m, n);
        for (unsigned i = 0; i < 8; i++) {
                struct raw_fields f = {
                        .type = i % 2 ? RAW_SIGNAL : RAW_CALL,
                        .serial = serial++,
                        .path = "/churn",
                        .interface = "com.example.Churn",
                        .member = "Method",
                        .destination = i == 3   ? NULL
                                       : i == 6 ? "com.example.Churn"
                                                : sink,
                        .n_fds = i == 1 || i == 4 || i == 6 ? 3 : 0,
                        .signature = "ay",
                        .body = body,
                        .n_body = sizeof(body),
                };

                script_put_fields(s, &f);
        }
}

struct connection {
        int fd;
        size_t at;
        size_t end; /* the offset in the script at which the connection is dropped */
};

static void drain(int fd) {
        uint8_t data[65536];
        char control[CMSG_SPACE(253 * sizeof(int))];

        for (;;) {
                struct iovec vec = {data, sizeof(data)};
                struct msghdr msg = {.msg_iov = &vec,
                                     .msg_iovlen = 1,
                                     .msg_control = control,
                                     .msg_controllen = sizeof(control)};
                ssize_t l = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

                if (l <= 0)
                        return;
                for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
                        if (c->cmsg_type == SCM_RIGHTS)
                                for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                                     i++)
                                        close(((int *)(void *)CMSG_DATA(c))[i]);
        }
}

/*
 * Send the bytes before `to`, with the descriptors at the first byte of their messages. Returns
 * false if the socket is full or closed.
 */
static bool connection_send(struct connection *c, const struct script *s, size_t to, int some_fd) {
        while (c->at < to) {
                char control[CMSG_SPACE(3 * sizeof(int))] = {};
                struct iovec vec = {(void *)(s->data + c->at), to - c->at};
                struct msghdr msg = {.msg_iov = &vec, .msg_iovlen = 1};
                ssize_t l;

                for (size_t i = 0; i < s->n_fds_at; i++) {
                        if (s->fds_at[i] == c->at) {
                                struct cmsghdr *cmsg = (void *)control;
                                int fds[3] = {some_fd, some_fd, some_fd};

                                cmsg->cmsg_level = SOL_SOCKET;
                                cmsg->cmsg_type = SCM_RIGHTS;
                                cmsg->cmsg_len = CMSG_LEN(sizeof(fds));
                                memcpy(CMSG_DATA(cmsg), fds, sizeof(fds));
                                msg.msg_control = control;
                                msg.msg_controllen = sizeof(control);
                        } else if (s->fds_at[i] > c->at && s->fds_at[i] < c->at + vec.iov_len) {
                                vec.iov_len = s->fds_at[i] - c->at;
                        }
                }
                l = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (l <= 0)
                        return false;
                c->at += l;
        }
        return true;
}

static void churn(const struct script *script, unsigned n, int sink, int some_fd) {
        static struct connection open[N_OPEN];
        static bool ready;

        if (!ready)
                for (unsigned i = 0; i < N_OPEN; i++)
                        open[i].fd = -1;
        ready = true;
        while (n > 0) {
                struct connection *c = &open[random_below(N_OPEN)];
                size_t left;

                if (c->fd < 0) {
                        *c = (struct connection){.fd = raw_connect(address)};
                        if (c->fd < 0)
                                raw_fail("connect: %s", strerror(errno));
                        c->end = random_below(4) == 0 ? script->n : random_below(script->n);
                }
                left = c->end - c->at;
                if (left == 0 ||
                    !connection_send(c, script, c->at + 1 + random_below(left), some_fd)) {
                        switch (random_below(4)) {
                        case 0:
                                shutdown(c->fd, SHUT_WR);
                                break;
                        case 1:
                                drain(c->fd);
                                break;
                        case 2: /* let the daemon read before the connection ends */
                                raw_bus_call(sink, "NameHasOwner", "com.example.Churn");
                                break;
                        }
                        close(c->fd);
                        c->fd = -1;
                        n--;
                }
                drain(sink);
        }
        for (unsigned i = 0; i < N_OPEN; i++) {
                if (open[i].fd >= 0)
                        close(open[i].fd);
                open[i].fd = -1;
        }
}

/*
 * Wait until the daemon has at most n_fds open descriptors: then it has noticed that all
 * connections except the sink have gone. Give up after about ten seconds.
 */
static void settle(pid_t pid, int sink, unsigned n_fds) {
        for (unsigned i = 0; i < 2000; i++) {
                raw_bus_call(sink, "NameHasOwner", "com.example.Churn");
                drain(sink);
                if (n_fds == 0 ? i > 100 : count_fds(pid) <= n_fds)
                        return;
                poll(NULL, 0, 5);
        }
}

int main(int argc, char **argv) {
        unsigned n = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000, n_fds, n_fds_after;
        const char *binary = argc > 1 ? argv[1] : getenv("BUS_DAEMON");
        static struct script script;
        unsigned long before, growth, least_growth = ULONG_MAX;
        bool sanitized, good = true;
        char unique[64], command[64];
        int sink, some_fd, status;
        pid_t pid;

        if (argc > 3)
                seed = strtoull(argv[3], NULL, 10);
        if (n < WARM_UP + ROUNDS)
                raw_fail("at least %d connections, please", WARM_UP + ROUNDS);
        pid = daemon_start(binary ? binary : "dbus-daemon");
        some_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        sink = raw_connect(address);
        if (sink < 0)
                raw_fail("%s: %s", address, strerror(errno));
        raw_hello(sink, unique);
        raw_bus_call(sink, "NameHasOwner", "com.example.Churn");
        n_fds = count_fds(pid);
        script_init(&script, unique);

        churn(&script, WARM_UP, sink, some_fd);
        settle(pid, sink, n_fds);
        n = (n - WARM_UP) / ROUNDS;
        for (unsigned i = 0; i < ROUNDS; i++) {
                before = allocated_kib(pid);
                churn(&script, n, sink, some_fd);
                settle(pid, sink, n_fds);
                growth = allocated_kib(pid);
                growth = growth > before ? growth - before : 0;
                printf("# %u more connections, %lu KiB more\n", n, growth);
                if (growth < least_growth)
                        least_growth = growth;
        }
        n_fds_after = count_fds(pid);
        /* the shadow of a sanitizer takes terabytes of address space, and its quarantine grows */
        sanitized = proc_status_kib(pid, "VmSize") > 1ul << 30 || getenv("BUS_UNDER_VALGRIND");

        printf("# %u descriptors before, %u after\n", n_fds, n_fds_after);
        printf("1..4\n");
        printf("%s 1 - no_descriptor_is_left\n", n_fds_after <= n_fds ? "ok" : "not ok");
        good &= n_fds_after <= n_fds;
        if (sanitized) {
                printf("ok 2 - memory_does_not_grow # SKIP sanitizer\n");
        } else {
                bool grows = least_growth * 1024 >= (unsigned long)n * ALLOCATION_MIN / 2;

                printf("%s 2 - memory_does_not_grow\n", grows ? "not ok" : "ok");
                good &= !grows;
        }
        raw_bus_call(sink, "GetNameOwner", unique);
        printf("ok 3 - the_bus_still_serves\n");
        close(sink);
        kill(pid, SIGTERM);
        waitpid(pid, &status, 0);
        printf("%s 4 - the_bus_ends_well\n", status == 0 ? "ok" : "not ok");
        good &= status == 0;
        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command) == 0 && good ? 0 : 1;
}
