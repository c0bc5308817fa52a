/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions in words: the parser. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "policy/array.h"
#include "policy/ids.h"
#include "policy/question.h"

bool policy_words_own(void *userdata, const char *name, bool prefix) {
        const struct policy_words *w = userdata;

        for (size_t i = 0; i < w->n_names; i++)
                if (prefix ? policy_name_is_below(w->names[i], name)
                           : strcmp(w->names[i], name) == 0)
                        return true;
        return false;
}

static int add_name(struct policy_words *w, const char *name) {
        w->peer_name = name;
        if (name[0] == ':')
                return 0;
        if (strcmp(name, POLICY_DRIVER_NAME) == 0)
                w->peer.is_driver = true;
        return POLICY_ARRAY_APPEND(w->names, w->n_names, name);
}

static int parse_bool(const char *key, const char *value, bool *ret_value, char **ret_error) {
        *ret_value = strcmp(value, "true") == 0;
        return *ret_value || strcmp(value, "false") == 0
                       ? 0
                       : set_error(ret_error, -EINVAL, "%s must be true or false, not %s", key,
                                   value);
}

static int parse_fds(const char *value, uint32_t *ret_fds, char **ret_error) {
        int64_t n;

        if (policy_parse_integer(value, &n) != 0 || n < 0 || n > POLICY_FDS_MAX)
                return set_error(ret_error, -EINVAL, "fds must be a number, not %s", value);
        *ret_fds = (uint32_t)n;
        return 0;
}

static int parse_pair(struct policy_words *w, const char *key, const char *value,
                      char **ret_error) {
        struct policy_message *m = &w->question.message;
        bool sends = w->question.family == POLICY_FAMILY_SEND;
        const struct {
                const char *key;
                const char **text;
        } texts[] = {
                {"path", &m->path},
                {"interface", &m->interface},
                {"member", &m->member},
                {"error", &m->error_name},
        };

        for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
                if (strcmp(key, texts[i].key) == 0) {
                        *texts[i].text = value;
                        return 0;
                }
        if (strcmp(key, "type") == 0)
                return policy_parse_type(value, &m->type)
                               ? 0
                               : set_error(ret_error, -EINVAL,
                                           "type must be method_call, method_return, error or "
                                           "signal, not %s",
                                           value);
        if (strcmp(key, "fds") == 0)
                return parse_fds(value, &m->n_fds, ret_error);
        if (strcmp(key, "requested_reply") == 0)
                return parse_bool(key, value, &m->requested_reply, ret_error);
        if (strcmp(key, "eavesdrop") == 0)
                return parse_bool(key, value, &m->eavesdropping, ret_error);
        if (strcmp(key, "destination") == 0) {
                m->destination = value;
                return sends ? add_name(w, value) : 0;
        }
        if (strcmp(key, sends ? "owns" : "sender") == 0)
                return add_name(w, value);
        return set_error(ret_error, -EINVAL, "%s is no key of %s", key, sends ? "send" : "receive");
}

static int parse_word(struct policy_words *w, const char *text, char **ret_error) {
        const char *equals = strchr(text, '=');
        char key[32];

        if (!equals)
                return set_error(ret_error, -EINVAL, "%s is not of the form KEY=VALUE", text);
        if ((size_t)(equals - text) >= sizeof(key))
                return set_error(ret_error, -EINVAL, "%.*s is no key", (int)(equals - text), text);
        memcpy(key, text, equals - text);
        key[equals - text] = '\0';
        return parse_pair(w, key, equals + 1, ret_error);
}

static int parse_message(struct policy_words *w, const char *const *texts, size_t n,
                         char **ret_error) {
        struct policy_message *m = &w->question.message;

        m->requested_reply = true;
        m->peer = &w->peer;
        w->peer.owns = policy_words_own;
        w->peer.userdata = w;
        for (size_t i = 0; i < n; i++) {
                int r = parse_word(w, texts[i], ret_error);

                if (r < 0)
                        return r;
        }
        if (!m->type)
                m->type = m->error_name ? POLICY_TYPE_ERROR : POLICY_TYPE_METHOD_CALL;
        m->broadcast = m->type == POLICY_TYPE_SIGNAL && !m->destination;
        if (m->type != POLICY_TYPE_METHOD_RETURN && m->type != POLICY_TYPE_ERROR)
                m->requested_reply = false;
        if (w->question.family == POLICY_FAMILY_SEND && !m->destination && !m->broadcast &&
            !w->n_names)
                return set_error(ret_error, -EINVAL,
                                 "a message other than a signal needs a destination");
        return 0;
}

int policy_words_parse(struct policy_words *w, const char *const *texts, size_t n,
                       char **ret_error) {
        *w = (struct policy_words){};
        *ret_error = NULL;
        if (n == 1 && strcmp(texts[0], "connect") == 0) {
                w->question.family = POLICY_FAMILY_CONNECT;
                return 0;
        }
        if (n == 2 && strcmp(texts[0], "own") == 0) {
                w->question.family = POLICY_FAMILY_OWN;
                w->question.name = texts[1];
                return 0;
        }
        if (n >= 1 && (strcmp(texts[0], "send") == 0 || strcmp(texts[0], "receive") == 0)) {
                w->question.family =
                        strcmp(texts[0], "send") == 0 ? POLICY_FAMILY_SEND : POLICY_FAMILY_RECEIVE;
                return parse_message(w, texts + 1, n - 1, ret_error);
        }
        return set_error(ret_error, -EINVAL,
                         "the question must be connect, own NAME, send ... or receive ...");
}

void policy_words_clear(struct policy_words *w) {
        free(w->names);
        *w = (struct policy_words){};
}

const char *policy_default_reason(const struct policy_question *question, bool allowed) {
        if (question->family == POLICY_FAMILY_CONNECT)
                return "no rule matches: only the bus's user and anonymous clients may connect";
        return allowed ? "it is a message of the bus itself to its destination" : "no rule matches";
}
