/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Driver calls: failing, answering now, answering later. */

#include "bridge/driver/driver-call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/membership.h"
#include "bridge/bus/route.h"
#include "bridge/bus/tell.h"

/* interfaces */

int driver_add_interface(struct bus *bus, const struct driver_interface *interface) {
        if (bus->n_interfaces == BUS_INTERFACES_MAX)
                return -ENOSPC;
        bus->interfaces[bus->n_interfaces++] = interface;
        for (size_t i = 0; i < 2; i++) {
                free(bus->introspection[i]);
                bus->introspection[i] = NULL;
        }
        return 0;
}

const struct driver_interface *driver_find_interface(struct bus *bus, const char *name) {
        for (size_t i = 0; i < bus->n_interfaces; i++)
                if (strcmp(bus->interfaces[i]->name, name) == 0)
                        return bus->interfaces[i];
        return NULL;
}

bool driver_path_is_canonical(const char *path) {
        return strcmp(path, BUS_DRIVER_PATH) == 0;
}

/* answers */

int driver_call_fail(struct driver_call *call, const char *name, const char *format, ...) {
        va_list args;

        va_start(args, format);
        voice_format(call->error_text, sizeof(call->error_text), format, args);
        va_end(args);
        call->error_name = name;
        return DRIVER_CALL_FAILED;
}

int driver_call_reply(struct driver_call *call) {
        struct reply reply = {
                .caller = call->client,
                .serial = call->message->serial,
                .caller_cookie = call->caller_cookie,
        };
        CLEANUP(message_unrefp) struct message *m = NULL;
        int r;

        if (call->done)
                return 0;
        call->done = true;
        call->caller_cookie = 0;

        /* A method may have sent signals. Their serials come before that of the answer. */
        voice_address(call->bus, &call->writer, call->client);
        r = writer_finish(&call->writer, &m);
        if (r < 0)
                /*
                 * The answer is too large, for example. This is no reason to end the bus: only the
                 * call fails.
                 */
                return tell_error(call->client, call->message, reply.caller_cookie,
                                  DRIVER_ERROR("LimitsExceeded"),
                                  "The bus cannot make the answer: %s", strerror(-r));

        if (!message_wants_reply(call->message))
                return 0;
        m->attachment = call->attachment;
        m->attachment_free = call->attachment_free;
        call->attachment = NULL;
        if (call->message->destination.s)
                return route_from_driver(call->bus, call->client, m, &reply);
        return route_in_private(call->client, m, &reply);
}

uint64_t driver_call_leave(struct driver_call *call) {
        uint64_t cookie = call->caller_cookie;

        call->caller_cookie = 0;
        call->done = true;
        writer_deinit(&call->writer);
        return cookie;
}

int driver_call_later(struct driver_call *call, enum later_kind kind, struct later **ret_later) {
        int r;

        r = later_new(call->client, call->message, call->caller_cookie, kind, ret_later);
        if (r == LATER_E_QUOTA)
                return driver_call_fail(
                        call, DRIVER_ERROR("LimitsExceeded"),
                        "Too many calls of this connection are waiting for their replies");
        if (r == 0)
                driver_call_leave(call);
        return r;
}

bool driver_call_wait(struct driver_call *call) {
        if (!docket_hold(call->client, call->message, call->caller_cookie, DOCKET_CALL))
                return false;
        driver_call_leave(call);
        return true;
}

/* arguments and results */

bool driver_find_connection(struct driver_call *call, struct wire_string name,
                            struct client **ret_client) {
        name_settle(call->bus, name.s, name.n);
        *ret_client = name_resolve(&call->bus->names, name.s, name.n);
        if (*ret_client || strcmp(name.s, BUS_DRIVER_NAME) == 0)
                return true;
        driver_call_fail(call, DRIVER_ERROR("NameHasNoOwner"), "The name '%s' has no owner",
                         name.s);
        return false;
}

const struct client_credentials *driver_find_credentials(struct driver_call *call,
                                                         struct wire_string name) {
        struct client *client;

        if (!driver_find_connection(call, name, &client))
                return NULL;
        return client ? &client->credentials : &call->bus->credentials;
}

void driver_write_key(struct writer *w, const char *key, const char *signature) {
        writer_struct(w);
        writer_string(w, key);
        writer_variant(w, signature);
}
