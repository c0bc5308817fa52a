/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Activation: cases that a test with real programs cannot bring about at will, or cannot see. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bridge/base/loop.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/mediate.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/start.h"
#include "fixture.h"

#define WAITS "com.example.Waits" /* has no Exec: the start only waits for an owner of the name */
#define FAILS "com.example.Fails" /* its Exec is not valid, so its start fails at once */
#define COOKIE 7

static struct loop loop;
static char directory[] = "/tmp/bus-activation-XXXXXX";

static void write_service(const char *name, const char *lines) {
        char path[128];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s.service", directory, name);
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        fprintf(f, "[D-BUS Service]\nName=%s\n%s", name, lines);
        fclose(f);
}

static void remove_service(const char *name) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s.service", directory, name);
        unlink(path);
}

static void setup(void) {
        struct bus_servicedir servicedir = {.path = directory};
        const struct bus_config config = {.servicedirs = &servicedir, .n_servicedirs = 1};
        struct service_table *table;
        struct rlimit limit;

        memset(directory + strlen(directory) - 6, 'X', 6);
        ck_assert_ptr_nonnull(mkdtemp(directory));
        write_service(WAITS, "AssumedAppArmorLabel=/usr/bin/waits\n");
        write_service(FAILS, "Exec=\"\n");
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        ck_assert_int_eq(loop_init(&loop), 0);
        ck_assert_int_eq(activation_new(&bus, &loop, &limit, &bus.activation), 0);
        ck_assert_int_eq(service_table_load(&config, &table), 0);
        activation_exchange_table(bus.activation, &table);
}

static void teardown(void) {
        bus.activation = activation_free(bus.activation);
        loop_deinit(&loop);
        remove_service(WAITS);
        remove_service(FAILS);
        rmdir(directory);
}

static void call(struct peer *peer, const char *destination, uint64_t cookie) {
        struct writer w;

        peer_call_init(peer, &w, destination, "/", "i.j", "M", "");
        ck_assert_int_eq(peer_send(peer, &w, cookie), 0);
}

static void start_by_name(struct peer *peer, const char *name, uint64_t cookie) {
        struct writer w;

        peer_call_init(peer, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH, BUS_DRIVER_INTERFACE,
                       "StartServiceByName", "su");
        writer_string(&w, name);
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(peer, &w, cookie), 0);
}

/* Check that the last message to the peer ended this cookie, and that reply_closed() ended none. */
static void expect_cookie(const struct peer *peer, uint64_t cookie) {
        ck_assert_uint_eq(peer->inbox[peer->n - 1].caller_cookie, cookie);
        ck_assert_uint_eq(peer->n_closed, 0);
}

static struct message *make_call(struct peer *peer) {
        struct message *m;
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_METHOD_CALL, 0, ++peer->serial, "");
        w.path = "/";
        w.member = "M";
        w.destination = BUS_DRIVER_NAME;
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        return m;
}

START_TEST(service_file_that_is_removed_meanwhile) {
        int (*const begin[])(struct client *, struct message *, uint64_t, const char *) = {
                activation_start,
                activation_call_later,
        };
        struct peer *peer = peer_hello();

        setup();
        for (size_t i = 0; i < 2; i++) {
                struct message *m = make_call(peer);

                ck_assert_int_eq(begin[i](&peer->client, m, 7, "a.b"), 0);
                peer_expect_error(peer, DRIVER_ERROR("ServiceUnknown"));
                ck_assert_uint_eq(peer->inbox[peer->n - 1].caller_cookie, 7);
                ck_assert_uint_eq(peer->n_closed, 0);
                message_unref(m);
        }
        ck_assert_ptr_null(activation_find(&bus, "a.b"));
        teardown();
}
END_TEST

/* The caller_cookie of a call must end exactly once: with the answer, or by reply_closed(). */

START_TEST(cookie_of_a_held_call_goes_with_it) {
        struct peer *sender = peer_hello(), *owner = peer_hello();

        setup();
        call(sender, WAITS, COOKIE);
        peer_expect_nothing(sender);
        ck_assert_uint_eq(peer_request_name(owner, WAITS, 0), NAME_PRIMARY_OWNER);
        ck_assert_ptr_nonnull(owner->opened);
        ck_assert_uint_eq(owner->opened->caller_cookie, COOKIE);
        ck_assert_uint_eq(sender->n_closed, 0);
        peer_disconnect(owner);
        peer_expect_error(sender, DRIVER_ERROR("NoReply"));
        expect_cookie(sender, COOKIE);
        teardown();
}
END_TEST

