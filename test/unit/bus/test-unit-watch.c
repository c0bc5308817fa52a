/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Questions to systemd about units, and its answers: cases that test-unit-watch.py cannot bring
 * about at will.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bridge/base/loop.h"
#include "bridge/bus/account.h"
#include "bridge/bus/activation-systemd.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/unit-watch.h"
#include "fixture.h"
#include "test/unit/memory.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define UNIT_PATH "/org/freedesktop/systemd1/unit/a_2eservice"
#define TRIES_MAX 1000

/* two names of one unit */
static const char *const names[] = {"com.example.A", "com.example.B"};
static char directory[] = "/tmp/unit-watch-XXXXXX";
static struct loop loop;
static struct peer *systemd, *a;

static const char *path_of(const char *name) {
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s.service", directory, name);
        return path;
}

static void setup(void) {
        struct bus_servicedir servicedir = {.path = directory};
        const struct bus_config config = {.servicedirs = &servicedir, .n_servicedirs = 1};
        struct service_table *table;
        struct rlimit limit;

        memset(directory + strlen(directory) - 6, 'X', 6);
        ck_assert_ptr_nonnull(mkdtemp(directory));
        for (size_t i = 0; i < 2; i++) {
                FILE *f = fopen(path_of(names[i]), "we");

                ck_assert_ptr_nonnull(f);
                fprintf(f, "[D-BUS Service]\nName=%s\nSystemdService=a.service\n", names[i]);
                fclose(f);
        }
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        ck_assert_int_eq(loop_init(&loop), 0);
        ck_assert_int_eq(activation_new(&bus, &loop, &limit, &bus.activation), 0);
        ck_assert_int_eq(service_table_load(&config, &table), 0);
        activation_exchange_table(bus.activation, &table);
        bus.systemd_activation = true;
        systemd = peer_hello();
        a = peer_hello();
        ck_assert_uint_eq(peer_request_name(systemd, SYSTEMD, 0), NAME_PRIMARY_OWNER);
        peer_flush(systemd);
}

static void teardown(void) {
        for (size_t i = 0; i < 2; i++) {
                unlink(path_of(names[i]));
        }
        rmdir(directory);
        peer_free(a);
        peer_free(systemd);
        bus.activation = activation_free(bus.activation);
        loop_deinit(&loop);
}

/*
 * Send the message, with this many allocations until one fails; negative: none fails. Returns the
 * result of client_receive(), and, unless ret_has_failed is NULL, whether one has failed.
 */
static int send_starving(struct peer *peer, struct writer *w, long n_left, bool *ret_has_failed) {
        struct message *m;
        int r;

        ck_assert_int_eq(writer_finish(w, &m), 0);
        memory_left = n_left;
        r = client_receive(&peer->client, m, 0);
        if (ret_has_failed)
                *ret_has_failed = memory_left < 0;
        memory_left = -1;
        message_unref(m);
        return r;
}

static int call_starving(const char *name, long n_left, bool *ret_has_failed) {
        struct writer w;

        peer_call_init(a, &w, name, "/", "i.j", "M", "");
        return send_starving(a, &w, n_left, ret_has_failed);
}

static void call(const char *name) {
        ck_assert_int_eq(call_starving(name, -1, NULL), 0);
}

/* The next message to systemd has this member; return its serial. */
static uint32_t expect(const char *member) {
        struct message *m = peer_next(systemd);

        ck_assert_ptr_nonnull(m);
        ck_assert_str_eq(m->member.s, member);
        return m->serial;
}

static void answer_init(struct writer *w, uint8_t type, uint32_t serial, const char *signature) {
        writer_init(w, type, 0, ++systemd->serial, signature);
        w->reply_serial = serial;
        w->destination = BUS_DRIVER_NAME;
}

static void refuse(uint32_t serial) {
        struct writer w;

        answer_init(&w, MESSAGE_TYPE_ERROR, serial, "");
        w.error_name = SYSTEMD ".NoSuchUnit";
        ck_assert_int_eq(peer_send(systemd, &w, 0), 0);
}

