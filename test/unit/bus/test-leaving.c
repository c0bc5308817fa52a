/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A client leaves in steps: what others see of it before the last one. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bridge/base/loop.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/activation.h"
#include "fixture.h"

#define NAME "com.example.Name"
#define SERVICE "com.example.Service" /* has a service file without Exec */

static struct peer *watcher; /* sees NameOwnerChanged */

static void watch_names(void) {
        watcher = peer_hello();
        peer_call_driver(watcher, "AddMatch", "member='NameOwnerChanged'", NULL);
        peer_flush(watcher);
}

/* The next NameOwnerChanged is from old_owner to new_owner (NULL: none). */
static void expect_change(const char *name, struct peer *old_owner, struct peer *new_owner) {
        struct message *m = peer_next(watcher);

        ck_assert_ptr_nonnull(m);
        ck_assert_str_eq(m->member.s, "NameOwnerChanged");
        ck_assert_str_eq(message_get_arg(m, 0).value.s, name);
        ck_assert_str_eq(message_get_arg(m, 1).value.s,
                         old_owner ? old_owner->client.unique_name : "");
        ck_assert_str_eq(message_get_arg(m, 2).value.s,
                         new_owner ? new_owner->client.unique_name : "");
}

/* Take one step. Returns whether it was the last one. */
static bool step(struct peer *peer) {
        bool done;

        ck_assert_int_eq(client_leave(&peer->client, &done), 0);
        ck_assert_int_eq(peer->client.state, CLIENT_GONE);
        return done;
}

static void finish(struct peer *peer) {
        while (!step(peer))
                ;
}

static struct client *owner_of(const char *name) {
        return name_resolve(&bus.names, name, strlen(name));
}

static void call(struct peer *peer, const char *destination) {
        struct writer w;

        peer_call_init(peer, &w, destination, "/", "i.j", "M", "");
        ck_assert_int_eq(peer_send(peer, &w, 0), 0);
}

static uint32_t call_for_u32(struct peer *peer, const char *member, const char *name) {
        struct message *m;
        struct reader r;

        peer_flush(peer);
        peer_call_driver(peer, member, name, NULL);
        do {
                m = peer_next(peer);
                ck_assert_ptr_nonnull(m);
        } while (m->type != MESSAGE_TYPE_METHOD_RETURN);
        reader_init(&r, m);
        return reader_u32(&r);
}

/* The only string in the answer is this one. */
static void expect_one_string(struct peer *peer, const char *text) {
        struct message *m = peer_next(peer);
        const uint8_t *end;
        struct reader r;

        ck_assert_ptr_nonnull(m);
        ck_assert_uint_eq(m->type, MESSAGE_TYPE_METHOD_RETURN);
        reader_init(&r, m);
        reader_array(&r, 4, &end);
        ck_assert_str_eq(reader_string(&r).s, text);
        ck_assert_ptr_eq(r.at, end);
}

START_TEST(leaving_client_releases_the_newest_name_first) {
        struct peer *a = peer_hello();

        peer_request_name(a, "com.example.A", 0);
        peer_request_name(a, "com.example.B", 0);
        peer_request_name(a, "com.example.C", 0);
        watch_names();
        call(watcher, a->client.unique_name);

        ck_assert(!step(a));
        peer_expect_nothing(watcher);
        ck_assert(!step(a));
        expect_change("com.example.C", a, NULL);
        peer_expect_nothing(watcher);
        ck_assert_ptr_null(owner_of("com.example.C"));
        ck_assert(!step(a));
        expect_change("com.example.B", a, NULL);
        ck_assert(!step(a));
        expect_change("com.example.A", a, NULL);
        peer_expect_nothing(watcher);
        ck_assert_ptr_eq(owner_of(a->client.unique_name), &a->client);
        finish(a);
        expect_change(a->client.unique_name, a, NULL);
        peer_expect_error(watcher, DRIVER_ERROR("NoReply"));
        peer_expect_nothing(watcher);
        ck_assert_ptr_null(owner_of(a->client.unique_name));
        ck_assert_uint_eq(bus.n_leaving, 0);
        ck_assert(step(a));
}
END_TEST

