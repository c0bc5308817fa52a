/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Generator: random names, bodies, match rules and messages of clients. Most of them are valid. */

#include <stdio.h>
#include <string.h>

#include "test/conformance/differential/generate.h"

#define PICK(random, array) ((array)[random_below(random, sizeof(array) / sizeof((array)[0]))])

static const char *const well_known[] = {
        "com.example.A",
        "com.example.B",
        "com.example.A.Sub",
        "com.example.C-d",
        "org.freedesktop.DBus.Local",
};
static const char *const invalid_names[] = {
        "", "foo", ".a.b", "a..b", "com.example.", "com.1example", "com.ex ample", "a.b/c",
};
static const char *const odd_names[] = {
        BUS_NAME, ":1.99999", ":1", ":", ":a.b.c", "com.example.None", ":1.2.3", "a.b",
};
static const char *const paths[] = {
        "/", "/a", "/a/b", "/ab", "/a/b/c", BUS_PATH, "/com/example/Object",
};
static const char *const invalid_paths[] = {"", "a", "/a/", "//", "/a-b", "/a//b"};
static const char *const interfaces[] = {
        "com.example.I",
        "com.example.J",
        "com.example.I.Sub",
        "org.freedesktop.DBus",
        "org.freedesktop.DBus.Peer",
        "org.freedesktop.DBus.Properties",
};
static const char *const members[] = {"M", "N", "Ping", "NameOwnerChanged", "_x"};
static const char *const errors[] = {
        "com.example.Error.Failed",
        "org.freedesktop.DBus.Error.Failed",
};
static const char *const texts[] = {
        "",
        "a",
        "com.example",
        "com.example.A",
        "com.example.A.Sub",
        "/a",
        "/a/",
        "/a/b",
        "/",
        "it's",
        "a,b",
        "\\",
        "x=y",
        " a ",
        "\xc3\xa9",
        "com.example.",
};
static const char *const signatures[] = {
        "s",  "s", "ss", "sss", "so", "o",    "os",        "su", "u",  "as",  "a{sv}", "v", "(ss)",
        "ay", "b", "d",  "t",   "g",  "nqix", "a(sa{sv})", "vv", "av", "aay", "sas",   "y", "h",
};

/* names */

/* The unique name of a random client; :1.0 if eight tries find no client with such a name. */
static const char *pick_unique(struct world *world) {
        for (unsigned i = 0; i < 8; i++) {
                const struct client *client =
                        &world->clients[random_below(&world->random, N_CLIENTS)];

                if (client->unique[0])
                        return client->unique;
        }
        return ":1.0";
}

const char *generate_name(struct world *world) {
        unsigned at = random_below(&world->random, 100);

        if (at < 55)
                return PICK(&world->random, well_known);
        if (at < 80)
                return pick_unique(world);
        if (at < 90)
                return PICK(&world->random, odd_names);
        return PICK(&world->random, invalid_names);
}

/* bodies */

static const char *put_value(struct world *world, struct bytes *b, const char *type,
                             unsigned depth);

static const char *skip_type(const char *type) {
        unsigned depth = 0;

        for (;; type++) {
                if (*type == '(' || *type == '{')
                        depth++;
                else if (*type == ')' || *type == '}')
                        depth--;
                else if (*type == 'a')
                        continue;
                if (depth == 0)
                        return type + 1;
        }
}

static void put_array(struct world *world, struct bytes *b, const char *element, unsigned depth) {
        unsigned n = random_below(&world->random, 3);
        size_t length_at, from;

        bytes_u32(b, 0);
        length_at = b->n - 4;
        if (strchr("({xtd", *element))
                bytes_align(b, 8);
        else if (strchr("asoiuhb", *element))
                bytes_align(b, 4);
        else if (strchr("nq", *element))
                bytes_align(b, 2);
        from = b->n;
        for (unsigned i = 0; i < n; i++)
                put_value(world, b, element, depth + 1);
        bytes_set_u32(b, length_at, b->n - from);
}

static void put_variant(struct world *world, struct bytes *b, unsigned depth) {
        static const char *const types[] = {"s", "u", "as", "(su)", "v", "a{sv}", "o", "t"};
        const char *type = depth > 3 ? "s" : PICK(&world->random, types);

        bytes_signature(b, type);
        put_value(world, b, type, depth + 1);
}

