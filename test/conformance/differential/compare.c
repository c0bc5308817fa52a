/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Comparison of the messages that a client received on the two sides
 *
 * Two messages are the same if all their bytes are, apart from the parts that are free to differ.
 * These are only in the messages of a bus itself: the serials, the order of header fields, the
 * texts of errors, the order of unordered lists, introspection data, and values that depend on the
 * process, the time or the instance. Both buses give their clients the same numbers, so unique
 * names are compared byte by byte.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/conformance/differential/world.h"

/* describing */

static void print_bytes(const uint8_t *data, size_t n) {
        for (size_t i = 0; i < n && i < 400; i++)
                if (data[i] >= ' ' && data[i] < 127)
                        putchar(data[i]);
                else
                        printf("\\%02x", data[i]);
}

static void print_message(const char *label, const struct received *m) {
        static const char *const types[] = {"?", "call", "return", "error", "signal"};

        printf("#     %s: ", label);
        if (!m) {
                printf("nothing\n");
                return;
        }
        printf("%s %c flags=%x serial=%u", m->type < 5 ? types[m->type] : "?", m->wire[0], m->flags,
               m->serial);
        printf(" fields=");
        for (const uint8_t *code = m->order; *code; code++)
                printf("%u", *code);
        if (m->reply_serial)
                printf(" reply_serial=%u", m->reply_serial);
        if (m->path)
                printf(" path=%s", m->path);
        if (m->interface)
                printf(" interface=%s", m->interface);
        if (m->member)
                printf(" member=%s", m->member);
        if (m->error_name)
                printf(" error=%s", m->error_name);
        if (m->sender)
                printf(" sender=%s", m->sender);
        if (m->destination)
                printf(" destination=%s", m->destination);
        printf(" \"%s\" ", m->signature);
        print_bytes(m->body, m->n_body);
        printf("\n");
}

/* elements whose order may differ */

struct element {
        const char *key; /* "" if it is not in a dictionary */
        const char *value;
};

static int element_compare(const void *a, const void *b) {
        const struct element *x = a, *y = b;
        int r = strcmp(x->key, y->key);

        return r ? r : strcmp(x->value, y->value);
}

static size_t align_up(size_t at, size_t alignment) {
        return (at + alignment - 1) & ~(alignment - 1);
}

static const char *take_string(const struct received *m, size_t *at) {
        size_t from = align_up(*at, 4) + 4;

        *at = from + wire_load_u32(m->body + from - 4, m->big_endian) + 1;
        return (const char *)m->body + from;
}

#define N_ELEMENTS 256

/* Store the strings of a body of the type 'as' or 'a{sas}', sorted. Returns their number. */
static size_t list_elements(const struct received *m, struct element elements[N_ELEMENTS]) {
        bool dictionary = strcmp(m->signature, "as") != 0;
        size_t n = 0, at = dictionary ? 8 : 4;

        while (at < m->n_body && n < N_ELEMENTS) {
                size_t end = m->n_body;
                const char *key = "";

                if (dictionary) {
                        at = align_up(at, 8);
                        key = take_string(m, &at);
                        elements[n++] = (struct element){key, ""};
                        at = align_up(at, 4) + 4;
                        end = at + wire_load_u32(m->body + at - 4, m->big_endian);
                }
                while (at < end && n < N_ELEMENTS) {
                        const char *value = take_string(m, &at);

                        elements[n++] = (struct element){key, value};
                }
        }
        qsort(elements, n, sizeof(*elements), element_compare);
        return n;
}

