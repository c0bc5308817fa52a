/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/lsm/apparmor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "bridge/base/hash.h"
#include "bridge/base/loop.h"
#include "bridge/bus/bus.h"
#include "bridge/lsm/library.h"

#define DIRECTORY "/sys/kernel/security/apparmor/"
#define UNCONFINED "unconfined"

/* In bytes. With pages of 4 KiB, the kernel refuses a longer query. */
#define QUERY_MAX 4096

/* An answer that is kept. */
struct answer {
        char *query; /* without its header; NULL: this place is empty */
        size_t n_query;
        uint32_t mask;
        bool allowed, audited;
};

struct apparmor {
        struct mediator mediator;
        struct apparmor_functions functions;
        struct lsm_audit audit;
        struct loop *loop;         /* NULL: no answer is kept */
        struct loop_source source; /* becomes readable when profiles change */
        struct answer answers[APPARMOR_CACHE_SIZE];
};

/* labels */

struct confinement {
        const char *label;
        size_t n;
        bool complains; /* the mode is "complain": a denial is only logged */
};

/* A label is "LABEL" or "LABEL (MODE)". */
static struct confinement confinement_of(const struct client_credentials *credentials) {
        struct confinement c = {.label = credentials->label, .n = credentials->n_label};
        const char *mode;

        if (!c.label)
                return (struct confinement){.label = UNCONFINED, .n = strlen(UNCONFINED)};
        mode = c.n > 0 && c.label[c.n - 1] == ')' ? memrchr(c.label, '(', c.n) : NULL;
        if (mode && mode > c.label + 1 && mode[-1] == ' ') {
                c.complains = strcmp(mode, "(complain)") == 0;
                c.n = mode - 1 - c.label;
        }
        return c;
}

static bool is_unconfined(const struct confinement *c) {
        return c->n == strlen(UNCONFINED) && memcmp(c->label, UNCONFINED, c->n) == 0;
}

/* questions */

/* A header, which the library fills in, then parts with a zero byte between them. */
struct query {
        char data[QUERY_MAX];
        size_t n;
        bool too_long;
};

static void put(struct query *q, const void *data, size_t n) {
        if (n > sizeof(q->data) - q->n) {
                q->too_long = true;
                return;
        }
        memcpy(q->data + q->n, data, n);
        q->n += n;
}

static void put_part(struct query *q, const char *text, size_t n) {
        put(q, "", 1);
        put(q, text, n);
}

static void put_text(struct query *q, const char *text) {
        put_part(q, text ? text : "", text ? strlen(text) : 0);
}

static void query_begin(struct query *q, const struct confinement *c, const struct bus *bus) {
        static const char class = AA_CLASS_DBUS;

        q->n = AA_QUERY_CMD_LABEL_SIZE;
        q->too_long = false;
        put(q, c->label, c->n);
        put_part(q, &class, 1);
        if (bus->type)
                put(q, bus->type, strlen(bus->type));
}

/* answers that are kept */

/* The place where the answer is kept; it may hold another answer. */
static struct answer *find(struct apparmor *apparmor, const struct query *q, uint32_t mask) {
        unsigned hash =
                hash_unkeyed(q->data + AA_QUERY_CMD_LABEL_SIZE, q->n - AA_QUERY_CMD_LABEL_SIZE);

        return &apparmor->answers[(hash + mask) % APPARMOR_CACHE_SIZE];
}

static void forget_all(struct apparmor *apparmor) {
        for (size_t i = 0; i < APPARMOR_CACHE_SIZE; i++) {
                free(apparmor->answers[i].query);
                apparmor->answers[i] = (struct answer){};
        }
}

static void keep(struct answer *answer, const struct query *q, uint32_t mask, bool allowed,
                 bool audited) {
        size_t n = q->n - AA_QUERY_CMD_LABEL_SIZE;
        char *query = n <= APPARMOR_CACHE_QUERY_MAX ? malloc(n) : NULL;

        if (!query)
                return;
        memcpy(query, q->data + AA_QUERY_CMD_LABEL_SIZE, n);
        free(answer->query);
        *answer = (struct answer){query, n, mask, allowed, audited};
}

static int profiles_changed(struct loop_source *source, uint32_t events) {
        struct apparmor *apparmor = container_of(source, struct apparmor, source);
        char revision[32];
        ssize_t ignored;

        ignored = read(source->fd, revision, sizeof(revision));
        (void)ignored;
        forget_all(apparmor);
        return 0;
}

