/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Command lines - the Exec= of a service file, split into words
 *
 * As a POSIX shell splits, and nothing else of a shell: '...' is literal, in "..." a backslash takes
 * the meaning of $ ` " \ and removes a line break, outside of quotes it takes that of any character;
 * a # that begins a word begins a comment up to the end of the line. No variables, patterns, tildes
 * or substitutions.
 */

/* In bytes. The kernel takes no single word that is longer (MAX_ARG_STRLEN). */
#define COMMAND_LINE_MAX (128 * 1024)

/*
 * *ret_argv ends with NULL and is freed with command_line_free(); it has a word at least. -EINVAL
 * for text that is no command line, with *ret_reason a sentence about it (static); -ENOMEM.
 */
int command_line_split(const char *text, char ***ret_argv, const char **ret_reason);
/* NULL is fine; returns NULL. */
char **command_line_free(char **argv);
