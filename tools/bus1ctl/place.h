/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Places - which bus the administrator has chosen, and what was there before
 *
 * The unit dbus.service is the bus. dbus.socket of the distribution starts it, whichever program it
 * is. A bus takes this role by an alias, the link /etc/systemd/SCOPE/dbus.service, which systemctl
 * makes and removes. Without a link, the unit of the distribution is the bus.
 *
 *      dbus.service                            the place
 *      dbus.service.before-bus1-bridge         what was in the place before; systemd ignores it
 *
 * The second file is there only while bus1-bridge has the place, and only if there was something
 * before. It is the earlier file itself, so it is also exact if it is not a link.
 */

#include <stdbool.h>

#include "tools/bus1ctl/unit.h"

struct place {
        const char *root; /* "": the running machine */
        enum unit_scope scope;
        struct unit now;
        struct unit before;
        char *path;   /* of the file dbus.service, with the root */
        char *kept;   /* of the file with what was there before, with the root */
        bool is_gone; /* before is a link to a unit that is not there any more */
        bool changed; /* by place_take() or place_give_back() */
        bool keeps;   /* place_take() has kept what was in the place */
};

/*
 * Does the way to the place stay in the tree? If a link leads out, prints a message and returns
 * STATUS_FAILED. Each change checks this anew.
 */
int place_check_tree(const char *root, enum unit_scope scope);
/* Look at the place. Returns 0 or an exit status. The caller clears the place. */
int place_read(struct place *ret_place, const char *root, enum unit_scope scope);
void place_clear(struct place *place);
/* Does the alias of bus1-bridge have the place? */
bool place_is_bridge(const struct place *place);
/* Has place_take() been interrupted, or has another tool removed the link that it made? */
bool place_is_left(const struct place *place);

/*
 * Make bus1-bridge the bus, and keep what was there before. Returns 0 or an exit status; after a
 * failure the place may have changed, and the caller calls place_undo().
 */
int place_take(struct place *place);
/* Put back what was there before. Returns like place_take(). */
int place_give_back(struct place *place);
/* Make the place what it was when it was read. Returns 0 or an exit status. */
int place_undo(struct place *place);
/* Tell the running systemd, if there is one, that links have changed. It restarts nothing. */
int place_reload(void);
