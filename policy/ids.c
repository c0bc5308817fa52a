/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values in a configuration - see the header
 */

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>

#include "policy/ids.h"

/* A plain decimal ID. The highest one is the kernel's "none". */
static bool parse_id(const char *text, id_t *ret_id) {
        unsigned long long id;
        char *end;

        if (!isdigit((unsigned char)*text))
                return false;
        errno = 0;
        id = strtoull(text, &end, 10);
        if (errno || *end || id >= UINT32_MAX)
                return false;
        *ret_id = (id_t)id;
        return true;
}

/*
 * What it means that an entry was not found. Name services set errno to all sorts of things for
 * "no such user"; only a lack of resources says nothing about the user.
 */
static int not_found(int error) {
        switch (error) {
        case ENOMEM:
        case EMFILE:
        case ENFILE:
        case EIO:
                return -error;
        default:
                return 1;
        }
}

int policy_resolve_user(const char *name, id_t *ret_uid) {
        struct passwd *entry;

        if (!*name)
                return 1;
        if (parse_id(name, ret_uid))
                return 0;
        do {
                errno = 0;
                entry = getpwnam(name);
        } while (!entry && errno == EINTR);
        if (!entry)
                return not_found(errno);
        *ret_uid = entry->pw_uid;
        return 0;
}

int policy_resolve_group(const char *name, id_t *ret_gid) {
        struct group *entry;

        if (!*name)
                return 1;
        if (parse_id(name, ret_gid))
                return 0;
        do {
                errno = 0;
                entry = getgrnam(name);
        } while (!entry && errno == EINTR);
        if (!entry)
                return not_found(errno);
        *ret_gid = entry->gr_gid;
        return 0;
}

int policy_parse_integer(const char *text, int64_t *ret_value) {
        intmax_t value;
        char *end;

        errno = 0;
        value = strtoimax(text, &end, 0);
        if (end == text)
                return -EINVAL;
        if (errno || value < INT64_MIN || value > INT64_MAX)
                return -ERANGE;
        while (isspace((unsigned char)*end))
                end++;
        *ret_value = value;
        return *end ? 1 : 0;
}
