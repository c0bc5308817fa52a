/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus1ctl switch - makes bus1-bridge the bus of a machine, or puts back what was there before
 *
 * Nothing is changed before all checks of all buses have succeeded. If a change fails, those before
 * it are undone. No bus is restarted: connections would not survive this.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/output.h"
#include "tools/bus1ctl/pin.h"
#include "tools/bus1ctl/place.h"
#include "tools/bus1ctl/switch-check.h"
#include "tools/bus1ctl/switch-status.h"
#include "tools/bus1ctl/tree.h"

#define LOCK_FILE "/run/bus1ctl-switch.lock"

struct change {
        const char *what; /* the argument: system, user or all */
        char *root;       /* "": the running machine */
        bool back;
        bool yes;
        bool dry_run;
        bool force;
        struct place places[UNIT_SCOPE_N];
        size_t n_places;
};

static void change_clear(struct change *change) {
        for (size_t i = 0; i < change->n_places; i++)
                place_clear(&change->places[i]);
        free(change->root);
}

/* the plan */

static bool needs_change(const struct change *change, const struct place *place) {
        return change->back ? place_is_bridge(place) || place_is_left(place)
                            : !place_is_bridge(place);
}

static void print_step(const struct change *change, const struct place *place) {
        const char *name = unit_scope_name(place->scope);
        const struct unit *before = &place->before, *now = &place->now;

        if (!needs_change(change, place)) {
                if (!change->back)
                        output_print("%s bus: nothing to do, it is bus1-bridge already\n", name);
                else if (before->kind == UNIT_NONE)
                        output_print("%s bus: nothing to do, it is not bus1-bridge\n", name);
                else
                        output_print(
                                "%s bus: nothing to do, another tool has changed %s since then; %s "
                                "stays\n",
                                name, place->path, place->kept);
        } else if (!change->back) {
                output_print("%s bus: make the link %s to " UNIT_BRIDGE "\n", name, place->path);
                if (now->kind != UNIT_NONE)
                        output_print("%s bus: keep what is there now (%s%s) as %s\n", name,
                                     now->target ? "a link to " : "a file", now->target ?: "",
                                     place->kept);
        } else if (place->is_gone)
                output_print("%s bus: remove %s, and %s, whose unit %s is gone\n", name,
                             place->path, place->kept, before->target);
        else if (before->kind != UNIT_NONE)
                output_print("%s bus: put back %s as %s (%s%s)\n", name, place->kept, place->path,
                             before->target ? "a link to " : "a file", before->target ?: "");
        else
                output_print("%s bus: remove the link %s\n", name, place->path);
}

/* Read all places and print the plan. *ret_needed tells whether there is something to do. */
static int plan(struct change *change, bool *ret_needed) {
        *ret_needed = false;
        for (enum unit_scope scope = 0; scope < UNIT_SCOPE_N; scope++) {
                struct place *place = &change->places[change->n_places];
                int status;

                if (strcmp(change->what, "all") != 0 &&
                    strcmp(change->what, unit_scope_name(scope)) != 0)
                        continue;
                status = place_check_tree(change->root, scope)
                                 ?: place_read(place, change->root, scope);
                if (status)
                        return status;
                change->n_places++;
                print_step(change, place);
                *ret_needed = *ret_needed || needs_change(change, place);
        }
        return output_flush();
}

/* Check all buses that change, so that all problems show at once. Returns the worst status. */
static int check(const struct change *change) {
        int worst = STATUS_OK;

        for (size_t i = 0; i < change->n_places; i++) {
                const struct place *place = &change->places[i];
                int status = STATUS_OK;

                if (needs_change(change, place))
                        status = change->back ? switch_check_before(place, change->force)
                                              : switch_check_bridge(place, change->force);
                worst = status > worst ? status : worst;
        }
        if (worst)
                report_failure("nothing has been changed");
        return worst;
}

