/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The deliberate differences between the reference and the bridge that the test meets
 *
 * Each has the name of its row in doc/operating/compatibility.md, which gives the reason. The test
 * fails on a difference that no function of this file explains.
 */

#include <stdio.h>
#include <string.h>

#include "test/conformance/differential/world.h"

struct context {
        const struct world *world;
        const struct step *step;
        const struct client *client;
        const struct received *reference; /* NULL if there are no more messages on this side */
        const struct received *bridge;    /* likewise */
};

static bool answers(const struct step *step, const struct received *m) {
        return m && step->parsed && step->kind == STEP_SEND && received_is_from_bus(m) &&
               (m->type == TYPE_RETURN || m->type == TYPE_ERROR) &&
               m->reply_serial == step->sent.serial &&
               (!m->sender || !m->destination || !step->actor_name[0] ||
                !strcmp(m->destination, step->actor_name));
}

static bool wants_reply(const struct received *m) {
        return m->type == TYPE_CALL && !(m->flags & FLAG_NO_REPLY);
}

/* If a call wants no reply, the bridge itself sends no answer to it. The reference does. */
static enum explanation no_reply(const struct context *c) {
        if (answers(c->step, c->reference) && c->step->sent.type == TYPE_CALL &&
            !wants_reply(&c->step->sent))
                return ONLY_ON_REFERENCE;
        return NOT_EXPLAINED;
}

/* The bridge drops a signal or reply to a name without an owner. The reference sends an error. */
static enum explanation undeliverable(const struct context *c) {
        if (answers(c->step, c->reference) && c->step->sent.type != TYPE_CALL &&
            c->reference->type == TYPE_ERROR)
                return ONLY_ON_REFERENCE;
        return NOT_EXPLAINED;
}

/* The bridge refuses a reply that no caller waits for. The reference delivers it. */
static enum explanation unrequested(const struct context *c) {
        if (c->step->unrequested && c->reference && c->reference->sender &&
            !strcmp(c->reference->sender, c->step->actor_name) &&
            c->reference->type == c->step->sent.type)
                return ONLY_ON_REFERENCE;
        if (c->step->unrequested && answers(c->step, c->bridge) && c->bridge->type == TYPE_ERROR &&
            !strcmp(c->bridge->error_name, "org.freedesktop.DBus.Error.AccessDenied"))
                return ONLY_ON_BRIDGE;
        return NOT_EXPLAINED;
}

/* Answers to calls without DESTINATION have a SENDER on the bridge, and none on the reference. */
static enum explanation without_destination(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (a && b && !a->sender && b->sender && !strcmp(b->sender, BUS_NAME) &&
            a->type == b->type && a->reply_serial == b->reply_serial && a->flags == b->flags &&
            !strcmp(a->signature, b->signature) &&
            (a->type == TYPE_ERROR
                     ? !strcmp(a->error_name, b->error_name)
                     : a->n_body == b->n_body && !memcmp(a->body, b->body, a->n_body)))
                return ON_BOTH;
        return NOT_EXPLAINED;
}

/* The reference converts a message to its own byte order if it has looked at the arguments. */
static enum explanation byte_order(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (a && b && !a->big_endian && b->big_endian && a->serial == b->serial &&
            compare_fields(a, b) && compare_swapped(a, b))
                return ON_BOTH;
        return NOT_EXPLAINED;
}

/* If the buses replace or remove header fields, they put the other fields in different orders. */
static enum explanation field_order(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (a && b && a->big_endian == b->big_endian && a->serial == b->serial &&
            a->n_body == b->n_body && !memcmp(a->body, b->body, a->n_body) && compare_fields(a, b))
                return ON_BOTH;
        return NOT_EXPLAINED;
}

static bool is_nameless(const char *name) {
        return name && !strcmp(name, ":not.active.yet");
}

/*
 * Before Hello, a client of the bridge has no name, and monitors do not see its messages. On the
 * reference it has the name ":not.active.yet".
 */
