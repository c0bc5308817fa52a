/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/native/state-core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "bridge/state/load.h"
#include "bridge/state/save.h"
#include "kernel/hosted/freeze.h"
#include "libbus1/hosted-protocol.h"

#define DOMAIN "CoreDomain"
#define PEERS "CorePeers"
#define SERVED "CoreServed"
#define LOCAL "CoreLocal"
#define NODES "CoreNodes"
#define HANDLES "CoreHandles"
#define PAYLOAD "CorePayload"
#define MESSAGES "CoreMessages"
#define NOTIFICATIONS "CoreNotifications"

#define PEERS_SIGNATURE "a(tubtt)"
#define NODES_SIGNATURE "a(ttub)"
#define HANDLES_SIGNATURE "a(tutub)"
#define MESSAGES_SIGNATURE "a(ttuuuau)"
#define NOTIFICATIONS_SIGNATURE "a(ttubu)"

/* A record has at most as many structures, so that it does not get too large. */
#define ITEMS_MAX 256

/* the handles of one message; the core takes no more */
#define MESSAGE_HANDLES_MAX 1024

/* saving */

struct core_save {
        struct state_save *save;
        const char *kind; /* of the record whose array is open; NULL: there is none */
        struct writer *w;
        unsigned n; /* structures in it */
};

static void end_items(struct core_save *core) {
        if (!core->kind)
                return;
        writer_array_end(core->w);
        state_record_end(core->save);
        core->kind = NULL;
}

/* Begin a structure in a record of this kind, which stays open for the next one. */
static struct writer *put_item(struct core_save *core, const char *kind, const char *signature) {
        if (core->kind != kind || core->n == ITEMS_MAX) {
                end_items(core);
                state_record_begin(core->save, kind);
                core->kind = kind;
                core->w = state_put(core->save, "items", signature);
                core->n = 0;
                writer_array_begin(core->w, 8);
        }
        core->n++;
        writer_struct(core->w);
        return core->w;
}

static int save_domain(void *data, const struct hosted_frozen_domain *domain) {
        struct core_save *core = data;
        struct state_save *save = core->save;

        state_record_begin(save, DOMAIN);
        state_put_u32(save, "protocol", BUS1_HOSTED_MAGIC);
        state_put_bytes(save, "id", domain->id, sizeof(domain->id));
        state_put_u64(save, "last_served", domain->last_served);
        state_put_u64(save, "n_served", domain->n_served);
        state_put_u64(save, "n_locals", domain->n_locals);
        state_put_u64(save, "last_peer", domain->core.last_peer);
        state_put_u64(save, "n_peers", domain->core.n_peers);
        state_put_u64(save, "n_nodes", domain->core.n_nodes);
        state_put_u64(save, "n_handles", domain->core.n_handles);
        state_put_u64(save, "n_payloads", domain->core.n_payloads);
        state_put_u64(save, "n_messages", domain->core.n_messages);
        state_put_u64(save, "n_notifications", domain->core.n_notifications);
        state_record_end(save);
        return save->error;
}

static int save_peer(void *data, const struct bus1_frozen_peer *peer) {
        struct core_save *core = data;
        struct writer *w = put_item(core, PEERS, PEERS_SIGNATURE);

        writer_u64(w, peer->number);
        writer_u32(w, peer->uid);
        writer_bool(w, peer->disconnected);
        writer_u64(w, peer->clock);
        writer_u64(w, peer->last_id);
        return core->save->error;
}

static int save_served(void *data, const struct hosted_frozen_served *served) {
        struct core_save *core = data;
        struct state_save *save = core->save;

        end_items(core);
        state_record_begin(save, SERVED);
        state_put_u64(save, "peer", served->peer);
        state_put_u64(save, "id", served->id);
        state_put_bytes(save, "secret", served->secret, sizeof(served->secret));
        state_put_u64(save, "cookie", served->cookie);
        state_put_u32(save, "gid", served->gid);
        state_put_u32(save, "pid", (uint32_t)served->pid);
        state_put_fd(save, "fd", served->fd);
        if (served->bell_fd >= 0)
                state_put_fd(save, "fd_bell", served->bell_fd);
        state_put_bool(save, "rung", served->rung);
        state_put_bool(save, "reading", served->reading);
        state_record_end(save);
        return save->error;
}

