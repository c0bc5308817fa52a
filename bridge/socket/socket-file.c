/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Socket files: see socket-file.h. */

#include "bridge/socket/socket-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/*
 * What is at the path: 0 if there is nothing, 1 with *ret_old if it is a socket that nobody listens
 * on, or a negative errno.
 */
static int look_at(const char *path, struct stat *ret_old) {
        struct sockaddr_un address;
        CLEANUP_CLOSE int fd = -1;

        if (lstat(path, ret_old) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(ret_old->st_mode))
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

int socket_listen(const struct sockaddr_un *address, socklen_t n, const char *name,
                  char **ret_error) {
        CLEANUP_CLOSE int fd = new_socket();

        if (fd < 0)
                return set_error(ret_error, -errno, "Cannot make a socket: %s", strerror(errno));
        if (bind(fd, (const struct sockaddr *)address, n) < 0)
                return set_error(ret_error, -errno, "Cannot bind to \"%s\": %s", name,
                                 strerror(errno));
        if (listen(fd, SOMAXCONN) < 0)
                return set_error(ret_error, -errno, "Cannot listen on \"%s\": %s", name,
                                 strerror(errno));
        return steal_fd(&fd);
}

/*
 * Listen at a path that no client knows yet. name is what an error calls it. Returns the socket or
 * a negative errno.
 */
static int listen_at(const char *path, const char *name, char **ret_error) {
        struct sockaddr_un address;
        CLEANUP_CLOSE int fd = -1;

        set_path(&address, path);
        unlink(path); /* of a bus that had the same pid and was killed in the middle of this */
        fd = socket_listen(&address, sizeof(address), name, ret_error);
        if (fd >= 0 && chmod(path, 0777) < 0)
                return set_error(ret_error, -errno, "Cannot let all users connect to \"%s\": %s",
                                 name, strerror(errno));
        return steal_fd(&fd);
}

static bool is_same(const char *path, const struct stat *st) {
        struct stat there;

        return lstat(path, &there) == 0 && there.st_dev == st->st_dev && there.st_ino == st->st_ino;
}

/* Give the socket its name, where nothing is. */
static int name_new(const char *from, const char *to) {
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL)
                return -errno;
        /* a file system that does not know the flag */
        return link(from, to) < 0 || unlink(from) < 0 ? -errno : 0;
}

/* Give it the name of the old one, if this is there still. */
static int name_in_place(const char *from, const char *to, const struct stat *old) {
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) < 0) {
                if (errno == ENOENT)
                        return name_new(from, to);
                /* the file system can only do the first half */
                return errno != EINVAL || rename(from, to) < 0 ? -errno : 0;
        }
        if (is_same(from, old))
                return unlink(from) < 0 ? -errno : 0;
        /* Another bus was faster. */
        renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE);
        return -EADDRINUSE;
}

/* Listen at a name of our own, and then take the path. */
static int listen_and_name(const char *path, const struct stat *old, char **ret_error) {
        CLEANUP(provisional_deinit) struct provisional provisional = {.directory = -1};
        CLEANUP_CLOSE int fd = -1;
        int r;

        r = provisional_init(&provisional, path);
        if (r < 0)
                return set_error(ret_error, r, "Cannot bind to \"%s\": %s", path, strerror(-r));
        fd = listen_at(provisional.path, path, ret_error);
        if (fd < 0) {
                unlink(provisional.path);
                return fd;
        }
        r = old ? name_in_place(provisional.path, path, old) : name_new(provisional.path, path);
        if (r == -EEXIST)
                r = -EADDRINUSE;
        if (r >= 0)
                return steal_fd(&fd);
        unlink(provisional.path);
        return set_error(ret_error, r, "Cannot bind to \"%s\": %s", path, strerror(-r));
}

int socket_file_listen(const char *path, struct socket_file *ret_file, char **ret_error) {
        CLEANUP_CLOSE int fd = -1;
        struct stat st;
        int r;

        *ret_file = (struct socket_file){};
        if (strlen(path) >= PATH_SIZE)
                return set_error(ret_error, -ENAMETOOLONG, "The socket name \"%s\" is too long",
                                 path);
        r = look_at(path, &st);
        if (r < 0)
                return set_error(ret_error, r, "Cannot bind to \"%s\": %s", path, strerror(-r));
        fd = listen_and_name(path, r > 0 ? &st : NULL, ret_error);
        if (fd < 0)
                return fd;
        if (lstat(path, &st) == 0)
                ret_file->path = strdup(path);
        if (!ret_file->path) {
                unlink(path);
                return set_error(ret_error, -ENOMEM, "No memory for \"%s\"", path);
        }
        ret_file->device = st.st_dev;
        ret_file->inode = st.st_ino;
        return steal_fd(&fd);
}

void socket_file_remove(struct socket_file *file) {
        const struct stat ours = {.st_dev = file->device, .st_ino = file->inode};

        if (!file->path)
                return;
        if (is_same(file->path, &ours))
                unlink(file->path);
        free(file->path);
        file->path = NULL;
}
