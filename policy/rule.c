/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules: made from the attributes of <allow> and <deny>
 *
 * The attributes of an element decide its family, and only some combinations make sense. The parser
 * refuses all other combinations, as dbus-daemon does (its manual describes them at "<deny>"). A
 * rule with an unknown user or group becomes void, and the reader drops it.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "policy/ids.h"
#include "policy/model.h"

/* The parts of a rule that attributes set. send_type and receive_type set the same part. */
enum field {
        FIELD_TYPE,
        FIELD_REQUESTED_REPLY,
        FIELD_BROADCAST,
        FIELD_EAVESDROP,
        FIELD_MIN_FDS,
        FIELD_MAX_FDS,
        FIELD_NAME,
        FIELD_PREFIX,
        FIELD_PATH,
        FIELD_INTERFACE,
        FIELD_MEMBER,
        FIELD_ERROR,
        FIELD_USER,
        FIELD_GROUP,
        FIELD_LOG,
        FIELD_N,
};

/* The subjects that an attribute can give to its rule. */
enum {
        ABOUT_OWN = 1 << 0,
        ABOUT_CONNECT = 1 << 1,
        ABOUT_SEND = 1 << 2,
        ABOUT_RECEIVE = 1 << 3,
        ABOUT_EAVESDROP = 1 << 4,
        ABOUT_FDS = 1 << 5,
        ABOUT_MESSAGES = ABOUT_SEND | ABOUT_RECEIVE | ABOUT_EAVESDROP | ABOUT_FDS,
};

static const struct {
        const char *name;
        unsigned about;
        enum field field;
} known_attributes[] = {
        {"own", ABOUT_OWN, FIELD_NAME},
        {"own_prefix", ABOUT_OWN, FIELD_PREFIX},
        {"user", ABOUT_CONNECT, FIELD_USER},
        {"group", ABOUT_CONNECT, FIELD_GROUP},
        {"send_destination", ABOUT_SEND, FIELD_NAME},
        {"send_destination_prefix", ABOUT_SEND, FIELD_PREFIX},
        {"send_type", ABOUT_SEND, FIELD_TYPE},
        {"send_path", ABOUT_SEND, FIELD_PATH},
        {"send_interface", ABOUT_SEND, FIELD_INTERFACE},
        {"send_member", ABOUT_SEND, FIELD_MEMBER},
        {"send_error", ABOUT_SEND, FIELD_ERROR},
        {"send_broadcast", ABOUT_SEND, FIELD_BROADCAST},
        {"send_requested_reply", ABOUT_SEND, FIELD_REQUESTED_REPLY},
        {"receive_sender", ABOUT_RECEIVE, FIELD_NAME},
        {"receive_type", ABOUT_RECEIVE, FIELD_TYPE},
        {"receive_path", ABOUT_RECEIVE, FIELD_PATH},
        {"receive_interface", ABOUT_RECEIVE, FIELD_INTERFACE},
        {"receive_member", ABOUT_RECEIVE, FIELD_MEMBER},
        {"receive_error", ABOUT_RECEIVE, FIELD_ERROR},
        {"receive_requested_reply", ABOUT_RECEIVE, FIELD_REQUESTED_REPLY},
        {"eavesdrop", ABOUT_EAVESDROP, FIELD_EAVESDROP},
        {"min_fds", ABOUT_FDS, FIELD_MIN_FDS},
        {"max_fds", ABOUT_FDS, FIELD_MAX_FDS},
        {"log", 0, FIELD_LOG},
};

/* One element while it is parsed. */
struct parser {
        struct {
                const char *name; /* of the attribute, as the element has it */
                const char *value;
        } fields[FIELD_N];
        unsigned about; /* ABOUT_* of all attributes of the element */
        struct policy_rule *rule;
        char *message; /* an error text or a warning */
};

static bool has(const struct parser *p, enum field field) {
        return p->fields[field].value;
}

static bool is_wildcard(const char *value) {
        return strcmp(value, "*") == 0;
}

/* Set the message to a warning. Returns 0 or -ENOMEM. */
#define warn(p, ...) (set_error(&(p)->message, -EINVAL, __VA_ARGS__) == -EINVAL ? 0 : -ENOMEM)

/* Each parse function parses one attribute that the element has. */

static int parse_bool(struct parser *p, enum field field, void *ret_value) {
        const char *value = p->fields[field].value;

        *(bool *)ret_value = strcmp(value, "true") == 0;
        if (*(bool *)ret_value || strcmp(value, "false") == 0)
                return 0;
        return set_error(&p->message, -EINVAL,
                         "bad value \"%s\" for attribute %s, must be true or false", value,
                         p->fields[field].name);
}

static int parse_broadcast(struct parser *p, enum field field, void *ret_value) {
        bool broadcast;
        int r;

        r = parse_bool(p, field, &broadcast);
        *(enum policy_tristate *)ret_value = broadcast ? POLICY_TRUE : POLICY_FALSE;
        return r;
}

