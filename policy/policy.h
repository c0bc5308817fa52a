/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Policy - who may connect, own names, send and receive
 *
 * A policy is made from the <policy> elements of a bus configuration and never changes afterwards.
 * Each element becomes a block of rules (<allow>, <deny>), unless it has no rules or its user or
 * group does not exist. The blocks of one context, one user or one group form a section. The
 * sections are kept in the order in which dbus-daemon(1) evaluates them. A connection gets a policy
 * client: the list of those sections that apply to its user and groups.
 *
 *      sections of the policy         client of user 1000, groups 100 and 27
 *
 *      context="default"         -->  context="default"
 *      group 27 (sudo)           -->  group 27
 *      group 44 (video)
 *      group 100 (users)         -->  group 100
 *      user 0 (root)
 *      user 1000 (alice)         -->  user 1000
 *      at_console="true"
 *      at_console="false"        -->  at_console="false"
 *      context="mandatory"       -->  context="mandatory"      asked first
 *
 * Rules about connecting, owning, sending and receiving are evaluated separately. The last rule
 * that matches decides, so a check about owning, sending or receiving goes through the sections
 * from the last to the first and stops at the first one that has a matching rule. Without a
 * matching rule the answer is no, except in some cases that policy_check_connect() and
 * policy_check_receive() explain. Each answer names the rule that decided.
 *
 * bus_config_load() (policy/config.h) makes policies, and looks up users and groups for them.
 * Functions of this header read no files, look up no users and do not block.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct policy;
struct policy_client;
struct policy_rule;

/* the name of the bus itself in rules */
#define POLICY_DRIVER_NAME "org.freedesktop.DBus"

/* the uid of a connection that authenticated with the mechanism ANONYMOUS */
#define POLICY_UID_ANONYMOUS ((uid_t)-1)

/* Message types, with D-Bus's own numbers. */
enum {
        POLICY_TYPE_ANY = 0,
        POLICY_TYPE_METHOD_CALL = 1,
        POLICY_TYPE_METHOD_RETURN = 2,
        POLICY_TYPE_ERROR = 3,
        POLICY_TYPE_SIGNAL = 4,
};

/*
 * The connection at the other end of a message: the recipient for policy_check_send(), the sender
 * for policy_check_receive().
 */
struct policy_peer {
        /* The bus itself. Its only name is POLICY_DRIVER_NAME, and owns() is not called. */
        bool is_driver;
        /*
         * The connection neither owns nor is queued for a well-known name, so owns() is not called.
         * False is always correct, but makes verdicts slower.
         */
        bool is_nameless;
        /*
         * Does the connection own name, or is it queued for name? With prefix the question is
         * about name and all names below it: a.b covers a.b and a.b.c, but not a.bc. Unique names
         * do not count.
         */
        bool (*owns)(void *userdata, const char *name, bool prefix);
        /*
         * Iterates over the names for which owns() is true. *position is NULL in the first call;
         * after that, only next_name() uses it. Returns NULL after the last name. next_name may be
         * NULL. Then owns() is called for rules that have a name, which is slower.
         */
        const char *(*next_name)(void *userdata, void **position);
        void *userdata;
};

/*
 * The properties of a message that a verdict can depend on. A string is NULL if the message does
 * not have the header field.
 */
struct policy_message {
        uint8_t type; /* POLICY_TYPE_*, never POLICY_TYPE_ANY */
        const char *path;
        const char *interface;
        const char *member;
        const char *error_name;
        const char *destination; /* as addressed, unique or well-known */
        uint32_t n_fds;
        /* The message is a return or error, and its recipient still waits for it. */
        bool requested_reply;
        /* The message is a signal without a destination. */
        bool broadcast;
        /* The recipient is not the destination of the message. False for broadcasts. */
        bool eavesdropping;
        /*
         * The other connection. It may be NULL in policy_check_send() for a message that starts a
         * service, because nobody owns the name yet; rules are then compared with destination.
         */
        const struct policy_peer *peer;
};

/* policy */

struct policy *policy_ref(struct policy *policy);
struct policy *policy_unref(struct policy *policy);

