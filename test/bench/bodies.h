/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bodies of messages for bus1-validate
 *
 * Most kinds of bodies are what a client would send to keep the bus busy: many brackets, lengths or
 * signatures for few bytes, and random choices that a processor cannot predict. The others are
 * usual bodies. A body is one array. Its elements are values of one type with random content.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a function is NULL, the kind has no values that need it. */
struct body_kind {
        const char *name;
        const char *element;                    /* the type of the elements */
        const char *(*text)(void);              /* the content of strings, paths or signatures */
        const char *(*variant)(unsigned depth); /* the type in a variant that is in depth others */
        unsigned min_elements, max_elements;    /* of the arrays in an element */
        bool in_header; /* the values are not in the body, but in unknown header fields */
};

extern const struct body_kind body_kinds[];
extern const size_t body_n_kinds;

/*
 * Make a message of the kind in new memory, which the caller frees. Its array ends with the element
 * that reaches n bytes. *ret_n is the size of the message.
 */
uint8_t *body_new_message(const struct body_kind *kind, size_t n, size_t *ret_n);
