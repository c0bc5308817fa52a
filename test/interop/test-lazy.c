/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages whose DBusMessage is made only when it is needed */

#include "test/interop/members.h"

#include <bus1/dbus-async.h>
#include <bus1/dbus-lazy.h>
#include <bus1/dbus-values.h>
#include <bus1/dbus-vtable.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often to call until the calls go through a direct channel. */
#define CALLS_MAX 1000

/* The service runs in a thread of its own, so that the client can block. */
static pthread_t thread;
static bool stop;
static unsigned n_without_message; /* calls that came without a DBusMessage */
static char *seen;                 /* what the method Look has seen of its call */

static void note(const struct bus1_dbus_message *call) {
        __atomic_fetch_add(&n_without_message, !call->message, __ATOMIC_RELAXED);
}

#define ALL_TYPES "ybnqiuxtdsog(si)a{sv}aasv"

/* Reads all types, and sends them back. */
static int run_all(struct bus1_dbus_message *call, void *userdata) {
        const char *s, *o, *g, *in_struct, *key[2], *text, *element[3], *in_variant;
        int16_t n;
        uint16_t q;
        int32_t i, struct_i;
        uint32_t u, number;
        int64_t x;
        uint64_t t;
        uint8_t y;
        double d;
        int b, r;

        note(call);
        r = bus1_dbus_message_read(call, ALL_TYPES, &y, &b, &n, &q, &i, &u, &x, &t, &d, &s, &o, &g,
                                   &in_struct, &struct_i, 2, &key[0], "s", &text, &key[1], "u",
                                   &number, 2, 1, &element[0], 2, &element[1], &element[2], "(s)",
                                   &in_variant);
        if (r < 0)
                return r;
        return bus1_dbus_reply_values(call, ALL_TYPES, y, b, n, q, i, u, x, t, d, s, o, g,
                                      in_struct, struct_i, 2, key[0], "s", text, key[1], "u",
                                      number, 2, 1, element[0], 2, element[1], element[2], "(s)",
                                      in_variant);
}

/* Answers with what its DBusMessage says. */
static int run_look(struct bus1_dbus_message *call, void *userdata) {
        DBusMessage *m;
        const char *text;
        char *line;

        note(call);
        m = bus1_dbus_message_get_dbus(call);
        if (!m || m != call->message || bus1_dbus_message_get_dbus(call) != m ||
            !dbus_message_get_args(m, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID))
                return -EIO;
        /* The values can still be read in the other way. */
        if (bus1_dbus_message_read(call, "s", &text) < 0)
                return -EIO;
        if (asprintf(&line, "%s %s %s %s %d", dbus_message_get_path(m),
                     dbus_message_get_interface(m), dbus_message_get_member(m), text,
                     strcmp(dbus_message_get_sender(m), userdata)) < 0)
                return -ENOMEM;
        free(seen);
        seen = line;
        return bus1_dbus_reply_args(call, DBUS_TYPE_STRING, &line, DBUS_TYPE_INVALID);
}

/* Tries to read what is not there. */
static int run_wrong(struct bus1_dbus_message *call, void *userdata) {
        const char *text = "unset";
        uint32_t number = 42;
        int r[3];

        note(call);
        r[0] = bus1_dbus_message_read(call, "au", 2, &number, &number);
        r[1] = bus1_dbus_message_read(call, "auu", 1, &number, &number);
        r[2] = bus1_dbus_message_read(call, "auss", 1, &number, &text, &text);
        if (strcmp(text, "unset") != 0 || number != 42)
                return -EIO;
        return bus1_dbus_reply_values(call, "iii", r[0], r[1], r[2]);
}

static int run_refuse(struct bus1_dbus_message *call, void *userdata) {
        note(call);
        return bus1_dbus_reply_error(call, "org.bus1.Refused", "refused %d", 7);
}

static int run_fail(struct bus1_dbus_message *call, void *userdata) {
        note(call);
        return -EACCES;
}

static int run_message(struct bus1_dbus_message *call, void *userdata) {
        DBusMessage *reply;
        int r;

        note(call);
        reply = dbus_message_new_method_return(bus1_dbus_message_get_dbus(call));
        r = bus1_dbus_reply(call, reply, NULL, 0);
        dbus_message_unref(reply);
        /* An answered call stays answered. */
        if (r == 0 && bus1_dbus_reply_values(call, "") != -EALREADY)
                abort();
        return r;
}

