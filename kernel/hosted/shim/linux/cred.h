/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

struct cred;

/* There are none in user space. */
static inline void put_cred(const struct cred *cred)
{
}
