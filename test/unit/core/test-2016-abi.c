/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The binary interface of 2016 has not changed
 *
 * Two headers define it with different names: include/2016/linux/bus1.h has the names of 2016, and
 * <linux/bus1-2016.h> has names that do not collide with those of 2026. The numbers in this file
 * are those in programs that were built with the header of 2016.
 */

#include "test/unit/suite.h"
#include <assert.h>
#include <check.h>
#include <linux/bus1-2016.h>
#include <linux/bus1.h>
#include <stddef.h>

#define SAME_FIELD(a, b, field)                                                 \
        static_assert(offsetof(struct a, field) == offsetof(struct b, field) && \
                              sizeof(((struct a *)NULL)->field) ==              \
                                      sizeof(((struct b *)NULL)->field),        \
                      #field)

SAME_FIELD(bus1_cmd_peer_reset, bus1_2016_peer_reset, flags);
SAME_FIELD(bus1_cmd_peer_reset, bus1_2016_peer_reset, peer_flags);
SAME_FIELD(bus1_cmd_peer_reset, bus1_2016_peer_reset, max_slices);
SAME_FIELD(bus1_cmd_peer_reset, bus1_2016_peer_reset, max_handles);
SAME_FIELD(bus1_cmd_peer_reset, bus1_2016_peer_reset, max_inflight_bytes);
SAME_FIELD(bus1_cmd_peer_reset, bus1_2016_peer_reset, max_inflight_fds);
SAME_FIELD(bus1_cmd_handle_transfer, bus1_2016_handle_transfer, flags);
SAME_FIELD(bus1_cmd_handle_transfer, bus1_2016_handle_transfer, src_handle);
SAME_FIELD(bus1_cmd_handle_transfer, bus1_2016_handle_transfer, dst_fd);
SAME_FIELD(bus1_cmd_handle_transfer, bus1_2016_handle_transfer, dst_handle);
SAME_FIELD(bus1_cmd_nodes_destroy, bus1_2016_nodes_destroy, flags);
SAME_FIELD(bus1_cmd_nodes_destroy, bus1_2016_nodes_destroy, ptr_nodes);
SAME_FIELD(bus1_cmd_nodes_destroy, bus1_2016_nodes_destroy, n_nodes);
SAME_FIELD(bus1_cmd_send, bus1_2016_send, flags);
SAME_FIELD(bus1_cmd_send, bus1_2016_send, ptr_destinations);
SAME_FIELD(bus1_cmd_send, bus1_2016_send, ptr_errors);
SAME_FIELD(bus1_cmd_send, bus1_2016_send, n_destinations);
SAME_FIELD(bus1_cmd_send, bus1_2016_send, ptr_vecs);
SAME_FIELD(bus1_cmd_send, bus1_2016_send, n_vecs);
SAME_FIELD(bus1_cmd_send, bus1_2016_send, ptr_handles);
SAME_FIELD(bus1_cmd_send, bus1_2016_send, n_handles);
SAME_FIELD(bus1_cmd_send, bus1_2016_send, ptr_fds);
SAME_FIELD(bus1_cmd_send, bus1_2016_send, n_fds);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, flags);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, max_offset);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, msg.type);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, msg.flags);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, msg.destination);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, msg.uid);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, msg.gid);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, msg.pid);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, msg.tid);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, msg.offset);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, msg.n_bytes);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, msg.n_handles);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, msg.n_fds);
SAME_FIELD(bus1_cmd_recv, bus1_2016_recv, msg.n_secctx);

