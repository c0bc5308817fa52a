/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls to the bus itself: names, look-ups, credentials
 *
 * org.freedesktop.DBus is the same as over a socket. Handles go to the bus and come from it through
 * org.bus1.Bridge1.
 */

#include "libbus1/dbus/driver.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/call.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"

static DBusMessage *new_call_to_bus(const char *interface, const char *member) {
        return dbus_message_new_method_call(BUS_NAME, BUS_PATH, interface, member);
}

int call_bus(struct bus1_dbus *bus, const char *interface, const char *member,
             const uint64_t *handles, size_t n_handles, struct bus1_dbus_message **ret_reply,
             DBusError *error, int first_arg_type, ...) {
        CLEANUP(dbus_message_unrefp) DBusMessage *message = NULL;
        va_list args;
        bool ok;

        message = new_call_to_bus(interface, member);
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

int membership_hello(struct bus1_dbus *bus, DBusError *error) {
        CLEANUP(dbus_message_unrefp) DBusMessage *message = NULL;
        struct bus1_transfer home = {.flags = BUS1_TRANSFER_FLAG_CREATE, .id = BUS1_INVALID};
        struct bus1_dbus_message *reply;
        struct node *node;
        const char *name;
        int r;

        message = new_call_to_bus(BUS_NAME, "Hello");
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
        r = call_bus(bus, interface, member, handle, handle ? 1 : 0, &reply, error,
                     DBUS_TYPE_STRING, &name, flags ? DBUS_TYPE_UINT32 : DBUS_TYPE_INVALID, flags,
                     DBUS_TYPE_INVALID);
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
        return call_for_u32(bus, BUS_NAME, "RequestName", name, &flags, NULL, ret_result, error);
}

PUBLIC int bus1_dbus_release_name(struct bus1_dbus *bus, const char *name, uint32_t *ret_result,
                                  DBusError *error) {
        return call_for_u32(bus, BUS_NAME, "ReleaseName", name, NULL, NULL, ret_result, error);
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
        r = call_bus(bus, BRIDGE_INTERFACE, "Lookup", NULL, 0, &reply, error, DBUS_TYPE_STRING,
                     &name, DBUS_TYPE_UINT32, &flags, DBUS_TYPE_INVALID);
        return r < 0 ? r : reply_take_handle(reply, ret_handle, error);
}

PUBLIC int bus1_dbus_lookup_object(struct bus1_dbus *bus, const char *name, const char *path,
                                   uint64_t *ret_handle, DBusError *error) {
        struct bus1_dbus_message *reply;
        int r;

        if (!bus || !text_is_valid(name) || !path_is_valid(path) || !ret_handle)
                return error_from_errno(error, -EINVAL, "LookupObject");
        r = call_bus(bus, BRIDGE_INTERFACE, "LookupObject", NULL, 0, &reply, error,
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
        r = call_bus(bus, BRIDGE_INTERFACE, "Export", &handle, 1, &reply, error, DBUS_TYPE_INVALID);
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
        r = call_bus(bus, BUS_NAME, "GetConnectionCredentials", NULL, 0, &reply, error,
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
