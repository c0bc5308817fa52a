/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Messages that wait for a newer policy. Like those of native clients, the messages of the peers
 * here are always taken, also while others wait.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/container-of.h"
#include "bridge/bus/account.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/unread.h"
#include "fixture.h"

#define COOKIE 77

static struct loop loop;
static struct bus_config *config;
static bool is_old;      /* the answer of policy_is_old() */
static unsigned n_asked; /* how often policy_is_old() was called */
static struct peer *a, *owner;
static char directory[] = "/tmp/docket-services-XXXXXX";

static bool policy_is_old(void *process) {
        (void)process;
        n_asked++;
        return is_old;
}

static struct bus_config *make_config(const char *rules) {
        char path[] = "/tmp/docket-XXXXXX", *error = NULL;
        struct bus_config *made;
        int fd = mkstemp(path);

        ck_assert_int_ge(fd, 0);
        dprintf(fd,
                "<busconfig><listen>unix:path=/nonexistent</listen>"
                "<servicedir>%s</servicedir><policy context=\"default\">"
                "<allow user=\"*\"/><allow own=\"open.name\"/>"
                "<allow send_destination=\"org.freedesktop.DBus\"/>"
                "<allow send_destination=\"open.name\" send_interface=\"i.open\"/>"
                "<allow send_destination=\"open.name\" send_type=\"signal\"/>"
                "<allow receive_sender=\"*\"/>%s</policy></busconfig>",
                directory, rules);
        ck_assert_msg(bus_config_load(path, NULL, &made, &error) == 0, "%s", error);
        close(fd);
        unlink(path);
        return made;
}

/* The newer policy has these rules, too. */
static void put_in_force(const char *rules) {
        struct bus_config *old = config;

        config = make_config(rules);
        ck_assert_int_eq(bus_configure(&bus, config), 0);
        bus_config_free(old);
}

/* Call this in each test: the fixture makes the bus after the functions of this file have run. */
static void setup(void) {
        ck_assert_int_eq(loop_init(&loop), 0);
        schedule_init(&bus.schedule, &loop);
        put_in_force("");
        bus.hooks.policy_is_old = policy_is_old;
        is_old = true;
        a = peer_hello();
        owner = peer_hello();
        ck_assert_uint_eq(peer_request_name(owner, "open.name", 0), NAME_PRIMARY_OWNER);
        peer_flush(owner);
        n_asked = 0;
}

static void run_jobs(void) {
        while (bus.schedule.work.is_wanted)
                ck_assert_int_eq(bus.schedule.work.run(&bus.schedule.work), 0);
}

/* A reading of the files has ended. */
static void judge(void) {
        docket_judge_all(&bus);
        run_jobs();
}

/* Nothing is charged any more, and no docket is left. */
static void teardown(void) {
        ck_assert_ptr_null(bus.dockets);
        ck_assert_uint_eq(a->client.account->n_waiting, 0);
        ck_assert_uint_eq(a->client.account->backlog, 0);
        ck_assert_uint_eq(a->client.account->fds[FDS_HELD], 0);
        ck_assert_uint_eq(a->client.backlog->n_messages, 0);
        peer_free(a);
        peer_free(owner);
        run_jobs();
        schedule_deinit(&bus.schedule);
        ck_assert_uint_eq(loop.n_timers, 0);
        loop_deinit(&loop);
        bus.config = NULL;
        config = bus_config_free(config);
}

static void call(struct peer *peer, const char *destination, const char *interface,
                 const char *member, uint64_t cookie) {
        struct writer w;

        peer_call_init(peer, &w, destination, "/", interface, member, "");
        ck_assert_int_eq(peer_send(peer, &w, cookie), 0);
}

static void call_with_flags(struct peer *peer, const char *member, const char *name,
                            uint64_t cookie) {
        struct writer w;

        peer_call_init(peer, &w, BUS_DRIVER_NAME, "/", BUS_DRIVER_INTERFACE, member, "su");
        writer_string(&w, name);
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(peer, &w, cookie), 0);
}

