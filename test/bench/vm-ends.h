/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Two ends that exchange messages
 *
 * These are the same few operations on different facilities of the kernel: peers of bus1.ko,
 * AF_UNIX sockets and pipes. All of them preserve the bounds of messages (pipes: up to 4 KiB). No
 * function returns an error: a failure ends the program with an error text.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum end_kind {
        END_BUS1,     /* bus1 by ioctl() */
        END_USERS,    /* like END_BUS1, between two users; needs root */
        END_CALL,     /* bus1, with BUS1_CMD_CALL instead of send, poll and recv */
        END_CALLERS,  /* like END_CALL, between two users; needs root */
        END_LIBBUS1,  /* bus1 with libbus1 */
        END_SOCKET,   /* SOCK_SEQPACKET; waits with poll(), as a program with an event loop does */
        END_BLOCKING, /* SOCK_SEQPACKET; waits in recv() */
        END_PIPE,     /* pipes in packet mode, one for each direction; waits with poll() */
        N_END_KINDS,
};

struct bus1_client;

struct end {
        enum end_kind kind;
        int fd;          /* messages are received here, and sent here unless it is a pipe */
        int out;         /* for a pipe: messages are sent here; else -1 */
        uint64_t handle; /* for a peer: its handle to a node of the other end */
        struct bus1_client *client; /* for END_LIBBUS1; else NULL */
};

void end_pair(enum end_kind kind, struct end ends[static 2]);
void end_close(struct end *end);
/*
 * Open and close one peer for END_BUS1, or a pair for other kinds: a socket alone has nobody to
 * talk to.
 */
void end_open_close(enum end_kind kind);
/*
 * For END_BUS1 and END_CALL: make a node of the first end, and a handle to this node for the second
 * end. Returns the ID of the handle.
 */
uint64_t end_introduce(const struct end *end, const struct end *to);

/* Wait for a message, unless the receive call itself waits. */
void end_wait(const struct end *end);
void end_send(const struct end *end, const void *data, size_t n);
/*
 * Receive a message, or for bus1 also a notification. Returns false if there is none, or if the
 * other end of a socket or pipe is closed. END_BLOCKING waits for a message.
 */
bool end_recv(const struct end *end, void *data, size_t n);

/*
 * Send n_out messages of n_bytes_out bytes. Then wait for a message, and receive one to n_in
 * messages of at most n_bytes_in bytes. n_out and n_in may be up to 16. Returns the number of
 * received messages, which is always 1 for END_BLOCKING.
 */
unsigned end_exchange(const struct end *end, const void *out, size_t n_bytes_out, unsigned n_out,
                      void *in, size_t n_bytes_in, unsigned n_in);

/* Send one message through several handles. */
void end_multicast(const struct end *end, const uint64_t *handles, size_t n_handles,
                   const void *data, size_t n);

/* descriptors: for END_BUS1 and END_SOCKET */

void end_send_fd(const struct end *end, int fd);
int end_recv_fd(const struct end *end);

/* capabilities */

/*
 * The end from makes a capability and passes it to the other end. The other end releases it, and
 * from notices this. For END_BUS1 the capability is a node, and a handle to it is passed. For other
 * kinds it is a pair of sockets, or for END_PIPE a pipe. One descriptor of it is passed over a
 * socket, so the fd of both ends must be a socket.
 */
void capability_pass_new(const struct end *from, const struct end *to);
/* For END_BUS1: from passes one of its handles to the other end, which releases it. */
void capability_pass(const struct end *from, const struct end *to, uint64_t handle);