START_TEST(leaving_client_that_never_said_hello_takes_few_steps) {
        struct peer *a = peer_new();

        watch_names();
        ck_assert(!step(a));
        ck_assert_uint_eq(bus.n_leaving, 1);
        ck_assert(step(a));
        ck_assert_uint_eq(bus.n_leaving, 0);
        peer_expect_nothing(watcher);
}
END_TEST

START_TEST(leaving_monitor_has_no_names_to_release) {
        struct peer *a = peer_hello();
        struct match_rule *rules[1];

        ck_assert_int_eq(match_rule_new(&a->client, "", 0, &rules[0]), 0);
        ck_assert_int_eq(client_become_monitor(&a->client, rules, 1), 0);
        watch_names();
        ck_assert(!step(a));
        ck_assert_ptr_null(bus.monitors);
        ck_assert(step(a));
        peer_expect_nothing(watcher);
}
END_TEST

START_TEST(leaving_owner_gives_way_to_who_requests_the_name) {
        struct peer *a = peer_hello(), *b = peer_hello();

        peer_request_name(a, NAME, 0);
        watch_names();
        ck_assert(!step(a));
        peer_flush(b);
        ck_assert_uint_eq(peer_request_name(b, NAME, NAME_FLAG_DO_NOT_QUEUE), NAME_PRIMARY_OWNER);
        peer_expect_signal(b, "NameAcquired", NAME);
        expect_change(NAME, a, NULL);
        expect_change(NAME, NULL, b);
        finish(a);
        expect_change(a->client.unique_name, a, NULL);
        peer_expect_nothing(watcher);
        ck_assert_ptr_eq(owner_of(NAME), &b->client);
}
END_TEST

START_TEST(leaving_owner_gives_way_to_who_waits) {
        struct peer *a = peer_hello(), *b = peer_hello(), *c = peer_hello();

        peer_request_name(a, NAME, 0);
        peer_request_name(b, NAME, 0);
        watch_names();
        peer_flush(b);
        ck_assert(!step(a));
        ck_assert_uint_eq(peer_request_name(c, NAME, 0), NAME_IN_QUEUE);
        expect_change(NAME, a, b);
        peer_expect_signal(b, "NameAcquired", NAME);
        finish(a);
        expect_change(a->client.unique_name, a, NULL);
        peer_expect_nothing(watcher);
        peer_expect_nothing(b);
}
END_TEST

START_TEST(leaving_waiter_does_not_become_the_owner) {
        struct peer *a = peer_hello(), *b = peer_hello(), *c = peer_hello(), *d = peer_hello();

        peer_request_name(a, NAME, 0);
        peer_request_name(b, NAME, 0);
        peer_request_name(c, NAME, 0);
        peer_request_name(d, NAME, 0);
        watch_names();
        ck_assert(!step(b));
        ck_assert(!step(c));
        peer_call_driver(a, "ReleaseName", NAME, NULL);
        expect_change(NAME, a, d);
        ck_assert_ptr_eq(owner_of(NAME), &d->client);
        ck_assert_uint_eq(b->client.n_ownerships, 0);
        ck_assert_uint_eq(c->client.n_ownerships, 0);
        finish(c);
        expect_change(c->client.unique_name, c, NULL);
        finish(b);
        expect_change(b->client.unique_name, b, NULL);
        peer_expect_nothing(watcher);
}
END_TEST

START_TEST(leaving_owner_and_waiters_leave_no_name) {
        struct peer *a = peer_hello(), *b = peer_hello();

        peer_request_name(a, NAME, 0);
        peer_request_name(b, NAME, 0);
        watch_names();
        ck_assert(!step(b));
        ck_assert(!step(a));
        ck_assert_uint_eq(call_for_u32(watcher, "NameHasOwner", NAME), 0);
        ck_assert_ptr_null(name_find(&bus.names, NAME, strlen(NAME)));
        finish(b);
        finish(a);
}
END_TEST

