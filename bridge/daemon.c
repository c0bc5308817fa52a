/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bridge/base/owner.h"

#define PIDFILE_TRIES 10
#define ROOT_FD_LIMIT 65536

void daemon_fix_standard_streams(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd < STDERR_FILENO);
        if (fd > STDERR_FILENO)
                close(fd);
}

int daemon_fork(int *ret_ready_fd) {
        CLEANUP_CLOSE int read_fd = -1, write_fd = -1;
        int fds[2];
        pid_t pid;
        char byte;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        read_fd = fds[0];
        write_fd = fds[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid > 0) {
                close(write_fd);
                _exit(TEMP_FAILURE_RETRY(read(read_fd, &byte, 1)) == 1 ? 0 : 1);
        }
        setsid();
        *ret_ready_fd = steal_fd(&write_fd);
        return 0;
}

int daemon_ready(int ready_fd, bool keep_umask) {
        ssize_t n;
        int fd;

        if (chdir("/") < 0)
                return -errno;
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        for (int i = 0; i < 3; i++)
                dup2(fd, i);
        if (fd > 2)
                close(fd);
        if (!keep_umask)
                umask(022);

        n = write(ready_fd, "", 1);
        close(ready_fd);
        return n == 1 ? 0 : -EPIPE;
}

/* Does the process that the pid file names live? */
static bool names_living(int fd) {
        char text[32] = {};
        long pid;

        if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
                return false;
        pid = strtol(text, NULL, 10);
        return pid > 0 && pid != getpid() && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

/*
 * Open and lock the file. 1 if this has to be tried again, because it is not the file at the path
 * any more, or was taken away from there.
 */
static int lock_pidfile(const char *path, int *ret_fd) {
        CLEANUP_CLOSE int fd = -1;
        struct stat ours, there;

        /* What somebody else has put there must not be followed, changed or waited for. */
        fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
        if (fd < 0 || fstat(fd, &ours) < 0)
                return -errno;
        if (!S_ISREG(ours.st_mode) || ours.st_nlink > 1 || !owner_is_ours(ours.st_uid))
                return -EINVAL;
        /* A file system without locks does not keep the bus from starting. */
        if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
                if (names_living(fd))
                        return -EEXIST;
                /* Everybody who can read the file can lock it. The bus that wrote it has ended. */
                return unlink(path) < 0 ? -errno : 1;
        }
        if (lstat(path, &there) < 0 || there.st_dev != ours.st_dev || there.st_ino != ours.st_ino)
                return 1;
        *ret_fd = steal_fd(&fd);
        return 0;
}

int daemon_write_pidfile(const char *path, int *ret_fd) {
        CLEANUP_CLOSE int fd = -1;
        int r = 1;

        for (unsigned i = 0; r > 0 && i < PIDFILE_TRIES; i++)
                r = lock_pidfile(path, &fd);
        if (r != 0)
                return r < 0 ? r : -EBUSY;
        if (ftruncate(fd, 0) < 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0) {
                unlink(path);
                return -EIO;
        }
        *ret_fd = steal_fd(&fd);
        return 0;
}

/* capabilities */

struct capabilities {
        struct __user_cap_header_struct header;
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

static int get_capabilities(struct capabilities *c) {
        c->header = (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
        return syscall(SYS_capget, &c->header, c->data) < 0 ? -errno : 0;
}

static int set_capabilities(struct capabilities *c) {
        return syscall(SYS_capset, &c->header, c->data) < 0 ? -errno : 0;
}

/* Drop all capabilities except this one. A process that does not have it does not get it. */
static int keep_capability(unsigned capability) {
        struct capabilities c;
        int r;

        r = get_capabilities(&c);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
                c.data[i].permitted &= i == capability / 32 ? UINT32_C(1) << capability % 32 : 0;
                c.data[i].effective = c.data[i].permitted;
                c.data[i].inheritable = 0;
        }
        return set_capabilities(&c);
}

/* Let exactly these be ambient. They must be permitted and inheritable. */
static int set_ambient(uint64_t capabilities) {
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                return -errno;
        for (unsigned i = 0; i < 64; i++)
                if (capabilities & UINT64_C(1) << i &&
                    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
                        return -errno;
        return 0;
}

void daemon_get_capabilities(struct daemon_capabilities *ret_capabilities) {
        struct capabilities c;

        *ret_capabilities = (struct daemon_capabilities){};
        if (get_capabilities(&c) < 0)
                return;
        for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
                ret_capabilities->inheritable |= (uint64_t)c.data[i].inheritable << 32 * i;
        for (unsigned i = 0; i < 64; i++)
                if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1)
                        ret_capabilities->ambient |= UINT64_C(1) << i;
}

int daemon_pass_capabilities(void) {
        struct capabilities c;
        uint64_t permitted = 0;
        int r;

        /* root gets all of them again */
        if (geteuid() == 0)
                return 0;
        r = get_capabilities(&c);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
                permitted |= (uint64_t)c.data[i].permitted << 32 * i;
                c.data[i].inheritable |= c.data[i].permitted;
        }
        if (permitted == 0)
                return 0;
        r = set_capabilities(&c);
        return r < 0 ? r : set_ambient(permitted);
}

int daemon_set_capabilities(const struct daemon_capabilities *capabilities) {
        struct capabilities c;
        int r;

        if (geteuid() == 0)
                return 0;
        r = get_capabilities(&c);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
                c.data[i].inheritable &= (uint32_t)(capabilities->inheritable >> 32 * i);
        r = set_capabilities(&c);
        return r < 0 ? r : set_ambient(capabilities->ambient);
}

int daemon_drop_privileges(const char *user, bool keep_audit) {
        struct passwd *entry;
        unsigned long number;
        char *end;

        if (geteuid() != 0)
                return 0;

        entry = getpwnam(user);
        if (!entry) {
                /* A number that uid_t cannot hold must not become the number of another user. */
                errno = 0;
                number = strtoul(user, &end, 10);
                if (*user < '0' || *user > '9' || *end || errno || number >= (uid_t)-1)
                        return -ENOENT;
                entry = getpwuid((uid_t)number);
        }
        if (!entry)
                return -ENOENT;

        if (keep_audit && prctl(PR_SET_KEEPCAPS, 1) < 0)
                return -errno;
        if (initgroups(entry->pw_name, entry->pw_gid) < 0 || setgid(entry->pw_gid) < 0 ||
            setuid(entry->pw_uid) < 0)
                return -errno;
        return keep_audit ? keep_capability(CAP_AUDIT_WRITE) : 0;
}

void daemon_raise_fd_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        if (geteuid() == 0 && limit.rlim_max != RLIM_INFINITY && limit.rlim_max < ROOT_FD_LIMIT) {
                struct rlimit more = {.rlim_cur = ROOT_FD_LIMIT, .rlim_max = ROOT_FD_LIMIT};

                if (setrlimit(RLIMIT_NOFILE, &more) == 0)
                        return;
        }
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
}
