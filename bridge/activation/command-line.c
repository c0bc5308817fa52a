/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/activation/command-line.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/array.h"

struct splitter {
        const char *at;
        char *word; /* has room for the whole text */
        size_t n_word;
        bool in_word; /* a word has begun, maybe an empty one like '' */
        char **argv;
        size_t n_argv;
};

static void put(struct splitter *s, char c) {
        s->word[s->n_word++] = c;
        s->in_word = true;
}

static int end_word(struct splitter *s) {
        char *word;
        int r;

        if (!s->in_word)
                return 0;
        word = strndup(s->word, s->n_word);
        if (!word)
                return -ENOMEM;
        r = POLICY_ARRAY_APPEND(s->argv, s->n_argv, word);
        if (r < 0)
                free(word);
        s->n_word = 0;
        s->in_word = false;
        return r;
}

/* s->at is behind the opening quote. Returns false if there is no closing quote. */
static bool take_quoted(struct splitter *s, char quote) {
        s->in_word = true;
        for (; *s->at != quote; s->at++) {
                if (quote == '"' && *s->at == '\\' && s->at[1] && strchr("$`\"\\\n", s->at[1]))
                        s->at++;
                if (!*s->at)
                        return false;
                put(s, *s->at);
        }
        s->at++;
        return true;
}

static int split(struct splitter *s, const char **ret_reason) {
        char c;
        int r;

        while ((c = *s->at)) {
                s->at++;
                switch (c) {
                case ' ':
                case '\t':
                case '\n':
                        r = end_word(s);
                        if (r < 0)
                                return r;
                        break;
                case '#':
                        s->at += strcspn(s->at, "\n");
                        break;
                case '\\':
                        c = *s->at;
                        if (!c) {
                                *ret_reason = "The command line ends with a backslash";
                                return -EINVAL;
                        }
                        s->at++;
                        if (c != '\n')
                                put(s, c);
                        break;
                case '\'':
                case '"':
                        if (!take_quoted(s, c)) {
                                *ret_reason = "The command line has a quote without its end";
                                return -EINVAL;
                        }
                        break;
                default:
                        put(s, c);
                }
        }
        return end_word(s);
}

int command_line_split(const char *text, char ***ret_argv, const char **ret_reason) {
        CLEANUP_FREE char *word = malloc(strlen(text) + 1);
        struct splitter s = {.at = text, .word = word};
        int r;

        r = word ? split(&s, ret_reason) : -ENOMEM;
        if (r >= 0)
                r = POLICY_ARRAY_APPEND(s.argv, s.n_argv, NULL);
        if (r >= 0) {
                *ret_argv = s.argv;
                return 0;
        }
        for (size_t i = 0; i < s.n_argv; i++)
                free(s.argv[i]);
        free(s.argv);
        return r;
}

char **command_line_free(char **argv) {
        for (char **word = argv; word && *word; word++)
                free(*word);
        free(argv);
        return NULL;
}