/* A query that fails is a denial; it fails, for instance, when the profile has been removed. */
static bool ask(struct apparmor *apparmor, struct query *q, uint32_t mask, bool *ret_audited) {
        struct answer *answer = NULL;
        int allowed = 0, audited = 1;

        *ret_audited = true;
        if (q->too_long)
                return false;
        if (apparmor->loop) {
                answer = find(apparmor, q, mask);
                if (answer->query && answer->mask == mask &&
                    answer->n_query == q->n - AA_QUERY_CMD_LABEL_SIZE &&
                    memcmp(answer->query, q->data + AA_QUERY_CMD_LABEL_SIZE, answer->n_query) ==
                            0) {
                        *ret_audited = answer->audited;
                        return answer->allowed;
                }
        }
        if (apparmor->functions.query_label(mask, q->data, q->n, &allowed, &audited) < 0)
                return false;
        if (answer)
                keep(answer, q, mask, allowed, audited);
        *ret_audited = audited;
        return allowed;
}

/* one question and its record */

/* The program that the question is about. */
struct subject {
        struct confinement confinement;
        const struct client_credentials *credentials;
};

static struct subject subject_of(const struct bus *bus, const struct client *client) {
        const struct client_credentials *credentials =
                client ? &client->credentials : &bus->credentials;

        return (struct subject){confinement_of(credentials), credentials};
}

/* The text "what" has the details for the record, in the format of the kernel's own records. */
static bool judge(struct apparmor *apparmor, const struct subject *subject, struct query *q,
                  uint32_t mask, const char *what, char *reason) {
        const struct confinement *c = &subject->confinement;
        struct bus *bus = apparmor->mediator.bus;
        bool allowed, audited;
        char text[MEDIATION_REASON_MAX];

        allowed = ask(apparmor, q, mask, &audited);
        if (allowed && !audited)
                return true;
        snprintf(text, sizeof(text), "apparmor=\"%s\" bus=\"%s\" label=\"%.*s\" pid=%u %s",
                 allowed        ? "AUDIT"
                 : c->complains ? "ALLOWED"
                                : "DENIED",
                 bus->type ? bus->type : "", (int)c->n, c->label, subject->credentials->pid, what);
        if ((!audited || !lsm_audit_write(&apparmor->audit, text, subject->credentials->uid)) &&
            (allowed || c->complains))
                complain(&bus->complaints, subject->credentials->uid, "AppArmor: %s", text);
        if (allowed || c->complains)
                return true;
        snprintf(reason, MEDIATION_REASON_MAX, "%s", text);
        return false;
}

static bool may_own(struct mediator *mediator, const struct client *client, const char *name,
                    char *reason) {
        struct apparmor *apparmor = container_of(mediator, struct apparmor, mediator);
        struct subject subject = subject_of(mediator->bus, client);
        struct query q;
        char what[512];

        if (is_unconfined(&subject.confinement))
                return true;
        query_begin(&q, &subject.confinement, mediator->bus);
        put_text(&q, name);
        snprintf(what, sizeof(what), "operation=\"dbus_bind\" mask=\"bind\" name=\"%s\"", name);
        return judge(apparmor, &subject, &q, AA_DBUS_BIND, what, reason);
}

static bool may_eavesdrop(struct mediator *mediator, const struct client *client, char *reason) {
        struct apparmor *apparmor = container_of(mediator, struct apparmor, mediator);
        struct subject subject = subject_of(mediator->bus, client);
        struct query q;

        if (is_unconfined(&subject.confinement))
                return true;
        query_begin(&q, &subject.confinement, mediator->bus);
        return judge(apparmor, &subject, &q, AA_DBUS_EAVESDROP,
                     "operation=\"dbus_eavesdrop\" mask=\"eavesdrop\"", reason);
}

/* Judge one side of a message; peer is the other side, and name its bus name (NULL: none). */
static bool judge_side(struct apparmor *apparmor, const struct mediation_message *asked,
                       const struct subject *subject, const struct subject *peer, uint32_t mask,
                       const char *name, char *reason) {
        static const char *const types[] = {"unknown", "method_call", "method_return", "error",
                                            "signal"};
        const struct message *m = asked->m;
        struct query q;
        char what[768];

        if (is_unconfined(&subject->confinement))
                return true;
        query_begin(&q, &subject->confinement, apparmor->mediator.bus);
        put_text(&q, name);
        put_part(&q, peer->confinement.label, peer->confinement.n);
        put_text(&q, m->path.s);
        put_text(&q, m->interface.s);
        put_text(&q, m->member.s);
        snprintf(what, sizeof(what),
                 "operation=\"dbus_%s\" mask=\"%s\" name=\"%s\" path=\"%.128s\" interface=\"%s\" "
                 "member=\"%s\" peer_pid=%u peer_label=\"%.*s\"",
                 types[m->type <= MESSAGE_TYPE_SIGNAL ? m->type : 0],
                 mask == AA_DBUS_SEND ? "send" : "receive", name ? name : "",
                 m->path.s ? m->path.s : "", m->interface.s ? m->interface.s : "",
                 m->member.s ? m->member.s : "", peer->credentials->pid, (int)peer->confinement.n,
                 peer->confinement.label);
        return judge(apparmor, subject, &q, mask, what, reason);
}

