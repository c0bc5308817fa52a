/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Command lines - the Exec= of a service file, split into words
 *
 * Words are split like in a POSIX shell, but there are no variables, patterns, tildes or
 * substitutions:
 *
 *  - '...' is literal
 *  - in "..." a backslash escapes $ ` " \ and a line break
 *  - outside of quotes a backslash escapes any character, and removes a line break
 *  - outside of quotes # begins a comment to the end of the line, like in dbus-daemon even inside a
 * word
 *
 * Unlike in dbus-daemon, a comment or an empty line adds no empty word.
 */

/*
 * *ret_argv ends with NULL and is freed with command_line_free(); it is empty if there is no word.
 * -EINVAL if the text is no command line, with a static sentence in *ret_reason; -ENOMEM.
 */
int command_line_split(const char *text, char ***ret_argv, const char **ret_reason);
/* NULL is fine; returns NULL. */
char **command_line_free(char **argv);
