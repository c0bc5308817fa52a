/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Documents - configuration files while they are read
 *
 * A reader is one call of bus_config_load() or one of its variants. A document is one file that the
 * reader reads. An <include> suspends the including document until the included one has been read
 * and merged into it, so the documents form a stack.
 *
 *      reader.c      opens files, feeds them to expat, merges included documents
 *      elements.c    knows what each element means; fills in document->fragment
 *      document.c    makes errors and warnings that name file, line and column
 *
 * elements.c reads no configuration files. For an <include> or <includedir> it stores a request in
 * document->include, and reader.c reads the files.
 */

#include <expat.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "policy/fragment.h"

/* <busconfig>, <policy>, <allow>. An element that would nest deeper is refused at its start. */
#define ELEMENT_DEPTH_MAX 3

struct element;

struct reader {
        const struct bus_config_environment *environment;
        bool is_part; /* the main file is meant to be included by another one */
        /* policy, inputs and warnings of all files; the main document is merged in at the end */
        struct bus_fragment whole;
        char *error; /* of the document that failed last */
};

/* The file or directory that is to be read when an <include> or <includedir> ends. */
struct include_request {
        char *path; /* absolute, owned; NULL: no request */
        bool is_directory;
        bool ignore_missing;
};

struct document {
        struct reader *reader;
        struct document *parent; /* the including document; NULL: this is the main one */
        unsigned depth;
        const char *file; /* owned by the policy */
        char *directory;
        struct stat identity;
        struct bus_fragment fragment;

        XML_Parser parser;
        int result; /* the first error; it stops the parser */
        const struct element *elements[ELEMENT_DEPTH_MAX]; /* the open ones, outermost first */
        size_t n_elements;
        char *text; /* of the innermost open element, as far as it has been read */
        size_t n_text;

        /*
         * state of the open <policy>, <limit>, <include> or <includedir>, from its start to its end
         */
        struct policy_block *block;
        bool block_is_void; /* its user or group does not exist */
        const struct bus_limit *limit;
        bool include_skip;
        bool include_selinux_relative;
        struct include_request include;
};

/*
 * Report an error at the parser's position, or about the whole file if the document has no
 * parser. Returns -EINVAL or -ENOMEM for the caller to return.
 */
int document_fail(struct document *document, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* Add a warning with the parser's position. Returns 0 or -ENOMEM. */
int document_warn(struct document *document, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* The file and line of the parser's position. */
struct bus_config_place document_place(const struct document *document);
/*
 * Make a path absolute. It may be relative to the document's directory. Returns NULL when memory
 * runs out.
 */
char *document_path(const struct document *document, const char *path);

/*
 * Add an allocated warning, which the reader takes over. Returns 0, or -ENOMEM, also if warning is
 * NULL.
 */
int reader_add_warning(struct reader *reader, char *warning);
