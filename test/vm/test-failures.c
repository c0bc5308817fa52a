/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Each allocation and each copy that the kernel makes for a command fails once
 *
 * With fault injection, the kernel makes the nth allocation or copy of a task fail. Each command
 * runs with n = 1, 2, ... until nothing fails any more. A command that failed must have changed
 * nothing: both peers are as before, and repeating the command gives the usual result. Only a
 * command that is marked is_done_before_results may have had its effect although it failed with
 * EFAULT. A command that succeeded although something failed must be complete. Needs the debug
 * kernel, and root.
 */

#include "scene.h"
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define MAX_POINTS 2000

static void set(const char *directory, const char *name, const char *value) {
        char path[128];
        int fd;

        snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", directory, name);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        EXPECT(fd >= 0);
        EXPECT(write(fd, value, strlen(value)) == (ssize_t)strlen(value));
        close(fd);
}

/* All allocations and copies may fail, and the kernel does not log each failure. */
static void set_up(void) {
        static const char *const directories[] = {"failslab", "fail_page_alloc", "fail_usercopy"};

        for (size_t i = 0; i < 3; i++)
                set(directories[i], "verbose", "0");
        set("failslab", "ignore-gfp-wait", "N");
        set("fail_page_alloc", "ignore-gfp-wait", "N");
        set("fail_page_alloc", "ignore-gfp-highmem", "N");
        set("fail_page_alloc", "min-order", "0");
}

/* Make the nth allocation or copy of the command fail. Returns whether there was an nth one. */
static bool run_with_failure(struct scene *scene, int nth_fd, unsigned n, int *ret_r) {
        char number[16] = "";
        ssize_t l;

        snprintf(number, sizeof(number), "%u", n);
        EXPECT(write(nth_fd, number, strlen(number)) > 0);
        *ret_r = scene_run(scene);
        /* These system calls copy too. If one of them fails, the command had no nth one. */
        l = pread(nth_fd, number, sizeof(number) - 1, 0);
        while (write(nth_fd, "0", 1) < 0)
                ;
        return l > 0 && number[0] == '0';
}

static void complain(const struct operation *operation, unsigned n, int r, const char *what) {
        fprintf(stderr, "%s, failure %u: returned %d (%s): %s\n", operation->name, n, r,
                strerror(-r), what);
        exit(1);
}

/* Check a command that has failed. Returns whether it had its effect nevertheless. */
static bool check_failed(const struct operation *operation, struct scene *scene,
                         const struct state *before, unsigned n, int r) {
        const struct bus1_message *message = scene_page(scene, PAGE_MESSAGE);
        struct state after;
        bool same;

        if (r != -ENOMEM && r != -EFAULT)
                complain(operation, n, r, "not the error of what failed");
        scene_state(scene, operation, &after);
        same = memcmp(before, &after, sizeof(after)) == 0;
        if (!same && !(r == -EFAULT && operation->is_done_before_results))
                complain(operation, n, r, "it had an effect");
        if (scene->request == BUS1_CMD_RECV && message->type != BUS1_INVALID)
                complain(operation, n, r, "a message was received");
        return !same;
}

/* Returns with how many failures of allocations or copies the command failed. */
static unsigned test_operation(const struct operation *operation, int nth_fd) {
        char *expected, *transcript;
        unsigned n_failed = 0;
        struct scene scene;
        bool more = true;

        scene_init(&scene, operation);
        operation->prepare(&scene);
        EXPECT(scene_run(&scene) == 0);
        expected = scene_transcript(&scene, operation);
        scene_deinit(&scene);

        for (unsigned n = 1; more; n++) {
                struct state before;
                int r;

                EXPECT(n < MAX_POINTS);
                scene_init(&scene, operation);
                operation->prepare(&scene);
                scene_state(&scene, operation, &before);
                more = run_with_failure(&scene, nth_fd, n, &r);
                if (!more && r < 0)
                        complain(operation, n, r, "nothing failed");
                n_failed += r < 0;
                if (r < 0 && !check_failed(operation, &scene, &before, n, r)) {
                        operation->prepare(&scene);
                        EXPECT(scene_run(&scene) == 0);
                }
                transcript = scene_transcript(&scene, operation);
                if (strcmp(transcript, expected) != 0) {
                        fprintf(stderr, "expected:\n%sbut:\n%s", expected, transcript);
                        complain(operation, n, r, "ends differently");
                }
                free(transcript);
                scene_deinit(&scene);
        }
        free(expected);
        expect_no_usage();
        return n_failed;
}

static unsigned test_operations(const struct operation *list, size_t n_list, int nth_fd) {
        unsigned n = 0;

        for (size_t i = 0; i < n_list; i++) {
                unsigned n_failed = test_operation(&list[i], nth_fd);

                printf("%s: failed in %u ways\n", list[i].name, n_failed);
                /*
                 * Each command can fail. Only the disconnect of 2016 may not, because it copies no
                 * arguments.
                 */
                EXPECT(n_failed > 0 || (list[i].ends && list[i].pages == 0));
                n += n_failed;
        }
        return n;
}

int main(void) {
        int nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
        unsigned n;

        EXPECT(nth_fd >= 0);
        set_up();
        n = test_operations(operations, n_operations, nth_fd);
        n += test_operations(operations_2016, n_operations_2016, nth_fd);
        close(nth_fd);
        printf("all %zu commands failed in %u ways\n", n_operations + n_operations_2016, n);
        return 0;
}
