/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver: finding the method of a call and running it. */

#include "bridge/driver/driver.h"

#include <string.h>

#include "bridge/bus/route.h"
#include "bridge/bus/tell.h"
#include "bridge/driver/driver-call.h"

static const struct driver_method *find_method(const struct driver_interface *interface,
                                               const char *member) {
        for (const struct driver_method *method = interface->methods; method && method->name;
             method++)
                if (strcmp(method->name, member) == 0)
                        return method;
        return NULL;
}

/* Interfaces that a call can reach: all, or Peer alone, by its name, when the call is for the
 * connection, not the bus. */
static bool is_reachable(const struct driver_interface *interface, const struct message *m) {
        if (!m->destination.s)
                return interface->of_connection && m->interface.s;
        return !interface->canonical_path_only || driver_path_is_canonical(m->path.s);
}

static int select_method(struct driver_call *call) {
        const struct message *m = call->message;
        struct bus *bus = call->bus;

        if (m->interface.s) {
                const struct driver_interface *interface =
                        driver_find_interface(bus, m->interface.s);

                if (!interface || !is_reachable(interface, m))
                        return driver_call_fail(call,
                                                m->destination.s ? DRIVER_ERROR("UnknownInterface")
                                                                 : DRIVER_ERROR("UnknownMethod"),
                                                "%s does not understand the interface %s here",
                                                BUS_DRIVER_NAME, m->interface.s);
                call->method = find_method(interface, m->member.s);
        } else
                for (size_t i = 0; i < bus->n_interfaces && !call->method; i++)
                        if (is_reachable(bus->interfaces[i], m))
                                call->method = find_method(bus->interfaces[i], m->member.s);

        if (!call->method)
                return driver_call_fail(call, DRIVER_ERROR("UnknownMethod"),
                                        "%s does not understand the method %s", BUS_DRIVER_NAME,
                                        m->member.s);
        return 0;
}

static int check_method(struct driver_call *call) {
        const struct driver_method *method = call->method;
        const struct message *m = call->message;

        if (call->client->state == CLIENT_CONNECTED && m->destination.s &&
            !(method->flags & DRIVER_METHOD_BEFORE_HELLO))
                return driver_call_fail(call, DRIVER_ERROR("AccessDenied"),
                                        "Nothing can be called before Hello");
        if ((method->flags & DRIVER_METHOD_CANONICAL_PATH) && !driver_path_is_canonical(m->path.s))
                return driver_call_fail(call, DRIVER_ERROR("AccessDenied"),
                                        "%s can only be called at %s", method->name,
                                        BUS_DRIVER_PATH);
        if ((method->flags & DRIVER_METHOD_PRIVILEGED) && !client_is_privileged(call->client))
                return driver_call_fail(call, DRIVER_ERROR("AccessDenied"),
                                        "%s is for root and the user of the bus only",
                                        method->name);
        if ((method->flags & DRIVER_METHOD_HANDLES) && !call->client->handles_ok)
                return driver_call_fail(call, DRIVER_ERROR("NotSupported"),
                                        "%s is for native bus1 clients only", method->name);
        /* Like the reference: calls to the connection itself may have any arguments. */
        if (m->destination.s && strcmp(method->in, m->signature.s) != 0)
                return driver_call_fail(call, DRIVER_ERROR("InvalidArgs"),
                                        "%s takes the signature '%s', not '%s'", method->name,
                                        method->in, m->signature.s);
        return 0;
}

static int run_method(struct driver_call *call) {
        int r;

        writer_init(&call->writer, MESSAGE_TYPE_METHOD_RETURN, MESSAGE_FLAG_NO_REPLY_EXPECTED, 0,
                    call->method->out);
        call->writer.reply_serial = call->message->serial;
        reader_init(&call->reader, call->message);

        r = call->method->run(call);
        if (r == 0)
                return driver_call_reply(call);

        writer_deinit(&call->writer);
        return r;
}

int driver_dispatch(struct client *client, struct message *m, uint64_t caller_cookie) {
        struct driver_call call = {
                .bus = client->bus,
                .client = client,
                .message = m,
                .caller_cookie = caller_cookie,
        };
        int r;

        /* Like the reference: before Hello other methods are refused without a look-up. */
        if (client->state == CLIENT_CONNECTED && m->destination.s &&
            strcmp(m->member.s, "Hello") != 0)
                return tell_error(client, m, caller_cookie, DRIVER_ERROR("AccessDenied"),
                                  "Nothing can be called before Hello");
        if (client->state == CLIENT_CONNECTED && m->destination.s && m->interface.s &&
            strcmp(m->interface.s, BUS_DRIVER_INTERFACE) != 0)
                return tell_error(client, m, caller_cookie, DRIVER_ERROR("AccessDenied"),
                                  "Nothing can be called before Hello");

        r = select_method(&call);
        if (r == 0)
                r = check_method(&call);
        if (r == 0)
                r = run_method(&call);

        if (r == DRIVER_CALL_FAILED && !call.done)
                r = tell_error(client, m, call.caller_cookie, call.error_name, "%s",
                               call.error_text);
        else if (r != 0)
                route_end_cookie(client, m->serial, call.caller_cookie);
        if (call.attachment && call.attachment_free)
                call.attachment_free(call.attachment);
        return r < 0 ? r : 0;
}
