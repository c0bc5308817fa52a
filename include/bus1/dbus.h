/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libbus1-dbus - membership in a D-Bus message bus over bus1
 *
 * A native program is a member of the bus like any other: it has a unique name, can own names, can
 * call and be called, and other members need not know that it is native. In addition it has
 * handles. A handle stands for an object or a name. A program can pass a handle on in a message to
 * another native program, and can ask to be told when the object or name of the handle has gone.
 *
 * Messages are the DBusMessage of libdbus-1, built and read with the functions of libdbus-1,
 * descriptors included. The handles of a message travel beside it; its body names them by index
 * (uint32) where the interface says so.
 *
 * Functions that can fail return 0 or a negative errno, unless their comment says otherwise. They
 * return -EINVAL for an invalid argument: a NULL that is not allowed, text that is not UTF-8, or a
 * malformed path, interface, member or error name. The library does not check variable arguments,
 * nor the bus that is passed to bus1_dbus_get_fd(), bus1_dbus_wait() and bus1_dbus_run(). Bus names
 * are checked by the bus, whose error becomes -EREMOTEIO. Other errors are listed where their
 * meaning is special. A parameter of type DBusError can be NULL; otherwise it must be initialised,
 * and it is set whenever the result is negative: libbus1-dbus(3) has a table of the D-Bus errors
 * and their numbers. The library keeps copies of the texts that it gets, except for the tables of
 * an object.
 *
 * Only one thread at a time may use a bus and everything that belongs to it, messages included. In
 * a library that was built with assertions, functions that send or receive return -EBUSY when
 * another thread is in one of them. Different buses are independent.
 *
 * A bus belongs to the process that joined. In a child of fork(), functions that send or receive
 * return -ECHILD, and bus1_dbus_free() frees memory and descriptors without a word to the bus. A
 * child that needs the bus joins for itself.
 *
 * Handlers run only inside bus1_dbus_dispatch() and bus1_dbus_run(). They may call every function
 * of this header: blocking calls, dispatch itself, and functions that free the object, the
 * subscription or even the bus that they are called for. But the get and set functions of a
 * property must not free their object or its bus. bus1_dbus_object_emit_changed() calls the get
 * function, too.
 */

#include <bus1/bus1.h>
#include <dbus/dbus.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bus1_dbus;
struct bus1_dbus_object;
struct bus1_dbus_subscription;
struct bus1_dbus_slot;

/* Send to the bus itself, which routes by the DESTINATION of the message. */
#define BUS1_DBUS_BUS BUS1_INVALID
/* A time-out of 25 seconds. INT_MAX means no time-out. */
#define BUS1_DBUS_TIMEOUT_DEFAULT (-1)

/* joining */

/*
 * Join the bus at a D-Bus address (unix:path=..., unix:abstract=..., unix:runtime=yes,
 * unixexec:path=...), or at the first one that works of a list with semicolons. Each has 25
 * seconds. If none works, the error is that of the first one. Returns -EPROTONOSUPPORT when the bus
 * does not speak bus1, or it cannot be spoken at such an address (tcp:, nonce-tcp:, autolaunch:),
 * -EADDRNOTAVAIL for an address of another kind or with wrong keys, -EACCES when the bus refuses
 * the authentication, -EREMCHG when it has another GUID than the address, -ETIMEDOUT, or an error
 * of the connection or of the call of Hello.
 */
int bus1_dbus_open(struct bus1_dbus **ret_bus, const char *address, DBusError *error);
/* Join the bus at $DBUS_SESSION_BUS_ADDRESS, or else at $XDG_RUNTIME_DIR/bus. */
int bus1_dbus_open_session(struct bus1_dbus **ret_bus, DBusError *error);
/* Join the bus at $DBUS_SYSTEM_BUS_ADDRESS, or else at /run/dbus/system_bus_socket. */
int bus1_dbus_open_system(struct bus1_dbus **ret_bus, DBusError *error);
/*
 * Use a peer without any bus: the program can serve objects, and call objects whose handles it has.
 * On success, the new struct bus1_dbus owns the client.
 */
int bus1_dbus_new_from_client(struct bus1_dbus **ret_bus, struct bus1_client *client);
/*
 * Leave the bus. Pending calls end without a call of their handler, and objects, subscriptions and
 * slots are freed, without a word about them. The bus handles all that was sent before, in order,
 * and then announces that the program has left. Messages that are still referenced stay readable,
 * but lose their bus and handles. When a handler frees the bus, the dispatch that called the
 * handler returns -ESHUTDOWN. Returns NULL.
 */