static void request(struct peer *peer, const char *name, uint64_t cookie) {
        call_with_flags(peer, "RequestName", name, cookie);
}

/* The next message to the peer is a call or signal with this member. */
static void expect_member(struct peer *peer, const char *member) {
        struct message *m = peer_next(peer);

        ck_assert_ptr_nonnull(m);
        ck_assert_ptr_nonnull(m->member.s);
        ck_assert_str_eq(m->member.s, member);
}

START_TEST(denial_waits_for_the_newer_policy) {
        setup();
        call(a, "open.name", "i.closed", "Denied", COOKIE);
        peer_expect_nothing(a);
        ck_assert_uint_eq(a->client.account->n_waiting, 1);
        ck_assert_uint_gt(a->client.account->backlog, 0);

        put_in_force("<allow send_destination=\"open.name\"/>");
        is_old = false;
        judge();
        expect_member(owner, "Denied");
        peer_expect_nothing(a);
        ck_assert_uint_eq(a->n_closed, 0);
        ck_assert_uint_eq(owner->opened->caller_cookie, COOKIE);
        teardown();
}
END_TEST

START_TEST(denial_by_the_newer_policy_is_an_error) {
        struct capture capture;
        char text[4096];

        setup();
        capture_begin(&capture);
        call(a, "open.name", "i.closed", "Denied", COOKIE);
        request(owner, "closed.name", 0);
        ck_assert_uint_eq(capture_end(&capture, text, sizeof(text)), 0);
        capture_begin(&capture);
        is_old = false;
        judge();
        ck_assert_uint_gt(capture_end(&capture, text, sizeof(text)), 0);
        ck_assert_ptr_nonnull(strstr(text, "Rejected send message"));
        ck_assert_ptr_nonnull(strstr(text, "may not own \"closed.name\""));
        peer_expect_error(a, DRIVER_ERROR("AccessDenied"));
        ck_assert_uint_eq(a->inbox[a->n - 1].caller_cookie, COOKIE);
        ck_assert_uint_eq(a->n_closed, 0);
        peer_expect_error(owner, DRIVER_ERROR("AccessDenied"));
        teardown();
}
END_TEST

START_TEST(denial_by_a_current_policy_does_not_wait) {
        setup();
        is_old = false;
        call(a, "open.name", "i.closed", "Denied", 0);
        peer_expect_error(a, DRIVER_ERROR("AccessDenied"));
        request(a, "closed.name", 0);
        peer_expect_error(a, DRIVER_ERROR("AccessDenied"));
        /* denials ask once until there is new input, and what is allowed does not ask */
        ck_assert_uint_eq(n_asked, 1);
        docket_note_input(&bus);
        call(a, "open.name", "i.open", "Allowed", 0);
        ck_assert_uint_eq(n_asked, 1);
        expect_member(owner, "Allowed");
        is_old = true;
        request(owner, "closed.name", 0);
        peer_expect_nothing(owner);
        ck_assert_uint_eq(n_asked, 2);
        is_old = false;
        judge();
        peer_expect_error(owner, DRIVER_ERROR("AccessDenied"));
        teardown();
}
END_TEST

START_TEST(denial_waits_again_if_files_have_changed_meanwhile) {
        setup();
        call(a, "open.name", "i.closed", "Denied", COOKIE);
        for (unsigned i = 0; i < 3; i++) {
                judge();
                peer_expect_nothing(a);
                ck_assert_uint_eq(a->client.account->n_waiting, 1);
        }
        put_in_force("<allow send_destination=\"open.name\"/>");
        judge(); /* the policy is old still, but allows the call */
        expect_member(owner, "Denied");
        teardown();
}
END_TEST

