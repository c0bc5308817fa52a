/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keyrings - files of cookies that only one user can read (D-Bus spec, "DBUS_COOKIE_SHA1")
 *
 * A keyring is a file in ~/.dbus-keyrings, shared with other buses and programs of the user. Each
 * line is a cookie: its id, when it was made, and the secret in hex. Old cookies are dropped by
 * whoever adds a new one; a cookie is only given out for new authentications while it is young, so
 * that it stays there for as long as a client needs to look it up.
 *
 * These functions wait for file systems and other processes: they are not for the bus's own thread.
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

/* Where the keyrings of this process's user are: $HOME, or what the user database says. Allocated,
 * NULL when unknown. */
char *keyring_directory(void);

/*
 * A cookie of the keyring named context, young enough at the time now; added if there is none. The
 * directory is made when missing; it must be the user's own, for nobody else to read or write.
 * Gives up with -ECANCELED when *cancel (may be NULL) becomes true. -EPERM for a directory that is
 * open to others, -ENOMEM, and what file systems say.
 */
int keyring_get(const char *directory, const char *context, int64_t now, const atomic_bool *cancel,
                struct keyring_cookie *ret_cookie);
