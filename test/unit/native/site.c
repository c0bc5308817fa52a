/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bus with the native front end, see site.h */

#include "test/unit/native/site.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/container-of.h"
#include "bridge/bus/account.h"
#include "bridge/bus/configure.h"
#include "bridge/bus/later.h"
#include "bridge/bus/state-clients.h"
#include "bridge/bus/state-members.h"
#include "bridge/bus/state-names.h"
#include "bridge/bus/state-waiting.h"
#include "bridge/driver/driver.h"
#include "bridge/driver/methods.h"
#include "bridge/state/message-record.h"
#include "kernel/hosted/freeze.h"

static struct site sites[2];
struct site *site;
struct program programs[N_PROGRAMS];
unsigned n_programs;

static struct bus_config *config_new(void) {
        char path[] = "/tmp/native-state-XXXXXX", *error = NULL;
        struct bus_config *config;
        int fd = mkstemp(path);

        ck_assert_int_ge(fd, 0);
        dprintf(fd, "<busconfig><type>session</type><listen>unix:path=/nonexistent</listen>"
                    "<policy context='default'><allow send_destination='*' eavesdrop='true'/>"
                    "<allow eavesdrop='true'/><allow own='*'/></policy></busconfig>");
        ck_assert_msg(bus_config_load(path, NULL, &config, &error) == 0, "%s", error);
        close(fd);
        unlink(path);
        return config;
}

static void site_init(struct site *s) {
        *s = (struct site){.config = config_new()};
        ck_assert_int_eq(loop_init(&s->loop), 0);
        ck_assert_int_eq(bus_init(&s->bus, NULL), 0);
        ck_assert_int_eq(driver_add_interfaces(&s->bus), 0);
        ck_assert_int_eq(bus_configure(&s->bus, s->config), 0);
}

static void site_deinit(struct site *s) {
        native_free(s->native);
        ck_assert_ptr_null(s->bus.clients);
        ck_assert_uint_eq(s->bus.replies.n, 0);
        ck_assert_ptr_null(s->bus.names.names);
        /* a document that was refused may have left references */
        while (s != site && s->bus.accounts && s->bus.accounts->n_refs > 0)
                account_put(&s->bus, s->bus.accounts);
        account_forget_idle(&s->bus);
        ck_assert_ptr_null(s->bus.accounts);
        bus_deinit(&s->bus);
        bus_config_free(s->config);
        ck_assert_uint_eq(s->loop.n_timers, 0);
        loop_deinit(&s->loop);
}

void site_setup(void) {
        struct native *native;

        site = &sites[0];
        site_init(site);
        native = native_alloc(&site->bus, &site->loop);
        ck_assert_ptr_nonnull(native);
        /* also on a machine with the device */
        ck_assert_int_eq(bus1_domain_new(&native->domain), 0);
        ck_assert_int_eq(bus1_domain_client_new(native->domain, &native->peer), 0);
        ck_assert_int_eq(native_begin(native), 0);
        site->native = native;
}

void site_teardown(void) {
        site_deinit(site);
        for (unsigned i = 0; i < n_programs; i++) {
                ck_assert(programs[i].is_closed);
                bus1_client_free(programs[i].client);
        }
}

/* programs */

static void anchor_close(struct native_anchor *anchor, const char *reason) {
        container_of(anchor, struct program, anchor)->is_closed = true;
}

static void anchor_completed(struct native_anchor *anchor) {
        container_of(anchor, struct program, anchor)->is_complete = true;
}

static void anchor_save(const struct native_anchor *anchor, struct state_save *save) {
        state_put_u32(save, "anchor", container_of(anchor, struct program, anchor)->number);
}

static void credentials_init(struct client_credentials *credentials) {
        client_credentials_init(credentials);
        credentials->uid = getuid();
        credentials->gid = getgid();
        credentials->pid = (uint32_t)getpid() + 1; /* the bus ignores what it sends to itself */
}

struct program *program_new(void) {
        struct program *program = &programs[n_programs];
        struct client_credentials credentials;
        const char *why;

        ck_assert_uint_lt(n_programs, N_PROGRAMS);
        program->number = n_programs++;
        program->anchor = (struct native_anchor){
                .close = anchor_close,
                .completed = anchor_completed,
                .save = anchor_save,
        };
        credentials_init(&credentials);
        ck_assert_int_eq(site->bus.hooks.session_begin(site->native, &program->anchor, &credentials,
                                                       SASL_BUS1_HOSTED, -1, &program->session,
                                                       &program->handle, &program->fd, &why),
                         0);
        return program;
}

void program_open(struct program *program) {
        ck_assert_int_eq(bus1_client_new_from_fd(&program->client, program->fd), 0);
}

/* threads */

struct act {
        void (*fn)(void *data);
        void *data;
        bool is_over;
};

