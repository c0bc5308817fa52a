/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Match rules: parsing, comparing and formatting them, and whether a message matches. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bridge/bus/match.h"
#include "bridge/bus/name.h"
#include "bridge/wire/names.h"

static const char *const types[] = {NULL, "method_call", "method_return", "error", "signal"};

/* parsing */

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * Unquote one value into out. Inside quotes everything except the closing quote is literal.
 * Outside, a comma ends the value and \' is an apostrophe; a backslash before any other character
 * is literal, and so is that character. Returns the position after the value, or NULL if a quote is
 * not closed.
 */
static const char *parse_value(const char *p, const char *end, char **out) {
        bool quoted = false;

        for (; p < end; p++) {
                if (*p == '\'')
                        quoted = !quoted;
                else if (quoted)
                        *(*out)++ = *p;
                else if (*p == ',')
                        break;
                else if (*p == '\\' && p + 1 < end) {
                        if (p[1] != '\'')
                                *(*out)++ = '\\';
                        *(*out)++ = *++p;
                } else
                        *(*out)++ = *p;
        }
        return quoted ? NULL : p;
}

static int keys_set_type(struct match_keys *keys, const char *value) {
        if (keys->type)
                return MATCH_E_INVALID;
        for (unsigned i = 1; i < 5; i++)
                if (strcmp(value, types[i]) == 0) {
                        keys->type = i;
                        return 0;
                }
        return MATCH_E_INVALID;
}

/* Add argN, argNpath or arg0namespace. key is the part after "arg". */
static int keys_add_arg(struct match_keys *keys, const char *key, size_t n_key, const char *value,
                        size_t n_value) {
        struct match_arg arg = {.value = value, .n_value = n_value}, *args;
        size_t n_digits, at;
        unsigned index = 0;

        for (n_digits = 0; n_digits < n_key; n_digits++) {
                if (key[n_digits] < '0' || key[n_digits] > '9')
                        break;
                index = index * 10 + (key[n_digits] - '0');
                if (index >= MESSAGE_ARGS_MAX)
                        return MATCH_E_INVALID;
        }
        if (n_digits == 0)
                return MATCH_E_INVALID;
        key += n_digits;
        n_key -= n_digits;

        if (n_key == 0)
                arg.kind = MATCH_ARG_STRING;
        else if (n_key == 4 && !memcmp(key, "path", 4))
                arg.kind = MATCH_ARG_PATH;
        else if (n_key == 9 && !memcmp(key, "namespace", 9) && index == 0 &&
                 name_is_valid_namespace(value, n_value))
                arg.kind = MATCH_ARG_NAMESPACE;
        else
                return MATCH_E_INVALID;
        arg.index = index;

        for (at = 0; at < keys->n_args && keys->args[at].index < index; at++)
                ;
        if (at < keys->n_args && keys->args[at].index == index)
                return MATCH_E_INVALID;

        args = realloc(keys->args, (keys->n_args + 1) * sizeof(*args));
        if (!args)
                return -ENOMEM;
        memmove(args + at + 1, args + at, (keys->n_args - at) * sizeof(*args));
        args[at] = arg;
        keys->args = args;
        keys->n_args++;
        return 0;
}

