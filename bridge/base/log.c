/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bridge/base/journal.h"

/* syslog's facility "daemon" */
#define LOG_FACILITY 3
#define LOG_FACILITY_TEXT "3"

void log_init(struct log *log, const char *program) {
        *log = (struct log){
                .program = program,
                .to_stderr = true,
                .stderr_is_journal = journal_has(STDERR_FILENO),
                .syslog_fd = -1,
        };
}

void log_deinit(struct log *log) {
        if (log->syslog_fd >= 0)
                close(log->syslog_fd);
        log->syslog_fd = -1;
}

void log_set_context(struct log *log, const char *type) {
        if (!type || strcmp(type, "session") == 0)
                snprintf(log->context, sizeof(log->context), "[%s uid=%u pid=%u] ",
                         type ? type : "(unset)", (unsigned)getuid(), (unsigned)getpid());
        else
                snprintf(log->context, sizeof(log->context), "[%.32s] ", type);
}

/* Does not wait for room: standard error may be a pipe that nobody reads. */
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
        size = snprintf(packet, sizeof(packet), "<%d>%.*s", LOG_FACILITY << 3 | (int)level,
                        (int)n - 1, line);
        if (size < 0)
                return;
        if ((size_t)size >= sizeof(packet))
                size = sizeof(packet) - 1;
        sendto(log->syslog_fd, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL,
               (const struct sockaddr *)&address, sizeof(address));
}

/* Returns false if the line must go elsewhere, for example because there is no journal. */
static bool write_journal(struct log *log, enum log_level level, const struct log_field *fields,
                          size_t n_fields, const char *text, size_t n_text) {
        struct journal_entry entry;
        char number[2] = {(char)('0' + level)};
        int r;

        entry.n = 0;
        journal_add(&entry, "MESSAGE", text, n_text);
        journal_add(&entry, "PRIORITY", number, 1);
        journal_add(&entry, "SYSLOG_FACILITY", LOG_FACILITY_TEXT, strlen(LOG_FACILITY_TEXT));
        journal_add(&entry, "SYSLOG_IDENTIFIER", log->program, strlen(log->program));
        for (size_t i = 0; i < n_fields; i++)
                journal_add(&entry, fields[i].key, fields[i].value, strlen(fields[i].value));
        r = journal_send(&log->syslog_fd, &entry);
        if (r == -EAGAIN)
                log->n_lost++;
        return r >= 0 || r == -EAGAIN;
}

void log_write_fields(struct log *log, enum log_level level, const struct log_field *fields,
                      size_t n_fields, const char *format, va_list args) {
        int saved_errno = errno, start, n;
        bool in_journal = false;
        char line[2304];
        unsigned long n_lost;
        size_t prefix;

        if (!log)
                return;

        prefix = snprintf(line, sizeof(line), "%.128s[%u]: ", log->program, (unsigned)getpid());
        start = (int)prefix + snprintf(line + prefix, sizeof(line) - prefix, "%s", log->context);
        n = vsnprintf(line + start, sizeof(line) - start - 1, format, args);
        if (n < 0)
                n = 0;
        n += start;
        if ((size_t)n > sizeof(line) - 2)
                n = sizeof(line) - 2;

        /* A client's text may contain line breaks, but it must not forge another line. */
        for (int i = start; i < n; i++)
                if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
                        line[i] = ' ';
        line[n++] = '\n';

        n_lost = log->n_lost;
        if (log->to_syslog || (log->to_stderr && log->stderr_is_journal))
                in_journal =
                        write_journal(log, level, fields, n_fields, line + prefix, n - prefix - 1);
        if (log->to_stderr && !(in_journal && log->stderr_is_journal))
                write_stderr(line, n);
        if (log->to_syslog && !in_journal)
                write_syslog(log, level, line, n);
        if (in_journal && n_lost > 0 && log->n_lost == n_lost) {
                log->n_lost = 0;
                log_write(log, LOG_LEVEL_WARNING,
                          "%lu lines were lost, because the journal did not keep up", n_lost);
        }
        errno = saved_errno;
}

void log_write(struct log *log, enum log_level level, const char *format, ...) {
        va_list args;

        va_start(args, format);
        log_write_fields(log, level, NULL, 0, format, args);
        va_end(args);
}
