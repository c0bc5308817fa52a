/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The driver - org.freedesktop.DBus, the bus's own object
 *
 * What the bus offers is data: interfaces with methods, properties and signals. Dispatch,
 * introspection and the property methods work on the tables; a method is one function that reads
 * its arguments and writes its results.
 */

#include "bridge/bus/bus.h"
#include "bridge/bus/name.h"
#include "bridge/bus/reply.h"
#include "bridge/wire/reader.h"
#include "bridge/wire/writer.h"

#define DRIVER_ERROR(x) "org.freedesktop.DBus.Error." x

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
        bool listed;              /* in the property Interfaces */
};

/* Add an interface to the driver's object. -ENOSPC. */
int bus_add_interface(struct bus *bus, const struct driver_interface *interface);

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
 * A call that is answered after its method returned. It belongs to who made it, who ends it exactly
 * once; it may outlive the client, who is told nothing then.
 */
struct driver_later {
        struct client *client;                        /* NULL: it has gone */
        struct driver_later *prev, *next;             /* of the client */
        struct driver_later *owner_prev, *owner_next; /* the owner's to use */
        uint32_t serial;
        uint64_t caller_cookie;
        bool wants_reply;
};

/*
 * Answer the call later; the method returns 0 afterwards. What the client says next is not read
 * until then, where its front end can wait: what it is told keeps the order of what it said. As
 * many as there may be replies to a client are waited for, then it is as driver_call_fail().
 * -ENOMEM.
 */
int driver_call_later(struct driver_call *call, struct driver_later **ret_later);
/* Answer with no results, or an error; later is gone afterwards, NULL is fine. As client_receive().
 */
int driver_later_reply(struct driver_later *later);
int driver_later_fail(struct driver_later *later, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Not answered at all, at the end of the bus; NULL is fine. */
void driver_later_free(struct driver_later *later);
/* The client gets no answers any more. */
void driver_later_forget(struct client *client);

/* Answer a call message to the bus. As client_receive(). */
int driver_dispatch(struct client *client, struct message *m, uint64_t caller_cookie);

/*
 * The message of a call may also be kept, with a reference, and be answered later by
 * driver_send_error() or driver_send_number(), and the client goes on meanwhile. Returns the
 * caller_cookie that goes with it. The method returns 0 afterwards.
 */
uint64_t driver_call_leave(struct driver_call *call);
int driver_send_number(struct client *client, struct message *m, uint64_t caller_cookie,
                       uint32_t number);

/* what methods are made of, for other interfaces too */

/* RequestName for call->client, with policy, limits and signals. 0 and the result, or as
 * driver_call_fail(). */
int driver_request_name(struct driver_call *call, const char *name, size_t n, uint32_t flags,
                        uint32_t *ret_result);
int driver_release_name(struct driver_call *call, const char *name, size_t n, uint32_t *ret_result);
/* AddMatch for call->client, with the given cookie. ret_rule may be NULL. */
int driver_add_match(struct driver_call *call, const char *text, size_t n, uint64_t cookie,
                     struct match_rule **ret_rule);

/* errors and signals of the bus */

/*
 * Send an error for the message m of client, when m is a call that wants an answer. caller_cookie
 * as in client_receive(): it is ended in any case.
 */
int driver_send_error(struct client *client, struct message *m, uint64_t caller_cookie,
                      const char *name, const char *format, ...)
        __attribute__((format(printf, 5, 6)));
/*
 * An error for the message m of client that was refused to it, be it a call, a signal or a reply:
 * who is refused is told, as the reference does, unless a call wants no answer. caller_cookie as
 * above.
 */
int driver_send_failure(struct client *client, struct message *m, uint64_t caller_cookie,
                        const char *name, const char *format, ...)
        __attribute__((format(printf, 5, 6)));
/* AccessDenied likewise. */
int driver_send_denial(struct client *client, struct message *m, uint64_t caller_cookie,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));
/*
 * Show monitors the AccessDenied for a message whose sender is not told of it: a broadcast that one
 * receiver may not get, or (sender NULL) what the bus itself had to say.
 */
int driver_show_denial(struct bus *bus, struct client *sender, struct message *m);
/* NoReply for a slot; does not end the slot, but its caller_cookie. */
int driver_send_no_reply(struct reply *reply, const char *text);
/* NameAcquired, NameLost: member with one name, to the client. */
int driver_send_name_signal(struct client *client, const char *member, const char *name);
/* NameOwnerChanged to all who asked; "" for none. */
int driver_broadcast_owner_changed(struct bus *bus, const char *name, const char *old_owner,
                                   const char *new_owner);
/*
 * All signals of one change: NameLost to the old owner, NameOwnerChanged to all, NameAcquired to
 * the new one; and what waited for it (activation.h). Nothing when nothing changed.
 */
int driver_announce_change(struct bus *bus, const char *name, const struct name_change *change);
int driver_broadcast_activatable_changed(struct bus *bus);

/* The introspection XML; allocated. path NULL: the canonical one. */
char *driver_introspect(struct bus *bus, const char *path);
