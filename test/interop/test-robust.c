/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A native member survives faults
 *
 * This is about other members that break rules, about programs that pass wrong arguments to the
 * library, and about callbacks that free the object that they are called for.
 */

#include "test/interop/members.h"

#include <bus1/dbus-lazy.h>
#include <bus1/dbus-vtable.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* messages of other members */

/* The error text has a name from the caller. A long text is cut, but not within a character. */
START_TEST(long_texts_are_cut_between_characters) {
        char text[3 * 1000 + 1] = "", shifted[sizeof(text) + 2];
        const char *interface = NAME, *name = shifted;
        DBusMessage *m;

        for (size_t i = 0; i < 1000; i++)
                memcpy(text + 3 * i, "\xe2\x82\xac", 4);
        request();
        /* Each character has three bytes. Shift the text so that it is cut at each of them. */
        for (int n = 0; n < 3; n++) {
                snprintf(shifted, sizeof(shifted), "%.*s%s", n, "xx", text);
                m = dbus_message_new_method_call(NAME, PATH, DBUS_INTERFACE_PROPERTIES, "Get");
                ck_assert(dbus_message_append_args(m, DBUS_TYPE_STRING, &interface,
                                                   DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID));
                expect_error(call_message(client, BUS1_DBUS_BUS, m), DBUS_ERROR_UNKNOWN_PROPERTY);
        }
}
END_TEST

static DBusMessage *new_properties_call(const char *method, const char *interface) {
        const char *name = "Missing";
        DBusMessage *m;

        m = dbus_message_new_method_call(NAME, PATH, DBUS_INTERFACE_PROPERTIES, method);
        ck_assert(dbus_message_append_args(m, DBUS_TYPE_STRING, &interface, DBUS_TYPE_INVALID));
        if (strcmp(method, "Get") == 0)
                ck_assert(dbus_message_append_args(m, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID));
        return m;
}

/*
 * Each object has the standard interfaces, which have no properties. An empty interface name means
 * all interfaces.
 */
START_TEST(errors_of_properties_tell_what_is_missing) {
        const char *const present[] = {NAME, DBUS_INTERFACE_PEER, DBUS_INTERFACE_PROPERTIES,
                                       DBUS_INTERFACE_INTROSPECTABLE, ""};
        const char *const missing[] = {"org.bus1.Missing", "org.freedesktop.DBus.Missing"};
        struct answer answer;

        request();
        for (size_t i = 0; i < sizeof(present) / sizeof(present[0]); i++) {
                expect_error(
                        call_message(client, BUS1_DBUS_BUS, new_properties_call("Get", present[i])),
                        DBUS_ERROR_UNKNOWN_PROPERTY);
                answer = call_message(client, BUS1_DBUS_BUS,
                                      new_properties_call("GetAll", present[i]));
                ck_assert_int_eq(dbus_message_get_type(answer.reply),
                                 DBUS_MESSAGE_TYPE_METHOD_RETURN);
                dbus_message_unref(answer.reply);
        }
        for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
                expect_error(
                        call_message(client, BUS1_DBUS_BUS, new_properties_call("Get", missing[i])),
                        DBUS_ERROR_UNKNOWN_INTERFACE);
                expect_error(call_message(client, BUS1_DBUS_BUS,
                                          new_properties_call("GetAll", missing[i])),
                             DBUS_ERROR_UNKNOWN_INTERFACE);
        }
        expect_error(call_message(client, BUS1_DBUS_BUS,
                                  dbus_message_new_method_call(NAME, PATH, DBUS_INTERFACE_PEER,
                                                               "Missing")),
                     DBUS_ERROR_UNKNOWN_METHOD);
}
END_TEST

/*
 * A signal with n bytes and a descriptor. The library appends an array for the descriptors (ah), so
 * the signature gets longer. A signature may have at most 255 characters.
 */
static DBusMessage *new_long_signal(int n) {
        uint8_t byte = 7;
        DBusMessage *m;
        int fd;

        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        m = dbus_message_new_signal(PATH, NAME, "Long");
        for (int i = 0; i < n; i++)
                dbus_message_append_args(m, DBUS_TYPE_BYTE, &byte, DBUS_TYPE_INVALID);
        dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID);
        close(fd);
        return m;
}

