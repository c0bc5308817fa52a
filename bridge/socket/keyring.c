/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keyrings: the files, their lock, and the age of cookies. */

#include "bridge/socket/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bridge/base/owner.h"

/* in seconds; the values of libdbus, which uses the same files */
#define COOKIE_AGE_GIVEN_OUT 300
#define COOKIE_AGE_KEPT (COOKIE_AGE_GIVEN_OUT + 120)
#define COOKIE_FUTURE_MAX 300

#define COOKIES_MAX 256
#define SECRET_SIZE 24
#define FILE_SIZE_MAX (COOKIES_MAX * 256)

#define LOCK_TRIES 32
#define LOCK_DELAY (250 * 1000 * 1000) /* ns */

struct keyring {
        int dir_fd;
        const char *name;
        char lock[NAME_MAX + 1];
        bool is_locked;
        struct keyring_cookie *cookies;
        size_t n;
};

char *keyring_directory(void) {
        const char *home = getenv("HOME");
        struct passwd *user;
        char *path;

        if (!home || home[0] != '/') {
                user = getpwuid(geteuid());
                home = user ? user->pw_dir : NULL;
        }
        if (!home || home[0] != '/' || asprintf(&path, "%s/.dbus-keyrings", home) < 0)
                return NULL;
        return path;
}

/* the directory */

/* "must not be readable or writable by other users" (D-Bus spec) */
static bool is_private(const struct stat *st) {
        return st->st_uid == geteuid() && (st->st_mode & 066) == 0;
}

static int keyring_open(struct keyring *keyring, const char *directory, const char *context) {
        struct stat st;
        int n, r;

        *keyring = (struct keyring){.dir_fd = -1, .name = context};
        n = snprintf(keyring->lock, sizeof(keyring->lock), "%s.lock", context);
        if (n < 0 || (size_t)n >= sizeof(keyring->lock))
                return -ENAMETOOLONG;

        r = owner_make_directory(directory);
        if (r < 0)
                return r;
        keyring->dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (keyring->dir_fd < 0 || fstat(keyring->dir_fd, &st) < 0)
                return -errno;
        return is_private(&st) ? 0 : -EPERM;
}

static void keyring_close(struct keyring *keyring) {
        if (keyring->is_locked)
                unlinkat(keyring->dir_fd, keyring->lock, 0);
        if (keyring->dir_fd >= 0)
                close(keyring->dir_fd);
        free(keyring->cookies);
}

/* the lock */

static int try_lock(struct keyring *keyring) {
        int fd;

        fd = openat(keyring->dir_fd, keyring->lock,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        close(fd);
        keyring->is_locked = true;
        return 0;
}

/* A lock that outlasts all tries is removed: the process that made it has probably died. */
static int keyring_lock(struct keyring *keyring, const atomic_bool *cancel) {
        static const struct timespec delay = {.tv_nsec = LOCK_DELAY};
        int r = -EEXIST;

        for (unsigned i = 0; r == -EEXIST && i < LOCK_TRIES; i++) {
                if (i > 0)
                        nanosleep(&delay, NULL);
                if (cancel && atomic_load(cancel))
                        return -ECANCELED;
                r = try_lock(keyring);
        }
        if (r != -EEXIST)
                return r;
        if (unlinkat(keyring->dir_fd, keyring->lock, 0) < 0 && errno != ENOENT)
                return -errno;
        return try_lock(keyring);
}

/* the file */

static bool is_secret(const char *hex) {
        size_t n = strspn(hex, "0123456789abcdefABCDEF");

        return n > 0 && n <= KEYRING_SECRET_HEX_MAX && n % 2 == 0 && hex[n] == '\0';
}

/* Parse "id seconds secret". Returns false if the line is no cookie. */
static bool parse_line(char *line, struct keyring_cookie *ret_cookie) {
        char *end, *secret;
        unsigned long long id, seconds;

        if (*line < '0' || *line > '9')
                return false;
        errno = 0;
        id = strtoull(line, &end, 10);
        if (errno || id > INT32_MAX || end[0] != ' ' || end[1] < '0' || end[1] > '9')
                return false;
        seconds = strtoull(end + 1, &secret, 10);
        if (errno || seconds > INT64_MAX / 2 || *secret != ' ' || !is_secret(++secret))
                return false;

        *ret_cookie = (struct keyring_cookie){.id = id, .time = seconds};
        strcpy(ret_cookie->secret, secret);
        return true;
}

static bool is_kept(const struct keyring_cookie *cookie, int64_t now) {
        return cookie->time >= now - COOKIE_AGE_KEPT && cookie->time <= now + COOKIE_FUTURE_MAX;
}

static void parse(struct keyring *keyring, char *text, int64_t now) {
        char *line, *rest = text;

        keyring->n = 0;
        while (keyring->n < COOKIES_MAX && (line = strsep(&rest, "\n"))) {
                struct keyring_cookie *cookie = &keyring->cookies[keyring->n];

                if (parse_line(line, cookie) && is_kept(cookie, now))
                        keyring->n++;
        }
}

static ssize_t read_all(int fd, char *buffer, size_t size) {
        size_t n = 0;
        ssize_t k;

        while (n < size) {
                k = TEMP_FAILURE_RETRY(read(fd, buffer + n, size - n));
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += k;
        }
        return n;
}

/* A file that cannot be opened, is not regular, or is not private to the user counts as empty. */
static int keyring_read(struct keyring *keyring, int64_t now) {
        struct stat st;
        ssize_t n = 0;
        char *text;
        int fd;

        if (!keyring->cookies) {
                keyring->cookies = calloc(COOKIES_MAX + 1, sizeof(*keyring->cookies));
                if (!keyring->cookies)
                        return -ENOMEM;
        }
        text = malloc(FILE_SIZE_MAX + 1);
        if (!text)
                return -ENOMEM;

        fd = openat(keyring->dir_fd, keyring->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0) {
                if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && is_private(&st))
                        n = read_all(fd, text, FILE_SIZE_MAX);
                close(fd);
        }
        if (n >= 0) {
                text[n] = '\0';
                parse(keyring, text, now);
        }
        free(text);
        return n < 0 ? n : 0;
}