static int run_invalid(struct bus1_dbus_message *call, void *userdata) {
        note(call);
        return bus1_dbus_reply_values(call, "iii", bus1_dbus_reply_values(call, "s", "\xff"),
                                      bus1_dbus_reply_values(call, "o", "path"),
                                      bus1_dbus_reply_values(call, "(s", "text"));
}

/* Answers with its userdata and its argument. */
static int run_say(struct bus1_dbus_message *call, void *userdata) {
        const char *text;
        int r;

        note(call);
        if (bus1_dbus_get_current_message(call->bus) != call)
                return -EIO;
        r = bus1_dbus_message_read(call, "s", &text);
        return r < 0 ? r : bus1_dbus_reply_values(call, "ss", userdata, text);
}

static int run_large(struct bus1_dbus_message *call, void *userdata) {
        uint32_t n;
        char *text;
        int r;

        note(call);
        r = bus1_dbus_message_read(call, "u", &n);
        if (r < 0)
                return r;
        text = calloc(1, n + 1);
        if (!text)
                return -ENOMEM;
        memset(text, 'x', n);
        r = bus1_dbus_reply_values(call, "s", text);
        free(text);
        return r;
}

static int run_origin(struct bus1_dbus_message *call, void *userdata) {
        struct bus1_dbus_credentials c;
        int r;

        note(call);
        r = bus1_dbus_message_get_credentials(call, &c);
        return r < 0 ? r : bus1_dbus_reply_values(call, "uu", c.uid, c.pid);
}

static struct bus1_dbus_object *hidden; /* an object without a path */

static int run_object(struct bus1_dbus_message *call, void *userdata) {
        note(call);
        return bus1_dbus_reply_object(call, hidden);
}

static int run_beep(struct bus1_dbus_message *call, void *userdata) {
        int r;

        note(call);
        r = bus1_dbus_object_emit_values(hidden, NAME, "Beep", "u", 7);
        return r < 0 ? r : bus1_dbus_reply_values(call, NULL);
}

static int run_stop(struct bus1_dbus_message *call, void *userdata) {
        stop = true;
        return bus1_dbus_reply_values(call, NULL);
}

static int get_number(struct bus1_dbus_object *object, DBusMessageIter *value, void *userdata) {
        uint32_t number = 23;

        return dbus_message_iter_append_basic(value, DBUS_TYPE_UINT32, &number) ? 0 : -ENOMEM;
}

static const struct bus1_dbus_method methods[] = {
        {"All", ALL_TYPES, ALL_TYPES, run_all, NULL},
        {"Look", "s", "s", run_look, NULL},
        {"Wrong", "aus", "iii", run_wrong, NULL},
        {"Refuse", "", "", run_refuse, NULL},
        {"Fail", "", "", run_fail, NULL},
        {"Message", "", "", run_message, NULL},
        {"Invalid", "", "iii", run_invalid, NULL},
        {"Large", "u", "s", run_large, NULL},
        {"Origin", "", "uu", run_origin, NULL},
        {"Object", "", "o", run_object, NULL},
        {"Beep", "", "", run_beep, NULL},
        {"Stop", "", "", run_stop, NULL},
        {},
};

static const struct bus1_dbus_property properties[] = {{"Number", "u", get_number, NULL}, {}};

static const struct bus1_dbus_interface interfaces[] = {
        {.name = NAME, .methods = methods, .properties = properties},
        {},
};

#define VTABLE NAME ".Vtable"