START_TEST(leaving_waiter_that_is_replaced) {
        struct peer *a = peer_hello(), *b = peer_hello(), *c = peer_hello();

        /* The owner leaves, so REPLACE_EXISTING and ALLOW_REPLACEMENT do not matter any more. */
        peer_request_name(a, NAME, 0);
        peer_request_name(b, NAME, NAME_FLAG_ALLOW_REPLACEMENT);
        watch_names();
        ck_assert(!step(a));
        ck_assert_uint_eq(peer_request_name(c, NAME, NAME_FLAG_REPLACE_EXISTING),
                          NAME_PRIMARY_OWNER);
        expect_change(NAME, a, b);
        expect_change(NAME, b, c);
        finish(a);
        ck_assert_uint_eq(bus.n_leaving, 0);
}
END_TEST

START_TEST(leaving_owner_is_not_found) {
        struct peer *a = peer_hello(), *b = peer_hello();

        peer_request_name(a, NAME, 0);
        peer_request_name(a, "com.example.A", 0);
        peer_request_name(a, "com.example.B", 0);
        peer_request_name(a, "com.example.C", 0);
        watch_names();
        ck_assert(!step(a));
        peer_flush(b);
        peer_call_driver(b, "GetNameOwner", NAME, NULL);
        peer_expect_error(b, DRIVER_ERROR("NameHasNoOwner"));
        expect_change(NAME, a, NULL);
        ck_assert_uint_eq(call_for_u32(b, "NameHasOwner", "com.example.A"), 0);
        expect_change("com.example.A", a, NULL);
        peer_call_driver(b, "ListQueuedOwners", "com.example.B", NULL);
        peer_expect_error(b, DRIVER_ERROR("NameHasNoOwner"));
        expect_change("com.example.B", a, NULL);
        call(b, "com.example.C");
        peer_expect_error(b, DRIVER_ERROR("ServiceUnknown"));
        expect_change("com.example.C", a, NULL);
        finish(a);
        expect_change(a->client.unique_name, a, NULL);
        peer_expect_nothing(watcher);
}
END_TEST

START_TEST(leaving_waiter_is_not_listed) {
        struct peer *a = peer_hello(), *b = peer_hello(), *c = peer_hello();

        peer_request_name(a, NAME, 0);
        peer_request_name(b, NAME, 0);
        ck_assert(!step(b));
        peer_flush(c);
        peer_call_driver(c, "ListQueuedOwners", NAME, NULL);
        expect_one_string(c, a->client.unique_name);
        finish(b);
}
END_TEST

START_TEST(leaving_owner_and_ReleaseName) {
        struct peer *a = peer_hello(), *b = peer_hello(), *c = peer_hello();

        peer_request_name(a, NAME, 0);
        peer_request_name(b, NAME, 0);
        watch_names();
        ck_assert(!step(a));
        ck_assert_uint_eq(call_for_u32(c, "ReleaseName", NAME), NAME_NOT_OWNER);
        expect_change(NAME, a, b);
        ck_assert_uint_eq(call_for_u32(b, "ReleaseName", NAME), NAME_RELEASED);
        expect_change(NAME, b, NULL);
        ck_assert_uint_eq(call_for_u32(b, "ReleaseName", NAME), NAME_NON_EXISTENT);
        peer_expect_nothing(watcher);
        finish(a);
}
END_TEST

START_TEST(leaving_client_gets_no_messages) {
        struct peer *a = peer_hello(), *b = peer_hello();
        size_t n;

        peer_request_name(a, NAME, 0);
        peer_call_driver(a, "AddMatch", "member='Signal'", NULL);
        ck_assert(!step(a));
        n = a->n;
        a->refuse = CLIENT_E_GONE; /* as the front ends do */
        peer_signal(b, NULL, "/", "i.j", "Signal", NULL);
        peer_flush(b);
        call(b, a->client.unique_name);
        peer_expect_error(b, DRIVER_ERROR("NoReply"));
        ck_assert_uint_eq(a->n, n);
        finish(a);
        call(b, a->client.unique_name);
        peer_expect_error(b, DRIVER_ERROR("ServiceUnknown"));
}
END_TEST

