/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The log. */

#include "bridge/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SYSLOG_FACILITY_DAEMON (3 << 3)

void log_init(struct log *log, const char *program) {
        *log = (struct log){.program = program, .to_stderr = true, .syslog_fd = -1};
}

void log_deinit(struct log *log) {
        if (log->syslog_fd >= 0)
                close(log->syslog_fd);
        log->syslog_fd = -1;
}

void log_set_context(struct log *log, const char *type) {
        if (!type || !strcmp(type, "session"))
                snprintf(log->context, sizeof(log->context), "[%s uid=%u pid=%u] ",
                         type ? type : "(unset)", (unsigned)getuid(), (unsigned)getpid());
        else
                snprintf(log->context, sizeof(log->context), "[%.32s] ", type);
}

/* A line of its own that cannot wait: stderr may be a pipe that nobody reads. */
static void write_stderr(const char *line, size_t n) {
        struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
        ssize_t ignored;

        if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT)) {
                ignored = write(STDERR_FILENO, line, n);
                (void)ignored;
        }
}

static void write_syslog(struct log *log, enum log_level level, const char *line, size_t n) {
        static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
        char packet[2400];
        int size;

        if (log->syslog_fd < 0) {
                log->syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                if (log->syslog_fd < 0)
                        return;
        }
        size = snprintf(packet, sizeof(packet), "<%d>%.*s", SYSLOG_FACILITY_DAEMON | (int)level,
                        (int)n - 1, line);
        if (size < 0)
                return;
        if ((size_t)size >= sizeof(packet))
                size = sizeof(packet) - 1;
        sendto(log->syslog_fd, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL,
               (const struct sockaddr *)&address, sizeof(address));
}

void log_write_va(struct log *log, enum log_level level, const char *format, va_list args) {
        int saved_errno = errno, start, n;
        char line[2304];

        if (!log)
                return;

        start = snprintf(line, sizeof(line), "%s[%u]: %s", log->program, (unsigned)getpid(),
                         log->context);
        n = vsnprintf(line + start, sizeof(line) - start - 1, format, args);
        if (n < 0)
                n = 0;
        n += start;
        if ((size_t)n > sizeof(line) - 2)
                n = sizeof(line) - 2;

        /* What a client chose must not look like a line of ours. */
        for (int i = start; i < n; i++)
                if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
                        line[i] = ' ';
        line[n++] = '\n';

        if (log->to_stderr)
                write_stderr(line, n);
        if (log->to_syslog)
                write_syslog(log, level, line, n);
        errno = saved_errno;
}

void log_write(struct log *log, enum log_level level, const char *format, ...) {
        va_list args;

        va_start(args, format);
        log_write_va(log, level, format, args);
        va_end(args);
}