START_TEST(sender_keeps_the_order_of_its_messages) {
        setup();
        call(a, "open.name", "i.open", "First", 0);
        call(a, "open.name", "i.closed", "Second", 0);
        call(a, "open.name", "i.open", "Third", 0);
        peer_signal(a, "open.name", "/", "i.j", "Fourth", NULL);
        call(a, "open.name", "i.closed", "Fifth", 0);
        peer_signal(a, NULL, "/", "i.j", "Broadcast", NULL);
        /* others do not wait */
        peer_signal(owner, "open.name", "/", "i.j", "Own", NULL);
        expect_member(owner, "First");
        expect_member(owner, "Own");
        peer_expect_nothing(owner);

        put_in_force("<allow send_destination=\"open.name\"/>");
        is_old = false;
        judge();
        expect_member(owner, "Second");
        expect_member(owner, "Third");
        expect_member(owner, "Fourth");
        expect_member(owner, "Fifth");
        peer_expect_nothing(owner);
        teardown();
}
END_TEST

START_TEST(answers_keep_the_order_too) {
        struct message *m;
        struct reply *reply;
        struct writer w;

        setup();
        a->callee_cookie = COOKIE;
        put_in_force("<allow send_destination=\"a.b\"/><allow own=\"a.b\"/>"
                     "<allow send_requested_reply=\"true\" send_type=\"method_return\"/>");
        ck_assert_uint_eq(peer_request_name(a, "a.b", 0), NAME_PRIMARY_OWNER);
        peer_flush(a);
        call(owner, "a.b", "i.j", "Question", 0);
        expect_member(a, "Question");
        reply = a->opened;

        call(a, "open.name", "i.closed", "Denied", 0);
        writer_init(&w, MESSAGE_TYPE_METHOD_RETURN, 0, ++a->serial, "");
        w.reply_serial = owner->serial;
        w.destination = owner->client.unique_name;
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        ck_assert_int_eq(client_receive_reply(&a->client, reply, m), 0);
        message_unref(m);
        peer_expect_nothing(owner);

        put_in_force("<allow send_destination=\"open.name\"/>"
                     "<allow send_requested_reply=\"true\" send_type=\"method_return\"/>");
        is_old = false;
        judge();
        expect_member(owner, "Denied");
        peer_expect_return(owner);
        ck_assert_ptr_null(a->client.owed);
        teardown();
}
END_TEST

START_TEST(names_wait_too) {
        setup();
        request(a, "closed.name", COOKIE);
        call(a, "open.name", "i.open", "After", 0);
        peer_expect_nothing(a);
        peer_expect_nothing(owner);
        put_in_force("<allow own=\"closed.name\"/>");
        is_old = false;
        judge();
        peer_expect_signal(a, "NameAcquired", "closed.name");
        ck_assert_uint_eq(peer_next(a)->type, MESSAGE_TYPE_METHOD_RETURN);
        ck_assert_uint_eq(a->inbox[a->n - 1].caller_cookie, COOKIE);
        expect_member(owner, "After");

        /* an error that does not depend on the policy */
        is_old = true;
        request(a, "1.2", 0);
        peer_expect_error(a, DRIVER_ERROR("InvalidArgs"));
        teardown();
}
END_TEST

START_TEST(limit_lets_nothing_wait) {
        setup();
        bus.limits.max_pending_service_starts = 2;
        call(a, "open.name", "i.closed", "First", COOKIE);
        call(a, "open.name", "i.open", "Second", 0);
        peer_expect_nothing(a);
        peer_expect_nothing(owner);
        /* There is no room behind them, so they are judged now, and order is kept. */
        call(a, "open.name", "i.open", "Third", 0);
        a->serial -= 2;
        peer_expect_error(a, DRIVER_ERROR("AccessDenied"));
        a->serial += 2;
        expect_member(owner, "Second");
        expect_member(owner, "Third");

        /* The other one is of the same user. */
        call(a, "open.name", "i.closed", "Fourth", 0);
        request(a, "closed.name", 0);
        request(owner, "closed.name", 0);
        peer_expect_error(owner, DRIVER_ERROR("AccessDenied"));
        peer_expect_nothing(a);
        is_old = false;
        judge();
        a->serial--;
        peer_expect_error(a, DRIVER_ERROR("AccessDenied"));
        a->serial++;
        peer_expect_error(a, DRIVER_ERROR("AccessDenied"));
        teardown();
}
END_TEST

