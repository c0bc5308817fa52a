// SPDX-License-Identifier: GPL-2.0-only
/*
 * The compiler generates the code of the tracepoints here
 */

#define CREATE_TRACE_POINTS
#include <trace/events/bus1.h>
