/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver's methods about the configuration and the environment of services. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/tell.h"
#include "bridge/driver/methods.h"

/*
 * With --systemd-activation systemd also starts services, so it gets the variables with a call of
 * SetEnvironment: tell_begin(), tell_variable() for each one, tell_end().
 */
static void tell_begin(struct bus *bus, struct writer *w) {
        struct client *systemd = launch_find_systemd(bus);

        voice_init(bus, w, MESSAGE_TYPE_METHOD_CALL, systemd, "as");
        w->path = "/org/freedesktop/systemd1";
        w->interface = "org.freedesktop.systemd1.Manager";
        w->member = "SetEnvironment";
        if (!systemd)
                w->destination = LAUNCH_SYSTEMD_NAME;
        writer_array_begin(w, 4);
}

static int tell_variable(struct writer *w, struct wire_string key, struct wire_string value) {
        char *text;

        if (asprintf(&text, "%s=%s", key.s, value.s) < 0)
                return -ENOMEM;
        writer_string(w, text);
        free(text);
        return 0;
}

static int tell_end(struct bus *bus, struct writer *w) {
        CLEANUP(message_unrefp) struct message *m = NULL;
        int r;

        writer_array_end(w);
        r = writer_finish(w, &m);
        return r < 0 ? r : activation_tell_systemd(bus, m);
}

int driver_update_activation_environment(struct driver_call *call) {
        struct reader *reader = &call->reader;
        struct bus *bus = call->bus;
        bool tell = bus->activation && bus->systemd_activation;
        const uint8_t *end;
        struct writer w;
        int r = 0;

        if (bus->has_servicehelper)
                return driver_call_fail(
                        call, DRIVER_ERROR("AccessDenied"),
                        "The activation environment of a system bus cannot be changed");

        if (tell)
                tell_begin(bus, &w);
        reader_array(reader, 8, &end);
        while (reader->at < end && r >= 0) {
                struct wire_string key, value;

                reader_struct(reader);
                key = reader_string(reader);
                value = reader_string(reader);
                r = service_environment_set(&bus->environment, key.s, key.n, value.s, value.n);
                if (r == -EINVAL)
                        r = 0; /* Like the reference: names that are not valid are ignored. */
                else if (r >= 0 && tell)
                        r = tell_variable(&w, key, value);
        }
        if (r < 0 && tell)
                writer_deinit(&w);
        if (r == -E2BIG)
                return driver_call_fail(
                        call, DRIVER_ERROR("LimitsExceeded"),
                        "The activation environment, or one of its variables, is too large");
        return r < 0 || !tell ? r : tell_end(bus, &w);
}

int driver_reload_config(struct driver_call *call) {
        struct bus *bus = call->bus;
        struct later *later;
        int r;

        if (!bus->hooks.reload)
                return tell_activatable_changed(bus);
        r = driver_call_later(call, &later);
        return r == 0 ? bus->hooks.reload(bus->hooks.process, later) : r;
}
