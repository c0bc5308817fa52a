/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The same things happen twice: on one bus, and on one that another bus takes over from again and
 * again. Programs get the same messages, byte for byte.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bridge/bus/later.h"
#include "bridge/bus/tell.h"
#include "takeover.h"
#include "test/unit/suite.h"

#define PEERS 7
#define STEPS 400
#define CALLS_MAX 64
#define PIECES_MAX 512

static struct peer *p[PEERS];
static uint64_t state;
static FILE *trace;

/* calls that the peers have got and not answered */
static struct open_call {
        unsigned callee;
        char caller[32];
        uint32_t serial;
} calls[CALLS_MAX];
static unsigned n_calls;

static struct later *reloading; /* the one that waits for a reload */
static int64_t last_deadline;
static uint64_t last_cookie;

static unsigned pick(unsigned n) {
        return test_random(&state) % n;
}

static const char *pick_name(void) {
        static const char *const names[] = {"com.example.A", "com.example.B", "com.example.C",
                                            "com.example.D"};

        return names[pick(4)];
}

static const char *pick_text(void) {
        static const char *const texts[] = {"x", "it's", "/a/", "/a/b", "com.example.A", ""};

        return texts[pick(6)];
}

static const char *pick_member(void) {
        static const char *const members[] = {"M", "N", "O"};

        return members[pick(3)];
}

static const char *pick_path(void) {
        static const char *const paths[] = {"/", "/a", "/a/b"};

        return paths[pick(3)];
}

/* A rule of some keys that messages of this test can match. */
static const char *make_rule(void) {
        static char text[512];
        char *to = text;

        to += sprintf(to, "type='signal'");
        if (pick(3) == 0)
                to += sprintf(to, ",member='%s'", pick_member());
        if (pick(3) == 0)
                to += sprintf(to, ",sender='%s'", pick_name());
        if (pick(4) == 0)
                to += sprintf(to, ",path%s='%s'", pick(2) ? "_namespace" : "", pick_path());
        if (pick(4) == 0)
                to += sprintf(to, ",arg0%s='%s'", pick(2) ? "path" : "", pick(2) ? "x" : "/a/");
        else if (pick(4) == 0)
                to += sprintf(to, ",arg0=it\\'s");
        if (pick(6) == 0)
                sprintf(to, ",eavesdrop='true'");
        return text;
}

static int reload(void *process, struct later *later) {
        reloading = later;
        return 0;
}

static void set_hooks(void) {
        bus.hooks.reload = reload;
        bus.limits.reply_timeout = 1000 * 1000;
}

/* The deadline of a new call does not depend on when the test runs. */
static void note_call(unsigned callee, const struct message *m) {
        struct reply *reply = p[callee]->opened;

        p[callee]->opened = NULL;
        if (!reply)
                return;
        reply->deadline = ++last_deadline;
        if (n_calls == CALLS_MAX)
                return;
        calls[n_calls].callee = callee;
        snprintf(calls[n_calls].caller, sizeof(calls[n_calls].caller), "%s", m->sender.s);
        calls[n_calls++].serial = m->serial;
}

