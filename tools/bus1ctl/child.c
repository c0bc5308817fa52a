/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/output.h"

/* The work of a user may wait for file systems that belong to the user, and so for ever. */
#define USER_MSEC 5000
/* What a killed process may take to end, if a file system does not hold it. */
#define KILL_MSEC 1000
/* A bus reads its configuration and its service files before it is ready. */
#define READY_MSEC 20000

/* Wait for the end of a child. Returns its exit status, or -1 if a signal has ended it. */
static int wait_for(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* programs */

int child_run(char *const argv[]) {
        CLEANUP_FREE char *words = NULL;
        size_t size;
        FILE *f = open_memstream(&words, &size);
        pid_t pid;
        int r;

        check_memory(f);
        for (char *const *word = argv; *word; word++)
                fprintf(f, "%s%s", word == argv ? "" : " ", *word);
        check_memory(fclose(f) == 0);

        fflush(stdout);
        r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
        if (r != 0)
                return report_failure("cannot run %s: %s", argv[0], strerror(r));
        r = wait_for(pid);
        return r == 0  ? STATUS_OK
               : r > 0 ? report_failure("%s: exits with status %d", words, r)
                       : report_failure("%s: ended by a signal", words);
}

/* trees */

static int call_here(const char *root, int (*function)(void *), void *userdata) {
        int status;

        /* The modules of the tree's name service are not code of this machine. */
        __nss_configure_lookup("passwd", "files");
        __nss_configure_lookup("group", "files");
        /* This loads what the look-ups need, before the libraries of this machine are out of
         * reach. */
        getpwuid(0);
        getgrgid(0);
        if (chroot(root) < 0 || chdir("/") < 0)
                return report_failure("cannot enter %s: %m", root);
        status = function(userdata);
        return output_flush() ?: status;
}

int child_call_in_tree(const char *root, int (*function)(void *userdata), void *userdata) {
        pid_t pid;
        int status;

        if (!*root)
                return function(userdata);
        fflush(stdout);
        pid = fork();
        if (pid < 0)
                return report_failure("cannot fork: %m");
        if (pid == 0)
                _exit(call_here(root, function, userdata));
        status = wait_for(pid);
        return status >= 0 ? status : report_failure("the check of %s was ended", root);
}

/* users */

int child_become(uid_t uid) {
        struct passwd *user;
        gid_t gid;

        if (uid == geteuid())
                return 0;
        user = getpwuid(uid);
        gid = user ? user->pw_gid : uid;
        if (setgroups(0, NULL) < 0 || setregid(gid, gid) < 0 || setreuid(uid, uid) < 0)
                return -errno;
        return 0;
}

/*
 * The files of this process may be a terminal. The child of a user has none of it, but says what
 * fails into the pipe.
 */
static bool leave_terminal(int fd) {
        CLEANUP_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        return null >= 0 && setsid() >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 &&
               dup2(fd, 2) >= 0;
}

/* Does the child end in time? Only it has the other end of the pipe. */
static bool ends_within(int fd, int msec) {
        int r;

        /* only the end counts, not what the child says */
        do
                r = poll(&(struct pollfd){.fd = fd}, 1, msec);
        while (r < 0 && errno == EINTR);
        return r != 0;
}

/* Print what a child has said, which has ended. */
static void print_words(int fd) {
        char text[1024];
        ssize_t n;

        while ((n = read(fd, text, sizeof(text))) > 0)
                fwrite(text, 1, (size_t)n, stderr);
}

static int wait_for_user(pid_t pid, int fd, uid_t uid) {
        int status;

        if (!ends_within(fd, USER_MSEC)) {
                kill(pid, SIGKILL);
                /* A process that cannot end even now is left behind. */
                if (ends_within(fd, KILL_MSEC))
                        wait_for(pid);
                return report_failure("the work of user %u is not done after %d seconds", uid,
                                      USER_MSEC / 1000);
        }
        print_words(fd);
        status = wait_for(pid);
        return status >= 0 ? status : report_failure("the work of user %u was ended", uid);
}

int child_call_as(uid_t uid, int (*function)(void *userdata), void *userdata) {
        int fds[2], r;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return report_failure("cannot make a pipe: %m");
        fflush(stdout);
        pid = fork();
        if (pid < 0) {
                close(fds[0]);
                close(fds[1]);
                return report_failure("cannot fork: %m");
        }
        if (pid == 0) {
                if (!leave_terminal(fds[1]))
                        _exit(report_failure("cannot leave the terminal: %m"));
                close(fds[1]);
                r = child_become(uid);
                _exit(r < 0 ? report_failure("cannot become user %u: %s", uid, strerror(-r))
                            : function(userdata));
        }
        close(fds[1]);
        r = wait_for_user(pid, fds[0], uid);
        close(fds[0]);
        return r;
}

/* buses */

struct trial {
        char *directory; /* of the socket */
        char *socket;
        int ready_fd; /* the bus prints its address into the other end */
        int error_fd; /* a file for what it says */
        pid_t pid;
};

static void trial_clear(struct trial *trial) {
        if (trial->pid > 0) {
                kill(trial->pid, SIGTERM);
                wait_for(trial->pid);
        }
        closep(&trial->ready_fd);
        closep(&trial->error_fd);
        if (trial->socket)
                unlink(trial->socket);
        if (trial->directory)
                rmdir(trial->directory);
        free(trial->socket);
        free(trial->directory);
}

/* What the bus must not get from the user who runs bus1ctl: systemd starts it without all this. */
static char *const bus_environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};