static int save_local(void *data, const struct hosted_frozen_local *local) {
        struct core_save *core = data;
        struct state_save *save = core->save;

        end_items(core);
        state_record_begin(save, LOCAL);
        state_put_u64(save, "peer", local->peer);
        state_put_bool(save, "ready", local->ready);
        state_record_end(save);
        return save->error;
}

static int save_node(void *data, const struct bus1_frozen_node *node) {
        struct core_save *core = data;
        struct writer *w = put_item(core, NODES, NODES_SIGNATURE);

        writer_u64(w, node->owner);
        writer_u64(w, node->id);
        writer_u32(w, node->state);
        writer_bool(w, node->oneshot);
        return core->save->error;
}

static int save_handle(void *data, const struct bus1_frozen_handle *handle) {
        struct core_save *core = data;
        struct writer *w = put_item(core, HANDLES, HANDLES_SIGNATURE);

        writer_u64(w, handle->holder);
        writer_u32(w, handle->node);
        writer_u64(w, handle->id);
        writer_u32(w, handle->state);
        writer_bool(w, handle->copied);
        return core->save->error;
}

static int save_payload(void *data, const struct hosted_frozen_payload *payload) {
        struct core_save *core = data;
        struct state_save *save = core->save;

        end_items(core);
        state_record_begin(save, PAYLOAD);
        state_put_u32(save, "account", payload->account);
        state_put_u32(save, "uid", payload->uid);
        state_put_u32(save, "gid", payload->gid);
        state_put_u32(save, "pid", (uint32_t)payload->pid);
        state_put_u32(save, "tid", (uint32_t)payload->tid);
        state_put_bytes(save, "data", payload->data, payload->n_data);
        state_put_fds(save, "fds", payload->fds, payload->n_fds);
        state_record_end(save);
        return save->error;
}

static int save_message(void *data, const struct bus1_frozen_message *message) {
        struct core_save *core = data;
        struct writer *w = put_item(core, MESSAGES, MESSAGES_SIGNATURE);

        writer_u64(w, message->timestamp);
        writer_u64(w, message->tx);
        writer_u32(w, message->index);
        writer_u32(w, message->node);
        writer_u32(w, message->payload);
        writer_array_begin(w, 4);
        for (size_t i = 0; i < message->n_handles; i++)
                writer_u32(w, message->handles[i]);
        writer_array_end(w);
        return core->save->error;
}

static int save_notification(void *data, const struct bus1_frozen_notification *notification) {
        struct core_save *core = data;
        struct writer *w = put_item(core, NOTIFICATIONS, NOTIFICATIONS_SIGNATURE);

        writer_u64(w, notification->timestamp);
        writer_u64(w, notification->tx);
        writer_u32(w, notification->index);
        writer_bool(w, notification->is_node);
        writer_u32(w, notification->object);
        return core->save->error;
}

static const struct hosted_saver saver = {
        .domain = save_domain,
        .peer = save_peer,
        .served = save_served,
        .local = save_local,
        .node = save_node,
        .handle = save_handle,
        .payload = save_payload,
        .message = save_message,
        .notification = save_notification,
};

void core_save(struct bus1_domain *domain, struct bus1_client *peer, struct state_save *save) {
        struct core_save core = {.save = save};
        int r;

        if (save->error)
                return;
        r = hosted_freeze(domain, &peer, 1, &saver, &core);
        end_items(&core);
        if (r == -EBUSY)
                state_refuse(save, "the core that the bus hosts is in use");
        else if (r < 0 && !save->error)
                save->error = r;
}

/* loading */

/* The result of a function of the core that has taken what was in the record. */
static int result(struct state_load *load, int r) {
        if (r == -ENOMEM)
                return state_fail_memory(load);
        return r < 0 ? state_fail(load, NULL, "no core can be like this: %s", strerror(-r)) : 0;
}

static int get_bytes(struct state_load *load, const char *name, uint8_t *bytes, size_t n) {
        const uint8_t *from = NULL;
        size_t n_from = 0;

        if (state_get_bytes(load, name, &from, &n_from) < 0)
                return load->error;
        if (n_from != n)
                return state_fail(load, name, "%zu bytes are needed", n);
        memcpy(bytes, from, n);
        return 0;
}

