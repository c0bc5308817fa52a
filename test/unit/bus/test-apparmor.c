/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * AppArmor: the questions of the bus, which a fake of aa_query_label() answers. On a kernel without
 * AppArmor the bus does not load libapparmor.
 */

#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bridge/base/loop.h"
#include "bridge/lsm/apparmor.h"

static char question[4096];
static size_t n_question;
static uint32_t mask;
static unsigned n_asked;
static int answer_allowed, answer_audited, answer_result;
static char record[2048];
static bool refuse_record;

static struct loop loop;
static struct mediator *mediator;
static struct peer *A, *B;
static int changes;

static int fake_query(uint32_t m, char *query, size_t size, int *allowed, int *audited) {
        ck_assert_uint_ge(size, AA_QUERY_CMD_LABEL_SIZE);
        n_question = size - AA_QUERY_CMD_LABEL_SIZE;
        ck_assert_uint_le(n_question, sizeof(question));
        memcpy(question, query + AA_QUERY_CMD_LABEL_SIZE, n_question);
        mask = m;
        n_asked++;
        *allowed = answer_allowed;
        *audited = answer_audited;
        return answer_result;
}

static int fake_write(int fd, int type, const char *message, const char *hostname, const char *addr,
                      const char *tty, uid_t uid) {
        snprintf(record, sizeof(record), "%s", message);
        return refuse_record ? -EPERM : 1;
}

static void set_label(struct peer *peer, const char *label) {
        free(peer->client.credentials.label);
        peer->client.credentials.label = label ? strdup(label) : NULL;
        peer->client.credentials.n_label = label ? strlen(label) : 0;
}

static void begin(void) {
        const struct apparmor_functions functions = {.query_label = fake_query};
        const struct lsm_audit audit = {.fd = dup(STDERR_FILENO), .write = fake_write};

        A = peer_hello();
        B = peer_hello();
        set_label(A, "/usr/bin/a (enforce)");
        set_label(B, "b//child (complain)");
        bus.type = strdup("system");
        ck_assert_int_eq(loop_init(&loop), 0);
        changes = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        ck_assert_int_eq(apparmor_new(&bus, &loop, &functions, &audit, changes, &mediator), 0);
        mediate_add(&bus, mediator);
        answer_allowed = 1;
        answer_audited = answer_result = 0;
        n_asked = 0;
        record[0] = '\0';
        refuse_record = false;
}

/* Runs after fixture_teardown(), which ends the bus. */
static void teardown(void) {
        loop_deinit(&loop);
}

#define EXPECT_QUESTION(m, text)                                 \
        do {                                                     \
                ck_assert_uint_eq(mask, m);                      \
                ck_assert_uint_eq(n_question, sizeof(text) - 1); \
                ck_assert_mem_eq(question, text, n_question);    \
        } while (false)

/*
 * A question about a message has the label of one side, and then the parts of a compiled rule: the
 * type of the bus (behind a blank: 32, its code, is the number of the class dbus), name, label of
 * the other side, path, interface, member.
 */
START_TEST(messages_are_asked_about_on_each_side) {
        begin();

        const struct message m = {
                .type = MESSAGE_TYPE_METHOD_CALL,
                .destination.s = "a.b",
                .path.s = "/p",
                .interface.s = "i.j",
                .member.s = "M",
        };
        struct mediation_message asked = {&A->client, &B->client, &m};
        char reason[MEDIATION_REASON_MAX] = "";

        ck_assert(mediator->may_send(mediator, &asked, reason));
        ck_assert_uint_eq(n_asked, 2);
        EXPECT_QUESTION(AA_DBUS_RECEIVE, "b//child\0 system\0:1.0\0/usr/bin/a\0/p\0i.j\0M");

        /* About an unconfined receiver there is no question, only about the side of the sender. */
        set_label(B, "unconfined");
        ck_assert(mediator->may_send(mediator, &asked, reason));
        ck_assert_uint_eq(n_asked, 3);
        EXPECT_QUESTION(AA_DBUS_SEND, "/usr/bin/a\0 system\0a.b\0unconfined\0/p\0i.j\0M");

        /* The bus is a receiver like any other. */
        asked.receiver = NULL;
        free(bus.credentials.label);
        bus.credentials.label = strdup("dbus (enforce)");
        bus.credentials.n_label = strlen(bus.credentials.label);
        ck_assert(mediator->may_send(mediator, &asked, reason));
        EXPECT_QUESTION(AA_DBUS_RECEIVE, "dbus\0 system\0:1.0\0/usr/bin/a\0/p\0i.j\0M");

        n_asked = 0;
        asked.requested_reply = true;
        answer_allowed = 0;
        ck_assert(mediator->may_send(mediator, &asked, reason));
        ck_assert_uint_eq(n_asked, 0);
}
END_TEST

