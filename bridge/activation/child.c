/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Children: fork, execve, and SIGCHLD through a signalfd
 *
 * vfork() would stop the bus until the program is read from disk, so fork() is used. One signalfd
 * serves all children: a pidfd for each would use up descriptors that clients need.
 */

#include "bridge/activation/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "base/container-of.h"

struct child {
        struct children *children;
        struct child *prev, *next;
        pid_t pid;
        struct loop_source started; /* the pipe; fd -1: it has ended */
        child_event_fn event;       /* NULL: forgotten */
        void *userdata;
};

/*
 * In the child, up to execve()
 *
 * Other threads may have held locks at the time of the fork, which are never released here. So only
 * async-signal-safe functions are called, and no memory is allocated.
 */

static void close_all_from(int fd) {
        struct rlimit limit;

        if (close_range((unsigned)fd, ~0U, 0) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        /* Linux before 5.9 */
        for (; (rlim_t)fd < limit.rlim_cur; fd++)
                close(fd);
}

/* After a change of user /proc/self belongs to root, unless the process is dumpable. */
static int open_oom_score(void) {
        static const char path[] = "/proc/self/oom_score_adj";
        int fd = open(path, O_RDWR | O_CLOEXEC);

        if (fd >= 0 || errno != EACCES || prctl(PR_SET_DUMPABLE, 1) < 0)
                return fd;
        fd = open(path, O_RDWR | O_CLOEXEC);
        prctl(PR_SET_DUMPABLE, 0);
        return fd;
}

/* Services do not get the protection from the OOM killer that the bus may have. */
static void reset_oom_score(void) {
        int fd = open_oom_score();
        char first;

        if (fd < 0)
                return;
        if (read(fd, &first, 1) == 1 && first == '-' && pwrite(fd, "0", 1, 0) < 0) {
                /* The score is only advice, so a failure is ignored. */
        }
        close(fd);
}

static void reset_signals(void) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigset_t none;

        for (int number = 1; number < NSIG; number++)
                if (number != SIGPIPE)
                        sigaction(
                                number, &action,
                                NULL); /* fails for signals that cannot be caught, which is fine */
        action.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &action, NULL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Connect a standard stream to the journal. Without a journal that answers at once the stream stays
 * as it is. The header that journald expects has seven lines: identifier, unit, priority, and four
 * flags (lines have priorities; forward to syslog, to the kernel log, to the console), all off.
 */
static void connect_to_journal(int to, const char *name, const char *priority) {
        static const struct sockaddr_un address = {
                .sun_family = AF_UNIX,
                .sun_path = "/run/systemd/journal/stdout",
        };
        const struct iovec header[] = {
                {(char *)name, strlen(name)},
                {(char *)"\n\n", 2},
                {(char *)priority, strlen(priority)},
                {(char *)"\n0\n0\n0\n0\n", 9},
        };
        int fd;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return;
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
            shutdown(fd, SHUT_RD) == 0 && writev(fd, header, 4) > 0 && fcntl(fd, F_SETFL, 0) == 0)
                dup2(fd, to);
        close(fd);
}

_Noreturn static void run(int error_fd, const struct rlimit *fd_limit, char *const *argv,
                          char *const *environment, const char *journal_name) {
        int null_fd, error;
        ssize_t n;

        null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 &&
            (error_fd == STDERR_FILENO + 1 || dup3(error_fd, STDERR_FILENO + 1, O_CLOEXEC) >= 0)) {
                error_fd = STDERR_FILENO + 1;
                close_all_from(error_fd + 1);
                setrlimit(RLIMIT_NOFILE, fd_limit);
                reset_oom_score();
                reset_signals();
                if (journal_name) {
                        connect_to_journal(STDOUT_FILENO, journal_name, "6");
                        connect_to_journal(STDERR_FILENO, journal_name, "4");
                }
                errno = ENOENT;
                if (argv[0])
                        execve(argv[0], argv, environment);
        }
        error = errno;
        do
                n = write(error_fd, &error, sizeof(error));
        while (n < 0 && errno == EINTR);
        _exit(127);
}

/* events */

