/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stress test of the core: ledgers and operations, see stress.h
 */

#include "stress.h"

/* content of messages */
struct content {
        uint32_t transaction;
        uint32_t sender;
        uint64_t sequence;
        uint32_t n_transfers;
        uint32_t transfers[MAX_TRANSFERS]; /* the nodes of the handles in the message */
        uint32_t n_filler;
        uint8_t filler[];
};

uint32_t draw(struct worker *worker, uint32_t n) {
        worker->random ^= worker->random << 13;
        worker->random ^= worker->random >> 7;
        worker->random ^= worker->random << 17;
        return (worker->random >> 11) % n;
}

/* ledgers */

static size_t find_node(const struct peer *peer, uint64_t id) {
        for (size_t i = 0; i < peer->n_nodes; i++)
                if (peer->nodes[i].id == id)
                        return i;
        fail("peer %u is told of node %llu, which it does not own", peer->index,
             (unsigned long long)id);
}

static size_t find_handle(const struct peer *peer, uint64_t id) {
        for (size_t i = 0; i < peer->n_handles; i++)
                if (peer->handles[i].id == id)
                        return i;
        fail("peer %u is told of handle %llu, which it does not hold", peer->index,
             (unsigned long long)id);
}

static void add_node(struct peer *peer, uint64_t id, uint32_t node) {
        peer->nodes[peer->n_nodes++] = (struct owned){id, node};
}

static void remove_node(struct peer *peer, size_t i) {
        peer->nodes[i] = peer->nodes[--peer->n_nodes];
}

static void add_handle(struct stress *stress, struct peer *peer, uint64_t id, uint32_t node,
                       bool is_late) {
        if (peer->n_handles == peer->n_handles_allocated) {
                peer->n_handles_allocated = 2 * peer->n_handles_allocated + MAX_HANDLES;
                peer->handles =
                        realloc(peer->handles, peer->n_handles_allocated * sizeof(*peer->handles));
                if (!peer->handles)
                        fail("no memory");
        }
        ++stress->nodes[node].n_held;
        peer->handles[peer->n_handles++] = (struct held){id, node, is_late};
}

static void remove_handle(struct stress *stress, struct peer *peer, size_t i) {
        --stress->nodes[peer->handles[i].node].n_held;
        peer->handles[i] = peer->handles[--peer->n_handles];
}

/*
 * Register a node that is about to be created. Returns HISTORY_NONE if the owner has MAX_NODES, or
 * the run has had max_nodes nodes.
 */
static uint32_t new_node(struct stress *stress, struct peer *owner, bool is_oneshot) {
        uint64_t i;

        if (owner->n_nodes >= MAX_NODES || stress->n_nodes >= stress->max_nodes)
                return HISTORY_NONE;
        i = stress->n_nodes++;
        if (i >= stress->max_nodes)
                return HISTORY_NONE;
        stress->history.nodes[i] =
                (struct history_node){.owner = owner->index, .is_oneshot = is_oneshot};
        return i;
}

/* Register a transaction. Returns false if the run has had all its transactions. */
static bool new_transaction(struct stress *stress, struct peer *sender, bool is_release,
                            uint32_t *ret) {
        uint64_t i = stress->n_transactions++;

        if (i >= stress->max_transactions)
                return false;
        stress->history.transactions[i] = (struct history_transaction){
                .sender = sender->index,
                .is_release = is_release,
        };
        history_append(&stress->history.peers[sender->life], i, HISTORY_NONE);
        *ret = i;
        return true;
}

static void begin_transaction(struct stress *stress, uint32_t transaction) {
        stress->history.transactions[transaction].begin = stress->time++;
}

static void end_transaction(struct stress *stress, uint32_t transaction) {
        stress->history.transactions[transaction].end = stress->time++;
}

/* operations */

