/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of the interface org.freedesktop.DBus, and the list of all interfaces. */

#include "bridge/driver/interfaces.h"

#include "bridge/bus/mediate.h"
#include "bridge/driver/driver.h"
#include "bridge/driver/methods.h"

static const struct driver_method methods[] = {
        {"Hello", "", "s", driver_hello, DRIVER_METHOD_BEFORE_HELLO},
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

const struct driver_interface driver_interface_dbus = {
        .name = BUS_DRIVER_INTERFACE,
        .methods = methods,
        .signals = signals,
        .properties = properties,
};

int driver_add_interfaces(struct bus *bus) {
        static const struct driver_interface *const standard[] = {
                &driver_interface_dbus,           &driver_interface_properties,
                &driver_interface_introspectable, &driver_interface_monitoring,
                &driver_interface_stats,          &driver_interface_peer,
                &driver_interface_policy,
        };
        int r;

        for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++) {
                r = driver_add_interface(bus, standard[i]);
                if (r < 0)
                        return r;
        }
        bus->dispatch = driver_dispatch;
        return 0;
}
