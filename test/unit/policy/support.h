/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Scratch - a directory of configuration files for one test
 *
 * If a function cannot do its work, the test fails at once.
 */

#include <check.h>

#include "policy/config.h"

struct scratch {
        char directory[64];
        char *error; /* the error text of the last load; NULL if it succeeded */
};

void scratch_open(struct scratch *scratch);
void scratch_close(struct scratch *scratch);
void scratch_mkdir(struct scratch *scratch, const char *name);
void scratch_write(struct scratch *scratch, const char *name, const char *content);
/* Write <busconfig><listen>unix:path=/x</listen>BODY</busconfig>, with BODY on line 2. */
void scratch_write_body(struct scratch *scratch, const char *name, const char *body);

/* Load a file. If it is refused, returns NULL and sets scratch->error. */
struct bus_config *scratch_load(struct scratch *scratch, const char *name);
/* Write and load a configuration with this body. */
struct bus_config *scratch_load_body(struct scratch *scratch, const char *body);

/* Is text a part of one of the warnings? */
bool config_warns(const struct bus_config *config, const char *text);

/* Run the suite and return the exit status of main(). */
int run_suite(Suite *suite);