struct bus1_dbus *bus1_dbus_free(struct bus1_dbus *bus);
/*
 * For variables with __attribute__((cleanup(bus1_dbus_freep))), which own what they hold, or are
 * NULL. There is such a function for each type of this header that a function frees.
 * bus1_dbus_free() also frees what belongs to the bus: declare the variable of the bus before those
 * of its slots, objects and subscriptions, since variables are cleaned up in the opposite order.
 */
static inline void bus1_dbus_freep(struct bus1_dbus **bus) {
        bus1_dbus_free(*bus);
}

/*
 * Call fn when bus1_dbus_free() begins, before anything is freed or closed. So what depends on the
 * descriptor of bus1_dbus_get_fd(), such as a source of an event loop, can end with the bus. fn may
 * use the bus, but neither free it nor add such a function. Freeing the slot before ends this
 * without a call.
 */
typedef void (*bus1_dbus_free_fn)(struct bus1_dbus *bus, void *userdata);
int bus1_dbus_add_free_handler(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                               bus1_dbus_free_fn fn, void *userdata);

/*
 * The unique name; NULL without a bus. The text is valid until the bus is freed, or until the
 * program has joined again and was told (bus1_dbus_set_reconnect()).
 */
const char *bus1_dbus_get_unique_name(const struct bus1_dbus *bus);
/*
 * The peer. After the program has joined again, it can be another one, and then this library has
 * other numbers for its nodes and handles than libbus1.
 */
struct bus1_client *bus1_dbus_get_client(struct bus1_dbus *bus);

/*
 * The descriptor to poll for reading. It is readable whenever bus1_dbus_dispatch() has something to
 * do, time-outs included.
 */
int bus1_dbus_get_fd(const struct bus1_dbus *bus);
/*
 * Handle one message or time-out. Returns 1 when there was one, 0 when there was nothing to do.
 * When the bus has gone, dispatch first handles the messages that are left, then ends each pending
 * call with Disconnected, and then returns -ECONNRESET, or joins again: see
 * bus1_dbus_set_reconnect(). Returns -ESHUTDOWN when a handler freed the bus, which the caller must
 * not use any more, or -ENOMEM.
 */
int bus1_dbus_dispatch(struct bus1_dbus *bus);
/*
 * Set the function that dispatch calls once when the bus has gone, after all messages and pending
 * calls and before it returns -ECONNRESET for the first time. From then on nothing more happens:
 * the descriptor is not readable any more, and dispatch goes on returning -ECONNRESET. fn may free
 * the bus. NULL: no function.
 */
typedef void (*bus1_dbus_end_fn)(struct bus1_dbus *bus, void *userdata);
void bus1_dbus_set_end_handler(struct bus1_dbus *bus, bus1_dbus_end_fn fn, void *userdata);
/*
 * Join again by itself. By default, the end of the bus is the end of struct bus1_dbus. After a call
 * of bus1_dbus_set_reconnect(), dispatch joins the bus again instead, at the same address, and
 * restores what the program had: subscriptions, match rules, published objects, exports, names, and
 * the handles that it has looked up, whose numbers stay the same. bus1_dbus_set_reconnect(3) says
 * what this means for each of them, and what is lost in any case: the unique name, the places in
 * the queues of names, the pending calls, which end with Disconnected, and all signals that were
 * sent meanwhile. The descriptor of bus1_dbus_get_fd() stays, too, and must be polled meanwhile.
 *
 * Until the names are restored, functions that send fail with -ENOTCONN, and what arrives waits for
 * dispatch. When everything is restored, or is known to be lost, dispatch calls fn once. The end
 * handler is called, and dispatch returns -ECONNRESET, only if the library has given up. fn may
 * free the bus. If fn is NULL, the library does not join again any more; if it is about to, it
 * gives up. Returns -EOPNOTSUPP if there never was a bus, -ENOTCONN when its end was reported.
 */
