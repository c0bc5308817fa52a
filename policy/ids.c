/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values in a configuration: numbers, types, and look-ups in files and the name service. */

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "policy/ids.h"
#include "policy/policy.h"

#define NAME_SERVICE_BUFFER_MAX (16 << 20)

bool policy_parse_id(const char *text, id_t *ret_id) {
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
 * Tell "no such user" (1) from a failure (negative errno). Name services report a missing user with
 * various errnos, so each errno means "no such user", except for those listed here.
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

bool policy_parse_entry(char *line, const char *name, size_t n, id_t *ret_id) {
        char *id, end;
        bool is_valid;
        size_t k;

        if (strncmp(line, name, n) != 0 || line[n] != ':')
                return false;
        id = strchr(line + n + 1, ':');
        if (!id)
                return false;
        id++;
        k = strcspn(id, ":\n");
        end = id[k];
        id[k] = '\0';
        is_valid = policy_parse_id(id, ret_id);
        id[k] = end;
        return is_valid;
}

/*
 * Find the ID of a name in a file like passwd(5) or group(5). Returns 0, or 1 if there is none.
 */
static int find_in_file(const char *path, const char *name, id_t *ret_id) {
        size_t n = strlen(name), room = 0;
        CLEANUP_FCLOSE FILE *f = fopen(path, "re");
        CLEANUP_FREE char *line = NULL;
        int r = 1;

        while (f && r > 0 && getline(&line, &room, f) >= 0) {
                if (policy_parse_entry(line, name, n, ret_id))
                        r = 0;
        }
        return r;
}

/*
 * Looks up a name with a function like getpwnam_r(), which uses the buffer. Returns 0, -1 if there
 * is no such entry, or a positive errno.
 */
typedef int (*lookup_func)(const char *name, char *buffer, size_t n, void *ret_value);

static int ask_name_service(lookup_func lookup, const char *name, void *ret_value) {
        for (size_t n = 4096;; n *= 4) {
                CLEANUP_FREE char *buffer = malloc(n);
                int r;

                if (!buffer)
                        return -ENOMEM;
                do
                        r = lookup(name, buffer, n, ret_value);
                while (r == EINTR);
                if (r != ERANGE || n > NAME_SERVICE_BUFFER_MAX)
                        return r > 0 ? not_found(r) : r < 0 ? 1 : 0;
        }
}

static int lookup_user(const char *name, char *buffer, size_t n, void *ret_uid) {
        struct passwd entry, *found;
        int r;

        r = getpwnam_r(name, &entry, buffer, n, &found);
        if (!found)
                return r ?: -1;
        *(id_t *)ret_uid = found->pw_uid;
        return 0;
}

static int lookup_group(const char *name, char *buffer, size_t n, void *ret_gid) {
        struct group entry, *found;
        int r;

        r = getgrnam_r(name, &entry, buffer, n, &found);
        if (!found)
                return r ?: -1;
        *(id_t *)ret_gid = found->gr_gid;
        return 0;
}

static int lookup_home(const char *name, char *buffer, size_t n, void *ret_home) {
        struct passwd entry, *found;
        int r;

        r = getpwuid_r(geteuid(), &entry, buffer, n, &found);
        if (!found)
                return r ?: -1;
        *(char **)ret_home = strdup(found->pw_dir);
        return *(char **)ret_home ? 0 : ENOMEM;
}

int policy_find_home(char **ret_home) {
        *ret_home = NULL;
        return ask_name_service(lookup_home, NULL, ret_home) == -ENOMEM ? -ENOMEM : 0;
}

static int resolve(const char *path, lookup_func lookup, const char *name, id_t *ret_id) {
        int r;

        if (!*name)
                return 1;
        if (policy_parse_id(name, ret_id))
                return 0;
        r = find_in_file(path, name, ret_id);
        return r > 0 ? ask_name_service(lookup, name, ret_id) : r;
}

int policy_resolve_user(const char *name, id_t *ret_uid) {
        return resolve(POLICY_USERS_FILE, lookup_user, name, ret_uid);
}

int policy_resolve_group(const char *name, id_t *ret_gid) {
        return resolve(POLICY_GROUPS_FILE, lookup_group, name, ret_gid);
}

bool policy_parse_type(const char *text, uint8_t *ret_type) {
        static const char *const names[] = {
                [POLICY_TYPE_METHOD_CALL] = "method_call",
                [POLICY_TYPE_METHOD_RETURN] = "method_return",
                [POLICY_TYPE_ERROR] = "error",
                [POLICY_TYPE_SIGNAL] = "signal",
        };

        for (unsigned i = POLICY_TYPE_METHOD_CALL; i <= POLICY_TYPE_SIGNAL; i++)
                if (strcmp(text, names[i]) == 0) {
                        *ret_type = (uint8_t)i;
                        return true;
                }
        return false;
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