START_TEST(descriptor_behind_a_long_signature) {
        struct answer answer = {};
        DBusMessageIter iter;
        DBusMessage *m;
        int fd;

        ck_assert_int_eq(
                bus1_dbus_subscribe(client, "member='Long'", answered, &answer, NULL, NULL), 0);
        /* The two signals with too long a signature are lost. The third arrives. */
        for (int n = 254; n >= 252; n--) {
                m = new_long_signal(n);
                ck_assert_int_eq(bus1_dbus_emit(service, m), 0);
                dbus_message_unref(m);
        }
        UNTIL(answer.done);
        ck_assert_uint_eq(strlen(dbus_message_get_signature(answer.reply)), 253);
        dbus_message_iter_init(answer.reply, &iter);
        for (int i = 0; i < 252; i++)
                dbus_message_iter_next(&iter);
        ck_assert_int_eq(dbus_message_iter_get_arg_type(&iter), DBUS_TYPE_UNIX_FD);
        dbus_message_iter_get_basic(&iter, &fd);
        ck_assert_int_ge(fd, 0);
        close(fd);
        dbus_message_unref(answer.reply);
}
END_TEST

static int count_descriptors(struct bus1_dbus_message *call, void *userdata) {
        DBusMessageIter iter, array;
        uint32_t n = 0;
        int fd;

        dbus_message_iter_init(call->message, &iter);
        dbus_message_iter_next(&iter);
        dbus_message_iter_recurse(&iter, &array);
        for (; dbus_message_iter_get_arg_type(&array) == DBUS_TYPE_UNIX_FD; n++) {
                dbus_message_iter_get_basic(&array, &fd);
                ck_assert_int_ge(fd, 0);
                close(fd);
                dbus_message_iter_next(&array);
        }
        ck_assert_uint_eq(n, *(uint32_t *)userdata);
        return bus1_dbus_reply_args(call, DBUS_TYPE_INVALID);
}

/*
 * 252 descriptors: the most in one message if the core is hosted. max_message_unix_fds allows fewer
 * in a message through the bus, so this call does not go through the bus.
 */