START_TEST(client_that_leaves_waits_no_more) {
        setup();
        call(a, "open.name", "i.closed", "Denied", COOKIE);
        call(a, "open.name", "i.open", "Allowed", COOKIE + 1);
        peer_disconnect(a);
        ck_assert_uint_eq(a->n_closed, 2);
        ck_assert_uint_eq(a->closed[0], COOKIE);
        ck_assert_uint_eq(a->closed[1], COOKIE + 1);
        judge();
        peer_expect_nothing(owner);
        teardown();
}
END_TEST

START_TEST(receiver_that_leaves_is_no_receiver) {
        setup();
        call(a, "open.name", "i.closed", "Denied", COOKIE);
        peer_disconnect(owner);
        is_old = false;
        judge();
        /* nobody has the name any more */
        peer_expect_error(a, DRIVER_ERROR("ServiceUnknown"));
        ck_assert_uint_eq(a->inbox[a->n - 1].caller_cookie, COOKIE);
        teardown();
}
END_TEST

START_TEST(flush_judges_by_the_policy_in_force) {
        setup();
        call(a, "open.name", "i.closed", "Denied", 0);
        call(a, "open.name", "i.open", "Allowed", 0);
        ck_assert_int_eq(docket_flush(&a->client), 0);
        a->serial--;
        peer_expect_error(a, DRIVER_ERROR("AccessDenied"));
        a->serial++;
        expect_member(owner, "Allowed");
        teardown();
}
END_TEST

START_TEST(monitors_see_each_message_once) {
        struct peer *monitor;
        struct writer w;

        setup();
        monitor = peer_hello();
        peer_call_init(monitor, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH,
                       "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu");
        writer_array_begin(&w, 4);
        writer_array_end(&w);
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(monitor, &w, 0), 0);
        peer_flush(monitor);

        call(a, "open.name", "i.closed", "First", 0);
        call(a, "open.name", "i.open", "Second", 0);
        expect_member(monitor, "First");
        peer_expect_nothing(monitor);
        judge();
        peer_expect_nothing(monitor);
        is_old = false;
        judge();
        ck_assert_uint_eq(peer_next(monitor)->type, MESSAGE_TYPE_ERROR);
        expect_member(monitor, "Second");
        peer_expect_nothing(monitor);
        peer_free(monitor);
        teardown();
}
END_TEST

/* what has waited for a service before */

#define SERVICE "waits.name"
#define SERVICE_RULES "<allow send_destination=\"" SERVICE "\"/><allow own=\"" SERVICE "\"/>"
/* The service's owner has this name, too: what is sent to the service is denied at delivery. */
#define SECRET "<deny send_destination=\"open.name\" send_interface=\"i.closed\"/>"

static void write_service(const char *name, const char *lines) {
        char path[64];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s.service", directory, name);
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        fprintf(f, "[D-BUS Service]\nName=%s\n%s", name, lines);
        fclose(f);
}

static void unlink_service(const char *name) {
        char path[64];

        snprintf(path, sizeof(path), "%s/%s.service", directory, name);
        unlink(path);
}

/* Its service has no Exec, and only waits for an owner of the name. */
static void setup_service(const char *rules) {
        struct service_table *table;
        struct rlimit limit;

        memset(directory + strlen(directory) - 6, 'X', 6);
        ck_assert_ptr_nonnull(mkdtemp(directory));
        write_service(SERVICE, "");
        setup();
        put_in_force(rules);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        ck_assert_int_eq(activation_new(&bus, &loop, &limit, &bus.activation), 0);
        ck_assert_int_eq(service_table_load(config, &table), 0);
        activation_exchange_table(bus.activation, &table);
}

static void teardown_service(void) {
        bus.activation = activation_free(bus.activation);
        teardown();
        unlink_service(SERVICE);
        rmdir(directory);
}

static int (*dispatch)(struct client *, struct message *, uint64_t); /* of the driver */

