/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keyrings - files of cookies that only one user can read (D-Bus spec, "DBUS_COOKIE_SHA1")
 *
 * A keyring is a file in ~/.dbus-keyrings that other buses and programs of the user share. Each
 * line is a cookie: its id, the time when it was made, and the secret in hex. A program that adds a
 * cookie drops old ones. Only a young cookie is used for a new authentication, so that it is not
 * dropped before the client has looked it up.
 *
 * keyring_get() waits for file systems and other processes, so the bus thread must not call it.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define KEYRING_SECRET_HEX_MAX 128

struct keyring_cookie {
        uint32_t id;  /* 31 bits */
        int64_t time; /* seconds of the real clock */
        char secret[KEYRING_SECRET_HEX_MAX + 1];
};

/*
 * The directory of this user's keyrings, below $HOME or the home of the user database. Allocated;
 * NULL if it is unknown, or without memory.
 */
char *keyring_directory(void);

/*
 * Get a cookie of the keyring named context that is young at the time now. If there is none, add
 * one. A missing directory is made. -EPERM if another user owns the directory or can read or write
 * it, -ECANCELED if *cancel becomes true while this waits for the lock (cancel may be NULL),
 * -ENOMEM, -EIO without random bytes, and errors of the file system.
 */
int keyring_get(const char *directory, const char *context, int64_t now, const atomic_bool *cancel,
                struct keyring_cookie *ret_cookie);
