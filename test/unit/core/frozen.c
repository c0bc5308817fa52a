/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A saved core as a test can keep it, see frozen.h */

#include "frozen.h"
#include "acct.h"
#include "inspect.h"
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *allocate(void *p, size_t n, size_t size) {
        p = realloc(p, (n + 1) * size);
        if (!p)
                abort();
        return p;
}

/* A copy in an allocation of its own, so that sanitizers notice whoever uses too much of it. */
static void *copy_of(const void *p, size_t n) {
        void *copy = allocate(NULL, n, 1);

        if (n > 0)
                memcpy(copy, p, n);
        return copy;
}

/* After the last element there is room for one more. */
#define APPEND(frozen, what, value)                                                                \
        do {                                                                                       \
                (frozen)->what =                                                                   \
                        allocate((frozen)->what, (frozen)->n_##what + 1, sizeof(*(frozen)->what)); \
                (frozen)->what[(frozen)->n_##what++] = (value);                                    \
        } while (0)

static int save_peer(void *data, const struct bus1_frozen_peer *peer) {
        APPEND((struct frozen *)data, peers, *peer);
        return 0;
}

static int save_node(void *data, const struct bus1_frozen_node *node) {
        APPEND((struct frozen *)data, nodes, *node);
        return 0;
}

static int save_handle(void *data, const struct bus1_frozen_handle *handle) {
        APPEND((struct frozen *)data, handles, *handle);
        return 0;
}

static int save_payload(void *data, const struct bus1_payload *payload) {
        struct frozen_payload saved = {
                .account = __kuid_val(payload->account),
                .creds = payload->creds,
                .n_data = payload->n_data,
                .data = copy_of(payload->data, payload->n_data),
                .n_files = payload->n_files,
                .files = copy_of(payload->files, payload->n_files * sizeof(*payload->files)),
        };

        get_pid(saved.creds.pid);
        get_pid(saved.creds.tid);
        for (size_t i = 0; i < saved.n_files; i++)
                get_file(saved.files[i]);
        APPEND((struct frozen *)data, payloads, saved);
        return 0;
}

static int save_message(void *data, const struct bus1_frozen_message *message) {
        struct bus1_frozen_message saved = *message;

        saved.handles = copy_of(message->handles, message->n_handles * sizeof(*message->handles));
        APPEND((struct frozen *)data, messages, saved);
        return 0;
}

static int save_notification(void *data, const struct bus1_frozen_notification *notification) {
        APPEND((struct frozen *)data, notifications, *notification);
        return 0;
}

static const struct bus1_saver saver = {
        .peer = save_peer,
        .node = save_node,
        .handle = save_handle,
        .payload = save_payload,
        .message = save_message,
        .notification = save_notification,
};

int frozen_save(struct bus1_accounts *accounts, struct frozen **ret) {
        struct frozen *frozen = calloc(1, sizeof(*frozen));
        struct bus1_save save;
        int r;

        if (!frozen)
                abort();
        r = bus1_save_begin(&save, accounts);
        frozen->counts = save.counts;
        if (r == 0)
                r = bus1_save_peers(&save, &saver, frozen);
        if (r == 0)
                r = bus1_save_rest(&save, &saver, frozen);
        bus1_save_end(&save);
        if (r < 0)
                frozen_free(frozen);
        else
                *ret = frozen;
        return r;
}

void frozen_free(struct frozen *frozen) {
        for (size_t i = 0; i < frozen->n_payloads; i++) {
                struct frozen_payload *payload = &frozen->payloads[i];

                put_pid(payload->creds.pid);
                put_pid(payload->creds.tid);
                for (size_t k = 0; k < payload->n_files; k++)
                        fput(payload->files[k]);
                free(payload->files);
                free(payload->data);
        }
        for (size_t i = 0; i < frozen->n_messages; i++)
                free((void *)frozen->messages[i].handles);
        free(frozen->peers);
        free(frozen->nodes);
        free(frozen->handles);
        free(frozen->payloads);
        free(frozen->messages);
        free(frozen->notifications);
        free(frozen);
}

/* comparing; field by field, because of padding */

static bool payload_is_equal(const struct frozen_payload *a, const struct frozen_payload *b) {
        return a->account == b->account && __kuid_val(a->creds.uid) == __kuid_val(b->creds.uid) &&
               __kgid_val(a->creds.gid) == __kgid_val(b->creds.gid) &&
               pid_nr(a->creds.pid) == pid_nr(b->creds.pid) &&
               pid_nr(a->creds.tid) == pid_nr(b->creds.tid) && a->n_data == b->n_data &&
               memcmp(a->data, b->data, a->n_data) == 0 && a->n_files == b->n_files &&
               memcmp(a->files, b->files, a->n_files * sizeof(*a->files)) == 0;
}

static bool message_is_equal(const struct bus1_frozen_message *a,
                             const struct bus1_frozen_message *b) {
        return a->timestamp == b->timestamp && a->tx == b->tx && a->index == b->index &&
               a->node == b->node && a->payload == b->payload && a->n_handles == b->n_handles &&
               memcmp(a->handles, b->handles, a->n_handles * sizeof(*a->handles)) == 0;
}

bool frozen_is_equal(const struct frozen *a, const struct frozen *b) {
        if (memcmp(&a->counts, &b->counts, sizeof(a->counts)) != 0)
                return false;
        for (size_t i = 0; i < a->n_peers; i++) {
                const struct bus1_frozen_peer *p = &a->peers[i], *q = &b->peers[i];

                if (p->number != q->number || p->uid != q->uid ||
                    p->disconnected != q->disconnected || p->clock != q->clock ||
                    p->last_id != q->last_id)
                        return false;
        }
        for (size_t i = 0; i < a->n_nodes; i++) {
                const struct bus1_frozen_node *p = &a->nodes[i], *q = &b->nodes[i];

                if (p->owner != q->owner || p->id != q->id || p->state != q->state ||
                    p->oneshot != q->oneshot)
                        return false;
        }
        for (size_t i = 0; i < a->n_handles; i++) {
                const struct bus1_frozen_handle *p = &a->handles[i], *q = &b->handles[i];

                if (p->holder != q->holder || p->node != q->node || p->id != q->id ||
                    p->state != q->state || p->copied != q->copied)
                        return false;
        }
        for (size_t i = 0; i < a->n_payloads; i++)
                if (!payload_is_equal(&a->payloads[i], &b->payloads[i]))
                        return false;
        for (size_t i = 0; i < a->n_messages; i++)
                if (!message_is_equal(&a->messages[i], &b->messages[i]))
                        return false;
        for (size_t i = 0; i < a->n_notifications; i++) {
                const struct bus1_frozen_notification *p = &a->notifications[i],
                                                      *q = &b->notifications[i];

                if (p->timestamp != q->timestamp || p->tx != q->tx || p->index != q->index ||
                    p->is_node != q->is_node || p->object != q->object)
                        return false;
        }
        return true;
}

/* restoring */

static int restore_payload(struct bus1_restore *restore, const struct frozen_payload *saved) {
        struct bus1_payload *payload = bus1_payload_new(saved->n_data, saved->n_files);
        int r;

        if (IS_ERR(payload))
                return PTR_ERR(payload);
        memcpy(payload->data, saved->data, saved->n_data);
        payload->creds = saved->creds;
        get_pid(payload->creds.pid);
        get_pid(payload->creds.tid);
        for (size_t i = 0; i < saved->n_files; i++)
                payload->files[i] = get_file(saved->files[i]);
        r = bus1_restore_payload(restore, payload, saved->account);
        bus1_payload_unref(payload);
        return r;
}

static int restore_all(struct bus1_restore *restore, const struct frozen *frozen,
                       const u64 *numbers, size_t n, struct bus1_peer **ret_peers) {
        int r = 0;

        for (size_t i = 0; i < frozen->n_peers && r == 0; i++)
                r = bus1_restore_peer(restore, &frozen->peers[i]);
        for (size_t i = 0; i < n && r == 0; i++)
                r = bus1_restore_claim(restore, numbers[i], &ret_peers[i]);
        for (size_t i = 0; i < frozen->n_nodes && r == 0; i++)
                r = bus1_restore_node(restore, &frozen->nodes[i]);
        for (size_t i = 0; i < frozen->n_handles && r == 0; i++)
                r = bus1_restore_handle(restore, &frozen->handles[i]);
        for (size_t i = 0; i < frozen->n_payloads && r == 0; i++)
                r = restore_payload(restore, &frozen->payloads[i]);
        for (size_t i = 0; i < frozen->n_messages && r == 0; i++)
                r = bus1_restore_message(restore, &frozen->messages[i]);
        for (size_t i = 0; i < frozen->n_notifications && r == 0; i++)
                r = bus1_restore_notification(restore, &frozen->notifications[i]);
        return r == 0 ? bus1_restore_end(restore) : r;
}

int frozen_restore(const struct frozen *frozen, struct bus1_accounts *accounts, const u64 *numbers,
                   size_t n, struct bus1_peer **ret_peers) {
        struct bus1_restore restore;
        int r;

        memset(ret_peers, 0, n * sizeof(*ret_peers));
        r = bus1_restore_begin(&restore, accounts, &frozen->counts);
        if (r == 0)
                r = restore_all(&restore, frozen, numbers, n, ret_peers);
        bus1_restore_abort(&restore);
        for (size_t i = 0; i < n && r < 0; i++)
                ret_peers[i] = bus1_peer_unref(ret_peers[i]);
        return r;
}

/* what the tables look like */

static bool differ(const char *what, u64 which) {
        fprintf(stderr, "%s %llu differs\n", what, (unsigned long long)which);
        return false;
}

static bool accounts_look_equal(struct bus1_accounts *a, struct bus1_accounts *b) {
        u64 key = 0;

        for (;;) {
                struct bus1_account *p = bus1_account_next(a, key, 0);
                struct bus1_account *q = bus1_account_next(b, key, 0);
                bool more = p && q, equal = !p == !q;

                if (more) {
                        equal = p->key == q->key && p->files_sent == q->files_sent &&
                                p->n_shares == q->n_shares && p->n_open == q->n_open &&
                                memcmp(p->used, q->used, sizeof(p->used)) == 0;
                        key = p->key + 1;
                }
                bus1_account_put(p);
                bus1_account_put(q);
                if (!equal)
                        return differ("account", key - 1);
                if (!more)
                        return true;
        }
}

static bool objects_look_equal(struct bus1_accounts *a, struct bus1_accounts *b, u64 number) {
        struct bus1_object_info p, q;
        u64 id = 0;

        for (;;) {
                bool more = bus1_inspect_object(a, number, id, &p);

                if (more != bus1_inspect_object(b, number, id, &q))
                        return false;
                if (!more)
                        return true;
                if (p.id != q.id || p.is_node != q.is_node || p.node != q.node ||
                    p.owner != q.owner || p.oneshot != q.oneshot || p.dead != q.dead)
                        return false;
                id = p.id + 1;
        }
}

bool frozen_looks_equal(struct bus1_accounts *a, struct bus1_accounts *b) {
        struct bus1_peer_info p, q;
        u64 number = 0;

        if (!accounts_look_equal(a, b))
                return false;
        for (;;) {
                bool more = bus1_inspect_peer(a, number, &p);

                if (more != bus1_inspect_peer(b, number, &q))
                        return differ("a peer after", number);
                if (!more)
                        return true;
                if (p.number != q.number || __kuid_val(p.uid) != __kuid_val(q.uid) ||
                    p.disconnected != q.disconnected || p.n_nodes != q.n_nodes ||
                    p.n_handles != q.n_handles || memcmp(p.used, q.used, sizeof(p.used)) != 0 ||
                    p.n_queued != q.n_queued || p.clock != q.clock || p.readable != q.readable)
                        return differ("peer", p.number);
                if (!objects_look_equal(a, b, p.number))
                        return differ("an object of peer", p.number);
                number = p.number + 1;
        }
}
