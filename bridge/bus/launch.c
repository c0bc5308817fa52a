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
#include "bridge/bus/requester.h"
#include "bridge/bus/voice.h"

#define SPAWN_ERROR(x) DRIVER_ERROR("Spawn." x)

__attribute__((format(printf, 3, 4))) static int fail(struct launch_failure *failure,
                                                      const char *name, const char *format, ...) {
        va_list args;

        failure->name = name;
        va_start(args, format);
        vsnprintf(failure->text, sizeof(failure->text), format, args);
        va_end(args);
        return 1;
}

/* The line is that of the reference, with the unit of the client besides. */
static void log_start(const struct start *start, const struct client *client, const char *how) {
        char requester[REQUESTER_MAX];

        if (!client)
                return;
        complain_at(&client->bus->complaints, LOG_LEVEL_INFO, client->credentials.uid,
                    "%s service name='%s'%s%s%s requested by '%s' (%s)%s", how, start->name,
                    start->unit ? " unit='" : "", start->unit ? start->unit : "",
                    start->unit ? "'" : "", client->unique_name,
                    requester_describe(&client->credentials, requester),
                    start->by_helper ? " (using servicehelper)" : "");
}

/* programs */

/*
 * The exit statuses of the helper, and of bus1-launch (bridge/launch/status.h), that stand for an
 * error of their own.
 */
static const struct {
        const char *name, *text;
} helper_errors[] = {
        [2] = {DRIVER_ERROR("NoMemory"), "it had no memory"},
        [3] = {SPAWN_ERROR("ConfigInvalid"), "it cannot use the configuration of the bus"},
        [4] = {SPAWN_ERROR("FailedToSetup"), "it could not become the user of the service"},
        [5] = {SPAWN_ERROR("ServiceNotValid"), "the name is not valid"},
        [6] = {SPAWN_ERROR("ServiceNotFound"),
               "there is no valid file NAME.service in its directories"},
        [7] = {SPAWN_ERROR("PermissionsInvalid"),
               "it does not run as root, or the bus does not run as the <user> of system.conf"},
        [8] = {SPAWN_ERROR("FileInvalid"),
               "the file NAME.service that it found is for another name"},
        [9] = {SPAWN_ERROR("ExecFailed"), "the program cannot be executed"},
        [10] = {DRIVER_ERROR("InvalidArgs"),
                "Exec in the service file is not a valid command line"},
        [11] = {SPAWN_ERROR("ChildSignaled"), "it was ended by a signal"},
};

static void describe_exit(const struct start *start, int status, struct launch_failure *failure) {
        size_t n = sizeof(helper_errors) / sizeof(*helper_errors);
        bool by_other = start->by_helper || start->by_template;

        if (by_other && status >= 0 && (size_t)status < n && helper_errors[status].name)
                fail(failure, helper_errors[status].name,
                     "Process %s exited with status %d; if it was still %s: %s", start->name,
                     status, start->by_helper ? "the helper" : "bus1-launch",
                     helper_errors[status].text);
        else
                fail(failure, SPAWN_ERROR("ChildExited"), "Process %s exited with status %d",
                     start->name, status);
}

void launch_explain_template(const struct start *start, int status,
                             struct launch_failure *ret_failure) {
        describe_exit(start, status, ret_failure);
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
                        return 0; /* it may have forked a daemon that requests the name later */
                describe_exit(start, value, &failure);
                break;
        case CHILD_SIGNALED:
                fail(&failure, SPAWN_ERROR("ChildSignaled"), "Process %s received signal %d",
                     start->name, value);
                break;
        }
        start->child = NULL;
        complain(&bus->complaints, start->uid, "Activated service '%s' failed: %s", start->name,
                 failure.text);
        return start->activation->failed(start, failure.name, failure.text);
}

int launch_adopt_child(struct start *start, pid_t pid, int fd) {
        return child_adopt(&start->activation->children, pid, fd, child_event, start,
                           &start->child);
}

static int execute(struct start *start, char *const *argv, struct launch_failure *failure) {
        struct bus *bus = start->activation->bus;
        const struct service_starter starter = {.address = bus->address, .bus_type = bus->type};
        char **environment;
        int r;

        r = service_environment_make(&bus->environment, environ, &starter, &environment);
        if (r < 0)
                return r;
        /*
         * Like the reference: if the bus logs to the syslog and journald runs, the output of its
         * services goes to the journal.
         */
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
                return fail(failure, DRIVER_ERROR("InvalidArgs"),
                            "%s: Failed to start %s: Exec: %s", service->path, start->name, reason);
        if (r < 0)
                return r;
        r = execute(start, argv, failure);
        command_line_free(argv);
        return r;
}

/* starting */

struct client *launch_find_systemd(struct bus *bus) {
        struct client *client =
                name_resolve(&bus->names, LAUNCH_SYSTEMD_NAME, strlen(LAUNCH_SYSTEMD_NAME));

        /* One that is about to leave gets nothing any more. */
        return client && client->state != CLIENT_GONE ? client : NULL;
}

/*
 * Would bus1-launch start the service as this bus does? With --system it becomes the user of the
 * service, like the helper, and with --session it stays the user who runs systemd. A configuration
 * whose type is not that of the option gets no template.
 */
static bool suits_template(const struct start *start, const struct service *service) {
        const struct bus *bus = start->activation->bus;
        bool is_system = bus->type && strcmp(bus->type, "system") == 0;
        bool has_helper = bus->config && bus->config->servicehelper;
        size_t n = strlen(LAUNCH_TEMPLATE) + strlen(start->name);

        return start->activation->has_template && service->exec &&
               is_system == bus->system_configuration && has_helper == is_system &&
               (service->user || !is_system) && n <= LAUNCH_UNIT_NAME_MAX;
}

static int make_unit(struct start *start, const struct service *service) {
        struct bus *bus = start->activation->bus;

        if (!bus->systemd_activation)
                return 0;
        if (service->systemd_unit) {
                start->unit = strdup(service->systemd_unit);
                return start->unit ? 0 : -ENOMEM;
        }
        if (!suits_template(start, service))
                return 0;
        if (asprintf(&start->unit, LAUNCH_TEMPLATE_PREFIX "%s" LAUNCH_TEMPLATE_SUFFIX,
                     start->name) < 0) {
                start->unit = NULL;
                return -ENOMEM;
        }
        start->by_template = true;
        return 0;
}

int launch(struct start *start, const struct service *service, const struct client *client,
           struct launch_failure *ret_failure) {
        struct bus *bus = start->activation->bus;
        const char *helper = bus->config ? bus->config->servicehelper : NULL;
        int r;

        r = make_unit(start, service);
        if (r < 0)
                return r;
        if (start->unit) {
                log_start(start, client,
                          launch_find_systemd(bus) ? "Activating via systemd:"
                                                   : "Activating systemd to hand-off:");
                return 0;
        }
        if (!service->exec && service->systemd_unit)
                return fail(ret_failure, SPAWN_ERROR("FileInvalid"),
                            "%s has no Exec, which this bus needs: it does not start services "
                            "through systemd",
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