static void tell_path(uint32_t serial) {
        struct writer w;

        answer_init(&w, MESSAGE_TYPE_METHOD_RETURN, serial, "o");
        writer_string(&w, UNIT_PATH);
        ck_assert_int_eq(peer_send(systemd, &w, 0), 0);
}

static int tell_state_starving(uint32_t serial, const char *name, const char *value, long n_left,
                               bool *ret_has_failed) {
        struct writer w;

        answer_init(&w, MESSAGE_TYPE_METHOD_RETURN, serial, "a{sv}");
        writer_array_begin(&w, 8);
        writer_struct(&w);
        writer_string(&w, name);
        writer_variant(&w, "s");
        writer_string(&w, value);
        writer_array_end(&w);
        return send_starving(systemd, &w, n_left, ret_has_failed);
}

static void tell_state(uint32_t serial, const char *name, const char *value) {
        ck_assert_int_eq(tell_state_starving(serial, name, value, -1, NULL), 0);
}

/* The unit fails, which systemd tells when it is asked for its state. */
static void fail_when_asked(void) {
        tell_state(expect("GetAll"), "ActiveState", "failed");
        tell_state(expect("GetAll"), "Result", "watchdog");
}

START_TEST(refusal_before_the_last_request_does_not_decide) {
        uint32_t first;

        setup();
        call(names[0]);
        expect("Subscribe");
        expect("ActivationRequest");
        first = expect("LoadUnit");
        call(names[1]);
        expect("ActivationRequest");
        refuse(first);
        tell_path(expect("LoadUnit"));
        fail_when_asked();
        a->serial--;
        peer_expect_error(a, DRIVER_ERROR("TimedOut"));
        a->serial++;
        peer_expect_error(a, DRIVER_ERROR("TimedOut"));
        teardown();
}
END_TEST

START_TEST(refusal_does_not_decide_about_a_later_request) {
        setup();
        call(names[0]);
        expect("Subscribe");
        expect("ActivationRequest");
        refuse(expect("LoadUnit"));
        peer_expect_nothing(systemd);
        call(names[1]);
        expect("ActivationRequest");
        tell_path(expect("LoadUnit"));
        fail_when_asked();
        a->serial--;
        peer_expect_error(a, DRIVER_ERROR("TimedOut"));
        a->serial++;
        peer_expect_error(a, DRIVER_ERROR("TimedOut"));
        teardown();
}
END_TEST

START_TEST(refusal_before_a_change_does_not_decide) {
        struct writer w;
        uint32_t serial;

        setup();
        call(names[0]);
        expect("Subscribe");
        expect("ActivationRequest");
        serial = expect("LoadUnit");
        writer_init(&w, MESSAGE_TYPE_SIGNAL, 0, ++systemd->serial, "b");
        w.path = "/org/freedesktop/systemd1";
        w.interface = SYSTEMD ".Manager";
        w.member = "Reloading";
        writer_bool(&w, false);
        ck_assert_int_eq(peer_send(systemd, &w, 0), 0);
        refuse(serial);
        tell_path(expect("LoadUnit"));
        fail_when_asked();
        peer_expect_error(a, DRIVER_ERROR("TimedOut"));
        teardown();
}
END_TEST

/* A reply that nobody waits for is denied. */
static void restrict_replies(struct bus_config **config) {
        char path[] = "/tmp/unit-watch-config-XXXXXX", *error = NULL;
        int fd = mkstemp(path);

        ck_assert_int_ge(fd, 0);
        dprintf(fd, "<busconfig><listen>unix:path=/nonexistent</listen><policy context=\"default\">"
                    "<allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\"/>"
                    "<allow receive_sender=\"*\"/></policy></busconfig>");
        ck_assert_msg(bus_config_load(path, NULL, config, &error) == 0, "%s", error);
        ck_assert_int_eq(bus_configure(&bus, *config), 0);
        close(fd);
        unlink(path);
}