enum bus1_dbus_lost_kind {
        BUS1_DBUS_LOST_NAME = 1,   /* what: the name */
        BUS1_DBUS_LOST_MATCH = 2,  /* what: the rule of a subscription or of AddMatch */
        BUS1_DBUS_LOST_OBJECT = 3, /* what: the path; the object is served, but not published */
        BUS1_DBUS_LOST_EXPORT = 4, /* what: the path */
        BUS1_DBUS_LOST_HANDLE = 5, /* what: the name that was looked up; handle has ended */
};
struct bus1_dbus_lost {
        uint32_t kind; /* BUS1_DBUS_LOST_* */
        const char *what;
        const char *path; /* of a handle that was looked up for an object; else NULL */
        uint64_t handle;  /* BUS1_DBUS_LOST_HANDLE; else BUS1_INVALID */
        /* The name of the D-Bus error; NULL: another member owns the name, and this one waits. */
        const char *error;
};
/* A later version of the library may add fields here. All texts are valid until fn returns. */
struct bus1_dbus_reconnected {
        const char *former_name; /* the unique name before */
        const struct bus1_dbus_lost *lost;
        size_t n_lost;
        bool incomplete; /* more was lost, but there was no memory to say so */
};
typedef void (*bus1_dbus_reconnect_fn)(struct bus1_dbus *bus,
                                       const struct bus1_dbus_reconnected *reconnected,
                                       void *userdata);
int bus1_dbus_set_reconnect(struct bus1_dbus *bus, bus1_dbus_reconnect_fn fn, void *userdata);
/*
 * Give up when the program has not joined again within timeout_ms milliseconds after the end of the
 * bus. INT_MAX, the default: never. A negative number is invalid. Returns -EINVAL also before
 * bus1_dbus_set_reconnect().
 */
int bus1_dbus_set_reconnect_timeout(struct bus1_dbus *bus, int timeout_ms);
/*
 * Block until there may be something to dispatch, at most timeout_ms milliseconds (negative: for
 * ever). Returns 1, 0 on time-out or after a Unix signal, or a negative errno.
 */
int bus1_dbus_wait(struct bus1_dbus *bus, int timeout_ms);
/*
 * Dispatch and wait until *stop is true (returns 0), or until the dispatch or the wait fails
 * (returns the error). *stop is checked after each message or time-out, and when a Unix signal has
 * ended the wait. stop may be NULL.
 */
int bus1_dbus_run(struct bus1_dbus *bus, const bool *stop);

/* slots */

/*
 * What a function with the parameter ret_slot began goes on until the caller frees the slot: then
 * it ends without a word, its handler is not called any more, and the result is NULL. A handler may
 * free its own slot. bus1_dbus_free() frees all slots. If ret_slot is NULL, there is nothing to
 * free, and what began goes on until it ends by itself or bus1_dbus_free() ends it.
 */
struct bus1_dbus_slot *bus1_dbus_slot_free(struct bus1_dbus_slot *slot);
static inline void bus1_dbus_slot_freep(struct bus1_dbus_slot **slot) {
        bus1_dbus_slot_free(*slot);
}
struct bus1_dbus *bus1_dbus_slot_get_bus(const struct bus1_dbus_slot *slot);

/* received messages */

struct bus1_dbus_credentials {
        uint32_t uid; /* UINT32_MAX: unknown */
        uint32_t gid; /* UINT32_MAX: unknown */
        uint32_t pid; /* 0: unknown */
};

struct bus1_dbus_message {
        /*
         * NULL only if the program wants that, see <bus1/dbus-lazy.h>.
         *
         * If the message has a SENDER, it is true. The library keeps the SENDER that the bus has
         * set if the message arrived at a node whose handle only the bus holds: the home node, the
         * node of a published name or object, the node of a subscription, or the reply node of a
         * call to BUS1_DBUS_BUS. On a direct channel of a member, the library sets SENDER to that
         * member. From all other messages the library removes SENDER, for
         * example from replies to calls through a handle, and from calls through a handle that came
         * from bus1_dbus_object_get_handle().
         */
        DBusMessage *message;
        struct bus1_dbus *bus; /* NULL after bus1_dbus_free() */
        /*
         * The handles that came with the message, without the reply handle of a call. Those that
         * nobody takes are released with the message.
         */
        uint64_t *handles;
        size_t n_handles;
        /*
         * The process that sent the message on bus1: the bus, or the program that sent the message
         * through a handle of its own. Use the credentials for logs only: whoever holds a handle
         * has the right to call. Those of the SENDER: bus1_dbus_message_get_credentials().
         */
        struct bus1_dbus_credentials credentials;
        uint64_t node; /* where the message arrived; BUS1_INVALID: the library made it */
};