/*
 * May a user with these groups (primary and supplementary) connect to the bus? The bus asks after
 * authentication. If no rule matches, only two users may connect: bus_uid, which is the uid of the
 * bus process, and POLICY_UID_ANONYMOUS, for which the bus asks only if the configuration has
 * <allow_anonymous/>. *ret_rule (ret_rule may be NULL) is the rule that decided, or NULL.
 */
bool policy_check_connect(const struct policy *policy, uid_t uid, const gid_t *gids, size_t n_gids,
                          uid_t bus_uid, const struct policy_rule **ret_rule);

/* client */

/*
 * Get the policy client for a connection. Connections to which the same sections apply share one
 * client. The client holds a reference to the policy, so rules that the checks return live at least
 * as long as the client. Returns 0 or -ENOMEM.
 */
int policy_client_new(struct policy *policy, uid_t uid, const gid_t *gids, size_t n_gids,
                      struct policy_client **ret_client);
/* Drop a reference to the client. client may be NULL. Returns NULL. */
struct policy_client *policy_client_free(struct policy_client *client);

/*
 * May the client send (receive) every message, of every type, to (from) every peer, eavesdropped or
 * not, and without a log line? Then the checks below need not be called. A false answer means "not
 * known": the checks may still allow everything. The answers are computed when the client is made.
 */
bool policy_client_allows_all_send(const struct policy_client *client);
bool policy_client_allows_all_receive(const struct policy_client *client);
/*
 * A set of message types (1 << POLICY_TYPE_*). Every message of these types is allowed without a
 * log line. If is_nameless is true, the set may be larger, but holds only while the peer neither
 * owns nor is queued for a well-known name. The set does not apply to unrequested replies and to
 * eavesdropping. For these, and for all other types, the checks below must be called.
 */
uint8_t policy_client_settled_send(const struct policy_client *client, bool is_nameless);
uint8_t policy_client_settled_receive(const struct policy_client *client, bool is_nameless);
/* A number that no other client of the same policy has, or has had. */
uint64_t policy_client_id(const struct policy_client *client);
/* Can a verdict about sending depend on the path? */
bool policy_client_asks_for_path(const struct policy_client *client);
/*
 * Can a verdict about a message that the client sends depend on the path? That is the client's own
 * verdict about sending, or that of any other client of the policy about receiving.
 */
bool policy_client_depends_on_path(const struct policy_client *client);

/* Is name equal to prefix or below it? a.b covers a.b and a.b.c, but not a.bc. */
bool policy_name_is_below(const char *name, const char *prefix);

/* verdicts */

/*
 * Each returns true for "allow". *ret_rule (ret_rule may be NULL) is the rule that decided, or NULL
 * if none did. No check is needed for Hello, because a connection gets its policy client only
 * with Hello.
 */
bool policy_check_own(const struct policy_client *client, const char *name,
                      const struct policy_rule **ret_rule);
/*
 * client is that of the sender, and m->peer is the recipient. For a message with several
 * recipients, each recipient needs a check.
 */
bool policy_check_send(const struct policy_client *client, const struct policy_message *m,
                       const struct policy_rule **ret_rule);
/*
 * client is that of the recipient, and m->peer is the sender. Returns and errors that the bus
 * itself sends to the recipient are always allowed. Other unicast messages of the bus to the
 * recipient are allowed unless a rule denies them.
 */
bool policy_check_receive(const struct policy_client *client, const struct policy_message *m,
                          const struct policy_rule **ret_rule);

/* rules */

/* The place of the rule in the configuration. The string lives as long as the policy. */
const char *policy_rule_file(const struct policy_rule *rule);
unsigned policy_rule_line(const struct policy_rule *rule);
bool policy_rule_allows(const struct policy_rule *rule);
/* Does the rule have log="true"? Then the messages that it decides are logged, allowed ones too. */
bool policy_rule_logs(const struct policy_rule *rule);
/*
 * Describe a rule for a log line or an error text: "FILE:LINE: <deny send_type="method_call"/>", or
 * "default" if rule is NULL. The caller frees the text. Returns NULL when memory runs out.
 */
char *policy_rule_describe(const struct policy_rule *rule);
