/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a service file. An error has a text and a place; an accepted file has a name that
 * can be owned. Its Exec, and the bytes of the file up to the first NUL, are also split into words
 * as command lines. The words must not change when they are quoted and split again.
 */

#include <stdlib.h>
#include <string.h>

#include "bridge/activation/command-line.h"
#include "bridge/activation/service-file.h"
#include "bridge/wire/names.h"
#include "fuzz.h"

/* Put a word into single quotes, and a blank behind it. A single quote in the word becomes '\''. */
static char *quote(char *to, const char *word) {
        *to++ = '\'';
        for (; *word; word++) {
                if (*word == '\'')
                        to = stpcpy(to, "'\\'");
                *to++ = *word;
        }
        return stpcpy(to, "' ");
}

static void check_words(char **argv) {
        const char *reason = NULL;
        size_t n = 1;
        char *text, *end, **again;

        for (char **word = argv; *word; word++)
                n += 4 * strlen(*word) + 3;
        text = end = malloc(n);
        if (!text)
                exit(EXIT_FAILURE);
        *text = '\0';
        for (char **word = argv; *word; word++)
                end = quote(end, *word);
        FUZZ_CHECK(command_line_split(text, &again, &reason) == 0 && !reason);
        for (n = 0; argv[n]; n++)
                FUZZ_CHECK(again[n] && strcmp(again[n], argv[n]) == 0);
        FUZZ_CHECK(!again[n]);
        command_line_free(again);
        free(text);
}

static void check_command_line(const char *text) {
        const char *reason = NULL;
        char **argv;
        int r;

        r = command_line_split(text, &argv, &reason);
        FUZZ_CHECK((r < 0) == (reason != NULL));
        if (r < 0)
                return;
        check_words(argv);
        command_line_free(argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        struct service *service;
        char *text = strndup((const char *)data, n), *error = NULL;

        if (!text)
                exit(EXIT_FAILURE);
        check_command_line(text);
        free(text);
        if (service_file_parse((const char *)data, n, "/file", &service, &error) < 0) {
                FUZZ_CHECK(error && !strncmp(error, "/file:", 6) && strstr(error, ": "));
                free(error);
                return 0;
        }
        FUZZ_CHECK(!error);
        FUZZ_CHECK(name_is_valid_well_known(service->name, strlen(service->name)));
        FUZZ_CHECK(strcmp(service->path, "/file") == 0);
        if (service->exec)
                check_command_line(service->exec);
        service_free(service);
        return 0;
}
