/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Elements - what each element of a bus configuration means
 *
 * A table has one row for each element: where it may stand, whether it holds text, and the
 * functions for its start (attributes) and end (text). The functions return 0 or a negative errno,
 * after document_fail() where the document is wrong.
 */

#include "policy/document.h"

/* The element called name inside of parent (NULL: as root). NULL after document_fail(). */
const struct element *element_find(struct document *document, const struct element *parent,
                                   const char *name, int *ret_result);
/* Start and end of an element, with its attributes and its text. */
int element_start(const struct element *element, struct document *document,
                  const char *const *attributes);
int element_end(const struct element *element, struct document *document, const char *text);
/* May the element hold text other than blanks? */
bool element_has_text(const struct element *element);
const char *element_name(const struct element *element);
