/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Two ends that exchange messages
 *
 * The same few operations on what a kernel has for it: peers of bus1.ko, AF_UNIX sockets and pipes.
 * All of them preserve the bounds of messages. Nothing returns an error: what fails ends the
 * program with a message.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum end_kind {
        END_BUS1,     /* by ioctl() */
        END_LIBBUS1,  /* the same, with libbus1 */
        END_SOCKET,   /* SOCK_SEQPACKET; waits with poll(), as a program with an event loop does */
        END_BLOCKING, /* the same, but waits in recv() */
        END_PIPE,     /* in packet mode, one for each direction; waits with poll() */
        N_END_KINDS,
};

struct bus1_client;

struct end {
        enum end_kind kind;
        int fd;                     /* where messages come from */
        int out;                    /* of a pipe, where they go to */
        uint64_t handle;            /* of a peer, to a node of the other end */
        struct bus1_client *client; /* of libbus1 */
};

void end_pair(enum end_kind kind, struct end ends[static 2]);
void end_close(struct end *end);
/* Of kind BUS1: a handle, for the other, to a new node. */
uint64_t end_introduce(const struct end *end, const struct end *to);

/* Wait for a message, unless receiving does so itself. */
void end_wait(const struct end *end);
void end_send(const struct end *end, const void *data, size_t n);
/* False when there is none; of these that wait, when the other end is closed. */
bool end_recv(const struct end *end, void *data, size_t n);

/* One message through several handles of the sender. */
void end_multicast(const struct end *end, const uint64_t *handles, size_t n_handles,
                   const void *data, size_t n);

/* descriptors: of kinds BUS1 and SOCKET */

void end_send_fd(const struct end *end, int fd);
int end_recv_fd(const struct end *end);

/* capabilities */

/*
 * The one makes a capability and passes it to the other, who ends it, which the one is told of.
 * bus1: a node and its handle. Otherwise a pair of sockets or a pipe, of which an end is passed on
 * sockets.
 */
void capability_pass_new(const struct end *from, const struct end *to);
/* Of kind BUS1: pass on a handle, which the other releases. */
void capability_pass(const struct end *from, const struct end *to, uint64_t handle);