/* Append a value of the first complete type. Returns the rest of the signature. */
static const char *put_value(struct world *world, struct bytes *b, const char *type,
                             unsigned depth) {
        struct random *random = &world->random;

        switch (*type) {
        case 'y':
                bytes_u8(b, random_next(random));
                break;
        case 'n':
        case 'q':
                bytes_u16(b, random_next(random));
                break;
        case 'b':
                bytes_u32(b, random_below(random, 2));
                break;
        case 'i':
        case 'u':
        case 'h':
                bytes_u32(b, random_below(random, 8));
                break;
        case 'x':
        case 't':
        case 'd':
                bytes_u64(b, random_next(random));
                break;
        case 's':
                bytes_string(b, random_percent(random, 40) ? generate_name(world)
                                                           : PICK(random, texts));
                break;
        case 'o':
                bytes_string(b, PICK(random, paths));
                break;
        case 'g':
                bytes_signature(b, PICK(random, signatures));
                break;
        case 'v':
                put_variant(world, b, depth);
                break;
        case 'a':
                put_array(world, b, type + 1, depth);
                break;
        default: /* a struct or dictionary entry */
                bytes_align(b, 8);
                for (const char *t = type + 1; *t != ')' && *t != '}';)
                        t = put_value(world, b, t, depth + 1);
        }
        return skip_type(type);
}

void generate_body(struct world *world, struct draft *draft, const char *signature) {
        draft->signature = *signature ? signature : NULL;
        while (*signature)
                signature = put_value(world, &draft->body, signature, 0);
}

/* match rules */

static void put_key(struct world *world, char *rule, size_t size) {
        static const char *const keys[] = {
                "type",      "type",          "type",      "sender", "destination",
                "interface", "interface",     "member",    "path",   "path_namespace",
                "arg0",      "arg0",          "arg1",      "arg02",  "arg0path",
                "arg1path",  "arg0namespace", "eavesdrop", "arg63",
        };
        static const char *const odd_keys[] = {
                "arg64", "log", "TYPE", "arg", "arg1namespace", "arg0x", "arg-1", " path",
        };
        static const char *const types[] = {"signal", "signal", "method_call", "method_return",
                                            "error"};
        struct random *random = &world->random;
        const char *key = random_percent(random, 98) ? PICK(random, keys) : PICK(random, odd_keys);
        const char *value, *blank = random_percent(random, 95) ? "" : " ";
        char quoted[300];

        if (random_percent(random, 4))
                value = PICK(random, texts);
        else if (!strcmp(key, "type"))
                value = PICK(random, types);
        else if (!strcmp(key, "sender") || !strcmp(key, "destination"))
                value = random_percent(random, 50) ? pick_unique(world) : generate_name(world);
        else if (!strcmp(key, "interface"))
                value = PICK(random, interfaces);
        else if (!strcmp(key, "member"))
                value = PICK(random, members);
        else if (!strcmp(key, "path") || !strcmp(key, "path_namespace"))
                value = random_percent(random, 95) ? PICK(random, paths)
                                                   : PICK(random, invalid_paths);
        else if (!strcmp(key, "eavesdrop"))
                value = random_percent(random, 70) ? "true" : "false";
        else
                value = random_percent(random, 30) ? generate_name(world) : PICK(random, texts);

        switch (random_percent(random, 90) ? 0 : random_below(random, 10)) {
        default:
                snprintf(quoted, sizeof(quoted), "'%s'", value);
                break;
        case 3:
                snprintf(quoted, sizeof(quoted), "%s", value);
                break;
        case 4:
                snprintf(quoted, sizeof(quoted), " '%s'", value);
                break;
        case 5:
                snprintf(quoted, sizeof(quoted), "'%s", value);
                break;
        case 6:
                snprintf(quoted, sizeof(quoted), "''%s\\'", value);
                break;
        case 7:
                snprintf(quoted, sizeof(quoted), "'%s' ", value);
                break;
        case 8:
                snprintf(quoted, sizeof(quoted), "\\%s", value);
                break;
        case 9:
                snprintf(quoted, sizeof(quoted), "%s\\,a\\", value);
                break;
        }
        snprintf(rule + strlen(rule), size - strlen(rule), "%s%s=%s", key, blank, quoted);
}