START_TEST(many_descriptors_in_one_message) {
        const struct bus1_dbus_method methods[] = {
                {"Count", "ayah", "", count_descriptors, NULL},
                {},
        };
        const struct bus1_dbus_interface interfaces[] = {{.name = NAME, .methods = methods}, {}};
        struct bus1_dbus_object *object;
        DBusMessageIter iter, array;
        uint32_t n = 252;
        struct answer answer;
        uint64_t handle;
        DBusMessage *m;
        int fd;

        ck_assert_int_eq(bus1_dbus_object_new(service, NULL, interfaces, &n, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        m = dbus_message_new_method_call(NULL, "/", NAME, "Count");
        dbus_message_iter_init_append(m, &iter);
        dbus_message_iter_open_container(&iter, DBUS_TYPE_ARRAY, "y", &array);
        dbus_message_iter_close_container(&iter, &array);
        dbus_message_iter_open_container(&iter, DBUS_TYPE_ARRAY, "h", &array);
        for (uint32_t i = 0; i < n; i++)
                dbus_message_iter_append_basic(&array, DBUS_TYPE_UNIX_FD, &fd);
        dbus_message_iter_close_container(&iter, &array);
        close(fd);
        answer = call_message(service, handle, m);
        ck_assert_int_eq(dbus_message_get_type(answer.reply), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        dbus_message_unref(answer.reply);
}
END_TEST

static void append_nested(DBusMessageIter *iter, int depth, const int *fd) {
        DBusMessageIter inner;

        if (depth == 0) {
                dbus_message_iter_append_basic(iter, DBUS_TYPE_UNIX_FD, fd);
                return;
        }
        dbus_message_iter_open_container(iter, DBUS_TYPE_VARIANT, depth > 1 ? "v" : "h", &inner);
        append_nested(&inner, depth - 1, fd);
        dbus_message_iter_close_container(iter, &inner);
}

START_TEST(descriptor_in_the_deepest_place) {
        struct answer answer = {};
        DBusMessageIter iter, inner;
        DBusMessage *m;
        int fd;

        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(
                bus1_dbus_subscribe(client, "member='Deep'", answered, &answer, NULL, NULL), 0);
        m = dbus_message_new_signal(PATH, NAME, "Deep");
        dbus_message_iter_init_append(m, &iter);
        append_nested(&iter, 63, &fd);
        close(fd);
        ck_assert_int_eq(bus1_dbus_emit(service, m), 0);
        dbus_message_unref(m);
        UNTIL(answer.done);
        dbus_message_iter_init(answer.reply, &iter);
        for (int i = 0; i < 63; i++) {
                dbus_message_iter_recurse(&iter, &inner);
                iter = inner;
        }
        dbus_message_iter_get_basic(&iter, &fd);
        ck_assert_int_ge(fd, 0);
        close(fd);
        dbus_message_unref(answer.reply);
}
END_TEST

/* A member at its limit of open files may lose a message with descriptors, but stays a member. */
START_TEST(descriptors_that_do_not_fit_cost_their_message_only) {
        struct rlimit before, few;
        struct answer answer = {};
        DBusMessage *m;
        int fds[64], n = 0;

        publish();
        m = dbus_message_new_signal(PATH, NAME, "Many");
        ck_assert_int_eq(
                bus1_dbus_subscribe(client, "member='Many'", answered, &answer, NULL, NULL), 0);
        fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        for (int i = 0; i < 16; i++)
                dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fds[0], DBUS_TYPE_INVALID);
        ck_assert_int_eq(bus1_dbus_emit(service, m), 0);
        dbus_message_unref(m);
        expect_text(call(service, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
        getrlimit(RLIMIT_NOFILE, &before);
        few = before;
        few.rlim_cur = (rlim_t)fds[0] + 60;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        for (n = 1; n < 64; n++) {
                fds[n] = dup(fds[0]);
                if (fds[n] < 0)
                        break;
        }
        close(fds[--n]);
        close(fds[--n]);
        for (int i = 0; i < 100 && !answer.done; i++)
                ck_assert_int_ge(bus1_dbus_dispatch(client), 0);
        while (n > 0)
                close(fds[--n]);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (answer.done && answer.reply)
                dbus_message_unref(answer.reply);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
}
END_TEST

static void small_messages_setup(void) {
        members_start("</policy><limit name=\"max_message_size\">200000</limit>"
                      "<policy context=\"default\">");
}

/*
 * The bus drops a reply that exceeds max_message_size, and the caller is told so. When _i is 0, the
 * reply fits into the buffer into which the bus receives (260 KiB). When _i is 1, it does not.
 */
START_TEST(reply_that_is_too_large_is_not_delivered) {
        static const uint8_t bytes[500000];
        const uint8_t *data = bytes;
        int n = _i == 0 ? 200000 : 500000;
        DBusConnection *legacy;
        DBusPendingCall *pending;
        DBusMessage *m;

        request();
        legacy = kind_legacy.open(bus_daemon.address);
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Keep");
        ck_assert(dbus_connection_send_with_reply(legacy, m, &pending, 10000));
        dbus_connection_flush(legacy);
        dbus_message_unref(m);
        UNTIL(kept);
        m = dbus_message_new_method_return(kept->message);
        dbus_message_append_args(m, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &data, n, DBUS_TYPE_INVALID);
        ck_assert_int_eq(bus1_dbus_reply(kept, m, NULL, 0), 0);
        dbus_message_unref(m);
        kept = bus1_dbus_message_unref(kept);

        dbus_pending_call_block(pending);
        m = dbus_pending_call_steal_reply(pending);
        ck_assert_str_eq(dbus_message_get_error_name(m), DBUS_ERROR_LIMITS_EXCEEDED);
        ck_assert_str_eq(dbus_message_get_sender(m), DBUS_SERVICE_DBUS);
        dbus_message_unref(m);
        dbus_pending_call_unref(pending);
        kind_legacy.close(legacy);
        /* The service is still a member. */
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
}
END_TEST

/* A callee can reply with any message, but the library removes a SENDER that it cannot verify. */
START_TEST(forged_sender_of_a_reply_is_removed) {
        struct answer answer = {};
        DBusMessage *m, *reply;
        uint64_t handle;

        publish();
        handle = look_up(client, NAME, PATH);
        m = dbus_message_new_method_call(NULL, PATH, NAME, "Keep");
        bus1_dbus_call_async(client, handle, m, NULL, 0, 10000, answered, &answer, NULL);
        dbus_message_unref(m);
        UNTIL(kept);
        reply = dbus_message_new_method_return(kept->message);
        dbus_message_set_sender(reply, DBUS_SERVICE_DBUS);
        ck_assert_int_eq(bus1_dbus_reply(kept, reply, NULL, 0), 0);
        dbus_message_unref(reply);
        bus1_dbus_message_unref(kept);
        UNTIL(answer.done);
        ck_assert_ptr_null(dbus_message_get_sender(answer.reply));
        dbus_message_unref(answer.reply);

        /* In a reply that the bus delivers, the bus has written the SENDER. */
        answer = call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL);
        ck_assert_str_eq(dbus_message_get_sender(answer.reply), bus1_dbus_get_unique_name(service));
        dbus_message_unref(answer.reply);
}
END_TEST

/* Accept one client, answer its AUTH with two descriptors that it did not ask for, and leave. */
static void serve_descriptors(int listen_fd) {
        static const char answer[] = "OK 0123456789abcdef0123456789abcdef\r\n";
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(2 * sizeof(int))];
        } control = {};
        struct iovec vec = {(char *)answer, strlen(answer)};
        struct msghdr m = {
                .msg_iov = &vec,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        char byte = 0;
        int fd;

        fd = accept(listen_fd, NULL, NULL);
        while (byte != '\n')
                if (read(fd, &byte, 1) != 1)
                        _exit(1);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(2 * sizeof(int));
        memcpy(CMSG_DATA(&control.header), (int[]){listen_fd, listen_fd}, 2 * sizeof(int));
        _exit(sendmsg(fd, &m, MSG_NOSIGNAL) < 0);
}

static int count_open_files(void) {
        int n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

START_TEST(descriptors_of_a_failed_handshake_are_closed) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        socklen_t n_sa = sizeof(sa.sun_family); /* bind() chooses an abstract address */
        struct bus1_dbus *bus;
        int listen_fd, n_files, status;
        char address[sizeof(sa.sun_path) + 32];
        pid_t pid;

        listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&sa, n_sa), 0);
        n_sa = sizeof(sa);
        ck_assert_int_eq(getsockname(listen_fd, (struct sockaddr *)&sa, &n_sa), 0);
        ck_assert_int_eq(listen(listen_fd, 1), 0);
        snprintf(address, sizeof(address), "unix:abstract=%s", sa.sun_path + 1);
        pid = fork();
        if (pid == 0)
                serve_descriptors(listen_fd);
        n_files = count_open_files();
        ck_assert_int_lt(bus1_dbus_open(&bus, address, NULL), 0);
        ck_assert_int_eq(count_open_files(), n_files);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        close(listen_fd);
}
END_TEST

