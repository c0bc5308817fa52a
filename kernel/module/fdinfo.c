// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/PID/fdinfo of an open device
 *
 * It tells what the peer is and has, for those who may look into the process. What other peers of
 * its user have, and what the limits leave, is not shown: the process can belong to another user
 * than the peer. Nothing here waits, so it also works while a command of the peer is stuck.
 */

#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/uidgid.h>
#include "../core/inspect.h"
#include "module.h"

static const char *bus1_fdinfo_generation(enum bus1_generation generation)
{
	switch (generation) {
	case BUS1_GENERATION_2016:
		return "2016";
	case BUS1_GENERATION_2026:
		return "2026";
	case BUS1_GENERATION_OPEN:
		break;
	}
	return "none";
}

void bus1_fdinfo_show(struct seq_file *seq, struct file *file)
{
	struct bus1_file *bus1_file = file->private_data;
	enum bus1_generation generation = READ_ONCE(bus1_file->generation);
	struct bus1_peer_info info;

	bus1_inspect_peer_now(bus1_file->peer, &info);
	seq_printf(seq, "bus1-generation:\t%s\n", bus1_fdinfo_generation(generation));
	seq_printf(seq, "bus1-peer:\t%llu\n", info.number);
	seq_printf(seq, "bus1-uid:\t%u\n", from_kuid_munged(seq_user_ns(seq), info.uid));
	seq_printf(seq, "bus1-state:\t%s\n",
		   info.disconnected ? "ended"
		   : info.readable   ? "readable"
				     : "open");
	/*
	 * The core does not count the nodes and handles of a peer of 2016: one ID there can name a
	 * node together with a handle to it.
	 */
	if (generation != BUS1_GENERATION_2016) {
		seq_printf(seq, "bus1-nodes:\t%llu\n", info.n_nodes);
		seq_printf(seq, "bus1-handles:\t%llu\n", info.n_handles);
	}
	seq_printf(seq, "bus1-queued:\t%llu\n", info.n_queued);
	seq_printf(seq, "bus1-bytes:\t%llu\n", info.used[BUS1_RESOURCE_BYTES]);
	seq_printf(seq, "bus1-objects:\t%llu\n", info.used[BUS1_RESOURCE_OBJECTS]);
	seq_printf(seq, "bus1-messages:\t%llu\n", info.used[BUS1_RESOURCE_MESSAGES]);
	seq_printf(seq, "bus1-files:\t%llu\n", info.used[BUS1_RESOURCE_FILES]);
	seq_printf(seq, "bus1-pending:\t%llu\n", info.n_pending);
}
