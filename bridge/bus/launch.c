/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Launching: programs, the helper, and systemd. */

#include "bridge/bus/launch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/activation/command-line.h"
#include "bridge/base/log.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/complaint.h"
#include "bridge/bus/monitor.h"
#include "bridge/bus/name.h"
#include "bridge/bus/route.h"
#include "bridge/driver/driver.h"
#include "bridge/wire/names.h"

#define SPAWN_ERROR(x) DRIVER_ERROR("Spawn." x)

static int fail(struct launch_failure *failure, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static int fail(struct launch_failure *failure, const char *name, const char *format, ...) {
        va_list args;

        failure->name = name;
        va_start(args, format);
        vsnprintf(failure->text, sizeof(failure->text), format, args);
        va_end(args);
        return 1;
}

static void log_start(const struct start *start, const struct client *client, const char *how) {
        complain_at(client->bus, LOG_LEVEL_INFO, client->credentials.uid,
                    "%s service name='%s'%s%s%s requested by '%s' (uid=%d pid=%d)%s", how,
                    start->name, start->unit ? " unit='" : "", start->unit ? start->unit : "",
                    start->unit ? "'" : "", client->unique_name, (int)client->credentials.uid,
                    (int)client->credentials.pid, start->by_helper ? " (using servicehelper)" : "");
}

/* programs */

/* How the helper says what is wrong: by its exit status. */
static const struct {
        const char *name, *text;
} helper_errors[] = {
        [2] = {DRIVER_ERROR("NoMemory"), "it had no memory"},
        [3] = {SPAWN_ERROR("ConfigInvalid"), "the configuration of the bus is not valid for it"},
        [4] = {SPAWN_ERROR("FailedToSetup"), "it could not become the user of the service"},
        [5] = {SPAWN_ERROR("ServiceNotValid"), "the name is not valid"},
        [6] = {SPAWN_ERROR("ServiceNotFound"), "there is no file NAME.service in its directories"},
        [7] = {SPAWN_ERROR("PermissionsInvalid"), "it has not the permissions that it needs"},
        [8] = {SPAWN_ERROR("FileInvalid"), "the service file is not valid, or lacks what it needs"},
        [9] = {SPAWN_ERROR("ExecFailed"), "the program cannot be executed"},
        [10] = {DRIVER_ERROR("InvalidArgs"), "the command line is not valid"},
        [11] = {SPAWN_ERROR("ChildSignaled"), "the program was ended by a signal"},
};

static void describe_exit(const struct start *start, int status, struct launch_failure *failure) {
        size_t n = sizeof(helper_errors) / sizeof(*helper_errors);

        if (start->by_helper && (size_t)status < n && helper_errors[status].name)
                fail(failure, helper_errors[status].name, "The helper did not start %s: %s",
                     start->name, helper_errors[status].text);
        else
                fail(failure, SPAWN_ERROR("ChildExited"), "Process %s exited with status %d",
                     start->name, status);
}

static int child_event(struct child *child, enum child_event event, int value, void *userdata) {
        struct start *start = userdata;
        struct bus *bus = start->activation->bus;
        struct launch_failure failure;

        switch (event) {
        case CHILD_RUNS:
                return 0;
        case CHILD_NOT_EXECUTED:
                fail(&failure, SPAWN_ERROR("ExecFailed"), "Failed to execute program %s: %s",
                     start->name, strerror(value));
                break;
        case CHILD_EXITED:
                start->child = NULL;
                if (value == 0)
                        return 0; /* it left a daemon behind, which takes its time */
                describe_exit(start, value, &failure);
                break;
        case CHILD_SIGNALED:
                fail(&failure, SPAWN_ERROR("ChildSignaled"), "Process %s received signal %d",
                     start->name, value);
                break;
        }
        start->child = NULL;
        complain(bus, start->uid, "Activated service '%s' failed: %s", start->name, failure.text);
        return activation_fail(start, failure.name, failure.text);
}

static int execute(struct start *start, char *const *argv, struct launch_failure *failure) {
        struct bus *bus = start->activation->bus;
        const struct service_starter starter = {.address = bus->address, .bus_type = bus->type};
        char **environment;
        int r;

        r = service_environment_make(&bus->environment, environ, &starter, &environment);
        if (r < 0)
                return r;
        /* where the bus logs to the journal, its services do; as with the reference */
        r = child_start(&start->activation->children, argv, environment,
                        bus->log && bus->log->to_syslog ? start->name : NULL, child_event, start,
                        &start->child);
        service_environment_free(environment);
        if (r == -ENOMEM)
                return fail(failure, SPAWN_ERROR("NoMemory"), "No memory to start %s", start->name);
        if (r < 0)
                return fail(failure, SPAWN_ERROR("ForkFailed"), "Failed to start %s: %s",
                            start->name, strerror(-r));
        return 0;
}

static int execute_service(struct start *start, const struct service *service,
                           struct launch_failure *failure) {
        const char *reason;
        char **argv;
        int r;

        r = command_line_split(service->exec, &argv, &reason);
        if (r == -EINVAL)
                return fail(failure, DRIVER_ERROR("InvalidArgs"), "%s: Exec of %s: %s",
                            service->path, start->name, reason);
        if (r < 0)
                return r;
        r = execute(start, argv, failure);
        command_line_free(argv);
        return r;
}

/* systemd */

int launch_tell_systemd(struct bus *bus, struct message *m) {
        struct client *systemd;
        int r;

        systemd = name_resolve(bus, LAUNCH_SYSTEMD_NAME, strlen(LAUNCH_SYSTEMD_NAME));
        if (systemd)
                return route_from_driver(bus, systemd, m, NULL);
        r = monitor_observe(bus, NULL, NULL, m);
        return r < 0 ? r : activation_hold_for_systemd(bus->activation, m);
}

static int request_unit(struct start *start, const char *unit) {
        struct bus *bus = start->activation->bus;
        struct message *m;
        struct writer w;
        int r;

        writer_init(&w, MESSAGE_TYPE_SIGNAL, MESSAGE_FLAG_NO_REPLY_EXPECTED, bus_next_serial(bus),
                    "s");
        w.path = BUS_DRIVER_PATH;
        w.interface = LAUNCH_SYSTEMD_INTERFACE;
        w.member = "ActivationRequest";
        w.sender = BUS_DRIVER_NAME;
        w.destination = LAUNCH_SYSTEMD_NAME;
        writer_string(&w, unit);
        r = writer_finish(&w, &m);
        if (r < 0)
                return r;
        r = launch_tell_systemd(bus, m);
        message_unref(m);
        return r;
}

static bool is_failure(const struct message *m) {
        return m->type == MESSAGE_TYPE_SIGNAL && m->interface.s &&
               !strcmp(m->interface.s, LAUNCH_SYSTEMD_INTERFACE) &&
               !strcmp(m->member.s, "ActivationFailure");
}

int launch_receive_signal(struct client *client, struct message *m) {
        struct wire_string unit, error, text;
        struct bus *bus = client->bus;
        struct reader reader;

        if (!bus->activation || !is_failure(m))
                return 0;
        if (!client_is_privileged(client) ||
            name_resolve(bus, LAUNCH_SYSTEMD_NAME, strlen(LAUNCH_SYSTEMD_NAME)) != client) {
                complain(bus, client->credentials.uid,
                         "Ignoring forged ActivationFailure message from connection %s (uid=%d "
                         "pid=%d)",
                         client->unique_name, (int)client->credentials.uid,
                         (int)client->credentials.pid);
                return 0;
        }
        if (strcmp(m->signature.s, "sss") != 0)
                goto invalid;
        reader_init(&reader, m);
        unit = reader_string(&reader);
        error = reader_string(&reader);
        text = reader_string(&reader);
        if (!name_is_valid_error(error.s, error.n))
                goto invalid;
        log_write(bus->log, LOG_LEVEL_WARNING, "Activation via systemd failed for unit '%s': %s",
                  unit.s, text.s);
        return activation_fail_unit(bus->activation, unit.s, error.s, text.s);

invalid:
        complain(bus, client->credentials.uid,
                 "Ignoring an ActivationFailure of systemd that is not as agreed");
        return 0;
}

/* all ways */

int launch(struct start *start, const struct service *service, const struct client *client,
           struct launch_failure *ret_failure) {
        struct bus *bus = start->activation->bus;
        const char *helper = bus->config ? bus->config->servicehelper : NULL;

        if (bus->systemd_activation && service->systemd_unit) {
                bool is_there = name_resolve(bus, LAUNCH_SYSTEMD_NAME, strlen(LAUNCH_SYSTEMD_NAME));

                start->unit = strdup(service->systemd_unit);
                if (!start->unit)
                        return -ENOMEM;
                log_start(start, client,
                          is_there ? "Activating via systemd:" : "Activating systemd to hand-off:");
                return request_unit(start, service->systemd_unit);
        }
        if (!service->exec && service->systemd_unit)
                return fail(ret_failure, SPAWN_ERROR("FileInvalid"),
                            "%s has no Exec for a bus that does not start services through systemd",
                            service->path);

        if (helper && service->exec && !service->user)
                return fail(ret_failure, SPAWN_ERROR("FileInvalid"),
                            "%s has no User, which is needed on this bus", service->path);

        start->by_helper = helper && service->exec;
        log_start(start, client, "Activating");
        if (start->by_helper)
                return execute(start, (char *[]){(char *)helper, start->name, NULL}, ret_failure);
        return service->exec ? execute_service(start, service, ret_failure) : 0;
}
