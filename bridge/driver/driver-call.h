/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Driver calls - what methods of org.freedesktop.DBus are made of
 *
 * The interfaces of the driver are tables of methods, properties and signals. Dispatch,
 * introspection and the property methods work on the tables. A method is one function: it reads
 * arguments from call->reader, writes results to call->writer, and returns.
 *
 *      interfaces.c     the list of all interfaces
 *      driver.c         finds the method of a call and runs it
 *      driver-*.c       the methods (declared in methods.h)
 *      driver-call.c    failing, answering now, answering later
 */

#include "bridge/bus/bus.h"
#include "bridge/bus/later.h"
#include "bridge/bus/voice.h"
#include "bridge/wire/reader.h"
#include "bridge/wire/writer.h"

/* driver_call_fail() returns it, for the method to return. */
enum {
        DRIVER_CALL_FAILED = 1,
};

/* One call of a method. */
struct driver_call {
        struct bus *bus;
        struct client *client;
        struct message *message; /* with ->attachment, if handles came with it */
        uint64_t caller_cookie;
        const struct driver_method *method;
        struct reader reader; /* at the arguments, which have the method's signature */
        struct writer writer; /* for the results, in the method's out signature */
        void *attachment;     /* to go out with the reply; owned until then */
        void (*attachment_free)(void *attachment);
        bool done; /* answered already, or to be answered later */
        const char *error_name;
        char error_text[1024];
};

enum {
        DRIVER_METHOD_CANONICAL_PATH = 1 << 0, /* only on /org/freedesktop/DBus */
        DRIVER_METHOD_PRIVILEGED = 1 << 1,     /* only for root and the user of the bus */
        DRIVER_METHOD_HANDLES = 1 << 2,        /* only for clients that can take handles */
        DRIVER_METHOD_BEFORE_HELLO = 1 << 3,   /* the one method that works before Hello: Hello */
};

struct driver_method {
        const char *name;
        const char *in; /* signatures */
        const char *out;
        /*
         * Returns 0 (the results are written; the reply is sent when it returns, unless
         * driver_call_reply() did), driver_call_fail() (positive), or a negative errno that is
         * fatal.
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

/* Arrays end with an element whose name is NULL; NULL for none. */
struct driver_interface {
        const char *name;
        const struct driver_method *methods;
        const struct driver_signal *signals;
        const struct driver_property *properties;
        bool canonical_path_only; /* not there on other paths */
        bool of_connection; /* also for calls without destination, which the connection answers */
        bool listed;        /* in the property Interfaces */
};

/* Add an interface to the driver's object. -ENOSPC. */
int driver_add_interface(struct bus *bus, const struct driver_interface *interface);
const struct driver_interface *driver_find_interface(struct bus *bus, const char *name);
/* Is the path the driver's own, /org/freedesktop/DBus? */
bool driver_path_is_canonical(const char *path);

/* calls */

/*
 * Answer the call with what the writer holds, now; for methods that have something to do after
 * it. Respects NO_REPLY_EXPECTED. Returns 0 or a fatal errno.
 */
int driver_call_reply(struct driver_call *call);
/* Let the call fail; returns a positive number for the method to return. name is static. */
int driver_call_fail(struct driver_call *call, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/*
 * Answer the call later; the method returns 0 afterwards. Until then the front end does not read
 * from the client if it can wait, so that answers keep the order of calls. As many calls may wait
 * as pending replies per client (max_replies_per_connection), then the result is that of
 * driver_call_fail(). -ENOMEM.
 */
int driver_call_later(struct driver_call *call, struct later **ret_later);
/*
 * Give up the call: its message may be kept (with a reference) and answered by tell_error() or
 * tell_number() at any time. Returns the caller_cookie that goes with it. The method returns 0.
 */
uint64_t driver_call_leave(struct driver_call *call);

/*
 * Find a client, or the bus itself (*ret_client NULL), by name; else NameHasNoOwner with the result
 * of driver_call_fail().
 */
int driver_find_connection(struct driver_call *call, struct wire_string name,
                           struct client **ret_client);
