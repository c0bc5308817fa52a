/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bus1

#if !defined(_TRACE_BUS1_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_BUS1_H

/*
 * Tracepoints
 *
 * Peers are named by their numbers, like in debugfs. IDs are those that the peer itself uses. An
 * event is reported after the core has carried out an operation. Many operations that fail are
 * reported, too. Peers of 2016 report the same events, with the message types of 2026.
 */

#include <linux/tracepoint.h>
#include "../../../../core/core.h"

TRACE_EVENT(bus1_send,
	TP_PROTO(u64 peer, u64 flags, const u64 *destinations, size_t n_destinations,
		 size_t n_transfers, const struct bus1_payload *payload, int result),
	TP_ARGS(peer, flags, destinations, n_destinations, n_transfers, payload, result),
	TP_STRUCT__entry(
		__field(u64, peer)
		__field(u64, flags)
		__field(u64, first)
		__field(size_t, n_destinations)
		__field(size_t, n_transfers)
		__field(size_t, n_data)
		__field(size_t, n_files)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->peer = peer;
		__entry->flags = flags;
		__entry->first = n_destinations > 0 ? destinations[0] : BUS1_INVALID;
		__entry->n_destinations = n_destinations;
		__entry->n_transfers = n_transfers;
		__entry->n_data = payload->n_data;
		__entry->n_files = payload->n_files;
		__entry->result = result;
	),
	TP_printk("peer=%llu flags=%#llx destinations=%zu first=%lld transfers=%zu "
		  "data=%zu files=%zu result=%d",
		  __entry->peer, __entry->flags, __entry->n_destinations, __entry->first,
		  __entry->n_transfers, __entry->n_data, __entry->n_files, __entry->result)
);

TRACE_EVENT(bus1_recv,
	TP_PROTO(u64 peer, u64 type, u64 id, size_t n_transfers,
		 const struct bus1_payload *payload, int result),
	TP_ARGS(peer, type, id, n_transfers, payload, result),
	TP_STRUCT__entry(
		__field(u64, peer)
		__field(u64, type)
		__field(u64, id)
		__field(size_t, n_transfers)
		__field(size_t, n_data)
		__field(size_t, n_files)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->peer = peer;
		__entry->type = type;
		__entry->id = id;
		__entry->n_transfers = n_transfers;
		__entry->n_data = payload ? payload->n_data : 0;
		__entry->n_files = payload ? payload->n_files : 0;
		__entry->result = result;
	),
	TP_printk("peer=%llu type=%s id=%lld transfers=%zu data=%zu files=%zu result=%d",
		  __entry->peer,
		  __print_symbolic(__entry->type,
				   { BUS1_MESSAGE_TYPE_USER, "user" },
				   { BUS1_MESSAGE_TYPE_NODE_RELEASE, "node_release" },
				   { BUS1_MESSAGE_TYPE_HANDLE_RELEASE, "handle_release" }),
		  __entry->id, __entry->n_transfers, __entry->n_data, __entry->n_files,
		  __entry->result)
);

TRACE_EVENT(bus1_release,
	TP_PROTO(u64 peer, size_t n_ids, int result),
	TP_ARGS(peer, n_ids, result),
	TP_STRUCT__entry(
		__field(u64, peer)
		__field(size_t, n_ids)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->peer = peer;
		__entry->n_ids = n_ids;
		__entry->result = result;
	),
	TP_printk("peer=%llu ids=%zu result=%d", __entry->peer, __entry->n_ids, __entry->result)
);

TRACE_EVENT(bus1_transfer,
	TP_PROTO(u64 from, u64 to, size_t n, int result),
	TP_ARGS(from, to, n, result),
	TP_STRUCT__entry(
		__field(u64, from)
		__field(u64, to)
		__field(size_t, n)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->from = from;
		__entry->to = to;
		__entry->n = n;
		__entry->result = result;
	),
	TP_printk("from=%llu to=%llu transfers=%zu result=%d", __entry->from, __entry->to,
		  __entry->n, __entry->result)
);

TRACE_EVENT(bus1_end,
	TP_PROTO(u64 peer, bool disconnect),
	TP_ARGS(peer, disconnect),
	TP_STRUCT__entry(
		__field(u64, peer)
		__field(bool, disconnect)
	),
	TP_fast_assign(
		__entry->peer = peer;
		__entry->disconnect = disconnect;
	),
	TP_printk("peer=%llu %s", __entry->peer, __entry->disconnect ? "disconnect" : "reset")
);

#endif /* _TRACE_BUS1_H */

#include <trace/define_trace.h>
