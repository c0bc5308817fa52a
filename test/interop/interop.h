/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The interop matrix: {legacy, sd-bus, native} client x the same as service x exchange
 *
 * Both sides of an exchange are written once, on a small set of operations that exists three times:
 * for a program that uses libdbus-1 over a socket, for one that uses sd-bus, and for one that uses
 * libbus1-dbus. The service is a process of its own.
 */

#include <dbus/dbus.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define INTEROP_NAME "org.bus1.Interop"
#define INTEROP_PATH "/org/bus1/Interop"
#define INTEROP_OTHER_PATH "/org/bus1/Interop/Other"
#define INTEROP_INTERFACE "org.bus1.Interop"
#define INTEROP_ERROR "org.bus1.Interop.Error.Asked"
#define INTEROP_BIG (64U * 1024 * 1024)
#define INTEROP_MANY 1000
#define INTEROP_TIMEOUT_MS 30000

struct service;

/* What a kind of program can do. All pointers to members are of the kind's own type. */
struct kind {
        const char *name;
        bool native;

        void *(*open)(const char *address);
        void (*close)(void *member);
        /* The reply, or NULL with the error. */
        DBusMessage *(*call)(void *member, DBusMessage *call, DBusError *error);
        /* All at once; the replies in the order of the calls, NULL for one that failed. */
        bool (*call_many)(void *member, DBusMessage **calls, DBusMessage **replies, size_t n);
        bool (*emit)(void *member, DBusMessage *signal);
        bool (*subscribe)(void *member, const char *rule);
        /* The next signal of INTEROP_INTERFACE, or NULL after the time-out. */
        DBusMessage *(*wait_signal)(void *member);
        /*
         * Be given what is not for the member: what the rule matches, or (NULL) all, as a monitor
         * that it is already. And the next such message of INTEROP_INTERFACE, or NULL after the
         * time-out. May be NULL.
         */
        bool (*overhear)(void *member, const char *rule);
        DBusMessage *(*wait_overheard)(void *member);

        /* Own the name and answer calls with service_handle() until the bus goes. */
        void (*serve)(void *member, struct service *service);
        /* A reply that was kept back. */
        void (*reply)(struct service *service, void *call, DBusMessage *reply);
};

extern const struct kind kind_legacy;
extern const struct kind kind_sdbus;
extern const struct kind kind_native;

/* the service */

struct service {
        const struct kind *kind;
        void *member;
        char signal[64];  /* argument of the last signal received */
        char whisper[64]; /* likewise, of one sent to it alone */
        void *kept[INTEROP_MANY];
        size_t n_kept;
};

/*
 * Answer one call. Returns the reply, or NULL when there is none now: the caller then keeps its
 * call, which service->kind->reply() will get.
 */
DBusMessage *service_handle(struct service *service, DBusMessage *call, void *token,
                            bool *ret_keep);
void service_signal(struct service *service, DBusMessage *signal);
/* A process that serves, and ends with this one; -1 and errno. */
pid_t service_start(const struct kind *kind, const char *address);

/* the exchanges */

struct client {
        const struct kind *kind;
        const struct kind *service_kind;
        void *member;
        const char *address;
};

struct exchange {
        const char *name;
        bool (*run)(struct client *client);
};

extern const struct exchange exchanges[]; /* ends with a name of NULL */

/* Complain, with where, and be false. */
bool failed(const char *file, int line, const char *what);
#define EXPECT(x)                                              \
        do {                                                   \
                if (!(x))                                      \
                        return failed(__FILE__, __LINE__, #x); \
        } while (0)

/* What only native clients do; in native.c. */
bool native_exchange_reference(struct client *client);
bool native_exchange_narrowed(struct client *client);
bool native_exchange_vanish(struct client *client);
bool native_exchange_call(struct client *client);

/* the daemon */

struct daemon {
        pid_t pid;
        char address[512];
        char directory[64];
};

/* rules: XML, further rules of the default policy */
bool daemon_start(struct daemon *daemon, const char *program, const char *rules);
/* false when it did not end by itself and well. */
bool daemon_stop(struct daemon *daemon);