/* A look-up of a native client, which waits for the service when it comes first. */
static int look_up(struct client *client, struct message *m, uint64_t caller_cookie) {
        bus.dispatch = dispatch;
        return activation_call_later(client, m, caller_cookie, SERVICE);
}

START_TEST(look_up_does_not_overtake_what_was_sent_before_it) {
        setup_service(SERVICE_RULES SECRET);
        call(a, SERVICE, "i.closed", "First", 0);
        dispatch = bus.dispatch;
        bus.dispatch = look_up;
        call(a, BUS_DRIVER_NAME, "i.j", "LookUp", COOKIE);
        call(a, SERVICE, "i.open", "Third", 0);
        ck_assert_uint_eq(peer_request_name(owner, SERVICE, 0), NAME_PRIMARY_OWNER);
        peer_flush(owner);
        /* the first one is denied, and waits for the newer policy */
        peer_expect_nothing(a);

        put_in_force(SERVICE_RULES);
        is_old = false;
        judge();
        expect_member(owner, "First");
        expect_member(owner, "Third");
        a->serial--;
        peer_expect_error(a, DRIVER_ERROR("UnknownInterface"));
        a->serial++;
        ck_assert_uint_eq(a->inbox[a->n - 1].caller_cookie, COOKIE);
        teardown_service();
}
END_TEST

START_TEST(held_message_does_not_wait_for_what_was_sent_after_it) {
        struct peer *other;

        setup_service(SERVICE_RULES);
        other = peer_hello();
        call(a, SERVICE, "i.open", "First", 0);
        call(a, "open.name", "i.closed", "Second", 0);
        ck_assert_uint_eq(peer_request_name(other, SERVICE, 0), NAME_PRIMARY_OWNER);
        peer_flush(owner);
        expect_member(other, "NameAcquired");
        expect_member(other, "First");
        put_in_force("<allow send_destination=\"open.name\"/>");
        is_old = false;
        judge();
        expect_member(owner, "Second");
        peer_free(other);
        teardown_service();
}
END_TEST

START_TEST(held_message_that_is_denied_comes_before_what_was_sent_after_it) {
        setup_service(SERVICE_RULES SECRET);
        call(a, SERVICE, "i.closed", "First", 0);
        call(a, "open.name", "i.closed", "Second", 0);
        call(a, "open.name", "i.open", "Third", 0);
        ck_assert_uint_eq(peer_request_name(owner, SERVICE, 0), NAME_PRIMARY_OWNER);
        peer_flush(owner);
        put_in_force("<allow send_destination=\"open.name\"/>" SERVICE_RULES);
        is_old = false;
        judge();
        expect_member(owner, "First");
        expect_member(owner, "Second");
        expect_member(owner, "Third");
        teardown_service();
}
END_TEST

static unsigned n_told; /* that files have changed */

static void files_have_changed(void *process) {
        (void)process;
        n_told++;
        is_old = true;
}

/* The thread has read the service files. */
static void read_services(void) {
        struct service_table *table;

        ck_assert_int_eq(service_table_load(config, &table), 0);
        activation_exchange_table(bus.activation, &table);
        service_table_free(table);
}

/* The policy lets the owner get all calls to the name, but not the owner that comes next. */
START_TEST(unread_call_that_is_denied_comes_before_what_was_sent_after_it) {
        struct peer *next;
        bool done;

        setup();
        put_in_force("<allow send_destination=\"open.name\"/><allow own=\"other.name\"/>"
                     "<deny send_destination=\"other.name\" send_interface=\"i.closed\"/>");
        next = peer_hello();
        peer_request_name(next, "open.name", 0);
        peer_request_name(next, "other.name", 0);
        peer_flush(next);
        call(a, "open.name", "i.closed", "First", COOKIE);
        owner->client.is_closing = true;
        ck_assert(unread_hold(&owner->client, peer_next(owner), false));
        ck_assert_int_eq(client_leave(&owner->client, &done), 0);

        /* It takes the name from the owner, so that the first one is sent again. */
        call(a, "open.name", "i.open", "Second", COOKIE + 1);
        ck_assert_ptr_nonnull(a->client.docket);
        peer_expect_signal(next, "NameAcquired", "open.name");
        peer_expect_nothing(next);
        put_in_force("<allow send_destination=\"open.name\"/>");
        judge();
        ck_assert_ptr_null(a->client.docket);
        expect_member(next, "First");
        expect_member(next, "Second");
        peer_expect_nothing(next);
        ck_assert_uint_eq(a->n_closed, 0);
        peer_disconnect(next);
        teardown();
}
END_TEST