static int keys_set(struct match_keys *keys, const char *key, size_t n_key, const char *value,
                    size_t n_value) {
        const struct {
                const char *key;
                const char **slot;
                bool (*is_valid)(const char *s, size_t n);
        } strings[] = {
                {"sender", &keys->sender, name_is_valid_bus},
                {"destination", &keys->destination, name_is_valid_bus},
                {"interface", &keys->interface, name_is_valid_interface},
                {"member", &keys->member, name_is_valid_member},
                {"path", &keys->path, name_is_valid_object_path},
                {"path_namespace", &keys->path_namespace, name_is_valid_object_path},
        };

        for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
                if (strlen(strings[i].key) != n_key || memcmp(strings[i].key, key, n_key) != 0)
                        continue;
                if (*strings[i].slot || !strings[i].is_valid(value, n_value))
                        return MATCH_E_INVALID;
                *strings[i].slot = value;
                return keys->path && keys->path_namespace ? MATCH_E_INVALID : 0;
        }

        if (n_key == 4 && !memcmp(key, "type", 4))
                return keys_set_type(keys, value);
        if (n_key == 9 && !memcmp(key, "eavesdrop", 9)) {
                keys->eavesdrop = strcmp(value, "true") == 0;
                return keys->eavesdrop || strcmp(value, "false") == 0 ? 0 : MATCH_E_INVALID;
        }
        if (n_key > 3 && !memcmp(key, "arg", 3))
                return keys_add_arg(keys, key + 3, n_key - 3, value, n_value);
        return MATCH_E_INVALID;
}

/*
 * In a text that a client may send, a value with its NUL is shorter than "key=value", so all values
 * together are not too long. A text of match_keys_format() has more characters for the same values.
 */
static int keys_parse(struct match_keys *keys, const char *p, size_t n) {
        const char *end = p + n, *key;
        char *out = keys->buffer, *value;
        size_t n_key;
        int r;

        for (;;) {
                while (p < end && is_blank(*p))
                        p++;
                if (p == end)
                        return 0;

                key = p;
                while (p < end && *p != '=' && *p != ',' && !is_blank(*p))
                        p++;
                n_key = p - key;
                while (p < end && is_blank(*p))
                        p++;
                if (n_key == 0 || p == end || *p != '=')
                        return MATCH_E_INVALID;

                value = out;
                p = parse_value(p + 1, end, &out);
                if (!p)
                        return MATCH_E_INVALID;
                *out++ = '\0';
                if (out - keys->buffer > MATCH_RULE_LENGTH_MAX)
                        return MATCH_E_TOO_LONG;

                r = keys_set(keys, key, n_key, value, out - value - 1);
                if (r)
                        return r;
                if (p < end)
                        p++; /* skip the comma, which may be the last character of a rule */
        }
}

int match_keys_parse_formatted(struct match_keys *ret_keys, const char *text, size_t n) {
        CLEANUP(match_keys_deinit) struct match_keys keys = {};
        int r;

        /* A value is shorter than "key=value", so there is always room for its terminator. */
        keys.buffer = malloc(n + 1);
        if (!keys.buffer)
                return -ENOMEM;

        r = keys_parse(&keys, text, n);
        if (r == 0) {
                *ret_keys = keys;
                keys = (struct match_keys){};
        }
        return r;
}

int match_keys_parse(struct match_keys *ret_keys, const char *text, size_t n) {
        return n > MATCH_RULE_LENGTH_MAX ? MATCH_E_TOO_LONG
                                         : match_keys_parse_formatted(ret_keys, text, n);
}

void match_keys_deinit(struct match_keys *keys) {
        free(keys->buffer);
        free(keys->args);
        *keys = (struct match_keys){};
}

/* text */

/* A text that is made twice: first only counted, while there is no memory for it. */
struct text {
        char *s;
        size_t n;
};

static void put(struct text *text, const char *bytes, size_t n) {
        if (text->s)
                memcpy(text->s + text->n, bytes, n);
        text->n += n;
}

static void put_key(struct text *text, const char *key, const char *value) {
        const char *quote;

        if (!value)
                return;
        if (text->n > 0)
                put(text, ",", 1);
        put(text, key, strlen(key));
        put(text, "='", 2);
        for (; (quote = strchr(value, '\'')); value = quote + 1) {
                put(text, value, (size_t)(quote - value));
                put(text, "'\\''", 4);
        }
        put(text, value, strlen(value));
        put(text, "'", 1);
}

