/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Identities - noticing that a user or group of the configuration has got another number
 *
 * A package may install its policy before it makes the user whom the policy is about. The rules for
 * an unknown user have no effect, so the configuration has to be read again when the user appears.
 * But /etc/passwd also changes whenever somebody changes a password. So a configuration remembers
 * each name that it has looked up, and what the file said about it.
 *
 * Only the files are compared: a look-up in the name service may block.
 */

#include "policy/config.h"

/*
 * Call before the look-up of a user or group, whose name may be a number, which nothing changes.
 * Returns 0 or -ENOMEM.
 */
int bus_config_note_identity(struct bus_config_inputs *inputs, const char *name, bool is_group);
/*
 * Do /etc/passwd and /etc/group now say anything else about the names of the configuration than
 * when it was read? A file that cannot be read counts as unchanged.
 */
bool bus_config_identities_changed(const struct bus_config *config);
