/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules: made from the attributes of <allow> and <deny>
 *
 * The attributes of an element decide its family, and only some combinations make sense. Like
 * dbus-daemon(1) ("<deny>"), the parser refuses all others. A rule with an unknown user or group
 * becomes void: it never matches.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ids.h"
#include "policy/model.h"

enum attribute {
        ATTR_OWN,
        ATTR_OWN_PREFIX,
        ATTR_USER,
        ATTR_GROUP,
        ATTR_SEND_DESTINATION,
        ATTR_SEND_DESTINATION_PREFIX,
        ATTR_SEND_TYPE,
        ATTR_SEND_PATH,
        ATTR_SEND_INTERFACE,
        ATTR_SEND_MEMBER,
        ATTR_SEND_ERROR,
        ATTR_SEND_BROADCAST,
        ATTR_SEND_REQUESTED_REPLY,
        ATTR_RECEIVE_SENDER,
        ATTR_RECEIVE_TYPE,
        ATTR_RECEIVE_PATH,
        ATTR_RECEIVE_INTERFACE,
        ATTR_RECEIVE_MEMBER,
        ATTR_RECEIVE_ERROR,
        ATTR_RECEIVE_REQUESTED_REPLY,
        ATTR_EAVESDROP,
        ATTR_MIN_FDS,
        ATTR_MAX_FDS,
        ATTR_LOG,
        ATTR_N,
};

static const char *const attribute_names[ATTR_N] = {
        [ATTR_OWN] = "own",
        [ATTR_OWN_PREFIX] = "own_prefix",
        [ATTR_USER] = "user",
        [ATTR_GROUP] = "group",
        [ATTR_SEND_DESTINATION] = "send_destination",
        [ATTR_SEND_DESTINATION_PREFIX] = "send_destination_prefix",
        [ATTR_SEND_TYPE] = "send_type",
        [ATTR_SEND_PATH] = "send_path",
        [ATTR_SEND_INTERFACE] = "send_interface",
        [ATTR_SEND_MEMBER] = "send_member",
        [ATTR_SEND_ERROR] = "send_error",
        [ATTR_SEND_BROADCAST] = "send_broadcast",
        [ATTR_SEND_REQUESTED_REPLY] = "send_requested_reply",
        [ATTR_RECEIVE_SENDER] = "receive_sender",
        [ATTR_RECEIVE_TYPE] = "receive_type",
        [ATTR_RECEIVE_PATH] = "receive_path",
        [ATTR_RECEIVE_INTERFACE] = "receive_interface",
        [ATTR_RECEIVE_MEMBER] = "receive_member",
        [ATTR_RECEIVE_ERROR] = "receive_error",
        [ATTR_RECEIVE_REQUESTED_REPLY] = "receive_requested_reply",
        [ATTR_EAVESDROP] = "eavesdrop",
        [ATTR_MIN_FDS] = "min_fds",
        [ATTR_MAX_FDS] = "max_fds",
        [ATTR_LOG] = "log",
};

/* The attributes that SEND and RECEIVE have under different names. */
struct message_attributes {
        enum attribute name, type, path, interface, member, error, requested_reply;
        const char *prefix;
};

static const struct message_attributes send_attributes = {
        .name = ATTR_SEND_DESTINATION,
        .type = ATTR_SEND_TYPE,
        .path = ATTR_SEND_PATH,
        .interface = ATTR_SEND_INTERFACE,
        .member = ATTR_SEND_MEMBER,
        .error = ATTR_SEND_ERROR,
        .requested_reply = ATTR_SEND_REQUESTED_REPLY,
        .prefix = "send",
};

static const struct message_attributes receive_attributes = {
        .name = ATTR_RECEIVE_SENDER,
        .type = ATTR_RECEIVE_TYPE,
        .path = ATTR_RECEIVE_PATH,
        .interface = ATTR_RECEIVE_INTERFACE,
        .member = ATTR_RECEIVE_MEMBER,
        .error = ATTR_RECEIVE_ERROR,
        .requested_reply = ATTR_RECEIVE_REQUESTED_REPLY,
        .prefix = "receive",
};

/* One element while it is parsed. */
struct parser {
        const char *values[ATTR_N];
        struct policy_rule *rule;
        char *message;
};

