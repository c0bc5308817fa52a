/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test/interop/executions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXECUTED "has executed its program again"
#define REFUSED "does not execute its program again"

static int log_fd = -1, terminal = -1;
static char *text; /* the log so far */

int executions_begin(void) {
        int fd = memfd_create("log", 0);

        if (fd < 0)
                return errno;
        if (log_fd >= 0)
                close(log_fd);
        log_fd = fd;
        if (terminal < 0)
                terminal = dup(STDERR_FILENO);
        fcntl(log_fd, F_SETFL, O_APPEND);
        return dup2(log_fd, STDERR_FILENO) < 0 ? errno : 0;
}

void executions_end(void) {
        dup2(terminal, STDERR_FILENO);
}

static char *read_log(void) {
        struct stat st;
        ssize_t n;

        free(text);
        text = fstat(log_fd, &st) < 0 ? NULL : calloc(1, (size_t)st.st_size + 1);
        n = text ? pread(log_fd, text, (size_t)st.st_size, 0) : -1;
        if (n < 0)
                abort();
        return text;
}

/* The last place in the log, or NULL. */
static char *find(const char *what, unsigned *ret_n) {
        char *last = NULL;

        *ret_n = 0;
        for (char *at = read_log(); (at = strstr(at, what)); at += strlen(what)) {
                last = at;
                ++*ret_n;
        }
        return last;
}

unsigned executions(void) {
        unsigned n;

        find(EXECUTED, &n);
        return n;
}

unsigned executions_refusals(void) {
        unsigned n;

        find(REFUSED, &n);
        return n;
}

const char *executions_refused(void) {
        unsigned n;
        char *at = find(REFUSED, &n);

        if (at)
                at[strcspn(at, "\n")] = 0;
        return at;
}
