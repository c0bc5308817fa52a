// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: its parameters, its device, its only global state
 *
 * The module cannot be unloaded while a peer is open, because every open file of the device holds a
 * reference to the module. A message never holds such a file (see files.c).
 */

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include "module.h"

static ulong bus1_max_bytes;
static ulong bus1_max_objects;
static ulong bus1_max_messages;
static ulong bus1_max_files;

module_param_named(max_bytes, bus1_max_bytes, ulong, 0444);
MODULE_PARM_DESC(
	max_bytes,
	"Limit of bytes queued on all peers of one user (0: 1/8 of memory, at most 2147483648)");
module_param_named(max_objects, bus1_max_objects, ulong, 0444);
MODULE_PARM_DESC(max_objects, "Limit of nodes and handles of one user (0: 1048576)");
module_param_named(max_messages, bus1_max_messages, ulong, 0444);
MODULE_PARM_DESC(max_messages, "Limit of messages queued on all peers of one user (0: 1048576)");
module_param_named(max_files, bus1_max_files, ulong, 0444);
MODULE_PARM_DESC(max_files, "Limit of files queued on all peers of one user (0: 16384)");

static struct bus1_accounts *bus1_accounts;

static struct miscdevice bus1_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "bus1",
	.fops = &bus1_fops,
	.mode = 0666,
};

struct bus1_accounts *bus1_module_accounts(void)
{
	return bus1_accounts;
}

/* Queued messages cannot be swapped out, so by default one user must not get all memory. */
static u64 __init bus1_default_bytes(void)
{
	return min_t(u64, (u64)totalram_pages() * PAGE_SIZE / 8, BUS1_DEFAULT_MAX_BYTES);
}

static int __init bus1_init(void)
{
	const struct bus1_limits limits = {
		.max = {
			[BUS1_RESOURCE_BYTES]	 = bus1_max_bytes ?: bus1_default_bytes(),
			[BUS1_RESOURCE_OBJECTS]	 = bus1_max_objects,
			[BUS1_RESOURCE_MESSAGES] = bus1_max_messages,
			[BUS1_RESOURCE_FILES]	 = bus1_max_files,
		},
	};
	int r;

	bus1_accounts = bus1_accounts_new(&limits);
	if (IS_ERR(bus1_accounts))
		return PTR_ERR(bus1_accounts);

	r = misc_register(&bus1_device);
	if (r < 0) {
		bus1_accounts_unref(bus1_accounts);
		return r;
	}

	bus1_debugfs_init();
	return 0;
}

static void __exit bus1_exit(void)
{
	bus1_debugfs_exit();
	misc_deregister(&bus1_device);
	bus1_accounts_unref(bus1_accounts);
}

module_init(bus1_init);
module_exit(bus1_exit);

MODULE_DESCRIPTION("Capability-based IPC");
MODULE_AUTHOR("The bus1-bridge authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
