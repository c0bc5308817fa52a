/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Generator: calls to the bus, and the choice of the next step. */

#include <stdio.h>
#include <string.h>

#include "test/conformance/differential/generate.h"

#define PICK(random, array) ((array)[random_below(random, sizeof(array) / sizeof((array)[0]))])

enum argument {
        ARG_ANY,  /* any values of the signature */
        ARG_NAME, /* a bus name, then any values */
        ARG_RULE,
        ARG_PROPERTY,
};

static const struct method {
        const char *interface;
        const char *member;
        const char *signature;
        enum argument argument;
        unsigned weight;
} methods[] = {
        {BUS_NAME, "RequestName", "su", ARG_NAME, 70},
        {BUS_NAME, "ReleaseName", "s", ARG_NAME, 25},
        {BUS_NAME, "AddMatch", "s", ARG_RULE, 60},
        {BUS_NAME, "RemoveMatch", "s", ARG_RULE, 20},
        {BUS_NAME, "Hello", "", ARG_ANY, 2},
        {BUS_NAME, "StartServiceByName", "su", ARG_NAME, 5},
        {BUS_NAME, "UpdateActivationEnvironment", "a{ss}", ARG_ANY, 3},
        {BUS_NAME, "NameHasOwner", "s", ARG_NAME, 5},
        {BUS_NAME, "ListNames", "", ARG_ANY, 5},
        {BUS_NAME, "ListActivatableNames", "", ARG_ANY, 3},
        {BUS_NAME, "GetNameOwner", "s", ARG_NAME, 10},
        {BUS_NAME, "ListQueuedOwners", "s", ARG_NAME, 20},
        {BUS_NAME, "GetConnectionUnixUser", "s", ARG_NAME, 5},
        {BUS_NAME, "GetConnectionUnixProcessID", "s", ARG_NAME, 5},
        {BUS_NAME, "GetConnectionCredentials", "s", ARG_NAME, 5},
        {BUS_NAME, "GetAdtAuditSessionData", "s", ARG_NAME, 3},
        {BUS_NAME, "GetConnectionSELinuxSecurityContext", "s", ARG_NAME, 3},
        {BUS_NAME, "ReloadConfig", "", ARG_ANY, 1},
        {BUS_NAME, "GetId", "", ARG_ANY, 3},
        {"org.freedesktop.DBus.Introspectable", "Introspect", "", ARG_ANY, 3},
        {"org.freedesktop.DBus.Peer", "Ping", "", ARG_ANY, 5},
        {"org.freedesktop.DBus.Peer", "GetMachineId", "", ARG_ANY, 3},
        {"org.freedesktop.DBus.Properties", "Get", "ss", ARG_PROPERTY, 5},
        {"org.freedesktop.DBus.Properties", "GetAll", "s", ARG_PROPERTY, 5},
        {"org.freedesktop.DBus.Properties", "Set", "ssv", ARG_PROPERTY, 3},
        {"org.freedesktop.DBus.Debug.Stats", "GetStats", "", ARG_ANY, 2},
        {"org.freedesktop.DBus.Debug.Stats", "GetConnectionStats", "s", ARG_NAME, 3},
        {"org.freedesktop.DBus.Debug.Stats", "GetAllMatchRules", "", ARG_ANY, 5},
        {"org.freedesktop.DBus.Monitoring", "BecomeMonitor", "as", ARG_ANY,
         1}, /* wrong signature */
        {"com.example.I", "M", "", ARG_ANY, 2},
        {BUS_NAME, "NoSuchMethod", "", ARG_ANY, 2},
};

static const struct method *pick_method(struct random *random) {
        unsigned sum = 0, at;

        for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
                sum += methods[i].weight;
        at = random_below(random, sum);
        for (const struct method *method = methods;; method++) {
                if (at < method->weight)
                        return method;
                at -= method->weight;
        }
}

/* Append values for the rest of a signature. draft->signature stays the whole signature. */
static void put_rest(struct world *world, struct draft *draft, const char *signature) {
        const char *first = draft->signature;

        generate_body(world, draft, signature);
        draft->signature = first;
}

