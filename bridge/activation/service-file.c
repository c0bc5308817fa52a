/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Service files: desktop entry syntax, line by line
 *
 * The parser follows what dbus-daemon was seen to do. Lines end with LF, CR or CRLF. A line is
 * blank, a comment, a [group] or KEY=value. The escapes of each value are decoded, in all groups,
 * unless the key has a [locale]. If a group, or a key in a group, occurs several times, the first
 * one counts. One bad line makes the file bad.
 */

#include "bridge/activation/service-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "bridge/base/owner.h"
#include "bridge/wire/names.h"
#include "policy/config.h"

#define GROUP "D-BUS Service"
#define SUFFIX ".service"

struct parser {
        const char *path;
        unsigned line;
        unsigned name_line;
        bool in_group; /* a group has begun */
        bool is_ours;  /* the current group is the first [D-BUS Service] */
        bool seen_ours;
        struct service *service;
        char **ret_error;
};

/* keys */

static const struct {
        const char *key;
        size_t offset;
} keys[] = {
        {"Name", offsetof(struct service, name)},
        {"Exec", offsetof(struct service, exec)},
        {"User", offsetof(struct service, user)},
        {"SystemdService", offsetof(struct service, systemd_unit)},
        {"AssumedAppArmorLabel", offsetof(struct service, apparmor_label)},
};

/* Where the value of a key is stored; NULL for an unknown key. */
static char **find_field(struct service *service, const char *key, size_t n) {
        for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
                if (strlen(keys[i].key) == n && memcmp(keys[i].key, key, n) == 0)
                        return (char **)((char *)service + keys[i].offset);
        return NULL;
}

/* errors */

static int fail_line(struct parser *parser, const char *what) {
        return set_error(parser->ret_error, -EINVAL, "%s:%u: %s", parser->path, parser->line, what);
}

/* lines */

static bool is_blank(const char *line, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!strchr(" \t\f", line[i]))
                        return false;
        return true;
}

static bool is_group(const char *line, size_t n) {
        if (n < 3 || line[n - 1] != ']')
                return false;
        for (size_t i = 1; i < n - 1; i++)
                if (line[i] < ' ' || line[i] > '~' || line[i] == '[' || line[i] == ']')
                        return false;
        return true;
}

static bool is_key_character(char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '-';
}

/*
 * Decode n bytes of a value into the buffer to, which has room for n + 1 bytes. Returns false if a
 * backslash begins no known escape.
 */
static bool decode(const char *value, size_t n, char *to) {
        static const char escapes[] = "s n\nt\tr\r\\\\";

        for (size_t i = 0; i < n; i++) {
                const char *escape = escapes;

                if (value[i] != '\\') {
                        *to++ = value[i];
                        continue;
                }
                if (++i == n)
                        return false;
                while (*escape && *escape != value[i])
                        escape += 2;
                if (!*escape)
                        return false;
                *to++ = escape[1];
        }
        *to = '\0';
        return true;
}

static int parse_group(struct parser *parser, const char *line, size_t n) {
        if (!is_group(line, n))
                return fail_line(parser, "Not a valid group header");
        parser->in_group = true;
        parser->is_ours = !parser->seen_ours && n == sizeof(GROUP) + 1 &&
                          !memcmp(line + 1, GROUP, sizeof(GROUP) - 1);
        parser->seen_ours = parser->seen_ours || parser->is_ours;
        return 0;
}

static int parse_key(struct parser *parser, const char *line, size_t n) {
        const char *equals = memchr(line, '=', n), *value;
        CLEANUP_FREE char *decoded = NULL;
        size_t n_key = 0, n_value, at;
        char **field;

        if (!parser->in_group)
                return fail_line(parser, "A line before the first group");
        while (n_key < n && is_key_character(line[n_key]))
                n_key++;
        if (n_key == 0 || !equals)
                return fail_line(parser, "Neither a comment, a group nor a key and its value");
        if (line[n_key] == '[')
                return 0;
        for (at = n_key; line[at] == ' ';)
                at++;
        if (line + at != equals)
                return fail_line(parser, "Not the name of a key");
        for (value = equals + 1; value < line + n && *value == ' ';)
                value++;
        n_value = (size_t)(line + n - value);

        decoded = malloc(n_value + 1);
        if (!decoded)
                return -ENOMEM;
        if (!decode(value, n_value, decoded))
                return fail_line(parser, "A backslash that begins no known escape");
        field = parser->is_ours ? find_field(parser->service, line, n_key) : NULL;
        if (!field || *field)
                return 0;
        *field = steal_ptr(&decoded);
        if (field == &parser->service->name)
                parser->name_line = parser->line;
        return 0;
}

static int parse_lines(struct parser *parser, const char *text, size_t n) {
        const char *end = text + n;
        int r = 0;

        for (const char *line = text, *next; line < end && r >= 0; line = next) {
                size_t k = 0, left = (size_t)(end - line);

                while (k < left && line[k] != '\n' && line[k] != '\r')
                        k++;
                next = line + k;
                if (next < end)
                        next += left - k > 1 && next[0] == '\r' && next[1] == '\n' ? 2 : 1;
                parser->line++;

                if (*line == '#' || is_blank(line, k))
                        continue;
                r = *line == '[' ? parse_group(parser, line, k) : parse_key(parser, line, k);
        }
        return r;
}

