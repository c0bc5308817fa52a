/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Received messages
 *
 * This file receives a message of any size into one allocation. The memory is allocated before the
 * message is taken off the queue, so no message is lost when memory runs out. The first try has
 * room for most messages; what the message did not need is freed. If the message needs more, the
 * command reports its sizes, and the next try has exactly this room.
 */

#include "libbus1/util.h"
#include <bus1/bus1.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#define FIRST_DATA 8192
#define FIRST_TRANSFERS 64
#define FIRST_FDS 64

/* The data follows the structure, and must be aligned for any type that the sender put there. */
_Static_assert(sizeof(struct bus1_received) % 16 == 0, "data must be aligned");

/*
 * Set the pointers and sizes in received, unless it is NULL, and return the size of the allocation.
 * In memory, the structure is followed by data, transfers and fds.
 */
static size_t received_layout(struct bus1_received *received, size_t n_transfers, size_t n_data,
                              size_t n_fds) {
        size_t o_transfers, o_fds;

        o_transfers = (n_data + 7) & ~(size_t)7;
        o_fds = o_transfers + n_transfers * sizeof(struct bus1_transfer);

        if (received) {
                uint8_t *start = (uint8_t *)(received + 1);

                received->data = start;
                received->n_data = n_data;
                received->transfers = (void *)(start + o_transfers);
                received->n_transfers = n_transfers;
                received->fds = (void *)(start + o_fds);
                received->n_fds = n_fds;
        }

        return sizeof(*received) + o_fds + n_fds * sizeof(int);
}

static struct bus1_received *received_new(size_t n_transfers, size_t n_data, size_t n_fds) {
        struct bus1_received *received;

        /*
         * All cores have lower limits. The check keeps the sums in received_layout() from
         * overflowing.
         */
        if (n_transfers > SIZE_MAX / 256 || n_data > SIZE_MAX / 4 || n_fds > SIZE_MAX / 64)
                return NULL;

        received = malloc(received_layout(NULL, n_transfers, n_data, n_fds));
        if (received)
                received_layout(received, n_transfers, n_data, n_fds);

        return received;
}

/* Give back the memory that the message did not need. */
static struct bus1_received *received_shrink(struct bus1_received *received, size_t n_transfers,
                                             size_t n_data, size_t n_fds) {
        struct bus1_transfer *transfers = received->transfers;
        struct bus1_received *shrunk;
        int *fds = received->fds;
        size_t n;

        if (received->n_transfers == n_transfers && received->n_data == n_data &&
            received->n_fds == n_fds)
                return received;

        n = received_layout(received, n_transfers, n_data, n_fds);
        memmove(received->transfers, transfers, n_transfers * sizeof(*transfers));
        memmove(received->fds, fds, n_fds * sizeof(*fds));

        shrunk = realloc(received, n);
        if (!shrunk)
                return received;

        received_layout(shrunk, n_transfers, n_data, n_fds);
        return shrunk;
}

/* Receive with a call, or, if call is NULL, with a plain receive. */
static int received_alloc(struct bus1_client *client, struct bus1_cmd_call *call,
                          struct bus1_received **ret_received) {
        size_t n_transfers = FIRST_TRANSFERS, n_data = FIRST_DATA, n_fds = FIRST_FDS;
        int r;

        for (;;) {
                CLEANUP_FREE struct bus1_received *received = NULL;
                struct bus1_message_fds message;
                struct bus1_cmd_recv recv;
                struct iovec vec;

                received = received_new(n_transfers, n_data, n_fds);
                if (!received)
                        return -ENOMEM;

                vec = (struct iovec){received->data, received->n_data};
                message = (struct bus1_message_fds){
                        .message.flags = BUS1_MESSAGE_FLAG_FDS,
                        .message.type = BUS1_INVALID,
                        .message.n_transfers = received->n_transfers,
                        .message.ptr_transfers = ptr_to_u64(received->transfers),
                        .message.n_data = received->n_data,
                        .message.n_data_vecs = 1,
                        .message.ptr_data_vecs = ptr_to_u64(&vec),
                        .n_fds = received->n_fds,
                        .ptr_fds = ptr_to_u64(received->fds),
                };
                recv = (struct bus1_cmd_recv){
                        .flags = BUS1_RECV_FLAG_CREDENTIALS,
                        .ptr_metadata = ptr_to_u64(&received->metadata),
                        .ptr_message = ptr_to_u64(&message),
                };

                if (call) {
                        call->n_recvs = 1;
                        call->ptr_recvs = ptr_to_u64(&recv);
                        r = bus1_client_call(client, call);
                } else {
                        r = bus1_client_recv(client, recv.flags, &received->metadata.metadata,
                                             &message.message);
                }
                if (r >= 0) {
                        received->type = message.message.type;
                        *ret_received =
                                received_shrink(steal_ptr(&received), message.message.n_transfers,
                                                message.message.n_data, message.n_fds);
                        return 0;
                }

                /* each try must have more room, else a faulty core could make the loop endless */
                if (r != -EMSGSIZE || (message.message.n_transfers <= n_transfers &&
                                       message.message.n_data <= n_data && message.n_fds <= n_fds))
                        return r;

                n_transfers = message.message.n_transfers;
                n_data = message.message.n_data;
                n_fds = message.n_fds;
        }
}

BUS1_EXPORT int bus1_client_recv_alloc(struct bus1_client *client,
                                       struct bus1_received **ret_received) {
        return received_alloc(client, NULL, ret_received);
}

BUS1_EXPORT int bus1_client_call_alloc(struct bus1_client *client, struct bus1_cmd_call *call,
                                       struct bus1_received **ret_received) {
        return received_alloc(client, call, ret_received);
}

BUS1_EXPORT struct bus1_received *bus1_received_free(struct bus1_received *received) {
        if (!received)
                return NULL;

        for (size_t i = 0; i < received->n_fds; i++)
                if (received->fds[i] >= 0)
                        close(received->fds[i]);

        free(received);
        return NULL;
}
