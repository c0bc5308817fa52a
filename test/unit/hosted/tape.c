/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What hosted_freeze() has reported, see tape.h */

#include "test/unit/hosted/tape.h"
#include "test/unit/memory.h"
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Allocations of the test do not fail, and are not counted. */
static void *allocate(void *p, size_t n) {
        long left = memory_left;

        memory_left = -1;
        /* The compiler believes that realloc() does not look at the variable. */
        __asm__ volatile("" ::: "memory");
        p = realloc(p, n + 1);
        __asm__ volatile("" ::: "memory");
        memory_left = left;
        if (!p)
                abort();
        return p;
}

/* A copy in an allocation of its own, so that sanitizers notice whoever uses too much of it. */
static void *copy_of(const void *p, size_t n) {
        void *copy = allocate(NULL, n);

        if (n > 0)
                memcpy(copy, p, n);
        return copy;
}

static int append(struct tape *tape, struct tape_record record) {
        tape->records = allocate(tape->records, (tape->n + 2) * sizeof(*tape->records));
        tape->records[tape->n++] = record;
        return 0;
}

static int save_domain(void *data, const struct hosted_frozen_domain *domain) {
        ((struct tape *)data)->domain = *domain;
        return 0;
}

static int save_peer(void *data, const struct bus1_frozen_peer *peer) {
        return append(data, (struct tape_record){TAPE_PEER, .peer = *peer});
}

static int save_served(void *data, const struct hosted_frozen_served *served) {
        return append(data, (struct tape_record){TAPE_SERVED, .served = *served});
}

static int save_local(void *data, const struct hosted_frozen_local *local) {
        return append(data, (struct tape_record){TAPE_LOCAL, .local = *local});
}

static int save_node(void *data, const struct bus1_frozen_node *node) {
        return append(data, (struct tape_record){TAPE_NODE, .node = *node});
}

static int save_handle(void *data, const struct bus1_frozen_handle *handle) {
        return append(data, (struct tape_record){TAPE_HANDLE, .handle = *handle});
}

static int save_payload(void *data, const struct hosted_frozen_payload *payload) {
        struct tape_record record = {TAPE_PAYLOAD, .payload = *payload};

        record.payload.data = copy_of(payload->data, payload->n_data);
        record.payload.fds = copy_of(payload->fds, payload->n_fds * sizeof(*payload->fds));
        return append(data, record);
}

static int save_message(void *data, const struct bus1_frozen_message *message) {
        struct tape_record record = {TAPE_MESSAGE, .message = *message};

        record.message.handles =
                copy_of(message->handles, message->n_handles * sizeof(*message->handles));
        return append(data, record);
}

