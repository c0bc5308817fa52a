/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The grammars of names (D-Bus spec, "Valid Names", "Valid Object Paths"). n excludes a NUL. */

#include <stdbool.h>
#include <stddef.h>

#define NAME_LENGTH_MAX 255

bool name_is_valid_bus(const char *s, size_t n);    /* unique or well-known */
bool name_is_valid_unique(const char *s, size_t n); /* starts with ':' */
bool name_is_valid_well_known(const char *s, size_t n);
/* for arg0namespace: like a bus name, but a well-known name may have only one element */
bool name_is_valid_namespace(const char *s, size_t n);
bool name_is_valid_interface(const char *s, size_t n);
bool name_is_valid_error(const char *s, size_t n);
bool name_is_valid_member(const char *s, size_t n);
bool name_is_valid_object_path(const char *s, size_t n);
/*
 * At most 255 bytes of complete types, with at most 32 nested arrays and at most 32 nested structs
 * or dict entries.
 */
bool name_is_valid_signature(const char *s, size_t n);
/* Strict UTF-8 without NUL. */
bool name_is_valid_utf8(const char *s, size_t n);

/* The same, faster, for strings of messages: the caller has checked that s[n] is NUL. */
bool name_check_bus(const char *s, size_t n);
bool name_check_interface(const char *s, size_t n); /* also for names of errors */
bool name_check_member(const char *s, size_t n);
bool name_check_object_path(const char *s, size_t n);
/*
 * An object path that is checked in parts: its n bytes start and end as those of a path do, and
 * each of n bytes may follow the byte before it. The first byte of the path belongs to no part.
 */
bool name_check_object_path_ends(const char *s, size_t n);
bool name_check_object_path_part(const char *s, size_t n);
