/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Requesters: what /proc tells about a process. */

#include "bridge/bus/requester.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define COMM_MAX 16
#define CGROUP_MAX 4096 /* of the file; a longer one is cut */
#define VALUE_MAX 128   /* bytes of one value in the log */

/* Read a file of /proc/PID as a string. False if there is nothing to read. */
static bool read_proc(uint32_t pid, const char *file, char *text, size_t n_text) {
        CLEANUP_CLOSE int fd = -1;
        char path[64];
        ssize_t n;

        if (pid == 0)
                return false;
        snprintf(path, sizeof(path), "/proc/%u/%s", pid, file);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd >= 0 ? read(fd, text, n_text - 1) : -1;
        if (n <= 0)
                return false;
        text[n] = '\0';
        return true;
}

bool requester_read_comm(uint32_t pid, char comm[static COMM_MAX]) {
        char line[COMM_MAX + 1];

        if (!read_proc(pid, "comm", line, sizeof(line)))
                return false;
        line[strcspn(line, "\n")] = '\0';
        memcpy(comm, line, COMM_MAX);
        comm[COMM_MAX - 1] = '\0';
        return true;
}

static bool is_unit(const char *name, size_t n) {
        return (n > 8 && memcmp(name + n - 8, ".service", 8) == 0) ||
               (n > 6 && memcmp(name + n - 6, ".scope", 6) == 0);
}

/*
 * The unit is the last part of the cgroup's path that is named like one. Processes may make further
 * cgroups below that of their unit.
 */
static bool read_unit(uint32_t pid, char *unit, size_t n_unit) {
        char text[CGROUP_MAX], *line, *end;

        if (!read_proc(pid, "cgroup", text, sizeof(text)))
                return false;
        line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        if (!line)
                line = strstr(text, ":name=systemd:");
        line = line ? strchr(line, '/') : NULL;
        if (!line)
                return false;

        end = line + strcspn(line, "\n");
        while (end > line) {
                char *begin = end;

                while (begin > line && begin[-1] != '/')
                        begin--;
                if (is_unit(begin, end - begin) && (size_t)(end - begin) < n_unit) {
                        memcpy(unit, begin, end - begin);
                        unit[end - begin] = '\0';
                        return true;
                }
                end = begin > line ? begin - 1 : line;
        }
        return false;
}

/* A text of the log that is being made. What does not fit is left out. */
struct text {
        char *at, *end;
};

/* Append key="value". Bytes that could end the value or the line become \xNN. */
static void add(struct text *text, const char *key, const char *value) {
        char quoted[4 * VALUE_MAX + 1], *to = quoted;
        int n;

        for (size_t i = 0; value[i] && i < VALUE_MAX; i++) {
                unsigned char c = value[i];

                if (c < ' ' || c >= 127 || c == '"' || c == '\\')
                        to += sprintf(to, "\\x%02x", c);
                else
                        *to++ = (char)c;
        }
        *to = '\0';
        n = snprintf(text->at, text->end - text->at, " %s=\"%s\"", key, quoted);
        if (n > 0 && n < text->end - text->at)
                text->at += n;
        *text->at = '\0';
}

const char *requester_describe(const struct client_credentials *credentials,
                               char text[static REQUESTER_MAX]) {
        struct text rest = {.at = text, .end = text + REQUESTER_MAX};
        char comm[COMM_MAX], unit[256];

        rest.at += sprintf(text, "uid=%d pid=%d", (int)credentials->uid, (int)credentials->pid);
        if (requester_read_comm(credentials->pid, comm))
                add(&rest, "comm", comm);
        if (read_unit(credentials->pid, unit, sizeof(unit)))
                add(&rest, "unit", unit);
        if (credentials->label)
                add(&rest, "label", credentials->label);
        return text;
}