/* The core has another type for numbers of 64 bits. */
static int get_counts(struct state_load *load, struct bus1_frozen_counts *ret_counts) {
        uint64_t last_peer = 0, n_peers = 0, n_nodes = 0, n_handles = 0, n_payloads = 0;
        uint64_t n_messages = 0, n_notifications = 0;

        state_get_u64(load, "last_peer", &last_peer);
        state_get_u64(load, "n_peers", &n_peers);
        state_get_u64(load, "n_nodes", &n_nodes);
        state_get_u64(load, "n_handles", &n_handles);
        state_get_u64(load, "n_payloads", &n_payloads);
        state_get_u64(load, "n_messages", &n_messages);
        state_get_u64(load, "n_notifications", &n_notifications);
        *ret_counts = (struct bus1_frozen_counts){
                .last_peer = last_peer,
                .n_peers = n_peers,
                .n_nodes = n_nodes,
                .n_handles = n_handles,
                .n_payloads = n_payloads,
                .n_messages = n_messages,
                .n_notifications = n_notifications,
        };
        return load->error;
}

static int load_domain(struct hosted_thaw **thaw, struct state_load *load) {
        struct hosted_frozen_domain domain = {};
        uint32_t protocol = 0;

        if (*thaw)
                return state_fail(load, NULL, "there is a second one");
        state_get_u32(load, "protocol", &protocol);
        get_bytes(load, "id", domain.id, sizeof(domain.id));
        state_get_u64(load, "last_served", &domain.last_served);
        state_get_u64(load, "n_served", &domain.n_served);
        state_get_u64(load, "n_locals", &domain.n_locals);
        if (get_counts(load, &domain.core) < 0)
                return load->error;
        if (protocol != BUS1_HOSTED_MAGIC)
                return state_fail(load, "protocol", "native programs speak another one");
        return result(load, hosted_thaw_new(&domain, thaw));
}

static int load_served(struct hosted_thaw *thaw, struct state_load *load) {
        struct hosted_frozen_served served = {.bell_fd = -1};
        uint32_t pid = 0;

        state_get_u64(load, "peer", &served.peer);
        state_get_u64(load, "id", &served.id);
        get_bytes(load, "secret", served.secret, sizeof(served.secret));
        state_get_u64(load, "cookie", &served.cookie);
        state_get_u32(load, "gid", &served.gid);
        state_get_u32(load, "pid", &pid);
        state_get_fd(load, "fd", S_IFSOCK, &served.fd);
        if (state_has(load, "fd_bell"))
                state_get_fd(load, "fd_bell", S_IFSOCK, &served.bell_fd);
        state_get_bool(load, "rung", &served.rung);
        if (state_get_bool(load, "reading", &served.reading) < 0)
                return load->error;
        served.pid = (int32_t)pid;
        return result(load, hosted_thaw_served(thaw, &served));
}

static int load_local(struct hosted_thaw *thaw, struct state_load *load) {
        struct hosted_frozen_local local = {};

        state_get_u64(load, "peer", &local.peer);
        if (state_get_bool(load, "ready", &local.ready) < 0)
                return load->error;
        return result(load, hosted_thaw_local(thaw, &local));
}

static int load_payload(struct hosted_thaw *thaw, struct state_load *load) {
        struct hosted_frozen_payload payload = {};
        uint32_t pid = 0, tid = 0;
        CLEANUP_FREE int *fds = NULL;

        state_get_u32(load, "account", &payload.account);
        state_get_u32(load, "uid", &payload.uid);
        state_get_u32(load, "gid", &payload.gid);
        state_get_u32(load, "pid", &pid);
        state_get_u32(load, "tid", &tid);
        state_get_bytes(load, "data", &payload.data, &payload.n_data);
        if (state_get_fds(load, "fds", STATE_FDS_MAX, &fds, &payload.n_fds) < 0)
                return load->error;
        payload.pid = (int32_t)pid;
        payload.tid = (int32_t)tid;
        payload.fds = fds;
        return result(load, hosted_thaw_payload(thaw, &payload));
}