static const struct bus1_dbus_vtable vtable[] = {
        BUS1_DBUS_VTABLE_START(0),
        BUS1_DBUS_METHOD_WITH_OFFSET("Say", "s", "ss", run_say, 2, BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_METHOD("SayPrivileged", "s", "ss", run_say, 0),
        BUS1_DBUS_METHOD("Nothing", "", "", NULL, BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_VTABLE_END,
};

static void *serve(void *bus) {
        return bus1_dbus_run(bus, &stop) == 0 ? bus : NULL;
}

static uint64_t to; /* handle of the name */

static void call_no_values(const char *member, DBusError *error, int expected) {
        struct bus1_dbus_message *reply = NULL;

        ck_assert_int_eq(
                bus1_dbus_call_method(client, to, NULL, PATH, NAME, member, error, &reply, NULL),
                expected);
        bus1_dbus_message_unref(reply);
}

/* Start the service, and let the client call it until the calls are direct. */
static void setup(void) {
        struct bus1_dbus_object *object;

        members_start("</policy><limit name=\"max_message_size\">200000</limit>"
                      "<policy context=\"default\">");
        ck_assert_int_eq(bus1_dbus_object_new(service, "/lazy", interfaces,
                                              (void *)bus1_dbus_get_unique_name(client), &object),
                         0);
        ck_assert_int_eq(bus1_dbus_object_add_interface(object, VTABLE, vtable, "1 object"), 0);
        ck_assert_int_eq(
                bus1_dbus_add_fallback(service, NULL, "/fall", VTABLE, vtable, NULL, "2 fallback"),
                0);
        ck_assert_int_eq(bus1_dbus_object_new(service, NULL, NULL, NULL, &hidden), 0);
        publish();
        bus1_dbus_set_lazy_messages(service, true);
        bus1_dbus_set_lazy_messages(client, true);
        stop = false;
        n_without_message = 0;
        ck_assert_int_eq(pthread_create(&thread, NULL, serve, service), 0);
        ck_assert_int_eq(bus1_dbus_lookup(client, NAME, 0, &to, NULL), 0);
        for (int i = 0; __atomic_load_n(&n_without_message, __ATOMIC_RELAXED) == 0; i++) {
                ck_assert_int_lt(i, CALLS_MAX);
                ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy", NAME, "Message",
                                                       NULL, NULL, NULL),
                                 0);
        }
}

static void teardown(void) {
        void *result;

        ck_assert_int_eq(
                bus1_dbus_call_method(client, to, NULL, "/lazy", NAME, "Stop", NULL, NULL, NULL),
                0);
        ck_assert_int_eq(pthread_join(thread, &result), 0);
        ck_assert_ptr_eq(result, service);
        free(seen);
        seen = NULL;
        members_teardown();
}

static unsigned n_seen(void) {
        return __atomic_load_n(&n_without_message, __ATOMIC_RELAXED);
}

START_TEST(values_of_all_types_need_no_message) {
        const char *s, *o, *g, *in_struct, *key[2], *text, *element[3], *in_variant;
        struct bus1_dbus_message *reply;
        unsigned before = n_seen();
        int16_t n;
        uint16_t q;
        int32_t i, struct_i;
        uint32_t u, number;
        int64_t x;
        uint64_t t;
        uint8_t y;
        double d;
        int b;

        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy", NAME, "All", NULL, &reply,
                                               ALL_TYPES, 200, 5, -30000, 60000, -2000000000,
                                               4000000000U, INT64_MIN, UINT64_MAX, 0.5, "text",
                                               "/path", "a{sv}", "in", -7, 2, "one", "s", "1",
                                               "two", "u", 2, 2, 1, "a", 2, "b", "c", "(s)", "v"),
                         0);
        ck_assert_uint_eq(n_seen(), before + 1);
        ck_assert_ptr_null(reply->message);
        ck_assert_int_eq(bus1_dbus_message_read(reply, ALL_TYPES, &y, &b, &n, &q, &i, &u, &x, &t,
                                                &d, &s, &o, &g, &in_struct, &struct_i, 2, &key[0],
                                                "s", &text, &key[1], "u", &number, 2, 1,
                                                &element[0], 2, &element[1], &element[2], "(s)",
                                                &in_variant),
                         0);
        ck_assert_ptr_null(reply->message);
        ck_assert_uint_eq(y, 200);
        ck_assert_int_eq(b, 1);
        ck_assert_int_eq(n, -30000);
        ck_assert_uint_eq(q, 60000);
        ck_assert_int_eq(i, -2000000000);
        ck_assert_uint_eq(u, 4000000000U);
        ck_assert_int_eq(x, INT64_MIN);
        ck_assert_uint_eq(t, UINT64_MAX);
        ck_assert(fabs(d - 0.5) < 1e-9);
        ck_assert_str_eq(s, "text");
        ck_assert_str_eq(o, "/path");
        ck_assert_str_eq(g, "a{sv}");
        ck_assert_str_eq(in_struct, "in");
        ck_assert_int_eq(struct_i, -7);
        ck_assert_str_eq(key[0], "one");
        ck_assert_str_eq(text, "1");
        ck_assert_str_eq(key[1], "two");
        ck_assert_uint_eq(number, 2);
        ck_assert_str_eq(element[0], "a");
        ck_assert_str_eq(element[1], "b");
        ck_assert_str_eq(element[2], "c");
        ck_assert_str_eq(in_variant, "v");

        /* libdbus-1 finds the same in it. */
        ck_assert_ptr_nonnull(bus1_dbus_message_get_dbus(reply));
        ck_assert_str_eq(dbus_message_get_signature(reply->message), ALL_TYPES);
        ck_assert_int_eq(dbus_message_get_type(reply->message), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        ck_assert_ptr_null(dbus_message_get_sender(reply->message));
        ck_assert_uint_ne(dbus_message_get_reply_serial(reply->message), 0);
        ck_assert_str_eq(dbus_message_get_destination(reply->message),
                         bus1_dbus_get_unique_name(client));
        bus1_dbus_message_unref(reply);
}
END_TEST