START_TEST(cookie_of_a_failure_ends_with_the_error) {
        struct peer *sender = peer_hello();

        setup();
        call(sender, FAILS, COOKIE);
        peer_expect_error(sender, DRIVER_ERROR("InvalidArgs"));
        expect_cookie(sender, COOKIE);
        start_by_name(sender, FAILS, COOKIE + 1);
        peer_expect_error(sender, DRIVER_ERROR("InvalidArgs"));
        expect_cookie(sender, COOKIE + 1);
        ck_assert_ptr_null(activation_find(&bus, FAILS));

        call(sender, WAITS, COOKIE + 2);
        ck_assert_int_eq(start_fail(activation_find(&bus, WAITS), "com.example.E", "why"), 0);
        peer_expect_error(sender, "com.example.E");
        expect_cookie(sender, COOKIE + 2);
        teardown();
}
END_TEST

START_TEST(cookie_of_a_start_ends_with_the_answer) {
        struct peer *sender = peer_hello(), *owner = peer_hello();

        setup();
        start_by_name(sender, WAITS, COOKIE);
        peer_expect_nothing(sender);
        ck_assert_uint_eq(peer_request_name(owner, WAITS, 0), NAME_PRIMARY_OWNER);
        peer_expect_return(sender);
        expect_cookie(sender, COOKIE);
        teardown();
}
END_TEST

START_TEST(cookies_of_a_client_that_leaves_are_ended) {
        struct peer *sender = peer_hello(), *owner = peer_hello();

        setup();
        call(sender, WAITS, COOKIE);
        start_by_name(sender, WAITS, COOKIE + 1);
        peer_disconnect(sender);
        ck_assert_uint_eq(sender->n_closed, 2);
        ck_assert_uint_eq(sender->closed[0] + sender->closed[1], 2 * COOKIE + 1);
        ck_assert_uint_eq(peer_request_name(owner, WAITS, 0), NAME_PRIMARY_OWNER);
        ck_assert_ptr_null(owner->opened);
        ck_assert_uint_eq(sender->n_closed, 2);
        teardown();
}
END_TEST

/* The front end of the fixture never stops reading. So a client with a full backlog gets errors. */
START_TEST(held_messages_count_in_the_backlog_of_their_sender) {
        struct peer *sender = peer_hello(), *other = peer_hello(), *owner = peer_hello();

        setup();
        bus.limits.max_incoming_bytes = 1;
        call(sender, WAITS, 0);
        ck_assert_uint_eq(sender->client.backlog->n_messages, 1);
        call(sender, WAITS, COOKIE);
        peer_expect_error(sender, DRIVER_ERROR("LimitsExceeded"));
        expect_cookie(sender, COOKIE);
        call(other, WAITS, 0);
        peer_expect_nothing(other);

        ck_assert_uint_eq(peer_request_name(owner, WAITS, 0), NAME_PRIMARY_OWNER);
        ck_assert_uint_eq(sender->client.backlog->n_messages, 0);
        ck_assert_uint_eq(other->client.backlog->n_messages, 0);
        ck_assert_uint_eq(sender->client.account->n_waiting, 0);
        teardown();
}
END_TEST

static void change_user(struct peer *peer, uint32_t uid) {
        struct account *old = peer->client.account;

        peer->client.account = account_get(&bus, uid);
        ck_assert_ptr_nonnull(peer->client.account);
        peer->client.account->n_registered++;
        old->n_registered--;
        account_put(&bus, old);
}

START_TEST(each_user_may_wait) {
        struct peer *a = peer_hello(), *b = peer_hello(), *other = peer_hello();

        setup();
        change_user(other, bus.uid + 1);
        bus.limits.max_pending_service_starts = 2;
        call(a, WAITS, 0);
        call(b, WAITS, 0);
        call(a, WAITS, COOKIE);
        peer_expect_error(a, DRIVER_ERROR("LimitsExceeded"));
        expect_cookie(a, COOKIE);
        call(other, WAITS, 0);
        call(other, WAITS, 0);
        peer_expect_nothing(other);
        call(other, WAITS, COOKIE);
        peer_expect_error(other, DRIVER_ERROR("LimitsExceeded"));
        expect_cookie(other, COOKIE);

        peer_disconnect(b);
        call(a, WAITS, 0);
        peer_expect_nothing(a);
        ck_assert_uint_eq(a->client.account->n_waiting, 2);
        teardown();
}
END_TEST

static bool may_send;
static char asked_label[64];

static bool fake_send(struct mediator *mediator, const struct mediation_message *asked,
                      char *reason) {
        snprintf(asked_label, sizeof(asked_label), "%s",
                 !asked->activation     ? "there"
                 : asked->assumed_label ? asked->assumed_label
                                        : "unknown");
        strcpy(reason, "the reason");
        return may_send;
}

