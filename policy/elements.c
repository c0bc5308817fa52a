/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Elements: their functions, then the table, then the functions that use the table. */

#include "policy/elements.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/array.h"
#include "policy/environment.h"
#include "policy/identity.h"
#include "policy/ids.h"

/* The value of an attribute; NULL if the element does not have it. */
static const char *get(const char *const *attributes, const char *name) {
        for (; *attributes; attributes += 2)
                if (strcmp(attributes[0], name) == 0)
                        return attributes[1];
        return NULL;
}

/*
 * Find a value among the two or three allowed words. Returns the index of the word, or a negative
 * errno.
 */
static int parse_word(struct document *document, const char *name, const char *value,
                      const char *const words[], int n) {
        for (int i = 0; i < n; i++)
                if (strcmp(value, words[i]) == 0)
                        return i;
        return document_fail(document, "bad value \"%s\" for attribute %s, must be %s%s%s or %s",
                             value, name, words[0], n > 2 ? ", " : "", n > 2 ? words[1] : "",
                             words[n - 1]);
}

#define PARSE_WORD(document, name, value, ...)                                      \
        parse_word((document), (name), (value), (const char *const[]){__VA_ARGS__}, \
                   sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* simple elements */

static int set_string(char **string, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*string);
        *string = copy;
        return 0;
}

static int listen_end(struct document *document, const char *text) {
        struct bus_config *config = &document->fragment.config;

        return policy_append_copy(&config->listen, &config->n_listen, text);
}

static int auth_end(struct document *document, const char *text) {
        static const char *const mechanisms[] = {"EXTERNAL", "DBUS_COOKIE_SHA1", "ANONYMOUS"};
        struct bus_config *config = &document->fragment.config;

        for (size_t i = 0; i < sizeof(mechanisms) / sizeof(*mechanisms); i++)
                if (strcmp(text, mechanisms[i]) == 0)
                        return policy_append_copy(&config->auth, &config->n_auth, text);
        return document_fail(document,
                             "unsupported auth mechanism \"%s\", must be EXTERNAL, "
                             "DBUS_COOKIE_SHA1 or ANONYMOUS",
                             text);
}

/* includes */

static int parse_yes_no(struct document *document, const char *const *attributes, const char *name,
                        bool *ret_value) {
        const char *value = get(attributes, name);
        int r;

        r = value ? PARSE_WORD(document, name, value, "yes", "no") : 1;
        *ret_value = r == 0;
        return r;
}

static int include_start(struct document *document, const char *const *attributes) {
        bool only_selinux;
        int r;

        r = parse_yes_no(document, attributes, "ignore_missing", &document->include.ignore_missing);
        if (r >= 0)
                r = parse_yes_no(document, attributes, "if_selinux_enabled", &only_selinux);
        if (r < 0)
                return r;
        document->include_skip = only_selinux && !document->reader->environment->selinux_enabled;
        return parse_yes_no(document, attributes, "selinux_root_relative",
                            &document->include_selinux_relative);
}

static int include_end(struct document *document, const char *text) {
        const char *root = document->reader->environment->selinux_root;
        char *path;

        if (document->include_skip)
                return 0;
        if (!document->include_selinux_relative)
                path = document_path(document, text);
        else if (!root)
                return document_fail(document,
                                     "cannot find \"%s\": no SELinux policy is configured", text);
        else if (asprintf(&path, "%s/%s", root, text) < 0)
                path = NULL;
        document->include.path = path;
        return path ? 0 : -ENOMEM;
}

static int includedir_end(struct document *document, const char *text) {
        document->include = (struct include_request){
                .path = document_path(document, text),
                .is_directory = true,
        };
        return document->include.path ? 0 : -ENOMEM;
}

/* service directories */

static int servicedir_end(struct document *document, const char *text) {
        CLEANUP_FREE char *path = document_path(document, text);

        return path ? bus_fragment_add_servicedir(&document->fragment, path, SERVICEDIR_FIXED)
                    : -ENOMEM;
}

static int standard_session_end(struct document *document, const char *text) {
        return bus_fragment_add_session_servicedirs(&document->fragment,
                                                    document->reader->environment);
}

