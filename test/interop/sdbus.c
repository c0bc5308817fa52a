/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The kind sd-bus: legacy programs that use sd-bus
 *
 * The exchanges use the DBusMessage of libdbus-1, so this kind translates their messages to and
 * from sd-bus. It can translate arguments of the types that the exchanges use: strings, paths,
 * numbers, booleans, descriptors, and arrays of bytes.
 */

#include "test/interop/interop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_USEC (INTEROP_TIMEOUT_MS * UINT64_C(1000))

struct member {
        sd_bus *bus;
        DBusMessage *signal; /* the last signal that wait_signal() has not returned yet */
        struct service *service;
};

/* translation */

static int append_to_sd(sd_bus_message *to, DBusMessageIter *from) {
        DBusBasicValue value;
        DBusMessageIter array;
        const void *bytes;
        int type, n, r;

        type = dbus_message_iter_get_arg_type(from);
        if (type == DBUS_TYPE_ARRAY) {
                dbus_message_iter_recurse(from, &array);
                dbus_message_iter_get_fixed_array(&array, &bytes, &n);
                return sd_bus_message_append_array(to, 'y', bytes, (size_t)n);
        }
        dbus_message_iter_get_basic(from, &value);
        if (type == DBUS_TYPE_STRING || type == DBUS_TYPE_OBJECT_PATH)
                return sd_bus_message_append_basic(to, (char)type, value.str);
        r = sd_bus_message_append_basic(to, (char)type, &value);
        if (type == DBUS_TYPE_UNIX_FD)
                close(value.fd);
        return r;
}

static int append_all_to_sd(sd_bus_message *to, DBusMessage *from) {
        DBusMessageIter iter;
        int r = 0;

        if (!dbus_message_iter_init(from, &iter))
                return 0;
        do
                r = append_to_sd(to, &iter);
        while (r >= 0 && dbus_message_iter_next(&iter));
        return r;
}

static sd_bus_message *to_sd(sd_bus *bus, DBusMessage *from) {
        sd_bus_message *to = NULL;
        int r;

        if (dbus_message_get_type(from) == DBUS_MESSAGE_TYPE_SIGNAL)
                r = sd_bus_message_new_signal(bus, &to, dbus_message_get_path(from),
                                              dbus_message_get_interface(from),
                                              dbus_message_get_member(from));
        else
                r = sd_bus_message_new_method_call(
                        bus, &to, dbus_message_get_destination(from), dbus_message_get_path(from),
                        dbus_message_get_interface(from), dbus_message_get_member(from));
        if (r >= 0)
                r = append_all_to_sd(to, from);
        return r >= 0 ? to : sd_bus_message_unref(to);
}

static bool append_from_sd(DBusMessageIter *to, sd_bus_message *from, char type) {
        const void *bytes;
        DBusBasicValue value;
        DBusMessageIter array;
        bool ok;
        size_t n;

        if (type == 'a')
                return sd_bus_message_read_array(from, 'y', &bytes, &n) >= 0 &&
                       dbus_message_iter_open_container(to, DBUS_TYPE_ARRAY, "y", &array) &&
                       dbus_message_iter_append_fixed_array(&array, DBUS_TYPE_BYTE, &bytes,
                                                            (int)n) &&
                       dbus_message_iter_close_container(to, &array);
        ok = sd_bus_message_read_basic(from, type, &value) > 0 &&
             dbus_message_iter_append_basic(to, type, &value);
        return ok;
}

static DBusMessage *from_sd(sd_bus_message *from) {
        DBusMessageIter iter;
        DBusMessage *to;
        uint64_t cookie;
        uint8_t type;
        char kind;

        sd_bus_message_get_type(from, &type);
        to = dbus_message_new(type);
        dbus_message_set_path(to, sd_bus_message_get_path(from));
        dbus_message_set_interface(to, sd_bus_message_get_interface(from));
        dbus_message_set_member(to, sd_bus_message_get_member(from));
        dbus_message_set_sender(to, sd_bus_message_get_sender(from));
        if (sd_bus_message_get_error(from))
                dbus_message_set_error_name(to, sd_bus_message_get_error(from)->name);
        if (sd_bus_message_get_cookie(from, &cookie) >= 0 && cookie != 0)
                dbus_message_set_serial(to, (dbus_uint32_t)cookie);
        if (sd_bus_message_get_reply_cookie(from, &cookie) >= 0)
                dbus_message_set_reply_serial(to, (dbus_uint32_t)cookie);
        dbus_message_iter_init_append(to, &iter);
        while (sd_bus_message_peek_type(from, &kind, NULL) > 0)
                if (!append_from_sd(&iter, from, kind)) {
                        dbus_message_unref(to);
                        return NULL;
                }
        return to;
}

/* the operations of struct kind */

static void sdbus_reply(struct service *service, void *call, DBusMessage *reply) {
        sd_bus_message *answer = NULL;
        const char *text = "";
        int r;

        if (reply && dbus_message_get_type(reply) == DBUS_MESSAGE_TYPE_ERROR) {
                dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
                sd_bus_reply_method_errorf(call, dbus_message_get_error_name(reply), "%s", text);
        } else {
                r = sd_bus_message_new_method_return(call, &answer);
                if (r >= 0 && reply)
                        r = append_all_to_sd(answer, reply);
                if (r >= 0)
                        sd_bus_send(NULL, answer, NULL);
                sd_bus_message_unref(answer);
        }
        sd_bus_message_unref(call);
}

