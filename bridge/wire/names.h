/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The grammars of names (D-Bus spec, "Valid Names", "Valid Object Paths"). n counts no NUL. */

#include <stdbool.h>
#include <stddef.h>

#define NAME_LENGTH_MAX 255

bool name_is_valid_bus(const char *s, size_t n);    /* unique or well-known */
bool name_is_valid_unique(const char *s, size_t n); /* starts with ':' */
bool name_is_valid_well_known(const char *s, size_t n);
/* for arg0namespace: a bus name, or one element of it */
bool name_is_valid_namespace(const char *s, size_t n);
bool name_is_valid_interface(const char *s, size_t n);
bool name_is_valid_error(const char *s, size_t n);
bool name_is_valid_member(const char *s, size_t n);
bool name_is_valid_object_path(const char *s, size_t n);
/* At most 255 bytes of complete types, at most 32 nested arrays and 32 nested structs. */
bool name_is_valid_signature(const char *s, size_t n);
/* Strict UTF-8 without NUL. */
bool name_is_valid_utf8(const char *s, size_t n);

/* The same, faster, for strings of messages: the caller has checked that s[n] is NUL. */
bool name_check_bus(const char *s, size_t n);
bool name_check_interface(const char *s, size_t n); /* errors too */
bool name_check_member(const char *s, size_t n);
bool name_check_object_path(const char *s, size_t n);