static int parse_type(struct parser *p, enum field field, void *ret_value) {
        const char *value = p->fields[field].value;

        if (is_wildcard(value) || policy_parse_type(value, ret_value))
                return 0;
        return set_error(&p->message, -EINVAL,
                         "bad value \"%s\" for attribute %s, no such message type", value,
                         p->fields[field].name);
}

static int parse_fds(struct parser *p, enum field field, void *ret_value) {
        const char *text = p->fields[field].value;
        int64_t value;

        if (policy_parse_integer(text, &value) < 0 || value < 0 || value > POLICY_FDS_MAX)
                return set_error(
                        &p->message, -EINVAL,
                        "bad value \"%s\" for attribute %s, must be an integer from 0 to %u", text,
                        p->fields[field].name, POLICY_FDS_MAX);
        *(uint32_t *)ret_value = (uint32_t)value;
        return 0;
}

static int parse_text(struct parser *p, enum field field, void *ret_value) {
        /* the value "*" means the same as no attribute, except in a prefix */
        if (field == FIELD_PREFIX)
                p->rule->name_is_prefix = true;
        else if (is_wildcard(p->fields[field].value))
                return 0;
        *(const char **)ret_value = p->fields[field].value;
        return 0;
}

static int parse_id(struct parser *p, enum field field, void *ret_value) {
        struct policy_rule *rule = p->rule;
        const char *value = p->fields[field].value, *what = p->fields[field].name;
        int r;

        rule->connect_group = field == FIELD_GROUP;
        rule->connect_any = is_wildcard(value);
        if (rule->connect_any)
                return 0;
        r = rule->connect_group ? policy_resolve_group(value, ret_value)
                                : policy_resolve_user(value, ret_value);
        if (r < 0 && r != -ENOMEM)
                return set_error(&p->message, -EINVAL, "cannot look up %s \"%s\": %s", what, value,
                                 strerror(-r));
        rule->is_void = r > 0;
        return rule->is_void ? warn(p, "unknown %s \"%s\", rule ignored", what, value) : r;
}

static int parse_log(struct parser *p, enum field field, void *ret_value) {
        const char *value = p->fields[field].value;

        *(bool *)ret_value = strcmp(value, "true") == 0;
        /* the reference takes every other word for false, without a warning */
        if (*(bool *)ret_value || strcmp(value, "false") == 0)
                return 0;
        return warn(p, "bad value \"%s\" for attribute \"log\", taken as \"false\"", value);
}

