/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SELinux: the questions of the bus, which a fake library answers. On a kernel without SELinux the
 * bus asks nothing.
 */

#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/lsm/selinux.h"

static char asked[1024];
static char record[2048];
static bool refuse_record;
static bool deny;
static union selinux_callback callbacks[8];
static struct mediator *mediator;
static struct peer *A, *B;

static int fake_check(const char *source, const char *target, const char *class,
                      const char *permission, void *data) {
        char details[1024];

        snprintf(asked, sizeof(asked), "%s %s %s %s", source, target, class, permission);
        if (!deny)
                return 0;
        ck_assert_int_gt(callbacks[SELINUX_CB_AUDIT].func_audit(data, 1, details, sizeof(details)),
                         0);
        callbacks[SELINUX_CB_LOG].func_log(SELINUX_AVC, "avc:  denied  { %s } for %s", permission,
                                           details);
        errno = EACCES;
        return -1;
}

static void fake_set_callback(int type, union selinux_callback callback) {
        callbacks[type] = callback;
}

static int fake_write(int fd, int type, const char *message, const char *hostname, const char *addr,
                      const char *tty, uid_t uid) {
        snprintf(record, sizeof(record), "%s", message);
        return refuse_record ? -EPERM : 1;
}

static void set_label(struct client_credentials *credentials, const char *label) {
        free(credentials->label);
        credentials->label = label ? strdup(label) : NULL;
        credentials->n_label = label ? strlen(label) : 0;
}

static void begin(void) {
        const struct selinux_functions functions = {
                .check_access = fake_check,
                .set_callback = fake_set_callback,
        };
        const struct lsm_audit audit = {.fd = dup(STDERR_FILENO), .write = fake_write};

        A = peer_hello();
        B = peer_hello();
        set_label(&A->client.credentials, "a:r:t");
        set_label(&B->client.credentials, "b:r:t");
        set_label(&bus.credentials, "bus:r:t");
        ck_assert_int_eq(selinux_new(&bus, &functions, &audit, &mediator), 0);
        mediate_add(&bus, mediator);
        asked[0] = record[0] = '\0';
        deny = refuse_record = false;
}

static const struct message message = {
        .type = MESSAGE_TYPE_METHOD_CALL,
        .destination.s = "a.b",
        .path.s = "/p",
        .interface.s = "i.j",
        .member.s = "M",
};

START_TEST(messages_are_asked_about_by_label) {
        begin();

        struct mediation_message m = {&A->client, &B->client, &message};
        char reason[MEDIATION_REASON_MAX] = "";

        ck_assert(mediator->may_send(mediator, &m, reason));
        ck_assert_str_eq(asked, "a:r:t b:r:t dbus send_msg");
        m.receiver = NULL;
        ck_assert(mediator->may_send(mediator, &m, reason));
        ck_assert_str_eq(asked, "a:r:t bus:r:t dbus send_msg");
        set_label(&A->client.credentials, NULL);
        ck_assert(mediator->may_send(mediator, &m, reason));
        ck_assert_str_eq(asked, "bus:r:t bus:r:t dbus send_msg");
        /* neither the sender nor the bus has a label */
        set_label(&bus.credentials, NULL);
        ck_assert(!mediator->may_send(mediator, &m, reason));
}
END_TEST

START_TEST(names_have_the_label_of_the_configuration) {
        begin();

        char reason[MEDIATION_REASON_MAX] = "", own[] = "x.y", context[] = "name:r:t";
        struct bus_selinux_association association = {.own = own, .context = context};
        const struct bus_config config = {.selinux = &association, .n_selinux = 1};

        ck_assert(mediator->may_own(mediator, &A->client, "x.y", reason));
        ck_assert_str_eq(asked, "a:r:t bus:r:t dbus acquire_svc");
        bus.config = &config;
        ck_assert(mediator->may_own(mediator, &A->client, "x.y", reason));
        ck_assert_str_eq(asked, "a:r:t name:r:t dbus acquire_svc");
        ck_assert(mediator->may_own(mediator, &A->client, "x.y.z", reason));
        ck_assert_str_eq(asked, "a:r:t bus:r:t dbus acquire_svc");
        bus.config = NULL;
}
END_TEST

START_TEST(denials_have_a_record_and_a_reason) {
        begin();

        const struct mediation_message m = {&A->client, &B->client, &message};
        char reason[MEDIATION_REASON_MAX] = "";

        deny = true;
        ck_assert(!mediator->may_send(mediator, &m, reason));
        ck_assert_ptr_nonnull(strstr(record, "avc:  denied  { send_msg } for msgtype=method_call "
                                             "interface=i.j path=/p member=M"));
        ck_assert_str_eq(reason, "scontext=a:r:t tcontext=b:r:t tclass=dbus perm=send_msg");
        ck_assert(!mediator->may_own(mediator, &A->client, "x.y", reason));
        ck_assert_ptr_nonnull(strstr(record, "{ acquire_svc } for service=x.y"));
}
END_TEST

/* The kernel refuses the record, as it does if the bus lacks CAP_AUDIT_WRITE. */
START_TEST(a_refused_record_is_logged) {
        begin();

        char reason[MEDIATION_REASON_MAX] = "", line[4096];
        struct capture capture;

        deny = refuse_record = true;
        capture_begin(&capture);
        ck_assert(!mediator->may_own(mediator, &A->client, "x.y", reason));
        capture_end(&capture, line, sizeof(line));
        ck_assert_ptr_nonnull(strstr(line, "SELinux: avc:  denied  { acquire_svc } for"));
}
END_TEST

START_TEST(the_library_has_what_is_needed) {
        begin();

        struct selinux_functions functions = {};
        const char *error = "";

        ck_assert_msg(selinux_functions_load(&functions, &error) == 0, "%s", error);
        if (access("/sys/fs/selinux/enforce", F_OK) < 0)
                ck_assert_int_eq(functions.is_enabled(), 0);
}
END_TEST

START_TEST(without_selinux_nothing_is_asked) {
        begin();

        struct mediator *real = NULL;
        const char *error = "";

        if (access("/sys/fs/selinux/enforce", F_OK) == 0)
                return;
        ck_assert_int_eq(lsm_selinux_new(&bus, &real, &error), 1);
        ck_assert_ptr_null(real);
}
END_TEST

START_TEST(audit_works_without_its_capability) {
        begin();

        struct lsm_audit audit;

        /* Opening cannot fail, but there may be no descriptor. Then a write does nothing. */
        lsm_audit_open(&audit);
        lsm_audit_close(&audit);
        ck_assert_int_eq(audit.fd, -1);
        lsm_audit_write(&audit, "nothing", 0);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("selinux");

        tcase_add_test(tcase, messages_are_asked_about_by_label);
        tcase_add_test(tcase, names_have_the_label_of_the_configuration);
        tcase_add_test(tcase, denials_have_a_record_and_a_reason);
        tcase_add_test(tcase, a_refused_record_is_logged);
        tcase_add_test(tcase, the_library_has_what_is_needed);
        tcase_add_test(tcase, without_selinux_nothing_is_asked);
        tcase_add_test(tcase, audit_works_without_its_capability);
        return suite_main("selinux", tcase);
}