__attribute__((format(printf, 2, 3))) static int fail(struct parser *p, const char *format, ...) {
        va_list args;
        int r;

        free(p->message);
        va_start(args, format);
        r = vasprintf(&p->message, format, args);
        va_end(args);
        if (r < 0) {
                p->message = NULL;
                return -ENOMEM;
        }
        return -EINVAL;
}

static bool is_wildcard(const char *value) {
        return strcmp(value, "*") == 0;
}

static bool has_any(const struct parser *p, enum attribute first, enum attribute last) {
        for (unsigned i = first; i <= last; i++)
                if (p->values[i])
                        return true;
        return false;
}

/* The parse functions below leave *ret_value unchanged if the element has no such attribute. */

static int parse_bool(struct parser *p, enum attribute attribute, bool *ret_value) {
        const char *value = p->values[attribute];

        if (!value)
                return 0;
        if (strcmp(value, "true") == 0)
                *ret_value = true;
        else if (strcmp(value, "false") == 0)
                *ret_value = false;
        else
                return fail(p, "bad value \"%s\" for attribute %s, must be true or false", value,
                            attribute_names[attribute]);
        return 0;
}

static int parse_type(struct parser *p, enum attribute attribute, uint8_t *ret_value) {
        const char *value = p->values[attribute];

        if (!value || is_wildcard(value) || policy_parse_type(value, ret_value))
                return 0;
        return fail(p, "bad value \"%s\" for attribute %s, no such message type", value,
                    attribute_names[attribute]);
}

static int parse_fds(struct parser *p, enum attribute attribute, uint32_t *ret_value) {
        int64_t value;
        int r;

        if (!p->values[attribute])
                return 0;
        r = policy_parse_integer(p->values[attribute], &value);
        if (r < 0 || value < 0 || value > POLICY_FDS_MAX)
                return fail(p, "bad value \"%s\" for attribute %s, must be an integer from 0 to %u",
                            p->values[attribute], attribute_names[attribute], POLICY_FDS_MAX);
        *ret_value = (uint32_t)value;
        return 0;
}

/* "*" is the same as no attribute. */
static int parse_text(struct parser *p, enum attribute attribute, char **ret_value) {
        if (!p->values[attribute] || is_wildcard(p->values[attribute]))
                return 0;
        *ret_value = strdup(p->values[attribute]);
        return *ret_value ? 0 : -ENOMEM;
}

/* In a prefix "*" has no special meaning. */
static int parse_prefix(struct parser *p, enum attribute attribute) {
        p->rule->name_is_prefix = true;
        p->rule->name = strdup(p->values[attribute]);
        return p->rule->name ? 0 : -ENOMEM;
}

static int parse_own(struct parser *p) {
        p->rule->family = POLICY_FAMILY_OWN;
        return p->values[ATTR_OWN] ? parse_text(p, ATTR_OWN, &p->rule->name)
                                   : parse_prefix(p, ATTR_OWN_PREFIX);
}

static int parse_connect(struct parser *p) {
        struct policy_rule *rule = p->rule;
        const char *value, *what;
        int r;

        rule->family = POLICY_FAMILY_CONNECT;
        rule->connect_group = !!p->values[ATTR_GROUP];
        value = p->values[rule->connect_group ? ATTR_GROUP : ATTR_USER];
        if (is_wildcard(value)) {
                rule->connect_any = true;
                return 0;
        }
        what = rule->connect_group ? "group" : "user";
        r = rule->connect_group ? policy_resolve_group(value, &rule->connect_id)
                                : policy_resolve_user(value, &rule->connect_id);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return fail(p, "cannot look up %s \"%s\": %s", what, value, strerror(-r));
        if (r > 0) {
                rule->is_void = true;
                if (fail(p, "unknown %s \"%s\", rule ignored", what, value) == -ENOMEM)
                        return -ENOMEM;
        }
        return 0;
}