static void *run(void *data) {
        struct act *act = data;

        act->fn(act->data);
        __atomic_store_n(&act->is_over, true, __ATOMIC_SEQ_CST);
        return NULL;
}

static bool serve(void) {
        struct pollfd p[] = {
                {.fd = bus1_domain_get_fd(site->native->domain), .events = POLLIN},
                {.fd = bus1_client_get_fd(site->native->peer), .events = POLLIN},
        };
        bool found = poll(p, 2, 1) > 0;
        int r;

        ck_assert_int_eq(bus1_domain_dispatch(site->native->domain), 0);
        while ((r = native_receive(site->native)) > 0)
                found = true;
        ck_assert_int_eq(r, 0);
        return found;
}

void act(void (*fn)(void *data), void *data) {
        struct act act = {.fn = fn, .data = data};
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, run, &act), 0);
        while (!__atomic_load_n(&act.is_over, __ATOMIC_SEQ_CST))
                serve();
        pthread_join(thread, NULL);
        while (serve())
                ;
}

int program_send(struct program *program, uint64_t to, struct writer *w, const uint64_t *handles,
                 size_t n_handles, uint64_t *reply) {
        struct bus1_transfer transfers[4];
        struct bus1_message message = {.type = BUS1_MESSAGE_TYPE_USER};
        struct message *m;
        struct iovec vec;
        size_t n = 0;
        int r;

        ck_assert_int_eq(writer_finish(w, &m), 0);
        if (reply)
                transfers[n++] = (struct bus1_transfer){
                        .flags = BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                        .id = BUS1_INVALID,
                };
        for (size_t i = 0; i < n_handles; i++)
                transfers[n++] = (struct bus1_transfer){.id = handles[i]};
        vec = (struct iovec){m->wire, m->n_wire};
        message.n_transfers = n;
        message.ptr_transfers = (uintptr_t)transfers;
        message.n_data = m->n_wire;
        message.n_data_vecs = 1;
        message.ptr_data_vecs = (uintptr_t)&vec;
        r = bus1_client_send(program->client, 1, &to, NULL, &message);
        if (reply)
                *reply = transfers[0].id;
        message_unref(m);
        return r;
}

uint64_t node_new(struct program *program, uint64_t *ret_handle) {
        uint64_t node;

        ck_assert_int_eq(bus1_client_create_node(program->client, 0, &node, ret_handle), 0);
        return node;
}

struct bus1_received *program_receive(struct program *program) {
        struct bus1_received *received;
        int r = -EAGAIN;

        for (int i = 0; r == -EAGAIN && i < 5000; i++) {
                r = bus1_client_recv_alloc(program->client, &received);
                if (r == -EAGAIN)
                        usleep(1000);
        }
        ck_assert_int_eq(r, 0);
        return received;
}

bool program_has_message(struct program *program) {
        struct pollfd p = {.fd = bus1_client_get_fd(program->client), .events = POLLIN};

        return poll(&p, 1, 0) > 0;
}

struct message *message_of(const struct bus1_received *received) {
        struct message *m;
        size_t n;

        ck_assert_uint_eq(received->type, BUS1_MESSAGE_TYPE_USER);
        ck_assert_int_eq(message_frame(received->data, MESSAGE_SIZE_MAX, &n), 0);
        ck_assert_uint_le(n, received->n_data);
        ck_assert_int_eq(message_new(&m, n), 0);
        memcpy(m->wire, received->data, n);
        ck_assert_int_eq(message_parse(m), 0);
        return m;
}

void call_init(struct program *program, struct writer *w, const char *destination,
               const char *interface, const char *member, const char *signature) {
        writer_init(w, MESSAGE_TYPE_METHOD_CALL, 0, ++program->serial, signature);
        w->destination = destination;
        w->path = strcmp(destination, BUS_DRIVER_NAME) == 0 ? BUS_DRIVER_PATH : "/o";
        w->interface = interface;
        w->member = member;
}

struct message *call_bus(struct program *program, struct writer *w, uint64_t handle,
                         uint64_t *ret_handle) {
        struct bus1_received *received;
        struct message *m = NULL;
        uint64_t reply;

        ck_assert_int_eq(program_send(program, program->handle, w, &handle, handle ? 1 : 0, &reply),
                         0);
        while (!m) {
                received = program_receive(program);
                if (received->metadata.metadata.id == reply &&
                    received->type == BUS1_MESSAGE_TYPE_USER) {
                        m = message_of(received);
                        if (ret_handle)
                                *ret_handle =
                                        received->n_transfers > 0 ? received->transfers[0].id : 0;
                }
                bus1_received_free(received);
        }
        ck_assert_msg(m->type == MESSAGE_TYPE_METHOD_RETURN, "%s", m->error_name.s);
        return m;
}

uint64_t say_hello(struct program *program) {
        uint64_t node, handle;
        struct writer w;

        node = node_new(program, &handle);
        call_init(program, &w, BUS_DRIVER_NAME, BUS_DRIVER_NAME, "Hello", "");
        message_unref(call_bus(program, &w, handle, NULL));
        return node;
}

