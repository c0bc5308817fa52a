/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Native members in one process
 *
 * A bus of its own for each test, a service and a client on it, and what a test does with them: the
 * members are run by turns, so that a call between two of them is one statement.
 */

#include "test/interop/rogue.h"

#include <bus1/dbus.h>
#include <check.h>
#include <unistd.h>

#define NAME "org.bus1.Test"
#define PATH "/org/bus1/Test"

extern const char *bridge; /* the program */
extern struct daemon bus_daemon;
extern struct bus1_dbus *service, *client, *third; /* third is for the test to open */
extern struct bus1_dbus_message *kept;             /* the call that was kept by the method Keep */

/* Who, Where, Ignore, Keep, Refuse; the service has one at PATH. */
extern const struct bus1_dbus_interface member_interfaces[];

/* A bus with further rules in its default policy, the service (without a name) and the client. */
void members_start(const char *rules);
void members_setup(void);
void members_teardown(void);
/* NAME for the service: with a node of its own, or as D-Bus programs do it. */
void publish(void);
void request(void);

/* One turn of all members. */
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

/* A message handler: keeps message and first handle in the struct answer. */
int answered(struct bus1_dbus_message *reply, void *userdata);
struct answer call(struct bus1_dbus *from, uint64_t to, const char *destination, const char *path,
                   const char *member, const uint64_t *handle);
/* Takes the reference. */
struct answer call_message(struct bus1_dbus *from, uint64_t to, DBusMessage *m);
/* A signal of PATH and NAME, without arguments. */
void emit(struct bus1_dbus *from, const char *member);
/* End the answer. */
void expect_text(struct answer answer, const char *expected);
void expect_error(struct answer answer, const char *name);

/* A look-up may need the owner, who is one of us: so not by the blocking function. */
uint64_t look_up(struct bus1_dbus *from, const char *name, const char *path);
void look_up_begin(struct bus1_dbus *from, const char *name, const char *path,
                   struct answer *answer);
/* Give a handle of the client to the peer of a program that never became a member. */
uint64_t hand_to(struct rogue *rogue, uint64_t handle);
/* All tests of a suite; the exit status. */
int run_suite(Suite *suite, int argc, char **argv);
