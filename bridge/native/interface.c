/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * org.bus1.Bridge1: methods by which a native client gives handles to the bus and gets handles
 *
 * A call of Publish, PublishObject, Export, Subscribe or OpenChannel carries one handle, after the
 * reply handle if it wants a reply. The reply to a look-up or to OpenChannel carries one handle,
 * too. Legacy clients cannot use this interface.
 */

#include "bridge/native/native-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/bus/activation-table.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/membership.h"
#include "bridge/bus/name.h"
#include "bridge/bus/voice.h"
#include "bridge/driver/methods.h"
#include "bridge/wire/names.h"

#define EXPORT_PATH "/org/bus1/exported/"

/* Returns 0, or DRIVER_CALL_FAILED if the client is not native. */
static int check_native(struct driver_call *call) {
        return client_is_native(call->client) ? 0
                                              : driver_call_fail(call, DRIVER_ERROR("NotSupported"),
                                                                 "This method is for bus1 clients");
}

/*
 * Take the handle that came with the call. Returns 0, or DRIVER_CALL_FAILED if there is none or the
 * client is not native.
 */
static int take_handle(struct driver_call *call, uint64_t *ret_handle) {
        int r;

        *ret_handle = BUS1_INVALID;
        r = check_native(call);
        if (r != 0)
                return r;
        *ret_handle = native_attachment_take(call->message, 0);
        if (*ret_handle == BUS1_INVALID)
                return driver_call_fail(call, DRIVER_ERROR("InvalidArgs"),
                                        "This method needs a handle with the call");
        return 0;
}

static int fail_resources(struct driver_call *call, int r) {
        return r == -EDQUOT ? driver_call_fail(call, DRIVER_ERROR("LimitsExceeded"),
                                               "Your session or user has too many routed handles, "
                                               "publications and subscriptions")
                            : r;
}

/* Returns 0, DRIVER_CALL_FAILED, or a negative errno that is fatal. */
static int publish(struct driver_call *call, bool is_object, const char *key) {
        uint64_t handle;
        int r;

        r = take_handle(call, &handle);
        if (r != 0)
                return r;
        r = native_publish(session_from_client(call->client), is_object, key, handle);
        return fail_resources(call, r);
}

static int run_publish(struct driver_call *call) {
        struct wire_string name = reader_string(&call->reader);
        uint32_t flags = reader_u32(&call->reader), result;
        int r;

        if (driver_own_waits(call, name.s, name.n))
                return 0;
        /* publish before the name has its owner, so that even the first call goes to the node */
        r = publish(call, false, name.s);
        if (r != 0)
                return r;
        r = driver_request_name(call, name.s, name.n, flags, &result);
        if (r != 0 || result == NAME_EXISTS)
                native_unpublish(session_from_client(call->client), false, name.s, name.n);
        if (r == 0)
                writer_u32(&call->writer, result);
        return r;
}

static int run_publish_object(struct driver_call *call) {
        return publish(call, true, reader_string(&call->reader).s);
}

static int run_export(struct driver_call *call) {
        struct native_session *session = session_from_client(call->client);
        char path[sizeof(EXPORT_PATH) + 20];
        int r;

        r = check_native(call);
        if (r != 0)
                return r;
        /* A program that has joined again may have published the paths that it had before. */
        do
                snprintf(path, sizeof(path), EXPORT_PATH "%llu",
                         (unsigned long long)++session->n_exported);
        while (native_is_published(session, path));
        r = publish(call, true, path);
        if (r != 0)
                return r;
        writer_string(&call->writer, session->client.unique_name);
        writer_string(&call->writer, path);
        return 0;
}

static int run_subscribe(struct driver_call *call) {
        struct native_session *session = session_from_client(call->client);
        struct wire_string rule = reader_string(&call->reader);
        struct native_handle *subscription;
        struct match_rule *match;
        uint64_t handle;
        int r;

        r = take_handle(call, &handle);
        if (r != 0)
                return r;
        r = native_handle_add(session, handle, NATIVE_HANDLE_SUBSCRIPTION, NULL, &subscription);
        if (r < 0)
                return fail_resources(call, r);
        r = driver_add_match(call, rule.s, rule.n, handle, &match);
        if (r != 0) {
                native_handle_remove(subscription, true);
                return r;
        }
        subscription->data = match;
        return 0;
}