void generate_rule(struct world *world, char *rule, size_t size) {
        struct random *random = &world->random;
        unsigned n = random_below(random, 4);

        rule[0] = 0;
        for (unsigned i = 0; i < n; i++) {
                if (i > 0)
                        strncat(rule, random_percent(random, 95) ? "," : ", ",
                                size - strlen(rule) - 1);
                put_key(world, rule, size);
        }
        if (random_percent(random, 2))
                strncat(rule, ",", size - strlen(rule) - 1);
}

/* messages between clients */

static const char *pick_destination(struct world *world) {
        struct random *random = &world->random;
        unsigned at = random_below(random, 100);

        if (at < 50)
                return pick_unique(world);
        if (at < 85)
                return PICK(random, well_known);
        if (at < 95)
                return PICK(random, odd_names);
        return random_percent(random, 20) ? PICK(random, invalid_names) : "com.example.None";
}

static void generate_reply(struct world *world, struct draft *draft, const struct client *actor) {
        struct random *random = &world->random;

        if (actor->n_pending > 0 && random_percent(random, 85)) {
                const struct pending *pending =
                        &actor->pending[random_below(random, actor->n_pending)];

                draft->destination = pending->caller;
                draft->reply_serial = pending->serial;
        } else {
                draft->destination = pick_destination(world);
                draft->reply_serial = 1 + random_below(random, 20);
                /*
                 * With a low serial, this reply could by chance answer a call of the owner of the
                 * name.
                 */
                if (draft->destination[0] != ':')
                        draft->reply_serial += 0x40000000;
                if (random_percent(random, 5))
                        draft->destination = NULL;
        }
        if (random_percent(random, 50))
                draft->type = TYPE_RETURN;
        else {
                draft->type = TYPE_ERROR;
                draft->error_name = PICK(random, errors);
        }
}

void generate_send(struct world *world, struct draft *draft, const struct client *actor) {
        struct random *random = &world->random;
        unsigned at = random_below(random, 100);

        if (at < 25 || (actor->n_pending > 0 && at < 50)) {
                generate_reply(world, draft, actor);
        } else {
                draft->path = PICK(random, paths);
                draft->member = PICK(random, members);
                draft->interface = PICK(random, interfaces);
                if (at < 70) {
                        draft->type = TYPE_CALL;
                        if (random_percent(random, 20))
                                draft->interface = NULL;
                        if (random_percent(random, 97))
                                draft->destination = pick_destination(world);
                } else {
                        draft->type = TYPE_SIGNAL;
                        if (random_percent(random, 30))
                                draft->destination = pick_destination(world);
                }
                if (random_percent(random, 1))
                        draft->path = "/org/freedesktop/DBus/Local";
                if (random_percent(random, 1) && draft->interface)
                        draft->interface = "org.freedesktop.DBus.Local";
                if (random_percent(random, 1))
                        draft->path = PICK(random, invalid_paths);
        }
        if (random_percent(random, 3))
                draft->reply_serial += 1 + random_below(random, 20);
        if (random_percent(random, 70))
                generate_body(world, draft, PICK(random, signatures));
}

/* parts of all messages */

void generate_trimmings(struct world *world, struct draft *draft) {
        struct random *random = &world->random;
        unsigned at = random_below(random, 100);

        if (at < 12)
                draft->flags = FLAG_NO_REPLY;
        else if (at < 18)
                draft->flags = FLAG_NO_AUTO_START;
        else if (at < 21)
                draft->flags = FLAG_NO_REPLY | FLAG_NO_AUTO_START;
        else if (at < 25)
                draft->flags = 4;
        else if (at < 30)
                draft->flags = random_next(random);
        draft->order = random_percent(random, 60) ? 0 : random_below(random, 16);
        if (random_percent(random, 8))
                draft->n_unknown_fields = 1 + random_below(random, 2);
        if (random_percent(random, 6))
                draft->sender =
                        random_percent(random, 90) ? pick_unique(world) : generate_name(world);
}
