// SPDX-License-Identifier: GPL-2.0-only
/*
 * Security labels of senders
 *
 * A send captures the credentials of the task, which never change. Security modules spell the label
 * only when a receiver asks for it. They also decide whether namespaces change it.
 */

#include <linux/cred.h>
#include <linux/security.h>
#include <linux/string.h>
#include <linux/version.h>
#include "module.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)

static int bus1_secctx_spell(struct bus1_secctx *secctx, const struct cred *cred)
{
	u32 secid;

	security_cred_getsecid(cred, &secid);
	return security_secid_to_secctx(secid, &secctx->data, &secctx->size);
}

void bus1_secctx_put(struct bus1_secctx *secctx)
{
	if (secctx->data)
		security_release_secctx(secctx->data, secctx->size);
	secctx->data = NULL;
}

#else

static int bus1_secctx_spell(struct bus1_secctx *secctx, const struct cred *cred)
{
	struct lsm_prop prop;
	int r;

	security_cred_getlsmprop(cred, &prop);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
	r = security_lsmprop_to_secctx(&prop, &secctx->context);
#else
	r = security_lsmprop_to_secctx(&prop, &secctx->context, LSM_ID_UNDEF);
#endif
	if (r < 0)
		return r;
	secctx->data = secctx->context.context;
	secctx->size = secctx->context.len;
	return 0;
}

void bus1_secctx_put(struct bus1_secctx *secctx)
{
	if (secctx->data)
		security_release_secctx(&secctx->context);
	secctx->data = NULL;
}

#endif

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

	r = bus1_secctx_spell(secctx, recv->payload->creds.cred);
	if (r < 0) {
		/* Security modules report by various errors that they have no label. */
		*secctx = (struct bus1_secctx){ .n = BUS1_INVALID };
		return r == -ENOMEM ? r : 0;
	}
	/* Some security modules include a zero at the end in the size, others do not. */
	secctx->n = secctx->data ? strnlen(secctx->data, secctx->size) : 0;
	return 0;
}