/*
 * For a service that does not run yet, the label of the other side is that of the service file, or
 * if it has none, that of the bus.
 */
START_TEST(activation_is_asked_about_on_the_side_of_the_sender) {
        begin();

        const struct message m = {
                .type = MESSAGE_TYPE_SIGNAL,
                .destination.s = "a.b",
                .path.s = "/p",
                .interface.s = "i.j",
                .member.s = "M",
        };
        struct mediation_message asked = {&A->client, .m = &m, .activation = true};
        char reason[MEDIATION_REASON_MAX] = "";

        free(bus.credentials.label);
        bus.credentials.label = strdup("dbus (enforce)");
        bus.credentials.n_label = strlen(bus.credentials.label);
        ck_assert(mediator->may_send(mediator, &asked, reason));
        ck_assert_uint_eq(n_asked, 1);
        EXPECT_QUESTION(AA_DBUS_SEND, "/usr/bin/a\0 system\0a.b\0dbus\0/p\0i.j\0M");

        asked.assumed_label = "/usr/bin/service";
        answer_allowed = 0;
        ck_assert(!mediator->may_send(mediator, &asked, reason));
        ck_assert_uint_eq(n_asked, 2);
        EXPECT_QUESTION(AA_DBUS_SEND, "/usr/bin/a\0 system\0a.b\0/usr/bin/service\0/p\0i.j\0M");
}
END_TEST

START_TEST(names_and_eavesdropping_are_asked_about) {
        begin();

        char reason[MEDIATION_REASON_MAX] = "";

        ck_assert(mediator->may_own(mediator, &A->client, "a.b", reason));
        EXPECT_QUESTION(AA_DBUS_BIND, "/usr/bin/a\0 system\0a.b");
        ck_assert(mediator->may_eavesdrop(mediator, &A->client, reason));
        EXPECT_QUESTION(AA_DBUS_EAVESDROP, "/usr/bin/a\0 system");
        n_asked = 0;
        set_label(A, NULL);
        answer_allowed = 0;
        ck_assert(mediator->may_own(mediator, &A->client, "a.b", reason));
        ck_assert(mediator->may_eavesdrop(mediator, &A->client, reason));
        ck_assert_uint_eq(n_asked, 0);
}
END_TEST

START_TEST(denials_have_a_record_and_a_reason) {
        begin();

        char reason[MEDIATION_REASON_MAX] = "";

        answer_allowed = 0;
        answer_audited = 1;
        ck_assert(!mediator->may_own(mediator, &A->client, "a.b", reason));
        ck_assert_ptr_nonnull(strstr(record, "apparmor=\"DENIED\""));
        ck_assert_ptr_nonnull(strstr(record, "label=\"/usr/bin/a\""));
        ck_assert_ptr_nonnull(strstr(record, "operation=\"dbus_bind\""));
        ck_assert_str_eq(record, reason);

        /* A profile in complain mode allows everything. */
        ck_assert(mediator->may_own(mediator, &B->client, "a.b", reason));
        ck_assert_ptr_nonnull(strstr(record, "apparmor=\"ALLOWED\""));

        /* If the profile does not want the denial to be audited, there is no record. */
        record[0] = '\0';
        answer_audited = 0;
        ck_assert(!mediator->may_own(mediator, &A->client, "a.c", reason));
        ck_assert_str_eq(record, "");

        /* The profile allows this, but wants it to be audited. */
        answer_allowed = answer_audited = 1;
        ck_assert(mediator->may_own(mediator, &A->client, "a.d", reason));
        ck_assert_ptr_nonnull(strstr(record, "apparmor=\"AUDIT\""));
}
END_TEST

/* The kernel refuses the record, as it does if the bus lacks CAP_AUDIT_WRITE. */
START_TEST(a_refused_record_is_logged) {
        begin();

        char reason[MEDIATION_REASON_MAX] = "", line[4096];
        struct capture capture;

        refuse_record = true;
        answer_allowed = answer_audited = 1;
        capture_begin(&capture);
        ck_assert(mediator->may_own(mediator, &A->client, "a.b", reason));
        capture_end(&capture, line, sizeof(line));
        ck_assert_ptr_nonnull(strstr(line, "AppArmor: apparmor=\"AUDIT\""));

        /* The caller logs the reason of a denial. */
        answer_allowed = 0;
        capture_begin(&capture);
        ck_assert(!mediator->may_own(mediator, &A->client, "a.c", reason));
        capture_end(&capture, line, sizeof(line));
        ck_assert_str_eq(line, "");
        ck_assert_ptr_nonnull(strstr(reason, "apparmor=\"DENIED\""));
}
END_TEST