static int standard_system_end(struct document *document, const char *text) {
        return bus_fragment_add_system_servicedirs(&document->fragment);
}

/* limits */

static int limit_start(struct document *document, const char *const *attributes) {
        const char *name = get(attributes, "name");

        if (!name)
                return document_fail(document, "<limit> needs the attribute \"name\"");
        document->limit = bus_limit_find(name);
        return document->limit ? 0
                               : document_fail(document, "there is no limit called \"%s\"", name);
}

static int limit_end(struct document *document, const char *text) {
        const struct bus_limit *limit = document->limit;
        int64_t value;
        int r;

        r = policy_parse_integer(text, &value);
        if (r == -EINVAL)
                return document_fail(document, "limit %s: \"%s\" is not an integer", limit->name,
                                     text);
        if (r < 0 || value > limit->maximum)
                return document_fail(document, "limit %s: \"%s\" is out of range", limit->name,
                                     text);
        if (value < 0)
                return document_fail(document, "limit %s: \"%s\" is negative", limit->name, text);
        if (r > 0) {
                r = document_warn(document, "limit %s: \"%s\" is read as %" PRIi64, limit->name,
                                  text, value);
                if (r < 0)
                        return r;
        }
        bus_fragment_set_limit(&document->fragment, limit, value);
        return 0;
}

/* policies */

static int parse_context(struct document *document, const char *context,
                         enum policy_context *ret_context) {
        int r;

        r = PARSE_WORD(document, "context", context, "default", "mandatory");
        *ret_context = r == 0 ? POLICY_CONTEXT_DEFAULT : POLICY_CONTEXT_MANDATORY;
        return r < 0 ? r : 0;
}

static int parse_console(struct document *document, const char *at_console,
                         enum policy_context *ret_context) {
        int r;

        r = PARSE_WORD(document, "at_console", at_console, "true", "false");
        if (r < 0)
                return r;
        *ret_context = r == 0 ? POLICY_CONTEXT_CONSOLE_TRUE : POLICY_CONTEXT_CONSOLE_FALSE;
        return document_warn(
                document, "at_console is deprecated: no user counts as being at the console, so %s",
                r == 0 ? "this policy never applies" : "this policy applies to everyone");
}

/*
 * Parse the attribute user or group; the other one is NULL. Returns 0, 1 if there is no such user
 * or group, or a negative errno.
 */
static int parse_whose(struct document *document, const char *user, const char *group,
                       enum policy_context *ret_context, id_t *ret_id) {
        const char *what = user ? "user" : "group", *name = user ?: group;
        int r;

        *ret_context = user ? POLICY_CONTEXT_USER : POLICY_CONTEXT_GROUP;
        r = bus_config_note_identity(&document->reader->whole.config.inputs, name, !user);
        if (r < 0)
                return r;
        r = user ? policy_resolve_user(name, ret_id) : policy_resolve_group(name, ret_id);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return document_fail(document, "cannot look up %s \"%s\": %s", what, name,
                                     strerror(-r));
        if (r > 0 && document_warn(document, "unknown %s \"%s\", policy ignored", what, name) < 0)
                return -ENOMEM;
        return r;
}

static int policy_start(struct document *document, const char *const *attributes) {
        const char *context = get(attributes, "context"), *user = get(attributes, "user");
        const char *group = get(attributes, "group");
        const char *at_console = get(attributes, "at_console");
        enum policy_context kind = POLICY_CONTEXT_DEFAULT;
        id_t id = 0;
        int r;

        if (!!context + !!user + !!group + !!at_console != 1)
                return document_fail(document, "<policy> needs exactly one of the attributes "
                                               "context, user, group and at_console");
        if (context)
                r = parse_context(document, context, &kind);
        else if (at_console)
                r = parse_console(document, at_console, &kind);
        else
                r = parse_whose(document, user, group, &kind, &id);
        if (r < 0)
                return r;
        document->block_is_void = r > 0;
        document->block = policy_block_new(kind, id);
        return document->block ? 0 : -ENOMEM;
}