static void put_rule(struct world *world, struct draft *draft, struct client *actor, char *rule,
                     size_t n_rule, bool remove) {
        struct random *random = &world->random;

        if (remove && actor->n_rules > 0 && random_percent(random, 80)) {
                unsigned n = actor->n_rules < N_RULES ? actor->n_rules : N_RULES;

                snprintf(rule, n_rule, "%s", actor->rules[random_below(random, n)]);
        } else if (random_percent(random, 1)) {
                /* the rule has 1024, 1025 or 1026 bytes; both buses accept at most 1024 */
                unsigned n = 1018 + random_below(random, 3);

                memcpy(rule, "arg0='", 6);
                memset(rule + 6, 'a', n - 1);
                memcpy(rule + 5 + n, "'", 2);
        } else {
                generate_rule(world, rule, 250);
                if (!remove)
                        snprintf(actor->rules[actor->n_rules++ % N_RULES], 256, "%s", rule);
        }
        bytes_string(&draft->body, rule);
}

static void put_arguments(struct world *world, struct draft *draft, struct client *actor,
                          const struct method *method, char *rule, size_t n_rule) {
        static const char *const property_interfaces[] = {
                BUS_NAME,
                BUS_NAME,
                "org.freedesktop.DBus.Peer",
                "org.freedesktop.DBus.Monitoring",
                "",
                "com.example.I",
                "org.freedesktop.DBus.Properties",
        };
        static const char *const properties[] = {"Features", "Interfaces", "", "None"};
        struct random *random = &world->random;
        const char *name;

        if (random_percent(random, 4)) {
                static const char *const wrong[] = {"", "s", "u", "o", "ss", "sus", "v", "as"};

                generate_body(world, draft, PICK(random, wrong));
                return;
        }
        draft->signature = *method->signature ? method->signature : NULL;
        switch (method->argument) {
        case ARG_ANY:
                generate_body(world, draft, method->signature);
                break;
        case ARG_NAME:
                name = generate_name(world);
                bytes_string(&draft->body, name);
                if (!strcmp(method->member, "RequestName")) {
                        uint32_t flags = random_percent(random, 95) ? random_below(random, 8)
                                                                    : random_next(random);

                        /*
                         * When REPLACE_EXISTING (2) fails, the buses give the client different
                         * places in the queue for the name: a documented difference
                         * (“REPLACE_EXISTING that fails”), which would affect later steps. With
                         * DO_NOT_QUEUE (4) the client gets no place.
                         */
                        if ((flags & 2) && world_count_owners(world, name) > 1)
                                flags |= 4;
                        bytes_u32(&draft->body, flags);
                } else
                        put_rest(world, draft, method->signature + 1);
                break;
        case ARG_RULE:
                put_rule(world, draft, actor, rule, n_rule, !strcmp(method->member, "RemoveMatch"));
                break;
        case ARG_PROPERTY:
                bytes_string(&draft->body, PICK(random, property_interfaces));
                if (method->signature[1]) {
                        bytes_string(&draft->body, PICK(random, properties));
                        put_rest(world, draft, method->signature + 2);
                }
                break;
        }
}

void generate_bus_call(struct world *world, struct draft *draft, struct client *actor, char *rule,
                       size_t n_rule) {
        static const char *const other_paths[] = {"/", "/org/freedesktop", "/a", "/org"};
        struct random *random = &world->random;
        const struct method *method = pick_method(random);
        unsigned at = random_below(random, 100);

        draft->type = TYPE_CALL;
        draft->member = method->member;
        draft->path = random_percent(random, 80) ? BUS_PATH : PICK(random, other_paths);
        if (at < 75)
                draft->interface = method->interface;
        else if (at >= 90)
                draft->interface = PICK(random, methods).interface;
        if (random_percent(random, 98))
                draft->destination = BUS_NAME;
        put_arguments(world, draft, actor, method, rule, n_rule);
}