static void choose_transfers(struct worker *worker, struct peer *peer, struct content *content,
                             struct bus1_transfer *transfers) {
        struct stress *stress = worker->stress;
        uint32_t n = draw(worker, 3) ? 0 : 1 + draw(worker, MAX_TRANSFERS);

        content->n_transfers = 0;
        for (uint32_t i = 0; i < n; i++) {
                bool is_oneshot = draw(worker, 3) == 0;
                uint32_t node;

                if (draw(worker, 4) == 0) {
                        node = new_node(stress, peer, is_oneshot);
                        if (node == HISTORY_NONE)
                                continue;
                        transfers[content->n_transfers] = (struct bus1_transfer){
                                .flags = BUS1_TRANSFER_FLAG_CREATE |
                                         (is_oneshot ? BUS1_TRANSFER_FLAG_ONESHOT : 0),
                                .id = BUS1_INVALID,
                        };
                } else {
                        const struct held *held = &peer->handles[draw(worker, peer->n_handles)];

                        node = held->node;
                        transfers[content->n_transfers] = (struct bus1_transfer){.id = held->id};
                }
                content->transfers[content->n_transfers++] = node;
        }
}

void do_send(struct worker *worker, struct peer *peer) {
        struct stress *stress = worker->stress;
        struct history_transaction *t;
        struct bus1_transfer transfers[MAX_TRANSFERS];
        uint64_t destinations[HISTORY_MAX_DESTINATIONS], created = 0;
        int32_t errors[HISTORY_MAX_DESTINATIONS] = {1, 1, 1, 1, 1};
        uint32_t transaction, n_destinations = 1, n_filler = draw(worker, 64);
        struct bus1_payload *payload;
        struct content *content;
        int r;

        if (peer->n_handles == 0 || !new_transaction(stress, peer, false, &transaction))
                return;
        t = &stress->history.transactions[transaction];

        if (draw(worker, 3) == 0) {
                n_destinations = 2 + draw(worker, HISTORY_MAX_DESTINATIONS - 1);
                ++stress->n_multicasts;
        }

        payload = bus1_payload_new(sizeof(*content) + n_filler, 0);
        if (IS_ERR(payload))
                fail("no memory");
        content = (struct content *)payload->data;
        content->transaction = transaction;
        content->sender = peer->index;
        content->sequence = ++peer->sequence;
        content->n_filler = n_filler;
        memset(content->filler, (uint8_t)transaction, n_filler);

        t->n_destinations = n_destinations;
        for (uint32_t i = 0; i < n_destinations; i++) {
                const struct held *held = &peer->handles[draw(worker, peer->n_handles)];

                destinations[i] = held->id;
                t->destinations[i] = held->node;
                if (stress->history.nodes[held->node].is_oneshot)
                        stress->nodes[held->node].sent = true;
        }
        choose_transfers(worker, peer, content, transfers);
        for (uint32_t i = 0; i < content->n_transfers; i++)
                if (transfers[i].flags & BUS1_TRANSFER_FLAG_CREATE)
                        created |= 1u << i;
        stress->n_carried += content->n_transfers;

        /*
         * The send uses up each handle to a one-shot node through which it sends. Remove these
         * handles from the ledger now: other threads must not count them as held once the send has
         * happened.
         */
        for (uint32_t i = 0; i < n_destinations; i++) {
                if (!stress->history.nodes[t->destinations[i]].is_oneshot)
                        continue;
                for (size_t k = 0; k < peer->n_handles; k++) {
                        if (peer->handles[k].id == destinations[i]) {
                                remove_handle(stress, peer, k);
                                break;
                        }
                }
        }

        begin_transaction(stress, transaction);
        r = bus1_peer_send(peer->peer, &(struct bus1_send){
                                               .destinations = (const u64 *)destinations,
                                               .n_destinations = n_destinations,
                                               .errors = errors,
                                               .transfers = transfers,
                                               .n_transfers = content->n_transfers,
                                               .payload = payload,
                                       });
        end_transaction(stress, transaction);
        if (r < 0)
                fail("send: %s", strerror(-r));
        for (uint32_t i = 0; i < n_destinations; i++)
                if (errors[i] != 0)
                        fail("send: error %d on success", errors[i]);
        for (uint32_t i = 0; i < content->n_transfers; i++)
                if (created & (1u << i))
                        add_node(peer, transfers[i].id, content->transfers[i]);
        bus1_payload_unref(payload);
}

