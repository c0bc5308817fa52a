/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1ctl reexec - a running bus executes its program again, and keeps its connections
 *
 * The answer to the call comes from the new program; or from the old one, if it goes on.
 */

#include <getopt.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/live.h"
#include "tools/bus1ctl/output.h"

#define MANAGER_INTERFACE "org.bus1.Bridge1.Manager"

/* The bus gives up after 50 seconds at most (bridge/reexec.c). */
#define TIMEOUT_USEC UINT64_C(60000000)

static int reexecute(sd_bus *bus) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                           MANAGER_INTERFACE, "Reexecute");
        if (r < 0)
                return report_failure("cannot make the call: %s", strerror(-r));
        r = sd_bus_call(bus, m, TIMEOUT_USEC, &error, NULL);
        if (r >= 0)
                return STATUS_OK;
        if (!sd_bus_error_has_name(&error, SD_BUS_ERROR_FAILED))
                return live_report_error(bus, MANAGER_INTERFACE,
                                         "make it execute its program again", &error, r);
        report_failure("%s", error.message);
        return STATUS_NO;
}

int reexec_main(int argc, char *argv[]) {
        static const struct option options[] = {{"system", no_argument, NULL, 'Y'},
                                                {"session", no_argument, NULL, 'S'},
                                                {"address", required_argument, NULL, 'a'},
                                                {}};
        CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        struct live_bus which = {.is_live = true};
        int c, status;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                if (c == 'Y' || c == 'S')
                        which.is_session = c == 'S';
                else if (c == 'a')
                        which.address = optarg;
                else
                        return STATUS_FAILED;
        if (optind < argc)
                return report_failure("reexec takes no arguments");
        status = live_open(&which, &bus);
        return status ? status : reexecute(bus);
}
