/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The server - all sockets of the bus: listening sockets and connections
 *
 *      server-setup.c            addresses to listen on, accepting
 *      listen.c  listener*.c     listening sockets
 *      connection-life.c         a connection is made and freed
 *      connection-handshake.c    SASL, until it is a client or the anchor of a native session
 *      connection-messages.c     messages of a client
 *      connection.c              shared by these files: closing, events, sending
 *      input.c  output.c         bytes to messages, messages to bytes
 *      linger.c                  sockets whose descriptors have not been read
 *      cookies.c  keyring.c      the cookies of DBUS_COOKIE_SHA1
 */

#include "bridge/base/loop.h"
#include "bridge/bus/bus.h"
#include "bridge/socket/cookies.h"

/*
 * The size of the buffer for one read: more than a unix socket holds by default, so that one read
 * empties it. All connections share the buffer: each keeps only an unfinished message, and bytes
 * that have to wait.
 */
#define SERVER_BUFFER_SIZE (256 * 1024)

struct connection;
struct lingerer;
struct listener;

struct server {
        struct bus *bus;
        struct loop *loop;
        unsigned mechanisms;  /* SASL_MECHANISM_* */
        bool allow_anonymous; /* may clients that authenticated with ANONYMOUS connect? */
        struct cookies cookies;
        uint8_t *buffer; /* SERVER_BUFFER_SIZE */
        struct listener *listeners;
        struct connection *connections;
        struct lingerer *lingering;
        bool accepting;
        struct loop_timer retry; /* timer: accept again, after descriptors or memory ran out */
        /*
         * timer: write again, after the kernel's memory or the user's descriptors in flight ran
         * out, and see who keeps others of its user waiting
         */
        struct loop_timer stall;
        struct loop_timer linger; /* timer: see whether lingering sockets can be closed */
};
