/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Crowds: see crowd.h. */

#include "test/hostile/crowd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/bench/workload.h"
#include "test/hostile/frames.h"

#define FDS_MAX 16
#define STEP_SECONDS 5.0 /* the most that a member waits for the others */

enum stage {
        OUTSIDE,  /* not connected */
        ENTERING, /* writes the handshake and the first text */
        SETTLING, /* waits until the bus has done what the first text asks for */
        ROUND,    /* writes the round */
        WAITING,  /* waits for all other members */
        RESTING,
};

struct member {
        int fd;
        enum stage stage;
        bool has_entered; /* at least once */
        uint32_t events;  /* that epoll waits for */
        struct text enter;
        struct text round;
        size_t written; /* bytes of the current text */
        struct frames frames;
        unsigned lines;    /* of the handshake that have been read */
        unsigned received; /* messages */
};

struct crowd {
        const struct scene *scene;
        const struct crowd_plan *plan;
        struct member *members;
        unsigned n;
        unsigned n_outside;
        unsigned n_waiting;
        double step_since; /* when the first one began to wait */
        int epoll;
        int fds[FDS_MAX];
        struct sockaddr_un address;
        socklen_t n_address;
};

static bool leaves(const struct crowd_plan *plan) {
        return plan->end == CROWD_LEAVES || plan->end == CROWD_LEAVES_IN_STEP;
}

static void set_events(struct crowd *c, struct member *m, uint32_t events) {
        struct epoll_event event = {.events = events, .data.ptr = m};

        if (m->events == events)
                return;
        epoll_ctl(c->epoll, EPOLL_CTL_MOD, m->fd, &event);
        m->events = events;
}

static void watch(struct crowd *c, struct member *m) {
        uint32_t events = c->plan->reading == CROWD_READS_NOT ? 0 : EPOLLIN;

        if (m->stage == ENTERING || m->stage == ROUND)
                events |= EPOLLOUT;
        set_events(c, m, events);
}

static void leave(struct crowd *c, struct member *m) {
        if (m->stage == WAITING)
                c->n_waiting--;
        close(m->fd);
        m->fd = -1;
        m->stage = OUTSIDE;
        c->n_outside++;
}

static void dropped(struct crowd *c, struct member *m) {
        __atomic_add_fetch(&c->scene->record->dropped, 1, __ATOMIC_RELAXED);
        leave(c, m);
}

static void begin_round(struct crowd *c, struct member *m) {
        m->written = 0;
        m->stage = m->round.n > 0 ? ROUND : RESTING;
        if (c->plan->renumber)
                text_renumber(&m->round);
        watch(c, m);
}

static void has_entered(struct crowd *c, struct member *m) {
        if (!m->has_entered)
                __atomic_add_fetch(&c->scene->record->entered, 1, __ATOMIC_RELEASE);
        m->has_entered = true;
        begin_round(c, m);
        if (m->stage == RESTING && leaves(c->plan))
                m->stage = ROUND;
}

static void come(struct crowd *c, struct member *m) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct epoll_event event = {.data.ptr = m};

        if (fd < 0)
                return;
        if (connect(fd, (struct sockaddr *)&c->address, c->n_address) < 0) {
                close(fd); /* the queue of the listening socket is full: try again later */
                return;
        }
        m->fd = fd;
        m->stage = ENTERING;
        m->written = m->lines = m->received = 0;
        m->frames = (struct frames){};
        m->events = 0;
        c->n_outside--;
        epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &event);
        if (m->enter.n == 0)
                has_entered(c, m);
        else
                watch(c, m);
}

static void wait_for_all(struct crowd *c, struct member *m) {
        if (c->n_waiting++ == 0)
                c->step_since = bench_now();
        m->stage = WAITING;
        watch(c, m);
}

/* The turn of all members has come, or took too long to come. */
static void step(struct crowd *c) {
        for (unsigned i = 0; i < c->n; i++) {
                struct member *m = &c->members[i];
                ssize_t l;

                if (m->stage != WAITING)
                        continue;
                if (c->plan->end == CROWD_LEAVES_IN_STEP) {
                        leave(c, m);
                        continue;
                }
                l = send(m->fd, m->round.data + m->written, 1, MSG_NOSIGNAL);
                if (l < 0 && errno != EAGAIN) {
                        dropped(c, m);
                } else if (l == 1) {
                        c->n_waiting--;
                        begin_round(c, m);
                }
        }
        c->step_since = bench_now();
}

