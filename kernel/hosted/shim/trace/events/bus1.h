/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_TRACE_EVENTS_BUS1_H
#define _SHIM_TRACE_EVENTS_BUS1_H

#include <linux/types.h>

/* In the kernel these are tracepoints. Here they do nothing. */

struct bus1_payload;

static inline void trace_bus1_send(u64 peer, u64 flags, const u64 *destinations,
				   size_t n_destinations, size_t n_transfers,
				   const struct bus1_payload *payload, int result)
{
}

static inline void trace_bus1_recv(u64 peer, u64 type, u64 id, size_t n_transfers,
				   const struct bus1_payload *payload, int result)
{
}

static inline void trace_bus1_release(u64 peer, size_t n_ids, int result)
{
}

static inline void trace_bus1_transfer(u64 from, u64 to, size_t n, int result)
{
}

static inline void trace_bus1_end(u64 peer, bool disconnect)
{
}

#endif
