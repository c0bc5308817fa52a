/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* D-Bus server addresses (D-Bus spec, "Server Addresses"): transport:key=value,...;... */

#include <stddef.h>

struct address_entry {
        char *transport;
        size_t n_pairs;
        struct address_pair {
                char *key;
                char *value; /* unescaped */
        } * pairs;
};

struct address_list {
        size_t n_entries;
        struct address_entry *entries;
};

/*
 * Returns 0, -ENOMEM, or -EINVAL with an allocated *ret_error that tells what is wrong (ret_error
 * may be NULL). If -ENOMEM is returned, *ret_error is NULL.
 */
int address_list_parse(const char *text, struct address_list *ret_list, char **ret_error);
void address_list_deinit(struct address_list *list);
/* The value of a key, or NULL. */
const char *address_entry_get(const struct address_entry *entry, const char *key);
/* Escape a value for an address. Returns an allocated text, or NULL when memory runs out. */
char *address_escape(const char *value, size_t n);