/* The member has had its round and the answers. */
static void depart(struct crowd *c, struct member *m) {
        if (c->plan->end == CROWD_LEAVES)
                leave(c, m);
        else
                wait_for_all(c, m);
}

static void end_round(struct crowd *c, struct member *m) {
        switch (c->plan->end) {
        case CROWD_REPEATS:
                begin_round(c, m);
                break;
        case CROWD_IN_STEP:
                wait_for_all(c, m);
                break;
        case CROWD_LEAVES:
        case CROWD_LEAVES_IN_STEP:
                /* the rest is up to the answers */
                if (m->received >= c->plan->await)
                        depart(c, m);
                else
                        set_events(c, m, EPOLLIN);
                break;
        default:
                m->stage = RESTING;
                watch(c, m);
        }
}

/* Send bytes of the current text; with descriptors, if a message with descriptors begins there. */
static ssize_t send_some(struct crowd *c, struct member *m, const uint8_t *data, size_t n,
                         bool begins) {
        union {
                char data[CMSG_SPACE(FDS_MAX * sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec vec = {(void *)data, n};
        struct msghdr msg = {.msg_iov = &vec, .msg_iovlen = 1};

        if (begins) {
                size_t size = c->plan->n_fds * sizeof(int);
                struct cmsghdr *cmsg;

                msg.msg_control = control.data;
                msg.msg_controllen = CMSG_SPACE(size);
                cmsg = CMSG_FIRSTHDR(&msg);
                cmsg->cmsg_level = SOL_SOCKET;
                cmsg->cmsg_type = SCM_RIGHTS;
                cmsg->cmsg_len = CMSG_LEN(size);
                memcpy(CMSG_DATA(cmsg), c->fds, size);
        }
        return sendmsg(m->fd, &msg, MSG_NOSIGNAL);
}

/*
 * How much of the round may be written at once. Descriptors travel with the first byte of their
 * message, so that each message is written alone. *ret_begins tells whether one begins here.
 */
static size_t portion(const struct crowd *c, const struct member *m, size_t n, bool *ret_begins) {
        size_t at = 0, next;

        *ret_begins = false;
        if (c->plan->n_fds == 0 || m->stage != ROUND)
                return n;
        for (;;) {
                next = at + raw_message_size(m->round.data + at, m->round.n - at);
                if (m->written < next)
                        break;
                at = next;
        }
        *ret_begins = m->written == at;
        return next - m->written < n ? next - m->written : n;
}

static void on_writable(struct crowd *c, struct member *m) {
        const struct text *text = m->stage == ENTERING ? &m->enter : &m->round;
        bool keep = m->stage == ROUND &&
                    (c->plan->end == CROWD_IN_STEP || c->plan->end == CROWD_WITHHOLDS);
        size_t n = text->n - keep, left = n - m->written;
        bool begins;
        ssize_t l;

        left = portion(c, m, left, &begins);
        if (c->plan->chunk > 0 && m->stage == ROUND && left > c->plan->chunk)
                left = c->plan->chunk;
        l = left > 0 ? send_some(c, m, text->data + m->written, left, begins) : 0;
        if (l < 0) {
                /* ETOOMANYREFS: too many descriptors of this user are in flight */
                if (errno != EAGAIN && errno != ETOOMANYREFS)
                        dropped(c, m);
                return;
        }
        m->written += l;
        if (m->written < n)
                return;
        if (m->stage == ROUND) {
                end_round(c, m);
        } else if (c->plan->settles) {
                m->stage = SETTLING;
                watch(c, m);
        } else {
                has_entered(c, m);
        }
}

/* The answers to the handshake are lines, and messages follow the last one. */
static size_t skip_lines(const struct crowd *c, struct member *m, const uint8_t *data, size_t n) {
        size_t at = 0;

        for (; at < n && m->lines < (c->plan->no_handshake ? UINT32_MAX : 2); at++)
                m->lines += data[at] == '\n';
        return at;
}

static void on_readable(struct crowd *c, struct member *m) {
        static uint8_t buffer[64 * 1024];
        ssize_t l = recv(m->fd, buffer, c->plan->reading == CROWD_READS ? sizeof(buffer) : 1, 0);
        size_t at;

        if (l < 0 && errno == EAGAIN)
                return;
        if (l <= 0) {
                dropped(c, m);
                return;
        }
        if (!leaves(c->plan) && m->stage != SETTLING && m->stage != ENTERING)
                return;
        for (at = skip_lines(c, m, buffer, l); at < (size_t)l;) {
                bool complete;

                at += frames_take(&m->frames, buffer + at, l - at, &complete);
                m->received += complete;
                if (complete && m->stage == SETTLING &&
                    raw_message_answers(m->frames.head, m->frames.n_head, m->enter.serial))
                        has_entered(c, m);
        }
        if (m->stage == ROUND && m->written >= m->round.n && m->received >= c->plan->await)
                depart(c, m);
}

static void on_event(struct crowd *c, struct member *m, uint32_t events) {
        if (events & EPOLLIN)
                on_readable(c, m);
        if (m->fd >= 0 && events & (EPOLLHUP | EPOLLERR))
                dropped(c, m);
        if (m->fd >= 0 && events & EPOLLOUT && (m->stage == ENTERING || m->stage == ROUND))
                on_writable(c, m);
}

static void build(struct crowd *c, unsigned i) {
        const struct crowd_plan *plan = c->plan;
        struct member *m = &c->members[i];
        unsigned index = c->scene->process + i * c->scene->n_processes;

        m->fd = -1;
        if (plan->alike && i > 0) {
                m->enter = c->members[0].enter;
                m->round = c->members[0].round;
                return;
        }
        if (!plan->no_handshake)
                text_add_hello(&m->enter);
        if (plan->enter)
                plan->enter(&m->enter, c->scene, index);
        if (plan->settles)
                text_add_bus_call(&m->enter, 0, "GetId", NULL);
        if (plan->round)
                plan->round(&m->round, c->scene, index);
}

static void set_up(struct crowd *c) {
        const char *path = strstr(c->scene->bus.address, "unix:path=");
        size_t n;

        raw_raise_fd_limit();
        c->address.sun_family = AF_UNIX;
        path = path ? path + strlen("unix:path=") : "";
        n = strcspn(path, ",;");
        if (n >= sizeof(c->address.sun_path))
                raw_fail("the path of the bus is too long");
        memcpy(c->address.sun_path, path, n);
        c->n_address = offsetof(struct sockaddr_un, sun_path) + n + 1;
        c->epoll = epoll_create1(EPOLL_CLOEXEC);
        for (unsigned i = 0; i < FDS_MAX; i++)
                c->fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
        c->n = c->plan->connections / c->scene->n_processes;
        c->n += c->scene->process < c->plan->connections % c->scene->n_processes;
        c->n_outside = c->n;
        c->members = calloc(c->n, sizeof(*c->members));
        if (!c->members || c->epoll < 0)
                raw_fail("an attacker cannot begin");
        for (unsigned i = 0; i < c->n; i++)
                build(c, i);
}

void crowd_run(const struct scene *scene, const struct crowd_plan *plan) {
        struct scene_record *record = scene->record;
        struct crowd c = {.scene = scene, .plan = plan};

        set_up(&c);
        __atomic_add_fetch(&record->members, c.n, __ATOMIC_RELEASE);
        __atomic_add_fetch(&record->at_work, 1, __ATOMIC_RELEASE);
        for (;;) {
                struct epoll_event events[64];
                int n;

                for (unsigned i = 0; i < c.n && c.n_outside > 0; i++)
                        if (c.members[i].stage == OUTSIDE)
                                come(&c, &c.members[i]);
                n = epoll_wait(c.epoll, events, 64, c.n_outside > 0 ? 1 : 100);
                for (int i = 0; i < n; i++)
                        on_event(&c, events[i].data.ptr, events[i].events);
                if (c.n_waiting > 0 &&
                    (c.n_waiting == c.n - c.n_outside || bench_now() - c.step_since > STEP_SECONDS))
                        step(&c);
        }
}
