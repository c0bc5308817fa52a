// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: its parameters, its device, its table of accounts
 *
 * The module cannot be unloaded while a peer is open, because every open file of the device holds a
 * reference to the module. A message never holds such a file (see files.c).
 */

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kdev_t.h>
#include <linux/mm.h>
#include <linux/module.h>
#include "compat.h"
#include "module.h"

static ulong bus1_max_bytes;
static ulong bus1_max_objects;
static ulong bus1_max_messages;
static ulong bus1_max_files;
static ulong bus1_max_copies;

module_param_named(max_bytes, bus1_max_bytes, ulong, 0444);
MODULE_PARM_DESC(max_bytes, "Limit of the memory in bytes for all peers of one user (0: 1/8 of "
			    "memory, at most 2147483648)");
module_param_named(max_objects, bus1_max_objects, ulong, 0444);
MODULE_PARM_DESC(max_objects, "Limit of nodes and handles of one user (0: as many as 1/8 of memory "
			      "holds, at most 1048576)");
module_param_named(max_messages, bus1_max_messages, ulong, 0444);
MODULE_PARM_DESC(max_messages,
		 "Limit of messages queued on all peers of one user (0: as many as 1/8 of "
		 "memory holds, at most 1048576)");
module_param_named(max_files, bus1_max_files, ulong, 0444);
MODULE_PARM_DESC(max_files, "Limit of files queued on all peers of one user (0: one for each 128 "
			    "KiB of memory, at most 16384)");
module_param_named(max_copies, bus1_max_copies, ulong, 0444);
MODULE_PARM_DESC(max_copies, "Limit of handles of one user that another user than the owner of "
			     "their node has passed on (0: 16384)");

static struct bus1_accounts *bus1_accounts;

static char *bus1_devnode(bus1_devnode_device_t *device, umode_t *mode)
{
	if (mode)
		*mode = 0666;
	return NULL;
}

/*
 * The device is no miscellaneous device. The kernel opens all miscellaneous devices with one mutex
 * held. So an open() which waits for memory would keep other users from opening their own peers.
 */
static dev_t bus1_number;
static struct cdev bus1_cdev;
static struct class bus1_class = {
	.name = "bus1",
	.devnode = bus1_devnode,
};

struct bus1_accounts *bus1_module_accounts(void)
{
	return bus1_accounts;
}

static int __init bus1_device_register(void)
{
	struct device *device;
	int r;

	r = alloc_chrdev_region(&bus1_number, 0, 1, "bus1");
	if (r < 0)
		return r;
	r = class_register(&bus1_class);
	if (r < 0)
		goto unregister_number;

	cdev_init(&bus1_cdev, &bus1_fops);
	bus1_cdev.owner = THIS_MODULE;
	r = cdev_add(&bus1_cdev, bus1_number, 1);
	if (r < 0)
		goto unregister_class;
	device = device_create(&bus1_class, NULL, bus1_number, NULL, "bus1");
	r = PTR_ERR_OR_ZERO(device);
	if (r < 0)
		goto delete_cdev;
	return 0;

delete_cdev:
	cdev_del(&bus1_cdev);
unregister_class:
	class_unregister(&bus1_class);
unregister_number:
	unregister_chrdev_region(bus1_number, 1);
	return r;
}

static void bus1_device_unregister(void)
{
	device_destroy(&bus1_class, bus1_number);
	cdev_del(&bus1_cdev);
	class_unregister(&bus1_class);
	unregister_chrdev_region(bus1_number, 1);
}

static int __init bus1_init(void)
{
	struct bus1_limits limits = {
		.max = {
			[BUS1_RESOURCE_BYTES]	 = bus1_max_bytes,
			[BUS1_RESOURCE_OBJECTS]	 = bus1_max_objects,
			[BUS1_RESOURCE_MESSAGES] = bus1_max_messages,
			[BUS1_RESOURCE_FILES]	 = bus1_max_files,
		},
		.max_copies = bus1_max_copies,
	};
	int r;

	bus1_limits_fill(&limits, (u64)totalram_pages() * PAGE_SIZE);
	bus1_accounts = bus1_accounts_new(&limits);
	if (IS_ERR(bus1_accounts))
		return PTR_ERR(bus1_accounts);

	bus1_accounts_set_ask(bus1_accounts, bus1_security());

	r = bus1_device_register();
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
	bus1_device_unregister();
	bus1_accounts_unref(bus1_accounts);
}

module_init(bus1_init);
module_exit(bus1_exit);

MODULE_DESCRIPTION("Capability-based IPC");
MODULE_AUTHOR("The bus1-bridge authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
