/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What systemd tells about the units that the bus has asked it to start
 *
 * A start fails if systemd refuses the request (launch.h), or if its unit cannot take the name any
 * more (unit-watch.h). A start by the template unit begins anew, in the way without the template,
 * if systemd does not have the template, or has loaded another unit for the bus name.
 */

#include "bridge/bus/launch.h"

/* Make activation->watches. Returns 0 or a negative errno. */
int activation_watch_units(struct activation *activation);
/*
 * The bus has read its files again: whoever has changed them may have installed the template unit
 * (unit-watch.h), so ask systemd. -ENOMEM: nothing has changed.
 */
int activation_look_for_template(struct activation *activation);

/*
 * Handle ActivationFailure of systemd; other signals to the bus are ignored. Returns 0 or a
 * negative errno that is fatal.
 */
int activation_receive_signal(struct client *client, struct message *m);
/*
 * Answers and broadcasts of systemd, see unit-watch.h. Is m, a return or error to the bus, one that
 * the bus waits for? Handle such an answer. Handle a broadcast of bus->unit_manager. The last two
 * functions return 0 or a negative errno that is fatal.
 */
bool activation_expects_reply(const struct client *client, const struct message *m);
int activation_receive_reply(struct client *client, struct message *m);
int activation_receive_broadcast(struct client *client, struct message *m);

/*
 * A well-known name has another owner (NULL: none). Call activation_note_owner() before
 * activation_deliver(), and activation_resume() after it. Both do something only for the name of
 * systemd, and return 0 or a negative errno that is fatal.
 */
int activation_note_owner(struct bus *bus, const char *name, struct client *owner);
int activation_resume(struct bus *bus, const char *name);
