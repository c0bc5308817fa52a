/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any text as a list of addresses. An accepted list must not change when it is written as text and
 * parsed again. A rejected one must have an error text.
 */

#include <string.h>

#include "bridge/wire/address.h"
#include "fuzz.h"

static char *join(char *text, const char *more) {
        char *joined;

        if (!more || asprintf(&joined, "%s%s", text, more) < 0)
                exit(EXIT_FAILURE);
        free(text);
        return joined;
}

static char *write_list(const struct address_list *list) {
        char *text = strdup("");

        for (size_t i = 0; i < list->n_entries; i++) {
                const struct address_entry *entry = &list->entries[i];

                text = join(text, i ? ";" : "");
                text = join(text, entry->transport);
                text = join(text, ":");
                for (size_t j = 0; j < entry->n_pairs; j++) {
                        const char *value = entry->pairs[j].value;
                        char *escaped = address_escape(value, strlen(value));

                        text = join(text, j ? "," : "");
                        text = join(text, entry->pairs[j].key);
                        text = join(text, "=");
                        text = join(text, escaped);
                        free(escaped);
                }
        }
        return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        struct address_list list, again;
        char *text = strndup((const char *)data, n), *error = NULL, *written, *rewritten;

        if (!text)
                exit(EXIT_FAILURE);
        if (address_list_parse(text, &list, &error) < 0) {
                FUZZ_CHECK(error);
                free(error);
                free(text);
                return 0;
        }
        written = write_list(&list);
        FUZZ_CHECK(address_list_parse(written, &again, NULL) == 0);
        rewritten = write_list(&again);
        FUZZ_CHECK(strcmp(written, rewritten) == 0);
        FUZZ_CHECK(list.n_entries == again.n_entries);
        address_list_deinit(&list);
        address_list_deinit(&again);
        free(written);
        free(rewritten);
        free(text);
        return 0;
}