static int write_cookies(const struct keyring *keyring, int fd) {
        FILE *file = fdopen(fd, "w");
        int r = 0;

        if (!file) {
                close(fd);
                return -ENOMEM;
        }
        for (size_t i = 0; i < keyring->n; i++) {
                const struct keyring_cookie *cookie = &keyring->cookies[i];

                fprintf(file, "%" PRIu32 " %" PRIi64 " %s\n", cookie->id, cookie->time,
                        cookie->secret);
        }
        if (fflush(file) != 0 || fsync(fd) < 0)
                r = -errno;
        if (fclose(file) != 0 && r == 0)
                r = -errno;
        return r;
}

/* Readers take no lock, so the file is replaced as a whole. */
static int keyring_write(const struct keyring *keyring) {
        char name[NAME_MAX + 1];
        uint64_t x;
        int fd, r;

        if (getrandom(&x, sizeof(x), 0) != sizeof(x))
                return -EIO;
        r = snprintf(name, sizeof(name), "%s.%016" PRIx64, keyring->name, x);
        if (r < 0 || (size_t)r >= sizeof(name))
                return -ENAMETOOLONG;
        fd = openat(keyring->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
        if (fd < 0)
                return -errno;
        r = write_cookies(keyring, fd);
        if (r == 0 && renameat(keyring->dir_fd, name, keyring->dir_fd, keyring->name) < 0)
                r = -errno;
        if (r < 0)
                unlinkat(keyring->dir_fd, name, 0);
        return r;
}

/* cookies */

static const struct keyring_cookie *find_young(const struct keyring *keyring, int64_t now) {
        const struct keyring_cookie *young = NULL;

        for (size_t i = 0; i < keyring->n; i++) {
                const struct keyring_cookie *cookie = &keyring->cookies[i];

                if (cookie->time > now - COOKIE_AGE_GIVEN_OUT &&
                    (!young || cookie->time > young->time))
                        young = cookie;
        }
        return young;
}

static bool has_id(const struct keyring *keyring, uint32_t id) {
        for (size_t i = 0; i < keyring->n; i++)
                if (keyring->cookies[i].id == id)
                        return true;
        return false;
}

/* The array has room for one more cookie than keyring_read() takes from the file. */
static int add_cookie(struct keyring *keyring, int64_t now) {
        struct keyring_cookie cookie = {.time = now};
        uint8_t secret[SECRET_SIZE];

        if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
                return -EIO;
        for (size_t i = 0; i < sizeof(secret); i++)
                snprintf(cookie.secret + 2 * i, 3, "%02x", secret[i]);
        do {
                if (getrandom(&cookie.id, sizeof(cookie.id), 0) != sizeof(cookie.id))
                        return -EIO;
                cookie.id &= INT32_MAX;
        } while (has_id(keyring, cookie.id));
        keyring->cookies[keyring->n++] = cookie;
        return 0;
}

static int get_cookie(struct keyring *keyring, int64_t now, const atomic_bool *cancel,
                      struct keyring_cookie *ret_cookie) {
        const struct keyring_cookie *young;
        int r;

        r = keyring_read(keyring, now);
        if (r < 0)
                return r;
        young = find_young(keyring, now);
        if (!young) {
                r = keyring_lock(keyring, cancel);
                if (r == 0)
                        r = keyring_read(keyring, now);
                if (r < 0)
                        return r;
                young = find_young(keyring, now);
        }
        if (!young) {
                r = add_cookie(keyring, now);
                if (r == 0)
                        r = keyring_write(keyring);
                if (r < 0)
                        return r;
                young = &keyring->cookies[keyring->n - 1];
        }
        *ret_cookie = *young;
        return 0;
}

int keyring_get(const char *directory, const char *context, int64_t now, const atomic_bool *cancel,
                struct keyring_cookie *ret_cookie) {
        struct keyring keyring;
        int r;

        r = keyring_open(&keyring, directory, context);
        if (r == 0)
                r = get_cookie(&keyring, now, cancel, ret_cookie);
        keyring_close(&keyring);
        return r;
}
