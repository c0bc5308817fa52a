/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The protocol of the hosted socket
 *
 * A peer of a hosted core is one connected SOCK_SEQPACKET socket. The client sends a request packet
 * and waits for the reply packet; there is never more than one request under way, and the server
 * never speaks first. Both ends run on one machine, so numbers are in host order and structures are
 * copied as they are. A request is
 *
 *         struct bus1_hosted_request
 *         uint64_t ids[n_ids]                          RELEASE, and the destinations of SEND
 *         struct bus1_transfer transfers[n_transfers]  TRANSFER, SEND
 *         uint8_t data[n_data]                         SEND
 *
 * and nothing behind it. If a request does not fit into a packet, or has more data than
 * BUS1_HOSTED_DATA_INLINE_MAX, the packet has only the structure, and a memfd has the rest. Seals
 * (BUS1_HOSTED_SEALS) keep the memfd from changing. A reply with the result 0 is
 *
 *         struct bus1_hosted_reply
 *         struct bus1_transfer transfers[]    TRANSFER (all sources, then all destinations), SEND:
 *                                             as many as in the request; RECV: n_transfers
 *         int32_t errors[]                    SEND with BUS1_SEND_FLAG_CONTINUE: n_ids
 *         uint8_t data[]                      RECV, READ: n_data; the answer to HELLO and QUERY
 *
 * If the command fails, the reply is only the structure, and so is that of a RECV with
 * BUS1_RECV_FLAG_DISCARD.
 *
 * When a message has more data than BUS1_HOSTED_DATA_INLINE_MAX, RECV fails with -ENOBUFS and
 * reports the sizes. The client then READs the data piece by piece, which leaves the message
 * queued, and takes the message with a RECV that has BUS1_HOSTED_REQUEST_DATA_READ and whose reply
 * has no data. When another message is first in the queue by then, READ and this RECV fail with
 * -ESTALE. When the queue is empty, READ fails with -ESTALE, and RECV with -EAGAIN. So the server
 * never allocates memory for a client that is slow to receive.
 *
 * The reply to HELLO comes with a second socket, the bell: one packet of one byte waits there while
 * the queue is readable. The client takes one packet out for each reply that has
 * BUS1_HOSTED_REPLY_BELL. An eventfd would be cheaper, but both ends would share its flags, and a
 * client could make the server's next write to it block.
 *
 * File descriptors travel with SCM_RIGHTS: first the memfd, then those of the message. The server
 * trusts none of them: it checks every length and seal, and never waits for a lock that a client
 * can hold. Reading a memfd with these seals cannot block.
 */

#include <linux/bus1.h>
#include <stdint.h>

#include "base/scm.h"

/* changes whenever the protocol changes incompatibly */
#define BUS1_HOSTED_MAGIC UINT32_C(0xb0510002)

/* the greatest packet, in either direction */
#define BUS1_HOSTED_PACKET_MAX ((size_t)(128 * 1024))
/* the most data in a packet of SEND or RECV; a message with more has no data in the packet */
#define BUS1_HOSTED_DATA_INLINE_MAX ((size_t)(64 * 1024))
/* the most data in one READ */
#define BUS1_HOSTED_READ_MAX ((size_t)(120 * 1024))

/* descriptors in one packet */
#define BUS1_HOSTED_FDS_MAX SCM_FDS_MAX
/* descriptors in one message: one fewer, because a packet may also have the memfd */
#define BUS1_HOSTED_MESSAGE_FDS_MAX (BUS1_HOSTED_FDS_MAX - 1)

#define BUS1_HOSTED_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

enum {
        BUS1_HOSTED_HELLO,
        BUS1_HOSTED_TRANSFER,
        BUS1_HOSTED_RELEASE,
        BUS1_HOSTED_SEND,
        BUS1_HOSTED_RECV,
        BUS1_HOSTED_READ,
        BUS1_HOSTED_QUERY,
        BUS1_HOSTED_DISCONNECT,
        BUS1_HOSTED_RESET,
};

/* the first file descriptor is a memfd with the rest of the request */
#define BUS1_HOSTED_REQUEST_MEMFD UINT64_C(0x1)
/* RECV: the client has got the data with READ */
#define BUS1_HOSTED_REQUEST_DATA_READ UINT64_C(0x2)

/* the queue is not readable any more: the client must take a packet out of the bell */
#define BUS1_HOSTED_REPLY_BELL UINT64_C(0x1)

/* Fields that the command does not use are 0. */
struct bus1_hosted_request {
        uint32_t magic;
        uint32_t command;
        uint64_t request_flags; /* BUS1_HOSTED_REQUEST_* */
        uint64_t flags;         /* flags of the bus1 command */
        uint64_t message_flags; /* SEND, RECV */
        uint64_t message_type;  /* SEND, RECV */
        uint64_t n_ids;         /* RELEASE, SEND */
        uint64_t n_transfers;   /* in RECV, n_transfers, n_data and n_fds are capacities */
        uint64_t n_data;
        uint64_t n_fds;
        uint64_t offset; /* READ: where the n_data bytes begin in the data */
        uint64_t to;     /* TRANSFER: the other peer and its secret, or 0 for the same peer */
        uint8_t to_secret[16];
};

struct bus1_hosted_reply {
        uint32_t magic;
        int32_t result;       /* 0 or negative errno */
        uint64_t reply_flags; /* BUS1_HOSTED_REPLY_* */
        uint64_t message_type;
        /* RECV: the sizes of the message, also with -EMSGSIZE and -ENOBUFS; READ: only n_data */
        uint64_t n_transfers;
        uint64_t n_data;
        uint64_t n_fds;
        struct bus1_metadata_credentials metadata;
};

/* The answer to HELLO; the client's end of the bell comes with it. */
struct bus1_hosted_hello {
        uint8_t domain[16]; /* names the core */
        uint64_t peer;      /* names the peer in the core; not 0 */
        uint8_t secret[16]; /* proves that a client has the peer's socket */
};

_Static_assert(sizeof(struct bus1_hosted_request) == 104, "the arrays behind it must be aligned");
_Static_assert(sizeof(struct bus1_hosted_reply) == 104, "the arrays behind it must be aligned");
_Static_assert(sizeof(struct bus1_hosted_hello) == 40, "no padding");