static int policy_end(struct document *document, const char *text) {
        struct bus_fragment *fragment = &document->fragment;

        if (document->block_is_void || document->block->n_rules == 0)
                policy_block_free(document->block);
        else if (POLICY_ARRAY_APPEND(fragment->blocks, fragment->n_blocks, document->block) < 0)
                return -ENOMEM;
        document->block = NULL;
        return 0;
}

/*
 * A rule about a user or group decides who may connect. dbus-daemon does not use the policies of
 * users and groups for this decision, so the rule cannot be in one of them.
 */
static int check_connect_rule(struct document *document, struct policy_rule *rule) {
        switch (document->block->context) {
        case POLICY_CONTEXT_USER:
        case POLICY_CONTEXT_GROUP:
                return document_fail(document,
                                     "a rule with the attribute user or group must be in a "
                                     "policy with context default or mandatory");
        case POLICY_CONTEXT_CONSOLE_FALSE:
                if (!rule->allow)
                        return 0;
                __attribute__((fallthrough));
        case POLICY_CONTEXT_CONSOLE_TRUE:
                rule->is_void = true;
                return document_warn(document,
                                     "a rule with the attribute user or group has no effect in a "
                                     "policy with at_console");
        default:
                return 0;
        }
}

/* The attributes user and group of a rule, which policy_rule_new() looks up. */
static int note_identities(struct document *document, const char *const *attributes) {
        struct bus_config_inputs *inputs = &document->reader->whole.config.inputs;
        int r = 0;

        for (int is_group = 0; is_group < 2 && r >= 0; is_group++) {
                const char *name = get(attributes, is_group ? "group" : "user");

                if (name && strcmp(name, "*") != 0)
                        r = bus_config_note_identity(inputs, name, is_group);
        }
        return r;
}

static int rule_start(struct document *document, bool allow, const char *const *attributes) {
        struct bus_config_place place = document_place(document);
        struct policy_rule *rule = NULL;
        char *message = NULL;
        int r;

        r = note_identities(document, attributes);
        if (r < 0)
                return r;
        r = policy_rule_new(allow, attributes, &rule, &message);
        if (r == -EINVAL)
                r = document_fail(document, "%s", message);
        else if (r >= 0 && message)
                r = document_warn(document, "%s", message);
        free(message);
        if (r >= 0 && rule->family == POLICY_FAMILY_CONNECT)
                r = check_connect_rule(document, rule);
        if (r < 0 || rule->is_void) {
                policy_rule_free(rule);
                return r;
        }
        rule->file = place.file;
        rule->line = place.line;
        r = policy_block_add(document->block, rule);
        if (r < 0)
                policy_rule_free(rule);
        return r;
}

/* security modules */

static int associate_start(struct document *document, const char *const *attributes) {
        const char *own = get(attributes, "own"), *context = get(attributes, "context");

        if (!own || !context)
                return document_fail(document, "<associate> needs the attributes own and context");
        return bus_fragment_associate(&document->fragment, own, context, document_place(document));
}

static int apparmor_start(struct document *document, const char *const *attributes) {
        static const enum bus_apparmor_mode modes[] = {
                BUS_APPARMOR_ENABLED,
                BUS_APPARMOR_DISABLED,
                BUS_APPARMOR_REQUIRED,
        };
        int r;

        r = PARSE_WORD(document, "mode", get(attributes, "mode") ?: "enabled", "enabled",
                       "disabled", "required");
        if (r < 0)
                return r;
        document->fragment.config.apparmor = modes[r];
        document->fragment.config.place_apparmor = document_place(document);
        return 0;
}

/* the table */

#define CONFIG(member) offsetof(struct document, fragment.config.member)