#define FIELD(field, parse_func, member) \
        [FIELD_##field] = {(parse_func), offsetof(struct policy_rule, member)}

static const struct {
        int (*parse)(struct parser *p, enum field field, void *ret_value);
        size_t offset;
} fields[FIELD_N] = {
        FIELD(TYPE, parse_type, type),
        FIELD(REQUESTED_REPLY, parse_bool, requested_reply),
        FIELD(BROADCAST, parse_broadcast, broadcast),
        FIELD(EAVESDROP, parse_bool, eavesdrop),
        FIELD(MIN_FDS, parse_fds, min_fds),
        FIELD(MAX_FDS, parse_fds, max_fds),
        FIELD(NAME, parse_text, name),
        FIELD(PREFIX, parse_text, name),
        FIELD(PATH, parse_text, path),
        FIELD(INTERFACE, parse_text, interface),
        FIELD(MEMBER, parse_text, member),
        FIELD(ERROR, parse_text, error_name),
        FIELD(USER, parse_id, connect_id),
        FIELD(GROUP, parse_id, connect_id),
        FIELD(LOG, parse_log, log),
};

/*
 * A rule keeps, for each attribute, a byte with its place in known_attributes, counted from 1, and
 * the value; at the end a zero.
 */
static size_t count_bytes(const char *const *attributes) {
        size_t n = 1;

        for (; *attributes; attributes += 2)
                n += 1 + strlen(attributes[1]) + 1;
        return n;
}

/*
 * Store each attribute in the rule and in p->fields. Returns 0, or -EINVAL or -ENOMEM for an
 * unknown attribute.
 */
static int collect(struct parser *p, const char *const *attributes) {
        const size_t n = sizeof(known_attributes) / sizeof(*known_attributes);
        char *end = p->rule->attributes;

        for (; *attributes; attributes += 2) {
                size_t i = 0;

                while (i < n && strcmp(attributes[0], known_attributes[i].name) != 0)
                        i++;
                if (i == n)
                        return set_error(&p->message, -EINVAL,
                                         "attribute \"%s\" is invalid on <%s>", attributes[0],
                                         p->rule->allow ? "allow" : "deny");
                p->about |= known_attributes[i].about;
                p->fields[known_attributes[i].field].name = attributes[0];
                *end++ = (char)(i + 1);
                p->fields[known_attributes[i].field].value = end;
                end = stpcpy(end, attributes[1]) + 1;
        }
        return 0;
}

static int check_message(struct parser *p) {
        const char *prefix = p->about & ABOUT_SEND ? "send" : "receive";

        if (has(p, FIELD_MEMBER) && !has(p, FIELD_INTERFACE) && !has(p, FIELD_PATH))
                return set_error(&p->message, -EINVAL,
                                 "%s_member needs %s_interface or %s_path: members are not unique",
                                 prefix, prefix, prefix);
        if (has(p, FIELD_ERROR) && (has(p, FIELD_INTERFACE) || has(p, FIELD_MEMBER)))
                return set_error(&p->message, -EINVAL,
                                 "%s_error cannot be combined with %s_interface or %s_member",
                                 prefix, prefix, prefix);
        if (has(p, FIELD_NAME) && has(p, FIELD_PREFIX))
                return set_error(
                        &p->message, -EINVAL,
                        "send_destination cannot be combined with send_destination_prefix");
        return 0;
}

/* Check the combination of attributes, and set the family. */
static int check_combination(struct parser *p) {
        bool own = p->about & ABOUT_OWN, connect = p->about & ABOUT_CONNECT;
        bool message = p->about & ABOUT_MESSAGES;

        if (!(p->about & ~ABOUT_FDS))
                return set_error(&p->message, -EINVAL,
                                 "rule without an attribute that says what it is about");
        if (own + connect + message > 1 || (own && has(p, FIELD_NAME) && has(p, FIELD_PREFIX)) ||
            (has(p, FIELD_USER) && has(p, FIELD_GROUP)))
                return set_error(&p->message, -EINVAL,
                                 "own, own_prefix, user, group and the attributes about messages "
                                 "cannot be combined");
        if ((p->about & ABOUT_SEND) && (p->about & ABOUT_RECEIVE))
                return set_error(&p->message, -EINVAL,
                                 "send and receive attributes cannot be combined");
        p->rule->family = own                       ? POLICY_FAMILY_OWN
                          : connect                 ? POLICY_FAMILY_CONNECT
                          : (p->about & ABOUT_SEND) ? POLICY_FAMILY_SEND
                                                    : POLICY_FAMILY_RECEIVE;
        return message ? check_message(p) : 0;
}

static int parse_rule(struct parser *p, const char *const *attributes) {
        struct policy_rule *rule = p->rule;
        int r;

        r = collect(p, attributes);
        if (r >= 0)
                r = check_combination(p);
        /* by default an allow matches only requested replies, and a deny only unrequested ones */
        rule->requested_reply = rule->allow;
        for (unsigned i = 0; i < FIELD_N && r >= 0; i++)
                if (has(p, i))
                        r = fields[i].parse(p, i, (char *)rule + fields[i].offset);
        if (r >= 0 && rule->broadcast == POLICY_TRUE && rule->name && !rule->name_is_prefix)
                r = set_error(&p->message, -EINVAL,
                              "send_broadcast=\"true\" cannot be combined with a "
                              "send_destination: broadcasts have none");
        return r;
}

char *policy_rule_text(const struct policy_rule *rule) {
        char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return NULL;
        fputs(rule->allow ? "<allow" : "<deny", f);
        for (const char *a = rule->attributes; *a; a += strlen(a) + 1)
                fprintf(f, " %s=\"%s\"", known_attributes[*a - 1].name, a + 1);
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
        p.rule = calloc(1, sizeof(*p.rule) + count_bytes(attributes));
        if (!p.rule)
                return -ENOMEM;
        p.rule->allow = allow;
        p.rule->max_fds = UINT32_MAX;
        r = parse_rule(&p, attributes);
        if (r == -ENOMEM)
                free(p.message);
        else
                *ret_message = p.message;
        if (r < 0)
                policy_rule_free(p.rule);
        else
                *ret_rule = p.rule;
        return r;
}

struct policy_rule *policy_rule_free(struct policy_rule *rule) {
        free(rule);
        return NULL;
}

static bool names_nothing(const struct policy_rule *rule) {
        return !rule->type && !rule->path && !rule->interface && !rule->member &&
               !rule->error_name && !rule->name;
}

bool policy_rule_is_final(const struct policy_rule *rule) {
        switch (rule->family) {
        case POLICY_FAMILY_OWN:
                return !rule->name;
        case POLICY_FAMILY_SEND:
        case POLICY_FAMILY_RECEIVE:
                if (!names_nothing(rule) || rule->broadcast != POLICY_ANY || rule->min_fds > 0 ||
                    rule->max_fds < UINT32_MAX)
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

bool policy_rule_is_for_errors(const struct policy_rule *rule) {
        return rule->family == POLICY_FAMILY_SEND && rule->error_name &&
               rule->type != POLICY_TYPE_ERROR;
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
        CLEANUP_FREE char *text = NULL;
        char *description;

        if (!rule)
                return strdup("default");
        text = policy_rule_text(rule);
        if (!text || asprintf(&description, "%s:%u: %s", rule->file, rule->line, text) < 0)
                return NULL;
        return description;
}
