/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Scratch - a directory of configuration files for one test
 *
 * Everything fails the test at once when it cannot be done.
 */

#include <check.h>

#include "policy/config.h"

struct scratch {
        char directory[64];
        char *error; /* of the last load that failed */
};

void scratch_open(struct scratch *scratch);
void scratch_close(struct scratch *scratch);
void scratch_mkdir(struct scratch *scratch, const char *name);
void scratch_write(struct scratch *scratch, const char *name, const char *content);
/* Write <busconfig><listen>unix:path=/x</listen>BODY</busconfig>, BODY on line 2. */
void scratch_write_body(struct scratch *scratch, const char *name, const char *body);

/* NULL and scratch->error when the configuration is refused. */
struct bus_config *scratch_load(struct scratch *scratch, const char *name);
/* A configuration of just that body. */
struct bus_config *scratch_load_body(struct scratch *scratch, const char *body);

/* Whether text is that of one of the warnings. */
bool config_warns(const struct bus_config *config, const char *text);

/* Runs the suite; for main(). */
int run_suite(Suite *suite);