static int load_peer(struct hosted_thaw *thaw, struct reader *r) {
        struct bus1_frozen_peer peer;

        peer.number = reader_u64(r);
        peer.uid = reader_u32(r);
        peer.disconnected = reader_u32(r);
        peer.clock = reader_u64(r);
        peer.last_id = reader_u64(r);
        return hosted_thaw_peer(thaw, &peer);
}

static int load_node(struct hosted_thaw *thaw, struct reader *r) {
        struct bus1_frozen_node node;

        node.owner = reader_u64(r);
        node.id = reader_u64(r);
        node.state = reader_u32(r);
        node.oneshot = reader_u32(r);
        return hosted_thaw_node(thaw, &node);
}

static int load_handle(struct hosted_thaw *thaw, struct reader *r) {
        struct bus1_frozen_handle handle;

        handle.holder = reader_u64(r);
        handle.node = reader_u32(r);
        handle.id = reader_u64(r);
        handle.state = reader_u32(r);
        handle.copied = reader_u32(r);
        return hosted_thaw_handle(thaw, &handle);
}

static int load_message(struct hosted_thaw *thaw, struct reader *r) {
        struct bus1_frozen_message message = {};
        uint32_t handles[MESSAGE_HANDLES_MAX];
        const uint8_t *end;

        message.timestamp = reader_u64(r);
        message.tx = reader_u64(r);
        message.index = reader_u32(r);
        message.node = reader_u32(r);
        message.payload = reader_u32(r);
        reader_array(r, 4, &end);
        while (r->at < end) {
                if (message.n_handles == MESSAGE_HANDLES_MAX)
                        return -EBADMSG;
                handles[message.n_handles++] = reader_u32(r);
        }
        message.handles = handles;
        return hosted_thaw_message(thaw, &message);
}

static int load_notification(struct hosted_thaw *thaw, struct reader *r) {
        struct bus1_frozen_notification notification;

        notification.timestamp = reader_u64(r);
        notification.tx = reader_u64(r);
        notification.index = reader_u32(r);
        notification.is_node = reader_u32(r);
        notification.object = reader_u32(r);
        return hosted_thaw_notification(thaw, &notification);
}

/* The kinds whose records are arrays. */
static const struct {
        const char *kind;
        const char *signature;
        int (*load)(struct hosted_thaw *thaw, struct reader *r);
} arrays[] = {
        {PEERS, PEERS_SIGNATURE, load_peer},
        {NODES, NODES_SIGNATURE, load_node},
        {HANDLES, HANDLES_SIGNATURE, load_handle},
        {MESSAGES, MESSAGES_SIGNATURE, load_message},
        {NOTIFICATIONS, NOTIFICATIONS_SIGNATURE, load_notification},
};

static int load_items(struct hosted_thaw *thaw, struct state_load *load, const char *signature,
                      int (*load_item)(struct hosted_thaw *thaw, struct reader *r)) {
        const uint8_t *end = NULL;
        struct reader r;

        if (state_get_array(load, "items", signature, &r, &end) < 0)
                return load->error;
        while (r.at < end) {
                reader_struct(&r);
                if (result(load, load_item(thaw, &r)) < 0)
                        return load->error;
        }
        return 0;
}

int core_load(struct hosted_thaw **thaw, struct state_load *load) {
        if (state_kind_is(load, DOMAIN))
                return load_domain(thaw, load);
        if (!*thaw)
                return 1;
        if (state_kind_is(load, SERVED))
                return load_served(*thaw, load);
        if (state_kind_is(load, LOCAL))
                return load_local(*thaw, load);
        if (state_kind_is(load, PAYLOAD))
                return load_payload(*thaw, load);
        for (size_t i = 0; i < sizeof(arrays) / sizeof(*arrays); i++)
                if (state_kind_is(load, arrays[i].kind))
                        return load_items(*thaw, load, arrays[i].signature, arrays[i].load);
        return 1;
}

int core_loaded(struct hosted_thaw **thaw, struct state_load *load, struct bus1_domain **ret_domain,
                struct bus1_client **ret_peer) {
        int r;

        if (!*thaw)
                return state_fail(load, NULL, "the core is not in the document");
        r = hosted_thaw_end(*thaw, ret_domain, ret_peer, 1);
        if (r < 0)
                return result(load, r);
        *thaw = NULL;
        return 0;
}
