/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Match rules: searching the tree of match-node.h
 *
 * At each node that the message meets, the search calls found() for its rules, and then looks up
 * the children that the message meets, too: for each branch, one for each value that a child could
 * have. For a string argument this is the argument itself; for a namespace, the value and each
 * namespace that contains it; for a path argument, also each path that contains it and, if the
 * argument ends with "/", every value below it. So the cost depends on how many different sets of
 * conditions the message meets, but not on how many rules it does not match.
 */

#include <string.h>

#include "base/container-of.h"
#include "bridge/bus/match-node.h"
#include "bridge/bus/name.h"

struct search {
        struct match_index *index;
        struct message *m;
        const struct match_context *context;
        bool eavesdrop;
        int (*found)(struct match_rule *rule, void *userdata);
        void *userdata;

        unsigned has; /* mask of the keys that are in strings and hashes */
        struct wire_string strings[_KEY_MAX];
        uint64_t hashes[_KEY_MAX];
};

static int search_node(struct search *search, const struct match_node *node);

static int search_child(struct search *search, const struct match_node *node,
                        const struct match_branch *branch, const char *value, size_t n_value) {
        const struct match_index *index = search->index;
        uint64_t hash;

        if (n_value > branch->n_value_max)
                return 0;
        hash = match_child_hash(node, branch->kind, branch->arg,
                                hash_bytes(&index->seed, value, n_value));
        node = match_child_find(index, node, branch->kind, branch->arg, value, n_value, hash);
        return node ? search_node(search, node) : 0;
}

/*
 * Search for the value and for each namespace that contains it. A namespace is a prefix of the
 * value that ends before a separator or, if inclusive, with a separator.
 */
static int search_namespaces(struct search *search, const struct match_node *node,
                             const struct match_branch *branch, const struct wire_string *value,
                             char separator, bool inclusive) {
        int r;

        r = search_child(search, node, branch, value->s, value->n);
        for (size_t i = inclusive ? 0 : 1; r == 0 && i < value->n; i++) {
                size_t n = i + inclusive;

                if (n > branch->n_value_max)
                        break;
                if (value->s[i] == separator && n < value->n)
                        r = search_child(search, node, branch, value->s, n);
        }
        return r;
}

/* Search the children whose value is longer than this one, which ends with "/", and begins so. */
static int search_below(struct search *search, const struct match_branch *branch,
                        const struct wire_string *value) {
        struct match_path_node *path = RB_ROOT(&branch->paths), *first = NULL;
        int r = 0;

        while (path) {
                size_t n = path->node.n_value < value->n ? path->node.n_value : value->n;
                int order = memcmp(path->node.value, value->s, n);

                if (order > 0 || (order == 0 && path->node.n_value > value->n)) {
                        first = path;
                        path = RB_LEFT(path, sorted);
                } else
                        path = RB_RIGHT(path, sorted);
        }
        for (path = first; path && r == 0; path = RB_NEXT(match_paths, NULL, path)) {
                if (path->node.n_value <= value->n || memcmp(path->node.value, value->s, value->n))
                        break;
                r = search_node(search, &path->node);
        }
        return r;
}

/* Search for each name that the receiver has. */
static int search_destination(struct search *search, const struct match_node *node,
                              const struct match_branch *branch) {
        const struct wire_string *asked = &search->m->destination;
        const struct client *client = search->context->destination;
        struct name_ownership *ownership;
        int r;

        if (!asked->s)
                return 0;
        r = search_child(search, node, branch, asked->s, asked->n);
        if (r != 0 || !client)
                return r;
        if (client->n_unique_name != asked->n ||
            memcmp(client->unique_name, asked->s, asked->n) != 0)
                r = search_child(search, node, branch, client->unique_name, client->n_unique_name);
        DL_FOREACH2(client->ownerships, ownership, client_next) {
                const struct name *name = ownership->name;

                if (r != 0)
                        return r;
                if (name_ownership_is_primary(ownership) &&
                    (name->n_name != asked->n || memcmp(name->name, asked->s, asked->n) != 0))
                        r = search_child(search, node, branch, name->name, name->n_name);
        }
        return r;
}

static int search_branch(struct search *search, const struct match_node *node,
                         const struct match_branch *branch) {
        static const struct wire_string everything = {"/", 1};
        struct message *m = search->m;
        struct message_arg arg;
        int r;

        switch ((enum match_kind)branch->kind) {
        case MATCH_KEYS:
                return 0;
        case MATCH_DESTINATION:
                return search_destination(search, node, branch);
        case MATCH_PATH_BELOW:
                if (!m->path.s)
                        return 0;
                r = search_namespaces(search, node, branch, &m->path, '/', false);
                if (r == 0 && m->path.n > 1)
                        r = search_child(search, node, branch, everything.s, everything.n);
                return r;
        case MATCH_ARG_EQUAL:
        case MATCH_ARG_BELOW_NAME:
        case MATCH_ARG_PATHS:
                break;
        }

        arg = message_get_arg(m, branch->arg);
        if (arg.type != 's' && (arg.type != 'o' || branch->kind != MATCH_ARG_PATHS))
                return 0;
        if (branch->kind == MATCH_ARG_EQUAL)
                return search_child(search, node, branch, arg.value.s, arg.value.n);
        if (branch->kind == MATCH_ARG_BELOW_NAME)
                return search_namespaces(search, node, branch, &arg.value, '.', false);
        r = search_namespaces(search, node, branch, &arg.value, '/', true);
        if (r == 0 && arg.value.n > 0 && arg.value.s[arg.value.n - 1] == '/')
                r = search_below(search, branch, &arg.value);
        return r;
}

