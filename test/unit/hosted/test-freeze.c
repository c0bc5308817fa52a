/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Some states in which a domain can be frozen, and what keeps it from being frozen
 */

#include "base/scm.h"
#include "kernel/hosted/state.h"
#include "test/unit/hosted/client.h"
#include "test/unit/hosted/site.h"
#include "test/unit/hosted/tape.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* clients that speak the protocol by hand */

static void send_request(int fd, uint32_t command, struct bus1_hosted_request request) {
        request.magic = BUS1_HOSTED_MAGIC;
        request.command = command;
        ck_assert_int_eq(send(fd, &request, sizeof(request), MSG_NOSIGNAL), sizeof(request));
}

/* Receive a reply. The data goes to data, a descriptor to ret_fd. Returns the result. */
static int get_reply(int fd, void *data, size_t n, int *ret_fd) {
        struct bus1_hosted_reply reply;
        struct iovec vecs[] = {{&reply, sizeof(reply)}, {data, n}};
        union scm_buffer control;
        struct msghdr message = {
                .msg_iov = vecs,
                .msg_iovlen = 2,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        int fds[BUS1_HOSTED_FDS_MAX];
        ssize_t l = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

        ck_assert_int_ge(l, (ssize_t)sizeof(reply));
        ck_assert_uint_eq(reply.magic, BUS1_HOSTED_MAGIC);
        if (scm_take(&message, fds) > 0)
                *ret_fd = fds[0];
        return reply.result;
}

START_TEST(a_payload_that_is_half_read_is_read_on) {
        enum { SIZE = 200000, PIECE = 100000 };
        struct site site;
        uint64_t node, handle, token, copy;
        uint8_t *data = malloc(SIZE);
        struct hosted_served *served;
        struct bus1_transfer transfer, dst;
        int fd, bell = -1;

        ck_assert_ptr_nonnull(data);
        site_init(&site, 2);
        fd = site_serve_fd(&site, 1000, &token);
        /* The node of a peer that speaks by hand: the core makes it. */
        site_stop(&site);
        served = hosted_served_find(site.domain, token);
        transfer = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        ck_assert_int_eq(bus1_peer_transfer(served->peer,
                                            hosted_served_find(site.domain, site.tokens[0])->peer,
                                            &transfer, &dst, 1),
                         0);
        node = transfer.id;
        handle = dst.id;
        site_start(&site);

        ck_assert_int_eq(send_text(site.clients[0], handle, SIZE), 0);
        refreeze(&site);
        /* The bell is new, and rings at once. */
        send_request(fd, BUS1_HOSTED_HELLO, (struct bus1_hosted_request){});
        ck_assert_int_eq(get_reply(fd, data, SIZE, &bell), 0);
        ck_assert_int_eq(recv(bell, data, 1, MSG_DONTWAIT), 1);
        send_request(fd, BUS1_HOSTED_RECV,
                     (struct bus1_hosted_request){.message_type = BUS1_INVALID, .n_data = SIZE});
        ck_assert_int_eq(get_reply(fd, data, SIZE, &bell), -ENOBUFS);
        refreeze(&site);
        send_request(fd, BUS1_HOSTED_READ, (struct bus1_hosted_request){.n_data = PIECE});
        ck_assert_int_eq(get_reply(fd, data, PIECE, &bell), 0);
        refreeze(&site);
        send_request(fd, BUS1_HOSTED_READ,
                     (struct bus1_hosted_request){.n_data = PIECE, .offset = PIECE});
        ck_assert_int_eq(get_reply(fd, data + PIECE, PIECE, &bell), 0);
        for (size_t i = 0; i < SIZE; i++)
                ck_assert_uint_eq(data[i], (uint8_t)((1 + i) * 131 >> 3));
        refreeze(&site);
        send_request(fd, BUS1_HOSTED_RECV,
                     (struct bus1_hosted_request){.request_flags = BUS1_HOSTED_REQUEST_DATA_READ,
                                                  .message_type = BUS1_INVALID,
                                                  .n_data = SIZE});
        ck_assert_int_eq(get_reply(fd, data, SIZE, &bell), 0);

        /* A request that waits in the socket is served afterwards, and so is a silent bell. */
        site_stop(&site);
        send_request(fd, BUS1_HOSTED_QUERY, (struct bus1_hosted_request){});
        site_refreeze(&site);
        site_start(&site);
        ck_assert_int_eq(get_reply(fd, data, SIZE, &bell), 0);
        ck_assert_int_lt(recv(bell, data, 1, MSG_DONTWAIT), 0);
        ck_assert_int_eq(send_text(site.clients[0], handle, 1), 0);
        ck_assert_int_eq(recv(bell, data, 1, MSG_DONTWAIT), 1);

        /* The secret and the token still name the peer. */
        copy = give(site.clients[0], site.clients[1], handle);
        refreeze(&site);
        ck_assert_uint_ne(give(site.clients[1], site.clients[0], copy), 0);
        ck_assert_uint_ne(node, 0);
        close(bell);
        close(fd);
        free(data);
        site_deinit(&site);
}
END_TEST

START_TEST(the_client_in_this_process_goes_on) {
        struct site site;
        uint64_t node, handle, granted;

        site_init(&site, 1);
        ck_assert_int_eq(bus1_client_create_node(site.local, 0, &node, &handle), 0);
        refreeze(&site);
        ck_assert(!is_readable(site.local));
        site_stop(&site);
        ck_assert_int_eq(
                bus1_domain_grant(site.domain, site.local, handle, site.tokens[0], &granted), 0);
        site_start(&site);
        ck_assert_int_eq(send_message(site.clients[0], &granted, 1, NULL, 0, 5, 7, 1), 0);
        ck_assert(is_readable(site.local));
        refreeze(&site);
        expect(site.local, node, 5, 1);
        ck_assert(!is_readable(site.local));
        refreeze(&site);
        ck_assert_int_eq(send_text(site.clients[0], granted, 6), 0);
        expect(site.local, node, 6, 0);

        /* It may have ended. */
        ck_assert_int_eq(bus1_client_disconnect(site.local), 0);
        refreeze(&site);
        ck_assert(is_readable(site.local));
        ck_assert_int_eq(bus1_client_disconnect(site.local), -ESHUTDOWN);
        expect(site.clients[0], granted, 0, 0);
        site_deinit(&site);
}
END_TEST

START_TEST(what_cannot_be_frozen) {
        struct bus1_client *clients[2];
        struct bus1_domain *other;
        char directory[] = "/tmp/bus1-test-XXXXXX";
        struct tape *tape;
        struct site site;
        char *path;

        site_init(&site, 1);
        site_stop(&site);
        /* another client than the site knows */
        ck_assert_int_eq(bus1_domain_client_new(site.domain, &clients[0]), 0);
        ck_assert_int_eq(tape_record(site.domain, &site.local, 1, &tape), -EBUSY);
        ck_assert_int_eq(tape_record(site.domain, NULL, 0, &tape), -EBUSY);
        clients[1] = site.local;
        ck_assert_int_eq(tape_record(site.domain, clients, 2, &tape), 0);
        tape_free(tape);
        bus1_client_free(clients[0]);

        ck_assert_int_eq(bus1_domain_new(&other), 0);
        ck_assert_int_eq(tape_record(other, &site.local, 1, &tape), -EXDEV);
        bus1_domain_free(other);

        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_gt(asprintf(&path, "%s/socket", directory), 0);
        ck_assert_int_eq(bus1_domain_listen(site.domain, path), 0);
        ck_assert_int_eq(tape_record(site.domain, &site.local, 1, &tape), -EBUSY);
        site_start(&site);
        site_deinit(&site);
        rmdir(directory);
        free(path);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("hosted-freeze");
        TCase *tcase = tcase_create("freeze");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 300);
        tcase_add_test(tcase, a_payload_that_is_half_read_is_read_on);
        tcase_add_test(tcase, the_client_in_this_process_goes_on);
        tcase_add_test(tcase, what_cannot_be_frozen);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
