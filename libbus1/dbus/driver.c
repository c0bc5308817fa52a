/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/driver.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/call.h"
#include "libbus1/dbus/channel.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/exists.h"
#include "libbus1/dbus/object.h"
#include "libbus1/dbus/standing.h"

static int call_bus_valist(struct bus1_dbus *bus, const char *interface, const char *member,
                           const uint64_t *handle, struct bus1_dbus_message **ret_reply,
                           DBusError *error, int first_arg_type, va_list args) {
        CLEANUP(dbus_message_unrefp) DBusMessage *message = NULL;

        message = dbus_message_new_method_call(BUS_NAME, BUS_PATH, interface, member);
        if (!message || !dbus_message_append_args_valist(message, first_arg_type, args))
                return error_from_errno(error, -ENOMEM, member);
        return bus1_dbus_call(bus, BUS1_DBUS_BUS, message, handle, handle ? 1 : 0,
                              BUS1_DBUS_TIMEOUT_DEFAULT, ret_reply, error);
}

/*
 * Call a method of the bus. handle can be NULL. The arguments are those of
 * dbus_message_append_args().
 */
static int call_bus(struct bus1_dbus *bus, const char *interface, const char *member,
                    const uint64_t *handle, struct bus1_dbus_message **ret_reply, DBusError *error,
                    int first_arg_type, ...) {
        va_list args;
        int r;

        va_start(args, first_arg_type);
        r = call_bus_valist(bus, interface, member, handle, ret_reply, error, first_arg_type, args);
        va_end(args);
        return r;
}

int call_bus_with_node(struct bus1_dbus *bus, const char *member, enum node_kind kind, void *data,
                       uint64_t *ret_node, struct bus1_dbus_message **ret_reply, DBusError *error,
                       int first_arg_type, ...) {
        uint64_t handle;
        va_list args;
        int r;

        r = node_new(bus, kind, data, true, ret_node, &handle);
        if (r < 0)
                return error_from_errno(error, r, member);
        va_start(args, first_arg_type);
        r = call_bus_valist(bus, BRIDGE_INTERFACE, member, &handle, ret_reply, error,
                            first_arg_type, args);
        va_end(args);
        /* From here on, only the bus has a handle to the node, if the call has succeeded. */
        handle_release(bus, handle);
        if (r < 0) {
                node_end(bus, *ret_node);
                *ret_node = BUS1_INVALID;
        }
        return r;
}

DBusMessage *driver_message_new(const char *interface, const char *member, int first_arg_type,
                                ...) {
        DBusMessage *m = dbus_message_new_method_call(BUS_NAME, BUS_PATH, interface, member);
        va_list args;
        bool ok;

        va_start(args, first_arg_type);
        ok = m && dbus_message_append_args_valist(m, first_arg_type, args);
        va_end(args);
        if (ok)
                return m;
        dbus_message_unrefp(&m);
        return NULL;
}

DBusMessage *driver_lookup_new(const char *name, const char *path, uint32_t flags) {
        if (path)
                return driver_message_new(BRIDGE_INTERFACE, "LookupObject", DBUS_TYPE_STRING, &name,
                                          DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID);
        return driver_message_new(BRIDGE_INTERFACE, "Lookup", DBUS_TYPE_STRING, &name,
                                  DBUS_TYPE_UINT32, &flags, DBUS_TYPE_INVALID);
}

static int reply_is_malformed(DBusError *error) {
        dbus_set_error(error, DBUS_ERROR_INVALID_SIGNATURE,
                       "The bus answered with the wrong arguments");
        return -EBADMSG;
}

int membership_hello(struct bus1_dbus *bus, DBusError *error) {
        CLEANUP(dbus_message_unrefp) DBusMessage *message = NULL;
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        const char *name;
        uint64_t home;
        int r;

        message = wire_hello(BUS_NAME, BUS_PATH, ++bus->serial);
        if (!message)
                return error_from_errno(error, -ENOMEM, "Hello");
        r = call_with_node(bus, BUS1_DBUS_BUS, message, &home, NULL, 0, BUS1_DBUS_TIMEOUT_DEFAULT,
                           &reply, error);
        if (r < 0)
                return r;
        r = node_add(bus, home, NODE_HOME, NULL, true);
        if (r < 0)
                return error_from_errno(error, r, "Hello");
        if (dbus_message_get_args(reply->message, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID))
                bus->unique_name = strdup(name);
        return bus->unique_name ? 0 : reply_is_malformed(error);
}

