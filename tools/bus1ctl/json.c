/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON - the few shapes that the commands print
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "tools/bus1ctl/json.h"
#include "tools/bus1ctl/report.h"

static void check_memory(bool good) {
        if (!good)
                exit(report_failure("out of memory"));
}

struct json_object *json_make_object(void) {
        struct json_object *object = json_object_new_object();

        check_memory(object);
        return object;
}

struct json_object *json_make_array(void) {
        struct json_object *array = json_object_new_array();

        check_memory(array);
        return array;
}

void json_add(struct json_object *object, const char *key, struct json_object *value) {
        check_memory(json_object_object_add(object, key, value) == 0);
}

void json_append(struct json_object *array, struct json_object *value) {
        check_memory(json_object_array_add(array, value) == 0);
}

/*
 * JSON is UTF-8. Texts out of XML are; file names and arguments may be anything.
 */
static bool is_utf8(const char *text) {
        mbstate_t state = {};

        return mbsrtowcs(NULL, &text, 0, &state) != (size_t)-1;
}

struct json_object *json_make_string(const char *text) {
        struct json_object *value;
        char *copy = strdup(text);

        check_memory(copy);
        if (!is_utf8(copy))
                for (char *c = copy; *c; c++)
                        if ((unsigned char)*c >= 0x80)
                                *c = '?';
        value = json_object_new_string(copy);
        check_memory(value);
        free(copy);
        return value;
}

void json_add_string(struct json_object *object, const char *key, const char *text) {
        json_add(object, key, text ? json_make_string(text) : NULL);
}

void json_add_bool(struct json_object *object, const char *key, bool value) {
        struct json_object *v = json_object_new_boolean(value);

        check_memory(v);
        json_add(object, key, v);
}

void json_add_number(struct json_object *object, const char *key, unsigned value) {
        struct json_object *v = json_object_new_int64(value);

        check_memory(v);
        json_add(object, key, v);
}

int json_finish(struct json_object *object) {
        const char *text = json_object_to_json_string_ext(
                object,
                JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
        int r;

        check_memory(text);
        r = puts(text);
        json_object_put(object);
        return r < 0 || fflush(stdout) ? report_failure("cannot write: %m") : 0;
}
