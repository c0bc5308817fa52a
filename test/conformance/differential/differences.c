/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The deliberate differences between the reference and the bridge
 *
 * Each names its row in doc/operating/compatibility.md, which says why; what none of them explains
 * is a bug.
 */

#include <stdio.h>
#include <string.h>

#include "test/conformance/differential/world.h"

struct context {
        const struct world *world;
        const struct step *step;
        const struct client *client;
        const struct received *reference; /* NULL at the end of the stream */
        const struct received *bridge;
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

/* The driver does not answer a call that wants no reply. */
static enum explanation no_reply(const struct context *c) {
        if (answers(c->step, c->reference) && c->step->sent.type == TYPE_CALL &&
            !wants_reply(&c->step->sent))
                return ONLY_ON_REFERENCE;
        return NOT_EXPLAINED;
}

/* A signal or reply to nobody is dropped silently. */
static enum explanation undeliverable(const struct context *c) {
        if (answers(c->step, c->reference) && c->step->sent.type != TYPE_CALL &&
            c->reference->type == TYPE_ERROR)
                return ONLY_ON_REFERENCE;
        return NOT_EXPLAINED;
}

/* A reply that nobody waits for reaches nobody. */
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

/* What the connection itself answers says who it is from and for. */
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

/* The reference turns what it has looked into to its own byte order. */
static enum explanation byte_order(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (a && b && !a->big_endian && b->big_endian && a->serial == b->serial &&
            compare_fields(a, b) && compare_swapped(a, b))
                return ON_BOTH;
        return NOT_EXPLAINED;
}

/* Where fields had to be replaced or taken out, the others come in another order. */
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

/* A connection without a name is not given one, and what it says is shown to nobody. */
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

/* One more credential at the end, for who takes descriptors. */
static enum explanation process_fd(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (!sent_member(c->step, "GetConnectionCredentials"))
                return NOT_EXPLAINED;
        /* A descriptor is not shown to monitors that do not take any. */
        if (answers(c->step, a) && a->type == TYPE_RETURN && c->client->state == CLIENT_MONITOR &&
            !c->client->with_fds && c->world->clients[c->step->actor].with_fds)
                return ONLY_ON_REFERENCE;
        if (a && answers(c->step, b) && b->n_fds == 1 && a->n_body > 8 && b->n_body > a->n_body &&
            !memcmp(a->body + 8, b->body + 8, a->n_body - 8) &&
            memmem(b->body + a->n_body, b->n_body - a->n_body, "ProcessFD", 10))
                return ON_BOTH;
        return NOT_EXPLAINED;
}

/* The groups of the bus, too. */
static enum explanation groups_of_bus(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (a && answers(c->step, b) && sent_member(c->step, "GetConnectionCredentials") &&
            a->n_body < b->n_body && !memmem(a->body, a->n_body, "UnixGroupIDs", 12) &&
            memmem(b->body, b->n_body, "UnixGroupIDs", 12))
                return ON_BOTH;
        return NOT_EXPLAINED;
}

/* Behind the connection itself there are no objects. */
static enum explanation private_introspect(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (a && !a->sender && a->type == TYPE_RETURN && answers(c->step, a) &&
            answers(c->step, b) && sent_member(c->step, "Introspect") && b->type == TYPE_ERROR)
                return ON_BOTH;
        return NOT_EXPLAINED;
}

/* Where there are monitors, a new one sees the end of its own names twice. */
static enum explanation new_monitor(const struct context *c) {
        const struct received *a = c->reference;

        if (a && c->step->becomes_monitor && c->client == &c->world->clients[c->step->actor] &&
            a->member && !strcmp(a->member, "NameOwnerChanged") && received_is_from_bus(a))
                return ONLY_ON_REFERENCE;
        return NOT_EXPLAINED;
}

/* Who eavesdrops overhears calls to the bus also when they fail. */
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

/* What ReloadConfig causes, others see on the reference before the call itself. */
static enum explanation reload_order(const struct context *c) {
        if (!sent_member(c->step, "ReloadConfig"))
                return NOT_EXPLAINED;
        return is_sent_call(c->step, c->reference) ? ONLY_ON_REFERENCE
               : is_sent_call(c->step, c->bridge)  ? ONLY_ON_BRIDGE
                                                   : NOT_EXPLAINED;
}

/* The native interface is one of the interfaces. */
static enum explanation native_interface(const struct context *c) {
        const struct received *a = c->reference, *b = c->bridge;

        if (a && answers(c->step, b) && a->type == b->type &&
            (sent_member(c->step, "Get") || sent_member(c->step, "GetAll")) &&
            memmem(b->body, b->n_body, "org.bus1.Bridge1", 17))
                return ON_BOTH;
        return NOT_EXPLAINED;
}

/* To the reference, nothing of that interface without a destination is for the bus. */
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
        /* first those about two forms of the same message */
        {"byte order of relayed messages", byte_order},
        {"order of header fields", field_order},
        {"answer to a call without DESTINATION", without_destination},
        {"Introspect without a destination", private_introspect},
        {"ProcessFD in GetConnectionCredentials", process_fd},
        {"UnixGroupIDs of the bus itself", groups_of_bus},
        {"property Interfaces", native_interface},
        {"connections before Hello", before_hello},
        {"NO_REPLY_EXPECTED in a call to the bus or to a name without owner", no_reply},
        {"signal, return or error to a name without owner", undeliverable},
        {"reply that nobody waits for (no call, wrong replier, second, late)", unrequested},
        {"signals of the interface org.freedesktop.DBus.Peer", peer_signals},
        {"ReloadConfig to monitors and eavesdroppers", reload_order},
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
