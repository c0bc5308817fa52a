/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A process that is killed where a command accesses a page: for each page of each command
 *
 * A command can be stopped where it accesses the memory of the user. The test takes away one page
 * after the other, and userfaultfd makes the kernel wait for that page in the middle of the
 * command. Then the test kills the process, together with a second one that runs the same command
 * on the same peer and may wait for the first. The other peer must get its notifications. When that
 * peer has ended, too, no account may be charged. Needs root, and the file bus1/usage of debugfs.
 */

#include "scene.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* exit status of a process that completed its command */
#define NOT_REACHED 7

/*
 * Make every access to one of the pages wait. The returned descriptor becomes readable when an
 * access waits.
 */
static int take_away(struct scene *scene, unsigned pages) {
        struct uffdio_api api = {.api = UFFD_API};
        int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

        EXPECT(fd >= 0);
        EXPECT(ioctl(fd, UFFDIO_API, &api) == 0);
        for (unsigned i = 0; i < N_PAGES; i++) {
                void *page = scene_page(scene, (enum scene_page)i);
                struct uffdio_register range = {
                        .range = {.start = ptr(page), .len = PAGE_SIZE},
                        .mode = UFFDIO_REGISTER_MODE_MISSING,
                };

                if (!(pages & BIT(i)))
                        continue;
                EXPECT(ioctl(fd, UFFDIO_REGISTER, &range) == 0);
                EXPECT(madvise(page, PAGE_SIZE, MADV_DONTNEED) == 0);
        }
        return fd;
}

/*
 * Run the command in a new process, without these pages. The process tells "w" when the command
 * waits for one of the pages, or "x" when it has completed.
 */
static pid_t start_victim(struct scene *scene, unsigned pages, int tell) {
        pid_t pid = fork(), watcher;
        struct pollfd p;

        EXPECT(pid >= 0);
        if (pid > 0)
                return pid;

        p = (struct pollfd){.fd = take_away(scene, pages), .events = POLLIN};
        watcher = fork();
        if (watcher == 0) {
                /* userfaultfd watches the memory of the parent only */
                close(scene->a);
                EXPECT(poll(&p, 1, -1) == 1 && p.revents == POLLIN);
                EXPECT(write(tell, "w", 1) == 1);
                _exit(0);
        }
        scene_run(scene);
        kill(watcher, SIGKILL);
        EXPECT(write(tell, "x", 1) == 1);
        _exit(NOT_REACHED);
}

/* Start a second process that runs the command on the same peer. No page is missing there. */
static pid_t start_second(struct scene *scene) {
        pid_t pid = fork();

        EXPECT(pid >= 0);
        if (pid == 0) {
                scene_run(scene);
                _exit(0);
        }
        return pid;
}

/* Check that b is notified of the end of a's nodes, and that nothing is left in b's queue. */
static void check_other(const struct operation *operation, unsigned pages, int b) {
        struct bus1_metadata_credentials metadata;
        struct bus1_cmd_query q;
        unsigned n_node_releases = 0;
        int r = 0;

        /* both processes are dead, but the kernel may close their descriptors a moment later */
        for (int i = 0; i < 5000; i++) {
                while ((r = recv_any(b, &metadata)) >= 0)
                        n_node_releases += r == BUS1_MESSAGE_TYPE_NODE_RELEASE;
                if (n_node_releases > 0)
                        break;
                usleep(1000);
        }
        q = query(b);
        if (r != -EAGAIN || n_node_releases == 0 || q.n_messages > 0 || q.n_bytes > 0 ||
            q.n_fds > 0) {
                fprintf(stderr,
                        "%s, killed at pages %#x: recv %d, %u node releases, %llu messages\n",
                        operation->name, pages, r, n_node_releases,
                        (unsigned long long)q.n_messages);
                exit(1);
        }
}

/* Run the command while these pages are missing. The command touches all of them or none. */
static void test_pages(const struct operation *operation, unsigned pages) {
        bool is_touched = operation->pages & pages;
        int tell[2], status;
        pid_t victim, second;
        struct scene scene;
        char c;

        EXPECT(pipe2(tell, O_CLOEXEC) == 0);
        scene_init(&scene, operation);
        operation->prepare(&scene);
        victim = start_victim(&scene, pages, tell[1]);
        EXPECT(read(tell[0], &c, 1) == 1);
        second = start_second(&scene);
        /* only these two processes have the peer now, so it ends with the last of them */
        close(scene.a);
        if (is_touched && __builtin_ctz(pages) % 2)
                usleep(2000);
        EXPECT(c != 'w' || kill(victim, SIGKILL) == 0);
        EXPECT(waitpid(victim, &status, 0) == victim);
        EXPECT(c == 'w' ? WIFSIGNALED(status) : WEXITSTATUS(status) == NOT_REACHED);
        EXPECT(kill(second, SIGKILL) == 0 && waitpid(second, NULL, 0) == second);
        if ((c == 'w') != is_touched) {
                fprintf(stderr, "%s: pages %#x are%s touched\n", operation->name, pages,
                        is_touched ? " not" : "");
                exit(1);
        }
        check_other(operation, pages, scene.b);
        scene.a = -1;
        scene_deinit(&scene);
        close(tell[0]);
        close(tell[1]);
        expect_no_usage();
}

static unsigned test_operations(const struct operation *list, size_t n_list) {
        unsigned n = 0;

        for (size_t i = 0; i < n_list; i++) {
                for (unsigned page = 0; page < N_PAGES; page++) {
                        if (!(list[i].pages & BIT(page)))
                                continue;
                        test_pages(&list[i], BIT(page));
                        ++n;
                }
                test_pages(&list[i], ~list[i].pages & (BIT(N_PAGES) - 1));
        }
        return n;
}

int main(void) {
        unsigned n = test_operations(operations, n_operations) +
                     test_operations(operations_2016, n_operations_2016);

        printf("killed at %u places in %zu commands\n", n, n_operations + n_operations_2016);
        return 0;
}
