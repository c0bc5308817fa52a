/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A bus with the native front end, and programs, in one process
 *
 * The bus hosts the core. Programs are threads: act() runs a function as one, and the bus serves
 * meanwhile. take_over() lets a second bus take over from the first one. Both are in this process,
 * and have the same descriptors, so each test needs a process of its own.
 */

#include <check.h>

#include "bridge/native/native-private.h"
#include "bridge/wire/writer.h"

struct site {
        struct bus_config *config;
        struct bus bus;
        struct loop loop;
        struct native *native;
};

extern struct site *site; /* that serves */

struct program {
        struct native_anchor anchor;
        struct native_session *session; /* as the bus of now knows it */
        struct bus1_client *client;
        uint32_t number; /* by which a document knows the anchor */
        uint64_t handle; /* to the session node */
        uint32_t serial;
        bool is_closed;   /* the bus has closed the anchor */
        bool is_complete; /* Hello has succeeded */
        int fd;           /* before program_open() */
};

#define N_PROGRAMS 8
extern struct program programs[N_PROGRAMS];
extern unsigned n_programs;

void site_setup(void);
void site_teardown(void);

/* The bus makes a session. A thread then calls program_open(). */
struct program *program_new(void);
void program_open(struct program *program);

/* Run fn(data) as a thread. Returns when it has ended, and the bus has nothing to do. */
void act(void (*fn)(void *data), void *data);

/* For threads: send, with these handles. A new reply handle comes first if *reply is not NULL. */
int program_send(struct program *program, uint64_t to, struct writer *w, const uint64_t *handles,
                 size_t n_handles, uint64_t *reply);
/* Make a node. Returns it; *ret_handle is to be sent. */
uint64_t node_new(struct program *program, uint64_t *ret_handle);
/* The next message, also a notification. The calling function frees it. */
struct bus1_received *program_receive(struct program *program);
bool program_has_message(struct program *program);
/* The message in what was received. */
struct message *message_of(const struct bus1_received *received);
void call_init(struct program *program, struct writer *w, const char *destination,
               const char *interface, const char *member, const char *signature);
/* Call the bus, with a handle unless it is 0, and wait. The answer is a return. */
struct message *call_bus(struct program *program, struct writer *w, uint64_t handle,
                         uint64_t *ret_handle);
/* Say Hello. Returns the home node. */
uint64_t say_hello(struct program *program);

/* documents: 0, or an error, whose text is in error */
int site_save(struct site *s, uint8_t **ret_bytes, size_t *ret_n, char error[256]);
/* Make a second bus, and let it read a document. It does not take over. */
int site_load(const uint8_t *bytes, size_t n, char error[256]);
/* Give that one up: the first one goes on. */
void site_give_up(void);
/* The second one becomes the first one. Checks that the document would be the same. */
void take_over(void);
/* What the core says of the peer of the bus. */
struct bus1_cmd_query query_peer(void);
