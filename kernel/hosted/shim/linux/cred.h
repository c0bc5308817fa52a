/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_CRED_H
#define _SHIM_LINUX_CRED_H

struct cred;

/* There are none in user space. */
static inline void put_cred(const struct cred *cred)
{
}

#endif