START_TEST(service_files_are_not_read_by_the_bus_thread) {
        setup_service("<allow send_destination=\"new.name\"/><allow own=\"new.name\"/>");
        bus.hooks.files_have_changed = files_have_changed;
        usleep(50000); /* the table trusts its stamps */
        read_services();
        is_old = false;
        n_told = 0;
        call(a, "no.name", "i.j", "Unknown", 0);
        peer_expect_error(a, DRIVER_ERROR("ServiceUnknown"));
        ck_assert_uint_eq(n_told, 0);

        write_service("new.name", "");
        call(a, "new.name", "i.j", "First", 0);
        peer_expect_nothing(a);
        call(owner, "no.name", "i.j", "Unknown", 0);
        peer_expect_nothing(owner);
        ck_assert_uint_eq(n_told, 1); /* once for each table */
        ck_assert_ptr_null(activation_find(&bus, "new.name"));
        usleep(50000);
        read_services();
        is_old = false;
        judge();
        ck_assert_ptr_nonnull(activation_find(&bus, "new.name"));
        peer_expect_error(owner, DRIVER_ERROR("ServiceUnknown"));
        ck_assert_uint_eq(peer_request_name(owner, "new.name", 0), NAME_PRIMARY_OWNER);
        peer_flush(owner);
        peer_disconnect(owner);
        peer_flush(a);

        /* a file that is another one now: its start waits, too, also that of StartServiceByName */
        write_service("new.name", "Exec=\"\n");
        call(a, "new.name", "i.j", "Second", 0);
        call_with_flags(a, "StartServiceByName", "new.name", 0);
        peer_expect_nothing(a);
        ck_assert_uint_eq(n_told, 2);
        ck_assert_ptr_null(activation_find(&bus, "new.name"));
        /* The files cannot be read: the table stays in use, and nobody waits for another one. */
        is_old = false;
        judge();
        ck_assert_ptr_nonnull(activation_find(&bus, "new.name"));
        call(a, "no.name", "i.j", "Unknown", 0);
        peer_expect_error(a, DRIVER_ERROR("ServiceUnknown"));
        ck_assert_uint_eq(n_told, 2);
        peer_disconnect(a);
        unlink_service("new.name");
        teardown_service();
}
END_TEST

/* logs */

START_TEST(message_that_is_judged_again_is_logged_once) {
        static const char rules[] = "<allow send_destination=\"open.name\" log=\"true\"/>";
        char with_receive[256], text[4096];
        struct capture capture;
        const char *line;

        setup();
        snprintf(with_receive, sizeof(with_receive), "%s<deny receive_interface=\"i.closed\"/>",
                 rules);
        put_in_force(with_receive);
        capture_begin(&capture);
        call(a, "open.name", "i.closed", "Denied", 0);
        judge();
        judge();
        put_in_force(rules);
        is_old = false;
        judge();
        capture_end(&capture, text, sizeof(text));
        expect_member(owner, "Denied");
        line = strstr(text, "Allowed send message");
        ck_assert_ptr_nonnull(line);
        ck_assert_ptr_null(strstr(line + 1, "Allowed send message"));

        /* what is denied in the end is logged with both decisions */
        put_in_force(with_receive);
        is_old = true;
        capture_begin(&capture);
        call(a, "open.name", "i.closed", "Denied", 0);
        is_old = false;
        judge();
        capture_end(&capture, text, sizeof(text));
        line = strstr(text, "Allowed send message");
        ck_assert_ptr_nonnull(line);
        ck_assert_ptr_null(strstr(line + 1, "Allowed send message"));
        ck_assert_ptr_nonnull(strstr(line, "Rejected receive message"));
        peer_flush(a);
        teardown();
}
END_TEST

