/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_INVARIANT_H
#define __BUS1_INVARIANT_H

/*
 * Invariants
 *
 * An invariant holds whatever the peers do. bus1_invariant() checks invariants in builds with
 * BUS1_DEBUG, and in those for kernels with KASAN, KCSAN or PROVE_LOCKING. The names are those of
 * test/model/README.md, which also lists the invariants that models check.
 */

#include <linux/bug.h>
#include <linux/types.h>

#if defined(CONFIG_KASAN) || defined(CONFIG_KCSAN) || defined(CONFIG_PROVE_LOCKING)
#define BUS1_DEBUG 1
#endif

#ifdef BUS1_DEBUG
#define bus1_invariant(name, holds) WARN(!(holds), "bus1: not " name ": " #holds "\n")
#else
/* The condition is compiled, so that it stays correct when the code changes, but not evaluated. */
#define bus1_invariant(name, holds) ((void)sizeof(!(holds)))
#endif

#endif /* __BUS1_INVARIANT_H */