/*
 * Handles a message and returns 0. A handler of a method call can return a negative errno instead.
 * Then the library answers with the corresponding D-Bus error, unless the handler has answered. If
 * the handler returns 0, and neither answers the call nor keeps a reference to answer it later, the
 * caller gets NoReply.
 */
typedef int (*bus1_dbus_message_fn)(struct bus1_dbus_message *message, void *userdata);

struct bus1_dbus_message *bus1_dbus_message_ref(struct bus1_dbus_message *message);
/* Returns NULL. */
struct bus1_dbus_message *bus1_dbus_message_unref(struct bus1_dbus_message *message);
static inline void bus1_dbus_message_unrefp(struct bus1_dbus_message **message) {
        bus1_dbus_message_unref(*message);
}
/*
 * Get the credentials of the member that is the SENDER of the message, as the bus determined them
 * when this member connected; they do not change after that. This takes no round trip. They are
 * known when the message has a SENDER, whether it came through the bus or directly from the member.
 * Returns -ENODATA if they are unknown: the message has no SENDER, the sender had left before the
 * bus delivered the message, or the bus is too old to tell them. What the kernel did not tell the
 * bus has the value for "unknown".
 */
int bus1_dbus_message_get_credentials(const struct bus1_dbus_message *message,
                                      struct bus1_dbus_credentials *ret_credentials);
/* Take over the handle at index i. Returns BUS1_INVALID when there is none, or it was taken. */
uint64_t bus1_dbus_message_take_handle(struct bus1_dbus_message *message, size_t i);
/*
 * Release a handle, and stop watching it. What was sent through it still arrives. Unknown handles
 * and BUS1_INVALID are ignored.
 */
void bus1_dbus_release(struct bus1_dbus *bus, uint64_t handle);
/*
 * The call or signal whose handler runs, for functions that do not get it: those of properties. The
 * library keeps its reference. NULL outside of handlers.
 */
struct bus1_dbus_message *bus1_dbus_get_current_message(struct bus1_dbus *bus);

/* calling */

/*
 * Send a signal, or a call without a reply, which gets the flag NO_REPLY_EXPECTED. The handles, at
 * most 256 (255 in a call with a reply), are copied: the sender keeps its own. Returns -EBADRQC
 * when to or a handle is unknown or has ended, -ENOTCONN when the bus has gone, or to is
 * BUS1_DBUS_BUS and there is no bus, -EDQUOT when a quota is used up, for example the receiver's,
 * or the receiver does not receive what was sent, -EMSGSIZE when there are too many handles or the
 * message is too large.
 *
 * Messages through one handle arrive in order. When calls through a handle from a look-up begin to
 * go directly to the owner, this function and bus1_dbus_call_async() may wait until the bus has
 * handled what was sent before, at most a second, or until the time-out of the call. When they
 * cease to go directly, the library sends the last ones again at the next dispatch, wait or call.
 */
int bus1_dbus_send(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                   const uint64_t *handles, size_t n_handles);
/*
 * Call and wait for the reply, at most timeout_ms milliseconds (negative: the default, 25 seconds;
 * INT_MAX: for ever). ret_reply can be NULL; otherwise the caller unreferences the reply. Signals
 * and calls that arrive meanwhile are kept for dispatch. Returns -EREMOTEIO when the callee or the
 * bus answers with an error, when the callee has gone or has dropped the call (NoReply), or when
 * its reply is invalid; -ETIMEDOUT; -ECONNRESET when the bus goes during the call; or an error of
 * the send, see bus1_dbus_send(). The name and text of the D-Bus error are in error. If a handle
 * that this program has looked up has ended, because the owner has left or has lost the name, the
 * name is NameHasNoOwner; if another handle has ended or is unknown, UnknownObject; and NoReply if
 * the callee may have got the call before. If the session of this member has ended, the name is
 * Disconnected.
 */
int bus1_dbus_call(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                   const uint64_t *handles, size_t n_handles, int timeout_ms,
                   struct bus1_dbus_message **ret_reply, DBusError *error);
/*
 * Call without waiting. Dispatch later calls fn once, with a method return, an error of the callee
 * or the bus, or an error that the library makes (for example NoReply, Timeout or Disconnected). fn
 * is not called when the call is cancelled or the bus is freed before. *ret_id identifies the call
 * for bus1_dbus_cancel(); ret_id can be NULL.
 */