#define SAME(name_2016, name, value) \
        { #name_2016, name_2016, name, value }

static const struct {
        const char *name;
        unsigned long long value, other, expected;
} values[] = {
        SAME(BUS1_FD_MAX, BUS1_2016_FD_MAX, 256),
        SAME(BUS1_IOCTL_MAGIC, BUS1_2016_IOCTL_MAGIC, 0x96),
        SAME(BUS1_HANDLE_INVALID, BUS1_2016_INVALID, ~0ULL),
        SAME(BUS1_OFFSET_INVALID, BUS1_2016_INVALID, ~0ULL),
        SAME(BUS1_HANDLE_FLAG_MANAGED, BUS1_2016_HANDLE_MANAGED, 1),
        SAME(BUS1_HANDLE_FLAG_REMOTE, BUS1_2016_HANDLE_REMOTE, 2),
        SAME(BUS1_PEER_FLAG_WANT_SECCTX, BUS1_2016_PEER_WANT_SECCTX, 1),
        SAME(BUS1_PEER_RESET_FLAG_FLUSH, BUS1_2016_RESET_FLUSH, 1),
        SAME(BUS1_PEER_RESET_FLAG_FLUSH_SEED, BUS1_2016_RESET_FLUSH_SEED, 2),
        SAME(BUS1_NODES_DESTROY_FLAG_RELEASE_HANDLES, BUS1_2016_DESTROY_RELEASE_HANDLES, 1),
        SAME(BUS1_SEND_FLAG_CONTINUE, BUS1_2016_SEND_CONTINUE, 1),
        SAME(BUS1_SEND_FLAG_SEED, BUS1_2016_SEND_SEED, 2),
        SAME(BUS1_RECV_FLAG_PEEK, BUS1_2016_RECV_PEEK, 1),
        SAME(BUS1_RECV_FLAG_SEED, BUS1_2016_RECV_SEED, 2),
        SAME(BUS1_RECV_FLAG_INSTALL_FDS, BUS1_2016_RECV_INSTALL_FDS, 4),
        SAME(BUS1_MSG_DATA, BUS1_2016_MSG_DATA, 1),
        SAME(BUS1_MSG_NODE_DESTROY, BUS1_2016_MSG_NODE_DESTROY, 2),
        SAME(BUS1_MSG_NODE_RELEASE, BUS1_2016_MSG_NODE_RELEASE, 3),
        SAME(BUS1_MSG_FLAG_HAS_SECCTX, BUS1_2016_MSG_HAS_SECCTX, 1),
        SAME(BUS1_MSG_FLAG_CONTINUE, BUS1_2016_MSG_CONTINUE, 2),
        SAME(BUS1_CMD_PEER_DISCONNECT, BUS1_2016_PEER_DISCONNECT, 0xc0089600),
        SAME(BUS1_CMD_PEER_QUERY, BUS1_2016_PEER_QUERY, 0xc0209601),
        SAME(BUS1_CMD_PEER_RESET, BUS1_2016_PEER_RESET, 0xc0209602),
        SAME(BUS1_CMD_HANDLE_RELEASE, BUS1_2016_HANDLE_RELEASE, 0xc0089610),
        SAME(BUS1_CMD_HANDLE_TRANSFER, BUS1_2016_HANDLE_TRANSFER, 0xc0209611),
        SAME(BUS1_CMD_NODES_DESTROY, BUS1_2016_NODES_DESTROY, 0xc0189620),
        SAME(BUS1_CMD_SLICE_RELEASE, BUS1_2016_SLICE_RELEASE, 0xc0089630),
        SAME(BUS1_CMD_SEND, BUS1_2016_SEND, 0xc0509640),
        SAME(BUS1_CMD_RECV, BUS1_2016_RECV, 0xc0609650),
};

START_TEST(values_are_those_of_2016) {
        ck_assert_msg(values[_i].value == values[_i].expected, "%s", values[_i].name);
        ck_assert_msg(values[_i].other == values[_i].expected, "%s", values[_i].name);
}
END_TEST

int main(void) {
        TCase *tc = tcase_create("all");

        tcase_add_loop_test(tc, values_are_those_of_2016, 0, sizeof(values) / sizeof(values[0]));
        return suite_run("core-2016-abi", tc);
}
