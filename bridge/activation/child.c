/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Children: fork(), execve(), and SIGCHLD through a signalfd
 *
 * The bus uses fork(), because vfork() would stop it until the program is read from disk. One
 * signalfd serves all children; a pidfd for each would use up descriptors that clients need.
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
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/container-of.h"

struct child {
        struct children *children;
        struct child *prev, *next;
        pid_t pid;
        struct loop_source started; /* the pipe from run(); fd -1: closed, or was never made */
        child_event_fn event;       /* NULL: child_forget() was called */
        void *userdata;
};

/*
 * What the new process does, up to execve()
 *
 * Another thread may have held a lock during the fork, and nothing releases it in the new process.
 * So these functions take no lock and allocate no memory.
 */

static void close_all_from(int fd) {
        struct rlimit limit;

        if (close_range((unsigned)fd, ~0U, 0) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        /* Linux before 5.9 has no close_range(). */
        for (; (rlim_t)fd < limit.rlim_cur; fd++)
                close(fd);
}

/*
 * After a change of user, /proc/self belongs to root unless the process is dumpable. So if access
 * is denied, make the process dumpable while it opens the file.
 */
static int open_oom_score(void) {
        static const char path[] = "/proc/self/oom_score_adj";
        int fd = open(path, O_RDWR | O_CLOEXEC);

        if (fd >= 0 || errno != EACCES || prctl(PR_SET_DUMPABLE, 1) < 0)
                return fd;
        fd = open(path, O_RDWR | O_CLOEXEC);
        prctl(PR_SET_DUMPABLE, 0);
        return fd;
}

/* The bus may be protected from the OOM killer; services shall not inherit that. */
static void reset_oom_score(void) {
        int fd = open_oom_score();
        char first;

        if (fd < 0)
                return;
        if (read(fd, &first, 1) == 1 && first == '-' && pwrite(fd, "0", 1, 0) < 0) {
                /* Ignored: a service can also run with this score. */
        }
        close(fd);
}

static void reset_signals(void) {
        struct sigaction action = {};
        sigset_t none;

        /* sigaction() fails for SIGKILL and SIGSTOP, and for the internal signals of glibc */
        for (int number = 1; number < NSIG; number++) {
                action.sa_handler = number == SIGPIPE ? SIG_IGN : SIG_DFL;
                sigaction(number, &action, NULL);
        }
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Connect a standard stream to the journal. If this is not possible at once, the stream stays as it
 * is. journald expects a header of seven lines: identifier, unit, priority, and four flags (lines
 * begin with a priority, forward to syslog, to the kernel log, to the console). All flags are off.
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

/* What the new process executes, and with what. */
struct program {
        char *const *argv;
        char *const *environment;
        const char *journal_name; /* NULL: its output is that of the bus */
        const int *fds;           /* descriptors that it gets */
        size_t n_fds;
        bool is_own; /* other descriptors are close-on-exec already */
};

/* Both functions return the number of the pipe, which may change, or -1 with errno. */

static int pass_descriptors(const struct program *program, int error_fd) {
        for (size_t i = 0; i < program->n_fds; i++)
                if (fcntl(program->fds[i], F_SETFD, 0) < 0)
                        return -1;
        return error_fd;
}

/* Leave only the standard streams and the pipe open. */
static int drop_descriptors(int error_fd) {
        if (error_fd != STDERR_FILENO + 1 && dup3(error_fd, STDERR_FILENO + 1, O_CLOEXEC) < 0)
                return -1;
        close_all_from(STDERR_FILENO + 2);
        return STDERR_FILENO + 1;
}

_Noreturn static void run(int error_fd, const struct rlimit *fd_limit,
                          const struct program *program) {
        int null_fd, fd, error;
        ssize_t n;

        null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        fd = null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ? -1
             : program->is_own                              ? pass_descriptors(program, error_fd)
                                                            : drop_descriptors(error_fd);
        if (fd >= 0) {
                error_fd = fd;
                if (!program->is_own)
                        setrlimit(RLIMIT_NOFILE, fd_limit);
                reset_oom_score();
                reset_signals();
                if (program->journal_name) {
                        connect_to_journal(STDOUT_FILENO, program->journal_name, "6");
                        connect_to_journal(STDERR_FILENO, program->journal_name, "4");
                }
                errno = ENOENT;
                /*
                 * Not execve(): in a build that measures coverage, gcc puts a function in its place
                 * that allocates memory.
                 */
                if (program->argv[0])
                        syscall(SYS_execve, program->argv[0], program->argv, program->environment);
        }
        error = errno;
        n = TEMP_FAILURE_RETRY(write(error_fd, &error, sizeof(error)));
        (void)n;
        _exit(127);
}

/* events */

static int tell(struct child *child, enum child_event event, int value) {
        return child->event ? child->event(child, event, value, child->userdata) : 0;
}

static int tell_started(struct child *child) {
        int error, r;
        ssize_t n;

        n = TEMP_FAILURE_RETRY(read(child->started.fd, &error, sizeof(error)));
        if (n < 0)
                return 0;
        loop_close(child->children->loop, &child->started);
        if (n == 0)
                return tell(child, CHILD_RUNS, 0);
        r = tell(child, CHILD_NOT_EXECUTED, error);
        child_forget(child); /* reap() frees it */
        return r;
}

static int started(struct loop_source *source, uint32_t events) {
        return tell_started(container_of(source, struct child, started));
}

static struct child *child_free(struct child *child) {
        loop_close(child->children->loop, &child->started);
        DL_DELETE(child->children->list, child);
        free(child);
        return NULL;
}

static int ended(struct child *child, int status) {
        int r = 0;

        /* SIGCHLD may be handled before the pipe, but the event of the pipe comes first. */
        if (child->started.fd >= 0)
                r = tell_started(child);
        if (r >= 0)
                r = WIFEXITED(status) ? tell(child, CHILD_EXITED, WEXITSTATUS(status))
                                      : tell(child, CHILD_SIGNALED, WTERMSIG(status));
        child_free(child);
        return r;
}

int children_reap(struct children *children) {
        struct child *child, *next;
        int status, r = 0, k;

        DL_FOREACH_SAFE(children->list, child, next) {
                if (waitpid(child->pid, &status, WNOHANG) != child->pid)
                        continue;
                k = ended(child, status);
                if (k < 0)
                        r = k;
        }
        return r;
}

/* One SIGCHLD may stand for several children that ended, so this looks at all of them. */
static int reap(struct loop_source *source, uint32_t events) {
        struct children *children = container_of(source, struct children, signals);
        struct signalfd_siginfo info;

        return read(source->fd, &info, sizeof(info)) == sizeof(info) ? children_reap(children) : 0;
}

/* interface */

static int start_program(struct children *children, const struct program *program,
                         child_event_fn event, void *userdata, struct child **ret_child) {
        CLEANUP_FREE struct child *child = calloc(1, sizeof(*child));
        CLEANUP_CLOSE int error_fd = -1;
        int fds[2], r;

        if (!child)
                return -ENOMEM;
        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        error_fd = fds[1];
        *child = (struct child){
                .children = children,
                .started.dispatch = started,
                .event = event,
                .userdata = userdata,
        };
        r = loop_adopt(children->loop, &child->started, fds[0], EPOLLIN);
        if (r < 0)
                return r;
        DL_APPEND(children->list, child); /* before fork(), for leak checkers in the new process */

        child->pid = fork();
        if (child->pid == 0)
                run(error_fd, &children->fd_limit, program);
        if (child->pid < 0) {
                r = -errno;
                child_free(steal_ptr(&child));
                return r;
        }
        *ret_child = steal_ptr(&child);
        return 0;
}

int child_adopt(struct children *children, pid_t pid, int fd, child_event_fn event, void *userdata,
                struct child **ret_child) {
        CLEANUP_FREE struct child *child = calloc(1, sizeof(*child));
        int r;

        if (!child)
                return -ENOMEM;
        *child = (struct child){
                .children = children,
                .pid = pid,
                .started = {.fd = fd, .dispatch = started},
                .event = event,
                .userdata = userdata,
        };
        r = fd < 0 ? 0 : loop_add(children->loop, &child->started, EPOLLIN);
        if (r < 0)
                return r;
        DL_APPEND(children->list, child);
        *ret_child = steal_ptr(&child);
        return 0;
}

const struct child *child_next(const struct children *children, const struct child *child) {
        return child ? child->next : children->list;
}

int child_pipe(const struct child *child) {
        return child->started.fd;
}

void *child_userdata(const struct child *child) {
        return child->event ? child->userdata : NULL;
}

int child_start(struct children *children, char *const *argv, char *const *environment,
                const char *journal_name, child_event_fn event, void *userdata,
                struct child **ret_child) {
        const struct program program = {
                .argv = argv,
                .environment = environment,
                .journal_name = journal_name,
        };

        return start_program(children, &program, event, userdata, ret_child);
}

int child_start_own(struct children *children, char *const *argv, const int *fds, size_t n_fds,
                    child_event_fn event, void *userdata, struct child **ret_child) {
        const struct program program = {
                .argv = argv,
                .environment = environ,
                .fds = fds,
                .n_fds = n_fds,
                .is_own = true,
        };

        return start_program(children, &program, event, userdata, ret_child);
}

struct child *child_forget(struct child *child) {
        if (child) {
                loop_close(child->children->loop, &child->started);
                child->event = NULL;
        }
        return NULL;
}

pid_t child_pid(const struct child *child) {
        return child->pid;
}

int children_init(struct children *children, struct loop *loop, const struct rlimit *fd_limit) {
        sigset_t set;

        *children = (struct children){
                .loop = loop,
                .signals = {.fd = -1, .dispatch = reap},
                .fd_limit = *fd_limit,
        };
        /* If the bus was started with SIGCHLD ignored, the kernel would reap its children. */
        if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
                return -errno;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        return loop_adopt_signals(loop, &children->signals, &set);
}

void children_deinit(struct children *children) {
        while (children->list)
                child_free(children->list);
        loop_close(children->loop, &children->signals);
}