static void put_keys(struct text *text, const struct match_keys *keys) {
        static const char *const kinds[] = {"", "path", "namespace"};

        put_key(text, "type", types[keys->type]);
        put_key(text, "interface", keys->interface);
        put_key(text, "member", keys->member);
        put_key(text, "path", keys->path);
        put_key(text, "path_namespace", keys->path_namespace);
        put_key(text, "sender", keys->sender);
        put_key(text, "destination", keys->destination);
        put_key(text, "eavesdrop", keys->eavesdrop ? "true" : NULL);
        for (size_t i = 0; i < keys->n_args; i++) {
                char key[32];

                snprintf(key, sizeof(key), "arg%u%s", keys->args[i].index,
                         kinds[keys->args[i].kind]);
                put_key(text, key, keys->args[i].value);
        }
}

char *match_keys_format(const struct match_keys *keys) {
        struct text text = {};

        put_keys(&text, keys);
        text.s = malloc(text.n + 1);
        if (!text.s)
                return NULL;
        text.n = 0;
        put_keys(&text, keys);
        text.s[text.n] = '\0';
        return text.s;
}

/* matching */

static bool field_matches(const char *wanted, const struct wire_string *field) {
        return !wanted || (field->s && strcmp(wanted, field->s) == 0);
}

/* Does the client (NULL: the bus) have the name now? */
static bool name_matches(const char *wanted, const struct match_context *context,
                         const struct client *client) {
        size_t n = strlen(wanted);

        if (!client)
                return strcmp(wanted, BUS_DRIVER_NAME) == 0;
        if (wanted[0] == ':')
                return n == client->n_unique_name && !memcmp(wanted, client->unique_name, n);
        return client == name_resolve(context->names, wanted, n);
}

static bool destination_matches(const char *wanted, struct message *m,
                                const struct match_context *context) {
        return m->destination.s &&
               (strcmp(wanted, m->destination.s) == 0 ||
                (context->destination && name_matches(wanted, context, context->destination)));
}

static bool path_is_below(const char *path, size_t n_path, const char *ns) {
        size_t n = strlen(ns);

        return n == 1 /* "/" */ ||
               (n_path >= n && !memcmp(path, ns, n) && (n_path == n || path[n] == '/'));
}

static bool arg_matches(const struct match_arg *wanted, const struct message_arg *arg) {
        const char *s = arg->value.s;
        size_t n = arg->value.n, n_wanted = wanted->n_value;

        switch (wanted->kind) {
        case MATCH_ARG_STRING:
                return arg->type == 's' && n == n_wanted && !memcmp(s, wanted->value, n);
        case MATCH_ARG_PATH:
                if (arg->type != 's' && arg->type != 'o')
                        return false;
                if (n == n_wanted)
                        return !memcmp(s, wanted->value, n);
                if (n < n_wanted)
                        return n > 0 && s[n - 1] == '/' && !memcmp(s, wanted->value, n);
                return n_wanted > 0 && wanted->value[n_wanted - 1] == '/' &&
                       !memcmp(s, wanted->value, n_wanted);
        case MATCH_ARG_NAMESPACE:
                return arg->type == 's' && n >= n_wanted && !memcmp(s, wanted->value, n_wanted) &&
                       (n == n_wanted || s[n_wanted] == '.');
        }
        return false;
}

bool match_keys_match(const struct match_keys *keys, struct message *m,
                      const struct match_context *context) {
        if ((keys->type && keys->type != m->type) ||
            !field_matches(keys->interface, &m->interface) ||
            !field_matches(keys->member, &m->member) || !field_matches(keys->path, &m->path))
                return false;
        if ((keys->path_namespace &&
             (!m->path.s || !path_is_below(m->path.s, m->path.n, keys->path_namespace))) ||
            (keys->sender && !name_matches(keys->sender, context, context->sender)) ||
            (keys->destination && !destination_matches(keys->destination, m, context)))
                return false;

        for (size_t i = 0; i < keys->n_args; i++) {
                struct message_arg arg = message_get_arg(m, keys->args[i].index);

                if (!arg_matches(&keys->args[i], &arg))
                        return false;
        }
        return true;
}