/* callers of the library */

START_TEST(wrong_arguments_are_refused) {
        struct bus1_dbus_credentials credentials;
        struct bus1_dbus_object *object;
        struct bus1_dbus *bus;
        uint64_t handle = 0;
        char *name, *path;
        DBusMessage *m;

        ck_assert_int_eq(bus1_dbus_open(&bus, NULL, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_open(&bus, "no address", NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_new_from_client(&bus, NULL), -EINVAL);
        ck_assert_ptr_null(bus1_dbus_free(NULL));
        ck_assert_ptr_null(bus1_dbus_message_unref(NULL));
        ck_assert_ptr_null(bus1_dbus_object_free(NULL));
        ck_assert_ptr_null(bus1_dbus_subscription_free(NULL));
        /* no bus, for example because it could not be joined */
        bus1_dbus_set_trusted(NULL, true);
        bus1_dbus_set_check(NULL, NULL, NULL);
        bus1_dbus_set_lazy_messages(NULL, true);
        bus1_dbus_set_end_handler(NULL, NULL, NULL);
        bus1_dbus_set_signal_handler(NULL, answered, NULL);
        bus1_dbus_cancel(NULL, 1);

        ck_assert_int_eq(bus1_dbus_request_name(client, NULL, 0, NULL, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_request_name(client, "\xff", 0, NULL, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_release_name(client, NULL, NULL, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_publish(client, "\xff", 0, NULL, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_lookup(client, NULL, 0, &handle, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_lookup(client, "\xff", 0, &handle, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_lookup_object(client, NAME, "no path", &handle, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_lookup_object(client, NAME, NULL, &handle, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_export(client, BUS1_INVALID, &name, &path, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_get_credentials(client, NULL, &credentials, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_get_credentials(client, "\xff", &credentials, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_subscribe(client, NULL, answered, NULL, NULL, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_subscribe(client, "\xff", answered, NULL, NULL, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_subscribe(client, "", NULL, NULL, NULL, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_watch(client, BUS1_INVALID, NULL, NULL), -EINVAL);

        ck_assert_int_eq(bus1_dbus_call(client, BUS1_DBUS_BUS, NULL, NULL, 0, 100, NULL, NULL),
                         -EINVAL);
        ck_assert_int_eq(bus1_dbus_send(client, BUS1_DBUS_BUS, NULL, NULL, 0), -EINVAL);
        ck_assert_int_eq(bus1_dbus_emit(client, NULL), -EINVAL);
        m = dbus_message_new_signal(PATH, NAME, "Signal");
        ck_assert_int_eq(bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, 100, NULL, NULL),
                         -EINVAL);
        ck_assert_int_eq(
                bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 100, answered, NULL, NULL),
                -EINVAL);
        dbus_message_unref(m);
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Call");
        ck_assert_int_eq(
                bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 100, NULL, NULL, NULL),
                -EINVAL);
        ck_assert_int_eq(bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 1, 100, NULL, NULL),
                         -EINVAL);
        ck_assert_int_eq(bus1_dbus_call(client, 0x12345, m, NULL, 0, 100, NULL, NULL), -EBADRQC);
        ck_assert_int_eq(bus1_dbus_emit(client, m), -EINVAL);
        dbus_message_unref(m);

        ck_assert_int_eq(bus1_dbus_object_new(client, "no path", member_interfaces, NULL, &object),
                         -EINVAL);
        ck_assert_int_eq(bus1_dbus_object_new(client, "/", member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_emit(object, "no interface", "Member", DBUS_TYPE_INVALID),
                         -EINVAL);
        ck_assert_int_eq(bus1_dbus_object_emit(object, NAME, "no member", DBUS_TYPE_INVALID),
                         -EINVAL);
        ck_assert_int_eq(bus1_dbus_object_emit(object, NULL, NULL, DBUS_TYPE_INVALID), -EINVAL);
        ck_assert_int_eq(bus1_dbus_object_emit_changed(object, NULL, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_object_emit_changed(object, NAME, "Nothing"), -EINVAL);
        bus1_dbus_object_free(object);
}
END_TEST

START_TEST(wrong_replies_are_refused) {
        struct answer answer = {};
        uint64_t unknown = 0x12345;
        DBusMessage *m;

        request();
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Keep");
        bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered, &answer, NULL);
        UNTIL(kept);
        ck_assert_int_eq(bus1_dbus_reply(kept, NULL, NULL, 0), -EINVAL);
        ck_assert_int_eq(bus1_dbus_reply(kept, m, NULL, 0), -EINVAL);
        dbus_message_unref(m);
        ck_assert_int_eq(bus1_dbus_reply_error(kept, "no name", "text"), -EINVAL);
        ck_assert_int_eq(bus1_dbus_reply_error(kept, NAME ".Error", "\xff"), -EINVAL);
        /* After a reply with an unknown handle has failed, the call can still be answered. */
        m = dbus_message_new_method_return(kept->message);
        ck_assert_int_eq(bus1_dbus_reply(kept, m, &unknown, 1), -EBADRQC);
        dbus_message_unref(m);
        ck_assert(!answer.done);
        ck_assert_int_eq(bus1_dbus_reply_error(kept, NAME ".Error.Good", "%s", "text"), 0);
        ck_assert_int_eq(bus1_dbus_reply_error(kept, NAME ".Error.Good", "text"), -EALREADY);
        bus1_dbus_message_unref(kept);
        UNTIL(answer.done);
        expect_error(answer, NAME ".Error.Good");
}
END_TEST

START_TEST(failed_publication_can_be_repeated) {
        struct bus1_dbus_object *objects[4097];
        DBusError error = DBUS_ERROR_INIT;
        char path[32];

        for (int i = 0; i < 4097; i++) {
                snprintf(path, sizeof(path), "/object/%d", i);
                ck_assert_int_eq(
                        bus1_dbus_object_new(client, path, member_interfaces, NULL, &objects[i]),
                        0);
                ck_assert_int_eq(bus1_dbus_object_publish(objects[i], &error),
                                 i < 4096 ? 0 : -EREMOTEIO);
        }
        ck_assert(dbus_error_has_name(&error, DBUS_ERROR_LIMITS_EXCEEDED));
        dbus_error_free(&error);
        bus1_dbus_object_free(objects[0]);
        ck_assert_int_eq(bus1_dbus_object_publish(objects[4096], &error), 0);
        ck_assert_int_eq(bus1_dbus_object_publish(objects[4096], &error), -EALREADY);
        dbus_error_free(&error);
}
END_TEST

/* callbacks that free objects */

static struct bus1_dbus_subscription *subscription;
static unsigned n_calls;

static int free_subscription(struct bus1_dbus_message *m, void *userdata) {
        n_calls++;
        subscription = bus1_dbus_subscription_free(subscription);
        return 0;
}

START_TEST(subscription_is_freed_in_its_callback) {
        n_calls = 0;
        ck_assert_int_eq(bus1_dbus_subscribe(client, "member='Once'", free_subscription, NULL,
                                             &subscription, NULL),
                         0);
        emit(service, "Once");
        emit(service, "Once");
        UNTIL(n_calls == 1);
        request();
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
        ck_assert_uint_eq(n_calls, 1);
}
END_TEST

static struct bus1_dbus_object *doomed;

static int free_object(struct bus1_dbus_message *m, void *userdata) {
        doomed = bus1_dbus_object_free(doomed);
        return bus1_dbus_reply_args(m, DBUS_TYPE_INVALID);
}

START_TEST(object_is_freed_in_its_method) {
        const struct bus1_dbus_method methods[] = {{"End", "", "", free_object, NULL}, {}};
        const struct bus1_dbus_interface interfaces[] = {{.name = NAME, .methods = methods}, {}};
        struct answer answer;
        uint64_t handle;

        request();
        ck_assert_int_eq(bus1_dbus_object_new(service, "/end", interfaces, NULL, &doomed), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(doomed, &handle), 0);
        answer = call(client, BUS1_DBUS_BUS, NAME, "/end", "End", NULL);
        ck_assert_int_eq(dbus_message_get_type(answer.reply), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        dbus_message_unref(answer.reply);
        expect_error(call(client, BUS1_DBUS_BUS, NAME, "/end", "End", NULL),
                     DBUS_ERROR_UNKNOWN_OBJECT);
}
END_TEST

static int free_bus(struct bus1_dbus_message *m, void *userdata) {
        struct bus1_dbus **bus = userdata;

        n_calls++;
        *bus = bus1_dbus_free(*bus);
        return 0;
}

START_TEST(bus_is_freed_in_its_callback) {
        struct bus1_dbus *bus;

        n_calls = 0;
        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        bus = third;
        ck_assert_int_eq(bus1_dbus_subscribe(third, "member='Leave'", free_bus, &third, NULL, NULL),
                         0);
        emit(service, "Leave");
        emit(service, "Leave");
        ck_assert_int_eq(bus1_dbus_run(bus, NULL), -ESHUTDOWN);
        ck_assert_ptr_null(third);
        ck_assert_uint_eq(n_calls, 1);
        request();
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
}
END_TEST

START_TEST(message_outlives_its_bus) {
        struct answer answer = {};
        DBusMessage *m;

        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        ck_assert_int_eq(bus1_dbus_object_new(third, PATH, member_interfaces, NULL, NULL), 0);
        m = dbus_message_new_method_call(bus1_dbus_get_unique_name(third), PATH, NAME, "Keep");
        bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered, &answer, NULL);
        dbus_message_unref(m);
        UNTIL(kept);
        third = bus1_dbus_free(third);
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), -ENOTCONN);
        bus1_dbus_message_unref(kept);
        UNTIL(answer.done);
        expect_error(answer, DBUS_ERROR_NO_REPLY);
}
END_TEST

static int count_method(struct bus1_dbus_message *m, void *userdata) {
        n_calls++;
        return bus1_dbus_reply_args(m, DBUS_TYPE_INVALID);
}

static int count_signal(struct bus1_dbus_message *m, void *userdata) {
        n_calls++;
        return 0;
}

/*
 * There is nothing to flush: what was sent has left the program. If it is much, a call to the bus
 * makes sure that the bus has read it.
 */
START_TEST(what_was_sent_arrives_although_the_bus_is_freed) {
        static const struct bus1_dbus_method methods[] = {{"Count", "", "", count_method, NULL},
                                                          {}};
        static const struct bus1_dbus_interface interfaces[] = {
                {.name = NAME, .methods = methods},
                {},
        };
        DBusMessage *call, *signal;
        unsigned n_sent = 0, n;
        uint64_t handle;

        publish();
        ck_assert_int_eq(bus1_dbus_object_new(service, "/count", interfaces, NULL, NULL), 0);
        ck_assert_int_eq(
                bus1_dbus_subscribe(service, "member='Last'", count_signal, NULL, NULL, NULL), 0);
        signal = dbus_message_new_signal(PATH, NAME, "Last");
        n_calls = 0;
        for (unsigned round = 1; round <= 50; round++) {
                n = round == 50 ? 2000 : 20;
                ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
                handle = look_up(third, NAME, NULL);
                for (unsigned i = 0; i < n; i++) {
                        call = dbus_message_new_method_call(NAME, "/count", NAME, "Count");
                        ck_assert_int_eq(bus1_dbus_send(third, i & 1 ? handle : BUS1_DBUS_BUS, call,
                                                        NULL, 0),
                                         0);
                        dbus_message_unref(call);
                        if (round & 1) /* the handle comes to be a direct one */
                                turn();
                        ck_assert_int_eq(bus1_dbus_emit(third, signal), 0);
                }
                if (n > 20)
                        ck_assert_int_eq(bus1_dbus_release_name(third, NAME, NULL, NULL), 0);
                third = bus1_dbus_free(third);
                n_sent += 2 * n;
                UNTIL(n_calls == n_sent);
        }
        dbus_message_unref(signal);
}
END_TEST

static int call_within(struct bus1_dbus_message *m, void *userdata) {
        DBusMessage *call;
        int r;

        call = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                                            "GetId");
        r = bus1_dbus_call(m->bus, BUS1_DBUS_BUS, call, NULL, 0, 10000, NULL, NULL);
        dbus_message_unref(call);
        ck_assert_int_eq(r, 0);
        /* This may run the handler of the next message. */
        bus1_dbus_dispatch(m->bus);
        n_calls++;
        return 0;
}

START_TEST(handler_may_call_and_dispatch) {
        n_calls = 0;
        ck_assert_int_eq(
                bus1_dbus_subscribe(client, "member='Nested'", call_within, NULL, NULL, NULL), 0);
        for (int i = 0; i < 20; i++)
                emit(service, "Nested");
        UNTIL(n_calls == 20);
}
END_TEST

static void count_release(struct bus1_dbus *bus, uint64_t handle, void *userdata) {
        n_calls++;
        bus1_dbus_unwatch(bus, handle);
}

START_TEST(released_handle_is_not_watched) {
        uint64_t a, b;

        n_calls = 0;
        request();
        a = look_up(client, NAME, NULL);
        b = look_up(client, NAME, PATH);
        ck_assert_int_eq(bus1_dbus_watch(client, a, count_release, NULL), 0);
        ck_assert_int_eq(bus1_dbus_watch(client, b, count_release, NULL), 0);
        bus1_dbus_release(client, a);
        bus1_dbus_release_name(service, NAME, NULL, NULL);
        UNTIL(n_calls > 0);
        for (int i = 0; i < 20; i++)
                turn();
        ck_assert_uint_eq(n_calls, 1);
}
END_TEST

/* reply handles that are not one-shot */

static unsigned n_replies, n_released;

static void receive_all(struct rogue *rogue) {
        struct bus1_received *received;

        while (bus1_client_recv_alloc(rogue->client, &received) == 0) {
                n_replies += received->type == BUS1_MESSAGE_TYPE_USER;
                n_released += received->type == BUS1_MESSAGE_TYPE_HANDLE_RELEASE;
                bus1_received_free(received);
        }
}

static void rogue_call(struct rogue *rogue, uint64_t to, const char *destination, const char *path,
                       const char *interface, const char *member, uint64_t flags,
                       size_t n_created) {
        struct bus1_transfer created[] = {
                {BUS1_TRANSFER_FLAG_CREATE | flags, BUS1_INVALID},
                {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
        };
        DBusMessage *m = dbus_message_new_method_call(destination, path, interface, member);
        char *data;
        int n;

        dbus_message_set_serial(m, 1);
        ck_assert(dbus_message_marshal(m, &data, &n));
        ck_assert_int_eq(rogue_send(rogue, to, data, (size_t)n, created, n_created, NULL, 0), 0);
        dbus_free(data);
        dbus_message_unref(m);
}

/* Nobody keeps them: neither the bus, nor a service that the program can call without the bus. */
START_TEST(reply_handles_that_are_not_oneshot_are_released) {
        struct bus1_dbus_object *object;
        struct bus1_transfer src = {}, dst;
        struct rogue rogue;
        uint64_t handle;

        n_replies = n_released = 0;
        ck_assert(rogue_join(&rogue, bus_daemon.address));
        rogue_call(&rogue, rogue.session, DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                   "Hello", BUS1_TRANSFER_FLAG_ONESHOT, 2);
        ck_assert_int_eq(bus1_dbus_object_new(service, NULL, member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        src.id = handle;
        ck_assert_int_eq(
                bus1_client_transfer(bus1_dbus_get_client(service), rogue.client, 1, &src, &dst),
                0);
        for (unsigned i = 0; i < 1000; i++) {
                /* if _i is 2 or 3: every second handle is of the right kind */
                uint64_t flags = _i >= 2 && i % 2 ? BUS1_TRANSFER_FLAG_ONESHOT : 0;

                if (_i % 2)
                        rogue_call(&rogue, rogue.session, DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                   DBUS_INTERFACE_DBUS, "GetId", flags, 1);
                else
                        rogue_call(&rogue, dst.id, NULL, PATH, NAME, "Where", flags, 1);
                turn();
                receive_all(&rogue);
        }
        for (int i = 0; i < 10000 && n_replies < 1000; i++) {
                turn();
                receive_all(&rogue);
        }
        for (int i = 0; i < 100; i++) {
                turn();
                receive_all(&rogue);
        }
        ck_assert_uint_ge(n_replies, 1000);
        /* With every second one, some are left before the program is found out. */
        ck_assert_uint_ge(n_released, _i < 2 ? 900 : 100);
        rogue_leave(&rogue);
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("robust");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, members_setup, members_teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, long_texts_are_cut_between_characters);
        tcase_add_loop_test(tcase, reply_handles_that_are_not_oneshot_are_released, 0, 4);
        tcase_add_test(tcase, errors_of_properties_tell_what_is_missing);
        tcase_add_test(tcase, descriptor_behind_a_long_signature);
        tcase_add_test(tcase, many_descriptors_in_one_message);
        tcase_add_test(tcase, descriptor_in_the_deepest_place);
        tcase_add_test(tcase, descriptors_that_do_not_fit_cost_their_message_only);
        tcase_add_test(tcase, forged_sender_of_a_reply_is_removed);
        tcase_add_test(tcase, descriptors_of_a_failed_handshake_are_closed);
        tcase_add_test(tcase, wrong_arguments_are_refused);
        tcase_add_test(tcase, wrong_replies_are_refused);
        tcase_add_test(tcase, failed_publication_can_be_repeated);
        tcase_add_test(tcase, subscription_is_freed_in_its_callback);
        tcase_add_test(tcase, object_is_freed_in_its_method);
        tcase_add_test(tcase, bus_is_freed_in_its_callback);
        tcase_add_test(tcase, message_outlives_its_bus);
        tcase_add_test(tcase, what_was_sent_arrives_although_the_bus_is_freed);
        tcase_add_test(tcase, handler_may_call_and_dispatch);
        tcase_add_test(tcase, released_handle_is_not_watched);
        suite_add_tcase(suite, tcase);

        tcase = tcase_create("small messages");
        tcase_add_checked_fixture(tcase, small_messages_setup, members_teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, reply_that_is_too_large_is_not_delivered, 0, 2);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