static void receive_message(struct stress *stress, struct peer *peer, const struct bus1_recv *recv,
                            const struct bus1_transfer *transfers, const struct content *content) {
        size_t i = find_node(peer, recv->id);
        uint32_t node = peer->nodes[i].node;
        uint64_t *last = &stress->last_sequence[content->sender * stress->n_peers + peer->index];

        if (recv->n_transfers != content->n_transfers)
                fail("message with %zu handles instead of %u", recv->n_transfers,
                     content->n_transfers);
        for (uint32_t k = 0; k < content->n_filler; k++)
                if (content->filler[k] != (uint8_t)content->transaction)
                        fail("damaged data");
        if (content->sequence < *last)
                fail("peer %u: messages of sender %u out of order", peer->index, content->sender);
        *last = content->sequence;

        for (uint32_t k = 0; k < content->n_transfers; k++) {
                struct node *n = &stress->nodes[content->transfers[k]];

                if (transfers[k].id == BUS1_INVALID) {
                        if (!n->release && !n->sent)
                                fail("handle of a living node arrives invalid");
                        ++stress->n_invalid;
                } else {
                        if (n->orphaned)
                                fail("the owner was told of the last handle while one was in "
                                     "flight");
                        add_handle(stress, peer, transfers[k].id, content->transfers[k], false);
                }
        }

        history_append(&stress->history.peers[peer->life], content->transaction, node);
        if (stress->history.nodes[node].is_oneshot)
                remove_node(peer, i);
        ++stress->n_received;
}

static void receive_node_release(struct stress *stress, struct peer *peer, uint64_t id) {
        size_t i = find_handle(peer, id);
        uint32_t node = peer->handles[i].node;
        uint32_t release = stress->nodes[node].release;

        if (stress->history.nodes[node].is_oneshot) {
                if (!release && !stress->nodes[node].sent)
                        fail("release of a one-shot node that lives");
        } else if (!release) {
                fail("release of a node that lives");
        } else if (!peer->handles[i].is_late) {
                history_append(&stress->history.peers[peer->life], release - 1, node);
        }
        remove_handle(stress, peer, i);
        ++stress->n_node_releases;
}

static void receive_handle_release(struct stress *stress, struct peer *peer, uint64_t id) {
        size_t i = find_node(peer, id);
        struct node *node = &stress->nodes[peer->nodes[i].node];

        if (node->n_held > 0)
                fail("the owner is told that the last handle is gone, but %d are held",
                     node->n_held);
        if (node->sent)
                fail("a one-shot node had a message and loses its last handle");
        node->orphaned = true;
        remove_node(peer, i);
        ++stress->n_handle_releases;
}

bool do_receive(struct stress *stress, struct peer *peer) {
        struct bus1_transfer transfers[MAX_TRANSFERS];
        struct content *content = NULL;
        struct bus1_recv recv;
        int r;

        /* Sometimes only look: the handles in a message get IDs, but the message stays queued. */
        if (++peer->n_looks % 5 == 0)
                return look_at_message(peer->peer);

        r = bus1_peer_recv_begin(peer->peer, &recv);
        if (r == -EAGAIN)
                return false;
        if (r < 0)
                fail("receive: %s", strerror(-r));

        if (recv.payload) {
                content = malloc(recv.payload->n_data);
                if (!content)
                        fail("no memory");
                memcpy(content, recv.payload->data, recv.payload->n_data);
        }
        if (recv.n_transfers > MAX_TRANSFERS)
                fail("message with %zu handles", recv.n_transfers);
        for (size_t i = 0; i < recv.n_transfers; i++)
                transfers[i] = bus1_recv_transfer(&recv, i);

        r = bus1_peer_recv_commit(&recv);
        if (r < 0)
                fail("receive: %s", strerror(-r));

        switch (recv.type) {
        case BUS1_MESSAGE_TYPE_USER:
                receive_message(stress, peer, &recv, transfers, content);
                break;
        case BUS1_MESSAGE_TYPE_NODE_RELEASE:
                receive_node_release(stress, peer, recv.id);
                break;
        case BUS1_MESSAGE_TYPE_HANDLE_RELEASE:
                receive_handle_release(stress, peer, recv.id);
                break;
        }
        free(content);
        return true;
}

