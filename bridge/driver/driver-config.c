/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver's methods about the configuration and the environment of services. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "bridge/bus/activation-request.h"
#include "bridge/bus/tell.h"
#include "bridge/driver/methods.h"
#include "policy/limits.h"

static void complain_about(const struct client *client, const struct service_variable *variable) {
        char name[64];

        snprintf(name, sizeof(name), "%.*s", (int)variable->n_name, variable->text);
        for (char *at = name; *at; at++)
                if ((unsigned char)*at < ' ' || *at == 127)
                        *at = '?';
        complain(&client->bus->complaints, client->credentials.uid,
                 "systemd does not get the variable \"%s\", which it would refuse (from uid=%d "
                 "pid=%d)",
                 name, (int)client->credentials.uid, (int)client->credentials.pid);
}

/*
 * With --systemd-activation systemd also starts services, so it gets the new variables with a call
 * of SetEnvironment.
 */
static int tell_systemd(struct driver_call *call) {
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct service_variable *variable, *next;
        struct bus *bus = call->bus;
        struct client *systemd = launch_find_systemd(bus);
        struct writer w;
        int r;

        voice_init(bus, &w, MESSAGE_TYPE_METHOD_CALL, systemd, "as");
        w.path = "/org/freedesktop/systemd1";
        w.interface = "org.freedesktop.systemd1.Manager";
        w.member = "SetEnvironment";
        if (!systemd)
                w.destination = LAUNCH_SYSTEMD_NAME;
        writer_array_begin(&w, 4);
        HASH_ITER(hh, bus->environment.variables, variable, next) {
                if (!variable->is_new)
                        continue;
                variable->is_new = false;
                if (service_variable_suits_systemd(variable))
                        writer_string(&w, variable->text);
                else
                        complain_about(call->client, variable);
        }
        writer_array_end(&w);
        r = writer_finish(&w, &m);
        return r < 0 ? r : activation_tell_systemd(bus, m);
}

int driver_update_activation_environment(struct driver_call *call) {
        struct reader *reader = &call->reader;
        struct bus *bus = call->bus;
        const uint8_t *end;
        bool too_large;
        int r = 0;

        if (bus->has_servicehelper)
                return driver_call_fail(
                        call, DRIVER_ERROR("AccessDenied"),
                        "The activation environment of a system bus cannot be changed");

        reader_array(reader, 8, &end);
        while (reader->at < end && r >= 0) {
                struct wire_string key, value;

                reader_struct(reader);
                key = reader_string(reader);
                value = reader_string(reader);
                r = service_environment_set(&bus->environment, key.s, key.n, value.s, value.n);
                if (r == -EINVAL)
                        r = 0; /* Like the reference: names that are not valid are ignored. */
        }
        too_large = r == -E2BIG;
        if (r < 0 && !too_large)
                return r;
        /* also those that were set before one was too large */
        if (bus->activation && bus->systemd_activation) {
                r = tell_systemd(call);
                if (r < 0)
                        return r;
        }
        return too_large ? driver_call_fail(call, DRIVER_ERROR("LimitsExceeded"),
                                            "The activation environment, or one of its variables, "
                                            "is too large")
                         : 0;
}

int driver_reload_config(struct driver_call *call) {
        struct bus *bus = call->bus;
        struct later *later;
        int r;

        if (!bus->hooks.reload)
                return tell_activatable_changed(bus);
        r = driver_call_later(call, LATER_RELOAD, &later);
        return r == 0 ? bus->hooks.reload(bus->hooks.process, later) : r;
}

int driver_get_limits(struct driver_call *call) {
        struct writer *w = &call->writer;

        writer_array_begin(w, 8);
        for (const struct bus_limit *limit = bus_limit_table; limit->name; limit++) {
                writer_struct(w);
                writer_string(w, limit->name);
                writer_u64(w, (uint64_t)*bus_limit_value(&call->bus->limits, limit));
        }
        writer_array_end(w);
        return 0;
}