START_TEST(message_is_made_when_it_is_asked_for) {
        struct bus1_dbus_message *reply;
        unsigned before = n_seen();
        const char *text;
        DBusMessage *m;

        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy", NAME, "Look", NULL,
                                               &reply, "s", "text"),
                         0);
        ck_assert_uint_eq(n_seen(), before + 1);
        ck_assert_ptr_null(reply->message);
        m = bus1_dbus_message_get_dbus(reply);
        ck_assert_ptr_nonnull(m);
        ck_assert_ptr_eq(reply->message, m);
        ck_assert(dbus_message_get_args(m, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID));
        ck_assert_str_eq(text, "/lazy " NAME " Look text 0");
        bus1_dbus_message_unref(reply);
}
END_TEST

START_TEST(call_through_object_has_path_of_object) {
        struct bus1_dbus_message *reply;
        unsigned before = n_seen();
        const char *text;
        uint64_t object;

        ck_assert_int_eq(bus1_dbus_lookup_object(client, NAME, "/lazy", &object, NULL), 0);
        for (int i = 0; n_seen() - before < 3; i++) {
                ck_assert_int_lt(i, CALLS_MAX);
                ck_assert_int_eq(bus1_dbus_call_method(client, object, NULL, NULL, NAME, "Look",
                                                       NULL, &reply, "s", "text"),
                                 0);
                ck_assert_int_eq(bus1_dbus_message_read(reply, "s", &text), 0);
                ck_assert_str_eq(text, "/lazy " NAME " Look text 0");
                bus1_dbus_message_unref(reply);
        }
}
END_TEST

START_TEST(reading_fails_like_with_a_message) {
        struct bus1_dbus_message *reply;
        unsigned before = n_seen();
        int32_t r[3];

        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy", NAME, "Wrong", NULL,
                                               &reply, "aus", 1, 9, "text"),
                         0);
        ck_assert_uint_eq(n_seen(), before + 1);
        ck_assert_int_eq(bus1_dbus_message_read(reply, "iii", &r[0], &r[1], &r[2]), 0);
        ck_assert_int_eq(r[0], -EBADMSG);
        ck_assert_int_eq(r[1], -EBADMSG);
        ck_assert_int_eq(r[2], -ENXIO);
        bus1_dbus_message_unref(reply);
}
END_TEST

START_TEST(errors_arrive) {
        DBusError error = DBUS_ERROR_INIT;
        static const struct {
                const char *member, *types, *name;
        } calls[] = {
                {"Refuse", "", "org.bus1.Refused"},
                {"Fail", "", DBUS_ERROR_ACCESS_DENIED},
                {"Missing", "", DBUS_ERROR_UNKNOWN_METHOD},
                {"Refuse", "s", DBUS_ERROR_INVALID_ARGS},
        };

        for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
                ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy", NAME,
                                                       calls[i].member, &error, NULL,
                                                       calls[i].types, "text"),
                                 -EREMOTEIO);
                ck_assert_str_eq(error.name, calls[i].name);
                dbus_error_free(&error);
        }
        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/nowhere", NAME, "Refuse", &error,
                                               NULL, NULL),
                         -EREMOTEIO);
        ck_assert_str_eq(error.name, DBUS_ERROR_UNKNOWN_OBJECT);
        dbus_error_free(&error);
        /* the methods of another object, whose handlers use the field message */
        call_no_values("Refuse", NULL, -EREMOTEIO);
}
END_TEST

