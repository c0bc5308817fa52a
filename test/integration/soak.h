/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A client of test-reexec-soak.py - what it sends, and whether what it gets is complete
 *
 * Each client calls all others in turn, with some calls under way, and broadcasts ticks. It
 * numbers its calls to each other client, and its ticks, from 1 on. The receiver fails unless the
 * numbers come one after the other; so does the caller if the answer has another number. Each tenth
 * call has a descriptor: a file with the number. What a library has to do is in a struct
 * soak_library. The test speaks with the client in lines:
 *
 *      <- ready UNIQUE-NAME
 *      -> know UNIQUE-NAME...      all clients, this one too
 *      <- known
 *      -> go
 *      -> stop
 *      <- sent TICKS CALLS...      to each client, in the order of "know"; all have been answered
 *      -> expect TICKS CALLS ...   from each client, in the same order
 *      <- ok DESCRIPTORS           all have come, and as many descriptors
 *      <- FAULT text               at any time
 */

#include <stddef.h>
#include <stdint.h>

#define SOAK_PATH "/com/example/Soak"
#define SOAK_INTERFACE "com.example.Soak"
#define SOAK_RULE "type='signal',interface='" SOAK_INTERFACE "',member='Tick'"
#define SOAK_TIMEOUT 60 /* seconds for an answer */

struct soak_library {
        /* What to wait for before process(); *timeout is in milliseconds, or -1. */
        int (*wait)(short *ret_events, int *ret_timeout);
        /* Read, write and dispatch what is there. */
        void (*process)(void);
        /*
         * Call Take (t -> t), or, with a descriptor, TakeFd (th -> t). The caller closes fd.
         * soak_answered() follows.
         */
        void (*call)(const char *destination, size_t peer, uint64_t number, int fd);
        void (*tick)(uint64_t number); /* signal Tick (t) */
};

/* The client is on the bus, owns its name and has its rule. Does not return. */
_Noreturn void soak_run(const struct soak_library *library, const char *unique);

/* Events. The descriptor is the caller's; -1: none. */
void soak_take(const char *sender, uint64_t number, int fd);
void soak_answered(size_t peer, uint64_t number, uint64_t answer);
void soak_ticked(const char *sender, uint64_t number);
_Noreturn void soak_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