static int check_message(struct parser *p, const struct message_attributes *a) {
        const char *const *v = p->values;

        if (v[a->member] && !v[a->interface] && !v[a->path])
                return fail(p, "%s_member needs %s_interface or %s_path: members are not unique",
                            a->prefix, a->prefix, a->prefix);
        if (v[a->error] && (v[a->interface] || v[a->member]))
                return fail(p, "%s_error cannot be combined with %s_interface or %s_member",
                            a->prefix, a->prefix, a->prefix);
        if (v[ATTR_SEND_DESTINATION] && v[ATTR_SEND_DESTINATION_PREFIX])
                return fail(p, "send_destination cannot be combined with send_destination_prefix");
        return 0;
}

static int parse_message(struct parser *p) {
        struct policy_rule *rule = p->rule;
        const struct message_attributes *a;
        bool broadcast = false;
        int r;

        if (has_any(p, ATTR_SEND_DESTINATION, ATTR_SEND_REQUESTED_REPLY)) {
                a = &send_attributes;
                rule->family = POLICY_FAMILY_SEND;
        } else {
                a = &receive_attributes;
                rule->family = POLICY_FAMILY_RECEIVE;
        }
        r = check_message(p, a);
        if (r < 0)
                return r;

        /* by default an allow is about requested replies and a deny about unrequested ones */
        rule->requested_reply = rule->allow;
        r = parse_type(p, a->type, &rule->type);
        if (r >= 0)
                r = parse_bool(p, a->requested_reply, &rule->requested_reply);
        if (r >= 0)
                r = parse_bool(p, ATTR_SEND_BROADCAST, &broadcast);
        if (r < 0)
                return r;
        if (p->values[ATTR_SEND_BROADCAST])
                rule->broadcast = broadcast ? POLICY_TRUE : POLICY_FALSE;
        if (broadcast && p->values[ATTR_SEND_DESTINATION] &&
            !is_wildcard(p->values[ATTR_SEND_DESTINATION]))
                return fail(p, "send_broadcast=\"true\" cannot be combined with a "
                               "send_destination: broadcasts have none");
        r = parse_bool(p, ATTR_EAVESDROP, &rule->eavesdrop);
        if (r >= 0)
                r = parse_fds(p, ATTR_MIN_FDS, &rule->min_fds);
        if (r >= 0)
                r = parse_fds(p, ATTR_MAX_FDS, &rule->max_fds);
        if (r >= 0)
                r = p->values[ATTR_SEND_DESTINATION_PREFIX]
                            ? parse_prefix(p, ATTR_SEND_DESTINATION_PREFIX)
                            : parse_text(p, a->name, &rule->name);
        if (r < 0)
                return r;
        if (parse_text(p, a->path, &rule->path) < 0 ||
            parse_text(p, a->interface, &rule->interface) < 0 ||
            parse_text(p, a->member, &rule->member) < 0 ||
            parse_text(p, a->error, &rule->error_name) < 0)
                return -ENOMEM;
        return 0;
}

static int parse_rule(struct parser *p) {
        bool own = has_any(p, ATTR_OWN, ATTR_OWN_PREFIX);
        bool connect = has_any(p, ATTR_USER, ATTR_GROUP);
        bool send = has_any(p, ATTR_SEND_DESTINATION, ATTR_SEND_REQUESTED_REPLY);
        bool receive = has_any(p, ATTR_RECEIVE_SENDER, ATTR_RECEIVE_REQUESTED_REPLY);
        bool eavesdrop = !!p->values[ATTR_EAVESDROP];
        bool fds = has_any(p, ATTR_MIN_FDS, ATTR_MAX_FDS);
        int r;

        if (!own && !connect && !send && !receive && !eavesdrop)
                return fail(p, "rule without an attribute that says what it is about");
        if (own + connect + (send || receive || eavesdrop || fds) > 1 ||
            (p->values[ATTR_OWN] && p->values[ATTR_OWN_PREFIX]) ||
            (p->values[ATTR_USER] && p->values[ATTR_GROUP]))
                return fail(p, "own, own_prefix, user, group and the attributes about messages "
                               "cannot be combined");
        if (send && receive)
                return fail(p, "send and receive attributes cannot be combined");

        if (own)
                r = parse_own(p);
        else if (connect)
                r = parse_connect(p);
        else
                r = parse_message(p);
        if (r < 0)
                return r;

        /* as in the reference, any other word means false; here with a warning */
        if (p->values[ATTR_LOG]) {
                p->rule->log = strcmp(p->values[ATTR_LOG], "true") == 0;
                if (!p->rule->log && strcmp(p->values[ATTR_LOG], "false") != 0 &&
                    fail(p, "bad value \"%s\" for attribute log taken for false",
                         p->values[ATTR_LOG]) == -ENOMEM)
                        return -ENOMEM;
        }
        return 0;
}