static bool same_set(const struct received *a, const struct received *b) {
        struct element of_a[N_ELEMENTS], of_b[N_ELEMENTS];
        size_t n = list_elements(a, of_a);

        if (n != list_elements(b, of_b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (element_compare(&of_a[i], &of_b[i]) != 0)
                        return false;
        return true;
}

/* the answers of the bus, parts of which may differ */

/* Is m the answer of the bus to the message that this step sent? */
static bool answers(const struct step *step, const struct received *m) {
        return step->parsed && step->kind == STEP_SEND && received_is_from_bus(m) &&
               (m->type == TYPE_RETURN || m->type == TYPE_ERROR) &&
               m->reply_serial == step->sent.serial &&
               (!m->destination || !step->actor_name[0] ||
                !strcmp(m->destination, step->actor_name));
}

static bool same_body(const struct step *step, const struct received *a, const struct received *b) {
        static const char *const free_values[] = {
                "GetId",
                "Introspect",
                "GetStats",
                "GetConnectionStats",
        };
        const char *member = step->parsed ? step->sent.member : NULL;

        if (a->type == TYPE_ERROR && received_is_from_bus(a))
                return a->n_body > 5 && b->n_body > 5;
        if (!member || !answers(step, a))
                return false;
        if (!strcmp(member, "ListNames") || !strcmp(member, "GetAllMatchRules"))
                return same_set(a, b);
        for (size_t i = 0; i < sizeof(free_values) / sizeof(free_values[0]); i++)
                if (!strcmp(member, free_values[i]))
                        return true;
        /* if the call asks about the bus itself, only the length must be the same */
        if (!strcmp(member, "GetConnectionUnixProcessID") ||
            !strcmp(member, "GetConnectionCredentials"))
                return step->sent.n_body > 4 &&
                       !strcmp((const char *)step->sent.body + 4, BUS_NAME) &&
                       a->n_body == b->n_body;
        return false;
}

static bool same_string(const char *a, const char *b) {
        return a == b || (a && b && !strcmp(a, b));
}

bool compare_fields(const struct received *a, const struct received *b) {
        return a->type == b->type && a->flags == b->flags && a->reply_serial == b->reply_serial &&
               a->n_fds == b->n_fds && same_string(a->path, b->path) &&
               same_string(a->interface, b->interface) && same_string(a->member, b->member) &&
               same_string(a->error_name, b->error_name) &&
               same_string(a->destination, b->destination) && same_string(a->sender, b->sender) &&
               same_string(a->signature, b->signature);
}

static bool same_header(const struct received *a, const struct received *b) {
        size_t n = a->body - a->wire;

        if (memcmp(a->wire, b->wire, 4) != 0)
                return false;
        if (n == (size_t)(b->body - b->wire) && a->serial == b->serial &&
            !memcmp(a->wire + 12, b->wire + 12, n - 12))
                return true;
        return received_is_from_bus(a) && compare_fields(a, b);
}

static bool same_message(const struct step *step, const struct received *a,
                         const struct received *b) {
        if (!same_header(a, b))
                return false;
        if (a->n_body == b->n_body && !memcmp(a->body, b->body, a->n_body))
                return true;
        return same_body(step, a, b);
}

/* streams */

struct stream {
        const struct channel *channel;
        size_t at;
        struct received m;
};

static const struct received *stream_get(struct stream *stream) {
        if (stream->at == stream->channel->n_messages)
                return NULL;
        return channel_get(stream->channel, stream->at, &stream->m) ? &stream->m : NULL;
}

static void print_step(const struct world *world, const struct step *step, unsigned long sequence,
                       unsigned number, unsigned client, bool same) {
        static const char *const kinds[] = {"connects", "sends", "closes", "half-closes"};

        printf("# sequence %lu step %u: client %u %s %s; client %u %s sees %s\n", sequence, number,
               step->actor, step->actor_name, kinds[step->kind], client,
               world->clients[client].unique, same ? "the same" : "something else");
        for (unsigned i = 0; i < world->clients[client].n_rules && i < N_RULES; i++)
                printf("#     its rule: %s\n", world->clients[client].rules[i]);
        if (step->kind == STEP_SEND && step->parsed)
                print_message("sent", &step->sent);
        else if (step->kind == STEP_SEND) {
                printf("#     sent: ");
                print_bytes(step->message.data, step->message.n);
                printf("\n");
        }
}

static bool compare_client(struct world *world, const struct step *step, struct client *client) {
        struct stream a = {.channel = &client->channels[SIDE_REFERENCE]};
        struct stream b = {.channel = &client->channels[SIDE_BRIDGE]};

        for (;;) {
                const struct received *m = stream_get(&a), *n = stream_get(&b);
                enum explanation explanation;

                if (!m && !n)
                        break;
                if (m && n && same_message(step, m, n)) {
                        a.at++;
                        b.at++;
                        continue;
                }
                explanation = difference_explain(world, step, client, m, n);
                if (explanation == NOT_EXPLAINED)
                        return false;
                a.at += explanation != ONLY_ON_BRIDGE;
                b.at += explanation != ONLY_ON_REFERENCE;
        }
        return a.channel->closed == b.channel->closed && !a.channel->broken && !b.channel->broken;
}

static void print_streams(struct client *client) {
        static const char *const labels[] = {"dbus-daemon", "bridge     "};

        for (unsigned side = 0; side < N_SIDES; side++) {
                const struct channel *channel = &client->channels[side];

                for (size_t i = 0; i < channel->n_messages; i++) {
                        struct received m;

                        if (channel_get(channel, i, &m))
                                print_message(labels[side], &m);
                        else
                                printf("#     %s: not a message\n", labels[side]);
                }
                if (channel->closed)
                        printf("#     %s: closed\n", labels[side]);
                if (channel->broken)
                        printf("#     %s: waited in vain, or for nonsense\n", labels[side]);
        }
}

bool compare_step(struct world *world, const struct step *step, unsigned long sequence,
                  unsigned number, bool quiet) {
        bool all_same = true;

        for (unsigned i = 0; i < N_CLIENTS; i++) {
                struct client *client = &world->clients[i];
                bool same;

                if (client->channels[SIDE_REFERENCE].fd < 0)
                        continue;
                same = compare_client(world, step, client);
                if ((!same && !quiet) || world->verbose) {
                        print_step(world, step, sequence, number, i, same);
                        print_streams(client);
                }
                all_same &= same;
        }
        return all_same;
}
