/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names and look-ups without waiting: the calls of driver.c as requests */

#include <bus1/dbus-async.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/driver.h"
#include "libbus1/dbus/request.h"
#include "libbus1/dbus/standing.h"

struct name_request {
        struct request request; /* must be first */
        uint64_t node;          /* of a publication that is not confirmed; or BUS1_INVALID */
        char *name;
        uint32_t flags;            /* of a name that is requested */
        bool requests, publishes;  /* the name */
        char *path;                /* of a look-up */
        bus1_dbus_lookup_fn found; /* of a look-up */
        bus1_dbus_name_fn fn;      /* of the others; can be NULL */
        void *userdata;
};

static void name_request_clear(struct request *request) {
        struct name_request *q = (struct name_request *)request;

        if (q->node != BUS1_INVALID)
                node_end(request->slot.bus, q->node);
        free(q->name);
        free(q->path);
}

static struct name_request *name_request_new(struct bus1_dbus *bus, bool is_floating,
                                             const char *name, void *userdata) {
        struct name_request *q = calloc(1, sizeof(*q));

        if (!q)
                return NULL;
        q->node = BUS1_INVALID;
        q->userdata = userdata;
        q->name = strdup(name);
        if (!q->name) {
                free(q);
                return NULL;
        }
        request_init(&q->request, bus, is_floating, name_request_clear);
        return q;
}

/* Send the call, and return the slot. Frees the request on failure. Takes over message. */
static int name_request_send(struct name_request *q, DBusMessage *message, const uint64_t *handle,
                             void (*answered)(struct request *, struct bus1_dbus_message *),
                             struct bus1_dbus_slot **ret_slot) {
        int r = -ENOMEM;

        if (message)
                r = request_send(&q->request, BUS1_DBUS_BUS, message, handle,
                                 BUS1_DBUS_TIMEOUT_DEFAULT, answered);
        dbus_message_unrefp(&message);
        return slot_result(&q->request.slot, r, ret_slot);
}

/* look-ups */

static void lookup_answered(struct request *request, struct bus1_dbus_message *answer) {
        struct name_request *q = (struct name_request *)request;
        struct bus1_dbus *bus = request->slot.bus;
        bus1_dbus_lookup_fn found = q->found;
        DBusError error = DBUS_ERROR_INIT;
        uint64_t handle = BUS1_INVALID;
        void *userdata = q->userdata;
        int r;

        r = request_result(answer, &error);
        if (r >= 0)
                r = driver_take_handle(answer, q->name, q->path, &handle, &error);
        request_finish(request);
        found(bus, handle, r < 0 ? &error : NULL, userdata);
        dbus_error_free(&error);
}

PUBLIC int bus1_dbus_lookup_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                  const char *name, const char *path, uint32_t flags,
                                  bus1_dbus_lookup_fn fn, void *userdata) {
        struct name_request *q;

        if (!bus || !text_is_valid(name) || (path && !dbus_validate_path(path, NULL)) || !fn)
                return -EINVAL;
        if (path && flags != 0)
                return -EINVAL; /* LookupObject has no flags */
        q = name_request_new(bus, !ret_slot, name, userdata);
        if (!q)
                return -ENOMEM;
        q->found = fn;
        q->path = path ? strdup(path) : NULL;
        return name_request_send(q, path && !q->path ? NULL : driver_lookup_new(name, path, flags),
                                 NULL, lookup_answered, ret_slot);
}

/* names */

static void name_answered(struct request *request, struct bus1_dbus_message *answer) {
        struct name_request *q = (struct name_request *)request;
        struct bus1_dbus *bus = request->slot.bus;
        DBusError error = DBUS_ERROR_INIT;
        bus1_dbus_name_fn fn = q->fn;
        void *userdata = q->userdata;
        uint32_t result = 0;
        int r;

        r = request_result(answer, &error);
        if (r >= 0)
                r = driver_read_u32(answer, &result, &error);
        if (r >= 0 && q->requests)
                standing_name(bus, q->name, q->flags, q->publishes, result);
        if (r >= 0 && q->requests)
                r = driver_check_name(q->name, result, &error);
        if (r >= 0)
                q->node = BUS1_INVALID; /* the name has it now */
        else if (q->node != BUS1_INVALID) {
                node_end(bus, q->node);
                q->node = BUS1_INVALID;
        }
        request_finish(request);
        if (fn)
                fn(bus, r < 0 ? 0 : result, r < 0 ? &error : NULL, userdata);
        dbus_error_free(&error);
}

PUBLIC int bus1_dbus_request_name_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                        const char *name, uint32_t flags, bus1_dbus_name_fn fn,
                                        void *userdata) {
        struct name_request *q;
        DBusMessage *m;

        if (!bus || !text_is_valid(name))
                return -EINVAL;
        q = name_request_new(bus, !ret_slot, name, userdata);
        if (!q)
                return -ENOMEM;
        q->fn = fn;
        q->flags = flags;
        q->requests = true;
        m = driver_message_new(BUS_NAME, "RequestName", DBUS_TYPE_STRING, &name, DBUS_TYPE_UINT32,
                               &flags, DBUS_TYPE_INVALID);
        return name_request_send(q, m, NULL, name_answered, ret_slot);
}

PUBLIC int bus1_dbus_release_name_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                        const char *name, bus1_dbus_name_fn fn, void *userdata) {
        struct name_request *q;
        DBusMessage *m;

        if (!bus || !text_is_valid(name))
                return -EINVAL;
        standing_name_remove(bus, name);
        q = name_request_new(bus, !ret_slot, name, userdata);
        if (!q)
                return -ENOMEM;
        q->fn = fn;
        m = driver_message_new(BUS_NAME, "ReleaseName", DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
        return name_request_send(q, m, NULL, name_answered, ret_slot);
}

PUBLIC int bus1_dbus_publish_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                   const char *name, uint32_t flags, bus1_dbus_name_fn fn,
                                   void *userdata) {
        struct name_request *q;
        uint64_t handle;
        DBusMessage *m;
        int r;

        if (!bus || !text_is_valid(name))
                return -EINVAL;
        q = name_request_new(bus, !ret_slot, name, userdata);
        if (!q)
                return -ENOMEM;
        q->fn = fn;
        q->flags = flags;
        q->requests = q->publishes = true;
        r = node_new(bus, NODE_NAME, NULL, true, &q->node, &handle);
        if (r < 0) {
                bus1_dbus_slot_free(&q->request.slot);
                return r;
        }
        m = driver_message_new(BRIDGE_INTERFACE, "Publish", DBUS_TYPE_STRING, &name,
                               DBUS_TYPE_UINT32, &flags, DBUS_TYPE_INVALID);
        r = name_request_send(q, m, &handle, name_answered, ret_slot);
        /* From here on, only the call has a handle to the node. */
        handle_release(bus, handle);
        return r;
}