/* the file */

static int check(struct parser *parser) {
        struct service *service = parser->service;

        if (!parser->seen_ours)
                return set_error(parser->ret_error, -EINVAL, "%s: There is no [" GROUP "]",
                                 parser->path);
        if (!service->name)
                return set_error(parser->ret_error, -EINVAL, "%s: [" GROUP "] has no Name",
                                 parser->path);
        parser->line = parser->name_line;
        if (!name_is_valid_well_known(service->name, strlen(service->name)))
                return fail_line(parser, "Name is not a well-known bus name");
        if (strcmp(service->name, "org.freedesktop.DBus") == 0)
                return fail_line(parser, "Name is that of the bus itself");
        return 0;
}

/* Some keys count as missing if their value is empty. */
static void drop_empty(char **field) {
        if (*field && !**field) {
                free(*field);
                *field = NULL;
        }
}

static void service_freep(struct service **service) {
        service_free(*service);
}

int service_file_parse(const char *text, size_t n, const char *path, struct service **ret_service,
                       char **ret_error) {
        CLEANUP(service_freep) struct service *service = NULL;
        struct parser parser = {.path = path, .ret_error = ret_error};
        int r;

        *ret_error = NULL;
        if (!name_is_valid_utf8(text, n))
                return set_error(ret_error, -EINVAL, "%s: Not text in UTF-8", path);
        parser.service = service = calloc(1, sizeof(*service));
        if (!service)
                return -ENOMEM;
        service->path = strdup(path);
        r = service->path ? parse_lines(&parser, text, n) : -ENOMEM;
        if (r >= 0)
                r = check(&parser);
        if (r < 0)
                return r;
        drop_empty(&service->user);
        drop_empty(&service->systemd_unit);
        drop_empty(&service->apparmor_label);
        *ret_service = steal_ptr(&service);
        return 0;
}

/* Read max bytes, or fewer if the file ends before. */
static ssize_t read_all(int fd, char *buffer, size_t max) {
        size_t n = 0;
        ssize_t k;

        do {
                k = TEMP_FAILURE_RETRY(read(fd, buffer + n, max - n));
                if (k > 0)
                        n += (size_t)k;
        } while (k > 0 && n < max);
        return k < 0 ? -errno : (ssize_t)n;
}

static int read_open(int fd, const char *path, const char *file_name, bool must_be_ours,
                     struct service **ret_service, char **ret_error) {
        CLEANUP_FREE char *buffer = NULL;
        struct service *service;
        struct stat st;
        ssize_t n;
        int r;

        if (fstat(fd, &st) < 0)
                return set_error(ret_error, -errno, "%s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return set_error(ret_error, -EINVAL, "%s: Not a regular file", path);
        if (must_be_ours && !owner_is_ours(st.st_uid))
                return set_error(ret_error, -EPERM, "%s: Left out, because it belongs to uid %u",
                                 path, (unsigned)st.st_uid);
        if (st.st_size > SERVICE_FILE_SIZE_MAX)
                return set_error(ret_error, -EINVAL, "%s: Larger than %d bytes", path,
                                 SERVICE_FILE_SIZE_MAX);
        buffer = malloc((size_t)st.st_size + 1);
        if (!buffer)
                return -ENOMEM;
        /* If a program is still writing the file, a new stamp will make the bus read it again. */
        n = read_all(fd, buffer, (size_t)st.st_size);
        if (n < 0)
                return set_error(ret_error, (int)n, "%s: %s", path, strerror((int)-n));
        r = service_file_parse(buffer, (size_t)n, path, &service, ret_error);
        if (r < 0)
                return r;

        service->stamp = bus_config_stamp(&st);
        n = (ssize_t)strlen(service->name);
        service->misnamed = strncmp(file_name, service->name, (size_t)n) != 0 ||
                            strcmp(file_name + n, SUFFIX) != 0;
        *ret_service = service;
        return 0;
}

int service_file_read(int directory_fd, const char *directory, const char *file_name,
                      bool must_be_ours, struct service **ret_service, char **ret_error) {
        CLEANUP_FREE char *path = NULL;
        CLEANUP_CLOSE int fd = -1;

        *ret_error = NULL;
        if (asprintf(&path, "%s/%s", directory, file_name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        /*
         * Without O_NONBLOCK, opening a FIFO may block. Without O_NOCTTY, a terminal may become the
         * controlling terminal.
         */
        fd = openat(directory_fd, file_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return set_error(ret_error, -errno, "%s: %s", path, strerror(errno));
        return read_open(fd, path, file_name, must_be_ours, ret_service, ret_error);
}

struct service *service_free(struct service *service) {
        if (!service)
                return NULL;
        for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
                free(*(char **)((char *)service + keys[i].offset));
        free(service->path);
        free(service);
        return NULL;
}
