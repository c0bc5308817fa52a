/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Elements - the meaning of each element of a bus configuration
 *
 * A table in elements.c has one row for each element: where it may stand, which attributes it may
 * have, whether it has text, and what is to be done at its start (with the attributes) and at its
 * end (with the text). The functions for elements return 0 or a negative errno. If the document is
 * wrong, they have called document_fail().
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
        enum element_parent as_parent; /* what its children have as parent; NONE: no children */
        bool has_text;                 /* it must have text; others may only have blanks */
        bool has_rule;                 /* it is a rule, whose attributes policy_rule_new() checks */
        const char *attributes[ELEMENT_ATTRIBUTES_MAX]; /* the attributes that it may have; NULL
                                                           ends a shorter list */
        /* Offsets of the members of struct document that the end of the element sets; 0: none. */
        size_t flag;   /* of a bool, which becomes true */
        size_t string; /* of a string, which becomes an allocated copy of the text */
        size_t place;  /* of a struct bus_config_place, which becomes the place of the end tag */
        /* NULL: nothing to do */
        int (*start)(struct document *document, const char *const *attributes);
        int (*end)(struct document *document, const char *text);
};

/*
 * Find the element called name inside of parent (NULL: as root). If the document may not have it
 * there, returns NULL, and *ret_result is a negative errno.
 */
const struct element *element_find(struct document *document, const struct element *parent,
                                   const char *name, int *ret_result);
/* Start and end of an element, with its attributes and its text. */
int element_start(const struct element *element, struct document *document,
                  const char *const *attributes);
int element_end(const struct element *element, struct document *document, const char *text);
