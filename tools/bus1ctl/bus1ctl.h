/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * bus1ctl - what an administrator asks about a bus
 *
 * Each command is one function with its own options, that returns an exit status.
 */

#include <json-c/json.h>
#include <stdbool.h>

/* the exit status of all commands */
enum {
        STATUS_OK = 0,     /* allowed, or nothing found */
        STATUS_NO = 1,     /* denied, or something found */
        STATUS_FAILED = 2, /* wrong usage, an invalid configuration, no memory */
};

int policy_check_main(int argc, char *argv[]);
int policy_explain_main(int argc, char *argv[]);

/* Says it on standard error; returns STATUS_FAILED. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* json - without memory the program ends, there is nothing it could still say */

struct json_object *json_make_object(void);
struct json_object *json_make_array(void);
struct json_object *json_make_string(const char *text);
/* Value is taken. text NULL becomes null. */
void json_add(struct json_object *object, const char *key, struct json_object *value);
void json_append(struct json_object *array, struct json_object *value);
void json_add_string(struct json_object *object, const char *key, const char *text);
void json_add_bool(struct json_object *object, const char *key, bool value);
void json_add_number(struct json_object *object, const char *key, unsigned value);
/* Prints the object and frees it. Returns 0 or STATUS_FAILED. */
int json_finish(struct json_object *object);
