/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls
 *
 * If the core has no BUS1_CMD_CALL, this file sends the messages one by one, polls the descriptor
 * of the client until there is a message, and receives. The results are those of the command, but
 * a call for messages to one node (call->node) is not possible.
 */

#include "base/clock.h"
#include "libbus1/client.h"
#include "libbus1/util.h"
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <time.h>

static int call_send(struct bus1_client *client, struct bus1_cmd_call *call) {
        while (call->n_sends > 0) {
                struct bus1_cmd_send *send = ptr_from_u64(call->ptr_sends);
                int r;

                r = bus1_client_send_flags(client, send->flags, send->n_destinations,
                                           ptr_from_u64(send->ptr_destinations),
                                           ptr_from_u64(send->ptr_errors),
                                           ptr_from_u64(send->ptr_message));
                if (r < 0)
                        return r;
                call->ptr_sends += sizeof(*send);
                call->n_sends--;
        }
        return 0;
}

static bool recv_is_valid(const struct bus1_cmd_recv *recv) {
        return !(recv->flags & (BUS1_RECV_FLAG_PEEK | BUS1_RECV_FLAG_WAIT));
}

static int call_recv(struct bus1_client *client, const struct bus1_cmd_call *call, size_t i) {
        struct bus1_cmd_recv *recv = (struct bus1_cmd_recv *)ptr_from_u64(call->ptr_recvs) + i;

        if (!recv_is_valid(recv))
                return -EINVAL;
        return bus1_client_recv(client, recv->flags, ptr_from_u64(recv->ptr_metadata),
                                ptr_from_u64(recv->ptr_message));
}

/* Wait for a message. Sets *timeout to the time that is left. */
static int call_wait(struct bus1_client *client, __u64 *timeout) {
        struct pollfd p = {.fd = bus1_client_get_fd(client), .events = POLLIN};
        struct timespec t = {
                .tv_sec = (time_t)(*timeout / NS_PER_S),
                .tv_nsec = (long)(*timeout % NS_PER_S),
        };
        uint64_t begin = now_ns(), took;
        int r;

        /* more than INT64_MAX ns (292 years) counts as no time-out */
        r = ppoll(&p, 1, *timeout > INT64_MAX ? NULL : &t, NULL);
        if (r < 0)
                r = -errno;
        took = now_ns() - begin;
        if (*timeout <= INT64_MAX)
                *timeout = took < *timeout ? *timeout - took : 0;
        return r == 0 ? -ETIMEDOUT : r;
}

static int call_emulate(struct bus1_client *client, struct bus1_cmd_call *call) {
        bool waits = call->timeout > 0;
        uint64_t n;
        int r;

        if (call->n_sends > BUS1_CALL_MAX || call->n_recvs > BUS1_CALL_MAX)
                return -EMSGSIZE;
        /* The flags of the first receive are checked before anything is sent. */
        if (call->flags != 0 ||
            (call->n_recvs > 0 && !recv_is_valid(ptr_from_u64(call->ptr_recvs))))
                return -EINVAL;
        if (call->node != BUS1_INVALID)
                return -EOPNOTSUPP;
        r = call_send(client, call);
        if (r < 0 || call->n_recvs == 0)
                return r;
        while ((r = call_recv(client, call, 0)) == -EAGAIN && call->timeout > 0) {
                r = call_wait(client, &call->timeout);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r == -EAGAIN && waits ? -ETIMEDOUT : r;
        for (n = 1; n < call->n_recvs && call_recv(client, call, n) >= 0;)
                n++;
        call->n_recvs = n;
        return 0;
}

BUS1_EXPORT int bus1_client_call(struct bus1_client *client, struct bus1_cmd_call *call) {
        int r = client_call_core(client, call);

        return r == -EOPNOTSUPP ? call_emulate(client, call) : r;
}
