/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "takeover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/container-of.h"
#include "bridge/bus/later.h"
#include "bridge/bus/state-names.h"
#include "bridge/bus/state-waiting.h"
#include "bridge/state/message-record.h"

#define PEERS_MAX 64

struct later *owed_answers;
void (*takeover_end)(void);
void (*takeover_begin)(void);

/* writing */

static int read_document(int fd, uint8_t **ret_bytes, size_t *ret_n) {
        struct stat status;
        uint8_t *bytes;

        if (fstat(fd, &status) < 0)
                return -errno;
        bytes = malloc(status.st_size);
        if (!bytes)
                return -ENOMEM;
        if (pread(fd, bytes, status.st_size, 0) != status.st_size) {
                free(bytes);
                return -EIO;
        }
        *ret_bytes = bytes;
        *ret_n = status.st_size;
        return 0;
}

int takeover_save(uint8_t **ret_bytes, size_t *ret_n, char error[256]) {
        struct state_save save;
        struct client *client;
        int fd = -1, r;

        state_save_init(&save, "test");
        state_record_begin(&save, "TestBus");
        state_put_u64(&save, "next", bus.ids.next);
        state_put_u32(&save, "serial", bus.serial);
        state_record_end(&save);
        DL_FOREACH(bus.clients, client) {
                state_record_begin(&save, "TestClient");
                state_put_u32(&save, "id", state_number(&save, STATE_CLIENTS, client));
                state_put_bool(&save, "is_closing", client->is_closing);
                state_put_u64(&save, "n_received", client->n_received);
                state_record_end(&save);
        }
        names_save(&bus, &save);
        waiting_save(&bus, &save);
        r = state_save_finish(&save, &fd);
        snprintf(error, 256, "%s", save.error_text ? save.error_text : "");
        state_save_deinit(&save);
        if (r < 0)
                return r;
        r = read_document(fd, ret_bytes, ret_n);
        close(fd);
        return r;
}

/* reading */

void takeover_renew(struct peer **p, size_t n) {
        struct client *client;

        /* nobody reads what the end of the old bus causes */
        DL_FOREACH(bus.clients, client) {
                container_of(client, struct peer, client)->refuse = CLIENT_E_GONE;
        }
        while (owed_answers) {
                struct later *later = owed_answers;

                DL_DELETE2(owed_answers, later, owner_prev, owner_next);
                later_free(later);
        }
        if (takeover_end)
                takeover_end();
        fixture_teardown();
        fixture_setup();
        if (takeover_begin)
                takeover_begin();
        for (size_t i = 0; i < n; i++)
                p[i] = peer_new();
}

static int load_test_record(struct state_load *load, struct peer **p, size_t n_peers) {
        uint32_t n = state_n_defined(load, STATE_CLIENTS);

        if (state_kind_is(load, "TestBus")) {
                state_get_u64(load, "next", &bus.ids.next);
                return state_get_u32(load, "serial", &bus.serial);
        }
        if (state_kind_is(load, STATE_MESSAGE))
                return state_load_message(load);
        if (!state_kind_is(load, "TestClient"))
                return state_unknown_kind(load);
        if (n == n_peers)
                return state_fail(load, NULL, "there are too many clients");
        state_get_bool(load, "is_closing", &p[n]->client.is_closing);
        state_get_u64(load, "n_received", &p[n]->client.n_received);
        return state_define(load, "id", STATE_CLIENTS, &p[n]->client);
}

static int load_all(struct state_load *load, struct peer **p, size_t n_peers) {
        int r;

        while ((r = state_load_next(load)) > 0) {
                r = names_load(&bus, load);
                if (r == 1)
                        r = waiting_load(&bus, load, &owed_answers);
                if (r == 1)
                        r = load_test_record(load, p, n_peers);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : names_loaded(&bus, load);
}

int takeover_load(struct peer **p, size_t n_peers, const uint8_t *bytes, size_t n,
                  char error[256]) {
        struct state_load load;
        int r;

        r = state_load_init_bytes(&load, bytes, n);
        if (r == 0)
                r = load_all(&load, p, n_peers);
        snprintf(error, 256, "%s", load.error_text ? load.error_text : "");
        state_load_deinit(&load);
        return r;
}

/* both */

void takeover(struct peer **p, size_t n) {
        struct peer *peers[PEERS_MAX];
        uint32_t serials[PEERS_MAX];
        size_t at[PEERS_MAX], n_bytes, n_again, n_clients = 0;
        uint8_t *bytes, *again;
        struct client *client;
        char error[256];

        ck_assert_uint_le(n, PEERS_MAX);
        DL_FOREACH(bus.clients, client) {
                for (size_t i = 0; i < n; i++)
                        if (client == &p[i]->client)
                                at[i] = n_clients;
                n_clients++;
        }
        ck_assert_uint_eq(n, n_clients);
        for (size_t i = 0; i < n; i++)
                serials[i] = p[i]->serial;

        ck_assert_msg(takeover_save(&bytes, &n_bytes, error) == 0, "%s", error);
        takeover_renew(peers, n);
        ck_assert_msg(takeover_load(peers, n, bytes, n_bytes, error) == 0, "%s", error);
        ck_assert_msg(takeover_save(&again, &n_again, error) == 0, "%s", error);
        ck_assert_uint_eq(n_bytes, n_again);
        ck_assert_mem_eq(bytes, again, n_bytes);
        free(bytes);
        free(again);

        for (size_t i = 0; i < n; i++) {
                p[i] = peers[at[i]];
                p[i]->serial = serials[i];
                peer_expect_nothing(p[i]);
                ck_assert_uint_eq(p[i]->n_closed, 0);
        }
        ck_assert_int_eq(waiting_wake(&bus), 0);
}