static int compare_texts(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Write down what a peer got. Copies for rules with numbers come in any order. */
static void note_inbox(unsigned i) {
        char *copies[PIECES_MAX];
        struct peer *peer = p[i];
        size_t n_copies = 0;

        fprintf(trace, " %u:", i);
        for (size_t k = 0; k < peer->n; k++) {
                const struct message *m = peer->inbox[k].m;
                static const struct hash_seed seed;
                char text[128];

                snprintf(text, sizeof(text), " %.24s/%u/%016llx/%llu/%llu",
                         m->member.s       ? m->member.s
                         : m->error_name.s ? m->error_name.s
                                           : "return",
                         (unsigned)m->reply_serial,
                         (unsigned long long)hash_bytes(&seed, (const char *)m->wire, m->n_wire),
                         (unsigned long long)peer->inbox[k].cookie,
                         (unsigned long long)peer->inbox[k].caller_cookie);
                if (peer->inbox[k].cookie)
                        copies[n_copies++] = strdup(text);
                else
                        fputs(text, trace);
                if (m->type == MESSAGE_TYPE_METHOD_CALL && peer->opened &&
                    peer->opened->serial == m->serial)
                        note_call(i, m);
        }
        qsort(copies, n_copies, sizeof(char *), compare_texts);
        for (size_t k = 0; k < n_copies; k++) {
                fputs(copies[k], trace);
                free(copies[k]);
        }
        for (size_t k = 0; k < peer->n_closed; k++)
                fprintf(trace, " closed %llu", (unsigned long long)peer->closed[k]);
        peer->n_closed = 0;
        peer_forget(peer);
        memset(peer->inbox, 0, sizeof(peer->inbox));
}

static void leave(unsigned i) {
        peer_disconnect(p[i]);
        for (unsigned k = 0; k < PEERS; k++)
                note_inbox(k);
        peer_free(p[i]);
        p[i] = peer_new();
        peer_call_driver(p[i], "Hello", NULL, NULL);
}

static void become_monitor(unsigned i) {
        struct writer w;

        peer_call_init(p[i], &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH,
                       "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu");
        writer_array_begin(&w, 4);
        if (pick(2))
                writer_string(&w, make_rule());
        writer_array_end(&w);
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(p[i], &w, 0), 0);
}

static void call(unsigned i) {
        unsigned to = pick(PEERS);
        struct writer w;

        /* a monitor keeps the text, but is not found by it */
        peer_call_init(p[i], &w, pick(2) ? pick_name() : p[to]->client.unique_name, pick_path(),
                       "a.b", pick_member(), "s");
        w.flags = MESSAGE_FLAG_NO_AUTO_START;
        writer_string(&w, pick_text());
        p[to]->callee_cookie = pick(2) ? 1000 + p[i]->serial : 0;
        peer_send(p[i], &w, pick(2) ? 5000 + p[i]->serial : 0);
        p[to]->callee_cookie = 0;
}

static void answer(void) {
        unsigned at = n_calls ? pick(n_calls) : 0;
        struct open_call call = calls[at];
        struct writer w;

        if (n_calls == 0)
                return;
        calls[at] = calls[--n_calls];
        if (p[call.callee]->client.state != CLIENT_REGISTERED)
                return;
        writer_init(&w, MESSAGE_TYPE_METHOD_RETURN, 0, ++p[call.callee]->serial, "");
        w.destination = call.caller;
        w.reply_serial = call.serial;
        peer_send(p[call.callee], &w, 0);
}

static void subscribe(unsigned i) {
        const char *rule = make_rule();
        ck_assert_int_eq(match_rule_add(&bus.matches, &p[i]->client, 1000, rule, strlen(rule),
                                        ++last_cookie, NULL),
                         0);
}

static void unsubscribe(unsigned i) {
        struct match_rule *rule;

        DL_SEARCH_SCALAR2(p[i]->client.rules, rule, eavesdrop, false, client_next);
        if (rule)
                match_rule_free(rule);
}

static void expire(void) {
        int64_t next;

        if (bus.replies.deadlines)
                ck_assert_int_eq(tell_replies_expired(&bus, bus.replies.deadlines->deadline, &next),
                                 0);
}

static void ask(unsigned i) {
        static const char *const members[] = {"ListNames", "GetNameOwner", "ListQueuedOwners",
                                              "NameHasOwner"};
        unsigned which = pick(4);

        peer_call_driver(p[i], members[which], which ? pick_name() : NULL, NULL);
}

static void ask_for_rules(unsigned i) {
        struct writer w;

        peer_call_init(p[i], &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH,
                       "org.freedesktop.DBus.Debug.Stats", "GetAllMatchRules", "");
        ck_assert_int_eq(peer_send(p[i], &w, 0), 0);
}

