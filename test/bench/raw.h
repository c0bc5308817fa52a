/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The D-Bus wire by hand
 *
 * Just enough to drive a bus from a benchmark or a stress test without a D-Bus library whose own
 * cost would be measured too: connect, SASL EXTERNAL, Hello, and messages built once and patched.
 * Native byte order; a wrong answer of the bus ends the program with a message.
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

/* What a message is built from; what is NULL or 0 is left out. */
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

/* The message in memory of its own, to be freed. */
uint8_t *raw_build(const struct raw_fields *fields, size_t *ret_n);
/* A call to the bus; its arguments are strings. NULL ends the list. */
uint8_t *raw_build_bus_call(uint32_t serial, size_t *ret_n, const char *member,
                            const char *argument);

/* The whole size of the message at data, or 0 while fewer than 16 bytes are there. */
size_t raw_message_size(const uint8_t *data, size_t n);
uint32_t raw_message_serial(const uint8_t *data);
void raw_message_set_serial(uint8_t *data, uint32_t serial);
/* Where the value of REPLY_SERIAL is, or 0. */
size_t raw_message_reply_serial_at(const uint8_t *data, size_t n);

/* connections */

/* Connected to the first unix address of an address list, or -1 with errno. */
int raw_connect(const char *address);
/* SASL and Hello; fills unique. */
void raw_hello(int fd, char unique[static 64]);
/* Sends and waits until the bus has answered; what arrives before the answer is dropped. */
void raw_bus_call(int fd, const char *member, const char *argument);

/* bytes */

void raw_write(int fd, const void *data, size_t n);
void raw_read(int fd, void *data, size_t n);
/* Reads one message into memory of its own. NULL on end of file. */
uint8_t *raw_read_message(int fd, size_t *ret_n);

__attribute__((noreturn, format(printf, 1, 2))) void raw_fail(const char *format, ...);
