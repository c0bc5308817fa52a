/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A domain that a thread serves, see site.h */

#include "test/unit/hosted/site.h"
#include "kernel/hosted/state.h"
#include "test/unit/core/frozen.h"
#include "test/unit/hosted/tape.h"
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *serve(void *data) {
        struct site *site = data;
        struct pollfd fds[2] = {
                {.fd = bus1_domain_get_fd(site->domain), .events = POLLIN},
                {.fd = site->stop_fd, .events = POLLIN},
        };

        for (;;) {
                ck_assert_int_ge(poll(fds, 2, -1), 1);
                if (fds[1].revents)
                        return NULL;
                ck_assert_int_eq(bus1_domain_dispatch(site->domain), 0);
        }
}

void site_start(struct site *site) {
        site->stop_fd = eventfd(0, EFD_CLOEXEC);
        ck_assert_int_ge(site->stop_fd, 0);
        ck_assert_int_eq(pthread_create(&site->server, NULL, serve, site), 0);
}

void site_stop(struct site *site) {
        uint64_t one = 1;

        ck_assert_int_eq(write(site->stop_fd, &one, sizeof(one)), sizeof(one));
        ck_assert_int_eq(pthread_join(site->server, NULL), 0);
        close(site->stop_fd);
}

int site_serve_fd(struct site *site, uint32_t uid, uint64_t *ret_token) {
        int fd;

        site_stop(site);
        ck_assert_int_eq(bus1_domain_serve_peer(site->domain, uid, 100, 4711, &fd, ret_token), 0);
        site_start(site);
        return fd;
}

void site_serve(struct site *site, size_t i) {
        int fd = site_serve_fd(site, 1000 + i % 3, &site->tokens[i]);

        ck_assert_int_eq(bus1_client_new_from_fd(&site->clients[i], fd), 0);
}

void site_init(struct site *site, size_t n_clients) {
        *site = (struct site){.n = n_clients};
        ck_assert_int_eq(bus1_domain_new(&site->domain), 0);
        ck_assert_int_eq(bus1_domain_client_new(site->domain, &site->local), 0);
        site_start(site);
        for (size_t i = 0; i < n_clients; i++)
                site_serve(site, i);
}

void site_deinit(struct site *site) {
        u64 used[_BUS1_RESOURCE_N];
        size_t n_accounts;

        for (size_t i = 0; i < site->n; i++)
                bus1_client_free(site->clients[i]);
        site_stop(site);
        bus1_client_free(site->local);
        /* The sockets are closed, so the server drops their peers. */
        for (int i = 0; i < 100 && site->domain->served; i++)
                ck_assert_int_eq(bus1_domain_dispatch(site->domain), 0);
        ck_assert_ptr_null(site->domain->served);
        bus1_accounts_usage(site->domain->accounts, &n_accounts, used);
        ck_assert_uint_eq(n_accounts, 0);
        bus1_domain_free(site->domain);
}

void site_replace(struct site *site, struct bus1_domain *domain, struct bus1_client *local) {
        hosted_let_go(site->domain);
        bus1_client_free(site->local);
        bus1_domain_free(site->domain);
        site->domain = domain;
        site->local = local;
}

void site_refreeze(struct site *site) {
        struct bus1_domain *domain;
        struct bus1_client *local;
        struct tape *tape, *again;
        char *before, *after;

        ck_assert_int_eq(tape_record(site->domain, &site->local, 1, &tape), 0);
        ck_assert_int_eq(tape_thaw(tape, &domain, &local, 1), 0);
        ck_assert_int_eq(tape_record(domain, &local, 1, &again), 0);
        before = tape_text(tape);
        after = tape_text(again);
        ck_assert_str_eq(before, after);
        ck_assert(frozen_looks_equal(site->domain->accounts, domain->accounts));
        free(before);
        free(after);
        tape_free(tape);
        tape_free(again);
        site_replace(site, domain, local);
}
