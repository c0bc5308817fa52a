/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The standard interfaces of the driver: tables, each filled in a file of its theme. */

#include "bridge/driver/driver.h"

/* org.freedesktop.DBus; the methods are in driver-*.c */
int driver_hello(struct driver_call *call);
int driver_request_name_method(struct driver_call *call);
int driver_release_name_method(struct driver_call *call);
int driver_list_names(struct driver_call *call);
int driver_list_activatable_names(struct driver_call *call);
int driver_list_queued_owners(struct driver_call *call);
int driver_get_name_owner(struct driver_call *call);
int driver_name_has_owner(struct driver_call *call);
int driver_start_service_by_name(struct driver_call *call);
int driver_update_activation_environment(struct driver_call *call);
int driver_get_connection_unix_user(struct driver_call *call);
int driver_get_connection_unix_process_id(struct driver_call *call);
int driver_get_connection_credentials(struct driver_call *call);
int driver_get_adt_audit_session_data(struct driver_call *call);
int driver_get_connection_selinux_context(struct driver_call *call);
int driver_add_match_method(struct driver_call *call);
int driver_remove_match_method(struct driver_call *call);
int driver_reload_config(struct driver_call *call);
int driver_get_id(struct driver_call *call);

extern const struct driver_interface driver_interface_dbus;
extern const struct driver_interface driver_interface_properties;
extern const struct driver_interface driver_interface_introspectable;
extern const struct driver_interface driver_interface_peer;
extern const struct driver_interface driver_interface_monitoring;
extern const struct driver_interface driver_interface_stats;
extern const struct driver_interface driver_interface_policy;

/* All of them, in the order of introspection. */
int driver_add_interfaces(struct bus *bus);

/* May the caller listen to others, as far as security modules go? 0, or as driver_call_fail(). */
int driver_check_eavesdrop(struct driver_call *call);

/* Is the path the driver's own? */
bool driver_path_is_canonical(const char *path);
const struct driver_interface *driver_find_interface(struct bus *bus, const char *name);

/* The client or the bus itself (*ret_client NULL) by name; else NameHasNoOwner as
 * driver_call_fail(). */
int driver_find_connection(struct driver_call *call, struct wire_string name,
                           struct client **ret_client);
