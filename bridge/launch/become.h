/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Becoming the user of a service */

/*
 * Become this user (a name or number) for good: its groups, and its uid and gid as real, effective
 * and saved ones. Set USER, LOGNAME, HOME and SHELL, like systemd for a unit with User=. Returns 0,
 * or a status of status.h after it has printed the reason; then the process must exit.
 */
int become_user(const char *user);
