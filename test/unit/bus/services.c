/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bridge/bus/account.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/activation.h"

#define RUN_TIME (20 * INT64_C(1000000)) /* ns */
#define PIPES_MAX 8
#define HIGH_FD 500

struct loop services_loop;

static char directory[] = "/tmp/bus-services-XXXXXX";
/* Pipes of programs, which the old bus closes, but execve() does not: their numbers, and copies. */
static int pipes[PIPES_MAX][2];
static size_t n_pipes;

static const struct {
        const char *name, *line;
} services[] = {
        {WAITS, ""},
        {SLEEPS, "Exec=/bin/sleep 60\n"},
        {MISSING, "Exec=/nonexistent\n"},
        {HAS_UNIT, "SystemdService=a.service\n"},
};

static const char *path_of(const char *name) {
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s.service", directory, name);
        return path;
}

static void begin(void) {
        struct bus_servicedir servicedir = {.path = directory};
        const struct bus_config config = {.servicedirs = &servicedir, .n_servicedirs = 1};
        struct service_table *table;
        struct rlimit limit;

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        ck_assert_int_eq(loop_init(&services_loop), 0);
        schedule_init(&bus.schedule, &services_loop);
        ck_assert_int_eq(activation_new(&bus, &services_loop, &limit, &bus.activation), 0);
        ck_assert_int_eq(service_table_load(&config, &table), 0);
        activation_exchange_table(bus.activation, &table);
        bus.systemd_activation = true;
        bus.address = strdup("unix:path=/nonexistent");
        for (size_t i = 0; i < n_pipes; i++) {
                ck_assert_int_eq(dup3(pipes[i][1], pipes[i][0], O_CLOEXEC), pipes[i][0]);
                close(pipes[i][1]);
        }
        n_pipes = 0;
}

static void end(void) {
        const struct child *child = NULL;
        struct client *client;

        while ((child = child_next(&bus.activation->children, child)))
                if (child_pipe(child) >= 0) {
                        ck_assert_uint_lt(n_pipes, PIPES_MAX);
                        pipes[n_pipes][0] = child_pipe(child);
                        pipes[n_pipes++][1] = fcntl(child_pipe(child), F_DUPFD_CLOEXEC, HIGH_FD);
                }
        DL_FOREACH(bus.clients, client) {
                ck_assert_int_eq(client_disconnect(client), 0);
        }
        DL_FOREACH(bus.clients, client) {
                ck_assert_uint_eq(client->account->n_waiting, 0);
                ck_assert_uint_eq(client->account->backlog, 0);
                ck_assert_ptr_null(client->waiters);
                ck_assert_ptr_null(client->unread_sent);
        }
        ck_assert_ptr_null(bus.dockets);
        bus.activation = activation_free(bus.activation);
        schedule_deinit(&bus.schedule);
        ck_assert_uint_eq(services_loop.n_timers, 0);
        loop_deinit(&services_loop);
}

void services_setup(void) {
        memset(directory + strlen(directory) - 6, 'X', 6);
        ck_assert_ptr_nonnull(mkdtemp(directory));
        for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
                FILE *f = fopen(path_of(services[i].name), "we");

                ck_assert_ptr_nonnull(f);
                fprintf(f, "[D-BUS Service]\nName=%s\n%s", services[i].name, services[i].line);
                fclose(f);
        }
        takeover_begin = begin;
        takeover_end = end;
        begin();
}

void services_teardown(void) {
        takeover_renew(NULL, 0);
        end();
        takeover_begin = takeover_end = NULL;
        for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
                unlink(path_of(services[i].name));
        rmdir(directory);
}

static int stop(struct loop_timer *timer) {
        services_loop.stop = true;
        return 0;
}

void services_run(void) {
        struct loop_timer timer = {.expired = stop};

        services_loop.stop = false;
        ck_assert_int_eq(loop_timer_set(&services_loop, &timer, loop_now() + RUN_TIME), 0);
        ck_assert_int_eq(loop_run(&services_loop), 0);
}

void services_run_jobs(void) {
        while (bus.schedule.work.is_wanted)
                ck_assert_int_eq(bus.schedule.work.run(&bus.schedule.work), 0);
}
