// SPDX-License-Identifier: GPL-2.0-only
/*
 * BUS1_CMD_QUERY: version, features, limits and usage
 */

#include <linux/uaccess.h>
#include "module.h"

int bus1_ioctl_query(struct bus1_peer *peer, void __user *argp)
{
	struct bus1_cmd_query query;
	int r;

	if (copy_from_user(&query, argp, sizeof(query)))
		return -EFAULT;

	r = bus1_peer_query(peer, &query);
	if (r < 0)
		return r;
	/*
	 * The core does not report these features, because only the module has memory that a
	 * program can map, and lets programs wait.
	 */
	query.features |= BUS1_FEATURE_POOL | BUS1_FEATURE_CALL;

	return copy_to_user(argp, &query, sizeof(query)) ? -EFAULT : 0;
}
