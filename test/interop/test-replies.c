/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What handlers answer with: errors from deep inside, objects, and arrays of unknown length */

#include "test/interop/members.h"

#include <bus1/dbus-values.h>
#include <errno.h>
#include <string.h>

#define REPLIES_PATH "/org/bus1/Replies"
#define ERROR_ASKED NAME ".Error.Asked"

static struct bus1_dbus_object *child;
static char sender[64]; /* of the last call of Set */
static int nested;      /* how the call in a handler of a call ended */

/* a check that several methods, and the set function of a property, have in common */

static int check(struct bus1_dbus_message *m) {
        return bus1_dbus_fail(m, ERROR_ASKED, "The answer is %d", 42);
}

static int run_fail(struct bus1_dbus_message *m, void *userdata) {
        ck_assert_ptr_eq(bus1_dbus_get_current_message(m->bus), m);
        ck_assert_int_eq(check(m), -EREMOTEIO);
        /* There is one answer only. */
        ck_assert_int_eq(check(m), -EALREADY);
        return -EREMOTEIO;
}

static int set_text(struct bus1_dbus_object *object, DBusMessageIter *value, void *userdata) {
        struct bus1_dbus_message *m =
                bus1_dbus_get_current_message(bus1_dbus_object_get_bus(object));

        ck_assert_ptr_nonnull(m);
        ck_assert_str_eq(dbus_message_get_member(m->message), "Set");
        strcpy(sender, dbus_message_get_sender(m->message));
        return check(m);
}

static int get_text(struct bus1_dbus_object *object, DBusMessageIter *value, void *userdata) {
        return bus1_dbus_append(value, "s", "text");
}

/* A handler dispatches, so that another one runs in it. */
static int run_nest(struct bus1_dbus_message *m, void *userdata) {
        nested = 0;
        for (int i = 0; i < 1000 && nested == 0; i++)
                if (bus1_dbus_dispatch(m->bus) == 0)
                        usleep(1000);
        ck_assert_ptr_eq(bus1_dbus_get_current_message(m->bus), m);
        return bus1_dbus_reply_args(m, DBUS_TYPE_INVALID);
}

static int run_nested(struct bus1_dbus_message *m, void *userdata) {
        ck_assert_ptr_eq(bus1_dbus_get_current_message(m->bus), m);
        nested = 1;
        return bus1_dbus_reply_args(m, DBUS_TYPE_INVALID);
}

/* objects */

static int run_object(struct bus1_dbus_message *m, void *userdata) {
        return bus1_dbus_reply_object(m, child);
}

/* containers */

static int run_list(struct bus1_dbus_message *m, void *userdata) {
        DBusMessage *reply = dbus_message_new_method_return(m->message);
        DBusMessageIter iter, array, variant, structure;
        int r;

        dbus_message_iter_init_append(reply, &iter);
        r = bus1_dbus_open_container(&iter, 'a', "{sv}", &array);
        for (int i = 0; i < 3; i++)
                if (r >= 0)
                        r = bus1_dbus_append(&array, "{sv}", i == 1 ? "odd" : "even", "i", i);
        r = bus1_dbus_close_container(&iter, &array, r);
        ck_assert_int_eq(r, 0);
        r = bus1_dbus_open_container(&iter, 'v', "(s)", &variant);
        if (r >= 0)
                r = bus1_dbus_open_container(&variant, 'r', NULL, &structure);
        if (r >= 0)
                r = bus1_dbus_append(&structure, "s", "in a variant");
        r = bus1_dbus_close_container(&variant, &structure, r);
        r = bus1_dbus_close_container(&iter, &variant, r);
        ck_assert_int_eq(r, 0);
        r = bus1_dbus_reply(m, reply, NULL, 0);
        dbus_message_unref(reply);
        return r;
}

static const struct bus1_dbus_method methods[] = {
        {"Fail", "", "", run_fail, NULL},       {"Nest", "", "", run_nest, NULL},
        {"Nested", "", "", run_nested, NULL},   {"Object", "", "o", run_object, NULL},
        {"List", "", "a{sv}v", run_list, NULL}, {},
};

static const struct bus1_dbus_property properties[] = {{"Text", "s", get_text, set_text}, {}};

