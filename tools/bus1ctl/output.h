/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Commands and their output - exit statuses, messages on standard error, and JSON
 *
 * When memory runs out, the functions for output and JSON print a message and exit, so they return
 * no error for it.
 */

#include <json-c/json.h>
#include <stdbool.h>

#include "policy/array.h"

enum {
        STATUS_OK = 0,     /* allowed, nothing found, or done */
        STATUS_NO = 1,     /* denied, something found, or refused */
        STATUS_FAILED = 2, /* for example wrong usage, an invalid configuration, no bus */
};

/* The commands parse their own options and return an exit status. */
int policy_check_main(int argc, char *argv[]);
int policy_explain_main(int argc, char *argv[]);
int reexec_main(int argc, char *argv[]);
int state_show_main(int argc, char *argv[]);
int switch_main(int argc, char *argv[]);

#define REEXEC_USAGE "bus1ctl reexec [--system|--session|--address ADDRESS]\n"

#define STATE_USAGE "bus1ctl state show FILE\n"

#define SWITCH_USAGE                                                                         \
        "bus1ctl switch system|user|all [--back] [--yes|--dry-run] [--force] [--root=DIR]\n" \
        "       bus1ctl switch [--root=DIR]\n"

/* Print a message on standard error, like output_print(). Returns STATUS_FAILED. */
int report_failure(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Print a line that another program has written on standard error, indented. */
void report_line(const char *line);
/*
 * Like printf(). What is inserted can be the text of a stranger, such as the name of a process, and
 * the output can be a terminal: control characters and what hides them are printed as \\xNN. Only
 * the line ends at the end of the format are line ends.
 */
void output_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Flush standard output. Returns STATUS_OK or STATUS_FAILED. */
int output_flush(void);
/* Exit with STATUS_FAILED when ok is false. */
void check_memory(bool ok);
/* Copies the text; the caller frees the copy. Returns NULL for NULL. */
char *copy_text(const char *text);
#define APPEND(array, n, item) check_memory(POLICY_ARRAY_APPEND(array, n, item) == 0)

/*
 * The object or array takes over the value. In json_add_string(), a text of NULL becomes the JSON
 * value null.
 */
struct json_object *json_make_object(void);
struct json_object *json_make_array(void);
struct json_object *json_make_string(const char *text);
void json_add(struct json_object *object, const char *key, struct json_object *value);
void json_append(struct json_object *array, struct json_object *value);
void json_add_string(struct json_object *object, const char *key, const char *text);
void json_add_bool(struct json_object *object, const char *key, bool value);
void json_add_number(struct json_object *object, const char *key, unsigned value);
/* Print the object and free it. Returns STATUS_OK or STATUS_FAILED. */
int json_finish(struct json_object *object);
