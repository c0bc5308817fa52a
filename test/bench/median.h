/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The median of measurements. */

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

static inline int median_compare(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

/* Sorts the values. Returns NAN when there are none. */
static inline double median(double *values, size_t n) {
        if (n == 0)
                return NAN;
        qsort(values, n, sizeof(*values), median_compare);
        return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