int bus1_dbus_call_async(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                         const uint64_t *handles, size_t n_handles, int timeout_ms,
                         bus1_dbus_message_fn fn, void *userdata, uint64_t *ret_id);
/* Cancel a call: its fn will not be called. Unknown ids are ignored. */
void bus1_dbus_cancel(struct bus1_dbus *bus, uint64_t id);

/* Can the caller get handles with the reply? A D-Bus program on a socket cannot. */
bool bus1_dbus_message_takes_handles(const struct bus1_dbus_message *call);
/*
 * Answer a method call. A second answer fails with -EALREADY. A reply with handles to a caller that
 * cannot get them fails with -EOPNOTSUPP: nothing is sent, and the call can still be answered. When
 * the caller wants no reply or has gone, nothing is sent, and the result is 0.
 */
int bus1_dbus_reply(struct bus1_dbus_message *call, DBusMessage *reply, const uint64_t *handles,
                    size_t n_handles);
/* Answer with a method return, whose arguments are those of dbus_message_append_args(). */
int bus1_dbus_reply_args(struct bus1_dbus_message *call, int first_arg_type, ...);
/*
 * Answer with the path of an object of this bus, as one OBJECT_PATH, for callers that cannot get a
 * handle. An object that has no path is exported, see bus1_dbus_export(). Then every member can
 * call it there, as far as the policy allows, and it keeps its node until it is freed.
 */
int bus1_dbus_reply_path(struct bus1_dbus_message *call, struct bus1_dbus_object *object);
/*
 * The same, and if the caller can get handles, the handle of the object travels beside its path. An
 * object without a path, whose handle travels, has the path "/".
 */