static int spawn(struct trial *trial, const char *bridge, char *const argv[], int ready_fd) {
        posix_spawn_file_actions_t actions;
        int r;

        check_memory(posix_spawn_file_actions_init(&actions) == 0);
        check_memory(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0);
        check_memory(posix_spawn_file_actions_adddup2(&actions, ready_fd, 1) == 0);
        check_memory(posix_spawn_file_actions_adddup2(&actions, trial->error_fd, 2) == 0);
        r = posix_spawn(&trial->pid, bridge, &actions, NULL, argv, bus_environment);
        posix_spawn_file_actions_destroy(&actions);
        if (r == 0)
                return STATUS_OK;
        trial->pid = 0;
        report_failure("cannot run %s: %s", bridge, strerror(r));
        return STATUS_NO;
}

/* Print what the bus said on its standard error. */
static int report_words(const struct trial *trial, const char *what, const char *bridge,
                        const char *config) {
        CLEANUP_FCLOSE FILE *f = fdopen(dup(trial->error_fd), "r");
        char line[1024];

        report_failure("%s with the configuration %s %s", bridge, config, what);
        if (!f)
                return STATUS_NO;
        rewind(f);
        while (fgets(line, sizeof(line), f))
                report_line(line);
        return STATUS_NO;
}

int child_try_bus(const char *bridge, const char *config) {
        CLEANUP(trial_clear) struct trial trial = {.ready_fd = -1, .error_fd = -1};
        CLEANUP_FREE char *config_option = NULL, *address = NULL;
        char directory[] = "/tmp/bus1ctl-XXXXXX";
        int fds[2], r, status;
        char byte;

        if (!mkdtemp(directory))
                return report_failure("cannot make a directory in /tmp: %m");
        trial.directory = copy_text(directory);
        check_memory(asprintf(&trial.socket, "%s/bus", directory) >= 0);
        check_memory(asprintf(&config_option, "--config-file=%s", config) >= 0);
        check_memory(asprintf(&address, "--address=unix:path=%s", trial.socket) >= 0);
        trial.error_fd = memfd_create("bus1ctl", MFD_CLOEXEC);
        if (trial.error_fd < 0 || pipe2(fds, O_CLOEXEC) < 0)
                return report_failure("cannot run a bus: %m");
        trial.ready_fd = fds[0];

        status = spawn(&trial, bridge,
                       (char *[]){(char *)bridge, config_option, address, "--nofork", "--nopidfile",
                                  "--nosyslog", "--print-address=1", NULL},
                       fds[1]);
        close(fds[1]);
        if (status)
                return status;
        do
                r = poll(&(struct pollfd){.fd = trial.ready_fd, .events = POLLIN}, 1, READY_MSEC);
        while (r < 0 && errno == EINTR);
        if (r == 0)
                return report_words(&trial, "is not ready after 20 seconds", bridge, config);
        if (r < 0 || read(trial.ready_fd, &byte, 1) != 1)
                return report_words(&trial, "does not start", bridge, config);
        return STATUS_OK;
}
