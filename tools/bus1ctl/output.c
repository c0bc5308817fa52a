/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "base/cleanup.h"

/* text for terminals */

/* The marks of writing direction let a text look like another one. */
static bool is_harmless(wchar_t c) {
        return iswprint((wint_t)c) && c != 0x200e && c != 0x200f && (c < 0x202a || c > 0x202e) &&
               (c < 0x2066 || c > 0x2069);
}

/* Escape bytes of the text up to the end. */
static void write_escaped(FILE *f, const char *text, const char *end) {
        mbstate_t state = {};

        while (text < end) {
                wchar_t c;
                size_t n = mbrtowc(&c, text, (size_t)(end - text), &state);
                bool is_valid = n > 0 && n <= (size_t)(end - text);

                if (is_valid && is_harmless(c)) {
                        fwrite(text, 1, n, f);
                        text += n;
                        continue;
                }
                state = (mbstate_t){};
                for (size_t i = 0; i < (is_valid ? n : 1); i++)
                        fprintf(f, "\\x%02x", (unsigned char)*text++);
        }
}

__attribute__((format(printf, 2, 0))) static void vprint(FILE *f, const char *format,
                                                         va_list args) {
        const char *end = format + strlen(format);
        CLEANUP_FREE char *text = NULL;
        int n;

        n = vasprintf(&text, format, args);
        if (n < 0) {
                fputs("bus1ctl: out of memory\n", stderr);
                exit(STATUS_FAILED);
        }
        while (end > format && end[-1] == '\n')
                end--;
        write_escaped(f, text, text + n - strlen(end));
        fputs(end, f);
}

void output_print(const char *format, ...) {
        va_list args;

        va_start(args, format);
        vprint(stdout, format, args);
        va_end(args);
}

int report_failure(const char *format, ...) {
        va_list args;

        fputs("bus1ctl: ", stderr);
        va_start(args, format);
        vprint(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        return STATUS_FAILED;
}

void report_line(const char *line) {
        fputs("  ", stderr);
        write_escaped(stderr, line, line + strcspn(line, "\n"));
        fputc('\n', stderr);
}

int output_flush(void) {
        return fflush(stdout) ? report_failure("cannot write to standard output: %m") : STATUS_OK;
}

void check_memory(bool ok) {
        if (!ok)
                exit(report_failure("out of memory"));
}

char *copy_text(const char *text) {
        char *copy = text ? strdup(text) : NULL;

        check_memory(copy || !text);
        return copy;
}

/* JSON */

static struct json_object *check_value(struct json_object *value) {
        check_memory(value);
        return value;
}

struct json_object *json_make_object(void) {
        return check_value(json_object_new_object());
}

struct json_object *json_make_array(void) {
        return check_value(json_object_new_array());
}

void json_add(struct json_object *object, const char *key, struct json_object *value) {
        check_memory(json_object_object_add(object, key, value) == 0);
}

void json_append(struct json_object *array, struct json_object *value) {
        check_memory(json_object_array_add(array, value) == 0);
}

static bool is_utf8(const char *text) {
        mbstate_t state = {};

        return mbsrtowcs(NULL, &text, 0, &state) != (size_t)-1;
}

/* JSON is UTF-8. Texts from XML are UTF-8, too, but file names and arguments can be any bytes. */
struct json_object *json_make_string(const char *text) {
        struct json_object *value;
        char *copy = copy_text(text);

        if (!is_utf8(copy))
                for (char *c = copy; *c; c++)
                        if ((unsigned char)*c >= 0x80)
                                *c = '?';
        value = check_value(json_object_new_string(copy));
        free(copy);
        return value;
}

void json_add_string(struct json_object *object, const char *key, const char *text) {
        json_add(object, key, text ? json_make_string(text) : NULL);
}

void json_add_bool(struct json_object *object, const char *key, bool value) {
        json_add(object, key, check_value(json_object_new_boolean(value)));
}

void json_add_number(struct json_object *object, const char *key, unsigned value) {
        json_add(object, key, check_value(json_object_new_int64(value)));
}

int json_finish(struct json_object *object) {
        const char *text = json_object_to_json_string_ext(
                object,
                JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
        int r;

        check_memory(text);
        r = puts(text);
        json_object_put(object);
        return r < 0 ? report_failure("cannot write to standard output: %m") : output_flush();
}
