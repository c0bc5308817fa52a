/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Walking along a type string and the arguments that belong to it
 *
 * The arguments say how many elements an array has and what is in a variant, so a type string can
 * only be followed together with them. A walk does this, step by step:
 *
 *        "sa{sv}"    BASIC s, OPEN a, OPEN e, BASIC s, OPEN v, BASIC u, CLOSE, CLOSE, ..., END
 *
 * It takes the number of elements, and the type string of a variant, from the arguments. At a basic
 * type, the caller takes the value, or the pointer to it. Who appends and who reads take the same
 * steps. The levels of a walk replace a recursion.
 */

#include <stdarg.h>

#include "libbus1/dbus/membership.h"

/* Not a type of D-Bus: a handle, whose index is in the body, as a uint32 */
#define TYPE_HANDLE 'H'
/* D-Bus spec, "Valid Signatures" and "Message Format": containers in one another */
#define WALK_DEPTH_MAX 64

/* which type strings are valid */
enum {
        TYPES_HANDLES = 1 << 0, /* TYPE_HANDLE is a type */
        TYPES_ENTRIES = 1 << 1, /* dictionary entries need not be in an array: the caller has it */
        TYPES_SINGLE = 1 << 2,  /* there is exactly one value */
};

enum step {
        STEP_END,
        STEP_BASIC, /* a value of walk.type */
        STEP_OPEN,  /* a container: walk.type, walk.signature, and of an array walk.n_elements */
        STEP_CLOSE, /* the end of the container that was opened last */
};

struct walk_level {
        const char *first, *end; /* the types of what is in the container, or of each element */
        const char *at;
        unsigned n_left; /* elements after this one */
};

struct walk {
        va_list args;
        unsigned valid; /* TYPES_HANDLES, TYPES_ENTRIES */
        bool checked;   /* an earlier walk has found the type strings to be valid */
        unsigned depth;
        struct walk_level levels[WALK_DEPTH_MAX + 1];
        int type; /* of libdbus-1, such as DBUS_TYPE_STRUCT; or TYPE_HANDLE */
        unsigned n_elements;
        /* the types of what is in an opened array or variant, in which u stands for a handle */
        char signature[DBUS_MAXIMUM_SIGNATURE_LENGTH + 1];
};

/*
 * Begin. The walk has a copy of args, and the type string must live as long as the walk. After
 * success, the caller ends the walk. Returns -EINVAL for an invalid type string.
 */
int types_walk_begin(struct walk *walk, const char *types, unsigned valid, bool checked,
                     va_list args);
void walk_end(struct walk *walk);
/*
 * The next enum step, or -EINVAL if the type string of a variant is not that of one value, or
 * -ELOOP if there are too many containers in one another. After an error there is no next step.
 */
int types_walk_next(struct walk *walk);

/* Is it a type string that is valid with these flags? NULL is not. */
bool types_are_valid(const char *types, unsigned valid);
/* Copy n valid types as a signature, in which u stands for a handle. */
void types_to_signature(const char *types, size_t n, char *signature);
