/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver: the table of org.freedesktop.DBus, finding the method of a call, and running it. */

#include "bridge/driver/driver.h"

#include <string.h>

#include "bridge/bus/mediate.h"
#include "bridge/bus/receive.h"
#include "bridge/bus/route.h"
#include "bridge/bus/tell.h"
#include "bridge/driver/methods.h"

/* org.freedesktop.DBus */

static const struct driver_method methods[] = {
        {"Hello", "", "s", driver_hello},
        {"RequestName", "su", "u", driver_request_name_method},
        {"ReleaseName", "s", "u", driver_release_name_method},
        {"StartServiceByName", "su", "u", driver_start_service_by_name},
        {"UpdateActivationEnvironment", "a{ss}", "", driver_update_activation_environment,
         DRIVER_METHOD_CANONICAL_PATH | DRIVER_METHOD_PRIVILEGED},
        {"NameHasOwner", "s", "b", driver_name_has_owner},
        {"ListNames", "", "as", driver_list_names},
        {"ListActivatableNames", "", "as", driver_list_activatable_names},
        {"AddMatch", "s", "", driver_add_match_method},
        {"RemoveMatch", "s", "", driver_remove_match_method},
        {"GetNameOwner", "s", "s", driver_get_name_owner},
        {"ListQueuedOwners", "s", "as", driver_list_queued_owners},
        {"GetConnectionUnixUser", "s", "u", driver_get_connection_unix_user},
        {"GetConnectionUnixProcessID", "s", "u", driver_get_connection_unix_process_id},
        {"GetAdtAuditSessionData", "s", "ay", driver_get_adt_audit_session_data},
        {"GetConnectionSELinuxSecurityContext", "s", "ay", driver_get_connection_selinux_context},
        {"ReloadConfig", "", "", driver_reload_config},
        {"GetId", "", "s", driver_get_id},
        {"GetConnectionCredentials", "s", "a{sv}", driver_get_connection_credentials},
        {},
};

static const struct driver_signal signals[] = {
        {"NameOwnerChanged", "sss"},
        {"NameLost", "s"},
        {"NameAcquired", "s"},
        {"ActivatableServicesChanged", ""},
        {},
};

/* The property Features, in the order of the reference. */
static void get_features(struct bus *bus, struct writer *w) {
        writer_array_begin(w, 4);
        writer_string(w, "ActivatableServicesChanged");
        if (mediate_has(bus, "AppArmor"))
                writer_string(w, "AppArmor");
        writer_string(w, "HeaderFiltering");
        if (mediate_has(bus, "SELinux"))
                writer_string(w, "SELinux");
        if (bus->systemd_activation)
                writer_string(w, "SystemdActivation");
        writer_array_end(w);
}

static void get_interfaces(struct bus *bus, struct writer *w) {
        writer_array_begin(w, 4);
        for (size_t i = 0; i < bus->n_interfaces; i++)
                if (bus->interfaces[i]->listed)
                        writer_string(w, bus->interfaces[i]->name);
        writer_array_end(w);
}

static const struct driver_property properties[] = {
        {"Features", "as", get_features},
        {"Interfaces", "as", get_interfaces},
        {},
};

static const struct driver_interface driver_interface_dbus = {
        .name = BUS_DRIVER_INTERFACE,
        .methods = methods,
        .signals = signals,
        .properties = properties,
};

/* calls */

static const struct driver_method *find_method(const struct driver_interface *interface,
                                               const char *member) {
        for (const struct driver_method *method = interface->methods; method && method->name;
             method++)
                if (strcmp(method->name, member) == 0)
                        return method;
        return NULL;
}

/*
 * Can the call reach the interface? A call without destination is for the connection, not for the
 * bus: it reaches only Peer, and only if it names the interface.
 */
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
        /* Like the reference: a call without a destination may have any arguments. */
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

static int driver_dispatch(struct client *client, struct message *m, uint64_t caller_cookie) {
        struct driver_call call = {
                .bus = client->bus,
                .client = client,
                .message = m,
                .caller_cookie = caller_cookie,
        };
        int r;

        /*
         * Like the reference: before Hello, calls of other methods of the bus are refused, even if
         * the methods do not exist.
         */
        if (client->state == CLIENT_CONNECTED && m->destination.s &&
            (strcmp(m->member.s, "Hello") != 0 ||
             (m->interface.s && strcmp(m->interface.s, BUS_DRIVER_INTERFACE) != 0)))
                return tell_error(client, m, caller_cookie, DRIVER_ERROR("AccessDenied"),
                                  "Hello has to be called before other methods");

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

int driver_add_interfaces(struct bus *bus) {
        static const struct driver_interface *const standard[] = {
                &driver_interface_dbus,           &driver_interface_properties,
                &driver_interface_introspectable, &driver_interface_monitoring,
                &driver_interface_stats,          &driver_interface_peer,
                &driver_interface_policy,         &driver_interface_manager,
        };
        int r;

        for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++) {
                r = driver_add_interface(bus, standard[i]);
                if (r < 0)
                        return r;
        }
        bus->dispatch = driver_dispatch;
        bus->receive_again = client_receive_again;
        return 0;
}