static enum explanation before_hello(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (a && c->client->state == CLIENT_MONITOR &&
            (is_nameless(a->sender) || is_nameless(a->destination)))
                return ONLY_ON_REFERENCE;
        if (a && b && is_nameless(a->destination) && !b->destination && a->type == TYPE_ERROR &&
            b->type == TYPE_ERROR && a->reply_serial == b->reply_serial &&
            !strcmp(a->error_name, b->error_name))
                return ON_BOTH;
        return NOT_EXPLAINED;
}

static bool sent_member(const struct step *step, const char *member) {
        return step->parsed && step->sent.member && !strcmp(step->sent.member, member);
}

/*
 * If the caller of GetConnectionCredentials accepts descriptors, the reply of the bridge has one
 * more credential at the end.
 */
static enum explanation process_fd(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (!sent_member(c->step, "GetConnectionCredentials"))
                return NOT_EXPLAINED;
        /* a monitor that accepts no descriptors does not see a message with one */
        if (answers(c->step, a) && a->type == TYPE_RETURN && c->client->state == CLIENT_MONITOR &&
            !c->client->with_fds && c->world->clients[c->step->actor].with_fds)
                return ONLY_ON_REFERENCE;
        if (a && answers(c->step, b) && b->n_fds == 1 && a->n_body > 8 && b->n_body > a->n_body &&
            !memcmp(a->body + 8, b->body + 8, a->n_body - 8) &&
            memmem(b->body + a->n_body, b->n_body - a->n_body, "ProcessFD", 10))
                return ON_BOTH;
        return NOT_EXPLAINED;
}

/* GetConnectionCredentials of the bridge also returns the groups of the bus itself. */
static enum explanation groups_of_bus(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (a && answers(c->step, b) && sent_member(c->step, "GetConnectionCredentials") &&
            a->n_body < b->n_body && !memmem(a->body, a->n_body, "UnixGroupIDs", 12) &&
            memmem(b->body, b->n_body, "UnixGroupIDs", 12))
                return ON_BOTH;
        return NOT_EXPLAINED;
}

/* The bridge answers an Introspect without DESTINATION with an error. */
static enum explanation private_introspect(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (a && !a->sender && a->type == TYPE_RETURN && answers(c->step, a) &&
            answers(c->step, b) && sent_member(c->step, "Introspect") && b->type == TYPE_ERROR)
                return ON_BOTH;
        return NOT_EXPLAINED;
}

/*
 * If the reference already has monitors, a new monitor gets each NameOwnerChanged about the loss of
 * its own names twice.
 */
static enum explanation new_monitor(const struct context *c) {
        const struct received *a = c->reference;

        if (a && c->step->becomes_monitor && c->client == &c->world->clients[c->step->actor] &&
            a->member && !strcmp(a->member, "NameOwnerChanged") && received_is_from_bus(a))
                return ONLY_ON_REFERENCE;
        return NOT_EXPLAINED;
}

/* On the bridge, an eavesdropper also sees the calls to the bus that fail. */
static enum explanation failed_calls(const struct context *c) {
        const struct received *b = c->bridge;

        if (b && b->type == TYPE_CALL && b->destination && !strcmp(b->destination, BUS_NAME) &&
            b->sender && c->client->state == CLIENT_READY &&
            (!strcmp(b->sender, c->step->actor_name) ||
             !strcmp(b->sender, c->world->clients[0].unique)))
                return ONLY_ON_BRIDGE;
        return NOT_EXPLAINED;
}

static bool is_sent_call(const struct step *step, const struct received *m) {
        return m && m->type == TYPE_CALL && m->serial == step->sent.serial && m->sender &&
               !strcmp(m->sender, step->actor_name);
}

/* On the reference, monitors and eavesdroppers see the effects of ReloadConfig before the call. */
static enum explanation reload_order(const struct context *c) {
        if (!sent_member(c->step, "ReloadConfig"))
                return NOT_EXPLAINED;
        return is_sent_call(c->step, c->reference) ? ONLY_ON_REFERENCE
               : is_sent_call(c->step, c->bridge)  ? ONLY_ON_BRIDGE
                                                   : NOT_EXPLAINED;
}