static void handle_call(struct member *member, sd_bus_message *m) {
        DBusMessage *call = from_sd(m), *reply;
        bool keep = false;

        if (!call)
                return;
        sd_bus_message_ref(m);
        reply = service_handle(member->service, call, m, &keep);
        if (reply)
                sdbus_reply(member->service, m, reply);
        else if (!keep)
                sd_bus_message_unref(m);
        if (reply)
                dbus_message_unref(reply);
        dbus_message_unref(call);
}

/*
 * sd-bus calls this for each message that is not the reply to a call of this member. Returns 1 for
 * a call to the service, which handle_call() handles, and 0 for all other messages.
 */
static int filter(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct member *member = userdata;
        const char *interface = sd_bus_message_get_interface(m);

        if (!interface || strncmp(interface, INTEROP_INTERFACE, strlen(INTEROP_INTERFACE)) != 0)
                return 0;
        if (sd_bus_message_is_method_call(m, NULL, NULL) > 0 && member->service) {
                handle_call(member, m);
                return 1;
        }
        if (sd_bus_message_is_signal(m, NULL, NULL) > 0) {
                if (member->signal)
                        dbus_message_unref(member->signal);
                member->signal = from_sd(m);
                if (member->signal && member->service)
                        service_signal(member->service, member->signal);
        }
        return 0;
}

static void *sdbus_open(const char *address) {
        struct member *member = calloc(1, sizeof(*member));
        int r;

        r = sd_bus_new(&member->bus);
        if (r >= 0)
                r = sd_bus_set_address(member->bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(member->bus, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(member->bus, true);
        if (r >= 0)
                r = sd_bus_start(member->bus);
        if (r >= 0)
                r = sd_bus_add_filter(member->bus, NULL, filter, member);
        if (r < 0) {
                fprintf(stderr, "sd-bus: %s\n", strerror(-r));
                sd_bus_unref(member->bus);
                free(member);
                return NULL;
        }
        return member;
}

static void sdbus_close(void *p) {
        struct member *member = p;

        if (member->signal)
                dbus_message_unref(member->signal);
        sd_bus_close_unref(member->bus);
        free(member);
}

static DBusMessage *sdbus_call(void *p, DBusMessage *call, DBusError *error) {
        struct member *member = p;
        sd_bus_error e = SD_BUS_ERROR_NULL;
        sd_bus_message *m, *reply = NULL;
        DBusMessage *result = NULL;

        m = to_sd(member->bus, call);
        if (m && sd_bus_call(member->bus, m, TIMEOUT_USEC, &e, &reply) >= 0)
                result = from_sd(reply);
        if (!result && error)
                dbus_set_error(error, e.name ? e.name : DBUS_ERROR_FAILED, "%s",
                               e.message ? e.message : "");
        sd_bus_error_free(&e);
        sd_bus_message_unref(reply);
        sd_bus_message_unref(m);
        return result;
}

static int many_done(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        *(DBusMessage **)userdata = from_sd(reply);
        return 1;
}

/* Process one message, or wait if there is none. Returns false on an error or a time-out. */
static bool run_once(struct member *member) {
        int r = sd_bus_process(member->bus, NULL);

        if (r == 0)
                r = sd_bus_wait(member->bus, TIMEOUT_USEC);
        return r > 0;
}

static bool sdbus_call_many(void *p, DBusMessage **calls, DBusMessage **replies, size_t n) {
        struct member *member = p;
        uint64_t cookie;

        for (size_t i = 0; i < n; i++) {
                sd_bus_message *m = to_sd(member->bus, calls[i]);

                if (!m || sd_bus_call_async(member->bus, NULL, m, many_done, &replies[i],
                                            TIMEOUT_USEC) < 0)
                        return false;
                sd_bus_message_get_cookie(m, &cookie);
                dbus_message_set_serial(calls[i], (dbus_uint32_t)cookie);
                sd_bus_message_unref(m);
        }
        for (size_t i = 0; i < n; i++)
                while (!replies[i])
                        if (!run_once(member))
                                return false;
        return true;
}

static bool sdbus_emit(void *p, DBusMessage *signal) {
        struct member *member = p;
        sd_bus_message *m = to_sd(member->bus, signal);
        bool ok;

        ok = m && sd_bus_send(member->bus, m, NULL) >= 0 && sd_bus_flush(member->bus) >= 0;
        sd_bus_message_unref(m);
        return ok;
}

static bool sdbus_subscribe(void *p, const char *rule) {
        struct member *member = p;

        /* filter() gets the signals. */
        return sd_bus_call_method(member->bus, DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                  DBUS_INTERFACE_DBUS, "AddMatch", NULL, NULL, "s", rule) >= 0;
}

static DBusMessage *sdbus_wait_signal(void *p) {
        struct member *member = p;
        DBusMessage *signal;

        while (!member->signal)
                if (!run_once(member))
                        return NULL;
        signal = member->signal;
        member->signal = NULL;
        return signal;
}

static void sdbus_serve(void *p, struct service *service) {
        struct member *member = p;

        member->service = service;
        sdbus_subscribe(member, "type='signal',interface='" INTEROP_INTERFACE "',member='Told'");
        if (sd_bus_request_name(member->bus, INTEROP_NAME, 0) < 0)
                return;
        for (;;) {
                int r = sd_bus_process(member->bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(member->bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        return;
        }
}

const struct kind kind_sdbus = {
        .name = "sd-bus",
        .open = sdbus_open,
        .close = sdbus_close,
        .call = sdbus_call,
        .call_many = sdbus_call_many,
        .emit = sdbus_emit,
        .subscribe = sdbus_subscribe,
        .wait_signal = sdbus_wait_signal,
        .serve = sdbus_serve,
        .reply = sdbus_reply,
};
