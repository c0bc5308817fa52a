/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Output - the queue of messages to one socket
 *
 *      output_push()  ->  [ m | m | m | ... ]  ->  output_write()  ->  socket
 *                          ^ head, n_written of its bytes are out
 *
 * Queues share messages by reference. A client is charged with each message in its queue until the
 * message leaves the queue.
 */

#include "bridge/bus/client.h"

struct output {
        int fd;                 /* the socket; not owned */
        struct client *client;  /* the client that is charged; NULL during the handshake */
        struct message **queue; /* ring */
        size_t queue_size, queue_head, n_queued;
        size_t n_written;     /* bytes of the head that are written */
        struct message *last; /* the last one that is written, if it may be sent again; or NULL */
        bool is_broken;       /* the socket will never take another byte */
        size_t n_fds_sent; /* descriptors in the socket, unless the client has read them by now */
};

enum {
        OUTPUT_E_FULL = 1, /* the socket is full: wait for EPOLLOUT */
        OUTPUT_E_STALLED,  /* the kernel is out of memory: there is no event to wait for */
        OUTPUT_E_FDS,      /* too many descriptors are in flight to send the head */
};

/* Make room for one more message. -ENOMEM. */
int output_grow(struct output *output);
/* Append a message; the client, if any, is charged with it already. Adds a reference. -ENOMEM. */
static inline int output_push(struct output *output, struct message *m) {
        int r;

        if (output->n_queued == output->queue_size) {
                r = output_grow(output);
                if (r < 0)
                        return r;
        }
        output->queue[(output->queue_head + output->n_queued++) & (output->queue_size - 1)] =
                message_ref(m);
        return 0;
}
/* Message i of the queue, which has more than i; 0 is the head. */
static inline struct message *output_at(const struct output *output, size_t i) {
        return output->queue[(output->queue_head + i) & (output->queue_size - 1)];
}
/* Append bytes of the handshake, with a descriptor (-1: none), which it takes also on failure. */
int output_push_bytes(struct output *output, const char *bytes, size_t n, int fd);
/*
 * Write until the queue is empty. Returns 0, or OUTPUT_E_* if something is left. If the other end
 * of the socket does not read any more, the queue is emptied.
 */
int output_write(struct output *output);
/* Remove the head, no byte of which may be written yet. The caller owns a reference. */
struct message *output_drop_head(struct output *output);
/*
 * Empty the queue; nothing more will be written. The client will not read the calls that were in
 * it, see unread.h.
 */
void output_break(struct output *output);
/*
 * The other end of a unix socket was closed, and not all bytes were read. A stream is read in its
 * order, so the last byte was not read: the client does not have the last message either.
 */
void output_end_unread(struct output *output);
/* Has the other end of a unix socket not read all that was written? */
bool socket_has_unread(int fd);
/*
 * Does the client still have descriptors to read from the socket? If not, they are not charged to
 * its user any more.
 */
bool output_has_fds_unread(struct output *output);
void output_deinit(struct output *output);
