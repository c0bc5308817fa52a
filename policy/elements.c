/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Elements: the functions, and at the end of the file the table. */

#include "policy/elements.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/array.h"
#include "policy/environment.h"
#include "policy/ids.h"

enum element_parent {
        PARENT_NONE,
        PARENT_BUSCONFIG,
        PARENT_POLICY,
        PARENT_SELINUX,
};

struct element {
        const char *name;
        enum element_parent parent;
        enum element_parent as_parent; /* what its children name as parent; NONE: it has none */
        bool has_text;
        /* NULL: no attributes are allowed */
        int (*start)(struct document *document, const char *const *attributes);
        /* NULL: nothing to do */
        int (*end)(struct document *document, const char *text);
};

/* An attribute that an element may have, and where its value is stored. */
struct slot {
        const char *name;
        const char **value;
};

static int take_attributes(struct document *document, const char *const *attributes,
                           const char *element, const struct slot *slots, size_t n_slots) {
        for (; *attributes; attributes += 2) {
                size_t i;

                for (i = 0; i < n_slots; i++)
                        if (strcmp(attributes[0], slots[i].name) == 0)
                                break;
                if (i == n_slots)
                        return document_fail(document, "attribute \"%s\" is invalid on <%s>",
                                             attributes[0], element);
                *slots[i].value = attributes[1];
        }
        return 0;
}

#define TAKE_ATTRIBUTES(document, attributes, element, ...)                                      \
        take_attributes((document), (attributes), (element), (const struct slot[]){__VA_ARGS__}, \
                        sizeof((const struct slot[]){__VA_ARGS__}) / sizeof(struct slot))

/* simple elements */

static int set_string(char **string, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*string);
        *string = copy;
        return 0;
}

static int type_end(struct document *document, const char *text) {
        return set_string(&document->fragment.config.type, text);
}

static int user_end(struct document *document, const char *text) {
        document->fragment.config.place_user = document_place(document);
        return set_string(&document->fragment.config.user, text);
}

static int pidfile_end(struct document *document, const char *text) {
        return set_string(&document->fragment.config.pidfile, text);
}

static int servicehelper_end(struct document *document, const char *text) {
        document->fragment.config.place_servicehelper = document_place(document);
        return set_string(&document->fragment.config.servicehelper, text);
}

static int fork_end(struct document *document, const char *text) {
        document->fragment.config.fork = true;
        return 0;
}

static int keep_umask_end(struct document *document, const char *text) {
        document->fragment.config.keep_umask = true;
        return 0;
}

static int syslog_end(struct document *document, const char *text) {
        document->fragment.config.syslog = true;
        return 0;
}

