/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/reexec.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/container-of.h"
#include "base/error.h"
#include "bridge/base/log.h"
#include "bridge/bus/later.h"
#include "bridge/bus/tell.h"
#include "bridge/daemon.h"
#include "bridge/state/load.h"
#include "bridge/state/save.h"

#define VARIABLE "BUS1_BRIDGE_STATE"
#define SELF "/proc/self/exe"
#define REST_MAX (5 * NS_PER_S)   /* how long the bus may take to come to rest */
#define CHECK_MAX (10 * NS_PER_S) /* how long the check may take */
#define CHECKS_MAX 3
#define NOT_DONE "The message bus does not execute its program again, and goes on: "

/* phases */

static void finish(struct reexec *reexec) {
        reexec->phase = REEXEC_IDLE;
        reexec->loop->between = NULL;
        loop_timer_cancel(reexec->loop, &reexec->timer);
}

/* Answer the callers; why is NULL if the program was executed again. */
static int answer_all(struct later *list, const char *why) {
        struct later *later, *next;
        int fatal = 0;

        DL_FOREACH_SAFE2(list, later, next, owner_next) {
                keep_error(&fatal,
                           why ? later_fail(later, DRIVER_ERROR("Failed"), NOT_DONE "%s", why)
                               : later_reply(later));
        }
        return fatal;
}

/*
 * The request has failed, and the bus goes on. Returns 0 or a negative errno that is fatal, because
 * callers are told.
 */
__attribute__((format(printf, 2, 3))) static int give_up(struct reexec *reexec, const char *format,
                                                         ...) {
        char *why = NULL;
        va_list args;
        int r;

        va_start(args, format);
        if (vasprintf(&why, format, args) < 0)
                why = NULL;
        va_end(args);
        log_write(reexec->log, LOG_LEVEL_ERROR, NOT_DONE "%s", why ?: "no memory");
        finish(reexec);
        r = answer_all(steal_ptr(&reexec->laters), why ?: "no memory");
        free(why);
        return r;
}

static int come_to_rest(void *userdata);

/* Wait until the bus is at rest. */
static int wait_for_rest(struct reexec *reexec, enum reexec_phase phase) {
        reexec->phase = phase;
        reexec->loop->between_userdata = reexec;
        reexec->loop->between = come_to_rest;
        if (loop_timer_set(reexec->loop, &reexec->timer, loop_now() + (int64_t)REST_MAX) < 0)
                return give_up(reexec, "no memory");
        return 0;
}

static int expired(struct loop_timer *timer) {
        struct reexec *reexec = container_of(timer, struct reexec, timer);

        if (reexec->phase != REEXEC_CHECK)
                return give_up(reexec, "it does not come to rest");
        kill(child_pid(reexec->child), SIGKILL);
        reexec->child = child_forget(reexec->child);
        return give_up(reexec, "the check by %s takes too long", reexec->path);
}

/* the document */

/* *ret_fd is the document, or -1 after give_up(), whose result is returned. */
static int write_document(struct reexec *reexec, struct state_save *save, int *ret_fd) {
        *ret_fd = -1;

        state_save_init(save, reexec->program);
        reexec->save(reexec->userdata, save);
        if (state_save_finish(save, ret_fd) == 0)
                return 0;
        return give_up(reexec, "%s%s",
                       save->error == -EOPNOTSUPP ? "this cannot be handed over yet: "
                                                  : "its state cannot be written: ",
                       save->error_text ?: "no memory");
}

/* the check */

static int checked(struct child *child, enum child_event event, int value, void *userdata) {
        struct reexec *reexec = userdata;

        if (event == CHILD_RUNS)
                return 0;
        reexec->child = NULL;
        loop_timer_cancel(reexec->loop, &reexec->timer);
        if (event == CHILD_NOT_EXECUTED)
                return give_up(reexec, "%s: %s", reexec->path, strerror(value));
        if (event == CHILD_SIGNALED)
                return give_up(reexec, "the check by %s was ended by signal %d (%s)", reexec->path,
                               value, strsignal(value));
        if (value != 0)
                return give_up(reexec,
                               "%s refuses to take over (exit status %d); it has logged why",
                               reexec->path, value);
        return wait_for_rest(reexec, REEXEC_READY);
}