static const struct bus1_dbus_interface interfaces[] = {
        {.name = NAME, .methods = methods, .properties = properties},
        {},
};

static void setup(void) {
        members_setup();
        request();
        ck_assert_int_eq(bus1_dbus_object_new(service, REPLIES_PATH, interfaces, NULL, NULL), 0);
}

static struct answer call_it(const char *member) {
        return call(client, BUS1_DBUS_BUS, NAME, REPLIES_PATH, member, NULL);
}

START_TEST(failing_answers_and_returns_an_error) {
        struct answer answer = call_it("Fail");
        const char *text = NULL;

        ck_assert(dbus_message_get_args(answer.reply, NULL, DBUS_TYPE_STRING, &text,
                                        DBUS_TYPE_INVALID));
        ck_assert_str_eq(text, "The answer is 42");
        expect_error(answer, ERROR_ASKED);
        ck_assert_ptr_null(bus1_dbus_get_current_message(service));
        ck_assert_ptr_null(bus1_dbus_get_current_message(NULL));
        ck_assert_int_eq(bus1_dbus_fail(NULL, ERROR_ASKED, "text"), -EINVAL);
}
END_TEST

START_TEST(set_function_knows_the_caller) {
        const char *name = "Text", *interface = NAME;
        DBusMessageIter iter;
        DBusMessage *m;

        m = dbus_message_new_method_call(NAME, REPLIES_PATH, DBUS_INTERFACE_PROPERTIES, "Set");
        dbus_message_iter_init_append(m, &iter);
        ck_assert_int_eq(bus1_dbus_append(&iter, "ssv", interface, name, "s", "new"), 0);
        expect_error(call_message(client, BUS1_DBUS_BUS, m), ERROR_ASKED);
        ck_assert_str_eq(sender, bus1_dbus_get_unique_name(client));
}
END_TEST

START_TEST(current_message_is_that_of_the_innermost_handler) {
        struct answer outer = {}, inner = {};
        DBusMessage *m;

        m = dbus_message_new_method_call(NAME, REPLIES_PATH, NAME, "Nest");
        ck_assert_int_eq(bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered,
                                              &outer, NULL),
                         0);
        dbus_message_unref(m);
        m = dbus_message_new_method_call(NAME, REPLIES_PATH, NAME, "Nested");
        ck_assert_int_eq(bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered,
                                              &inner, NULL),
                         0);
        dbus_message_unref(m);
        UNTIL(outer.done && inner.done);
        ck_assert_int_eq(nested, 1);
        dbus_message_unref(outer.reply);
        dbus_message_unref(inner.reply);
}
END_TEST

static void released(struct bus1_dbus *bus, uint64_t handle, void *userdata) {
        *(bool *)userdata = true;
}

/* Ask for the child. Returns its handle, and compares its path. */
static uint64_t get_child(const char *expected_path) {
        struct answer answer = call_it("Object");
        const char *path = NULL;

        ck_assert_int_eq(dbus_message_get_type(answer.reply), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        ck_assert(dbus_message_get_args(answer.reply, NULL, DBUS_TYPE_OBJECT_PATH, &path,
                                        DBUS_TYPE_INVALID));
        ck_assert_str_eq(path, expected_path);
        dbus_message_unref(answer.reply);
        return answer.handle;
}

/* The same for a member that cannot get handles. */
static void expect_path(DBusConnection *legacy, const char *expected_path) {
        DBusMessage *m = dbus_message_new_method_call(NAME, REPLIES_PATH, NAME, "Object");
        DBusPendingCall *pending;
        const char *path = NULL;

        ck_assert(dbus_connection_send_with_reply(legacy, m, &pending, 10000));
        dbus_connection_flush(legacy);
        dbus_message_unref(m);
        UNTIL((dbus_connection_read_write(legacy, 0), dbus_connection_dispatch(legacy),
               dbus_pending_call_get_completed(pending)));
        m = dbus_pending_call_steal_reply(pending);
        dbus_pending_call_unref(pending);
        ck_assert(dbus_message_get_args(m, NULL, DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID));
        if (expected_path)
                ck_assert_str_eq(path, expected_path);
        else
                ck_assert_str_ne(path, "/");
        dbus_message_unref(m);
}

START_TEST(object_is_answered_with_its_path_and_handle) {
        const char *paths[] = {REPLIES_PATH "/child", NULL};
        DBusConnection *legacy = kind_legacy.open(bus_daemon.address);
        uint64_t handle;
        bool gone;

        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(
                        bus1_dbus_object_new(service, paths[i], member_interfaces, NULL, &child),
                        0);
                handle = get_child(paths[i] ?: "/");
                ck_assert_uint_ne(handle, BUS1_INVALID);
                expect_path(legacy, paths[i]);
                gone = false;
                ck_assert_int_eq(bus1_dbus_watch(client, handle, released, &gone), 0);
                expect_text(call(client, handle, NULL, "/", "Where", NULL), "/");
                child = bus1_dbus_object_free(child);
                UNTIL(gone);
        }
        ck_assert_int_eq(bus1_dbus_reply_object(NULL, NULL), -EINVAL);
        kind_legacy.close(legacy);
}
END_TEST