START_TEST(action_is_denied_if_the_kernel_cannot_be_asked) {
        begin();

        char reason[MEDIATION_REASON_MAX] = "", path[8192];
        const struct message m = {.type = MESSAGE_TYPE_SIGNAL, .path.s = path, .member.s = "M"};
        const struct mediation_message asked = {&A->client, &B->client, &m};

        answer_result = -1;
        ck_assert(!mediator->may_own(mediator, &A->client, "a.b", reason));
        answer_result = 0;
        memset(path, 'p', sizeof(path) - 1);
        path[0] = '/';
        path[sizeof(path) - 1] = '\0';
        n_asked = 0;
        ck_assert(!mediator->may_send(mediator, &asked, reason));
        ck_assert_uint_eq(n_asked, 0);
}
END_TEST

static int stop(struct loop_timer *timer) {
        loop_stop(&loop);
        return 0;
}

START_TEST(answers_are_kept_until_profiles_change) {
        begin();

        struct loop_timer timer = {.expired = stop};
        char reason[MEDIATION_REASON_MAX] = "", name[32];

        for (unsigned i = 0; i < 10; i++)
                ck_assert(mediator->may_own(mediator, &A->client, "a.b", reason));
        ck_assert_uint_eq(n_asked, 1);
        answer_allowed = 0;
        ck_assert(mediator->may_own(mediator, &A->client, "a.b", reason));
        ck_assert(!mediator->may_own(mediator, &A->client, "a.c", reason));
        ck_assert_uint_eq(n_asked, 2);
        /* The cache does not take the answer about one permission for that about another one. */
        ck_assert(!mediator->may_eavesdrop(mediator, &A->client, reason));
        ck_assert_uint_eq(n_asked, 3);

        ck_assert_int_eq(eventfd_write(changes, 1), 0);
        ck_assert_int_eq(loop_timer_set(&loop, &timer, loop_now() + 10000000), 0);
        ck_assert_int_eq(loop_run(&loop), 0);
        ck_assert(!mediator->may_own(mediator, &A->client, "a.b", reason));
        ck_assert_uint_eq(n_asked, 4);

        /* There are more answers than the cache holds. It does not take one for another. */
        for (unsigned round = 0; round < 2; round++)
                for (unsigned i = 0; i < 4 * APPARMOR_CACHE_SIZE; i++) {
                        snprintf(name, sizeof(name), "a.n%u", i);
                        answer_allowed = i % 3 == 0;
                        ck_assert_int_eq(mediator->may_own(mediator, &A->client, name, reason),
                                         i % 3 == 0);
                }
}
END_TEST

START_TEST(the_library_has_what_is_needed) {
        begin();

        struct apparmor_functions functions = {};
        const char *error = "";

        ck_assert_msg(apparmor_functions_load(&functions, &error) == 0, "%s", error);
        ck_assert_ptr_nonnull(functions.query_label);
}
END_TEST

START_TEST(without_apparmor_nothing_is_loaded) {
        begin();

        struct mediator *real = NULL;
        const char *error = "";

        if (access("/sys/kernel/security/apparmor/features/dbus/mask", R_OK) == 0)
                return;
        ck_assert_int_eq(lsm_apparmor_new(&bus, &loop, &real, &error), 1);
        ck_assert_ptr_null(real);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("apparmor");

        tcase_add_checked_fixture(tcase, NULL, teardown);
        tcase_add_test(tcase, messages_are_asked_about_on_each_side);
        tcase_add_test(tcase, activation_is_asked_about_on_the_side_of_the_sender);
        tcase_add_test(tcase, names_and_eavesdropping_are_asked_about);
        tcase_add_test(tcase, denials_have_a_record_and_a_reason);
        tcase_add_test(tcase, a_refused_record_is_logged);
        tcase_add_test(tcase, action_is_denied_if_the_kernel_cannot_be_asked);
        tcase_add_test(tcase, answers_are_kept_until_profiles_change);
        tcase_add_test(tcase, the_library_has_what_is_needed);
        tcase_add_test(tcase, without_apparmor_nothing_is_loaded);
        return suite_main("apparmor", tcase);
}
