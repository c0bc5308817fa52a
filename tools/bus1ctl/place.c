/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/child.h"
#include "tools/bus1ctl/output.h"
#include "tools/bus1ctl/tree.h"

#define KEPT_SUFFIX ".before-bus1-bridge"
#define NEW_SUFFIX ".new-bus1-bridge"

int place_check_tree(const char *root, enum unit_scope scope) {
        if (!tree_is_left(root, unit_directory(scope)))
                return STATUS_OK;
        return report_failure(
                "%s%s: a link in this path leads out of the tree, and systemctl would follow it",
                root, unit_directory(scope));
}

int place_read(struct place *ret_place, const char *root, enum unit_scope scope) {
        CLEANUP(place_clear) struct place place = {.root = root, .scope = scope};
        CLEANUP_FREE char *path = NULL, *kept = NULL;
        CLEANUP(unit_clear) struct unit file = {};
        int r;

        check_memory(asprintf(&path, "%s/" UNIT_BUS, unit_directory(scope)) >= 0);
        check_memory(asprintf(&kept, "%s" KEPT_SUFFIX, path) >= 0);
        place.path = unit_below(root, path);
        place.kept = unit_below(root, kept);
        r = unit_read(&place.now, root, path);
        if (r < 0)
                return report_failure("cannot read %s: %s", place.path, strerror(-r));
        r = unit_read(&place.before, root, kept);
        if (r < 0)
                return report_failure("cannot read %s: %s", place.kept, strerror(-r));
        if (place.before.kind == UNIT_LINK)
                place.is_gone = unit_follow(&place.before, root, scope, &file) == -ENOENT;
        *ret_place = place;
        place = (struct place){};
        return STATUS_OK;
}

void place_clear(struct place *place) {
        unit_clear(&place->now);
        unit_clear(&place->before);
        free(place->path);
        free(place->kept);
        *place = (struct place){};
}

bool place_is_bridge(const struct place *place) {
        return place->now.kind == UNIT_LINK && strcmp(unit_name(&place->now), UNIT_BRIDGE) == 0;
}

bool place_is_left(const struct place *place) {
        return place->now.kind == UNIT_NONE && place->before.kind != UNIT_NONE;
}

/* systemctl */

static int systemctl(const struct place *place, const char *verb, const char *force) {
        CLEANUP_FREE char *root = NULL;
        const char *argv[8] = {"systemctl"};
        size_t n = 1;

        if (place_check_tree(place->root, place->scope))
                return STATUS_FAILED;
        if (*place->root) {
                check_memory(asprintf(&root, "--root=%s", place->root) >= 0);
                argv[n++] = root;
        }
        if (place->scope == UNIT_USER)
                argv[n++] = "--global";
        argv[n++] = "--quiet";
        argv[n++] = verb;
        if (force)
                argv[n++] = force;
        argv[n++] = UNIT_BRIDGE;
        return child_run((char *const *)argv);
}

int place_reload(void) {
        char *const argv[] = {"systemctl", "daemon-reload", NULL};

        /* sd_booted(3) looks for this directory, too. */
        return access("/run/systemd/system", F_OK) < 0 ? STATUS_OK : child_run(argv);
}

/* Look at the place anew, after a change. */
static int read_again(const struct place *place, struct place *ret_place) {
        return place_read(ret_place, place->root, place->scope);
}

/* taking the place */

/*
 * Give the link in the place a second name, so that there is always a link in the place: systemctl
 * replaces it in one step. But systemctl replaces nothing else, so another file gets a new name.
 */
static int keep(struct place *place) {
        if (place->before.kind == UNIT_LINK && unlink(place->kept) < 0)
                return report_failure("cannot remove %s: %m", place->kept);
        if (place->now.kind == UNIT_LINK)
                place->keeps = linkat(AT_FDCWD, place->path, AT_FDCWD, place->kept, 0) >= 0 ||
                               /* some file systems have no second names */
                               symlink(place->now.target, place->kept) >= 0;
        else
                place->keeps = rename(place->path, place->kept) >= 0;
        return place->keeps ? STATUS_OK
                            : report_failure("cannot keep %s as %s: %m", place->path, place->kept);
}