/* The property Interfaces of the bridge also lists org.bus1.Bridge1, for native programs. */
static enum explanation native_interface(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (a && answers(c->step, b) && a->type == b->type &&
            (sent_member(c->step, "Get") || sent_member(c->step, "GetAll")) &&
            memmem(b->body, b->n_body, "org.bus1.Bridge1", 17))
                return ON_BOTH;
        return NOT_EXPLAINED;
}

/*
 * The reference does not broadcast a signal of the interface org.freedesktop.DBus.Peer, but sends
 * an error to its sender.
 */
static enum explanation peer_signals(const struct context *c) {
        const struct received *sent = &c->step->sent, *a = c->reference, *b = c->bridge;

        if (c->step->kind != STEP_SEND || !c->step->parsed || sent->type == TYPE_CALL ||
            sent->destination || !sent->interface ||
            strcmp(sent->interface, "org.freedesktop.DBus.Peer") != 0)
                return NOT_EXPLAINED;
        if (a && !a->sender && a->type == TYPE_ERROR && a->reply_serial == sent->serial)
                return ONLY_ON_REFERENCE;
        if (b && b->type == sent->type && b->sender && b->serial == sent->serial &&
            !strcmp(b->sender, c->step->actor_name))
                return ONLY_ON_BRIDGE;
        return NOT_EXPLAINED;
}

static struct difference {
        const char *row;
        enum explanation (*explain)(const struct context *c);
        unsigned long n;
} differences[] = {
        /* the differences that can explain two forms of one message come first */
        {"byte order of relayed messages", byte_order},
        {"order of header fields", field_order},
        {"answer to a call without DESTINATION", without_destination},
        {"Introspect without a destination", private_introspect},
        {"ProcessFD in GetConnectionCredentials", process_fd},
        {"UnixGroupIDs of the bus itself in GetConnectionCredentials", groups_of_bus},
        {"property Interfaces", native_interface},
        {"connections before Hello", before_hello},
        {"NO_REPLY_EXPECTED in a call to the bus or to a name without owner", no_reply},
        {"signal, return or error to a name without owner", undeliverable},
        {"reply that nobody waits for (no call, wrong replier, second, late)", unrequested},
        {"broadcast signals of the interface org.freedesktop.DBus.Peer", peer_signals},
        {"when monitors and eavesdroppers see a call of ReloadConfig", reload_order},
        {"eavesdropping on calls to the bus that fail", failed_calls},
        {"a new monitor and the end of its own names", new_monitor},
};

#define N_DIFFERENCES (sizeof(differences) / sizeof(differences[0]))

enum explanation difference_explain(const struct world *world, const struct step *step,
                                    const struct client *client, const struct received *reference,
                                    const struct received *bridge) {
        const struct context context = {world, step, client, reference, bridge};

        for (size_t i = 0; i < N_DIFFERENCES; i++) {
                enum explanation explanation = differences[i].explain(&context);

                if (explanation != NOT_EXPLAINED) {
                        differences[i].n++;
                        return explanation;
                }
        }
        return NOT_EXPLAINED;
}

bool differences_report(void) {
        bool all = true;

        for (size_t i = 0; i < N_DIFFERENCES; i++) {
                printf("# %8lu times: %s\n", differences[i].n, differences[i].row);
                all = all && differences[i].n > 0;
        }
        return all;
}

bool differences_check_document(const char *path) {
        char line[4096];
        bool found[N_DIFFERENCES] = {}, all = true;
        FILE *f = fopen(path, "re");

        while (f && fgets(line, sizeof(line), f))
                for (size_t i = 0; i < N_DIFFERENCES; i++)
                        if (line[0] == '|' && strstr(line, differences[i].row))
                                found[i] = true;
        if (f)
                fclose(f);
        for (size_t i = 0; i < N_DIFFERENCES; i++)
                if (!found[i]) {
                        printf("# %s has no row for: %s\n", path, differences[i].row);
                        all = false;
                }
        return all;
}
