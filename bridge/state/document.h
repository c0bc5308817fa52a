/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The state document - what a bus hands over to the bus that takes its place
 *
 * A document is a stream of records in a file. A record is a D-Bus message: a signal whose member
 * is the kind of the record, and whose body is a{sv}, the fields. save.h writes documents, load.h
 * reads them; doc/internals/state.md describes the format. This folder does not know which kinds
 * there are, except for the first record (Header), the last one (End), and stored messages
 * (message-record.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A reader accepts documents of its own and of older major versions, and of all their minor ones.
 * A change that older readers can ignore makes a new minor version; every other change makes a new
 * major version.
 */
#ifndef STATE_MAJOR /* a test has another program */
#define STATE_MAJOR 1
#endif
#define STATE_MINOR 0

#define STATE_PATH "/org/bus1/State"
#define STATE_INTERFACE "org.bus1.State1"
#define STATE_SIGNATURE "a{sv}"

#define STATE_HEADER "Header"
#define STATE_END "End"

#define STATE_SIZE_MAX (UINT64_C(1) << 30) /* bytes of a document */
#define STATE_FIELDS_MAX 128               /* fields of a record */
#define STATE_LONG_MAX 16                  /* fields of a record whose bytes follow it */
/* Fields of more bytes than this follow their record, and are not copied into it. */
#define STATE_INLINE_MAX 1024
/* The type of such a field: the number of bytes. */
#define STATE_LONG_SIGNATURE "(t)"
#define STATE_ALIGNMENT 8 /* of records, and of bytes that follow a record */

/* What records refer to by a number. Each table counts from 1, in the order of the document. */
enum state_table {
        STATE_ACCOUNTS,
        STATE_CLIENTS,
        STATE_CONNECTIONS,
        STATE_LISTENERS,
        STATE_MESSAGES,
        STATE_ORPHANS,
        STATE_RULES,
        STATE_STARTS,
        N_STATE_TABLES,
};

/*
 * A set of descriptors, by number. Numbers from STATE_FDS_MAX on are refused: a set needs a bit for
 * each number up to the highest one.
 */
#define STATE_FDS_MAX (1 << 24)

struct state_fds {
        uint64_t *bits;
        size_t n_words;
        size_t n; /* descriptors in the set */
};

/* -EEXIST: the set has it already. -ERANGE: no descriptor, or too large. Or -ENOMEM. */
int state_fds_add(struct state_fds *fds, int64_t fd);
bool state_fds_have(const struct state_fds *fds, int fd);
/* The first descriptor of the set from this number on, or -1. */
int state_fds_next(const struct state_fds *fds, int from);
void state_fds_deinit(struct state_fds *fds);

/* Files: the functions return 0 or a negative errno. */

/* Make an empty file in memory, close-on-exec. */
int state_file_new(int *ret_fd);
/* Make it impossible to change the file. */
int state_file_seal(int fd);
/* Can nobody change the file any more? Only then is it safe to map. */
bool state_file_is_sealed(int fd);