void generate_become_monitor(struct world *world, struct draft *draft) {
        struct random *random = &world->random;
        unsigned n = random_below(random, 3);
        char rule[256];

        draft_bus_call(draft, "BecomeMonitor", draft->serial);
        draft->interface = random_percent(random, 90) ? "org.freedesktop.DBus.Monitoring" : NULL;
        draft->signature = "asu";
        bytes_u32(&draft->body, 0);
        for (unsigned i = 0; i < n; i++) {
                generate_rule(world, rule, sizeof(rule));
                bytes_string(&draft->body, rule);
        }
        if (n > 0)
                bytes_string(&draft->body, "interface='com.example.Control'");
        bytes_set_u32(&draft->body, 0, draft->body.n - 4);
        bytes_u32(&draft->body, random_percent(random, 95) ? 0 : random_below(random, 3));
}

/* steps */

/* Change one or two bytes, unless the header then gives another size of the message. */
static void mutate(struct random *random, struct bytes *message) {
        struct bytes changed = *message;
        unsigned n = 1 + random_below(random, 2);

        for (unsigned i = 0; i < n; i++) {
                size_t at = random_below(random, changed.n);

                if (random_percent(random, 50))
                        changed.data[at] ^= 1U << random_below(random, 8);
                else
                        changed.data[at] = random_next(random);
        }
        if ((changed.data[0] == 'l' || changed.data[0] == 'B') &&
            received_size(changed.data, changed.n) == changed.n)
                *message = changed;
}

/* Is the message a reply that its destination does not wait for? */
static bool is_unrequested(struct world *world, const struct client *actor,
                           const struct received *m) {
        if ((m->type != TYPE_RETURN && m->type != TYPE_ERROR) || !m->destination)
                return false;
        for (size_t i = 0; i < actor->n_pending; i++)
                if (actor->pending[i].serial == m->reply_serial &&
                    world_find(world, actor->pending[i].caller) ==
                            world_find(world, m->destination))
                        return false;
        return true;
}

static void generate_message(struct world *world, struct step *step, struct client *actor) {
        struct random *random = &world->random;
        static struct draft draft;
        char rule[1100];

        draft = (struct draft){.body.big_endian = random_percent(random, 30)};
        draft.serial = ++actor->serial;
        if (random_percent(random, 2) && draft.serial > 3)
                draft.serial -= random_below(random, 3);

        if (actor->state == CLIENT_READY && random_percent(random, 2)) {
                generate_become_monitor(world, &draft);
                step->becomes_monitor = true;
        } else {
                if (actor->state == CLIENT_RAW && random_percent(random, 50)) {
                        draft_bus_call(&draft, "Hello", draft.serial);
                } else if (random_percent(random, 48))
                        generate_bus_call(world, &draft, actor, rule, sizeof(rule));
                else
                        generate_send(world, &draft, actor);
                generate_trimmings(world, &draft);
        }
        draft_finish(&draft, &step->message);
        if (!step->becomes_monitor && random_percent(random, 4))
                mutate(random, &step->message);

        step->parsed = received_parse(&step->sent, step->message.data, step->message.n);
        if (!step->parsed)
                return;
        step->unrequested = is_unrequested(world, actor, &step->sent);
        /*
         * The reference answers messages of this interface without a destination before it checks
         * who sent them. If a monitor sends such a message, or a client before Hello sends one that
         * is not a call, the bridge closes the connection and the reference does not. Later steps
         * could not be compared then, so this step closes the connection instead.
         */
        if (actor->state != CLIENT_READY && !step->sent.destination && step->sent.interface &&
            !strcmp(step->sent.interface, "org.freedesktop.DBus.Peer") &&
            (step->sent.type != TYPE_CALL || actor->state == CLIENT_MONITOR))
                step->kind = STEP_CLOSE;
}

void step_generate(struct world *world, struct step *step, unsigned i) {
        struct client *actor = &world->clients[i];
        struct random *random = &world->random;

        *step = (struct step){.kind = STEP_SEND, .actor = i};
        snprintf(step->actor_name, sizeof(step->actor_name), "%s", actor->unique);
        if (actor->state == CLIENT_ABSENT) {
                step->kind = STEP_CONNECT;
                step->with_hello = random_percent(random, 90);
        } else if (random_percent(random, actor->state == CLIENT_MONITOR ? 30 : 3))
                step->kind = random_percent(random, 70) ? STEP_CLOSE : STEP_HALF_CLOSE;
        else
                generate_message(world, step, actor);
}
