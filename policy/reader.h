/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reader - configuration files in the course of being read
 *
 * A reader is one bus_config_load(). A document is one file of it; documents form a stack, as
 * <include> and <includedir> have another file read before the current one goes on. reader.c knows
 * files and XML, elements.c knows what the elements mean.
 */

#include <expat.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "policy/fragment.h"

/* <busconfig>, <policy>, <allow>: whatever would be deeper is refused where it starts */
#define ELEMENT_DEPTH_MAX 3

struct reader {
        const struct bus_config_environment *environment;
        bool is_part; /* the main file is one to be included by another */
        struct policy *policy;
        struct bus_config_source *sources;
        size_t n_sources;
        char **files;
        size_t n_files;
        char **missing;
        size_t n_missing;
        char **includedirs;
        size_t n_includedirs;
        char **warnings;
        size_t n_warnings;
        char *error; /* of the document that failed last */
};

struct element;

struct document {
        struct reader *reader;
        struct document *parent; /* the including document */
        unsigned depth;
        const char *file; /* owned by the policy */
        char *directory;
        struct stat identity;
        struct bus_fragment fragment;

        XML_Parser parser;
        int result; /* the first error; the parser is stopped then */
        const struct element *elements[ELEMENT_DEPTH_MAX];
        size_t n_elements;
        char *text; /* inside the innermost element so far */
        size_t n_text;

        /* of the element that is open, between its start and its end */
        struct policy_block *block;
        bool block_is_void; /* for a user who does not exist */
        const struct bus_limit *limit;
        bool include_ignore_missing;
        bool include_skip;
        bool include_selinux_relative;
};

/* What went wrong at the parser's position. Returns -EINVAL (or -ENOMEM) to be passed on. */
int document_fail(struct document *document, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* What is odd there. 0 or -ENOMEM. */
int document_warn(struct document *document, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
struct bus_config_place document_place(const struct document *document);
/* A path that may be relative to the document's directory, made absolute. NULL without memory. */
char *document_path(const struct document *document, const char *path);

/* Have other files read and merge what they say into the document. */
int document_include(struct document *document, const char *path, bool ignore_missing);
int document_include_directory(struct document *document, const char *path);

/* elements */

/* The element named name inside of parent (NULL: as root). NULL after document_fail(). */
const struct element *element_find(struct document *document, const struct element *parent,
                                   const char *name, int *ret_result);
/* Start and end of an element, with its attributes and its text. */
int element_start(const struct element *element, struct document *document,
                  const char *const *attributes);
int element_end(const struct element *element, struct document *document, const char *text);
/* Whether the element may have text that is not blank. */
bool element_has_text(const struct element *element);
const char *element_name(const struct element *element);
