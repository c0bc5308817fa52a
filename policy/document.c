/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Documents: errors and warnings that name file, line and column; places; paths. */

#include "policy/document.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/array.h"

__attribute__((format(printf, 2, 0))) static char *message_at(const struct document *document,
                                                              const char *format, va_list args) {
        CLEANUP_FREE char *text = NULL;
        char *message;
        int n;

        if (vasprintf(&text, format, args) < 0) {
                text = NULL;
                return NULL;
        }
        if (document->parser)
                n = asprintf(&message, "%s:%lu:%lu: %s", document->file,
                             XML_GetCurrentLineNumber(document->parser),
                             XML_GetCurrentColumnNumber(document->parser) + 1, text);
        else
                n = asprintf(&message, "%s: %s", document->file, text);
        return n < 0 ? NULL : message;
}

int document_fail(struct document *document, const char *format, ...) {
        struct reader *reader = document->reader;
        va_list args;

        va_start(args, format);
        free(reader->error);
        reader->error = message_at(document, format, args);
        va_end(args);
        return reader->error ? -EINVAL : -ENOMEM;
}

int reader_add_warning(struct reader *reader, char *warning) {
        struct bus_config *config = &reader->whole.config;

        return policy_append_text(&config->warnings, &config->n_warnings, warning);
}

int document_warn(struct document *document, const char *format, ...) {
        va_list args;
        char *warning;

        va_start(args, format);
        warning = message_at(document, format, args);
        va_end(args);
        return reader_add_warning(document->reader, warning);
}

struct bus_config_place document_place(const struct document *document) {
        return (struct bus_config_place){
                .file = document->file,
                .line = (unsigned)XML_GetCurrentLineNumber(document->parser),
        };
}

char *document_path(const struct document *document, const char *path) {
        char *joined;

        if (path[0] == '/')
                return strdup(path);
        return asprintf(&joined, "%s/%s", document->directory, path) < 0 ? NULL : joined;
}