int bus1_dbus_reply_object(struct bus1_dbus_message *call, struct bus1_dbus_object *object);
/* Answer with an error; a text of more than 1023 bytes is cut. */
int bus1_dbus_reply_error(struct bus1_dbus_message *call, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/*
 * Answer with an error, and return a negative errno for the handler to return: -EREMOTEIO, or, if
 * the answer could not be sent, why. Functions that a handler calls can use it, so that the handler
 * need not know which of them has failed, and why. The set function of a property can use it for
 * the call of Set, see bus1_dbus_get_current_message().
 */
int bus1_dbus_fail(struct bus1_dbus_message *call, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* names */

/*
 * RequestName and ReleaseName of the D-Bus specification. *ret_result is DBUS_REQUEST_NAME_REPLY_*
 * or DBUS_RELEASE_NAME_REPLY_*. If ret_result is NULL, a name that another member owns is an error,
 * -EEXIST, unless the program waits for it, that is, without DBUS_NAME_FLAG_DO_NOT_QUEUE.
 */
int bus1_dbus_request_name(struct bus1_dbus *bus, const char *name, uint32_t flags,
                           uint32_t *ret_result, DBusError *error);
int bus1_dbus_release_name(struct bus1_dbus *bus, const char *name, uint32_t *ret_result,
                           DBusError *error);
/*
 * Request a name like bus1_dbus_request_name(), and give it a node of its own. Then a native
 * program that looks up the name may get a direct channel.
 */
int bus1_dbus_publish(struct bus1_dbus *bus, const char *name, uint32_t flags, uint32_t *ret_result,
                      DBusError *error);
/*
 * Get a handle to a name. Calls through the handle reach the member that owns the name at the
 * look-up, and need no DESTINATION. When this member loses the name or leaves, the handle's node
 * ends, and for no other reason. Only calls can be sent through the handle; other messages are
 * dropped. flags must be 0.
 *
 * The calls go to the owner directly, if they may, or else through the bus. The library changes
 * between the two ways by itself, for example when somebody begins to monitor the bus, and the
 * program does not notice. The handle is the same, also when it is passed on.
 */
int bus1_dbus_lookup(struct bus1_dbus *bus, const char *name, uint32_t flags, uint64_t *ret_handle,
                     DBusError *error);
/*
 * Get a handle to one object. A program that holds the handle can call this object through it, and
 * no other object. The program need not be a member of the bus. The PATH of messages through the
 * handle is ignored.
 */
int bus1_dbus_lookup_object(struct bus1_dbus *bus, const char *name, const char *path,
                            uint64_t *ret_handle, DBusError *error);
/*
 * bus1_dbus_lookup_object() succeeds if the name has an owner. Whether the owner has an object at
 * the path shows in the first call, which fails with UnknownObject or UnknownMethod. The reason is
 * that only the owner knows its objects, and may make them when they are called.
 *
 * With BUS1_DBUS_LOOKUP_CHECK, bus1_dbus_lookup_object_with_flags() asks the owner, which takes one
 * more round trip: it calls Introspect of the object. Returns -ENOENT, with the error
 * UnknownObject, if there is no object; or the error of this call. An object that can be called,
 * but that the owner does not describe, does not exist for this function; a path that only has
 * objects below it exists if the owner uses sd-bus. Returns -EINVAL for unknown flags.
 */
#define BUS1_DBUS_LOOKUP_CHECK 0x1
int bus1_dbus_lookup_object_with_flags(struct bus1_dbus *bus, const char *name, const char *path,
                                       uint32_t flags, uint64_t *ret_handle, DBusError *error);

/*
 * Give a handle a name and a path. Calls of any member to this name and path then go to the node of
 * the handle. The name is the unique name of this member. The caller frees *ret_name and *ret_path.
 *
 * A handle is the right to call, and this gives it to all members, as far as the policy allows:
 * also the right to call privileged members (<bus1/dbus-vtable.h>), and without a SENDER. This is
 * not so only for the handle that bus1_dbus_object_get_handle() returns. The library does not
 * recognise a copy of it, such as one that came back in a message.
 */
int bus1_dbus_export(struct bus1_dbus *bus, uint64_t handle, char **ret_name, char **ret_path,
                     DBusError *error);
/*
 * Get the uid and pid of a name's owner, which the bus determined when the owner connected. The gid
 * is always UINT32_MAX (unknown).
 */
int bus1_dbus_get_credentials(struct bus1_dbus *bus, const char *name,
                              struct bus1_dbus_credentials *ret_credentials, DBusError *error);

/*
 * Get a limit of the bus, by the name that it has in the configuration, for example
 * "max_message_unix_fds" (descriptors in one message) or "max_message_size" (bytes, header
 * included). A message that exceeds one of these two is refused, also by a handle from a look-up
 * whose calls go directly: a call that wants a reply gets the error LimitsExceeded. Returns -ENOENT
 * when the bus has no such limit.
 */
int bus1_dbus_get_limit(struct bus1_dbus *bus, const char *name, int64_t *ret_value,
                        DBusError *error);

/*
 * Watch a handle: dispatch calls fn when the handle's node has ended, and with it the handle. A
 * second watch of the same handle replaces the first.
 */
typedef void (*bus1_dbus_release_fn)(struct bus1_dbus *bus, uint64_t handle, void *userdata);
int bus1_dbus_watch(struct bus1_dbus *bus, uint64_t handle, bus1_dbus_release_fn fn,
                    void *userdata);
void bus1_dbus_unwatch(struct bus1_dbus *bus, uint64_t handle);

/* signals */

/* Send a signal through the bus: to its DESTINATION, or, if it has none, as a broadcast. */
int bus1_dbus_emit(struct bus1_dbus *bus, DBusMessage *signal);
/*
 * Subscribe to broadcasts: fn gets those that match the rule. If the rule has eavesdrop='true',
 * which only root and the user of the bus may use, fn also gets matching messages that are sent to
 * other members. Freeing the subscription ends it. If ret_subscription is NULL, the subscription
 * lasts until bus1_dbus_free().
 */
int bus1_dbus_subscribe(struct bus1_dbus *bus, const char *rule, bus1_dbus_message_fn fn,
                        void *userdata, struct bus1_dbus_subscription **ret_subscription,
                        DBusError *error);
struct bus1_dbus_subscription *bus1_dbus_subscription_free(struct bus1_dbus_subscription *s);
static inline void bus1_dbus_subscription_freep(struct bus1_dbus_subscription **s) {
        bus1_dbus_subscription_free(*s);
}
/*
 * Set the handler of messages that belong to no subscription: signals to this member alone, signals
 * for match rules made with AddMatch, and everything that a monitor sees. (If a monitor has objects
 * with a path, the library takes calls with NO_REPLY_EXPECTED for calls of these objects.)
 */
void bus1_dbus_set_signal_handler(struct bus1_dbus *bus, bus1_dbus_message_fn fn, void *userdata);

/* objects */

/*
 * The tables of an object. Arrays end with an all-zero element. From these tables, the library
 * checks the signatures of arguments, and answers org.freedesktop.DBus.Introspectable (which also
 * lists the objects below) and Properties. It also answers Peer.
 */
struct bus1_dbus_method {
        const char *name;
        const char *in;               /* signature of the arguments, "" for none */
        const char *out;              /* signature of the results, "" for none */
        bus1_dbus_message_fn handler; /* gets the userdata of the object */
        const char *
                arg_names; /* of the arguments, then of the results, separated by blanks; or NULL */
};

struct bus1_dbus_property {
        const char *name;
        const char *signature;
        /*
         * Append the value to the iterator. A negative errno becomes an error reply, or the result
         * of bus1_dbus_object_emit_changed().
         */
        int (*get)(struct bus1_dbus_object *object, DBusMessageIter *value, void *userdata);
        /* Set the value, which has the signature above. NULL: the property is read-only. */
        int (*set)(struct bus1_dbus_object *object, DBusMessageIter *value, void *userdata);
};

struct bus1_dbus_signal {
        const char *name;
        const char *signature;
        const char *arg_names;
};

struct bus1_dbus_interface {
        const char *name;
        const struct bus1_dbus_method *methods;
        const struct bus1_dbus_property *properties;
        const struct bus1_dbus_signal *signals;
};

/*
 * Serve an object. An object with a path can be called at that path through all names of this
 * member. An object without a path (NULL) can be called only by programs that hold its handle.
 * interfaces must live as long as the object; it can be NULL. Returns -EEXIST when there is an
 * object at the path.
 */
int bus1_dbus_object_new(struct bus1_dbus *bus, const char *path,
                         const struct bus1_dbus_interface *interfaces, void *userdata,
                         struct bus1_dbus_object **ret_object);
/*
 * Free the object, which ends its nodes: watches of its handles fire. A call that is being handled
 * can still be answered. Returns NULL.
 */
struct bus1_dbus_object *bus1_dbus_object_free(struct bus1_dbus_object *object);
static inline void bus1_dbus_object_freep(struct bus1_dbus_object **object) {
        bus1_dbus_object_free(*object);
}
struct bus1_dbus *bus1_dbus_object_get_bus(const struct bus1_dbus_object *object);
/* Returns "/" for an object without a path. */
const char *bus1_dbus_object_get_path(const struct bus1_dbus_object *object);
/*
 * Get the object's handle, to pass it on to others. The first call makes the handle and its node.
 * Returns -ESTALE after bus1_dbus_object_set_unreferenced(), until all copies of the handle have
 * been released.
 */
int bus1_dbus_object_get_handle(struct bus1_dbus_object *object, uint64_t *ret_handle);
/*
 * Release the object's own handle, and call fn once when all copies of this handle have been
 * released. So pass the handle on before. Handles of direct channels, and the handle that the bus
 * got by bus1_dbus_object_publish(), do not count. fn can free the object. Returns -ESTALE when the
 * object has no handle of its own.
 */
typedef void (*bus1_dbus_object_fn)(struct bus1_dbus_object *object, void *userdata);
int bus1_dbus_object_set_unreferenced(struct bus1_dbus_object *object, bus1_dbus_object_fn fn);
/*
 * Publish the object: the bus gets a handle to it, and sends the calls to the object's path through
 * this handle. A native program that looks up a name of this member and the path may then get a
 * direct channel to the object. A program with a published name need not do this: objects that are
 * looked up by this name may have channels in any case. Returns -EALREADY when the object is
 * published.
 */
int bus1_dbus_object_publish(struct bus1_dbus_object *object, DBusError *error);
/*
 * Emit a signal of this object. The arguments are those of dbus_message_append_args(). The signal
 * goes to the bus, as a broadcast, and to those that have subscribed through a handle that the
 * program has passed on (bus1_dbus_subscribe_handle() in <bus1/dbus-async.h>). An object without a
 * path broadcasts from the path of its export, from each if there are several; without an export,
 * only the subscribers get the signal. The result is about the bus: a subscriber that cannot get
 * the signal is told.
 */
int bus1_dbus_object_emit(struct bus1_dbus_object *object, const char *interface,
                          const char *member, int first_arg_type, ...);
/* Emit PropertiesChanged with the present value of one property. */
int bus1_dbus_object_emit_changed(struct bus1_dbus_object *object, const char *interface,
                                  const char *property);

#ifdef __cplusplus
}
#endif
