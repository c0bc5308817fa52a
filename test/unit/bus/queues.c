/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Clients with queues, see queues.h. */

#include "queues.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container-of.h"
#include "bridge/bus/descriptors.h"
#include "bridge/wire/writer.h"
#include "test/unit/suite.h"

struct bus bus;

static int deliver(struct client *client, struct message *m, struct reply *reply, uint64_t cookie) {
        (void)reply;
        (void)cookie;
        return put(container_of(client, struct member, client), message_ref(m)) ? 0
                                                                                : CLIENT_E_QUOTA;
}

static void resume(struct client *client) {
        container_of(client, struct member, client)->n_resumed++;
}

static const struct client_ops ops = {.deliver = deliver, .resume = resume};

void queues_setup(void) {
        ck_assert_int_eq(bus_init(&bus, NULL), 0);
        fds_init(&bus);
}

void queues_teardown(void) {
        ck_assert_ptr_null(bus.clients);
        account_forget_idle(&bus);
        ck_assert_ptr_null(bus.accounts);
        for (size_t i = 0; i < N_FDS; i++) {
                ck_assert_uint_eq(bus.fds[i].used, 0);
                ck_assert_uint_eq(bus.fds[i].n_users, 0);
        }
        bus_deinit(&bus);
}

struct member *member_new(uint32_t uid) {
        struct client_credentials credentials;
        struct member *member = calloc(1, sizeof(*member));

        client_credentials_init(&credentials);
        credentials.uid = uid;
        ck_assert_int_eq(client_init(&member->client, &bus, &ops, &credentials), 0);
        ck_assert_int_eq(client_register(&member->client), 0);
        return member;
}

struct member *member_free(struct member *member) {
        ck_assert_int_eq(client_disconnect(&member->client), 0);
        take_all(member);
        ck_assert_uint_eq(member->client.n_outgoing, 0);
        ck_assert_uint_eq(member->client.outgoing_bytes, 0);
        ck_assert_uint_eq(member->client.queued, 0);
        ck_assert_uint_eq(member->client.answers, 0);
        client_deinit(&member->client);
        free(member->queue);
        free(member);
        return NULL;
}

static struct message *finish(struct writer *w, uint64_t uid, uint64_t cost) {
        struct message *m;

        ck_assert_int_eq(writer_finish(w, &m), 0);
        m->caused_by = uid;
        m->cost = cost;
        return m;
}

static void begin(struct writer *w, const char *signature) {
        writer_init(w, MESSAGE_TYPE_SIGNAL, 0, 1, signature);
        w->sender = ":1.1000000";
        w->path = "/";
        w->interface = "i.j";
        w->member = "M";
}

struct message *message_of(uint64_t uid, uint64_t cost) {
        struct writer w;

        begin(&w, "");
        return finish(&w, uid, cost);
}

struct message *message_with_fds(uint64_t uid, uint64_t cost, size_t n_fds) {
        char signature[64] = {};
        struct writer w;

        memset(signature, 'h', n_fds);
        begin(&w, signature);
        for (size_t i = 0; i < n_fds; i++)
                writer_take_fd(&w, open("/dev/null", O_RDONLY | O_CLOEXEC));
        return finish(&w, uid, cost);
}

struct message *answer_to(struct member *member, uint64_t cost) {
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_METHOD_RETURN, 0, 1, "");
        w.sender = BUS_DRIVER_NAME;
        w.destination = member->client.unique_name;
        w.reply_serial = 1;
        return finish(&w, member->client.credentials.uid, cost);
}

struct message *notice_to(struct member *member) {
        struct writer w;

        begin(&w, "s");
        w.sender = BUS_DRIVER_NAME;
        w.destination = member->client.unique_name;
        writer_string(&w, "com.example.Name");
        return finish(&w, member->client.credentials.uid, 300);
}

bool put(struct member *member, struct message *m) {
        int r = quota_charge_outgoing(&member->client, m);

        if (r != 0) {
                ck_assert_int_eq(r, CLIENT_E_QUOTA);
                message_unref(m);
                return false;
        }
        if (member->n == member->n_allocated) {
                member->n_allocated = member->n_allocated ? 2 * member->n_allocated : 64;
                member->queue =
                        reallocarray(member->queue, member->n_allocated, sizeof(*member->queue));
                ck_assert_ptr_nonnull(member->queue);
        }
        member->queue[member->n++] = m;
        return true;
}

bool put_call(struct member *sender, struct member *receiver, uint64_t cost) {
        struct message *m = message_of(sender->client.credentials.uid, cost);

        quota_charge_sender(&sender->client, &receiver->client, m);
        return put(receiver, m);
}

bool take(struct member *member) {
        struct message *m;

        if (member->n == 0)
                return false;
        m = member->queue[0];
        memmove(member->queue, member->queue + 1, --member->n * sizeof(*member->queue));
        quota_discharge_outgoing(&member->client, m);
        message_unref(m);
        return true;
}

void take_all(struct member *member) {
        while (take(member))
                ;
}

int run_tests(TCase *tcase) {
        tcase_add_checked_fixture(tcase, queues_setup, queues_teardown);
        return suite_run("queues", tcase);
}
