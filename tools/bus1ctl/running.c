/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/running.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/child.h"
#include "tools/bus1ctl/output.h"

#define TIMEOUT_SEC 5
#define RUNTIME_DIRECTORIES "/run/user"

/* asking */

struct answer {
        int error; /* 0, or a positive errno */
        uint32_t pid;
};

static int ask(const char *address, uid_t uid, uint32_t *ret_pid) {
        CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = child_become(uid);
        if (r >= 0)
                r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "GetConnectionUnixProcessID", NULL,
                                       &reply, "s", "org.freedesktop.DBus");
        return r >= 0 ? sd_bus_message_read(reply, "u", ret_pid) : r;
}

/*
 * The child can become another user. A bus that does not answer is given up, because the alarm ends
 * the child.
 */
static struct answer ask_in_child(const char *address, uid_t uid) {
        struct answer answer = {.error = ETIMEDOUT};
        int fds[2];
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return (struct answer){.error = errno};
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
                alarm(TIMEOUT_SEC);
                answer.error = -ask(address, uid, &answer.pid);
                answer.error = answer.error < 0 ? 0 : answer.error;
                _exit(write(fds[1], &answer, sizeof(answer)) != sizeof(answer));
        }
        if (pid < 0)
                answer.error = errno;
        close(fds[1]);
        if (pid > 0 && read(fds[0], &answer, sizeof(answer)) != sizeof(answer))
                answer = (struct answer){.error = ETIMEDOUT};
        close(fds[0]);
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return answer;
}

/* programs */

static char *find_program(pid_t pid) {
        char path[64], text[PATH_MAX];
        CLEANUP_FCLOSE FILE *f = NULL;
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
        n = readlink(path, text, sizeof(text) - 1);
        if (n > 0) {
                text[n] = '\0';
                return copy_text(text);
        }
        snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
        f = fopen(path, "re");
        if (!f || !fgets(text, sizeof(text), f))
                return NULL;
        text[strcspn(text, "\n")] = '\0';
        return copy_text(text);
}

void running_ask(struct running *ret_running, const char *address, uid_t uid) {
        struct answer answer = ask_in_child(address, uid);

        *ret_running = (struct running){};
        if (answer.error) {
                ret_running->error = copy_text(strerror(answer.error));
                return;
        }
        ret_running->pid = (pid_t)answer.pid;
        ret_running->program = find_program(ret_running->pid);
}

void running_clear(struct running *running) {
        free(running->error);
        free(running->program);
        *running = (struct running){};
}

/* users */

static void add_user(struct running_user **users, size_t *n, uid_t uid, const char *directory) {
        struct running_user user = {.uid = uid};
        CLEANUP_FREE char *socket = NULL;

        check_memory(asprintf(&socket, "%s/bus", directory) >= 0);
        if (access(socket, F_OK) < 0)
                return;
        check_memory(asprintf(&user.address, "unix:path=%s", socket) >= 0);
        APPEND(*users, *n, user);
}

static int compare_users(const void *a, const void *b) {
        const struct running_user *x = a, *y = b;

        return (x->uid > y->uid) - (x->uid < y->uid);
}

void running_list_users(struct running_user **ret_users, size_t *ret_n) {
        const char *own = getenv("XDG_RUNTIME_DIR");
        struct running_user *users = NULL;
        DIR *directory = geteuid() == 0 ? opendir(RUNTIME_DIRECTORIES) : NULL;
        struct dirent *entry;
        char path[64];
        size_t n = 0;

        snprintf(path, sizeof(path), RUNTIME_DIRECTORIES "/%u", geteuid());
        add_user(&users, &n, geteuid(), own && *own ? own : path);
        while (directory && (entry = readdir(directory))) {
                char *end;
                unsigned long uid = strtoul(entry->d_name, &end, 10);

                if (!isdigit((unsigned char)entry->d_name[0]) || *end || uid >= UINT32_MAX ||
                    uid == geteuid())
                        continue;
                snprintf(path, sizeof(path), RUNTIME_DIRECTORIES "/%lu", uid);
                add_user(&users, &n, (uid_t)uid, path);
        }
        if (directory)
                closedir(directory);
        if (n > 1)
                qsort(users, n, sizeof(*users), compare_users);
        *ret_users = users;
        *ret_n = n;
}

void running_users_free(struct running_user *users, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(users[i].address);
        free(users);
}