static int confirm(void) {
        char line[16];

        if (!isatty(STDIN_FILENO))
                return report_failure("standard input is no terminal to ask on: give --yes to "
                                      "switch, or --dry-run; nothing has been changed");
        printf("Do this? [y/N] ");
        fflush(stdout);
        if (fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y'))
                return STATUS_OK;
        report_failure("nothing has been changed");
        return STATUS_NO;
}

/* the change */

/* After all changes, or after they have been undone. */
static void settle(struct change *change) {
        for (size_t i = 0; i < change->n_places && !*change->root; i++) {
                enum unit_scope scope = change->places[i].scope;

                if (pin_settle(scope))
                        report_failure(
                                "the %s bus that runs now stays in force until the next boot",
                                unit_scope_name(scope));
                if (scope == UNIT_SYSTEM)
                        place_reload();
        }
}

static int change_one(struct change *change, struct place *place) {
        int status = *change->root ? STATUS_OK : pin_make(place->scope);

        if (status)
                return status;
        return change->back ? place_give_back(place) : place_take(place);
}

static void undo(struct change *change) {
        bool failed = false;

        for (size_t i = change->n_places; i-- > 0;)
                failed = place_undo(&change->places[i]) || failed;
        if (failed)
                report_failure("not all changes could be undone: see bus1ctl switch");
        else
                report_failure("everything is as before");
}

static int apply(struct change *change) {
        int status = STATUS_OK;
        sigset_t set;

        /* Signals that a user sends wait for the end, and so do those of the programs that this
         * process runs. */
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        sigprocmask(SIG_BLOCK, &set, NULL);
        for (size_t i = 0; i < change->n_places && !status; i++) {
                struct place *place = &change->places[i];

                if (needs_change(change, place))
                        status = change_one(change, place);
        }
        if (status)
                undo(change);
        settle(change);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        return status;
}

static int print_result(const struct change *change) {
        for (size_t i = 0; i < change->n_places; i++) {
                const struct place *place = &change->places[i];

                if (!place->changed)
                        continue;
                output_print(
                        "%s bus: done, in force %s\n", unit_scope_name(place->scope),
                        *change->root ? "when this tree is booted"
                        : place->scope == UNIT_SYSTEM
                                ? "from the next boot on; until then the bus that runs now goes on"
                                : "for each user at the first login after all sessions of this "
                                  "user "
                                  "have ended, or after a boot");
        }
        if (!change->back)
                output_print("to go back: bus1ctl switch %s --back%s%s\n", change->what,
                             *change->root ? " --root=" : "", change->root);
        return output_flush();
}

/*
 * Only one switch of a tree at a time. The lock ends with the process, and processes that it starts
 * do not have it. The file is one that only root can open, so that nobody else can take the lock.
 * Each tree has a byte of it.
 */
static int take_lock(const struct change *change) {
        const char *root = *change->root ? change->root : "/";
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
        struct stat st;
        int fd;

        if (stat(root, &st) < 0)
                return report_failure("cannot look at %s: %m", root);
        lock.l_start = (off_t)(((uint64_t)st.st_ino ^ (uint64_t)st.st_dev << 32) & INT64_MAX);
        fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (fd < 0)
                return report_failure("cannot open " LOCK_FILE ": %m");
        if (fcntl(fd, F_SETLK, &lock) >= 0)
                return STATUS_OK;
        if (errno == EAGAIN || errno == EACCES)
                report_failure("another bus1ctl switch is at work in %s", root);
        else
                report_failure("cannot lock " LOCK_FILE ": %m");
        close(fd);
        return STATUS_FAILED;
}

static int run(struct change *change) {
        bool needed;
        int status;

        if (geteuid() != 0)
                return report_failure("only root can switch the bus");
        status = change->dry_run ? STATUS_OK : take_lock(change);
        if (!status)
                status = plan(change, &needed);
        if (status || !needed)
                return status;
        status = check(change);
        if (!status && change->dry_run) {
                printf("dry run: all checks succeed; nothing has been changed\n");
                return output_flush();
        }
        if (!status && !change->yes)
                status = confirm();
        if (!status)
                status = apply(change);
        return status ?: print_result(change);
}

/* the command line */

static int fail_usage(const char *what, const char *word) {
        report_failure("switch: %s%s%s", what, word ? ": " : "", word ? word : "");
        fputs("usage: " SWITCH_USAGE, stderr);
        return STATUS_FAILED;
}

static int set_root(struct change *change, const char *directory) {
        int fd;

        free(change->root);
        change->root = realpath(directory, NULL);
        if (!change->root)
                return report_failure("--root=%s: %m", directory);
        /* The running machine is one tree, whatever its name. */
        if (strcmp(change->root, "/") == 0)
                change->root[0] = '\0';
        fd = tree_open(change->root, "/", O_PATH);
        if (fd == -ENOSYS)
                return report_failure(
                        "--root: this kernel has no openat2(), which keeps links of the "
                        "tree in the tree: Linux has it since 5.6");
        if (fd < 0)
                return report_failure("--root=%s: %s", directory, strerror(-fd));
        close(fd);
        return STATUS_OK;
}

static int parse(struct change *change, int argc, char *argv[]) {
        static const struct option options[] = {
                {"back", no_argument, NULL, 'b'},       {"yes", no_argument, NULL, 'y'},
                {"dry-run", no_argument, NULL, 'n'},    {"force", no_argument, NULL, 'f'},
                {"root", required_argument, NULL, 'r'}, {}};
        bool has_option = false;
        int c;

        opterr = 0;
        while ((c = getopt_long(argc, argv, ":", options, NULL)) >= 0) {
                has_option = has_option || c != 'r';
                if (c == 'b')
                        change->back = true;
                else if (c == 'y')
                        change->yes = true;
                else if (c == 'n')
                        change->dry_run = true;
                else if (c == 'f')
                        change->force = true;
                else if (c != 'r')
                        return fail_usage(c == ':' ? "an option needs a value" : "unknown option",
                                          argv[optind - 1]);
                else if (set_root(change, optarg))
                        return STATUS_FAILED;
        }
        if (argc - optind > 1)
                return fail_usage("one argument at most", argv[optind + 1]);
        if (optind < argc)
                change->what = argv[optind];
        if (!change->what && has_option)
                return fail_usage("say which bus: system, user or all", NULL);
        if (change->what && strcmp(change->what, "system") != 0 &&
            strcmp(change->what, "user") != 0 && strcmp(change->what, "all") != 0)
                return fail_usage("neither system, user nor all", change->what);
        if (change->yes && change->dry_run)
                return fail_usage("--yes and --dry-run exclude each other", NULL);
        return STATUS_OK;
}

int switch_main(int argc, char *argv[]) {
        CLEANUP(change_clear) struct change change = {.root = copy_text("")};
        int status = parse(&change, argc, argv);

        if (status)
                return status;
        return change.what ? run(&change) : switch_print_status(change.root);
}
