/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The functional form: see functional.h. */

#include "test/hostile/functional.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const struct attack *failing; /* the attack of the line that says "FAILED", or NULL */

__attribute__((format(printf, 2, 3))) static void fail(const struct attack *attack,
                                                       const char *format, ...) {
        va_list args;

        if (failing != attack)
                printf("FAILED  %-22s ", attack->name);
        else
                printf("; ");
        failing = attack;
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
}

bool functional_run(const struct stage *stage, enum bus_kind kind, const struct attack *attack) {
        struct outcome o;

        failing = NULL;
        stage_play(stage, kind, attack, false, &o);
        if (!o.available) {
                printf("FAILED  %-22s the bus does not start\n", attack->name);
                return false;
        }
        if (!o.lives)
                fail(attack, "the bus has ended");
        if (!o.answered && !o.outgrown)
                fail(attack, "the victim's %s did not end within %.1f s", o.gap, o.longest);
        if (o.done == 0)
                fail(attack, "the victim got nothing done in %.1f s", stage->seconds);
        if (o.failed > 0)
                fail(attack, "%" PRIu64 " of the victim's calls or signals failed", o.failed);
        if (o.grown_mib >= attack_memory_mib(attack))
                fail(attack, "the bus grew by %.0f MiB, which must be less than %u", o.grown_mib,
                     attack_memory_mib(attack));
        if (o.fds >= attack_fds(attack))
                fail(attack, "the bus had %u descriptors, which must be less than %u", o.fds,
                     attack_fds(attack));
        if (failing)
                printf(" [%u dropped] (%s)\n", o.dropped, attack->what);
        else
                printf("ok      %-22s %7" PRIu64 " done, %4.0f MiB, %4u descriptors, "
                       "%u connections dropped (%s)\n",
                       attack->name, o.done, o.grown_mib, o.fds, o.dropped, attack->what);
        return !failing;
}
