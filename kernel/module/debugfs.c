// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files in debugfs, for root
 *
 *	usage		sums over all users
 *	accounts	usage and limits of each account, of a user or of a user namespace
 *	peers		usage of each peer
 *	queues		the state of each peer's queue
 *	nodes		nodes of all peers
 *	handles		handles of all peers, and the nodes they refer to
 *
 * The first line of a table has the names of its columns. Peers are named by their numbers, nodes
 * and handles by the IDs that their peers use. No lock is held between two lines, so two lines can
 * show different moments.
 */

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include "../core/inspect.h"
#include "module.h"

static struct dentry *bus1_debugfs;

static int bus1_usage_show(struct seq_file *seq, void *unused)
{
	u64 used[_BUS1_RESOURCE_N];
	size_t n_accounts;

	bus1_accounts_usage(bus1_module_accounts(), &n_accounts, used);
	seq_printf(seq, "accounts %zu\n", n_accounts);
	seq_printf(seq, "bytes %llu\n", used[BUS1_RESOURCE_BYTES]);
	seq_printf(seq, "objects %llu\n", used[BUS1_RESOURCE_OBJECTS]);
	seq_printf(seq, "messages %llu\n", used[BUS1_RESOURCE_MESSAGES]);
	seq_printf(seq, "files %llu\n", used[BUS1_RESOURCE_FILES]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(bus1_usage);

/**
 * struct bus1_walk - a walk over accounts, peers or objects; each step is one line
 * @account:	account that is shown
 * @peer:	peer that is shown, or that has the object; peers are numbered from 1
 * @object:	object that is shown
 * @ended:	there are no more lines
 */
struct bus1_walk {
	struct bus1_account_info account;
	struct bus1_peer_info peer;
	struct bus1_object_info object;
	bool ended;
};

static uid_t bus1_debugfs_uid(kuid_t uid)
{
	return from_kuid_munged(&init_user_ns, uid);
}

static bool bus1_accounts_next(struct bus1_walk *walk)
{
	const struct bus1_account_info *info = &walk->account;

	/* Before the first account the depth is 0. */
	return bus1_inspect_account(bus1_module_accounts(),
				    info->depth > 0 ? info->path[info->depth - 1] : 0,
				    info->depth > 0 ? info->outer + 1 : 0, &walk->account);
}

static void bus1_accounts_show(struct seq_file *seq, const struct bus1_walk *walk)
{
	const struct bus1_account_info *info = &walk->account;
	size_t i;

	for (i = 0; i < info->depth; i++) {
		if (i > 0)
			seq_putc(seq, '/');
		if (info->path[i] & BUS1_KEY_NAMESPACE)
			seq_printf(seq, "user:[%llu]", info->path[i] & ~BUS1_KEY_NAMESPACE);
		else
			seq_printf(seq, "%llu", info->path[i]);
	}
	seq_printf(seq, " %llu", info->n_shares);
	for (i = 0; i < _BUS1_RESOURCE_N; i++)
		seq_printf(seq, " %llu/%llu", info->used[i], info->max[i]);
	seq_printf(seq, " %llu/%llu %llu/%llu\n", info->memory, info->max[BUS1_RESOURCE_BYTES],
		   info->n_copies, info->max_copies);
}

static bool bus1_peers_next(struct bus1_walk *walk)
{
	return bus1_inspect_peer(bus1_module_accounts(), walk->peer.number + 1, &walk->peer);
}

static void bus1_peers_show(struct seq_file *seq, const struct bus1_walk *walk)
{
	const struct bus1_peer_info *info = &walk->peer;

	seq_printf(seq, "%llu %u %s %llu %llu %llu %llu %llu %llu\n", info->number,
		   bus1_debugfs_uid(info->uid), info->disconnected ? "ended" : "open",
		   info->n_nodes, info->n_handles, info->used[BUS1_RESOURCE_BYTES],
		   info->used[BUS1_RESOURCE_OBJECTS], info->used[BUS1_RESOURCE_MESSAGES],
		   info->used[BUS1_RESOURCE_FILES]);
}

static void bus1_queues_show(struct seq_file *seq, const struct bus1_walk *walk)
{
	const struct bus1_peer_info *info = &walk->peer;

	seq_printf(seq, "%llu %llu %llu %s\n", info->number, info->clock, info->n_queued,
		   info->disconnected ? "sealed"
		   : info->readable   ? "readable"
		   : info->n_queued   ? "staged"
				      : "empty");
}

/* Find the next node (or handle) of the walk's peer, or the first one of a later peer. */
static bool bus1_objects_next(struct bus1_walk *walk, bool is_node)
{
	u64 id = walk->object.id + 1;

	do {
		while (bus1_inspect_object(bus1_module_accounts(), walk->peer.number, id,
					   &walk->object)) {
			if (walk->object.is_node == is_node)
				return true;
			if (fatal_signal_pending(current))
				return false;
			id = walk->object.id + 1;
			cond_resched();
		}
		id = 0;
	} while (bus1_peers_next(walk));
	return false;
}

static bool bus1_nodes_next(struct bus1_walk *walk)
{
	return bus1_objects_next(walk, true);
}

static bool bus1_handles_next(struct bus1_walk *walk)
{
	return bus1_objects_next(walk, false);
}

/* Show a node, or a handle with the node that it refers to. */
static void bus1_objects_show(struct seq_file *seq, const struct bus1_walk *walk)
{
	const struct bus1_object_info *info = &walk->object;

	seq_printf(seq, "%llu %llu", walk->peer.number, info->id);
	if (!info->is_node)
		seq_printf(seq, " %llu %llu", info->owner, info->node);
	seq_printf(seq, "%s%s\n", info->oneshot ? " oneshot" : "", info->dead ? " dead" : "");
}

/* @next finds the next element, and returns false when there is none. @show prints its line. */
static const struct bus1_table {
	const char *name;
	const char *head;
	bool (*next)(struct bus1_walk *walk);
	void (*show)(struct seq_file *seq, const struct bus1_walk *walk);
} bus1_tables[] = {
	{ "accounts", "account foreign_users bytes objects messages files memory copies\n",
	  bus1_accounts_next, bus1_accounts_show },
	{ "peers", "peer uid state nodes handles bytes objects messages files\n", bus1_peers_next,
	  bus1_peers_show },
	{ "queues", "peer clock entries state\n", bus1_peers_next, bus1_queues_show },
	{ "nodes", "peer node\n", bus1_nodes_next, bus1_objects_show },
	{ "handles", "peer handle owner node\n", bus1_handles_next, bus1_objects_show },
};

/* files: position 0 is the line with the names of the columns; the walk knows the other lines */

static const struct bus1_table *bus1_table_of(struct seq_file *seq)
{
	return file_inode(seq->file)->i_private;
}

static void *bus1_table_start(struct seq_file *seq, loff_t *position)
{
	struct bus1_walk *walk = seq->private;

	if (*position == 0)
		return SEQ_START_TOKEN;
	/* The walk is at the line to show: the next one, or the one that did not fit last time. */
	return walk->ended ? NULL : walk;
}

static void *bus1_table_next(struct seq_file *seq, void *current_line, loff_t *position)
{
	struct bus1_walk *walk = seq->private;

	++*position;
	if (current_line == SEQ_START_TOKEN)
		*walk = (struct bus1_walk){};
	walk->ended = !bus1_table_of(seq)->next(walk);
	return walk->ended ? NULL : walk;
}

static void bus1_table_stop(struct seq_file *seq, void *current_line)
{
}

static int bus1_table_show(struct seq_file *seq, void *current_line)
{
	if (current_line == SEQ_START_TOKEN)
		seq_puts(seq, bus1_table_of(seq)->head);
	else
		bus1_table_of(seq)->show(seq, current_line);
	return 0;
}

static const struct seq_operations bus1_table_operations = {
	.start = bus1_table_start,
	.next = bus1_table_next,
	.stop = bus1_table_stop,
	.show = bus1_table_show,
};

static int bus1_table_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &bus1_table_operations, sizeof(struct bus1_walk));
}

static const struct file_operations bus1_table_fops = {
	.owner = THIS_MODULE,
	.open = bus1_table_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release_private,
};

/* Errors are ignored, because the module works without debugfs, too. */
void bus1_debugfs_init(void)
{
	size_t i;

	bus1_debugfs = debugfs_create_dir("bus1", NULL);
	debugfs_create_file("usage", 0400, bus1_debugfs, NULL, &bus1_usage_fops);
	for (i = 0; i < ARRAY_SIZE(bus1_tables); i++)
		debugfs_create_file(bus1_tables[i].name, 0400, bus1_debugfs,
				    (void *)&bus1_tables[i], &bus1_table_fops);
}

void bus1_debugfs_exit(void)
{
	debugfs_remove(bus1_debugfs);
}
