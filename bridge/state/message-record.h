/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stored messages - the records of kind Message
 *
 * A message is stored once, however many queues it is in, and has a number in STATE_MESSAGES. Who
 * is charged for it is not stored here: the queues know that.
 */

#include "bridge/state/load.h"
#include "bridge/state/save.h"
#include "bridge/wire/message.h"

#define STATE_MESSAGE "Message"

/*
 * Write the record of a message, unless it has one already. No record may be open. m->parsed
 * decides whether it is a D-Bus message or bytes as they are, of the handshake. Descriptors become
 * those of the document.
 */
void state_save_message(struct state_save *save, const struct message *m);
/*
 * The current record is of this kind: make the message. The table STATE_MESSAGES holds a reference
 * until state_load_deinit(). Returns 0 or load->error.
 */
int state_load_message(struct state_load *load);
/* The message that a field refers to. The caller takes a reference if it keeps the message. */
int state_get_message(struct state_load *load, const char *name, struct message **ret_m);
