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

/* Write the configuration below directory and start. A failure ends the program. */
void daemon_start(struct daemon *daemon, const char *binary, const char *directory,
                  const char *label);
/* End the daemon. Returns false if it had ended before or does not end cleanly. */
bool daemon_stop(struct daemon *daemon);

struct channel {
        int fd;
        bool closed; /* the bus has closed the connection */
        bool broken; /* bytes arrived that are not a message, or nothing arrived for too long */
        uint8_t *in;
        size_t n_in, n_size;
        size_t n_taken;   /* bytes of complete messages that channel_read_until() has checked */
        size_t *messages; /* where each of these messages begins in the buffer in */
        size_t n_messages, n_messages_size;
};

/* Connect and authenticate, without Hello. */
void channel_open(struct channel *channel, const struct daemon *daemon, bool with_fds);
void channel_close(struct channel *channel);
void channel_write(struct channel *channel, const struct bytes *message);
/*
 * Read until found() returns true for a message. Returns false if the stream ends before that.
 */
bool channel_read_until(struct channel *channel,
                        bool (*found)(const struct received *m, const void *userdata),
                        const void *userdata);
bool channel_get(const struct channel *channel, size_t i, struct received *ret);
/* Discard all messages read so far. */
void channel_forget(struct channel *channel);