static void fake_free(struct mediator *mediator) {
}

START_TEST(security_modules_are_asked_before_the_start_and_at_delivery) {
        struct peer *sender = peer_hello(), *owner = peer_hello();
        struct mediator fake = {.name = "Fake", .may_send = fake_send, .free = fake_free};

        setup();
        mediate_add(&bus, &fake);
        may_send = false;
        call(sender, WAITS, COOKIE);
        ck_assert_str_eq(asked_label, "/usr/bin/waits");
        peer_expect_error(sender, DRIVER_ERROR("AccessDenied"));
        expect_cookie(sender, COOKIE);
        ck_assert_ptr_null(activation_find(&bus, WAITS));

        may_send = true;
        call(sender, FAILS, 0);
        ck_assert_str_eq(asked_label, "unknown");
        peer_expect_error(sender, DRIVER_ERROR("InvalidArgs"));

        call(sender, WAITS, COOKIE + 1);
        bus.mediators = NULL; /* no questions until the held message is delivered */
        may_send = false;
        ck_assert_int_eq(name_request(&bus.names, &owner->client, WAITS, strlen(WAITS), 0,
                                      &(uint32_t){0}, &(struct name_change){}),
                         0);
        bus.mediators = &fake;
        ck_assert_int_eq(activation_deliver(activation_find(&bus, WAITS), &owner->client), 0);
        ck_assert_str_eq(asked_label, "there");
        peer_expect_error(sender, DRIVER_ERROR("AccessDenied"));
        expect_cookie(sender, COOKIE + 1);
        bus.mediators = NULL;
        teardown();
}
END_TEST

/*
 * Two calls wait for the service that its later owner has sent: the first one releases the name,
 * and the second one requests it again, while both are delivered.
 */
START_TEST(owner_that_gives_up_the_name_and_takes_it_again_at_delivery) {
        struct peer *owner = peer_hello(), *sender = peer_hello();
        static const char *const members[] = {"ReleaseName", "RequestName"};

        setup();
        for (size_t i = 0; i < 2; i++) {
                struct message *m;
                struct writer w;

                writer_init(&w, MESSAGE_TYPE_METHOD_CALL, 0, ++owner->serial, i ? "su" : "s");
                w.path = BUS_DRIVER_PATH;
                w.interface = BUS_DRIVER_INTERFACE;
                w.member = members[i];
                w.destination = BUS_DRIVER_NAME;
                writer_string(&w, WAITS);
                if (i)
                        writer_u32(&w, 0);
                ck_assert_int_eq(writer_finish(&w, &m), 0);
                ck_assert_int_eq(activation_call_later(&owner->client, m, COOKIE + i, WAITS), 0);
                message_unref(m);
        }
        call(sender, WAITS, COOKIE);
        ck_assert_uint_eq(peer_request_name(owner, WAITS, 0), NAME_PRIMARY_OWNER);
        ck_assert_ptr_null(activation_find(&bus, WAITS));
        ck_assert_ptr_eq(name_resolve(&bus.names, WAITS, strlen(WAITS)), &owner->client);
        peer_expect_signal(owner, "NameAcquired", WAITS);
        peer_expect_signal(owner, "NameLost", WAITS);
        ck_assert_uint_eq(peer_next(owner)->type, MESSAGE_TYPE_METHOD_RETURN);
        peer_expect_signal(owner, "NameAcquired", WAITS);
        ck_assert_uint_eq(peer_next(owner)->type, MESSAGE_TYPE_METHOD_RETURN);
        ck_assert_str_eq(peer_next(owner)->member.s, "M");
        ck_assert_uint_eq(owner->n_closed, 0);
        peer_disconnect(owner);
        peer_expect_error(sender, DRIVER_ERROR("NoReply"));
        teardown();
}
END_TEST

int main(void) {
        TCase *t = tcase_create("activation");

        tcase_add_test(t, service_file_that_is_removed_meanwhile);
        tcase_add_test(t, cookie_of_a_held_call_goes_with_it);
        tcase_add_test(t, cookie_of_a_failure_ends_with_the_error);
        tcase_add_test(t, cookie_of_a_start_ends_with_the_answer);
        tcase_add_test(t, cookies_of_a_client_that_leaves_are_ended);
        tcase_add_test(t, held_messages_count_in_the_backlog_of_their_sender);
        tcase_add_test(t, each_user_may_wait);
        tcase_add_test(t, owner_that_gives_up_the_name_and_takes_it_again_at_delivery);
        tcase_add_test(t, security_modules_are_asked_before_the_start_and_at_delivery);
        return suite_main("bus-activation", t);
}
