/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pins - what keeps a running manager of systemd from noticing a switch
 *
 * A manager that reads its units anew (systemctl daemon-reload, which installations of packages
 * do) sees the new dbus.service at once. This unit is not running, so the manager would believe
 * that there is no bus, leave the bus that does run, and start the new one in addition. A pin is a
 * unit dbus.service in a directory below /run that comes before all others: a link to the unit
 * that is the bus now, or a copy of it. The directory is gone at the next boot, or when a user has
 * logged out, and with it the pin.
 *
 *      /run/systemd/system.control/dbus.service
 *      /run/user/UID/systemd/user.control/dbus.service         for each user with a manager
 */

#include "tools/bus1ctl/unit.h"

/*
 * Pin the present dbus.service of this machine, before it changes. A pin that exists stays: it is
 * from an earlier switch, and names the bus that runs. Does nothing if systemd does not run. A user
 * who has a dbus.service in ~/.config/systemd/user gets no pin: it would hide that file, and the
 * switch does not. No pin, either, for bus1-bridge that runs without an alias, because its
 * generator keeps it in force. What fails for one user is only reported. Returns 0 or an exit
 * status.
 */
int pin_make(enum unit_scope scope);
/*
 * Remove the pins that name what dbus.service is also without them, because nothing has changed, or
 * a change has been undone. Returns like pin_make().
 */
int pin_settle(enum unit_scope scope);
