/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Command lines - the Exec= of a service file, split into words
 *
 * The rules are those of a POSIX shell, without operators, variables, patterns, tildes and
 * substitutions:
 *
 *  - '...' is literal
 *  - in "..." a backslash escapes $ ` " \ and a line break; unlike in a shell, the line break stays
 *  - outside of quotes a backslash escapes any character, and removes a line break
 *  - outside of quotes # begins a comment to the end of the line, even inside a word, like in
 *    dbus-daemon
 *
 * A comment or an empty line adds no empty word; in dbus-daemon it does.
 */

/*
 * *ret_argv ends with NULL and is freed with command_line_free(); without any word it is empty.
 * -EINVAL, with a static sentence in *ret_reason, if the text is no command line; -ENOMEM.
 */
int command_line_split(const char *text, char ***ret_argv, const char **ret_reason);
/* NULL is fine; returns NULL. */
char **command_line_free(char **argv);