static void release(struct stress *stress, struct peer *peer, const uint64_t *ids, size_t n) {
        int r = bus1_peer_release(peer->peer, (const u64 *)ids, n);

        if (r < 0)
                fail("release: %s", strerror(-r));
}

void do_release(struct worker *worker, struct peer *peer, uint32_t n_nodes, uint32_t n_handles) {
        struct stress *stress = worker->stress;
        uint64_t ids[MAX_HANDLES];
        uint32_t transaction;
        size_t n = 0;

        if (!new_transaction(stress, peer, true, &transaction))
                return;
        for (; n_nodes > 0 && peer->n_nodes > 0; --n_nodes) {
                size_t i = draw(worker, peer->n_nodes);
                uint32_t node = peer->nodes[i].node;

                ids[n++] = peer->nodes[i].id;
                stress->nodes[node].release = transaction + 1;
                stress->history.nodes[node].is_released = true;
                remove_node(peer, i);
        }
        for (; n_handles > 0 && peer->n_handles > 0; --n_handles) {
                size_t i = draw(worker, peer->n_handles);

                ids[n++] = peer->handles[i].id;
                remove_handle(stress, peer, i);
        }
        begin_transaction(stress, transaction);
        release(stress, peer, ids, n);
        end_transaction(stress, transaction);
}

void new_peer(struct stress *stress, struct peer *peer) {
        peer->life = stress->n_lives++;
        /* The peers belong to three users, so that the core must divide limits into shares. */
        peer->peer =
                bus1_peer_new(stress->accounts, KUIDT_INIT(1000 + peer->index % 3), NULL, NULL);
        if (IS_ERR(peer->peer))
                fail("no memory");
}

void do_die(struct stress *stress, struct peer *peer) {
        uint32_t transaction;

        if (!new_transaction(stress, peer, true, &transaction))
                return;
        while (peer->n_nodes > 0) {
                stress->nodes[peer->nodes[0].node].release = transaction + 1;
                stress->history.nodes[peer->nodes[0].node].is_released = true;
                remove_node(peer, 0);
        }
        while (peer->n_handles > 0)
                remove_handle(stress, peer, 0);
        begin_transaction(stress, transaction);
        if (transaction % 2) {
                /* After a reset, the same peer begins another life, with a new history. */
                if (bus1_peer_reset(peer->peer) < 0)
                        fail("reset");
                end_transaction(stress, transaction);
                peer->life = stress->n_lives++;
                return;
        }
        bus1_peer_disconnect(peer->peer);
        end_transaction(stress, transaction);
        bus1_peer_unref(peer->peer);
        new_peer(stress, peer);
}

void do_transfer(struct worker *worker, struct peer *from, struct peer *to) {
        struct stress *stress = worker->stress;
        struct bus1_transfer src = {.flags = BUS1_TRANSFER_FLAG_CREATE, .id = BUS1_INVALID}, dst;
        bool is_new = from->n_handles == 0 || draw(worker, 2);
        uint32_t node;
        int r;

        if (to->n_handles >= MAX_HANDLES)
                return;
        if (is_new) {
                node = new_node(stress, from, false);
                if (node == HISTORY_NONE)
                        return;
        } else {
                size_t i = draw(worker, from->n_handles);

                node = from->handles[i].node;
                src = (struct bus1_transfer){.id = from->handles[i].id};
        }
        r = bus1_peer_transfer(from->peer, to->peer, &src, &dst, 1);
        if (r < 0)
                fail("transfer: %s", strerror(-r));
        if (is_new)
                add_node(from, src.id, node);
        add_handle(stress, to, dst.id, node, stress->nodes[node].release != 0);
}

void do_release_handles(struct stress *stress, struct peer *peer) {
        uint64_t *ids = calloc(peer->n_handles + 1, sizeof(*ids));
        size_t n = 0;

        if (!ids)
                fail("no memory");
        while (peer->n_handles > 0) {
                ids[n++] = peer->handles[0].id;
                remove_handle(stress, peer, 0);
        }
        release(stress, peer, ids, n);
        free(ids);
}