/* visits */

#define N_VISITS 100

struct visitor {
        struct docket_visit visit;
        bool is_woken;
};

static struct visitor visitors[N_VISITS];
static unsigned n_woken, n_before_others; /* visits before the job of the other user */
static struct docket_visit *to_end;

static int wake(struct docket_visit *visit) {
        if (to_end)
                docket_visit_end(to_end);
        n_woken++;
        container_of(visit, struct visitor, visit)->is_woken = true;
        return 0;
}

static int run_other(struct schedule_job *job) {
        (void)job;
        n_before_others = n_woken;
        return 0;
}

static void visit_all(void) {
        memset(visitors, 0, sizeof(visitors));
        n_woken = 0;
        is_old = true;
        for (unsigned i = 0; i < N_VISITS; i++) {
                visitors[i].visit.account = a->client.account;
                visitors[i].visit.wake = wake;
                docket_note_input(&bus);
                ck_assert(docket_visit(&bus, &visitors[i].visit));
        }
        is_old = false;
}

START_TEST(visits_of_one_user_do_not_hold_up_others) {
        struct schedule_job other = {.run = run_other};
        struct account *stranger;

        setup();
        stranger = account_get(&bus, bus.uid + 1);
        ck_assert_ptr_nonnull(stranger);
        bus.schedule.slice_shared = 1; /* a turn is one job */
        visit_all();
        docket_judge_all(&bus);
        ck_assert_uint_eq(n_woken, 0);
        schedule_add(&bus.schedule, &stranger->schedule, &other);
        run_jobs();
        ck_assert_uint_eq(n_woken, N_VISITS);
        ck_assert_uint_lt(n_before_others, N_VISITS / 2);

        /* one that ends before its turn, and one that ends another one */
        visit_all();
        docket_judge_all(&bus);
        docket_visit_end(&visitors[0].visit);
        to_end = &visitors[2].visit;
        run_jobs();
        to_end = NULL;
        ck_assert_uint_eq(n_woken, N_VISITS - 2);
        ck_assert(!visitors[0].is_woken && !visitors[2].is_woken);
        ck_assert_ptr_null(bus.visits);
        account_put(&bus, stranger);
        teardown();
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("docket");

        tcase_add_test(tcase, denial_waits_for_the_newer_policy);
        tcase_add_test(tcase, denial_by_the_newer_policy_is_an_error);
        tcase_add_test(tcase, denial_by_a_current_policy_does_not_wait);
        tcase_add_test(tcase, denial_waits_again_if_files_have_changed_meanwhile);
        tcase_add_test(tcase, sender_keeps_the_order_of_its_messages);
        tcase_add_test(tcase, answers_keep_the_order_too);
        tcase_add_test(tcase, names_wait_too);
        tcase_add_test(tcase, limit_lets_nothing_wait);
        tcase_add_test(tcase, client_that_leaves_waits_no_more);
        tcase_add_test(tcase, receiver_that_leaves_is_no_receiver);
        tcase_add_test(tcase, flush_judges_by_the_policy_in_force);
        tcase_add_test(tcase, monitors_see_each_message_once);
        tcase_add_test(tcase, look_up_does_not_overtake_what_was_sent_before_it);
        tcase_add_test(tcase, held_message_does_not_wait_for_what_was_sent_after_it);
        tcase_add_test(tcase, held_message_that_is_denied_comes_before_what_was_sent_after_it);
        tcase_add_test(tcase, unread_call_that_is_denied_comes_before_what_was_sent_after_it);
        tcase_add_test(tcase, service_files_are_not_read_by_the_bus_thread);
        tcase_add_test(tcase, message_that_is_judged_again_is_logged_once);
        tcase_add_test(tcase, visits_of_one_user_do_not_hold_up_others);
        return suite_main("docket", tcase);
}