START_TEST(invalid_values_are_refused) {
        struct bus1_dbus_message *reply;
        int32_t r[3];

        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy", NAME, "Invalid", NULL,
                                               &reply, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_message_read(reply, "iii", &r[0], &r[1], &r[2]), 0);
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(r[i], -EINVAL);
        bus1_dbus_message_unref(reply);
        ck_assert_int_eq(
                bus1_dbus_call_method(client, to, NULL, "lazy", NAME, "Message", NULL, NULL, NULL),
                -EINVAL);
        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy", "Name", "Message", NULL,
                                               NULL, NULL),
                         -EINVAL);
        ck_assert_int_eq(
                bus1_dbus_call_method(client, to, NULL, "/lazy", NAME, NULL, NULL, NULL, NULL),
                -EINVAL);
        ck_assert_int_eq(bus1_dbus_call_method(client, to, "name", "/lazy", NAME, "Message", NULL,
                                               NULL, NULL),
                         -EINVAL);
}
END_TEST

START_TEST(standard_interfaces_answer) {
        struct bus1_dbus_message *reply;
        const char *text;
        uint32_t number;

        ck_assert_int_eq(bus1_dbus_get_property(client, to, NULL, "/lazy", NAME, "Number", NULL,
                                                NULL, "u", &number),
                         0);
        ck_assert_uint_eq(number, 23);
        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy",
                                               DBUS_INTERFACE_INTROSPECTABLE, "Introspect", NULL,
                                               &reply, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_message_read(reply, "s", &text), 0);
        ck_assert_ptr_nonnull(strstr(text, "Number"));
        bus1_dbus_message_unref(reply);
}
END_TEST

static void expect_say(const char *path, const char *member, const char *expected) {
        struct bus1_dbus_message *reply;
        const char *userdata, *text;
        unsigned before = n_seen();

        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, path, VTABLE, member, NULL, &reply,
                                               "s", "text"),
                         0);
        ck_assert_uint_eq(n_seen(), before + 1);
        ck_assert_int_eq(bus1_dbus_message_read(reply, "ss", &userdata, &text), 0);
        ck_assert_str_eq(userdata, expected);
        ck_assert_str_eq(text, "text");
        bus1_dbus_message_unref(reply);
}

static void expect_say_error(const char *path, const char *member, const char *types,
                             const char *name) {
        DBusError error = DBUS_ERROR_INIT;

        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, path, VTABLE, member, &error, NULL,
                                               types, "text"),
                         -EREMOTEIO);
        ck_assert_str_eq(error.name, name);
        dbus_error_free(&error);
}

START_TEST(methods_of_vtables_need_no_message) {
        expect_say("/lazy", "Say", "object");
        expect_say("/lazy", "SayPrivileged", "1 object");
        expect_say("/fall", "Say", "fallback");
        expect_say("/fall/deep/down", "SayPrivileged", "2 fallback");
        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy", VTABLE, "Nothing", NULL,
                                               NULL, NULL),
                         0);
        expect_say_error("/lazy", "Say", "(s)", DBUS_ERROR_INVALID_ARGS);
        expect_say_error("/lazy", "Nothing", "s", DBUS_ERROR_INVALID_ARGS);
        expect_say_error("/fall/deep", "Missing", "s", DBUS_ERROR_UNKNOWN_METHOD);
        expect_say_error("/fallen", "Say", "s", DBUS_ERROR_UNKNOWN_OBJECT);
}
END_TEST

static void expect_too_large(uint64_t handle, const char *member, const char *types, ...) {
        DBusError error = DBUS_ERROR_INIT;
        va_list args;

        va_start(args, types);
        ck_assert_int_eq(bus1_dbus_call_methodv(client, handle, NULL, "/lazy", NAME, member, &error,
                                                NULL, types, args),
                         -EREMOTEIO);
        va_end(args);
        ck_assert_str_eq(error.name, DBUS_ERROR_LIMITS_EXCEEDED);
        dbus_error_free(&error);
}

START_TEST(limits_hold) {
        struct bus1_dbus_message *reply;
        unsigned before = n_seen();
        char large[200001];

        memset(large, 'x', 200000);
        large[200000] = 0;
        expect_too_large(to, "Large", "u", 200000);
        ck_assert_uint_eq(n_seen(), before + 1);
        expect_too_large(to, "Look", "s", large);
        ck_assert_uint_eq(n_seen(), before + 1);
        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy", NAME, "Large", NULL,
                                               &reply, "u", 199000),
                         0);
        bus1_dbus_message_unref(reply);
}
END_TEST

