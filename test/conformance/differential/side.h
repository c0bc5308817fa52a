/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The two sides: a daemon and connections to it
 *
 * The test does the same on both sides: it writes the same bytes and collects what each connection
 * receives. A channel is one connection on one side.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "test/conformance/differential/wire.h"

enum {
        SIDE_REFERENCE,
        SIDE_BRIDGE,
        N_SIDES,
};

struct daemon {
        const char *binary;
        char directory[64];
        char address[200];
        pid_t pid;
};

/*
 * Write a configuration into directory, and start the daemon with it. label is the name of the
 * files in directory. A failure ends the program.
 */
void daemon_start(struct daemon *daemon, const char *binary, const char *directory,
                  const char *label);
/* End the daemon. Returns false if it had ended before or does not end cleanly. */
bool daemon_stop(struct daemon *daemon);

struct channel {
        int fd;
        bool closed; /* the bus has closed the connection */
        bool broken; /* malformed bytes arrived, nothing arrived for too long, or recv() failed */
        uint8_t *in;
        size_t n_in, n_size;
        size_t n_taken;   /* bytes of `in` that channel_read_until() has taken as messages */
        size_t *messages; /* the offsets of these messages in `in` */
        size_t n_messages, n_messages_size;
};

/* Connect and authenticate, without Hello. */
void channel_open(struct channel *channel, const struct daemon *daemon, bool with_fds);
void channel_close(struct channel *channel);
void channel_write(struct channel *channel, const struct bytes *message);
/*
 * Read messages until found() returns true for one. Returns false if the channel is closed or
 * broken before that.
 */
bool channel_read_until(struct channel *channel,
                        bool (*found)(const struct received *m, const void *userdata),
                        const void *userdata);
/* Get message i of those that channel_read_until() has read. Returns false if it is malformed. */
bool channel_get(const struct channel *channel, size_t i, struct received *ret);
/* Discard all messages that channel_read_until() has read. */
void channel_forget(struct channel *channel);