static void request_name(unsigned i) {
        struct writer w;

        peer_call_init(p[i], &w, BUS_DRIVER_NAME, "/", BUS_DRIVER_INTERFACE, "RequestName", "su");
        writer_string(&w, pick_name());
        writer_u32(&w, pick(8));
        ck_assert_int_eq(peer_send(p[i], &w, 0), 0);
}

static void reload_config(unsigned i) {
        /* the next bus does not know of an answer that nobody waits for */
        if (reloading && !reloading->client)
                later_free(steal_ptr(&reloading));
        if (!reloading)
                peer_call_driver(p[i], "ReloadConfig", NULL, NULL);
        else
                ck_assert_int_eq(later_reply(steal_ptr(&reloading)), 0);
}

static void step(void) {
        unsigned what = pick(40), i = pick(PEERS);

        if (p[i]->client.state != CLIENT_REGISTERED || what == 0)
                leave(i);
        else if (what == 1)
                become_monitor(i);
        else if (what < 10)
                request_name(i);
        else if (what < 12)
                peer_call_driver(p[i], "ReleaseName", pick_name(), NULL);
        else if (what < 17)
                peer_call_driver(p[i], pick(4) ? "AddMatch" : "RemoveMatch", make_rule(), NULL);
        else if (what < 19)
                subscribe(i);
        else if (what < 20)
                unsubscribe(i);
        else if (what < 26)
                call(i);
        else if (what < 29)
                answer();
        else if (what < 35)
                peer_signal(p[i], pick(4) ? NULL : pick_name(), pick_path(), "a.b", pick_member(),
                            pick(2) ? pick_text() : NULL);
        else if (what < 36)
                expire();
        else if (what < 38)
                ask(i);
        else if (what < 39)
                ask_for_rules(i);
        else
                reload_config(i);
}

static void take_over(void) {
        struct later *old = steal_ptr(&reloading);

        takeover(p, PEERS);
        later_free(old);
        reloading = later_take(&owed_answers, LATER_RELOAD);
        set_hooks();
}

/* Let things happen. Returns what the peers saw, which the caller frees. */
static char *run(uint64_t seed, unsigned takeovers) {
        char *text;
        size_t n;

        state = seed;
        n_calls = 0;
        last_deadline = 1;
        last_cookie = 0;
        trace = open_memstream(&text, &n);
        set_hooks();
        for (unsigned i = 0; i < PEERS; i++)
                p[i] = peer_hello();
        for (unsigned k = 0; k < STEPS; k++) {
                fprintf(trace, "%u", k);
                step();
                for (unsigned i = 0; i < PEERS; i++)
                        note_inbox(i);
                fputc('\n', trace);
                if (takeovers && k % takeovers == takeovers - 1)
                        take_over();
        }
        later_free(steal_ptr(&reloading));
        takeover_renew(p, 0);
        fclose(trace);
        return text;
}

/* Returns the line in which the texts differ, or NULL. */
static char *find_difference(char *a, char *b) {
        static char text[4096];
        char *save_a, *save_b, *line_a = strtok_r(a, "\n", &save_a),
                               *line_b = strtok_r(b, "\n", &save_b);

        for (; line_a && line_b;
             line_a = strtok_r(NULL, "\n", &save_a), line_b = strtok_r(NULL, "\n", &save_b))
                if (strcmp(line_a, line_b) != 0) {
                        snprintf(text, sizeof(text), "%.2000s\n%.2000s", line_a, line_b);
                        return text;
                }
        return line_a || line_b ? "length" : NULL;
}

START_TEST(programs_see_no_difference) {
        char *one = run(_i + 1, 0), *many = run(_i + 1, 1 + _i % 5), *difference;

        ck_assert_uint_gt(strlen(one), 10000);
        difference = find_difference(one, many);
        ck_assert_msg(!difference, "%s", difference);
        free(one);
        free(many);
}
END_TEST

int main(void) {
        TCase *t = tcase_create("state-random");

        tcase_set_timeout(t, 120);
        tcase_add_loop_test(t, programs_see_no_difference, 0, 50);
        return suite_main("bus-state-random", t);
}