START_TEST(answer_after_the_end_of_the_start_is_expected) {
        struct bus_config *config;
        struct capture capture;
        struct peer *owner;
        uint32_t serial;
        char text[4096];

        setup();
        restrict_replies(&config);
        owner = peer_hello();
        call(names[0]);
        expect("Subscribe");
        expect("ActivationRequest");
        serial = expect("LoadUnit");
        ck_assert_uint_eq(peer_request_name(owner, names[0], 0), NAME_PRIMARY_OWNER);
        peer_disconnect(owner);
        capture_begin(&capture);
        tell_path(serial);
        ck_assert_uint_eq(capture_end(&capture, text, sizeof(text)), 0);
        ck_assert_ptr_null(bus.activation->watches->watches);
        ck_assert_ptr_null(bus.unit_manager);

        /* a later start takes over the question, whose answer is about the time before it */
        owner = peer_hello();
        call(names[0]);
        expect("ActivationRequest");
        serial = expect("LoadUnit");
        ck_assert_uint_eq(peer_request_name(owner, names[0], 0), NAME_PRIMARY_OWNER);
        peer_disconnect(owner);
        peer_flush(a);
        call(names[1]);
        expect("ActivationRequest");
        refuse(serial);
        tell_path(expect("LoadUnit"));
        fail_when_asked();
        peer_expect_error(a, DRIVER_ERROR("TimedOut"));
        bus.config = NULL;
        teardown();
        bus_config_free(config);
}
END_TEST

static void tell_template(uint32_t serial, const char *state) {
        struct writer w;

        answer_init(&w, MESSAGE_TYPE_METHOD_RETURN, serial, "s");
        writer_string(&w, state);
        ck_assert_int_eq(peer_send(systemd, &w, 0), 0);
}

START_TEST(template_has_one_question_at_a_time) {
        uint32_t serial;

        setup();
        bus.standard_configuration = true;
        for (unsigned i = 0; i < 3; i++)
                ck_assert_int_eq(activation_look_for_template(bus.activation), 0);
        serial = expect("GetUnitFileState");
        peer_expect_nothing(systemd);
        tell_template(serial, "static");
        ck_assert(!bus.activation->watches->has_template);
        serial = expect("GetUnitFileState");
        tell_template(serial, "disabled");
        ck_assert(bus.activation->watches->has_template);
        peer_expect_nothing(systemd);
        teardown();
}
END_TEST

/* logs */

#define N_FAILURES (2 * COMPLAINT_BURST)

START_TEST(refused_starts_do_not_fill_the_log) {
        static char text[1 << 16];
        struct capture capture;
        unsigned n = 0;

        setup();
        capture_begin(&capture);
        for (unsigned i = 0; i < N_FAILURES; i++) {
                struct writer w;

                peer_forget(systemd);
                peer_forget(a);
                a->client.account->starts_due = 0; /* as if time had passed */
                call(names[0]);
                writer_init(&w, MESSAGE_TYPE_SIGNAL, 0, ++systemd->serial, "sss");
                w.destination = BUS_DRIVER_NAME;
                w.path = "/org/freedesktop/systemd1";
                w.interface = SYSTEMD ".Activator";
                w.member = "ActivationFailure";
                writer_string(&w, "a.service");
                writer_string(&w, SYSTEMD ".UnitMasked");
                writer_string(&w, "it is masked");
                ck_assert_int_eq(peer_send(systemd, &w, 0), 0);
                ck_assert_uint_eq(a->n, 1);
        }
        capture_end(&capture, text, sizeof(text));
        for (const char *at = text; (at = strstr(at, "failed for unit")); at++)
                n++;
        ck_assert_uint_gt(n, 0);
        ck_assert_uint_le(n, COMPLAINT_BURST);
        teardown();
}
END_TEST

/* lack of memory */

