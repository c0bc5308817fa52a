/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The interop matrix: each exchange runs between a client and a service of every kind
 *
 * A kind is the library that a program uses: legacy (libdbus-1 over a socket), sd-bus, or native
 * (libbus1-dbus). Both sides of an exchange are written once, with the operations of struct kind,
 * which each kind implements. Only native programs do more, in native.c. The service is a process
 * of its own.
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
#define INTEROP_TIMEOUT_MS 100000

struct service;

/* The operations of a kind. `void *member` is a client of the bus; each kind has a type for it. */
struct kind {
        const char *name;
        bool native;

        void *(*open)(const char *address);
        void (*close)(void *member);
        /* Call and wait. Returns the reply, or NULL and sets *error. error may be NULL. */
        DBusMessage *(*call)(void *member, DBusMessage *call, DBusError *error);
        /* Send all calls, then wait. replies[i] answers calls[i]. Returns false on failure. */
        bool (*call_many)(void *member, DBusMessage **calls, DBusMessage **replies, size_t n);
        bool (*emit)(void *member, DBusMessage *signal);
        bool (*subscribe)(void *member, const char *rule);
        /* The next signal of INTEROP_INTERFACE. NULL if none comes in time. */
        DBusMessage *(*wait_signal)(void *member);
        /*
         * Eavesdrop with the rule. If the rule is NULL, listen as a monitor, which the member must
         * be already. wait_overheard() returns the next message of INTEROP_INTERFACE that the
         * member gets, or NULL if none comes in time. A kind that cannot do this has NULL for both.
         */
        bool (*overhear)(void *member, const char *rule);
        DBusMessage *(*wait_overheard)(void *member);

        /* Own INTEROP_NAME, and answer calls with service_handle() until the connection ends. */
        void (*serve)(void *member, struct service *service);
        /* Reply to a kept call, and free the call. If reply is NULL, the reply is empty. */
        void (*reply)(struct service *service, void *call, DBusMessage *reply);
};

extern const struct kind kind_legacy;
extern const struct kind kind_sdbus;
extern const struct kind kind_native;

/* the service */

struct service {
        const struct kind *kind;
        void *member;
        char signal[64];  /* argument of the last signal Told */
        char whisper[64]; /* argument of the last signal Whispered, which is unicast */
        void *kept[INTEROP_MANY];
        size_t n_kept;
};

/*
 * Answer one call. Returns the reply and sets *ret_keep to false. If the reply comes later, returns
 * NULL and sets *ret_keep to true: then the caller keeps the call, which token stands for, and
 * service->kind->reply(service, token, ...) sends the reply.
 */
DBusMessage *service_handle(struct service *service, DBusMessage *call, void *token,
                            bool *ret_keep);
void service_signal(struct service *service, DBusMessage *signal);
/* Start a process that serves, and ends with this process. Returns its ID, or -1 with errno. */
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

/* Print the place and the text. Returns false. */
bool failed(const char *file, int line, const char *what);
#define EXPECT(x)                                              \
        do {                                                   \
                if (!(x))                                      \
                        return failed(__FILE__, __LINE__, #x); \
        } while (0)

/* Exchanges, or parts of them, for native clients only; in native.c. */
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

/* Start a bus. rules is XML that is added to its default policy. Returns false on failure. */
bool daemon_start(struct daemon *daemon, const char *program, const char *rules);
/* Put other rules into its configuration file. */
bool daemon_configure(struct daemon *daemon, const char *rules);
/* End the bus by a signal, but leave its files; start it anew, at the same address. */
void daemon_kill(struct daemon *daemon, int signo);
bool daemon_run(struct daemon *daemon, const char *program);
/* Stop the bus and remove its files. Returns false if it crashed or exited with an error. */
bool daemon_stop(struct daemon *daemon);
