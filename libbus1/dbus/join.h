/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Joining a bus: one of its D-Bus addresses, the SASL handshake, and the negotiation of bus1
 *
 * The connection is an ordinary D-Bus connection until NEGOTIATE_BUS1. The bus agrees in one of two
 * ways:
 *
 * - device: the program sends the descriptor of a peer that it opened on the device, and the bus
 *   transfers the handle of the session node into that peer;
 * - hosted: the bus answers with the socket of a peer on the core that it hosts.
 *
 * After BEGIN, the D-Bus socket carries nothing more. It stays open as the anchor of the session:
 * when either side closes the socket, the session ends.
 *
 * A struct join is an attempt that is under way. It never waits: join_run() goes as far as it can,
 * and the caller runs it again when the descriptor is ready or the deadline has passed. If an
 * address fails, the attempt goes on with the next one.
 *
 *        C: AUTH EXTERNAL <uid>            S: OK <guid>
 *        C: NEGOTIATE_UNIX_FD              S: (any line)
 *        C: NEGOTIATE_BUS1 device          S: AGREE_BUS1 device <session>, or ERROR
 *        C: NEGOTIATE_BUS1 hosted          S: AGREE_BUS1 hosted <session>, or ERROR
 *        C: BEGIN
 */

#include <bus1/bus1.h>
#include <dbus/dbus.h>
#include <stdbool.h>

/* The results of joining. The caller owns client and socket_fd. */
struct joined {
        struct bus1_client *client;
        int socket_fd;
        uint64_t session; /* handle of the session node, in the peer */
};

struct join;

/*
 * Begin an attempt. A program that joins again (again) has two needs of its own: connecting does
 * not wait either, and the GUID in an address is ignored, because a bus that was started anew has
 * another GUID. If client is not NULL, it is a peer on the device that shall be used if the bus
 * takes one: then joined.client is client. Returns -EINVAL for text that is no address.
 */
int join_new(struct join **ret_join, const char *address, bool again, struct bus1_client *client,
             DBusError *error);
/* Give up an attempt. NULL is fine. Returns NULL. */
struct join *join_free(struct join *join);
/*
 * Go on. Returns 0 when the program has joined; -EAGAIN when it has to wait, see below; or another
 * negative errno when all addresses have failed: the errors of bus1_dbus_open(), for the first one.
 */
int join_run(struct join *join, struct joined *ret_joined, DBusError *error);
/* After -EAGAIN: what to wait for, and how long (CLOCK_MONOTONIC, nanoseconds). */
int join_get_fd(const struct join *join);
short join_get_events(const struct join *join); /* POLLIN or POLLOUT */
uint64_t join_get_deadline(const struct join *join);

/* Join and wait. Each address has 25 seconds. */
int membership_join(const char *address, struct joined *ret_joined, DBusError *error);