static int save_notification(void *data, const struct bus1_frozen_notification *notification) {
        return append(data, (struct tape_record){TAPE_NOTIFICATION, .notification = *notification});
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

int tape_record(struct bus1_domain *domain, struct bus1_client *const *clients, size_t n_clients,
                struct tape **ret) {
        struct tape *tape = memset(allocate(NULL, sizeof(*tape)), 0, sizeof(*tape));
        int r;

        r = hosted_freeze(domain, clients, n_clients, &saver, tape);
        if (r < 0)
                tape_free(tape);
        else
                *ret = tape;
        return r;
}

struct tape *tape_free(struct tape *tape) {
        for (size_t i = 0; i < tape->n; i++) {
                struct tape_record *record = &tape->records[i];

                if (record->kind == TAPE_PAYLOAD) {
                        free((void *)record->payload.data);
                        free((void *)record->payload.fds);
                } else if (record->kind == TAPE_MESSAGE) {
                        free((void *)record->message.handles);
                }
        }
        free(tape->records);
        free(tape);
        return NULL;
}

static void print_served(FILE *f, const struct hosted_frozen_served *served) {
        fprintf(f,
                "served peer %" PRIu64 " id %" PRIu64 " cookie %" PRIu64
                " gid %u pid %d fd %d bell %d rung %d reading %d secret ",
                served->peer, served->id, served->cookie, served->gid, served->pid, served->fd,
                served->bell_fd, served->rung, served->reading);
        for (size_t i = 0; i < sizeof(served->secret); i++)
                fprintf(f, "%02x", served->secret[i]);
}

static void print_payload(FILE *f, const struct hosted_frozen_payload *payload) {
        uint64_t sum = 0;

        for (size_t i = 0; i < payload->n_data; i++)
                sum = sum * 31 + payload->data[i];
        fprintf(f, "payload account %u uid %u gid %u pid %d tid %d data %zu sum %" PRIx64 " fds",
                payload->account, payload->uid, payload->gid, payload->pid, payload->tid,
                payload->n_data, sum);
        for (size_t i = 0; i < payload->n_fds; i++)
                fprintf(f, " %d", payload->fds[i]);
}

static void print_message(FILE *f, const struct bus1_frozen_message *message) {
        fprintf(f, "message timestamp %llu tx %llu index %u node %u payload %u handles",
                (unsigned long long)message->timestamp, (unsigned long long)message->tx,
                message->index, message->node, message->payload);
        for (size_t i = 0; i < message->n_handles; i++)
                fprintf(f, " %u", message->handles[i]);
}

static void print_record(FILE *f, const struct tape_record *record) {
        switch (record->kind) {
        case TAPE_PEER:
                fprintf(f, "peer %llu uid %u ended %d clock %llu last ID %llu",
                        (unsigned long long)record->peer.number, record->peer.uid,
                        record->peer.disconnected, (unsigned long long)record->peer.clock,
                        (unsigned long long)record->peer.last_id);
                break;
        case TAPE_SERVED:
                print_served(f, &record->served);
                break;
        case TAPE_LOCAL:
                fprintf(f, "local peer %" PRIu64 " ready %d", record->local.peer,
                        record->local.ready);
                break;
        case TAPE_NODE:
                fprintf(f, "node owner %llu ID %llu state %u oneshot %d",
                        (unsigned long long)record->node.owner, (unsigned long long)record->node.id,
                        record->node.state, record->node.oneshot);
                break;
        case TAPE_HANDLE:
                fprintf(f, "handle holder %llu node %u ID %llu state %u copied %d",
                        (unsigned long long)record->handle.holder, record->handle.node,
                        (unsigned long long)record->handle.id, record->handle.state,
                        record->handle.copied);
                break;
        case TAPE_PAYLOAD:
                print_payload(f, &record->payload);
                break;
        case TAPE_MESSAGE:
                print_message(f, &record->message);
                break;
        default:
                fprintf(f, "notification timestamp %llu tx %llu index %u node %d object %u",
                        (unsigned long long)record->notification.timestamp,
                        (unsigned long long)record->notification.tx, record->notification.index,
                        record->notification.is_node, record->notification.object);
        }
        fputc('\n', f);
}

char *tape_text(const struct tape *tape) {
        const struct hosted_frozen_domain *domain = &tape->domain;
        char *text;
        size_t n;
        FILE *f = open_memstream(&text, &n);

        if (!f)
                abort();
        fprintf(f, "domain ");
        for (size_t i = 0; i < sizeof(domain->id); i++)
                fprintf(f, "%02x", domain->id[i]);
        fprintf(f, " last served %" PRIu64 " last peer %llu\n", domain->last_served,
                (unsigned long long)domain->core.last_peer);
        for (size_t i = 0; i < tape->n; i++)
                print_record(f, &tape->records[i]);
        fclose(f);
        return text;
}

static int thaw_record(struct hosted_thaw *thaw, const struct tape_record *record) {
        switch (record->kind) {
        case TAPE_PEER:
                return hosted_thaw_peer(thaw, &record->peer);
        case TAPE_SERVED:
                return hosted_thaw_served(thaw, &record->served);
        case TAPE_LOCAL:
                return hosted_thaw_local(thaw, &record->local);
        case TAPE_NODE:
                return hosted_thaw_node(thaw, &record->node);
        case TAPE_HANDLE:
                return hosted_thaw_handle(thaw, &record->handle);
        case TAPE_PAYLOAD:
                return hosted_thaw_payload(thaw, &record->payload);
        case TAPE_MESSAGE:
                return hosted_thaw_message(thaw, &record->message);
        default:
                return hosted_thaw_notification(thaw, &record->notification);
        }
}

int tape_thaw(const struct tape *tape, struct bus1_domain **ret_domain,
              struct bus1_client **ret_clients, size_t n_clients) {
        struct hosted_thaw *thaw;
        int r;

        r = hosted_thaw_new(&tape->domain, &thaw);
        if (r < 0)
                return r;
        for (size_t i = 0; i < tape->n && r == 0; i++)
                r = thaw_record(thaw, &tape->records[i]);
        if (r == 0)
                r = hosted_thaw_end(thaw, ret_domain, ret_clients, n_clients);
        if (r < 0)
                hosted_thaw_free(thaw);
        return r;
}

struct tape_record *tape_find(struct tape *tape, enum tape_kind kind, size_t i) {
        for (size_t k = 0; k < tape->n; k++)
                if (tape->records[k].kind == kind && i-- == 0)
                        return &tape->records[k];
        ck_abort_msg("the tape has too few records of kind %d", kind);
        return NULL;
}
