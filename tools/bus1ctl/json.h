/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * JSON - json-c without error handling
 *
 * When memory runs out the program ends, because it could not report anything else either.
 */

#include <json-c/json.h>
#include <stdbool.h>

struct json_object *json_make_object(void);
struct json_object *json_make_array(void);
struct json_object *json_make_string(const char *text);
/* The object or array takes the value over. A text of NULL becomes null. */
void json_add(struct json_object *object, const char *key, struct json_object *value);
void json_append(struct json_object *array, struct json_object *value);
void json_add_string(struct json_object *object, const char *key, const char *text);
void json_add_bool(struct json_object *object, const char *key, bool value);
void json_add_number(struct json_object *object, const char *key, unsigned value);
/* Print the object and free it. Returns 0 or STATUS_FAILED. */
int json_finish(struct json_object *object);