static void stop_watching(struct child *child) {
        if (child->started.fd < 0)
                return;
        loop_remove(child->children->loop, &child->started);
        close(child->started.fd);
        child->started.fd = -1;
}

static int tell(struct child *child, enum child_event event, int value) {
        return child->event ? child->event(child, event, value, child->userdata) : 0;
}

static int tell_started(struct child *child) {
        int error, r;
        ssize_t n;

        do
                n = read(child->started.fd, &error, sizeof(error));
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return 0;
        stop_watching(child);
        if (n == 0)
                return tell(child, CHILD_RUNS, 0);
        r = tell(child, CHILD_NOT_EXECUTED, error);
        child_forget(child); /* it will be reaped later */
        return r;
}

static int started(struct loop_source *source, uint32_t events) {
        return tell_started(container_of(source, struct child, started));
}

static struct child *child_free(struct child *child) {
        stop_watching(child);
        DL_DELETE(child->children->list, child);
        free(child);
        return NULL;
}

static int ended(struct child *child, int status) {
        int r = 0;

        /* A program that ends at once may do so before the pipe is read. */
        if (child->started.fd >= 0)
                r = tell_started(child);
        if (r >= 0)
                r = WIFEXITED(status) ? tell(child, CHILD_EXITED, WEXITSTATUS(status))
                                      : tell(child, CHILD_SIGNALED, WTERMSIG(status));
        child_free(child);
        return r;
}

/* Several children may end with one signal, so all of them are asked. */
static int reap(struct loop_source *source, uint32_t events) {
        struct children *children = container_of(source, struct children, signals);
        struct signalfd_siginfo info;
        struct child *child, *next;
        int status, r = 0, k;

        if (read(source->fd, &info, sizeof(info)) != sizeof(info))
                return 0;
        DL_FOREACH_SAFE(children->list, child, next) {
                if (waitpid(child->pid, &status, WNOHANG) != child->pid)
                        continue;
                k = ended(child, status);
                if (k < 0)
                        r = k;
        }
        return r;
}

/* interface */

int child_start(struct children *children, char *const *argv, char *const *environment,
                const char *journal_name, child_event_fn event, void *userdata,
                struct child **ret_child) {
        struct child *child;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        child = calloc(1, sizeof(*child));
        if (!child) {
                r = -ENOMEM;
                goto fail;
        }
        *child = (struct child){
                .children = children,
                .started = {.fd = fds[0], .dispatch = started},
                .event = event,
                .userdata = userdata,
        };
        r = loop_add(children->loop, &child->started, EPOLLIN);
        if (r < 0)
                goto fail;
        DL_APPEND(children->list,
                  child); /* before fork(), so that both processes own it and none leaks it */

        child->pid = fork();
        if (child->pid == 0)
                run(fds[1], &children->fd_limit, argv, environment, journal_name);
        r = child->pid < 0 ? -errno : 0;
        close(fds[1]);
        if (r < 0)
                child_free(child);
        else
                *ret_child = child;
        return r;

fail:
        free(child);
        close(fds[0]);
        close(fds[1]);
        return r;
}

struct child *child_forget(struct child *child) {
        if (child) {
                stop_watching(child);
                child->event = NULL;
        }
        return NULL;
}

pid_t child_pid(const struct child *child) {
        return child->pid;
}

int children_init(struct children *children, struct loop *loop, const struct rlimit *fd_limit) {
        sigset_t set;
        int r;

        *children = (struct children){
                .loop = loop,
                .signals = {.fd = -1, .dispatch = reap},
                .fd_limit = *fd_limit,
        };
        /* The parent may have ignored SIGCHLD; then the kernel would reap children itself. */
        if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
                return -errno;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        children->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (children->signals.fd < 0)
                return -errno;
        r = loop_add(loop, &children->signals, EPOLLIN);
        if (r < 0) {
                close(children->signals.fd);
                children->signals.fd = -1;
        }
        return r;
}

void children_deinit(struct children *children) {
        while (children->list)
                child_free(children->list);
        if (children->signals.fd < 0)
                return;
        loop_remove(children->loop, &children->signals);
        close(children->signals.fd);
        children->signals.fd = -1;
}
