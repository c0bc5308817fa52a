/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Denials: the texts of the log lines, and the fields for the journal. */

#include "bridge/bus/denial.h"

#include <stdio.h>
#include <string.h>

#include "bridge/base/log.h"
#include "bridge/bus/bus.h"

/*
 * The MESSAGE_ID of all log lines of this file, also of those about messages that a rule with
 * log="true" allowed. It was made with systemd-id128 new. journalctl MESSAGE_ID=... shows the
 * lines.
 */
#define DENIAL_MESSAGE_ID "3a8aa84927894869bd2c7a563d348c9c"

#define FIELDS_MAX 32

/* Journal fields, with storage for the numbers among them. */
struct fields {
        struct log_field fields[FIELDS_MAX];
        size_t n;
        char numbers[FIELDS_MAX][12];
};

static const char *or_unset(const char *s) {
        return s ? s : "(unset)";
}

static void add(struct fields *f, const char *key, const char *value) {
        if (value && f->n < FIELDS_MAX)
                f->fields[f->n++] = (struct log_field){.key = key, .value = value};
}

static void add_number(struct fields *f, const char *key, uint32_t value) {
        if (f->n < FIELDS_MAX) {
                snprintf(f->numbers[f->n], sizeof(f->numbers[f->n]), "%u", value);
                add(f, key, f->numbers[f->n]);
        }
}

/* The keys of the journal fields about one side of a message, the sender or the receiver. */
struct side {
        const char *name, *uid, *pid, *label;
};

#define SIDE(key) \
        { key, key "_UID", key "_PID", key "_LABEL" }

static const struct side side_sender = SIDE("DBUS_SENDER");
static const struct side side_receiver = SIDE("DBUS_RECEIVER");

/* Add the uid, pid and label of one side, as far as they are known. */
static void add_credentials(struct fields *f, const struct side *side,
                            const struct client_credentials *credentials) {
        if (credentials->uid != UINT32_MAX)
                add_number(f, side->uid, credentials->uid);
        if (credentials->pid > 0)
                add_number(f, side->pid, credentials->pid);
        add(f, side->label, credentials->label);
}

/* The credentials of the client, or those of the bus if client is NULL. */
static const struct client_credentials *credentials_of(const struct bus *bus,
                                                       const struct client *client) {
        return client ? &client->credentials : &bus->credentials;
}

static const char *name_of(const struct client *client) {
        return client ? client_name(client) : BUS_DRIVER_NAME;
}

/* Is the receiver a service that is not running yet and that the message would start? */
static bool is_absent(const struct client *receiver, const struct message *m) {
        return !receiver && m->destination.s && strcmp(m->destination.s, BUS_DRIVER_NAME) != 0;
}

static void begin(struct fields *f, const char *verdict, const char *action,
                  const struct denial_source *source) {
        f->n = 0;
        add(f, "MESSAGE_ID", DENIAL_MESSAGE_ID);
        add(f, "DBUS_VERDICT", verdict);
        add(f, "DBUS_ACTION", action);
        add(f, "DBUS_POLICY", source->policy);
        add(f, "DBUS_RULE", source->text);
        if (source->rule) {
                add(f, "DBUS_RULE_FILE", policy_rule_file(source->rule));
                add_number(f, "DBUS_RULE_LINE", policy_rule_line(source->rule));
        }
}

void denial_log_message(struct bus *bus, const struct client *sender, const struct client *receiver,
                        const struct message *m, bool requested_reply, bool allowed,
                        const char *direction, const struct denial_source *source) {
        static const char *const types[] = {"?", "method_call", "method_return", "error", "signal"};
        const char *type = types[m->type <= MESSAGE_TYPE_SIGNAL ? m->type : 0];
        const struct client_credentials *from = credentials_of(bus, sender);
        const struct client_credentials *to = credentials_of(bus, receiver);
        char receiver_text[48] = "not running";
        struct fields f;

        begin(&f, allowed ? "allow" : "deny", direction, source);
        add(&f, side_sender.name, name_of(sender));
        add_credentials(&f, &side_sender, from);
        if (!is_absent(receiver, m)) {
                add(&f, side_receiver.name, name_of(receiver));
                add_credentials(&f, &side_receiver, to);
                snprintf(receiver_text, sizeof(receiver_text), "uid=%d pid=%d", (int)to->uid,
                         (int)to->pid);
        }
        add(&f, "DBUS_TYPE", type);
        add(&f, "DBUS_DESTINATION", m->destination.s);
        add(&f, "DBUS_PATH", m->path.s);
        add(&f, "DBUS_INTERFACE", m->interface.s);
        add(&f, "DBUS_MEMBER", m->member.s);
        add(&f, "DBUS_ERROR_NAME", m->error_name.s);
        complain_with(&bus->complaints, sender ? from->uid : to->uid, f.fields, f.n,
                      "%s %s message, decided by %s, sender=\"%s\" (uid=%d pid=%d) type=\"%s\" "
                      "path=\"%s\" interface=\"%s\" member=\"%s\" error name=\"%s\" "
                      "requested_reply=%d destination=\"%s\" (%s), rule: %s",
                      allowed ? "Allowed" : "Rejected", direction, source->policy, name_of(sender),
                      (int)from->uid, (int)from->pid, type, or_unset(m->path.s),
                      or_unset(m->interface.s), or_unset(m->member.s), or_unset(m->error_name.s),
                      requested_reply, or_unset(m->destination.s), receiver_text,
                      or_unset(source->text));
}

void denial_log_client(const struct client *client, const char *name,
                       const struct denial_source *source) {
        char own[300] = "eavesdrop";
        struct fields f;

        if (name)
                snprintf(own, sizeof(own), "own \"%s\"", name);
        begin(&f, "deny", name ? "own" : "eavesdrop", source);
        add(&f, side_sender.name, client_name(client));
        add_credentials(&f, &side_sender, &client->credentials);
        add(&f, "DBUS_NAME", name);
        complain_with(&client->bus->complaints, client->credentials.uid, f.fields, f.n,
                      "Connection %s (uid=%d pid=%d) may not %s, decided by %s, rule: %s",
                      client_name(client), (int)client->credentials.uid,
                      (int)client->credentials.pid, own, source->policy, or_unset(source->text));
}

void denial_log_connect(struct bus *bus, const struct client_credentials *credentials,
                        const struct denial_source *source) {
        struct fields f;

        begin(&f, "deny", "connect", source);
        add_credentials(&f, &side_sender, credentials);
        complain_with(&bus->complaints, credentials->uid, f.fields, f.n,
                      "Rejected a connection of uid=%d pid=%d, decided by %s, rule: %s",
                      (int)credentials->uid, (int)credentials->pid, source->policy,
                      or_unset(source->text));
}