/* names */

int driver_read_u32(struct bus1_dbus_message *reply, uint32_t *ret_result, DBusError *error) {
        uint32_t unused;

        return dbus_message_get_args(reply->message, NULL, DBUS_TYPE_UINT32, ret_result ?: &unused,
                                     DBUS_TYPE_INVALID)
                       ? 0
                       : reply_is_malformed(error);
}

int driver_check_name(const char *name, uint32_t result, DBusError *error) {
        if (result != DBUS_REQUEST_NAME_REPLY_EXISTS)
                return 0;
        dbus_set_error(error, DBUS_ERROR_FILE_EXISTS, "Another member owns the name %s", name);
        return -EEXIST;
}

static int name_requested(struct bus1_dbus *bus, const char *name, uint32_t flags, bool published,
                          struct bus1_dbus_message *reply, uint32_t *ret_result, DBusError *error) {
        uint32_t result;
        int r;

        r = driver_read_u32(reply, &result, error);
        if (r < 0)
                return r;
        standing_name(bus, name, flags, published, result);
        if (!ret_result)
                return driver_check_name(name, result, error);
        *ret_result = result;
        return 0;
}

PUBLIC int bus1_dbus_request_name(struct bus1_dbus *bus, const char *name, uint32_t flags,
                                  uint32_t *ret_result, DBusError *error) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        int r;

        if (!bus || !text_is_valid(name))
                return error_from_errno(error, -EINVAL, "RequestName");
        r = call_bus(bus, BUS_NAME, "RequestName", NULL, &reply, error, DBUS_TYPE_STRING, &name,
                     DBUS_TYPE_UINT32, &flags, DBUS_TYPE_INVALID);
        return r < 0 ? r : name_requested(bus, name, flags, false, reply, ret_result, error);
}

PUBLIC int bus1_dbus_release_name(struct bus1_dbus *bus, const char *name, uint32_t *ret_result,
                                  DBusError *error) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        int r;

        if (!bus || !text_is_valid(name))
                return error_from_errno(error, -EINVAL, "ReleaseName");
        /* also while there is no bus: then the name is not requested again */
        standing_name_remove(bus, name);
        r = call_bus(bus, BUS_NAME, "ReleaseName", NULL, &reply, error, DBUS_TYPE_STRING, &name,
                     DBUS_TYPE_INVALID);
        return r < 0 ? r : driver_read_u32(reply, ret_result, error);
}

PUBLIC int bus1_dbus_publish(struct bus1_dbus *bus, const char *name, uint32_t flags,
                             uint32_t *ret_result, DBusError *error) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        uint64_t node;
        int r;

        if (!bus || !text_is_valid(name))
                return error_from_errno(error, -EINVAL, "Publish");
        r = call_bus_with_node(bus, "Publish", NODE_NAME, NULL, &node, &reply, error,
                               DBUS_TYPE_STRING, &name, DBUS_TYPE_UINT32, &flags,
                               DBUS_TYPE_INVALID);
        if (r < 0)
                return r;
        r = name_requested(bus, name, flags, true, reply, ret_result, error);
        if (r < 0)
                node_end(bus, node);
        return r;
}

int driver_take_handle(struct bus1_dbus_message *reply, const char *name, const char *path,
                       uint64_t *ret_handle, DBusError *error) {
        dbus_uint64_t number;
        uint64_t handle = bus1_dbus_message_take_handle(reply, 0);

        if (handle == BUS1_INVALID) {
                dbus_set_error(error, DBUS_ERROR_NAME_HAS_NO_OWNER,
                               "The node of the handle ended during the look-up; look up again");
                return -ECONNRESET;
        }
        if (dbus_message_get_args(reply->message, NULL, DBUS_TYPE_UINT64, &number,
                                  DBUS_TYPE_INVALID))
                channel_new(reply->bus, handle, number, name, path);
        *ret_handle = handle;
        return 0;
}