/*
 * Go on with those rules that are asleep only for messages of other users. found() does not wake
 * them: a delivery, even one that fails, does not shorten a queue.
 */
static int search_sleepers(struct search *search, const struct match_node *node) {
        struct match_sleepers *sleepers;
        struct match_rule *rule;
        int r;

        DL_FOREACH(node->sleepers, sleepers) {
                if (sleepers->user == MATCH_ALL_USERS || sleepers->user == search->m->caused_by)
                        continue;
                DL_FOREACH2(sleepers->rules, rule, node_next) {
                        r = search->found(rule, search->userdata);
                        if (r != 0)
                                return r;
                }
        }
        return 0;
}

/* The message meets all conditions of the node. */
static int search_node(struct search *search, const struct match_node *node) {
        struct match_rule *rule, *next;
        int r;

        /* before found() puts more of them to sleep */
        if (node->sleepers && !search->eavesdrop) {
                r = search_sleepers(search, node);
                if (r != 0)
                        return r;
        }
        for (unsigned eavesdrop = search->eavesdrop; eavesdrop < 2; eavesdrop++)
                DL_FOREACH_SAFE2(node->rules[eavesdrop], rule, next, node_next) {
                        r = search->found(rule, search->userdata);
                        if (r != 0)
                                return r;
                }
        for (unsigned i = 0; i < node->n_branches; i++) {
                r = search_branch(search, node, &node->branches[i]);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* the five keys */

/* Does the node have these keys? It has the mask, and the hash of the keys. */
static bool keys_match(const struct search *search, const struct match_node *node) {
        const char *p = node->value;

        if ((node->arg & 1U << KEY_TYPE) && (uint8_t)*p != search->m->type)
                return false;
        p++;
        for (unsigned i = KEY_SENDER; i < _KEY_MAX; i++)
                if (node->arg & 1U << i) {
                        size_t n = strlen(p);

                        if (n != search->strings[i].n || memcmp(p, search->strings[i].s, n) != 0)
                                return false;
                        p += n + 1;
                }
        return true;
}

static int search_keys(struct search *search, unsigned mask) {
        const struct match_index *index = search->index;
        uint64_t hash =
                match_child_hash(NULL, MATCH_KEYS, mask, match_keys_hash(mask, search->hashes));
        struct table_link *link;

        for (link = table_first(&index->nodes, hash); link; link = table_next(link)) {
                const struct match_node *node = container_of(link, struct match_node, link);

                if (!node->parent && node->arg == mask && keys_match(search, node))
                        return search_node(search, node);
        }
        return 0;
}

static void set_key(struct search *search, unsigned key, const char *s, size_t n, uint64_t hash) {
        search->has |= 1U << key;
        search->strings[key] = (struct wire_string){s, n};
        search->hashes[key] = hash;
}

/* Search for a mask with the sender: once for each name that the sender has. */
static int search_sender(struct search *search, unsigned mask) {
        const struct client *sender = search->context->sender;
        struct name_ownership *ownership;
        int r;

        if (!sender)
                return search_keys(search, mask);
        set_key(search, KEY_SENDER, sender->unique_name, sender->n_unique_name,
                sender->unique_hash);
        r = search_keys(search, mask);
        DL_FOREACH2(sender->ownerships, ownership, client_next) {
                const struct name *name = ownership->name;

                if (r != 0)
                        return r;
                if (!name_ownership_is_primary(ownership))
                        continue;
                set_key(search, KEY_SENDER, name->name, name->n_name, name->hash);
                r = search_keys(search, mask);
        }
        return r;
}

/* Hash those fields of the message that some rule has a key for. */
static void hash_fields(struct search *search) {
        const struct message *m = search->m;
        const struct wire_string *fields[_KEY_MAX] = {
                [KEY_PATH] = &m->path,
                [KEY_INTERFACE] = &m->interface,
                [KEY_MEMBER] = &m->member,
        };
        unsigned wanted = 0;

        for (uint32_t masks = search->index->masks; masks; masks &= masks - 1)
                wanted |= __builtin_ctz(masks);

        search->has = 1U << KEY_TYPE | 1U << KEY_SENDER;
        search->hashes[KEY_TYPE] = m->type;
        if ((wanted & 1U << KEY_SENDER) && !search->context->sender)
                set_key(search, KEY_SENDER, BUS_DRIVER_NAME, strlen(BUS_DRIVER_NAME),
                        hash_bytes(&search->index->seed, BUS_DRIVER_NAME, strlen(BUS_DRIVER_NAME)));
        for (unsigned i = KEY_PATH; i <= KEY_MEMBER; i++)
                if ((wanted & 1U << i) && fields[i]->s)
                        set_key(search, i, fields[i]->s, fields[i]->n,
                                hash_bytes(&search->index->seed, fields[i]->s, fields[i]->n));
}

int match_index_search(struct match_index *index, struct message *m,
                       const struct match_context *context, bool eavesdrop,
                       int (*found)(struct match_rule *rule, void *userdata), void *userdata) {
        struct search search = {
                .index = index,
                .m = m,
                .context = context,
                .eavesdrop = eavesdrop,
                .found = found,
                .userdata = userdata,
        };
        int r = 0;

        hash_fields(&search);
        for (uint32_t masks = index->masks; r == 0 && masks; masks &= masks - 1) {
                unsigned mask = __builtin_ctz(masks);

                if (mask & ~search.has)
                        continue;
                r = mask & 1U << KEY_SENDER ? search_sender(&search, mask)
                                            : search_keys(&search, mask);
        }
        return r;
}