/* Start the check with these descriptors, the last of which is the document. */
static int start_check(struct reexec *reexec, const int *fds, size_t n_fds) {
        CLEANUP_FREE char **argv = NULL;
        char option[32];
        size_t n = 0;

        while (reexec->argv[n])
                n++;
        argv = malloc((n + 2) * sizeof(*argv));
        if (!argv)
                return -ENOMEM;
        memcpy(argv, reexec->argv, n * sizeof(*argv));
        argv[0] = reexec->path;
        snprintf(option, sizeof(option), "--check-state=%d", fds[n_fds - 1]);
        argv[n] = option;
        argv[n + 1] = NULL;
        return child_start_own(reexec->children, argv, fds, n_fds, checked, reexec, &reexec->child);
}

static int check_document(struct reexec *reexec, const struct state_fds *fds, int document) {
        int *list = malloc((fds->n + 1) * sizeof(*list)), r;
        size_t n = 0;

        if (!list)
                return give_up(reexec, "no memory");
        for (int fd = -1; (fd = state_fds_next(fds, fd + 1)) >= 0;)
                list[n++] = fd;
        list[n++] = document;
        r = start_check(reexec, list, n);
        free(list);
        if (r < 0)
                return give_up(reexec, "the check cannot be started: %s", strerror(-r));
        reexec->phase = REEXEC_CHECK;
        reexec->loop->between = NULL;
        if (loop_timer_set(reexec->loop, &reexec->timer, loop_now() + (int64_t)CHECK_MAX) < 0) {
                kill(child_pid(reexec->child), SIGKILL);
                reexec->child = child_forget(reexec->child);
                return give_up(reexec, "no memory");
        }
        return 0;
}

static int save_and_check(struct reexec *reexec) {
        struct state_save save;
        CLEANUP_CLOSE int document = -1;
        int r;

        if (++reexec->n_checks > CHECKS_MAX)
                return give_up(reexec, "its configuration changes again and again");
        reexec->n_changes = reexec->count_changes(reexec->userdata);
        r = write_document(reexec, &save, &document);
        if (document >= 0)
                r = check_document(reexec, &save.fds, document);
        state_save_deinit(&save);
        return r;
}

/* the execution */

static void set_inherited(const struct state_fds *fds, int document, int old, bool is_inherited) {
        int flags = is_inherited ? 0 : FD_CLOEXEC;

        for (int fd = -1; (fd = state_fds_next(fds, fd + 1)) >= 0;)
                fcntl(fd, F_SETFD, flags);
        fcntl(document, F_SETFD, flags);
        fcntl(old, F_SETFD, flags);
}

/* Execute the program. Returns the errno with which that has failed. */
static int execute(struct reexec *reexec, const struct state_fds *fds, int document, int old) {
        struct daemon_capabilities capabilities;
        char value[32];
        int r;

        daemon_get_capabilities(&capabilities);
        snprintf(value, sizeof(value), "%d,%d", document, old);
        r = setenv(VARIABLE, value, 1) < 0 ? -errno : daemon_pass_capabilities();
        if (r == 0) {
                set_inherited(fds, document, old, true);
                execve(reexec->path, reexec->argv, environ);
                r = -errno;
                set_inherited(fds, document, old, false);
        }
        daemon_set_capabilities(&capabilities);
        unsetenv(VARIABLE);
        return r;
}

static int save_and_execute(struct reexec *reexec) {
        CLEANUP_CLOSE int old = open(SELF, O_PATH | O_CLOEXEC);
        struct state_save save;
        CLEANUP_CLOSE int document = -1;
        int r, k;

        if (old < 0)
                return give_up(reexec, SELF ": %s", strerror(errno));
        r = write_document(reexec, &save, &document);
        if (document >= 0) {
                reexec->begins(reexec->userdata);
                k = execute(reexec, &save.fds, document, old);
                r = reexec->goes_on(reexec->userdata);
                keep_error(&r, give_up(reexec, "%s: %s", reexec->path, strerror(-k)));
        }
        state_save_deinit(&save);
        return r;
}

