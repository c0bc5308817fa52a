/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libbus1-dbus - names, matches and signals without waiting
 *
 * Each function here can give the caller a slot, see <bus1/dbus.h>. Freeing the slot ends what the
 * function began, in every state: a call whose answer has not arrived is cancelled, and handles
 * that come with a late answer are released. After a call has ended by itself, its slot does
 * nothing more; the caller still frees it.
 *
 * The functions ..._async() do not wait. They return a negative errno if the call cannot be sent;
 * then they call no function. Otherwise dispatch later calls fn once, unless the slot or the bus is
 * freed before. The error that fn gets is NULL after a success. It is valid until fn returns. It
 * has the name and text that the blocking function has in the same case. A call without an answer
 * ends after 25 seconds with the error Timeout.
 */

#include <bus1/dbus.h>

#ifdef __cplusplus
extern "C" {
#endif

/* names */

/*
 * bus1_dbus_lookup(), or, if path is not NULL, bus1_dbus_lookup_object(). flags must be 0. handle
 * belongs to the program. It is BUS1_INVALID after a failure.
 */
typedef void (*bus1_dbus_lookup_fn)(struct bus1_dbus *bus, uint64_t handle, const DBusError *error,
                                    void *userdata);
int bus1_dbus_lookup_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                           const char *name, const char *path, uint32_t flags,
                           bus1_dbus_lookup_fn fn, void *userdata);
/*
 * bus1_dbus_request_name(), bus1_dbus_release_name() and bus1_dbus_publish(). result is
 * DBUS_REQUEST_NAME_REPLY_* or DBUS_RELEASE_NAME_REPLY_*, or 0 after a failure. With
 * DBUS_NAME_FLAG_DO_NOT_QUEUE, a name that another member owns is a failure: FileExists. fn can be
 * NULL. The bus may have given or taken the name although the call was cancelled. A cancelled
 * publication has no node.
 */
typedef void (*bus1_dbus_name_fn)(struct bus1_dbus *bus, uint32_t result, const DBusError *error,
                                  void *userdata);
int bus1_dbus_request_name_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                 const char *name, uint32_t flags, bus1_dbus_name_fn fn,
                                 void *userdata);
int bus1_dbus_release_name_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                 const char *name, bus1_dbus_name_fn fn, void *userdata);
int bus1_dbus_publish_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                            const char *name, uint32_t flags, bus1_dbus_name_fn fn, void *userdata);

/* matches */

/*
 * bus1_dbus_subscribe() with a slot: fn gets the signals that match the rule, until the slot is
 * freed. The bus drops a signal for a program that does not receive what was sent before, when the
 * quota of its user is used up, and logs this.
 */
int bus1_dbus_add_match(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot, const char *rule,
                        bus1_dbus_message_fn fn, void *userdata, DBusError *error);
/*
 * The same without waiting. installed is called once, when the bus has answered: no signal that is
 * sent later is missed. If it gets an error, fn is not called any more. installed can be NULL.
 */
typedef void (*bus1_dbus_done_fn)(struct bus1_dbus *bus, const DBusError *error, void *userdata);
int bus1_dbus_add_match_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                              const char *rule, bus1_dbus_message_fn fn,
                              bus1_dbus_done_fn installed, void *userdata);
/* The same for signals with this sender, path, interface and member. NULL matches everything. */
int bus1_dbus_match_signal(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                           const char *sender, const char *path, const char *interface,
                           const char *member, bus1_dbus_message_fn fn, void *userdata,
                           DBusError *error);
int bus1_dbus_match_signal_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                 const char *sender, const char *path, const char *interface,
                                 const char *member, bus1_dbus_message_fn fn,
                                 bus1_dbus_done_fn installed, void *userdata);

/* owners of names */

/*
 * Watch the owner of a name: well-known, unique, or org.freedesktop.DBus. Dispatch first calls one
 * of the functions once for the present state, and then for each change, in the order of the
 * changes. appeared gets the unique name of the owner. When a name gets another owner at once,
 * vanished is called, and then appeared. Either function can be NULL. Each may free the slot or the
 * bus.
 *
 * If the bus does not say who the owner is, because the policy forbids the question or the bus has
 * gone, that counts as no owner. The end of the bus is no change of the name: see
 * bus1_dbus_set_end_handler().
 */
typedef void (*bus1_dbus_appeared_fn)(struct bus1_dbus *bus, const char *name, const char *owner,
                                      void *userdata);
typedef void (*bus1_dbus_vanished_fn)(struct bus1_dbus *bus, const char *name, void *userdata);
int bus1_dbus_watch_name(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot, const char *name,
                         bus1_dbus_appeared_fn appeared, bus1_dbus_vanished_fn vanished,
                         void *userdata, DBusError *error);
/*
 * The same without waiting. If the bus refuses the match rule, failed is called, and nothing more
 * happens. failed can be NULL.
 */
int bus1_dbus_watch_name_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                               const char *name, bus1_dbus_appeared_fn appeared,
                               bus1_dbus_vanished_fn vanished, bus1_dbus_done_fn failed,
                               void *userdata);

/* signals of the object behind a handle */

/*
 * Subscribe to the signals of the object behind a handle. The object may have no path, and the
 * handle may come from a look-up of this program or from another program. NULL as interface or
 * member matches all. For a handle to a name, fn gets the signals of all objects of the owner. If
 * the handle is that of a path of bus1_dbus_export(), the owner of the object is asked. An object
 * without a path is heard through a name only if it is exported.
 *
 * - If the handle comes from a look-up, or the object is called through a name, the signals come
 *   through the bus, as for bus1_dbus_match_signal(). Only members of the bus get them.
 * - Otherwise the program of the object sends them to this one directly, without SENDER. This is
 *   possible if that program uses this library, too. Monitors do not see these signals, and the
 *   policy is not asked: who holds the handle may listen.
 *
 * The subscription has a copy of the handle, so the program can release its own. The subscription
 * ends when the slot is freed or the object ends. In the second case dispatch calls fn once, with
 * an error instead of a signal (DBUS_MESSAGE_TYPE_ERROR): UnknownObject. If a signal cannot be sent
 * to this program directly, because the quota of its user is used up, the subscription ends with
 * LimitsExceeded: so fn knows that it has missed a signal. It can subscribe again. If the signals
 * come through the bus, the bus drops what it cannot send, and logs this.
 *
 * Returns -EREMOTEIO when the object does not answer or refuses, for example because the handle
 * leads to an object of another library, or when it has too many subscriptions: 64 of one process,
 * 1024 of one user, 4096 in all; or when the bus refuses the match rule.
 */
int bus1_dbus_subscribe_handle(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                               uint64_t handle, const char *interface, const char *member,
                               bus1_dbus_message_fn fn, void *userdata, DBusError *error);
/* The same without waiting; see bus1_dbus_add_match_async(). */
int bus1_dbus_subscribe_handle_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                     uint64_t handle, const char *interface, const char *member,
                                     bus1_dbus_message_fn fn, bus1_dbus_done_fn installed,
                                     void *userdata);

#ifdef __cplusplus
}
#endif
