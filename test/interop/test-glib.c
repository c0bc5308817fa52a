/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Members in main loops of GLib
 *
 * The service and the client of most tests are in the default context of one thread. Handlers do
 * what handlers of programs with GLib do: they run main loops of their own, and end what called
 * them.
 */

#include "test/interop/members.h"

#include <bus1/dbus-glib.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

/* The source of each member. The test owns a reference. */
static GSource *service_source, *client_source;

static GSource *attach(struct bus1_dbus *bus, GMainContext *context, int priority) {
        GSource *source = bus1_dbus_glib_source_new(bus);

        ck_assert_ptr_nonnull(source);
        g_source_set_priority(source, priority);
        g_source_attach(source, context);
        return source;
}

static void detach(GSource **source) {
        if (!*source)
                return;
        g_source_destroy(*source);
        g_source_unref(*source);
        *source = NULL;
}

static void glib_setup(void) {
        members_setup();
        request();
        service_source = attach(service, NULL, G_PRIORITY_DEFAULT);
        client_source = attach(client, NULL, G_PRIORITY_DEFAULT);
}

static void glib_teardown(void) {
        detach(&service_source);
        detach(&client_source);
        members_teardown();
}

static gboolean set_true(gpointer data) {
        *(bool *)data = true;
        return G_SOURCE_CONTINUE;
}

static GSource *set_later(GMainContext *context, unsigned ms, bool *ret) {
        GSource *timer = g_timeout_source_new(ms);

        *ret = false;
        g_source_set_callback(timer, set_true, ret, NULL);
        g_source_attach(timer, context);
        return timer;
}

/* Run the loop, which waits for events, until the condition holds. */
#define RUN_IN_UNTIL(context, condition)                                         \
        do {                                                                     \
                bool late_;                                                      \
                GSource *timer_ = set_later((context), 10000, &late_);           \
                while (!(condition)) {                                           \
                        ck_assert_msg(!late_, "waited in vain for " #condition); \
                        g_main_context_iteration((context), TRUE);               \
                }                                                                \
                detach(&timer_);                                                 \
        } while (0)
#define RUN_UNTIL(condition) RUN_IN_UNTIL(NULL, condition)

/* How often the loop turns within this time. */
static int turns_within(unsigned ms) {
        bool over;
        GSource *timer = set_later(NULL, ms, &over);
        int n = 0;

        for (; !over; n++)
                g_main_context_iteration(NULL, TRUE);
        detach(&timer);
        return n;
}

/* Call a method of the service. The answer comes later. */
static void call_later(const char *member, int timeout_ms, struct answer *answer) {
        DBusMessage *m = dbus_message_new_method_call(NAME, PATH, NAME, member);

        *answer = (struct answer){.handle = BUS1_INVALID};
        ck_assert_int_eq(bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, timeout_ms,
                                              answered, answer, NULL),
                         0);
        dbus_message_unref(m);
}

static int count(struct bus1_dbus_message *m, void *userdata) {
        ++*(int *)userdata;
        return 0;
}

/* Tell the service what to do. fn gets the signal. */
static void when_told(bus1_dbus_message_fn fn, void *userdata) {
        ck_assert_int_eq(bus1_dbus_subscribe(service, "member='Told'", fn, userdata, NULL, NULL),
                         0);
}

/* loops */

START_TEST(two_buses_in_one_context) {
        struct answer answer;

        for (int i = 0; i < 100; i++) {
                call_later("Where", 10000, &answer);
                RUN_UNTIL(answer.done);
                expect_text(answer, PATH);
        }
        ck_assert_int_le(turns_within(200), 10);
}
END_TEST

/* A program can do without sources of its own context: the default context hears nothing. */
START_TEST(context_of_its_own) {
        GMainContext *context = g_main_context_new();
        struct answer answer;
        int n_told = 0;

        detach(&service_source);
        detach(&client_source);
        service_source = attach(service, context, G_PRIORITY_DEFAULT);
        client_source = attach(client, context, G_PRIORITY_DEFAULT);
        when_told(count, &n_told);
        emit(client, "Told");
        turns_within(200);
        ck_assert_int_eq(n_told, 0);
        call_later("Where", 10000, &answer);
        RUN_IN_UNTIL(context, answer.done && n_told == 1);
        expect_text(answer, PATH);
        g_main_context_unref(context);
}
END_TEST