/* loop.between */
static int come_to_rest(void *userdata) {
        struct reexec *reexec = userdata;
        int r;

        r = reexec->come_to_rest(reexec->userdata);
        if (r <= 0)
                return r;
        if (reexec->phase == REEXEC_READY &&
            reexec->count_changes(reexec->userdata) != reexec->n_changes)
                reexec->phase = REEXEC_SAVE;
        return reexec->phase == REEXEC_SAVE ? save_and_check(reexec) : save_and_execute(reexec);
}

/* interface */

void reexec_init(struct reexec *reexec) {
        char path[PATH_MAX];
        ssize_t n;

        reexec->timer.expired = expired;
        if (reexec->path)
                return;
        n = readlink(SELF, path, sizeof(path));
        if (n > 0 && n < (ssize_t)sizeof(path))
                reexec->path = strndup(path, (size_t)n);
}

void reexec_deinit(struct reexec *reexec) {
        struct later *later, *next;

        if (reexec->loop && reexec->timer.index)
                loop_timer_cancel(reexec->loop, &reexec->timer);
        if (reexec->child)
                kill(child_pid(reexec->child), SIGKILL);
        reexec->child = child_forget(reexec->child);
        DL_FOREACH_SAFE2(reexec->laters, later, next, owner_next) {
                later_free(later);
        }
        reexec->laters = NULL;
        free(reexec->path);
        reexec->path = NULL;
}

int reexec_request(struct reexec *reexec, struct later *later) {
        if (later)
                DL_APPEND2(reexec->laters, later, owner_prev, owner_next);
        if (reexec->phase != REEXEC_IDLE)
                return 0;
        if (!reexec->path)
                return give_up(reexec, "the path of its program is not known, without /proc");
        reexec->n_checks = 0;
        return wait_for_rest(reexec, REEXEC_SAVE);
}

int reexec_answer(struct later *list, bool is_old) {
        return answer_all(list, is_old ? "the new program has passed its check, but could not take "
                                         "over; it has logged why"
                                       : NULL);
}

/* the other side */

/* The descriptor at the beginning of the text, or -1. *ret_end is what follows it. */
static int parse_fd(const char *text, const char **ret_end) {
        char *end;
        long n;

        errno = 0;
        n = strtol(text, &end, 10);
        *ret_end = end;
        return errno || end == text || n <= STDERR_FILENO || n > INT_MAX ? -1 : (int)n;
}

/* The numbers in the variable. Without the second one, *ret_old_fd is -1. */
static bool parse(const char *text, int *ret_state_fd, int *ret_old_fd) {
        *ret_state_fd = parse_fd(text, &text);
        *ret_old_fd = -1;
        if (*ret_state_fd < 0 || *text == '\0')
                return *ret_state_fd >= 0;
        if (*text != ',')
                return false;
        *ret_old_fd = parse_fd(text + 1, &text);
        return *ret_old_fd >= 0 && *text == '\0';
}

void reexec_take(int *ret_state_fd, int *ret_old_fd) {
        const char *text = getenv(VARIABLE);
        int state_fd, old_fd;

        *ret_state_fd = *ret_old_fd = -1;
        /* Nobody but this process can have made a sealed file that names its pid: see main.c. */
        if (text && parse(text, &state_fd, &old_fd) && state_file_is_sealed(state_fd)) {
                *ret_state_fd = state_fd;
                *ret_old_fd = old_fd;
                fcntl(state_fd, F_SETFD, FD_CLOEXEC);
                fcntl(old_fd, F_SETFD, FD_CLOEXEC);
        }
        unsetenv(VARIABLE);
}

int reexec_fall_back(char *const *argv, int state_fd, int old_fd) {
        char value[16];

        if (old_fd < 0)
                return -ENOENT;
        snprintf(value, sizeof(value), "%d", state_fd);
        if (setenv(VARIABLE, value, 1) < 0 || fcntl(state_fd, F_SETFD, 0) < 0)
                return -errno;
        syscall(SYS_execveat, old_fd, "", argv, environ, AT_EMPTY_PATH);
        return -errno;
}
