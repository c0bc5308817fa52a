/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SCM_RIGHTS: how many descriptors the kernel passes with one message of a socket. */

#include <stddef.h>

/* SCM_MAX_FD of the kernel, which no header exports to user space */
#define SCM_FDS_MAX ((size_t)253)