/* systemd comes back, and knows nothing of what was before. */
static void renew_systemd(void) {
        peer_call_driver(systemd, "ReleaseName", SYSTEMD, NULL);
        ck_assert_uint_eq(peer_request_name(systemd, SYSTEMD, 0), NAME_PRIMARY_OWNER);
        ck_assert_ptr_null(bus.activation->watches->watches);
        peer_forget(systemd);
        peer_forget(a);
}

/* Return the serial of the last message to systemd with this member; 0 if there is none. */
static uint32_t find_last(const char *member) {
        for (size_t i = systemd->n; i > 0; i--) {
                const struct message *m = systemd->inbox[i - 1].m;

                if (m->member.s && strcmp(m->member.s, member) == 0)
                        return m->serial;
        }
        return 0;
}

/*
 * Each allocation fails once while a start begins. Whatever that costs the first call: the second
 * one gets its error when the unit fails.
 */
START_TEST(lack_of_memory_holds_up_no_later_start) {
        bool has_failed = true;
        long n_left;

        setup();
        for (n_left = 0; has_failed && n_left < TRIES_MAX; n_left++) {
                int r;

                renew_systemd();
                r = call_starving(names[0], n_left, &has_failed);
                ck_assert(r == 0 || (r == -ENOMEM && has_failed));
                ck_assert_uint_eq(a->client.account->n_waiting, r == 0 && a->n == 0);
                call(names[0]);
                ck_assert_uint_ne(find_last("Subscribe"), 0);
                ck_assert_uint_ne(find_last("ActivationRequest"), 0);
                ck_assert_uint_ne(find_last("LoadUnit"), 0);
                peer_flush(systemd);
                tell_path(find_last("LoadUnit"));
                fail_when_asked();
                a->read = a->n - 1;
                peer_expect_error(a, DRIVER_ERROR("TimedOut"));
                ck_assert_uint_eq(a->client.account->n_waiting, 0);
        }
        ck_assert_int_gt(n_left, 10);
        ck_assert_int_lt(n_left, TRIES_MAX);
        teardown();
}
END_TEST

/* systemd is the client whose message is handled, but it has not caused what needs memory. */
START_TEST(lack_of_memory_does_not_cost_systemd_its_connection) {
        static const char *const properties[][2] = {
                {"ActiveState", "failed"},
                {"Result", "watchdog"},
        };

        setup();
        for (size_t starving = 0; starving < 2; starving++) {
                bool has_failed = true;
                long n_left;

                for (n_left = 0; has_failed && n_left < TRIES_MAX; n_left++) {
                        struct peer *owner = peer_hello();

                        renew_systemd();
                        call(names[0]);
                        expect("Subscribe");
                        expect("ActivationRequest");
                        tell_path(expect("LoadUnit"));
                        for (size_t i = 0; i <= starving; i++) {
                                int r = tell_state_starving(
                                        expect("GetAll"), properties[i][0], properties[i][1],
                                        i == starving ? n_left : -1, &has_failed);

                                ck_assert_int_eq(r, 0);
                        }
                        ck_assert_uint_eq(peer_request_name(owner, names[0], 0),
                                          NAME_PRIMARY_OWNER);
                        peer_free(owner);
                }
                ck_assert_int_gt(n_left, 1);
                ck_assert_int_lt(n_left, TRIES_MAX);
        }
        teardown();
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("unit-watch");

        tcase_add_test(tcase, refusal_before_the_last_request_does_not_decide);
        tcase_add_test(tcase, refusal_does_not_decide_about_a_later_request);
        tcase_add_test(tcase, refusal_before_a_change_does_not_decide);
        tcase_add_test(tcase, answer_after_the_end_of_the_start_is_expected);
        tcase_add_test(tcase, template_has_one_question_at_a_time);
        tcase_add_test(tcase, refused_starts_do_not_fill_the_log);
        tcase_add_test(tcase, lack_of_memory_holds_up_no_later_start);
        tcase_add_test(tcase, lack_of_memory_does_not_cost_systemd_its_connection);
        return suite_main("unit-watch", tcase);
}
