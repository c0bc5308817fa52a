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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ids.h"

#define NAME_SERVICE_BUFFER_MAX (16 << 20)

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
        case ERANGE:
                return -error;
        default:
                return 1;
        }
}

/*
 * The ID in a line of passwd(5) or group(5), which both begin with NAME:PASSWORD:ID. 1 when there
 * is none.
 */
static int find_in_file(const char *path, const char *name, id_t *ret_id) {
        size_t n = strlen(name), room = 0;
        char *line = NULL;
        FILE *f;
        int r = 1;

        f = fopen(path, "re");
        while (f && r > 0 && getline(&line, &room, f) >= 0) {
                char *id;

                if (strncmp(line, name, n) != 0 || line[n] != ':')
                        continue;
                id = strchr(line + n + 1, ':');
                if (!id)
                        continue;
                id++;
                id[strcspn(id, ":\n")] = '\0';
                r = parse_id(id, ret_id) ? 0 : 1;
        }
        free(line);
        if (f)
                fclose(f);
        return r;
}

/* The name service; as getpwnam_r() and getgrnam_r(), but for the type of what they find. */
static int ask(int (*lookup)(const char *name, char *buffer, size_t n, id_t *ret_id),
               const char *name, id_t *ret_id) {
        for (size_t n = 4096;; n *= 4) {
                char *buffer = malloc(n);
                int r;

                if (!buffer)
                        return -ENOMEM;
                do
                        r = lookup(name, buffer, n, ret_id);
                while (r == EINTR);
                free(buffer);
                if (r != ERANGE || n > NAME_SERVICE_BUFFER_MAX)
                        return r > 0 ? not_found(r) : r < 0 ? 1 : 0;
        }
}

/* 0; -1 when there is no such user; else an errno. */
static int lookup_user(const char *name, char *buffer, size_t n, id_t *ret_uid) {
        struct passwd entry, *found;
        int r;

        r = getpwnam_r(name, &entry, buffer, n, &found);
        if (!found)
                return r ?: -1;
        *ret_uid = found->pw_uid;
        return 0;
}

static int lookup_group(const char *name, char *buffer, size_t n, id_t *ret_gid) {
        struct group entry, *found;
        int r;

        r = getgrnam_r(name, &entry, buffer, n, &found);
        if (!found)
                return r ?: -1;
        *ret_gid = found->gr_gid;
        return 0;
}

int policy_resolve_user(const char *name, id_t *ret_uid) {
        int r;

        if (!*name)
                return 1;
        if (parse_id(name, ret_uid))
                return 0;
        r = find_in_file("/etc/passwd", name, ret_uid);
        return r > 0 ? ask(lookup_user, name, ret_uid) : r;
}

int policy_resolve_group(const char *name, id_t *ret_gid) {
        int r;

        if (!*name)
                return 1;
        if (parse_id(name, ret_gid))
                return 0;
        r = find_in_file("/etc/group", name, ret_gid);
        return r > 0 ? ask(lookup_group, name, ret_gid) : r;
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
