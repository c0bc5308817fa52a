/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names: the grammars of bus names, interfaces, members and object paths.
 *
 * Each grammar is a short loop over one table of character classes. Most loops are compiled twice:
 * for strings of which only the length is known, and for strings inside messages. Strings inside
 * messages have a terminator, which was checked before. It stops the loop, so each byte costs one
 * test less.
 */

#include <stdint.h>

#include "bridge/wire/names.h"

enum {
        CLASS_ALPHA = 1, /* letters and _ */
        CLASS_DIGIT = 2,
        CLASS_DASH = 4,
        CLASS_WORD = CLASS_ALPHA | CLASS_DIGIT,
        CLASS_BUS = CLASS_WORD | CLASS_DASH,
};

static const uint8_t classes[256] = {
        ['A' ... 'Z'] = CLASS_ALPHA, ['a' ... 'z'] = CLASS_ALPHA, ['_'] = CLASS_ALPHA,
        ['0' ... '9'] = CLASS_DIGIT, ['-'] = CLASS_DASH,
};

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Is s[i] a character of the class? The NUL that ends a terminated string is in no class. */
static ALWAYS_INLINE bool at_class(const char *s, size_t i, size_t n, unsigned class,
                                   bool terminated) {
        return (terminated || i < n) && (classes[(uint8_t)s[i]] & class);
}

/*
 * Does s consist of at least min_elements elements, joined by dots? Each element starts with a
 * character of the class first, and goes on with characters of the class rest.
 */
static ALWAYS_INLINE bool dotted(const char *s, size_t n, unsigned first, unsigned rest,
                                 unsigned min_elements, bool terminated) {
        unsigned elements = 0;
        size_t i = 0;

        for (;;) {
                if (!at_class(s, i, n, first, terminated))
                        return false;
                do
                        ++i;
                while (at_class(s, i, n, rest, terminated));
                ++elements;

                if (i >= n)
                        return elements >= min_elements;
                if (s[i++] != '.')
                        return false;
        }
}

/*
 * As in dbus-daemon, any number of elements may follow the colon, even none, and a dot may follow
 * the colon directly. But the element behind a dot must not be empty.
 */
static ALWAYS_INLINE bool unique(const char *s, size_t n, bool terminated) {
        size_t i = 1;

        for (;;) {
                while (at_class(s, i, n, CLASS_BUS, terminated))
                        ++i;
                if (i >= n)
                        return true;
                if (s[i++] != '.' || !at_class(s, i, n, CLASS_BUS, terminated))
                        return false;
        }
}

static ALWAYS_INLINE bool bus(const char *s, size_t n, bool terminated) {
        if (s[0] == ':')
                return unique(s, n, terminated);
        return dotted(s, n, CLASS_ALPHA | CLASS_DASH, CLASS_BUS, 2, terminated);
}

static ALWAYS_INLINE bool member(const char *s, size_t n, bool terminated) {
        size_t i = 0;

        if (!at_class(s, i, n, CLASS_ALPHA, terminated))
                return false;
        do
                ++i;
        while (at_class(s, i, n, CLASS_WORD, terminated));
        return i >= n;
}

static ALWAYS_INLINE bool object_path(const char *s, size_t n, bool terminated) {
        size_t i = 0;

        if (n == 0 || s[0] != '/')
                return false;
        if (n == 1)
                return true;
        for (;;) {
                ++i;
                if (!at_class(s, i, n, CLASS_WORD, terminated))
                        return false;
                do
                        ++i;
                while (at_class(s, i, n, CLASS_WORD, terminated));
                if (i >= n)
                        return true;
                if (s[i] != '/')
                        return false;
        }
}

static bool length_is_valid(size_t n) {
        return n - 1 < NAME_LENGTH_MAX;
}

/* names in messages */

bool name_check_bus(const char *s, size_t n) {
        return length_is_valid(n) && bus(s, n, true);
}

bool name_check_interface(const char *s, size_t n) {
        return length_is_valid(n) && dotted(s, n, CLASS_ALPHA, CLASS_WORD, 2, true);
}

bool name_check_member(const char *s, size_t n) {
        return length_is_valid(n) && member(s, n, true);
}

bool name_check_object_path(const char *s, size_t n) {
        return object_path(s, n, true);
}

bool name_check_object_path_ends(const char *s, size_t n) {
        return n > 0 && s[0] == '/' && (n == 1 || s[n - 1] != '/');
}

/* No branch depends on where the slashes are, because a processor cannot predict that. */
bool name_check_object_path_part(const char *s, size_t n) {
        bool valid = true;

        for (size_t i = 0; i < n; i++)
                valid &= ((classes[(uint8_t)s[i]] & CLASS_WORD) != 0) |
                         ((s[i] == '/') & (s[(ptrdiff_t)i - 1] != '/'));
        return valid;
}

/* names from elsewhere */

bool name_is_valid_bus(const char *s, size_t n) {
        return length_is_valid(n) && bus(s, n, false);
}

bool name_is_valid_unique(const char *s, size_t n) {
        return length_is_valid(n) && s[0] == ':' && unique(s, n, false);
}

bool name_is_valid_well_known(const char *s, size_t n) {
        return length_is_valid(n) && dotted(s, n, CLASS_ALPHA | CLASS_DASH, CLASS_BUS, 2, false);
}

bool name_is_valid_namespace(const char *s, size_t n) {
        if (!length_is_valid(n))
                return false;
        if (s[0] == ':')
                return unique(s, n, false);
        return dotted(s, n, CLASS_ALPHA | CLASS_DASH, CLASS_BUS, 1, false);
}

bool name_is_valid_interface(const char *s, size_t n) {
        return length_is_valid(n) && dotted(s, n, CLASS_ALPHA, CLASS_WORD, 2, false);
}

bool name_is_valid_error(const char *s, size_t n) {
        return name_is_valid_interface(s, n);
}

bool name_is_valid_member(const char *s, size_t n) {
        return length_is_valid(n) && member(s, n, false);
}

bool name_is_valid_object_path(const char *s, size_t n) {
        return object_path(s, n, false);
}
