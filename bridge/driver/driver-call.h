/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Driver calls - the tools for methods of org.freedesktop.DBus
 *
 * The interfaces of the driver are tables of methods, properties and signals. Dispatch,
 * introspection and the property methods read these tables. A method is one function: it reads
 * arguments from call->reader, writes results to call->writer, and returns.
 *
 *      driver.c         adds the standard interfaces; finds the method of a call and runs it
 *      driver-NAME.c    the methods; methods.h declares those that driver.c lists
 *      driver-call.c    failing, answering now, answering later
 */

#include "bridge/bus/bus.h"
#include "bridge/bus/later.h"
#include "bridge/bus/voice.h"
#include "bridge/wire/reader.h"
#include "bridge/wire/writer.h"

enum {
        DRIVER_CALL_FAILED = 1, /* the call has an error, see driver_call_fail() */
};

/* One call of a method. */
struct driver_call {
        struct bus *bus;
        struct client *client;
        struct message *message; /* with ->attachment, if handles came with it */
        uint64_t caller_cookie;
        const struct driver_method *method;
        struct reader reader; /* at the arguments, see check_method() */
        struct writer writer; /* for the results, in the method's out signature */
        void *attachment;     /* goes out with the reply; owned until then */
        void (*attachment_free)(void *attachment);
        bool done; /* the method has answered, or will answer later */
        const char *error_name;
        char error_text[1024];
};

enum {
        DRIVER_METHOD_CANONICAL_PATH = 1 << 0, /* only on /org/freedesktop/DBus */
        DRIVER_METHOD_PRIVILEGED = 1 << 1,     /* only for root and the user of the bus */
        DRIVER_METHOD_HANDLES = 1 << 2,        /* only for clients that can take handles */
};

struct driver_method {
        const char *name;
        const char *in; /* signatures */
        const char *out;
        /*
         * Returns 0, DRIVER_CALL_FAILED, or a negative errno that is fatal. After 0, the results in
         * the writer are sent, unless call->done is set: then driver_call_reply() has sent them, or
         * other code will answer, for example after driver_call_later() or driver_call_leave().
         */
        int (*run)(struct driver_call *call);
        unsigned flags;
};

struct driver_signal {
        const char *name;
        const char *signature;
};

struct driver_property {
        const char *name;
        const char *signature;
        void (*get)(struct bus *bus, struct writer *w); /* write the value, without variant */
};

/* Each array ends with an element whose name is NULL. The pointer is NULL if there is no array. */
struct driver_interface {
        const char *name;
        const struct driver_method *methods;
        const struct driver_signal *signals;
        const struct driver_property *properties;
        bool canonical_path_only; /* only on /org/freedesktop/DBus */
        bool of_connection; /* also for calls without destination, which are for the connection */
        bool listed;        /* in the property Interfaces */
};

/* Add an interface to the driver's object. -ENOSPC. */
int driver_add_interface(struct bus *bus, const struct driver_interface *interface);
const struct driver_interface *driver_find_interface(struct bus *bus, const char *name);
/* Is the path the driver's own, /org/freedesktop/DBus? */
bool driver_path_is_canonical(const char *path);

/* calls */

/*
 * Answer the call now with the results in the writer, unless call->done is set. The driver calls
 * this after the method; a method that does more after the answer calls it itself. Sends nothing if
 * the call has NO_REPLY_EXPECTED. Returns 0 or a negative errno that is fatal.
 */
int driver_call_reply(struct driver_call *call);
/* Let the call fail; returns DRIVER_CALL_FAILED for the method to return. name is static. */
int driver_call_fail(struct driver_call *call, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/*
 * Answer the call later (later.h). After success the method returns 0. If the deferred answers and
 * pending replies of the client together have reached max_replies_per_connection, the result is
 * DRIVER_CALL_FAILED. -ENOMEM.
 */
int driver_call_later(struct driver_call *call, enum later_kind kind, struct later **ret_later);
/*
 * The policy or the service files do not let the call succeed. If they are older than what is on
 * disk, the call waits, and is dispatched again (docket.h): the result is true, and the method
 * returns 0. Call this before the method has any effect.
 */
bool driver_call_wait(struct driver_call *call);
/*
 * Take the answer over from the driver. The code that calls this answers the message with functions
 * of tell.h, and may keep a reference to the message until then. Returns the caller_cookie for the
 * answer. The method returns 0 afterwards, or a negative errno that is fatal.
 */
uint64_t driver_call_leave(struct driver_call *call);

/*
 * Find a client, or the bus itself (*ret_client NULL), by name. If there is none, the call fails
 * with NameHasNoOwner, and the result is false.
 */
bool driver_find_connection(struct driver_call *call, struct wire_string name,
                            struct client **ret_client);
/* Find the credentials of a client or of the bus in the same way; NULL if the call failed. */
const struct client_credentials *driver_find_credentials(struct driver_call *call,
                                                         struct wire_string name);
/* Begin an entry of an a{sv}; its value with this signature follows. */
void driver_write_key(struct writer *w, const char *key, const char *signature);
