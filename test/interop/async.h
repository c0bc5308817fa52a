/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the tests of calls without waiting have in common
 *
 * The functions that a program passes to the library note what they are told in got and heard. They
 * can free a slot, or the bus of the client, to which all of them belong.
 */

#include "test/interop/members.h"

#include <bus1/dbus-async.h>

#define OTHER "org.bus1.Other"
#define OTHER_PATH "/org/bus1/Other"

struct got {
        unsigned n;      /* calls of functions */
        char error[256]; /* the name of the last error; "": none */
        uint64_t handle;
        uint32_t result;
        struct bus1_dbus_slot **free_slot; /* free this in the next function */
        bool free_bus;                     /* free the client in the next function */
};

/* The userdata of all functions here is &got. */
extern struct got got;
void got_reset(void);
void got_note(const DBusError *error);
/* a bus1_dbus_done_fn */
void done(struct bus1_dbus *bus, const DBusError *error, void *userdata);

/* A handler of signals: heard gets their members, and the names of errors with "!" in front. */
extern char heard[4096];
extern bool heard_sender; /* the last one had a SENDER */
int hear(struct bus1_dbus_message *m, void *userdata);
/* Dispatch everything, compare what was heard, and forget it. */
void expect_heard(const char *expected);

/* When this returns, the bus has answered all earlier calls of the member. */
void ping(struct bus1_dbus *bus);
/* Dispatch all that has happened until now. */
void settle(void);
/* Copy a handle from one member to another, as a message would. */
uint64_t give(struct bus1_dbus *from, struct bus1_dbus *to, uint64_t handle);

/* An owner of names: a native program or a D-Bus program */
struct owner {
        struct bus1_dbus *native;
        DBusConnection *legacy;
        char name[32]; /* its unique name */
};

void owner_open(struct owner *owner, bool native);
void owner_request(struct owner *owner, const char *name, uint32_t flags);
void owner_release(struct owner *owner, const char *name);
void owner_close(struct owner *owner);
