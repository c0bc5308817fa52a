/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The binary interface of 2026: numbers, and structures that consist of 64-bit fields only
 */

#include "test/unit/suite.h"
#include <check.h>
#include <linux/bus1.h>
#include <stddef.h>

/* the field has 64 bits, and i such fields are before it */
#define FIELD(type, field, i)                                                                     \
        {                                                                                         \
#type "." #field,                                                                 \
                        offsetof(struct type, field) << 8 | sizeof(((struct type *)NULL)->field), \
                        (i) << 11 | 8                                                             \
        }
#define VALUE(name, expected) \
        { #name, name, expected }

static const struct {
        const char *name;
        unsigned long long value, expected;
} values[] = {
        FIELD(bus1_transfer, flags, 0),
        FIELD(bus1_transfer, id, 1),
        FIELD(bus1_message, flags, 0),
        FIELD(bus1_message, type, 1),
        FIELD(bus1_message, n_transfers, 2),
        FIELD(bus1_message, ptr_transfers, 3),
        FIELD(bus1_message, n_data, 4),
        FIELD(bus1_message, n_data_vecs, 5),
        FIELD(bus1_message, ptr_data_vecs, 6),
        FIELD(bus1_metadata, flags, 0),
        FIELD(bus1_metadata, id, 1),
        FIELD(bus1_metadata, account, 2),
        FIELD(bus1_cmd_transfer, flags, 0),
        FIELD(bus1_cmd_transfer, to, 1),
        FIELD(bus1_cmd_transfer, n_transfers, 2),
        FIELD(bus1_cmd_transfer, ptr_src, 3),
        FIELD(bus1_cmd_transfer, ptr_dst, 4),
        FIELD(bus1_cmd_release, flags, 0),
        FIELD(bus1_cmd_release, n_ids, 1),
        FIELD(bus1_cmd_release, ptr_ids, 2),
        FIELD(bus1_cmd_send, flags, 0),
        FIELD(bus1_cmd_send, n_destinations, 1),
        FIELD(bus1_cmd_send, ptr_destinations, 2),
        FIELD(bus1_cmd_send, ptr_errors, 3),
        FIELD(bus1_cmd_send, ptr_message, 4),
        FIELD(bus1_cmd_recv, flags, 0),
        FIELD(bus1_cmd_recv, ptr_metadata, 1),
        FIELD(bus1_cmd_recv, ptr_message, 2),
        VALUE(BUS1_INVALID, ~0ULL),
        VALUE(BUS1_MANAGED, 1),
        VALUE(BUS1_TRANSFER_FLAG_CREATE, 1),
        VALUE(BUS1_MESSAGE_TYPE_USER, 0),
        VALUE(BUS1_MESSAGE_TYPE_NODE_RELEASE, 1),
        VALUE(BUS1_MESSAGE_TYPE_HANDLE_RELEASE, 2),
        VALUE(BUS1_CMD_TRANSFER, 0xc0289700),
        VALUE(BUS1_CMD_RELEASE, 0xc0189701),
        VALUE(BUS1_CMD_SEND, 0xc0289702),
        VALUE(BUS1_CMD_RECV, 0xc0189703),
};

START_TEST(values_are_those_of_2026) {
        ck_assert_msg(values[_i].value == values[_i].expected, "%s", values[_i].name);
}
END_TEST

int main(void) {
        TCase *tc = tcase_create("all");

        tcase_add_loop_test(tc, values_are_those_of_2026, 0, sizeof(values) / sizeof(values[0]));
        return suite_run("core-2026-abi", tc);
}
