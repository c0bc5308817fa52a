/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Values by type string, written to bytes and read from bytes, without libdbus-1
 *
 * The type strings are those of <bus1/dbus-values.h>. These functions know the types that need
 * nothing beside the body: no descriptors (h) and no handles (H). They also leave the unusual to
 * their callers, who then go the longer way through a DBusMessage, which also finds out what is
 * wrong, if anything is.
 */

#include <stdarg.h>
#include <stdbool.h>

struct message;
struct writer;

/*
 * Write values to w, which was initialised with types as its signature. Returns false if that is
 * not possible: types is no signature, or there are types or a depth of nesting that this file does
 * not know. Then w is useless. writer_finish() finds out whether strings and paths are valid.
 */
bool plain_write(struct writer *w, const char *types, va_list args);
/*
 * The same for the arguments of dbus_message_append_args(), if all types are basic. signature gets
 * their signature, which must be that of w.
 */
#define PLAIN_SIGNATURE_SIZE 256
bool plain_write_args(struct writer *w, char signature[static PLAIN_SIGNATURE_SIZE],
                      int first_arg_type, va_list args);
/*
 * Read values from the start of the body. Returns false, and has set nothing, if the message does
 * not have these values, or they have types that this file does not know.
 */
bool plain_read(const struct message *m, const char *types, va_list args);