static bool may_send(struct mediator *mediator, const struct mediation_message *asked,
                     char *reason) {
        struct apparmor *apparmor = container_of(mediator, struct apparmor, mediator);
        struct subject sender, receiver;

        if (asked->requested_reply)
                return true;
        sender = subject_of(mediator->bus, asked->sender);
        receiver = subject_of(mediator->bus, asked->receiver);
        if (asked->activation) {
                /* The service does not run yet: its profile is asked when it gets the message. */
                if (asked->assumed_label)
                        receiver.confinement = (struct confinement){
                                .label = asked->assumed_label,
                                .n = strlen(asked->assumed_label),
                        };
                return judge_side(apparmor, asked, &sender, &receiver, AA_DBUS_SEND,
                                  asked->m->destination.s, reason);
        }
        return judge_side(apparmor, asked, &sender, &receiver, AA_DBUS_SEND,
                          asked->m->destination.s, reason) &&
               judge_side(apparmor, asked, &receiver, &sender, AA_DBUS_RECEIVE,
                          asked->sender->unique_name, reason);
}

static void apparmor_free(struct mediator *mediator) {
        struct apparmor *apparmor = container_of(mediator, struct apparmor, mediator);

        loop_close(apparmor->loop, &apparmor->source);
        forget_all(apparmor);
        lsm_audit_close(&apparmor->audit);
        free(apparmor);
}

int apparmor_new(struct bus *bus, struct loop *loop, const struct apparmor_functions *functions,
                 const struct lsm_audit *audit, int fd, struct mediator **ret_mediator) {
        CLEANUP_FREE struct apparmor *apparmor = calloc(1, sizeof(*apparmor));
        int r;

        if (!apparmor)
                return -ENOMEM;
        apparmor->mediator = (struct mediator){
                .name = "AppArmor",
                .enforces = BUS_ENFORCES_APPARMOR,
                .bus = bus,
                .may_own = may_own,
                .may_send = may_send,
                .may_eavesdrop = may_eavesdrop,
                .free = apparmor_free,
        };
        apparmor->functions = *functions;
        apparmor->source.fd = fd;
        apparmor->source.dispatch = profiles_changed;
        if (loop && fd >= 0) {
                r = loop_add(loop, &apparmor->source, EPOLLIN);
                if (r < 0)
                        return r;
                apparmor->loop = loop;
        }
        apparmor->audit = *audit;
        *ret_mediator = &apparmor->mediator;
        steal_ptr(&apparmor);
        return 0;
}

int apparmor_functions_load(struct apparmor_functions *ret_functions, const char **ret_error) {
        static const struct lsm_symbol symbols[] = {
                {"aa_query_label", offsetof(struct apparmor_functions, query_label)},
        };

        return LSM_LIBRARY_LOAD("libapparmor.so.1", symbols, ret_functions, ret_error);
}

int lsm_apparmor_new(struct bus *bus, struct loop *loop, struct mediator **ret_mediator,
                     const char **ret_error) {
        struct apparmor_functions functions;
        struct lsm_audit audit;
        int fd, r;

        /* Without this file, the kernel has no AppArmor, or one that does not mediate D-Bus. */
        if (access(DIRECTORY "features/dbus/mask", R_OK) < 0)
                return 1;
        r = apparmor_functions_load(&functions, ret_error);
        if (r < 0)
                return r;
        fd = open(DIRECTORY "revision", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        lsm_audit_open(&audit);
        r = apparmor_new(bus, loop, &functions, &audit, fd, ret_mediator);
        if (r >= 0)
                return 0;
        if (fd >= 0)
                close(fd);
        lsm_audit_close(&audit);
        *ret_error = strerror(-r);
        return r == -ENOMEM ? r : -ENOENT;
}
