/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A bus without sockets: the front end of its clients keeps received messages in an array. */

#include <check.h>

#include "bridge/base/log.h"
#include "bridge/bus/configure.h"
#include "bridge/bus/membership.h"
#include "bridge/bus/receive.h"
#include "bridge/bus/tell.h"
#include "bridge/driver/driver.h"
#include "bridge/driver/methods.h"

#define INBOX_MAX 256

struct peer {
        struct client client;
        struct {
                struct message *m;
                uint64_t cookie;        /* of the match rule that let m in, or 0 */
                uint64_t caller_cookie; /* of the pending reply, if m ends one */
        } inbox[INBOX_MAX];
        size_t n, read;             /* messages in the inbox, and how many of them are read */
        uint64_t closed[INBOX_MAX]; /* cookies that reply_closed() ended */
        size_t n_closed;
        uint64_t callee_cookie; /* that deliver() leaves in the pending reply, if a call has one */
        struct reply *opened;   /* the last pending reply that a delivered call has opened */
        int refuse;             /* if not 0: deliver() takes no message, and returns this */
        uint32_t serial;        /* of the last message that the test made for the peer to send */
};

extern struct bus bus;

void fixture_setup(void);
void fixture_teardown(void);

/*
 * peer_new() makes a client that has not said Hello. peer_hello() makes one that has said it, and
 * has read the answer and NameAcquired.
 */
struct peer *peer_new(void);
struct peer *peer_hello(void);
struct peer *peer_free(struct peer *peer);
void peer_disconnect(struct peer *peer);

/* Send the message of the writer. Returns the result of client_receive(). */
int peer_send(struct peer *peer, struct writer *w, uint64_t caller_cookie);
/* Begin a call with a new serial, which is then in peer->serial. */
void peer_call_init(struct peer *peer, struct writer *w, const char *destination, const char *path,
                    const char *interface, const char *member, const char *signature);
/* Call a method of the driver with the strings a and b as arguments, unless they are NULL. */
void peer_call_driver(struct peer *peer, const char *member, const char *a, const char *b);
void peer_signal(struct peer *peer, const char *destination, const char *path,
                 const char *interface, const char *member, const char *arg0);
/* Call RequestName. Returns its result; all messages that it causes stay in the inboxes. */
uint32_t peer_request_name(struct peer *peer, const char *name, uint32_t flags);

/* Return the next message of the inbox that is not read yet, or NULL. */
struct message *peer_next(struct peer *peer);
/*
 * Read the next message of the inbox and check it. The first function expects this signal of the
 * driver. The next two expect this error, or a return, that replies to the message with
 * peer->serial. The last one expects that there is no message.
 */
void peer_expect_signal(struct peer *peer, const char *member, const char *arg0);
void peer_expect_error(struct peer *peer, const char *name);
void peer_expect_return(struct peer *peer);
void peer_expect_nothing(struct peer *peer);
/* Mark all messages of the inbox as read. */
void peer_flush(struct peer *peer);
/* Empty the inbox, for tests with more messages than fit into it. */
void peer_forget(struct peer *peer);

int suite_main(const char *name, TCase *tcase);

/* Catch what the bus logs. */
struct capture {
        struct log log;
        int pipe, stderr_fd;
};

void capture_begin(struct capture *capture);
/* text becomes a string of what was logged. Returns its length, which must be less than size. */
size_t capture_end(struct capture *capture, char *text, size_t size);
