/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a member that a callback is given to the structure that it is embedded in. */

#include <stddef.h>

#define container(type, member, p) ((type *)((char *)(p)-offsetof(type, member)))
