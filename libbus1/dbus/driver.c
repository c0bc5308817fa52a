/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The bus's own object: names, look-ups, subscriptions, credentials
 *
 * org.freedesktop.DBus is as over a socket. org.bus1.Bridge1 is where handles go to the bus and
 * come from it.
 */

#include "libbus1/dbus/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <utlist.h>

#define SESSION_INTERFACE "org.bus1.Session1"

static DBusMessage *driver_message(const char *interface, const char *member) {
        return dbus_message_new_method_call(DRIVER_NAME, DRIVER_PATH, interface, member);
}

int driver_call(struct bus1_dbus *bus, const char *interface, const char *member,
                const uint64_t *handles, size_t n_handles, struct bus1_dbus_message **ret_reply,
                DBusError *error, int first_arg_type, ...) {
        CLEANUP(dbus_message_unrefp) DBusMessage *message = NULL;
        va_list args;
        bool ok;

        message = driver_message(interface, member);
        if (!message)
                return error_from_errno(error, -ENOMEM, member);
        va_start(args, first_arg_type);
        ok = dbus_message_append_args_valist(message, first_arg_type, args);
        va_end(args);
        if (!ok)
                return error_from_errno(error, -ENOMEM, member);
        return bus1_dbus_call(bus, BUS1_DBUS_BUS, message, handles, n_handles,
                              BUS1_DBUS_TIMEOUT_DEFAULT, ret_reply, error);
}

/* The driver answered, but not as its interface says. */
static int reply_malformed(DBusError *error) {
        if (error)
                dbus_set_error(error, DBUS_ERROR_INVALID_SIGNATURE,
                               "The bus answered with the wrong arguments");
        return -EBADMSG;
}

static int reply_take_handle(struct bus1_dbus_message *reply, uint64_t *ret_handle,
                             DBusError *error) {
        uint64_t handle = bus1_dbus_message_take_handle(reply, 0);

        bus1_dbus_message_unref(reply);
        if (handle == BUS1_INVALID) {
                dbus_set_error(error, DBUS_ERROR_NAME_HAS_NO_OWNER, "What was looked up has gone");
                return -ECONNRESET;
        }
        *ret_handle = handle;
        return 0;
}

int driver_hello(struct bus1_dbus *bus, DBusError *error) {
        CLEANUP(dbus_message_unrefp) DBusMessage *message = NULL;
        struct bus1_transfer home = {.flags = BUS1_TRANSFER_FLAG_CREATE, .id = BUS1_INVALID};
        struct bus1_dbus_message *reply;
        struct node *node;
        const char *name;
        int r;

        message = driver_message(DRIVER_NAME, "Hello");
        if (!message)
                return error_from_errno(error, -ENOMEM, "Hello");
        r = call_with(bus, BUS1_DBUS_BUS, message, &home, 1, NULL, 0, BUS1_DBUS_TIMEOUT_DEFAULT,
                      &reply, error);
        if (r < 0)
                return r;
        r = node_add(bus, home.id, NODE_HOME, NULL, &node);
        if (r < 0) {
                bus1_dbus_message_unref(reply);
                return error_from_errno(error, r, "Hello");
        }
        node->trusted = true;
        if (dbus_message_get_args(reply->message, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID))
                bus->unique_name = strdup(name);
        bus1_dbus_message_unref(reply);
        return bus->unique_name ? 0 : reply_malformed(error);
}

/* names */

static int call_for_u32(struct bus1_dbus *bus, const char *interface, const char *member,
                        const char *name, const uint32_t *flags, const uint64_t *handle,
                        uint32_t *ret_result, DBusError *error) {
        struct bus1_dbus_message *reply;
        uint32_t result;
        bool ok;
        int r;

        if (!bus || !text_is_valid(name))
                return error_from_errno(error, -EINVAL, member);
        r = driver_call(bus, interface, member, handle, handle ? 1 : 0, &reply, error,
                        DBUS_TYPE_STRING, &name, flags ? DBUS_TYPE_UINT32 : DBUS_TYPE_INVALID,
                        flags, DBUS_TYPE_INVALID);
        if (r < 0)
                return r;
        ok = dbus_message_get_args(reply->message, NULL, DBUS_TYPE_UINT32, &result,
                                   DBUS_TYPE_INVALID);
        bus1_dbus_message_unref(reply);
        if (!ok)
                return reply_malformed(error);
        if (ret_result)
                *ret_result = result;
        return 0;
}

PUBLIC int bus1_dbus_request_name(struct bus1_dbus *bus, const char *name, uint32_t flags,
                                  uint32_t *ret_result, DBusError *error) {
        return call_for_u32(bus, DRIVER_NAME, "RequestName", name, &flags, NULL, ret_result, error);
}

PUBLIC int bus1_dbus_release_name(struct bus1_dbus *bus, const char *name, uint32_t *ret_result,
                                  DBusError *error) {
        return call_for_u32(bus, DRIVER_NAME, "ReleaseName", name, NULL, NULL, ret_result, error);
}