/* Store each attribute in p->values. */
static int collect(struct parser *p, const char *const *attributes) {
        for (; *attributes; attributes += 2) {
                unsigned i;

                for (i = 0; i < ATTR_N; i++)
                        if (strcmp(attributes[0], attribute_names[i]) == 0)
                                break;
                if (i == ATTR_N)
                        return fail(p, "attribute \"%s\" is invalid on <%s>", attributes[0],
                                    p->rule->allow ? "allow" : "deny");
                p->values[i] = attributes[1];
        }
        return 0;
}

static char *rule_text(bool allow, const char *const *attributes) {
        char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return NULL;
        fputs(allow ? "<allow" : "<deny", f);
        for (; *attributes; attributes += 2)
                fprintf(f, " %s=\"%s\"", attributes[0], attributes[1]);
        fputs("/>", f);
        if (fclose(f)) {
                free(text);
                return NULL;
        }
        return text;
}

int policy_rule_new(bool allow, const char *const *attributes, struct policy_rule **ret_rule,
                    char **ret_message) {
        struct parser p = {};
        int r;

        *ret_message = NULL;
        p.rule = calloc(1, sizeof(*p.rule));
        if (!p.rule)
                return -ENOMEM;
        p.rule->allow = allow;
        p.rule->max_fds = UINT32_MAX;
        p.rule->text = rule_text(allow, attributes);
        r = p.rule->text ? collect(&p, attributes) : -ENOMEM;
        if (r >= 0)
                r = parse_rule(&p);
        if (r == -ENOMEM) {
                free(p.message);
                p.message = NULL;
        }
        *ret_message = p.message;
        if (r < 0) {
                policy_rule_free(p.rule);
                return r;
        }
        *ret_rule = p.rule;
        return 0;
}

struct policy_rule *policy_rule_free(struct policy_rule *rule) {
        if (!rule)
                return NULL;
        free(rule->text);
        free(rule->name);
        free(rule->path);
        free(rule->interface);
        free(rule->member);
        free(rule->error_name);
        free(rule);
        return NULL;
}

static bool names_nothing(const struct policy_rule *rule) {
        return !rule->type && !rule->path && !rule->interface && !rule->member && !rule->name;
}

bool policy_rule_is_final(const struct policy_rule *rule) {
        switch (rule->family) {
        case POLICY_FAMILY_OWN:
                return !rule->name;
        case POLICY_FAMILY_SEND:
        case POLICY_FAMILY_RECEIVE:
                if (!names_nothing(rule) || rule->error_name || rule->broadcast != POLICY_ANY ||
                    rule->min_fds > 0 || rule->max_fds < UINT32_MAX)
                        return false;
                /* an allow with eavesdrop="true" also matches unrequested replies */
                if (rule->family == POLICY_FAMILY_SEND)
                        return rule->allow ? rule->eavesdrop || !rule->requested_reply
                                           : rule->requested_reply;
                return rule->allow ? rule->eavesdrop : rule->requested_reply && !rule->eavesdrop;
        default:
                return false;
        }
}

bool policy_rule_is_wildcard(const struct policy_rule *rule) {
        return (rule->family == POLICY_FAMILY_SEND || rule->family == POLICY_FAMILY_RECEIVE) &&
               names_nothing(rule) && !policy_rule_is_final(rule);
}

const char *policy_rule_file(const struct policy_rule *rule) {
        return rule->file;
}

unsigned policy_rule_line(const struct policy_rule *rule) {
        return rule->line;
}

bool policy_rule_allows(const struct policy_rule *rule) {
        return rule->allow;
}

bool policy_rule_logs(const struct policy_rule *rule) {
        return rule->log;
}

char *policy_rule_describe(const struct policy_rule *rule) {
        char *text;

        if (!rule)
                return strdup("default");
        if (asprintf(&text, "%s:%u: %s", rule->file, rule->line, rule->text) < 0)
                return NULL;
        return text;
}
