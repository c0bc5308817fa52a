/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Services for the bus of the fixture, which go on when another bus takes over. */

#include "bridge/base/loop.h"
#include "takeover.h"

#define WAITS "com.example.Waits"   /* has no Exec: the start only waits for an owner of the name */
#define SLEEPS "com.example.Sleeps" /* its program sleeps */
#define MISSING "com.example.Missing" /* its program does not exist */
#define HAS_UNIT "com.example.Unit"   /* has SystemdService=a.service */

extern struct loop services_loop;

/* Call this first in each test: the fixture makes the bus after the functions of a file have run.
 */
void services_setup(void);
void services_teardown(void);
/* Run the loop for a short time. */
void services_run(void);
/* Do all jobs of users. */
void services_run_jobs(void);
