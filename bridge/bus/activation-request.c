/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages to systemd: sending and holding them. */

#include "bridge/bus/activation-request.h"

#include "base/cleanup.h"
#include "bridge/bus/monitor.h"
#include "bridge/bus/route.h"
#include "bridge/bus/start.h"
#include "bridge/bus/voice.h"
#include "bridge/bus/waiter.h"

static int hold_for_systemd(struct activation *activation, struct message *m) {
        struct start *start = start_find(activation, LAUNCH_SYSTEMD_NAME);
        int r;

        if ((int64_t)activation->n_own >= activation->bus->limits.max_pending_service_starts) {
                complain(&activation->bus->complaints, activation->bus->uid,
                         "The bus drops a message to systemd: too many messages wait for it");
                return 0;
        }
        if (!start) {
                r = start_new(activation, LAUNCH_SYSTEMD_NAME, activation->bus->uid, &start);
                if (r < 0)
                        return r;
        }
        return waiter_new(start, NULL, m, 0, WAITER_MESSAGE);
}

int activation_tell_systemd(struct bus *bus, struct message *m) {
        struct client *systemd = launch_find_systemd(bus);
        int r;

        if (systemd)
                return route_from_driver(bus, systemd, m, NULL);
        r = monitor_observe(bus, NULL, NULL, m);
        return r < 0 ? r : hold_for_systemd(bus->activation, m);
}

int activation_request_unit(struct bus *bus, const char *unit) {
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct writer w;
        int r;

        voice_init_signal(bus, &w, NULL, "ActivationRequest", "s");
        w.interface = LAUNCH_SYSTEMD_INTERFACE;
        w.destination = LAUNCH_SYSTEMD_NAME;
        writer_string(&w, unit);
        r = writer_finish(&w, &m);
        return r < 0 ? r : activation_tell_systemd(bus, m);
}
