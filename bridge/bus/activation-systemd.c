/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What systemd tells: refused requests, and units that have ended. */

#include "bridge/bus/activation-systemd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "bridge/bus/activation-request.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/start-begin.h"
#include "bridge/bus/start.h"
#include "bridge/bus/unit-watch.h"
#include "bridge/bus/voice.h"
#include "bridge/wire/names.h"
#include "bridge/wire/reader.h"

/*
 * A lack of memory costs the client whose message is handled its connection, and here this would be
 * systemd. So it only costs what the bus would have learned: a start ends by its time-out, too.
 */
static int survive(int r) {
        return r == -ENOMEM ? 0 : r;
}

/* refusals */

static bool is_failure(const struct message *m) {
        return m->type == MESSAGE_TYPE_SIGNAL && m->interface.s &&
               strcmp(m->interface.s, LAUNCH_SYSTEMD_INTERFACE) == 0 &&
               strcmp(m->member.s, "ActivationFailure") == 0;
}

static bool read_failure(struct message *m, const char **ret_unit, const char **ret_error,
                         const char **ret_text) {
        struct wire_string error;
        struct reader reader;

        if (strcmp(m->signature.s, "sss") != 0)
                return false;
        reader_init(&reader, m);
        *ret_unit = reader_string(&reader).s;
        error = reader_string(&reader);
        *ret_error = error.s;
        *ret_text = reader_string(&reader).s;
        return name_is_valid_error(error.s, error.n);
}

static bool is_gone(const char *error) {
        return strcmp(error, "org.freedesktop.systemd1.NoSuchUnit") == 0 ||
               strcmp(error, "org.freedesktop.systemd1.UnitMasked") == 0;
}

/* systemd has loaded another unit with the same BusName=, and only one may have it. */
static bool is_taken(const char *error) {
        return strcmp(error, DRIVER_ERROR("FileExists")) == 0;
}

/* systemd cannot begin to start the unit of this start. */
static int unit_refused(struct start *start, const char *error, const char *text) {
        struct launch_failure failure;
        int r;

        if (!start->by_template || !(is_gone(error) || is_taken(error)))
                return start_fail(start, error, text);
        if (is_gone(error))
                start->activation->watches->has_template = false;
        r = start_begin_without_template(start, &failure);
        return r > 0 ? start_fail(start, failure.name, failure.text) : r;
}

/* Whoever has asked for the start pays for the line. */
static void log_failure(struct bus *bus, uint32_t uid, const char *unit, const char *text) {
        complain(&bus->complaints, uid, "Activation via systemd failed for unit '%s': %s", unit,
                 text);
}

/* unit_watches.failed */
static int unit_failed(struct unit_watches *watches, const char *unit,
                       const struct launch_failure *failure, const struct unit_end *end) {
        struct bus *bus = watches->bus;
        struct start *start, *next;
        bool is_logged = false;
        int result = 0;

        HASH_ITER(hh, bus->activation->starts, start, next) {
                struct launch_failure own = *failure;

                if (!start->unit || strcmp(start->unit, unit) != 0)
                        continue;
                if (!is_logged)
                        log_failure(bus, start->uid, unit, failure->text);
                is_logged = true;
                if (start->by_template && unit_end_is_exit(end))
                        launch_explain_template(start, end->status, &own);
                keep_error(&result, start_fail(start, own.name, own.text));
        }
        return result;
}

int activation_receive_signal(struct client *client, struct message *m) {
        const char *unit, *error, *text;
        struct start *start, *next;
        struct bus *bus = client->bus;
        bool is_logged = false;
        int r = 0;

        if (!bus->activation || !is_failure(m))
                return 0;
        if (!client_is_privileged(client) || launch_find_systemd(bus) != client) {
                complain(&bus->complaints, client->credentials.uid,
                         "Ignoring forged ActivationFailure message from connection %s (uid=%d "
                         "pid=%d)",
                         client->unique_name, (int)client->credentials.uid,
                         (int)client->credentials.pid);
                return 0;
        }
        if (!read_failure(m, &unit, &error, &text)) {
                complain(&bus->complaints, client->credentials.uid,
                         "systemd sent an ActivationFailure with unexpected arguments; ignored");
                return 0;
        }
        HASH_ITER(hh, bus->activation->starts, start, next) {
                if (r < 0 || !start->unit || strcmp(start->unit, unit) != 0)
                        continue;
                if (!is_logged)
                        log_failure(bus, start->uid, unit, text);
                is_logged = true;
                r = survive(unit_refused(start, error, text));
        }
        if (!is_logged)
                log_failure(bus, client->credentials.uid, unit, text);
        return r;
}

/* units */

/* unit_watches.request */
static int request_again(struct unit_watches *watches, const char *unit) {
        return activation_request_unit(watches->bus, unit);
}

int activation_watch_units(struct activation *activation) {
        int r = unit_watches_new(activation->bus, &activation->watches);

        if (r < 0)
                return r;
        activation->watches->failed = unit_failed;
        activation->watches->request = request_again;
        return 0;
}

int activation_look_for_template(struct activation *activation) {
        return unit_watch_look_for_template(activation->watches);
}

bool activation_expects_reply(const struct client *client, const struct message *m) {
        const struct activation *activation = client->bus->activation;

        return activation && unit_watch_expects(activation->watches, client, m);
}

int activation_receive_reply(struct client *client, struct message *m) {
        return survive(unit_watch_receive_reply(client->bus->activation->watches, m));
}

int activation_receive_broadcast(struct client *client, struct message *m) {
        return survive(unit_watch_receive_signal(client->bus->activation->watches, m));
}

int activation_note_owner(struct bus *bus, const char *name, struct client *owner) {
        if (!bus->activation || !activation_waits_for(bus->activation, name))
                return 0;
        return survive(unit_watch_set_systemd(bus->activation->watches, owner));
}

int activation_resume(struct bus *bus, const char *name) {
        if (!bus->activation || !activation_waits_for(bus->activation, name))
                return 0;
        return survive(unit_watch_resume(bus->activation->watches));
}
