/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The same values in messages of libdbus-1 and of sd-bus
 *
 * sd-bus does not give out the bytes of a message. So the message is sent through a socket, whose
 * other end is in this process.
 */

#include <dbus/dbus.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

/* The signature and the body of a message. */
struct body {
        char signature[256];
        uint8_t *data;
        size_t n_data;
};

/* A client of sd-bus that is connected to nothing but this process. */
struct sdbus {
        sd_bus *bus;
        int fd;
};

void sdbus_open(struct sdbus *sdbus);
void sdbus_close(struct sdbus *sdbus);
/* A message without values. */
sd_bus_message *sdbus_message(struct sdbus *sdbus);
/* Send a message, and free it. */
void sdbus_body(struct sdbus *sdbus, sd_bus_message *m, struct body *ret);

/* The same for libdbus-1. */
DBusMessage *legacy_message(DBusMessageIter *ret_iter);
void legacy_body(DBusMessage *m, struct body *ret);

void body_free(struct body *body);
/* Descriptors that this process has. */
unsigned count_fds(void);