PUBLIC int bus1_dbus_lookup(struct bus1_dbus *bus, const char *name, uint32_t flags,
                            uint64_t *ret_handle, DBusError *error) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        int r;

        if (!bus || !text_is_valid(name) || !ret_handle)
                return error_from_errno(error, -EINVAL, "Lookup");
        r = call_bus(bus, BRIDGE_INTERFACE, "Lookup", NULL, &reply, error, DBUS_TYPE_STRING, &name,
                     DBUS_TYPE_UINT32, &flags, DBUS_TYPE_INVALID);
        return r < 0 ? r : driver_take_handle(reply, name, NULL, ret_handle, error);
}

PUBLIC int bus1_dbus_lookup_object(struct bus1_dbus *bus, const char *name, const char *path,
                                   uint64_t *ret_handle, DBusError *error) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        int r;

        if (!bus || !text_is_valid(name) || !path || !dbus_validate_path(path, NULL) || !ret_handle)
                return error_from_errno(error, -EINVAL, "LookupObject");
        r = call_bus(bus, BRIDGE_INTERFACE, "LookupObject", NULL, &reply, error, DBUS_TYPE_STRING,
                     &name, DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID);
        return r < 0 ? r : driver_take_handle(reply, name, path, ret_handle, error);
}

/* Ask the owner whether there is an object behind the handle. */
static int check_object(struct bus1_dbus *bus, uint64_t handle, DBusError *error) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        CLEANUP(dbus_message_unrefp) DBusMessage *m = exists_question();
        DBusError own = DBUS_ERROR_INIT;
        int r;

        if (!m)
                return error_from_errno(error, -ENOMEM, "Introspect");
        r = bus1_dbus_call(bus, handle, m, NULL, 0, BUS1_DBUS_TIMEOUT_DEFAULT, &reply, &own);
        if (r >= 0 && !bus1_dbus_message_get_dbus(reply))
                return error_from_errno(error, -ENOMEM, "Introspect");
        if (r >= 0 || r == -EREMOTEIO)
                r = exists_answer(reply ? reply->message : NULL, &own);
        if (r < 0)
                dbus_move_error(&own, error);
        return r;
}

PUBLIC int bus1_dbus_lookup_object_with_flags(struct bus1_dbus *bus, const char *name,
                                              const char *path, uint32_t flags,
                                              uint64_t *ret_handle, DBusError *error) {
        uint64_t handle;
        int r;

        if (!ret_handle || flags & ~(uint32_t)BUS1_DBUS_LOOKUP_CHECK)
                return error_from_errno(error, -EINVAL, "LookupObject");
        r = bus1_dbus_lookup_object(bus, name, path, &handle, error);
        if (r < 0)
                return r;
        if (flags & BUS1_DBUS_LOOKUP_CHECK) {
                r = check_object(bus, handle, error);
                if (r < 0) {
                        bus1_dbus_release(bus, handle);
                        return r;
                }
        }
        *ret_handle = handle;
        return 0;
}

/* Read the answer to Export. */
static int exported(struct bus1_dbus_message *reply, char **ret_name, char **ret_path,
                    DBusError *error) {
        CLEANUP_FREE char *name_copy = NULL, *path_copy = NULL;
        const char *name, *path;

        if (!dbus_message_get_args(reply->message, NULL, DBUS_TYPE_STRING, &name,
                                   DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID))
                return reply_is_malformed(error);
        name_copy = strdup(name);
        path_copy = strdup(path);
        if (!name_copy || !path_copy)
                return error_from_errno(error, -ENOMEM, "Export");
        *ret_name = steal_ptr(&name_copy);
        *ret_path = steal_ptr(&path_copy);
        return 0;
}

int driver_export_object(struct bus1_dbus_object *object, char **ret_name, char **ret_path,
                         DBusError *error) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        CLEANUP_FREE char *name = NULL, *path = NULL;
        struct bus1_dbus *bus = object->bus;
        uint64_t node;
        int r;

        r = call_bus_with_node(bus, "Export", NODE_OBJECT, object, &node, &reply, error,
                               DBUS_TYPE_INVALID);
        if (r < 0)
                return r;
        r = exported(reply, &name, &path, error);
        if (r >= 0 && standing_export_object(bus, path, object) < 0)
                r = error_from_errno(error, -ENOMEM, "Export");
        if (r < 0) {
                node_end(bus, node);
                return r;
        }
        *ret_name = steal_ptr(&name);
        *ret_path = steal_ptr(&path);
        return 0;
}