PUBLIC int bus1_dbus_publish(struct bus1_dbus *bus, const char *name, uint32_t flags,
                             uint32_t *ret_result, DBusError *error) {
        uint64_t node, handle;
        int r;

        if (!bus || !text_is_valid(name))
                return error_from_errno(error, -EINVAL, "Publish");
        r = node_new(bus, NODE_NAME, NULL, true, &node, &handle);
        if (r < 0)
                return error_from_errno(error, r, "Publish");
        r = call_for_u32(bus, BRIDGE_INTERFACE, "Publish", name, &flags, &handle, ret_result,
                         error);
        /* from here on only the bus holds one, and its release ends the node */
        bus1_dbus_release(bus, handle);
        if (r < 0)
                node_end(bus, node);
        return r;
}

PUBLIC int bus1_dbus_lookup(struct bus1_dbus *bus, const char *name, uint32_t flags,
                            uint64_t *ret_handle, DBusError *error) {
        struct bus1_dbus_message *reply;
        int r;

        if (!bus || !text_is_valid(name) || !ret_handle)
                return error_from_errno(error, -EINVAL, "Lookup");
        r = driver_call(bus, BRIDGE_INTERFACE, "Lookup", NULL, 0, &reply, error, DBUS_TYPE_STRING,
                        &name, DBUS_TYPE_UINT32, &flags, DBUS_TYPE_INVALID);
        return r < 0 ? r : reply_take_handle(reply, ret_handle, error);
}

PUBLIC int bus1_dbus_lookup_object(struct bus1_dbus *bus, const char *name, const char *path,
                                   uint64_t *ret_handle, DBusError *error) {
        struct bus1_dbus_message *reply;
        int r;

        if (!bus || !text_is_valid(name) || !path_is_valid(path) || !ret_handle)
                return error_from_errno(error, -EINVAL, "LookupObject");
        r = driver_call(bus, BRIDGE_INTERFACE, "LookupObject", NULL, 0, &reply, error,
                        DBUS_TYPE_STRING, &name, DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID);
        return r < 0 ? r : reply_take_handle(reply, ret_handle, error);
}

PUBLIC int bus1_dbus_export(struct bus1_dbus *bus, uint64_t handle, char **ret_name,
                            char **ret_path, DBusError *error) {
        struct bus1_dbus_message *reply;
        const char *name, *path;
        char *name_copy, *path_copy;
        int r;

        if (!bus || handle == BUS1_INVALID || !ret_name || !ret_path)
                return error_from_errno(error, -EINVAL, "Export");
        r = driver_call(bus, BRIDGE_INTERFACE, "Export", &handle, 1, &reply, error,
                        DBUS_TYPE_INVALID);
        if (r < 0)
                return r;
        if (!dbus_message_get_args(reply->message, NULL, DBUS_TYPE_STRING, &name,
                                   DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID)) {
                bus1_dbus_message_unref(reply);
                return reply_malformed(error);
        }
        name_copy = strdup(name);
        path_copy = strdup(path);
        bus1_dbus_message_unref(reply);
        if (!name_copy || !path_copy) {
                free(name_copy);
                free(path_copy);
                return error_from_errno(error, -ENOMEM, "Export");
        }
        *ret_name = name_copy;
        *ret_path = path_copy;
        return 0;
}

static void read_credential(DBusMessageIter *entry, struct bus1_dbus_credentials *credentials) {
        DBusMessageIter value;
        const char *key;

        dbus_message_iter_get_basic(entry, &key);
        dbus_message_iter_next(entry);
        dbus_message_iter_recurse(entry, &value);
        if (dbus_message_iter_get_arg_type(&value) == DBUS_TYPE_UINT32) {
                if (strcmp(key, "UnixUserID") == 0)
                        dbus_message_iter_get_basic(&value, &credentials->uid);
                else if (strcmp(key, "ProcessID") == 0)
                        dbus_message_iter_get_basic(&value, &credentials->pid);
        }
}

