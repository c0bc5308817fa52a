/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Socket files: see socket-file.h. */

#include "bridge/socket/socket-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

/* A name for the time until the socket listens, in the same directory. */
struct provisional {
        int directory;
        char path[PATH_SIZE + 32];
};

/*
 * If the path is too long for an address with more letters, /proc leads to the directory. ss(8)
 * shows the name of the time of bind() for ever, so it should tell something.
 */
static int provisional_init(struct provisional *p, const char *path) {
        const char *name = strrchr(path, '/');
        CLEANUP_FREE char *directory = NULL;

        p->directory = -1;
        if ((size_t)snprintf(p->path, sizeof(p->path), "%s.%ld.new", path, (long)getpid()) <
            PATH_SIZE)
                return 0;
        if (!name)
                return -ENAMETOOLONG;
        directory = strndup(path, (size_t)(name - path) + 1);
        if (!directory)
                return -ENOMEM;
        p->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (p->directory < 0)
                return -errno;
        if ((size_t)snprintf(p->path, sizeof(p->path), "/proc/self/fd/%d/.%ld.new", p->directory,
                             (long)getpid()) >= PATH_SIZE)
                return -ENAMETOOLONG;
        return 0;
}

static void provisional_deinit(struct provisional *p) {
        if (p->directory >= 0)
                close(p->directory);
}

static void set_path(struct sockaddr_un *address, const char *path) {
        *address = (struct sockaddr_un){.sun_family = AF_UNIX};
        memcpy(address->sun_path, path, strlen(path));
}

static int new_socket(void) {
        return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* What is at the path: 0 if there is nothing, 1 if it is a socket that nobody listens on. */
static int look_at(const char *path) {
        struct sockaddr_un address;
        CLEANUP_CLOSE int fd = -1;
        struct stat st;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EADDRINUSE;
        fd = new_socket();
        if (fd < 0)
                return -errno;
        set_path(&address, path);
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
                return -EADDRINUSE;
        /* EAGAIN: many wait to be accepted */
        return errno == ECONNREFUSED ? 1 : errno == ENOENT ? 0 : -EADDRINUSE;
}

/* Listen at a path that no client knows. Returns the socket or a negative errno. */
static int listen_at(const char *path, char **ret_error) {
        struct sockaddr_un address;
        CLEANUP_CLOSE int fd = new_socket();

        if (fd < 0)
                return set_error(ret_error, -errno, "Cannot make a socket: %s", strerror(errno));
        set_path(&address, path);
        unlink(path); /* of a bus that had the same pid and was killed in the middle of this */
        if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return set_error(ret_error, -errno, "Cannot bind to \"%s\": %s", path,
                                 strerror(errno));
        if (listen(fd, SOMAXCONN) < 0)
                return set_error(ret_error, -errno, "Cannot listen on \"%s\": %s", path,
                                 strerror(errno));
        if (chmod(path, 0777) < 0)
                return set_error(ret_error, -errno, "Cannot let all users connect to \"%s\": %s",
                                 path, strerror(errno));
        return steal_fd(&fd);
}

/* Give the socket its name. Without replace, whatever is there by now stays. */
static int name_it(const char *from, const char *to, bool replace, struct socket_file *file) {
        unsigned flags = replace ? 0 : RENAME_NOREPLACE;
        struct stat st;

        if (lstat(from, &st) < 0)
                return -errno;
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) < 0 &&
            /* a file system may not know the flag */
            (errno != EINVAL || replace || rename(from, to) < 0))
                return -errno;
        file->device = st.st_dev;
        file->inode = st.st_ino;
        return 0;
}

int socket_file_listen(const char *path, struct socket_file *ret_file, char **ret_error) {
        CLEANUP(provisional_deinit) struct provisional provisional = {.directory = -1};
        CLEANUP_CLOSE int fd = -1;
        int r, replace;

        *ret_file = (struct socket_file){};
        if (strlen(path) >= PATH_SIZE)
                return set_error(ret_error, -ENAMETOOLONG, "The socket name \"%s\" is too long",
                                 path);
        replace = look_at(path);
        if (replace < 0)
                return set_error(ret_error, replace, "Cannot bind to \"%s\": %s", path,
                                 strerror(-replace));
        r = provisional_init(&provisional, path);
        if (r < 0)
                return set_error(ret_error, r, "Cannot bind to \"%s\": %s", path, strerror(-r));
        fd = listen_at(provisional.path, ret_error);
        if (fd < 0) {
                unlink(provisional.path);
                return fd;
        }
        ret_file->path = strdup(path);
        r = ret_file->path ? name_it(provisional.path, path, replace, ret_file) : -ENOMEM;
        if (r < 0) {
                unlink(provisional.path);
                free(ret_file->path);
                ret_file->path = NULL;
                return set_error(ret_error, r == -EEXIST ? -EADDRINUSE : r,
                                 "Cannot bind to \"%s\": %s", path,
                                 strerror(r == -EEXIST ? EADDRINUSE : -r));
        }
        return steal_fd(&fd);
}

void socket_file_remove(struct socket_file *file) {
        struct stat st;

        if (!file->path)
                return;
        if (lstat(file->path, &st) == 0 && st.st_dev == file->device && st.st_ino == file->inode)
                unlink(file->path);
        free(file->path);
        file->path = NULL;
}