START_TEST(leaving_service_loses_its_callers_one_by_one) {
        struct peer *a = peer_hello(), *callers[3];
        unsigned n_steps = 0;

        watch_names();
        for (size_t i = 0; i < 3; i++) {
                callers[i] = peer_hello();
                for (unsigned k = 0; k < 40; k++)
                        call(callers[i], a->client.unique_name);
        }
        peer_flush(watcher);
        while (!step(a))
                n_steps++;
        /* A step ends a few calls only, because there can be very many. */
        ck_assert_uint_ge(n_steps, 3 * 40 / 4);
        expect_change(a->client.unique_name, a, NULL);
        for (size_t i = 0; i < 3; i++) {
                for (unsigned k = 0; k < 40; k++)
                        ck_assert_str_eq(peer_next(callers[i])->error_name.s,
                                         DRIVER_ERROR("NoReply"));
                peer_expect_nothing(callers[i]);
                ck_assert_uint_eq(callers[i]->client.n_pending, 0);
        }
}
END_TEST

START_TEST(leaving_service_and_a_caller_that_leaves_meanwhile) {
        struct peer *a = peer_hello(), *b = peer_hello(), *c = peer_hello();

        for (unsigned k = 0; k < 20; k++) {
                call(b, a->client.unique_name);
                call(a, b->client.unique_name);
                call(c, a->client.unique_name);
        }
        for (unsigned k = 0; k < 8; k++)
                ck_assert(!step(a));
        ck_assert(!step(b));
        for (unsigned k = 0; k < 4; k++) {
                step(a);
                step(b);
        }
        finish(b);
        finish(a);
        ck_assert_uint_eq(bus.replies.n, 0);
        ck_assert_uint_eq(c->client.n_pending, 0);
}
END_TEST

/* services */

static struct loop loop;
static char directory[] = "/tmp/bus-leaving-XXXXXX";

static void setup_service(void) {
        struct bus_servicedir servicedir = {.path = directory};
        const struct bus_config config = {.servicedirs = &servicedir, .n_servicedirs = 1};
        struct service_table *table;
        struct rlimit limit;
        char path[128];
        FILE *f;

        memset(directory + strlen(directory) - 6, 'X', 6);
        ck_assert_ptr_nonnull(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/" SERVICE ".service", directory);
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        fprintf(f, "[D-BUS Service]\nName=" SERVICE "\nAssumedAppArmorLabel=/usr/bin/waits\n");
        fclose(f);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        ck_assert_int_eq(loop_init(&loop), 0);
        ck_assert_int_eq(activation_new(&bus, &loop, &limit, &bus.activation), 0);
        ck_assert_int_eq(service_table_load(&config, &table), 0);
        activation_exchange_table(bus.activation, &table);
}

static void teardown_service(void) {
        char path[128];

        bus.activation = activation_free(bus.activation);
        loop_deinit(&loop);
        snprintf(path, sizeof(path), "%s/" SERVICE ".service", directory);
        unlink(path);
        rmdir(directory);
}

START_TEST(leaving_service_is_started_again) {
        struct peer *a, *b, *c;
        struct writer w;

        setup_service();
        a = peer_hello();
        b = peer_hello();
        c = peer_hello();
        peer_request_name(a, SERVICE, 0);
        watch_names();
        ck_assert(!step(a));

        /* The call, and that of StartServiceByName, wait for the next owner. */
        peer_flush(b);
        call(b, SERVICE);
        expect_change(SERVICE, a, NULL);
        peer_expect_nothing(b);
        peer_call_init(b, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH, BUS_DRIVER_INTERFACE,
                       "StartServiceByName", "su");
        writer_string(&w, SERVICE);
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(b, &w, 0), 0);
        peer_expect_nothing(b);
        finish(a);
        expect_change(a->client.unique_name, a, NULL);

        peer_flush(c);
        ck_assert_uint_eq(peer_request_name(c, SERVICE, 0), NAME_PRIMARY_OWNER);
        expect_change(SERVICE, NULL, c);
        peer_expect_return(b);
        peer_expect_signal(c, "NameAcquired", SERVICE);
        ck_assert_str_eq(peer_next(c)->member.s, "M");
        for (struct peer **p = (struct peer *[]){a, b, c, watcher, NULL}; *p; p++)
                peer_free(*p);
        teardown_service();
}
END_TEST

START_TEST(leaving_systemd_gets_no_requests) {
        struct peer *a = peer_hello();

        peer_request_name(a, "org.freedesktop.systemd1", 0);
        ck_assert_ptr_eq(launch_find_systemd(&bus), &a->client);
        ck_assert(!step(a));
        ck_assert_ptr_null(launch_find_systemd(&bus));
        finish(a);
}
END_TEST

