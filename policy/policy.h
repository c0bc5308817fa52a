/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Policy - who may connect, own names, send and receive
 *
 * A policy is what the <policy> elements of a bus configuration say, in the order in which they
 * say it. It does not change once read. A policy client is the part of it that can apply to one
 * connection: the rules of
 *
 *     context="default", group=, user=, at_console=, context="mandatory"
 *
 * one after the other, kept apart for owning, sending and receiving. The last rule that matches
 * decides; where none matches the answer is no. Each answer names the rule that gave it.
 *
 * Policies are made by the configuration reader (policy/config.h), which looks up users and groups;
 * nothing here looks up users, touches files or blocks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct policy;
struct policy_client;
struct policy_rule;

/* the name under which rules know the bus itself */
#define POLICY_DRIVER_NAME "org.freedesktop.DBus"

/* the uid of a connection that authenticated as nobody in particular (ANONYMOUS) */
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
        /* The bus itself: it has the one name POLICY_DRIVER_NAME, owns() is not asked. */
        bool is_driver;
        /* It has no well-known name and waits for none: owns() is not asked. May be left false. */
        bool is_nameless;
        /*
         * Whether the connection owns, or is queued for, name; with prefix, whether it does for
         * name or any name below it (a.b covers a.b and a.b.c, not a.bc). Unique names never count.
         */
        bool (*owns)(void *userdata, const char *name, bool prefix);
        /*
         * The names for which owns() is true, one after the other: *position is NULL for the first
         * and the callee's from there; NULL after the last. May be left NULL: then all rules that
         * name somebody are asked about, one by one.
         */
        const char *(*next_name)(void *userdata, void **position);
        void *userdata;
};

/* What a verdict can depend on. Strings are NULL when the message has no such header field. */
struct policy_message {
        uint8_t type; /* POLICY_TYPE_*, never POLICY_TYPE_ANY */
        const char *path;
        const char *interface;
        const char *member;
        const char *error_name;
        const char *destination; /* as addressed, unique or well-known */
        uint32_t n_fds;
        /* A return or error that answers a call its recipient is still waiting for. */
        bool requested_reply;
        /* A signal without destination. */
        bool broadcast;
        /* The recipient at hand is not the one the message is for. False for broadcasts. */
        bool eavesdropping;
        /*
         * The other connection. NULL only in policy_check_send(), when nobody has the name yet and
         * it is about to be activated; rules then compare with destination.
         */
        const struct policy_peer *peer;
};

/* policy */

struct policy *policy_ref(struct policy *policy);
struct policy *policy_unref(struct policy *policy);

/*
 * Whether a connection with this uid and these groups (primary and supplementary, as the socket
 * tells) may be there at all, to be asked once, after authentication. Without a matching rule only
 * bus_uid, the uid of the bus process, may; and POLICY_UID_ANONYMOUS, which got this far because
 * the configuration has <allow_anonymous/>. ret_rule (may be NULL) gets the rule that decided, or
 * NULL.
 */
bool policy_check_connect(const struct policy *policy, uid_t uid, const gid_t *gids, size_t n_gids,
                          uid_t bus_uid, const struct policy_rule **ret_rule);

/* client */

/*
 * The rules that can apply to a connection, shared by all connections for which they are the same.
 * Holds a reference to policy, so rules returned by the checks live as long as the client. -ENOMEM.
 */
int policy_client_new(struct policy *policy, uid_t uid, const gid_t *gids, size_t n_gids,
                      struct policy_client **ret_client);
/* NULL is fine; returns NULL. */
struct policy_client *policy_client_free(struct policy_client *client);

/*
 * Whether every message, to whomever, of whatever kind, eavesdropped or not, may be sent
 * (received): then the checks below need not be asked. Computed once, costs nothing. False says
 * nothing.
 */
bool policy_client_allows_all_send(const struct policy_client *client);
bool policy_client_allows_all_receive(const struct policy_client *client);
/*
 * The types, 1 << POLICY_TYPE_*, of which every message is allowed without being logged: to
 * (from) whomever, or only who has no name and waits for none. Of replies these are the requested
 * ones, and nobody eavesdrops. What is not among them is to be asked about.
 */
uint8_t policy_client_settled_send(const struct policy_client *client, bool is_nameless);
uint8_t policy_client_settled_receive(const struct policy_client *client, bool is_nameless);
/* Another number for each client that a policy was ever made into. */
uint64_t policy_client_id(const struct policy_client *client);
/* Whether a verdict about sending can depend on the path. */
bool policy_client_asks_for_path(const struct policy_client *client);

/* Whether name is prefix or a name below it: a.b covers a.b and a.b.c, not a.bc. */
bool policy_name_is_below(const char *name, const char *prefix);

/* verdicts */

/*
 * Each returns true for allow. ret_rule (may be NULL) gets the rule that decided, NULL when none
 * matched. The caller lets Hello through unasked: before it there is no policy client.
 */
bool policy_check_own(const struct policy_client *client, const char *name,
                      const struct policy_rule **ret_rule);
/* Asked with the sender's client, for each recipient; m->peer is the recipient. */
bool policy_check_send(const struct policy_client *client, const struct policy_message *m,
                       const struct policy_rule **ret_rule);
/*
 * Asked with the recipient's client; m->peer is the sender. A return or error of the bus addressed
 * to the recipient is always allowed, and its unicast signals unless a rule denies them.
 */
bool policy_check_receive(const struct policy_client *client, const struct policy_message *m,
                          const struct policy_rule **ret_rule);

/* rules */

/* Where the rule was written. The file name is the rule's. */
const char *policy_rule_file(const struct policy_rule *rule);
unsigned policy_rule_line(const struct policy_rule *rule);
bool policy_rule_allows(const struct policy_rule *rule);
/* log="true": messages that this rule decides are to be logged, even when allowed. */
bool policy_rule_logs(const struct policy_rule *rule);
/*
 * "FILE:LINE: <deny send_type="method_call"/>" for a log line or an error text; for NULL "default".
 * The caller frees it; NULL without memory.
 */
char *policy_rule_describe(const struct policy_rule *rule);