/* documents */

static void save_all(struct site *s, struct state_save *save) {
        members_save(&s->bus, save);
        native_save(s->native, save);
        clients_save(&s->bus, save);
        names_save(&s->bus, save);
        waiting_save(&s->bus, save);
        native_save_tables(s->native, save);
}

int site_save(struct site *s, uint8_t **ret_bytes, size_t *ret_n, char error[256]) {
        struct state_save save;
        int r, fd = -1;
        off_t n;

        error[0] = 0;
        state_save_init(&save, "test");
        save_all(s, &save);
        r = state_save_finish(&save, &fd);
        if (r < 0)
                snprintf(error, 256, "%s", save.error_text ?: "");
        state_save_deinit(&save);
        if (r < 0)
                return r;
        n = lseek(fd, 0, SEEK_END);
        *ret_n = (size_t)n;
        *ret_bytes = malloc(*ret_n);
        if (!*ret_bytes || pread(fd, *ret_bytes, *ret_n, 0) != n)
                r = -EIO;
        close(fd);
        return r;
}

static struct site *other(void) {
        return site == &sites[0] ? &sites[1] : &sites[0];
}

static int load_session(struct site *s, struct state_load *load) {
        struct client_credentials credentials;
        uint32_t number = 0;

        if (state_get_below(load, "anchor", n_programs, &number) < 0)
                return load->error;
        if (!s->bus.hooks.session_load)
                return state_fail(load, NULL, "there is no front end");
        if (programs[number].session)
                return state_fail(load, "anchor", "it is there twice");
        credentials_init(&credentials);
        return s->bus.hooks.session_load(s->native, &programs[number].anchor, &credentials, load,
                                         &programs[number].session);
}

static int load_record(struct site *s, struct state_load *load, struct later **laters) {
        int r = members_load(&s->bus, load);

        if (r == 1 && state_kind_is(load, STATE_CLIENT))
                r = load_session(s, load);
        if (r == 1)
                r = names_load(&s->bus, load);
        if (r == 1)
                r = waiting_load(&s->bus, load, laters);
        if (r == 1)
                r = native_load(&s->native, &s->bus, &s->loop, load);
        if (r == 1 && state_kind_is(load, STATE_MESSAGE))
                r = state_load_message(load);
        return r == 1 ? state_unknown_kind(load) : r;
}

int site_load(const uint8_t *bytes, size_t n, char error[256]) {
        struct site *s = other();
        struct later *laters = NULL, *later;
        struct state_load load;
        int r, load_error;

        error[0] = 0;
        site_init(s);
        for (unsigned i = 0; i < n_programs; i++)
                programs[i].session = NULL;
        r = state_load_init_bytes(&load, bytes, n);
        while (r >= 0 && (r = state_load_next(&load)) > 0)
                r = load_record(s, &load, &laters);
        if (r == 0)
                r = names_loaded(&s->bus, &load);
        if (r == 0)
                r = native_loaded(s->native, &load);
        /* of a document that is refused, too, or the accounts would stay */
        load_error = load.error;
        load.error = 0;
        members_loaded(&s->bus, &load);
        load.error = load_error;
        for (enum later_kind kind = 0; kind < N_LATER_KINDS; kind++)
                while ((later = later_take(&laters, kind)))
                        later_free(later);
        snprintf(error, 256, "%s", load.error_text ?: "");
        state_load_deinit(&load);
        return r;
}

void site_give_up(void) {
        struct native_session *session;

        site_deinit(other());
        for (unsigned i = 0; i < n_programs; i++)
                programs[i].is_closed = false;
        DL_FOREACH(site->native->sessions, session) {
                container_of(session->anchor, struct program, anchor)->session = session;
        }
}

void take_over(void) {
        struct site *before = site;
        uint8_t *a, *b;
        size_t n_a, n_b;
        char error[256];

        ck_assert_msg(site_save(site, &a, &n_a, error) == 0, "%s", error);
        ck_assert_msg(site_load(a, n_a, error) == 0, "%s", error);
        site = other();
        ck_assert_msg(site_save(site, &b, &n_b, error) == 0, "%s", error);
        ck_assert_uint_eq(n_a, n_b);
        ck_assert_int_eq(memcmp(a, b, n_a), 0);
        free(a);
        free(b);
        /* the first one ends without a word */
        before->native->is_borrowed = true;
        site_deinit(before);
        for (unsigned i = 0; i < n_programs; i++)
                programs[i].is_closed = false;
        native_settle(site->native);
        ck_assert_int_eq(native_wake(site->native), 0);
}

struct bus1_cmd_query query_peer(void) {
        struct bus1_cmd_query query = {};

        ck_assert_int_eq(bus1_client_query(site->native->peer, &query), 0);
        return query;
}