static gboolean go_on(gpointer data) {
        ++*(int *)data;
        return G_SOURCE_CONTINUE;
}

START_TEST(priority_says_who_is_first) {
        int n_told = 0, n_idle = 0;
        GSource *busy = g_idle_source_new();

        /* always ready, and before the bus */
        g_source_set_priority(busy, G_PRIORITY_DEFAULT);
        g_source_set_callback(busy, go_on, &n_idle, NULL);
        g_source_attach(busy, NULL);
        g_source_set_priority(service_source, G_PRIORITY_LOW);
        when_told(count, &n_told);
        emit(client, "Told");
        for (int i = 0; i < 1000; i++)
                g_main_context_iteration(NULL, TRUE);
        ck_assert_int_eq(n_told, 0);
        ck_assert_int_ge(n_idle, 900);
        g_source_set_priority(service_source, G_PRIORITY_HIGH);
        RUN_UNTIL(n_told == 1);
        detach(&busy);
}
END_TEST

START_TEST(time_out_of_a_call_ends_the_wait) {
        struct answer answer;

        detach(&service_source);
        call_later("Where", 200, &answer);
        ck_assert_int_le(turns_within(100), 20);
        ck_assert(!answer.done);
        RUN_UNTIL(answer.done);
        expect_error(answer, DBUS_ERROR_TIMEOUT);
}
END_TEST