START_TEST(containers_are_checked) {
        DBusMessage *m = dbus_message_new_signal(PATH, NAME, "Signal");
        DBusMessageIter iter, array, inner;
        const struct {
                char type;
                const char *contents;
        } wrong[] = {{'a', NULL}, {'a', ""},   {'a', "ss"}, {'a', "{s}"},  {'a', "{sv}s"},
                     {'a', "}"},  {'v', NULL}, {'v', "ss"}, {'v', "{sv}"}, {'r', "s"},
                     {'e', "sv"}, {'s', "s"},  {0, "s"}};

        dbus_message_iter_init_append(m, &iter);
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                ck_assert_int_eq(
                        bus1_dbus_open_container(&iter, wrong[i].type, wrong[i].contents, &array),
                        -EINVAL);
                /* What was not opened can be closed with the error. */
                ck_assert_int_eq(bus1_dbus_close_container(&iter, &array, -EINVAL), -EINVAL);
                ck_assert_int_eq(bus1_dbus_close_container(&iter, &array, 0), -EINVAL);
        }
        ck_assert_int_eq(bus1_dbus_open_container(NULL, 'a', "s", &array), -EINVAL);
        ck_assert_int_eq(bus1_dbus_open_container(&iter, 'a', "s", NULL), -EINVAL);
        /* An error inside ends all containers, without a leak. */
        ck_assert_int_eq(bus1_dbus_open_container(&iter, 'a', "as", &array), 0);
        ck_assert_int_eq(bus1_dbus_open_container(&array, 'a', "s", &inner), 0);
        ck_assert_int_eq(bus1_dbus_append(&inner, "s", "\xff"), -EINVAL);
        ck_assert_int_eq(bus1_dbus_close_container(&array, &inner, -EINVAL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_close_container(&iter, &array, -EINVAL), -EINVAL);
        dbus_message_unref(m);
}
END_TEST

START_TEST(containers_of_unknown_length_are_built) {
        struct answer answer = call_it("List");
        const char *text = NULL;
        DBusMessageIter iter;
        int32_t even = -1, odd = -1;

        ck_assert_str_eq(dbus_message_get_signature(answer.reply), "a{sv}v");
        dbus_message_iter_init(answer.reply, &iter);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "even", "i", &even), 1);
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, "odd", "i", &odd), 1);
        ck_assert_int_eq(even, 2); /* the last one */
        ck_assert_int_eq(odd, 1);
        dbus_message_iter_next(&iter);
        ck_assert_int_eq(bus1_dbus_read(&iter, "v", "(s)", &text), 0);
        ck_assert_str_eq(text, "in a variant");
        dbus_message_unref(answer.reply);
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("replies");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, setup, members_teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, failing_answers_and_returns_an_error);
        tcase_add_test(tcase, set_function_knows_the_caller);
        tcase_add_test(tcase, current_message_is_that_of_the_innermost_handler);
        tcase_add_test(tcase, object_is_answered_with_its_path_and_handle);
        tcase_add_test(tcase, containers_are_checked);
        tcase_add_test(tcase, containers_of_unknown_length_are_built);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