/* The bus writes the credentials behind the message. They are no reason to make a DBusMessage. */
START_TEST(credentials_need_no_message) {
        for (int i = 0; i < 2; i++) {
                struct bus1_dbus_message *reply;
                unsigned before = n_seen();
                uint32_t uid, pid;

                ck_assert_int_eq(bus1_dbus_call_method(client, i ? BUS1_DBUS_BUS : to, NAME,
                                                       "/lazy", NAME, "Origin", NULL, &reply, NULL),
                                 0);
                ck_assert_uint_eq(n_seen(), before + 1);
                ck_assert_ptr_null(reply->message);
                ck_assert_int_eq(bus1_dbus_message_read(reply, "uu", &uid, &pid), 0);
                ck_assert_uint_eq(uid, getuid());
                ck_assert_uint_eq(pid, (uint32_t)getpid());
                bus1_dbus_message_unref(reply);
        }
}
END_TEST

static int hear(struct bus1_dbus_message *signal, void *userdata) {
        return bus1_dbus_message_read(signal, "u", userdata);
}

START_TEST(calls_of_the_library_read_lazy_messages) {
        struct bus1_dbus_message *reply;
        struct bus1_dbus_slot *slot;
        uint64_t checked, direct;
        uint32_t heard = 0;

        ck_assert_int_eq(bus1_dbus_lookup_object_with_flags(client, NAME, "/lazy",
                                                            BUS1_DBUS_LOOKUP_CHECK, &checked, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy", NAME, "Object", NULL,
                                               &reply, NULL),
                         0);
        direct = bus1_dbus_message_take_handle(reply, 0);
        bus1_dbus_message_unref(reply);
        ck_assert_uint_ne(direct, BUS1_INVALID);
        ck_assert_int_eq(
                bus1_dbus_subscribe_handle(client, &slot, direct, NAME, "Beep", hear, &heard, NULL),
                0);
        ck_assert_int_eq(
                bus1_dbus_call_method(client, to, NULL, "/lazy", NAME, "Beep", NULL, NULL, NULL),
                0);
        for (int i = 0; heard == 0; i++) {
                ck_assert_int_lt(i, CALLS_MAX);
                ck_assert_int_ge(bus1_dbus_wait(client, 10), 0);
                ck_assert_int_ge(bus1_dbus_dispatch(client), 0);
        }
        ck_assert_uint_eq(heard, 7);
        bus1_dbus_slot_free(slot);
}
END_TEST

START_TEST(message_outlives_its_bus) {
        struct bus1_dbus_message *reply;
        const char *text;

        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy", NAME, "Look", NULL,
                                               &reply, "s", "text"),
                         0);
        ck_assert_ptr_null(reply->message);
        /* the service must be stopped by another member */
        bus1_dbus_free(client);
        ck_assert_int_eq(bus1_dbus_open(&client, bus_daemon.address, NULL), 0);
        ck_assert_int_eq(bus1_dbus_lookup(client, NAME, 0, &to, NULL), 0);
        ck_assert_int_eq(bus1_dbus_message_read(reply, "s", &text), 0);
        ck_assert_ptr_nonnull(bus1_dbus_message_get_dbus(reply));
        bus1_dbus_message_unref(reply);
}
END_TEST

/* Without the wish of the program, the field is as it always was. */
START_TEST(messages_are_made_by_default) {
        struct bus1_dbus_message *reply;

        bus1_dbus_set_lazy_messages(client, false);
        ck_assert_int_eq(bus1_dbus_call_method(client, to, NULL, "/lazy", NAME, "Look", NULL,
                                               &reply, "s", "text"),
                         0);
        ck_assert_ptr_nonnull(reply->message);
        bus1_dbus_message_unref(reply);
}
END_TEST

int main(int argc, char **argv) {
        Suite *suite = suite_create("lazy");
        TCase *tcase = tcase_create("lazy");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, values_of_all_types_need_no_message);
        tcase_add_test(tcase, message_is_made_when_it_is_asked_for);
        tcase_add_test(tcase, call_through_object_has_path_of_object);
        tcase_add_test(tcase, reading_fails_like_with_a_message);
        tcase_add_test(tcase, errors_arrive);
        tcase_add_test(tcase, invalid_values_are_refused);
        tcase_add_test(tcase, standard_interfaces_answer);
        tcase_add_test(tcase, methods_of_vtables_need_no_message);
        tcase_add_test(tcase, limits_hold);
        tcase_add_test(tcase, credentials_need_no_message);
        tcase_add_test(tcase, calls_of_the_library_read_lazy_messages);
        tcase_add_test(tcase, message_outlives_its_bus);
        tcase_add_test(tcase, messages_are_made_by_default);
        suite_add_tcase(suite, tcase);
        return run_suite(suite, argc, argv);
}
