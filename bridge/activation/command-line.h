/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Command lines - the Exec= of a service file, split into words
 *
 * Much as a POSIX shell splits, and nothing else of a shell: '...' is literal; in "..." a backslash
 * takes the meaning of $ ` " \ and a line break; outside of quotes it takes that of any character,
 * and goes together with a line break. Outside of quotes a # begins a comment up to the end of the
 * line, even within a word, as with dbus-daemon. No variables, patterns, tildes or substitutions.
 *
 * Unlike with dbus-daemon, a comment or an empty line adds no empty word.
 */

/*
 * *ret_argv ends with NULL and is freed with command_line_free(); it is empty when there is no
 * word. -EINVAL for text that is no command line, with *ret_reason a sentence about it (static);
 * -ENOMEM.
 */
int command_line_split(const char *text, char ***ret_argv, const char **ret_reason);
/* NULL is fine; returns NULL. */
char **command_line_free(char **argv);