/* look-ups */

static bool may_start(const struct driver_call *call, struct wire_string name) {
        return call->bus->activation && name.s[0] != ':' &&
               !(call->message->flags & MESSAGE_FLAG_NO_AUTO_START);
}

static int look_up(struct driver_call *call, struct wire_string name, const char *path) {
        struct native_session *session = session_from_client(call->client);
        struct native_lookup *lookup;
        struct client *owner;
        uint64_t handle;
        int r;

        r = check_native(call);
        if (r != 0)
                return r;
        if (!name_is_valid_bus(name.s, name.n) || strcmp(name.s, BUS_DRIVER_NAME) == 0)
                return driver_call_fail(call, DRIVER_ERROR("InvalidArgs"),
                                        "\"%s\" is no name that can be looked up", name.s);
        name_settle(call->bus, name.s, name.n);
        owner = name_resolve(&call->bus->names, name.s, name.n);
        if (!owner && may_start(call, name)) {
                if (activation_knows(call->bus->activation, name.s))
                        return activation_call_later(call->client, call->message,
                                                     driver_call_leave(call), name.s);
                if (driver_call_wait(call))
                        return 0;
        }
        if (!owner)
                return driver_call_fail(call, DRIVER_ERROR("NameHasNoOwner"),
                                        "Name \"%s\" does not exist", name.s);
        r = native_lookup_new(session, owner, name.s, path, &lookup, &handle);
        if (r < 0)
                return fail_resources(call, r);
        writer_u64(&call->writer, lookup->node);
        call->attachment_free = native_attachment_free;
        return native_attach(session->native, &(struct bus1_transfer){.id = handle}, 1,
                             &call->attachment);
}

static int run_lookup(struct driver_call *call) {
        struct wire_string name = reader_string(&call->reader);
        uint32_t flags = reader_u32(&call->reader);

        if (flags != 0)
                return driver_call_fail(call, DRIVER_ERROR("InvalidArgs"), "Unknown flags");
        return look_up(call, name, NULL);
}

static int run_lookup_object(struct driver_call *call) {
        struct wire_string name = reader_string(&call->reader);
        struct wire_string path = reader_string(&call->reader);

        return look_up(call, name, path.s);
}

/*
 * The number of a look-up is the ID of its node. The session cannot use this ID in its own peer,
 * and the bus takes it from no other session.
 */
static int run_open_channel(struct driver_call *call) {
        uint64_t control, number = reader_u64(&call->reader);
        struct native_lookup *lookup;
        int r;

        r = take_handle(call, &control);
        if (r != 0)
                return r;
        lookup = native_lookup_find(session_from_client(call->client), number);
        if (!lookup || !call->caller_cookie) {
                native_release(session_from_client(call->client)->native, control);
                return driver_call_fail(call, DRIVER_ERROR("InvalidArgs"),
                                        "No handle from a look-up has the number %llu",
                                        (unsigned long long)number);
        }
        r = native_opening_new(lookup, call->message->serial, call->caller_cookie, control);
        if (r > 0)
                return driver_call_fail(call, DRIVER_ERROR("Failed"), NATIVE_NO_CHANNEL);
        if (r == 0)
                call->done = true;
        return r;
}

#define FLAGS (DRIVER_METHOD_CANONICAL_PATH | DRIVER_METHOD_HANDLES)

static const struct driver_method methods[] = {
        {"Publish", "su", "u", run_publish, FLAGS},
        {"PublishObject", "o", "", run_publish_object, FLAGS},
        {"Lookup", "su", "t", run_lookup, FLAGS},
        {"LookupObject", "so", "t", run_lookup_object, FLAGS},
        {"OpenChannel", "t", "", run_open_channel, FLAGS},
        {"Subscribe", "s", "", run_subscribe, FLAGS},
        {"Export", "", "so", run_export, FLAGS},
        {"GetLimits", "", "a{sx}", driver_get_limits, DRIVER_METHOD_CANONICAL_PATH},
        {},
};

const struct driver_interface native_driver_interface = {
        .name = "org.bus1.Bridge1",
        .methods = methods,
        .canonical_path_only = true,
        .listed = true,
};