PUBLIC int bus1_dbus_get_credentials(struct bus1_dbus *bus, const char *name,
                                     struct bus1_dbus_credentials *ret_credentials,
                                     DBusError *error) {
        struct bus1_dbus_credentials credentials = {UINT32_MAX, UINT32_MAX, 0};
        DBusMessageIter args, entries, entry;
        struct bus1_dbus_message *reply;
        int r;

        if (!bus || !text_is_valid(name) || !ret_credentials)
                return error_from_errno(error, -EINVAL, "GetConnectionCredentials");
        r = driver_call(bus, DRIVER_NAME, "GetConnectionCredentials", NULL, 0, &reply, error,
                        DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
        if (r < 0)
                return r;
        if (!dbus_message_has_signature(reply->message, "a{sv}")) {
                bus1_dbus_message_unref(reply);
                return reply_malformed(error);
        }
        dbus_message_iter_init(reply->message, &args);
        dbus_message_iter_recurse(&args, &entries);
        while (dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY) {
                dbus_message_iter_recurse(&entries, &entry);
                read_credential(&entry, &credentials);
                dbus_message_iter_next(&entries);
        }
        bus1_dbus_message_unref(reply);
        *ret_credentials = credentials;
        return 0;
}

/* subscriptions */

PUBLIC int bus1_dbus_subscribe(struct bus1_dbus *bus, const char *rule, bus1_dbus_message_fn fn,
                               void *userdata, struct bus1_dbus_subscription **ret_subscription,
                               DBusError *error) {
        struct bus1_dbus_subscription *s;
        uint64_t handle;
        int r;

        if (!bus || !text_is_valid(rule) || !fn)
                return error_from_errno(error, -EINVAL, "Subscribe");
        s = calloc(1, sizeof(*s));
        if (!s)
                return error_from_errno(error, -ENOMEM, "Subscribe");
        s->bus = bus;
        s->fn = fn;
        s->userdata = userdata;
        r = node_new(bus, NODE_SUBSCRIPTION, s, true, &s->node, &handle);
        if (r < 0) {
                free(s);
                return error_from_errno(error, r, "Subscribe");
        }
        DL_APPEND(bus->subscriptions, s);
        r = driver_call(bus, BRIDGE_INTERFACE, "Subscribe", &handle, 1, NULL, error,
                        DBUS_TYPE_STRING, &rule, DBUS_TYPE_INVALID);
        bus1_dbus_release(bus, handle);
        if (r < 0) {
                bus1_dbus_subscription_free(s);
                return r;
        }
        if (ret_subscription)
                *ret_subscription = s;
        return 0;
}

PUBLIC struct bus1_dbus_subscription *
bus1_dbus_subscription_free(struct bus1_dbus_subscription *s) {
        if (!s)
                return NULL;
        if (s->node != BUS1_INVALID)
                node_end(s->bus, s->node);
        DL_DELETE(s->bus->subscriptions, s);
        free(s);
        return NULL;
}

/* org.bus1.Session1 */

bool driver_is_sender(struct bus1_dbus_message *message) {
        struct node *node = node_find(message->bus, message->node);
        const char *sender = dbus_message_get_sender(message->message);

        return node && node->kind == NODE_HOME && sender && strcmp(sender, DRIVER_NAME) == 0;
}

/*
 * OpenNode(s member, s name, b narrow, o path): a node for calls of that one member, which the bus
 * hands to it.
 */
static int session_open_node(struct bus1_dbus_message *call) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        struct bus1_dbus_object *object = NULL;
        struct bus1_dbus *bus = call->bus;
        const char *member, *name, *path;
        uint64_t id, handle;
        dbus_bool_t narrow;
        struct node *node;
        int r;

        if (!dbus_message_get_args(call->message, NULL, DBUS_TYPE_STRING, &member, DBUS_TYPE_STRING,
                                   &name, DBUS_TYPE_BOOLEAN, &narrow, DBUS_TYPE_OBJECT_PATH, &path,
                                   DBUS_TYPE_INVALID))
                return -EINVAL;
        if (narrow) {
                HASH_FIND_STR(bus->objects_by_path, path, object);
                if (!object)
                        return -ENOENT;
        }
        reply = dbus_message_new_method_return(call->message);
        if (!reply)
                return -ENOMEM;
        r = node_new(bus, object ? NODE_OBJECT : NODE_NAME, object, false, &id, &handle);
        if (r < 0)
                return r;
        node = node_find(bus, id);
        node->sender = strdup(member);
        node->name = strdup(name);
        r = node->sender && node->name ? bus1_dbus_reply(call, reply, &handle, 1) : -ENOMEM;
        /* the one that looked up holds the only handle; when it goes, the node does */
        bus1_dbus_release(bus, handle);
        return r;
}

/* name NULL: all */
static void close_opened(struct bus1_dbus *bus, const char *name) {
        struct node *node, *next;

        HASH_ITER(hh, bus->nodes, node, next) {
                uint64_t id = node->id;

                if (!node->name || (name && strcmp(node->name, name) != 0))
                        continue;
                node_end(bus, id);
        }
}

bool driver_is_session_call(struct bus1_dbus_message *message) {
        return dbus_message_get_type(message->message) == DBUS_MESSAGE_TYPE_METHOD_CALL &&
               dbus_message_has_interface(message->message, SESSION_INTERFACE) &&
               driver_is_sender(message);
}

void driver_session_dispatch(struct bus1_dbus_message *call) {
        int r = 0;

        if (dbus_message_is_method_call(call->message, SESSION_INTERFACE, "OpenNode"))
                r = session_open_node(call);
        else if (dbus_message_is_method_call(call->message, SESSION_INTERFACE, "CloseNodes"))
                close_opened(call->bus, NULL);
        else
                bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_METHOD, "No such method");
        if (r < 0)
                bus1_dbus_reply_error(call, error_name_from_errno(r), "%s", strerror(-r));
}

void driver_signal(struct bus1_dbus_message *signal) {
        const char *name;

        if (!driver_is_sender(signal) ||
            !dbus_message_is_signal(signal->message, DRIVER_NAME, "NameLost") ||
            !dbus_message_get_args(signal->message, NULL, DBUS_TYPE_STRING, &name,
                                   DBUS_TYPE_INVALID))
                return;
        close_opened(signal->bus, name);
}