static const struct element elements[] = {
        {"busconfig", .as_parent = PARENT_BUSCONFIG},
        {"type", PARENT_BUSCONFIG, .has_text = true, .string = CONFIG(type)},
        {"user", PARENT_BUSCONFIG, .has_text = true, .string = CONFIG(user),
         .place = CONFIG(place_user)},
        {"fork", PARENT_BUSCONFIG, .flag = CONFIG(fork)},
        {"keep_umask", PARENT_BUSCONFIG, .flag = CONFIG(keep_umask)},
        {"syslog", PARENT_BUSCONFIG, .flag = CONFIG(syslog)},
        {"pidfile", PARENT_BUSCONFIG, .has_text = true, .string = CONFIG(pidfile)},
        {"allow_anonymous", PARENT_BUSCONFIG, .flag = CONFIG(allow_anonymous),
         .place = CONFIG(place_allow_anonymous)},
        {"listen", PARENT_BUSCONFIG, .has_text = true, .end = listen_end},
        {"auth", PARENT_BUSCONFIG, .has_text = true, .end = auth_end},
        {"include", PARENT_BUSCONFIG, .has_text = true, .start = include_start, .end = include_end,
         .attributes = {"ignore_missing", "if_selinux_enabled", "selinux_root_relative"}},
        {"includedir", PARENT_BUSCONFIG, .has_text = true, .end = includedir_end},
        {"servicedir", PARENT_BUSCONFIG, .has_text = true, .end = servicedir_end},
        {"standard_session_servicedirs", PARENT_BUSCONFIG, .end = standard_session_end},
        {"standard_system_servicedirs", PARENT_BUSCONFIG, .end = standard_system_end},
        {"servicehelper", PARENT_BUSCONFIG, .has_text = true, .string = CONFIG(servicehelper),
         .place = CONFIG(place_servicehelper)},
        {"limit", PARENT_BUSCONFIG, .has_text = true, .start = limit_start, .end = limit_end,
         .attributes = {"name"}},
        {"policy", PARENT_BUSCONFIG, .as_parent = PARENT_POLICY, .start = policy_start,
         .end = policy_end, .attributes = {"context", "user", "group", "at_console"}},
        {"allow", PARENT_POLICY, .has_rule = true},
        {"deny", PARENT_POLICY, .has_rule = true},
        {"selinux", PARENT_BUSCONFIG, .as_parent = PARENT_SELINUX},
        {"associate", PARENT_SELINUX, .start = associate_start, .attributes = {"own", "context"}},
        {"apparmor", PARENT_BUSCONFIG, .start = apparmor_start, .attributes = {"mode"}},
};

const struct element *element_find(struct document *document, const struct element *parent,
                                   const char *name, int *ret_result) {
        const struct element *element = NULL;

        for (size_t i = 0; i < sizeof(elements) / sizeof(*elements) && !element; i++)
                if (strcmp(name, elements[i].name) == 0)
                        element = &elements[i];

        if (!element)
                *ret_result = document_fail(document, "unknown element <%s>", name);
        else if (!parent && element->parent != PARENT_NONE)
                *ret_result = document_fail(document,
                                            "the root element must be <busconfig>, not <%s>", name);
        else if (parent &&
                 (parent->as_parent == PARENT_NONE || parent->as_parent != element->parent))
                *ret_result = document_fail(document, "<%s> is not allowed inside <%s>", name,
                                            parent->name);
        else
                return element;
        return NULL;
}

static int check_attribute(const struct element *element, struct document *document,
                           const char *name) {
        for (size_t i = 0; i < ELEMENT_ATTRIBUTES_MAX && element->attributes[i]; i++)
                if (strcmp(name, element->attributes[i]) == 0)
                        return 0;
        return document_fail(document, "attribute \"%s\" is invalid on <%s>", name, element->name);
}

int element_start(const struct element *element, struct document *document,
                  const char *const *attributes) {
        int r = 0;

        if (element->has_rule)
                return rule_start(document, strcmp(element->name, "allow") == 0, attributes);
        for (size_t i = 0; attributes[i] && r >= 0; i += 2)
                r = check_attribute(element, document, attributes[i]);
        return r >= 0 && element->start ? element->start(document, attributes) : r;
}

int element_end(const struct element *element, struct document *document, const char *text) {
        char *base = (char *)document;

        if (element->has_text && !*text)
                return document_fail(document, "<%s> must not be empty", element->name);
        if (element->flag)
                *(bool *)(base + element->flag) = true;
        if (element->place)
                *(struct bus_config_place *)(base + element->place) = document_place(document);
        if (element->string)
                return set_string((char **)(base + element->string), text);
        return element->end ? element->end(document, text) : 0;
}
