/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Server addresses: parsing and escaping. As in libdbus, a list may end with ';' and an entry with
 * ','. An escaped NUL, which libdbus accepts, is refused because values are used as C strings.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "bridge/wire/address.h"
#include "bridge/wire/hex.h"

static bool is_plain(char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               (c != 0 && strchr("-_/.\\*", c));
}

/*
 * Unescape the n bytes at s. at is the offset of s in the whole text, because error texts give
 * offsets in the whole text.
 */
static int unescape(const char *s, size_t n, size_t at, char **ret_value, char **ret_error) {
        CLEANUP_FREE char *value = malloc(n + 1);
        size_t n_value = 0;

        if (!value)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                int high, low;

                if (is_plain(s[i])) {
                        value[n_value++] = s[i];
                        continue;
                }
                if (s[i] != '%')
                        return set_error(ret_error, -EINVAL,
                                         "character '%c' at offset %zu must be escaped as %%%02x",
                                         s[i] >= ' ' && s[i] <= '~' ? s[i] : '?', at + i,
                                         (uint8_t)s[i]);
                high = n - i > 2 ? hex_digit(s[i + 1]) : -1;
                low = n - i > 2 ? hex_digit(s[i + 2]) : -1;
                if (high < 0 || low < 0)
                        return set_error(ret_error, -EINVAL,
                                         "'%%' at offset %zu is not followed by two hex digits",
                                         at + i);
                if ((high | low) == 0)
                        return set_error(ret_error, -EINVAL, "escaped NUL at offset %zu", at + i);
                value[n_value++] = high << 4 | low;
                i += 2;
        }
        value[n_value] = 0;
        *ret_value = steal_ptr(&value);
        return 0;
}

/* Parse one key=value of n bytes at the given offset of text. */
static int parse_pair(struct address_entry *entry, const char *text, size_t at, size_t n,
                      char **ret_error) {
        const char *s = text + at, *equals;
        struct address_pair *pairs, pair = {};
        size_t n_key;
        int r;

        equals = memchr(s, '=', n);
        if (!equals || equals == s)
                return set_error(ret_error, -EINVAL, "no key=value at offset %zu", at);
        n_key = equals - s;
        if (n_key + 1 == n)
                return set_error(ret_error, -EINVAL, "key '%.*s' at offset %zu has no value",
                                 (int)n_key, s, at);

        pairs = reallocarray(entry->pairs, entry->n_pairs + 1, sizeof(pairs[0]));
        if (!pairs)
                return -ENOMEM;
        entry->pairs = pairs;

        r = unescape(equals + 1, n - n_key - 1, at + n_key + 1, &pair.value, ret_error);
        if (r)
                return r;
        pair.key = strndup(s, n_key);
        if (!pair.key) {
                free(pair.value);
                return -ENOMEM;
        }
        pairs[entry->n_pairs++] = pair;
        return 0;
}

/* Parse one transport:key=value,... of n bytes at the given offset of text. */
static int parse_entry(struct address_list *list, const char *text, size_t at, size_t n,
                       char **ret_error) {
        struct address_entry *entries, *entry;
        size_t end = at + n;
        const char *colon;
        int r;

        colon = memchr(text + at, ':', n);
        if (!colon)
                return set_error(ret_error, -EINVAL,
                                 "address at offset %zu does not contain a colon", at);
        if (colon == text + at)
                return set_error(ret_error, -EINVAL, "address at offset %zu names no transport",
                                 at);

        entries = reallocarray(list->entries, list->n_entries + 1, sizeof(entries[0]));
        if (!entries)
                return -ENOMEM;
        list->entries = entries;
        entry = &entries[list->n_entries++];
        *entry = (struct address_entry){};

        entry->transport = strndup(text + at, colon - (text + at));
        if (!entry->transport)
                return -ENOMEM;

        at = colon - text + 1;
        while (at < end) {
                const char *comma = memchr(text + at, ',', end - at);
                size_t n_pair = comma ? (size_t)(comma - (text + at)) : end - at;

                r = parse_pair(entry, text, at, n_pair, ret_error);
                if (r)
                        return r;
                at += n_pair + 1;
        }
        return 0;
}

int address_list_parse(const char *text, struct address_list *ret_list, char **ret_error) {
        struct address_list list = {};
        size_t at = 0, end = strlen(text);
        char *error = NULL;
        int r = 0;

        if (end == 0)
                r = set_error(&error, -EINVAL, "the address is empty");
        while (r == 0 && at < end) {
                size_t n = strcspn(text + at, ";");

                r = parse_entry(&list, text, at, n, &error);
                at += n + 1;
        }
        if (r) {
                address_list_deinit(&list);
                if (ret_error)
                        *ret_error = error;
                else
                        free(error);
                return r;
        }
        *ret_list = list;
        return 0;
}

void address_list_deinit(struct address_list *list) {
        for (size_t i = 0; i < list->n_entries; i++) {
                struct address_entry *entry = &list->entries[i];

                for (size_t j = 0; j < entry->n_pairs; j++) {
                        free(entry->pairs[j].key);
                        free(entry->pairs[j].value);
                }
                free(entry->pairs);
                free(entry->transport);
        }
        free(list->entries);
        *list = (struct address_list){};
}

const char *address_entry_get(const struct address_entry *entry, const char *key) {
        for (size_t i = 0; i < entry->n_pairs; i++)
                if (strcmp(entry->pairs[i].key, key) == 0)
                        return entry->pairs[i].value;
        return NULL;
}

char *address_escape(const char *value, size_t n) {
        char *escaped, *p;

        if (n > (SIZE_MAX - 1) / 3)
                return NULL;
        escaped = p = malloc(n * 3 + 1);
        if (!escaped)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                if (is_plain(value[i])) {
                        *p++ = value[i];
                } else {
                        *p = '%';
                        hex_encode((const uint8_t *)&value[i], 1, p + 1);
                        p += 3;
                }
        }
        *p = 0;
        return escaped;
}
