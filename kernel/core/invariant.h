/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_INVARIANT_H
#define __BUS1_INVARIANT_H

/*
 * Invariants
 *
 * An invariant holds whatever the peers do. The models of test/model prove the invariants of the
 * protocol. Builds with BUS1_DEBUG, and kernels with checkers of their own, check those of the
 * code. The names are those of test/model/README.md.
 */

#include <linux/bug.h>
#include <linux/types.h>

#if defined(CONFIG_KASAN) || defined(CONFIG_KCSAN) || defined(CONFIG_PROVE_LOCKING)
#define BUS1_DEBUG 1
#endif

#ifdef BUS1_DEBUG
#define bus1_invariant(name, holds) WARN(!(holds), "bus1: not " name ": " #holds "\n")
#else
/* Compiled, so that it stays true to the code, but not evaluated. */
#define bus1_invariant(name, holds) ((void)sizeof(!(holds)))
#endif

#endif /* __BUS1_INVARIANT_H */