/* many clients with many names, in any order */

#define N 12
#define N_NAMES 6

static unsigned seed;

static size_t random_below(size_t n) {
        return (size_t)rand_r(&seed) % n;
}

static const char *name_of(size_t i) {
        static const char *const names[N_NAMES] = {"a.a", "a.b", "a.c", "a.d", "a.e", "a.f"};

        return names[i];
}

/* What the watcher has been told about the owner of each name. */
static char told[N_NAMES][32];

static void read_changes(void) {
        struct message *m;

        while ((m = peer_next(watcher))) {
                for (size_t i = 0; i < N_NAMES; i++) {
                        if (strcmp(message_get_arg(m, 0).value.s, name_of(i)) != 0)
                                continue;
                        ck_assert_str_eq(message_get_arg(m, 1).value.s, told[i]);
                        snprintf(told[i], sizeof(told[i]), "%s", message_get_arg(m, 2).value.s);
                }
        }
        peer_forget(watcher);
}

START_TEST(leaving_clients_and_names_at_random) {
        struct peer *all[N];

        seed = 5 + (unsigned)_i;
        memset(told, 0, sizeof(told));
        watch_names();
        for (size_t i = 0; i < N; i++)
                all[i] = peer_hello();
        for (unsigned k = 0; k < 5000; k++) {
                struct peer **peer = &all[random_below(N)];
                const char *name = name_of(random_below(N_NAMES));
                size_t what = random_below(8);

                if ((*peer)->client.state == CLIENT_GONE) {
                        if (step(*peer)) {
                                peer_free(*peer);
                                *peer = peer_hello();
                        }
                } else if (what == 0)
                        step(*peer);
                else if (what < 5)
                        peer_request_name(*peer, name, (uint32_t)random_below(8));
                else if (what < 7)
                        peer_call_driver(*peer, "ReleaseName", name, NULL);
                else
                        call(*peer, name);
                for (size_t i = 0; i < N; i++)
                        peer_forget(all[i]);
                read_changes();
                /* What was told is true, except of a client that is leaving. */
                for (size_t i = 0; i < N_NAMES; i++) {
                        struct client *owner = owner_of(name_of(i));

                        ck_assert_str_eq(told[i], owner ? owner->unique_name : "");
                }
        }
        for (size_t i = 0; i < N; i++)
                finish(all[i]);
        read_changes();
        for (size_t i = 0; i < N_NAMES; i++)
                ck_assert_str_eq(told[i], "");
        ck_assert_uint_eq(bus.n_leaving, 0);
        ck_assert_uint_eq(bus.names.n_names, 0);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("leaving");

        tcase_add_test(tcase, leaving_client_releases_the_newest_name_first);
        tcase_add_test(tcase, leaving_client_that_never_said_hello_takes_few_steps);
        tcase_add_test(tcase, leaving_monitor_has_no_names_to_release);
        tcase_add_test(tcase, leaving_owner_gives_way_to_who_requests_the_name);
        tcase_add_test(tcase, leaving_owner_gives_way_to_who_waits);
        tcase_add_test(tcase, leaving_waiter_does_not_become_the_owner);
        tcase_add_test(tcase, leaving_owner_and_waiters_leave_no_name);
        tcase_add_test(tcase, leaving_waiter_that_is_replaced);
        tcase_add_test(tcase, leaving_owner_is_not_found);
        tcase_add_test(tcase, leaving_waiter_is_not_listed);
        tcase_add_test(tcase, leaving_owner_and_ReleaseName);
        tcase_add_test(tcase, leaving_client_gets_no_messages);
        tcase_add_test(tcase, leaving_service_loses_its_callers_one_by_one);
        tcase_add_test(tcase, leaving_service_and_a_caller_that_leaves_meanwhile);
        tcase_add_test(tcase, leaving_service_is_started_again);
        tcase_add_test(tcase, leaving_systemd_gets_no_requests);
        tcase_add_loop_test(tcase, leaving_clients_and_names_at_random, 0, 4);
        return suite_main("leaving", tcase);
}
