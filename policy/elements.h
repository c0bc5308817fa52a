/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Elements - the meaning of each element of a bus configuration
 *
 * A table in elements.c has one row for each element: where it may stand, which attributes and
 * whether text it may have, and what its start (with the attributes) and its end (with the text)
 * do. The functions below return 0 or a negative errno. If the document is wrong, they have called
 * document_fail().
 */

#include "policy/document.h"

#define ELEMENT_ATTRIBUTES_MAX 4

enum element_parent {
        PARENT_NONE,
        PARENT_BUSCONFIG,
        PARENT_POLICY,
        PARENT_SELINUX,
};

struct element {
        const char *name;
        enum element_parent parent;
        enum element_parent as_parent; /* the parent of its children; NONE: no children */
        bool has_text;                 /* it must have text; others may only have blanks */
        bool has_rule;                 /* it is a rule, whose attributes policy_rule_new() checks */
        const char *attributes[ELEMENT_ATTRIBUTES_MAX]; /* the attributes that it may have; NULL
                                                           ends a shorter list */
        /* Offsets of the members of struct document that the end of the element sets; 0: none. */
        size_t flag;   /* a bool becomes true */
        size_t string; /* an allocated string becomes the text */
        size_t place;  /* a struct bus_config_place becomes the place of the element */
        /* NULL: nothing to do */
        int (*start)(struct document *document, const char *const *attributes);
        int (*end)(struct document *document, const char *text);
};

/*
 * Find an element inside of parent (NULL: as root). If it fails, *ret_result is a negative errno.
 */
const struct element *element_find(struct document *document, const struct element *parent,
                                   const char *name, int *ret_result);
/* Start and end of an element, with its attributes and its text. */
int element_start(const struct element *element, struct document *document,
                  const char *const *attributes);
int element_end(const struct element *element, struct document *document, const char *text);
