/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Methods - the interfaces of the driver, and the methods of org.freedesktop.DBus
 *
 * Each interface of this folder has a table in a file of its own (driver-NAME.c). Only
 * org.freedesktop.DBus has its table in driver.c, and its methods in several files by theme.
 */

#include "bridge/driver/driver-call.h"

/* org.freedesktop.DBus */
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
int driver_get_limits(struct driver_call *call); /* for an interface of a front end */
int driver_get_id(struct driver_call *call);

extern const struct driver_interface driver_interface_properties;
extern const struct driver_interface driver_interface_introspectable;
extern const struct driver_interface driver_interface_peer;
extern const struct driver_interface driver_interface_monitoring;
extern const struct driver_interface driver_interface_stats;
extern const struct driver_interface driver_interface_policy;
extern const struct driver_interface driver_interface_manager;

/* Do the security modules let the caller eavesdrop? 0 or DRIVER_CALL_FAILED. */
int driver_check_eavesdrop(struct driver_call *call);
/* Fail because of a match rule; e is MATCH_E_* (match.h), and text is the rule. */
int driver_match_fail(struct driver_call *call, int e, const char *text);

/* GetAllMatchRules of org.freedesktop.DBus.Debug.Stats. */
int driver_get_all_match_rules(struct driver_call *call);

/* parts of methods, also for interfaces of other folders */

/*
 * RequestName for call->client, with policy, limits and signals. name is NUL-terminated. 0,
 * DRIVER_CALL_FAILED, or a negative errno that is fatal.
 */
int driver_request_name(struct driver_call *call, const char *name, size_t n, uint32_t flags,
                        uint32_t *ret_result);
/*
 * If the policy denies call->client this name, but is older than its files, the call waits: the
 * result is true, and the method returns 0. Ask before driver_request_name(), which does not wait,
 * and before any effect of the method.
 */
bool driver_own_waits(struct driver_call *call, const char *name, size_t n);
/* AddMatch for call->client, with the given cookie. ret_rule may be NULL. Results are as above. */
int driver_add_match(struct driver_call *call, const char *text, size_t n, uint64_t cookie,
                     struct match_rule **ret_rule);

/* The allocated introspection XML of a path (NULL: the canonical one). NULL without memory. */
char *driver_introspect(struct bus *bus, const char *path);

/*
 * Begin the answers to these calls of GetAllMatchRules, which another bus has taken and not
 * answered. The list (owner_next) is used up. Returns 0 or a negative errno that is fatal.
 */
int driver_answer_match_rules(struct bus *bus, struct later *list);
