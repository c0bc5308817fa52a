// SPDX-License-Identifier: GPL-2.0-only
/*
 * Security labels of senders
 *
 * A send captures the credentials of the task, which never change. Security modules spell the label
 * only when a receiver asks for it. They also decide whether namespaces change it.
 */

#include <linux/errno.h>
#include <linux/string.h>
#include "compat.h"
#include "module.h"

void bus1_secctx_put(struct bus1_secctx *secctx)
{
	if (secctx->data)
		bus1_compat_release_label(&secctx->label);
	secctx->data = NULL;
}

/**
 * bus1_secctx_get() - get the label of the sender of a message
 * @secctx:	set to the label; call bus1_secctx_put() also after a failure
 * @recv:	message or notification
 *
 * Return: 0, also when there is no label; -ENOMEM.
 */
int bus1_secctx_get(struct bus1_secctx *secctx, const struct bus1_recv *recv)
{
	int r;

	*secctx = (struct bus1_secctx){ .n = BUS1_INVALID };
	if (!recv->payload || !recv->payload->creds.cred)
		return 0;

	r = bus1_compat_spell_label(&secctx->label, recv->payload->creds.cred);
	if (r < 0) {
		/* Security modules report by various errors that they have no label. */
		*secctx = (struct bus1_secctx){ .n = BUS1_INVALID };
		return r == -ENOMEM ? r : 0;
	}
	/* Some security modules include a zero at the end in the size, others do not. */
	secctx->data = secctx->label.context;
	secctx->n = secctx->data ? strnlen(secctx->data, secctx->label.len) : 0;
	return 0;
}
