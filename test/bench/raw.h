/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The D-Bus protocol without a library
 *
 * Benchmarks and stress tests use this instead of a D-Bus library, whose cost would be measured
 * too. It can connect, authenticate (SASL EXTERNAL), call Hello, and build a message once and patch
 * it many times. All messages must have the native byte order. If the bus refuses the
 * authentication or a call, the program ends with an error text.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
        RAW_CALL = 1,
        RAW_RETURN = 2,
        RAW_ERROR = 3,
        RAW_SIGNAL = 4,
};

#define RAW_NO_REPLY 1

/* The parts of a message. Fields from reply_serial to signature are left out if NULL or 0. */
struct raw_fields {
        uint8_t type;
        uint8_t flags;
        uint32_t serial;
        uint32_t reply_serial;
        uint32_t n_fds;
        const char *path;
        const char *interface;
        const char *member;
        const char *destination;
        const char *signature;
        const void *body;
        size_t n_body;
};

/* messages */

/* Build a message in new memory, which the caller frees. */
uint8_t *raw_build(const struct raw_fields *fields, size_t *ret_n);
/*
 * Like raw_build(), for a call to the bus. argument is the only argument of the call, a string, or
 * NULL for a call without arguments. RequestName also gets the flags 0.
 */
uint8_t *raw_build_bus_call(uint32_t serial, size_t *ret_n, const char *member,
                            const char *argument);

/* The size of the message at data, or 0 if n, the number of bytes there, is less than 16. */
size_t raw_message_size(const uint8_t *data, size_t n);
uint32_t raw_message_serial(const uint8_t *data);
void raw_message_set_serial(uint8_t *data, uint32_t serial);
/* The offset of the value of the header field with this code, or 0 if there is none. */
size_t raw_message_field_at(const uint8_t *data, size_t n, uint8_t code);
/* The same for REPLY_SERIAL. */
size_t raw_message_reply_serial_at(const uint8_t *data, size_t n);
/* Is the message, or what begins with its whole header, a return or an error for this serial? */
bool raw_message_answers(const uint8_t *data, size_t n, uint32_t serial);

/* connections */

/*
 * Connect to the first "unix:path=" of an address list, or else to the first "unix:abstract=".
 * Returns the descriptor, or -1 with errno.
 */
int raw_connect(const char *address);
/* Authenticate and call Hello. Stores the unique name. */
void raw_hello(int fd, char unique[static 64]);
/*
 * Send a call to the bus and wait for the reply. Messages that arrive before the reply are dropped.
 * An error reply ends the program.
 */
void raw_bus_call(int fd, const char *member, const char *argument);

/* bytes */

void raw_write(int fd, const void *data, size_t n);
void raw_read(int fd, void *data, size_t n);
/*
 * Read one message into new memory. Returns NULL if the connection ends or fails before 16 bytes of
 * the message have come. If it ends or fails later, the program ends.
 */
uint8_t *raw_read_message(int fd, size_t *ret_n);

/* Let this process, and those that it starts, have as many descriptors as the hard limit allows. */
void raw_raise_fd_limit(void);
__attribute__((noreturn, format(printf, 1, 2))) void raw_fail(const char *format, ...);
