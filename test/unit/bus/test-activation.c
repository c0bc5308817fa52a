/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Activation: what no scenario with files and programs can time. */

#include <sys/resource.h>

#include "bridge/bus/activation.h"
#include "bridge/loop.h"
#include "fixture.h"

static struct loop loop;
static struct bus_config config;

static void setup(void) {
        struct service_table *table;
        struct rlimit limit;

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        ck_assert_int_eq(loop_init(&loop), 0);
        ck_assert_int_eq(activation_new(&bus, &loop, &limit, &bus.activation), 0);
        ck_assert_int_eq(service_table_load(&config, &table), 0);
        activation_exchange_table(bus.activation, &table);
}

static void teardown(void) {
        bus.activation = activation_free(bus.activation);
        loop_deinit(&loop);
}

static struct message *make_call(struct peer *peer) {
        struct message *m;
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_METHOD_CALL, 0, ++peer->serial, "");
        w.path = "/";
        w.member = "M";
        w.destination = BUS_DRIVER_NAME;
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        return m;
}

START_TEST(file_that_goes_while_its_name_is_looked_at) {
        int (*const begin[])(struct client *, struct message *, uint64_t, const char *) = {
                activation_start,
                activation_call_later,
        };
        struct peer *peer = peer_hello();

        setup();
        for (size_t i = 0; i < 2; i++) {
                struct message *m = make_call(peer);

                ck_assert_int_eq(begin[i](&peer->client, m, 7, "a.b"), 0);
                peer_expect_error(peer, DRIVER_ERROR("ServiceUnknown"));
                ck_assert_uint_eq(peer->inbox[peer->n - 1].caller_cookie, 7);
                ck_assert_uint_eq(peer->n_closed, 0);
                message_unref(m);
        }
        ck_assert_ptr_null(activation_find(&bus, "a.b"));
        teardown();
}
END_TEST

int main(void) {
        TCase *t = tcase_create("activation");

        tcase_add_test(t, file_that_goes_while_its_name_is_looked_at);
        return suite_main("bus-activation", t);
}