/* A blocking call receives what the loop has to dispatch, and leaves it for the loop. */
START_TEST(blocking_call_leaves_messages_for_the_loop) {
        const char *name = NAME;
        DBusMessage *m;
        int n_told = 0;

        when_told(count, &n_told);
        emit(client, "Told");
        emit(client, "Told");
        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                                         "GetNameOwner");
        dbus_message_append_args(m, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
        ck_assert_int_eq(bus1_dbus_call(service, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
        dbus_message_unref(m);
        ck_assert_int_eq(n_told, 0);
        RUN_UNTIL(n_told == 2);
}
END_TEST

/* Other sources run between the messages of a bus. */
START_TEST(other_sources_are_not_starved) {
        GSource *idle = g_idle_source_new();
        int n_told = 0, n_idle = 0;

        g_source_set_priority(idle, G_PRIORITY_DEFAULT);
        g_source_set_callback(idle, go_on, &n_idle, NULL);
        g_source_attach(idle, NULL);
        when_told(count, &n_told);
        for (int i = 0; i < 50; i++)
                emit(client, "Told");
        RUN_UNTIL(n_told == 50);
        ck_assert_int_ge(n_idle, 49);
        detach(&idle);
}
END_TEST

/* handlers */

struct nested {
        GMainLoop *loop;
        struct answer answer;
        int depth, max_depth, n_done;
};

static int end_nested(struct bus1_dbus_message *reply, void *userdata) {
        struct nested *nested = userdata;

        answered(reply, &nested->answer);
        g_main_loop_quit(nested->loop);
        return 0;
}

/* Ask the service, which runs this handler, and wait for the answer in a main loop. */
static int run_nested(struct bus1_dbus_message *told, void *userdata) {
        struct nested *nested = userdata;
        GMainLoop *loop = nested->loop;
        DBusMessage *m;

        nested->depth++;
        nested->max_depth = MAX(nested->depth, nested->max_depth);
        if (nested->depth < 3) {
                emit(client, "Told"); /* this handler again, from the inner loop */
                RUN_UNTIL(nested->max_depth == 3);
        }
        nested->loop = g_main_loop_new(NULL, FALSE);
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Where");
        ck_assert_int_eq(bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, end_nested,
                                              nested, NULL),
                         0);
        dbus_message_unref(m);
        g_main_loop_run(nested->loop);
        expect_text(nested->answer, PATH);
        g_main_loop_unref(nested->loop);
        nested->loop = loop;
        nested->depth--;
        nested->n_done++;
        return 0;
}

START_TEST(handler_runs_a_main_loop) {
        struct nested nested = {};

        when_told(run_nested, &nested);
        emit(client, "Told");
        RUN_UNTIL(nested.n_done == 3);
        ck_assert_int_eq(nested.max_depth, 3);
        ck_assert_int_eq(nested.depth, 0);
        ck_assert_int_le(turns_within(100), 20);
}
END_TEST

static int destroy_source(struct bus1_dbus_message *m, void *userdata) {
        ++*(int *)userdata;
        detach(&service_source);
        return 0;
}

/* What has arrived stays for the next source of the bus. */
START_TEST(handler_destroys_the_source) {
        int n_told = 0;

        when_told(destroy_source, &n_told);
        for (int i = 0; i < 3; i++)
                emit(client, "Told");
        RUN_UNTIL(n_told == 1);
        ck_assert_int_le(turns_within(200), 20);
        ck_assert_int_eq(n_told, 1);
        for (int i = 2; i < 4; i++) {
                service_source = attach(service, NULL, G_PRIORITY_DEFAULT);
                RUN_UNTIL(n_told == i);
                ck_assert_ptr_null(service_source);
        }
}
END_TEST

static gboolean must_not_run(struct bus1_dbus *bus, int error, gpointer data) {
        ck_abort_msg("the bus ends with %s", strerror(-error));
        return G_SOURCE_REMOVE;
}

static int free_service(struct bus1_dbus_message *m, void *userdata) {
        service = bus1_dbus_free(service);
        ++*(int *)userdata;
        return 0;
}

START_TEST(handler_frees_the_bus) {
        int n_told = 0;

        g_source_set_callback(service_source, G_SOURCE_FUNC(must_not_run), NULL, NULL);
        when_told(free_service, &n_told);
        emit(client, "Told");
        emit(client, "Told");
        RUN_UNTIL(n_told > 0);
        ck_assert(g_source_is_destroyed(service_source));
        ck_assert(!g_source_is_destroyed(client_source));
        ck_assert_int_le(turns_within(200), 20);
        ck_assert_int_eq(n_told, 1);
}
END_TEST

/* The bus goes in a loop inside of a handler of this bus. */
static int run_until_freed(struct bus1_dbus_message *m, void *userdata) {
        int *n_told = userdata;

        if (++*n_told == 2) {
                service = bus1_dbus_free(service);
                return 0;
        }
        emit(client, "Told");
        RUN_UNTIL(!service);
        /* The source is gone, so this loop does not look at the descriptor, which is closed. */
        ck_assert(g_source_is_destroyed(service_source));
        ck_assert_int_le(turns_within(200), 20);
        return 0;
}

START_TEST(bus_is_freed_in_a_nested_loop) {
        int n_told = 0;

        g_source_set_callback(service_source, G_SOURCE_FUNC(must_not_run), NULL, NULL);
        when_told(run_until_freed, &n_told);
        emit(client, "Told");
        RUN_UNTIL(!service);
        ck_assert_int_eq(n_told, 2);
        ck_assert_int_le(turns_within(200), 20);
}
END_TEST

/* As the manual page says: destroy the source first, then free the bus, then run a loop. */
static int free_and_run(struct bus1_dbus_message *m, void *userdata) {
        detach(&service_source);
        service = bus1_dbus_free(service);
        ck_assert_int_le(turns_within(200), 20);
        ++*(int *)userdata;
        return 0;
}

START_TEST(handler_frees_the_bus_and_runs_a_loop) {
        int n_told = 0;

        g_source_set_callback(service_source, G_SOURCE_FUNC(must_not_run), NULL, NULL);
        when_told(free_and_run, &n_told);
        emit(client, "Told");
        RUN_UNTIL(n_told == 1);
        ck_assert_int_le(turns_within(200), 20);
}
END_TEST

/* the end of the bus */

struct end {
        int n_ended, n_errors, error;
        gboolean result;
        bool frees;
};

static void bus_ended(struct bus1_dbus *bus, void *userdata) {
        struct end *end = userdata;

        ck_assert_int_eq(end->n_errors, 0);
        end->n_ended++;
}

static gboolean dispatch_failed(struct bus1_dbus *bus, int error, gpointer userdata) {
        struct end *end = userdata;

        end->n_errors++;
        end->error = error;
        if (end->frees)
                service = bus1_dbus_free(bus);
        return end->result;
}

/* The process that ends the bus is not the program that the loop runs in. */
static void end_bus(struct end *end) {
        *end = (struct end){.result = G_SOURCE_REMOVE};
        bus1_dbus_set_end_handler(service, bus_ended, end);
        ck_assert_int_eq(kill(bus_daemon.pid, SIGTERM), 0);
}

START_TEST(function_hears_of_the_end) {
        struct end end;

        end_bus(&end);
        end.frees = _i == 2;
        end.result = _i == 1 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
        g_source_set_callback(service_source, G_SOURCE_FUNC(dispatch_failed), &end, NULL);
        RUN_UNTIL(end.n_errors > 0);
        ck_assert_int_eq(end.error, -ECONNRESET);
        ck_assert_int_eq(end.n_ended, 1);
        ck_assert(g_source_is_destroyed(service_source) == (_i != 1));
        RUN_UNTIL(g_source_is_destroyed(client_source)); /* it has no function */
        ck_assert_int_le(turns_within(300), 20);
        ck_assert_int_eq(end.n_errors, 1);
        ck_assert_int_eq(end.n_ended, 1);
}
END_TEST

START_TEST(end_without_a_function) {
        struct end end;

        end_bus(&end);
        RUN_UNTIL(end.n_ended == 1);
        ck_assert_int_le(turns_within(300), 20);
        ck_assert(g_source_is_destroyed(service_source));
        ck_assert_int_eq(end.n_ended, 1);
        ck_assert_int_eq(bus1_dbus_dispatch(service), -ECONNRESET);
}
END_TEST

static void free_at_end(struct bus1_dbus *bus, void *userdata) {
        service = bus1_dbus_free(bus);
}

START_TEST(end_handler_frees_the_bus) {
        g_source_set_callback(service_source, G_SOURCE_FUNC(must_not_run), NULL, NULL);
        bus1_dbus_set_end_handler(service, free_at_end, NULL);
        ck_assert_int_eq(kill(bus_daemon.pid, SIGTERM), 0);
        RUN_UNTIL(!service);
        ck_assert(g_source_is_destroyed(service_source));
        ck_assert_int_le(turns_within(300), 20);
}
END_TEST

/* Calls that wait for their answer end before the function is called. */
START_TEST(calls_end_with_the_bus) {
        struct answer answer;
        struct end end;

        detach(&service_source);
        call_later("Where", 10000, &answer);
        g_source_set_callback(client_source, G_SOURCE_FUNC(dispatch_failed), &end, NULL);
        end_bus(&end);
        RUN_UNTIL(answer.done);
        ck_assert_int_eq(end.n_errors, 0);
        ck_assert_int_eq(dbus_message_get_type(answer.reply), DBUS_MESSAGE_TYPE_ERROR);
        dbus_message_unref(answer.reply);
        RUN_UNTIL(end.n_errors == 1);
        ck_assert_int_eq(end.error, -ECONNRESET);
}
END_TEST

START_TEST(no_bus_has_no_source) {
        ck_assert_ptr_null(bus1_dbus_glib_source_new(NULL));
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("glib");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, glib_setup, glib_teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, two_buses_in_one_context);
        tcase_add_test(tcase, context_of_its_own);
        tcase_add_test(tcase, priority_says_who_is_first);
        tcase_add_test(tcase, time_out_of_a_call_ends_the_wait);
        tcase_add_test(tcase, blocking_call_leaves_messages_for_the_loop);
        tcase_add_test(tcase, other_sources_are_not_starved);
        tcase_add_test(tcase, handler_runs_a_main_loop);
        tcase_add_test(tcase, handler_destroys_the_source);
        tcase_add_test(tcase, handler_frees_the_bus);
        tcase_add_test(tcase, bus_is_freed_in_a_nested_loop);
        tcase_add_test(tcase, handler_frees_the_bus_and_runs_a_loop);
        tcase_add_loop_test(tcase, function_hears_of_the_end, 0, 3);
        tcase_add_test(tcase, end_without_a_function);
        tcase_add_test(tcase, end_handler_frees_the_bus);
        tcase_add_test(tcase, calls_end_with_the_bus);
        tcase_add_test(tcase, no_bus_has_no_source);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