/* The object of this program whose handle this is; NULL: a handle of something else. */
static struct bus1_dbus_object *object_of_handle(struct bus1_dbus *bus, uint64_t handle) {
        struct bus1_dbus_object *object;

        DL_FOREACH(bus->objects, object) {
                if (object->handle == handle)
                        return object;
        }
        return NULL;
}

PUBLIC int bus1_dbus_export(struct bus1_dbus *bus, uint64_t handle, char **ret_name,
                            char **ret_path, DBusError *error) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        struct bus1_dbus_object *object;
        int r;

        if (!bus || handle == BUS1_INVALID || !ret_name || !ret_path)
                return error_from_errno(error, -EINVAL, "Export");
        object = object_of_handle(bus, handle);
        if (object)
                return driver_export_object(object, ret_name, ret_path, error);
        r = call_bus(bus, BRIDGE_INTERFACE, "Export", &handle, &reply, error, DBUS_TYPE_INVALID);
        if (r >= 0)
                r = exported(reply, ret_name, ret_path, error);
        if (r >= 0)
                standing_export(bus, *ret_path, handle);
        return r;
}

/* credentials */

static void read_credential(DBusMessageIter *entry, struct bus1_dbus_credentials *credentials) {
        DBusMessageIter value;
        const char *key;

        dbus_message_iter_get_basic(entry, &key);
        dbus_message_iter_next(entry);
        dbus_message_iter_recurse(entry, &value);
        if (dbus_message_iter_get_arg_type(&value) != DBUS_TYPE_UINT32)
                return;
        if (strcmp(key, "UnixUserID") == 0)
                dbus_message_iter_get_basic(&value, &credentials->uid);
        else if (strcmp(key, "ProcessID") == 0)
                dbus_message_iter_get_basic(&value, &credentials->pid);
}

PUBLIC int bus1_dbus_get_credentials(struct bus1_dbus *bus, const char *name,
                                     struct bus1_dbus_credentials *ret_credentials,
                                     DBusError *error) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        struct bus1_dbus_credentials credentials = {UINT32_MAX, UINT32_MAX, 0};
        DBusMessageIter args, entries, entry;
        int r;

        if (!bus || !text_is_valid(name) || !ret_credentials)
                return error_from_errno(error, -EINVAL, "GetConnectionCredentials");
        r = call_bus(bus, BUS_NAME, "GetConnectionCredentials", NULL, &reply, error,
                     DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
        if (r < 0)
                return r;
        if (!dbus_message_has_signature(reply->message, "a{sv}"))
                return reply_is_malformed(error);
        dbus_message_iter_init(reply->message, &args);
        dbus_message_iter_recurse(&args, &entries);
        while (dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY) {
                dbus_message_iter_recurse(&entries, &entry);
                read_credential(&entry, &credentials);
                dbus_message_iter_next(&entries);
        }
        *ret_credentials = credentials;
        return 0;
}

/* limits */

PUBLIC int bus1_dbus_get_limit(struct bus1_dbus *bus, const char *name, int64_t *ret_value,
                               DBusError *error) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        DBusMessageIter args, entries, entry;
        const char *key;
        int r;

        if (!bus || !text_is_valid(name) || !ret_value)
                return error_from_errno(error, -EINVAL, "GetLimits");
        r = call_bus(bus, BRIDGE_INTERFACE, "GetLimits", NULL, &reply, error, DBUS_TYPE_INVALID);
        if (r < 0)
                return r;
        if (!dbus_message_has_signature(reply->message, "a{sx}"))
                return reply_is_malformed(error);
        dbus_message_iter_init(reply->message, &args);
        dbus_message_iter_recurse(&args, &entries);
        while (dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY) {
                dbus_message_iter_recurse(&entries, &entry);
                dbus_message_iter_get_basic(&entry, &key);
                dbus_message_iter_next(&entry);
                if (strcmp(key, name) == 0) {
                        dbus_message_iter_get_basic(&entry, ret_value);
                        return 0;
                }
                dbus_message_iter_next(&entries);
        }
        dbus_set_error(error, DBUS_ERROR_INVALID_ARGS, "The bus has no limit \"%s\"", name);
        return -ENOENT;
}