int place_take(struct place *place) {
        CLEANUP(place_clear) struct place after = {};
        int status = place_check_tree(place->root, place->scope);

        if (status)
                return status;
        place->changed = true;
        if (place->now.kind != UNIT_NONE)
                status = keep(place);
        if (!status)
                status = systemctl(place, "enable", "--force");
        if (!status)
                status = read_again(place, &after);
        if (!status && !place_is_bridge(&after))
                status = report_failure("systemctl has not made the link %s to " UNIT_BRIDGE,
                                        place->path);
        return status;
}

/* giving it back */

/* Rename a file. Unlike rename(), this also removes the old name if both are one file. */
static int move(const char *from, const char *to) {
        if (rename(from, to) < 0 || (unlink(from) < 0 && errno != ENOENT))
                return report_failure("cannot rename %s to %s: %m", from, to);
        return STATUS_OK;
}

int place_give_back(struct place *place) {
        CLEANUP(place_clear) struct place after = {};
        int status = place_check_tree(place->root, place->scope);

        if (status)
                return status;
        place->changed = true;
        if (place->is_gone && unlink(place->kept) < 0)
                return report_failure("cannot remove %s: %m", place->kept);
        if (place->before.kind != UNIT_NONE && !place->is_gone)
                return move(place->kept, place->path);
        status = systemctl(place, "disable", NULL);
        if (!status)
                status = read_again(place, &after);
        if (!status && after.now.kind != UNIT_NONE)
                status = report_failure("systemctl has not removed the link %s", place->path);
        return status;
}

/* undoing */

/* Put a link with this text into the place, whatever is there. */
static int put_link(const struct place *place, const char *target) {
        CLEANUP_FREE char *new = NULL;

        check_memory(asprintf(&new, "%s" NEW_SUFFIX, place->path) >= 0);
        if ((unlink(new) < 0 && errno != ENOENT) || symlink(target, new) < 0)
                return report_failure("cannot make the link %s: %m", new);
        return move(new, place->path);
}

/* Make the link again that was kept, and was of no use. */
static int keep_again(const struct place *place, const struct place *after) {
        if (!place->is_gone || after->before.kind != UNIT_NONE ||
            symlink(place->before.target, place->kept) >= 0)
                return STATUS_OK;
        return report_failure("cannot make the link %s: %m", place->kept);
}

/* The place had the alias of bus1-bridge. */
static int undo_give_back(const struct place *place, const struct place *after) {
        int status = STATUS_OK;

        if (place_is_bridge(after))
                return STATUS_OK;
        if (place->before.kind != UNIT_NONE && !place->is_gone && after->before.kind == UNIT_NONE &&
            linkat(AT_FDCWD, place->path, AT_FDCWD, place->kept, 0) < 0)
                status = move(place->path, place->kept);
        return status ?: put_link(place, place->now.target);
}

/* The place had another file, or none. */
static int undo_take(const struct place *place, const struct place *after) {
        if (place->now.kind != UNIT_NONE)
                return place->keeps ? move(place->kept, place->path) : STATUS_OK;
        /* Without a file in the place, what was kept has stayed, or has been put into the place. */
        if (place_is_left(place) && !place->is_gone && after->before.kind == UNIT_NONE)
                return move(place->path, place->kept);
        if (after->now.kind != UNIT_NONE && unlink(place->path) < 0)
                return report_failure("cannot remove %s: %m", place->path);
        return STATUS_OK;
}

int place_undo(struct place *place) {
        CLEANUP(place_clear) struct place after = {};
        int status;

        if (!place->changed)
                return STATUS_OK;
        place->changed = false;
        status = place_check_tree(place->root, place->scope) ?: read_again(place, &after);
        if (!status)
                status = keep_again(place, &after);
        if (status)
                return status;
        return place_is_bridge(place) ? undo_give_back(place, &after) : undo_take(place, &after);
}
