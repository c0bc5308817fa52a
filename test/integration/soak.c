/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test/integration/soak.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW 8
#define CALLS_PER_TICK 16
#define CALLS_PER_FD 10

struct peer {
        char *unique;
        uint64_t called;               /* by this client */
        uint64_t n_calls, n_ticks;     /* from it so far */
        uint64_t all_calls, all_ticks; /* how many there will be */
};

static const struct soak_library *library;
static const char *own;
static struct peer *peers;
static size_t n_peers, next_peer;
static uint64_t n_called, n_answered, n_ticks, n_fds;
static bool runs, stops, is_done, expects, is_ok;
static char *line;
static size_t n_line, n_allocated;

void soak_fail(const char *format, ...) {
        va_list args;

        printf("FAULT %s: ", own ? own : "?");
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        printf("\n");
        fflush(stdout);
        exit(1);
}

/* events */

static struct peer *find(const char *unique) {
        for (size_t i = 0; i < n_peers; i++)
                if (strcmp(peers[i].unique, unique) == 0)
                        return &peers[i];
        soak_fail("a message comes from a stranger, %s", unique);
}

static void check_fd(int fd, uint64_t number) {
        uint64_t found = 0;

        if (pread(fd, &found, sizeof(found), 0) != sizeof(found) || found != number)
                soak_fail("call %" PRIu64 " has the descriptor of %" PRIu64, number, found);
        n_fds++;
}

void soak_take(const char *sender, uint64_t number, int fd) {
        struct peer *peer = find(sender);

        if (number != ++peer->n_calls)
                soak_fail("call %" PRIu64 " of %s comes in the place of %" PRIu64, number, sender,
                          peer->n_calls);
        if (fd >= 0)
                check_fd(fd, number);
}

void soak_answered(size_t peer, uint64_t number, uint64_t answer) {
        if (answer != number)
                soak_fail("%s answers call %" PRIu64 " with %" PRIu64, peers[peer].unique, number,
                          answer);
        n_answered++;
}

void soak_ticked(const char *sender, uint64_t number) {
        struct peer *peer = find(sender);

        if (number != ++peer->n_ticks)
                soak_fail("tick %" PRIu64 " of %s comes in the place of %" PRIu64, number, sender,
                          peer->n_ticks);
}

/* sending */

static void call_next(void) {
        struct peer *peer = &peers[next_peer];
        size_t at = next_peer;
        uint64_t number;
        int fd = -1;

        next_peer = (next_peer + 1) % n_peers;
        if (strcmp(peer->unique, own) == 0)
                return;
        number = ++peer->called;
        if (++n_called % CALLS_PER_FD == 0) {
                fd = memfd_create("soak", MFD_CLOEXEC);
                if (fd < 0 || write(fd, &number, sizeof(number)) != sizeof(number))
                        soak_fail("no file: %m");
        }
        library->call(peer->unique, at, number, fd);
        if (fd >= 0)
                close(fd);
        if (n_called % CALLS_PER_TICK == 0)
                library->tick(++n_ticks);
}

/* What the last events have made possible. */
static void go_on(void) {
        bool all_there = true;

        while (runs && !stops && n_called - n_answered < WINDOW)
                call_next();
        if (stops && !is_done && n_called == n_answered) {
                printf("sent %" PRIu64, n_ticks);
                for (size_t i = 0; i < n_peers; i++)
                        printf(" %" PRIu64, peers[i].called);
                printf("\n");
                fflush(stdout);
                is_done = true;
        }
        if (!expects || is_ok)
                return;
        for (size_t i = 0; i < n_peers; i++) {
                if (peers[i].n_calls > peers[i].all_calls || peers[i].n_ticks > peers[i].all_ticks)
                        soak_fail("%s has sent less than what has come", peers[i].unique);
                all_there = all_there && peers[i].n_calls == peers[i].all_calls &&
                            peers[i].n_ticks == peers[i].all_ticks;
        }
        if (all_there) {
                printf("ok %" PRIu64 "\n", n_fds);
                fflush(stdout);
                is_ok = true;
        }
}

/* the test */

static void know(char *names) {
        for (char *name; (name = strtok_r(NULL, " ", &names)); n_peers++) {
                peers = reallocarray(peers, n_peers + 1, sizeof(*peers));
                if (!peers)
                        soak_fail("no memory");
                peers[n_peers] = (struct peer){.unique = strdup(name)};
                if (strcmp(name, own) == 0)
                        next_peer = n_peers;
        }
        printf("known\n");
        fflush(stdout);
}

static void expect(char *numbers) {
        for (size_t i = 0; i < n_peers; i++) {
                const char *ticks = strtok_r(NULL, " ", &numbers);
                const char *calls = strtok_r(NULL, " ", &numbers);

                if (!calls)
                        soak_fail("the test expects too little");
                peers[i].all_ticks = strtoull(ticks, NULL, 10);
                peers[i].all_calls = strtoull(calls, NULL, 10);
        }
        expects = true;
}

static void obey(char *text) {
        char *rest, *word = strtok_r(text, " ", &rest);

        if (word && strcmp(word, "know") == 0)
                know(rest);
        else if (word && strcmp(word, "go") == 0)
                runs = n_peers > 1;
        else if (word && strcmp(word, "stop") == 0)
                stops = true;
        else if (word && strcmp(word, "expect") == 0)
                expect(rest);
        else
                soak_fail("the test says nonsense");
}

static void read_line(void) {
        char *end;
        ssize_t n;

        if (n_allocated - n_line < 4096) {
                line = realloc(line, n_allocated += 8192);
                if (!line)
                        soak_fail("no memory");
        }
        n = read(STDIN_FILENO, line + n_line, n_allocated - n_line);
        if (n <= 0)
                exit(0);
        n_line += (size_t)n;
        while ((end = memchr(line, '\n', n_line))) {
                *end++ = '\0';
                obey(line);
                n_line -= (size_t)(end - line);
                memmove(line, end, n_line);
        }
}

void soak_run(const struct soak_library *with, const char *unique) {
        library = with;
        own = strdup(unique);
        printf("ready %s\n", own);
        fflush(stdout);
        for (;;) {
                struct pollfd polls[2] = {{.fd = STDIN_FILENO, .events = POLLIN}};
                int timeout;

                library->process();
                go_on();
                polls[1].fd = library->wait(&polls[1].events, &timeout);
                if (poll(polls, 2, timeout) < 0)
                        soak_fail("poll: %m");
                if (polls[0].revents)
                        read_line();
        }
}
