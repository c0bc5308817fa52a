/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A hosted core when memory runs out */

#include "test/unit/memory.h"
#include <bus1/bus1.h>
#include <bus1/hosted.h>
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static struct bus1_client *client;
static uint64_t handle;

/* In a thread, the credentials of a message name two tasks: the process and the thread. */
static void *send_in_thread(void *data) {
        struct bus1_message message = {.type = BUS1_MESSAGE_TYPE_USER};

        memory_left = *(long *)data;
        *(long *)data = bus1_client_send(client, 1, &handle, NULL, &message);
        memory_left = -1;
        return NULL;
}

START_TEST(a_thread_that_sends_may_lack_memory) {
        struct bus1_domain *domain;
        pthread_t thread;
        uint64_t node;
        long n = 0, r;

        ck_assert_int_eq(bus1_domain_new(&domain), 0);
        ck_assert_int_eq(bus1_domain_client_new(domain, &client), 0);
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        do {
                r = n++;
                ck_assert_int_eq(pthread_create(&thread, NULL, send_in_thread, &r), 0);
                ck_assert_int_eq(pthread_join(thread, NULL), 0);
                ck_assert(r == 0 || r == -ENOMEM);
        } while (r < 0);
        ck_assert_int_gt(n, 3);
        bus1_client_free(client);
        bus1_domain_free(domain);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("hosted-memory");
        TCase *tcase = tcase_create("memory");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tcase, a_thread_that_sends_may_lack_memory);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
