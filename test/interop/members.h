/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Native members in one process
 *
 * Each test has a bus of its own with a service and a client. Functions that wait for a result,
 * such as call() and look_up(), dispatch all members in turn until the result is there. So a call
 * between two members is one statement.
 */

#include "test/interop/rogue.h"

#include <bus1/dbus.h>
#include <check.h>
#include <unistd.h>

#define NAME "org.bus1.Test"
#define PATH "/org/bus1/Test"

extern const char *bridge; /* path or name of the program bus1-bridge */
extern struct daemon bus_daemon;
extern struct bus1_dbus *service, *client, *third; /* a test that needs a third opens it */
extern struct bus1_dbus_message *kept;             /* the last call of Keep */

/* The interface NAME of the object at PATH. Its methods are Who, Where, Ignore, Keep and Refuse. */
extern const struct bus1_dbus_interface member_interfaces[];

/* Start a bus with these rules in its default policy; join it as a service and as a client. */
void members_start(const char *rules);
void members_setup(void);
void members_teardown(void);
/* Give NAME to the service, with a node (publish) or without, as legacy programs do (request). */
void publish(void);
void request(void);

/* Dispatch each member once. */
void turn(void);
#define UNTIL(condition)                                                                   \
        do {                                                                               \
                int turns_ = 0;                                                            \
                while (!(condition)) {                                                     \
                        ck_assert_msg(turns_++ < 10000, "waited in vain for " #condition); \
                        turn();                                                            \
                }                                                                          \
        } while (0)

struct answer {
        bool done;
        DBusMessage *reply;
        uint64_t handle;
};

/* A handler that stores a reply and its first handle in userdata, which is a struct answer. */
int answered(struct bus1_dbus_message *reply, void *userdata);
struct answer call(struct bus1_dbus *from, uint64_t to, const char *destination, const char *path,
                   const char *member, const uint64_t *handle);
/* Call and wait. Takes over the reference to m. */
struct answer call_message(struct bus1_dbus *from, uint64_t to, DBusMessage *m);
/* Emit a signal from the path PATH, with the interface NAME, without arguments. */
void emit(struct bus1_dbus *from, const char *member);
/* Check the answer and unreference its message. */
void expect_text(struct answer answer, const char *expected);
void expect_error(struct answer answer, const char *name);

/*
 * Look up a name, or with a path an object, by an asynchronous call: the owner may be a member,
 * which must be dispatched meanwhile. Only look_up() waits for the answer.
 */
uint64_t look_up(struct bus1_dbus *from, const char *name, const char *path);
void look_up_begin(struct bus1_dbus *from, const char *name, const char *path,
                   struct answer *answer);
/* Copy a handle of the client to the peer of a rogue. Returns the ID of the copy. */
uint64_t hand_to(struct rogue *rogue, uint64_t handle);
/* Run all tests of a suite. Returns the exit status. */
int run_suite(Suite *suite, int argc, char **argv);