static int allow_anonymous_end(struct document *document, const char *text) {
        document->fragment.config.place_allow_anonymous = document_place(document);
        document->fragment.config.allow_anonymous = true;
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

static int parse_yes_no(struct document *document, const char *name, const char *value,
                        bool *ret_value) {
        *ret_value = value && strcmp(value, "yes") == 0;
        if (value && !*ret_value && strcmp(value, "no") != 0)
                return document_fail(document,
                                     "bad value \"%s\" for attribute %s, must be yes or no", value,
                                     name);
        return 0;
}

static int include_start(struct document *document, const char *const *attributes) {
        const char *ignore_missing = NULL, *if_selinux_enabled = NULL, *relative = NULL;
        bool only_selinux;
        int r;

        r = TAKE_ATTRIBUTES(document, attributes, "include", {"ignore_missing", &ignore_missing},
                            {"if_selinux_enabled", &if_selinux_enabled},
                            {"selinux_root_relative", &relative});
        if (r < 0)
                return r;
        r = parse_yes_no(document, "ignore_missing", ignore_missing,
                         &document->include.ignore_missing);
        if (r < 0)
                return r;
        r = parse_yes_no(document, "if_selinux_enabled", if_selinux_enabled, &only_selinux);
        if (r < 0)
                return r;
        document->include_skip = only_selinux && !document->reader->environment->selinux_enabled;
        return parse_yes_no(document, "selinux_root_relative", relative,
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
                return document_fail(document, "there is no SELinux policy to find \"%s\" in",
                                     text);
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

        return path ? bus_fragment_add_servicedir(&document->fragment, path, false) : -ENOMEM;
}

static int add_standard(void *userdata, const char *path, bool is_runtime) {
        return bus_fragment_add_servicedir(userdata, path, is_runtime);
}

static int standard_session_end(struct document *document, const char *text) {
        return bus_config_session_servicedirs(document->reader->environment, add_standard,
                                              &document->fragment);
}

static int standard_system_end(struct document *document, const char *text) {
        return bus_config_system_servicedirs(add_standard, &document->fragment);
}

/* limits */

static int limit_start(struct document *document, const char *const *attributes) {
        const char *name = NULL;
        int r;

        r = TAKE_ATTRIBUTES(document, attributes, "limit", {"name", &name});
        if (r < 0)
                return r;
        if (!name)
                return document_fail(document, "<limit> needs the attribute name");
        document->limit = bus_limit_find(name);
        if (!document->limit)
                return document_fail(document, "there is no limit called \"%s\"", name);
        return 0;
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
                r = document_warn(document, "limit %s: \"%s\" taken for %" PRIi64, limit->name,
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
        if (strcmp(context, "default") == 0)
                *ret_context = POLICY_CONTEXT_DEFAULT;
        else if (strcmp(context, "mandatory") == 0)
                *ret_context = POLICY_CONTEXT_MANDATORY;
        else
                return document_fail(
                        document,
                        "bad value \"%s\" for attribute context, must be default or mandatory",
                        context);
        return 0;
}

static int parse_console(struct document *document, const char *at_console,
                         enum policy_context *ret_context) {
        if (strcmp(at_console, "true") == 0)
                *ret_context = POLICY_CONTEXT_CONSOLE_TRUE;
        else if (strcmp(at_console, "false") == 0)
                *ret_context = POLICY_CONTEXT_CONSOLE_FALSE;
        else
                return document_fail(
                        document,
                        "bad value \"%s\" for attribute at_console, must be true or false",
                        at_console);
        return document_warn(document, "at_console is deprecated: nobody is at the console, %s",
                             *ret_context == POLICY_CONTEXT_CONSOLE_TRUE
                                     ? "this policy never applies"
                                     : "this policy applies to everyone");
}

/* user= or group=. Returns 1 if there is no such user or group. */
static int parse_whose(struct document *document, const char *user, const char *group,
                       enum policy_context *ret_context, id_t *ret_id) {
        const char *what = user ? "user" : "group", *name = user ?: group;
        int r;

        *ret_context = user ? POLICY_CONTEXT_USER : POLICY_CONTEXT_GROUP;
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
        const char *context = NULL, *user = NULL, *group = NULL, *at_console = NULL;
        enum policy_context kind = POLICY_CONTEXT_DEFAULT;
        id_t id = 0;
        int r;

        r = TAKE_ATTRIBUTES(document, attributes, "policy", {"context", &context}, {"user", &user},
                            {"group", &group}, {"at_console", &at_console});
        if (r < 0)
                return r;
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
        return policy_block_new(kind, id, &document->block);
}

static int policy_end(struct document *document, const char *text) {
        struct policy_block *block = document->block;
        int r;

        if (!document->block_is_void && block->n_rules > 0) {
                r = POLICY_ARRAY_APPEND(document->fragment.blocks, document->fragment.n_blocks,
                                        block);
                if (r < 0)
                        return r;
                document->block = NULL;
                return 0;
        }
        document->block = policy_block_free(block);
        return 0;
}

/* A user or group rule decides who may connect, before it is known whose policies apply. */
static int check_connect_rule(struct document *document, struct policy_rule *rule) {
        switch (document->block->context) {
        case POLICY_CONTEXT_USER:
        case POLICY_CONTEXT_GROUP:
                return document_fail(document, "user and group rules must be in a policy with "
                                               "context default or mandatory");
        case POLICY_CONTEXT_CONSOLE_FALSE:
                if (!rule->allow)
                        return 0;
                __attribute__((fallthrough));
        case POLICY_CONTEXT_CONSOLE_TRUE:
                rule->is_void = true;
                return document_warn(document, "a user or group rule has no effect in a policy "
                                               "with at_console");
        default:
                return 0;
        }
}

static int rule_start(struct document *document, bool allow, const char *const *attributes) {
        struct bus_config_place place = document_place(document);
        struct policy_rule *rule = NULL;
        char *message = NULL;
        int r;

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

static int allow_start(struct document *document, const char *const *attributes) {
        return rule_start(document, true, attributes);
}

static int deny_start(struct document *document, const char *const *attributes) {
        return rule_start(document, false, attributes);
}

/* security modules */

static int associate_start(struct document *document, const char *const *attributes) {
        const char *own = NULL, *context = NULL;
        int r;

        r = TAKE_ATTRIBUTES(document, attributes, "associate", {"own", &own},
                            {"context", &context});
        if (r < 0)
                return r;
        if (!own || !context)
                return document_fail(document, "<associate> needs the attributes own and context");
        return bus_fragment_associate(&document->fragment, own, context, document_place(document));
}

static int apparmor_start(struct document *document, const char *const *attributes) {
        struct bus_config *config = &document->fragment.config;
        const char *mode = NULL;
        int r;

        r = TAKE_ATTRIBUTES(document, attributes, "apparmor", {"mode", &mode});
        if (r < 0)
                return r;
        if (!mode || strcmp(mode, "enabled") == 0)
                config->apparmor = BUS_APPARMOR_ENABLED;
        else if (strcmp(mode, "disabled") == 0)
                config->apparmor = BUS_APPARMOR_DISABLED;
        else if (strcmp(mode, "required") == 0)
                config->apparmor = BUS_APPARMOR_REQUIRED;
        else
                return document_fail(document,
                                     "bad value \"%s\" for attribute mode, must be enabled, "
                                     "disabled or required",
                                     mode);
        config->place_apparmor = document_place(document);
        return 0;
}

/* the table */

static const struct element elements[] = {
        {"busconfig", PARENT_NONE, PARENT_BUSCONFIG, false, NULL, NULL},
        {"type", PARENT_BUSCONFIG, PARENT_NONE, true, NULL, type_end},
        {"user", PARENT_BUSCONFIG, PARENT_NONE, true, NULL, user_end},
        {"fork", PARENT_BUSCONFIG, PARENT_NONE, false, NULL, fork_end},
        {"keep_umask", PARENT_BUSCONFIG, PARENT_NONE, false, NULL, keep_umask_end},
        {"syslog", PARENT_BUSCONFIG, PARENT_NONE, false, NULL, syslog_end},
        {"pidfile", PARENT_BUSCONFIG, PARENT_NONE, true, NULL, pidfile_end},
        {"allow_anonymous", PARENT_BUSCONFIG, PARENT_NONE, false, NULL, allow_anonymous_end},
        {"listen", PARENT_BUSCONFIG, PARENT_NONE, true, NULL, listen_end},
        {"auth", PARENT_BUSCONFIG, PARENT_NONE, true, NULL, auth_end},
        {"include", PARENT_BUSCONFIG, PARENT_NONE, true, include_start, include_end},
        {"includedir", PARENT_BUSCONFIG, PARENT_NONE, true, NULL, includedir_end},
        {"servicedir", PARENT_BUSCONFIG, PARENT_NONE, true, NULL, servicedir_end},
        {"standard_session_servicedirs", PARENT_BUSCONFIG, PARENT_NONE, false, NULL,
         standard_session_end},
        {"standard_system_servicedirs", PARENT_BUSCONFIG, PARENT_NONE, false, NULL,
         standard_system_end},
        {"servicehelper", PARENT_BUSCONFIG, PARENT_NONE, true, NULL, servicehelper_end},
        {"limit", PARENT_BUSCONFIG, PARENT_NONE, true, limit_start, limit_end},
        {"policy", PARENT_BUSCONFIG, PARENT_POLICY, false, policy_start, policy_end},
        {"allow", PARENT_POLICY, PARENT_NONE, false, allow_start, NULL},
        {"deny", PARENT_POLICY, PARENT_NONE, false, deny_start, NULL},
        {"selinux", PARENT_BUSCONFIG, PARENT_SELINUX, false, NULL, NULL},
        {"associate", PARENT_SELINUX, PARENT_NONE, false, associate_start, NULL},
        {"apparmor", PARENT_BUSCONFIG, PARENT_NONE, false, apparmor_start, NULL},
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
                *ret_result = document_fail(document, "<%s> as root, must be <busconfig>", name);
        else if (parent &&
                 (parent->as_parent == PARENT_NONE || parent->as_parent != element->parent))
                *ret_result = document_fail(document, "<%s> is not allowed inside <%s>", name,
                                            parent->name);
        else
                return element;
        return NULL;
}

int element_start(const struct element *element, struct document *document,
                  const char *const *attributes) {
        if (element->start)
                return element->start(document, attributes);
        return take_attributes(document, attributes, element->name, NULL, 0);
}

int element_end(const struct element *element, struct document *document, const char *text) {
        if (element->has_text && !*text)
                return document_fail(document, "<%s> must not be empty", element->name);
        return element->end ? element->end(document, text) : 0;
}

bool element_has_text(const struct element *element) {
        return element->has_text;
}

const char *element_name(const struct element *element) {
        return element->name;
}
