/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Look-ups of the former bus are found again, or lost */

#include <errno.h>
#include <string.h>

#include "libbus1/dbus/channel.h"
#include "libbus1/dbus/driver.h"
#include "libbus1/dbus/ended.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/ids.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/quiet.h"
#include "libbus1/dbus/receive.h"
#include "libbus1/dbus/restore.h"
#include "libbus1/dbus/subscribe.h"
#include "libbus1/dbus/wait.h"

#define FIND_PAUSE_MAX (500 * NS_PER_MS)

/* The handle cannot be found again: it has ended, for the program as for its watch. */
static void give_up(struct bus1_dbus *bus, struct channel *c, const char *error) {
        struct watch *watch;
        uint64_t handle = c->handle;

        lost_add(&bus->reconnect->lost, BUS1_DBUS_LOST_HANDLE, c->name, c->path, handle, error);
        ended_add(bus, handle);
        channel_free(c);
        subscriptions_lost(bus, handle);
        HASH_FIND(hh, bus->watches, &handle, sizeof(handle), watch);
        if (watch && incoming_add_notification(bus, BUS1_MESSAGE_TYPE_NODE_RELEASE, handle) < 0)
                bus->reconnect->lost.incomplete = true;
}

static bool may_come_later(const char *error) {
        return strcmp(error, DBUS_ERROR_NAME_HAS_NO_OWNER) == 0 ||
               strcmp(error, DBUS_ERROR_SERVICE_UNKNOWN) == 0;
}

static int found(struct bus1_dbus_message *reply, void *userdata) {
        struct channel *c = userdata;
        struct bus1_dbus *bus = c->bus;
        const char *error = restore_error(reply);
        uint64_t handle = BUS1_INVALID;
        dbus_uint64_t number;

        c->asking = NULL;
        if (bus->gone)
                return 0;
        if (!error)
                handle = bus1_dbus_message_take_handle(reply, 0);
        if (handle != BUS1_INVALID &&
            dbus_message_get_args(reply->message, NULL, DBUS_TYPE_UINT64, &number,
                                  DBUS_TYPE_INVALID) &&
            ids_set_alias(bus, c->handle, handle) >= 0) {
                channel_found(c, number);
                subscriptions_found(bus, c->handle);
        } else if (handle != BUS1_INVALID) {
                handle_release(bus, handle);
                give_up(bus, c, DBUS_ERROR_NO_MEMORY);
        } else if (error && may_come_later(error) && !c->find_started) {
                return 0; /* restore_find() looks it up again when it is due */
        } else {
                /* without an error: the handle has ended on its way */
                give_up(bus, c, error ?: DBUS_ERROR_NAME_HAS_NO_OWNER);
        }
        /* whether this was the last one is seen when restore_find() is due */
        bus->due = 0;
        wait_arm(bus);
        return 0;
}

static void find(struct bus1_dbus *bus, struct channel *c, bool may_start) {
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;
        struct bus1_transfer created = QUIET_REPLY;
        char name[ERROR_NAME_MAX];
        int r = -ENOMEM;

        /* A unique name of the former bus is that of a stranger by now, or will be. */
        if (*c->name == ':') {
                give_up(bus, c, DBUS_ERROR_NAME_HAS_NO_OWNER);
                return;
        }
        m = driver_lookup_new(c->name, c->path, 0);
        if (m) {
                c->find_started = may_start;
                dbus_message_set_auto_start(m, may_start);
                r = quiet_call(
                        bus, &(struct quiet_call){BUS1_DBUS_BUS, m, &created, 1, NULL, 0, found, c},
                        &c->asking);
        }
        if (r == -ENOTCONN)
                restore_gone_again(bus);
        else if (r < 0)
                give_up(bus, c, error_name_from_errno(r, name));
}

void restore_find(struct bus1_dbus *bus) {
        struct reconnect *reconnect = bus->reconnect;
        uint64_t now = now_ns();
        struct channel *c, *next;
        bool is_missing = false;

        if (now >= reconnect->find_at) {
                HASH_ITER(hh, bus->channels, c, next) {
                        if (c->is_lost && !c->asking)
                                find(bus, c, now >= reconnect->find_until);
                }
                reconnect->find_at = now + reconnect->find_pause;
                if (reconnect->find_pause < FIND_PAUSE_MAX)
                        reconnect->find_pause *= 2;
        }
        HASH_ITER(hh, bus->channels, c, next) {
                is_missing |= c->is_lost;
        }
        if (bus->gone) {
                bus->due = 0;
        } else if (is_missing) {
                bus->due = reconnect->find_at;
        } else if (!reconnect->call && !restore_standing(bus, STANDING_EXPORT)) {
                reconnect->state = RECONNECT_RESTORED;
                bus->due = 0;
        } else {
                /* an answer goes on, if there is going to be one */
                bus->due = reconnect->call ? UINT64_MAX : 0;
        }
        wait_arm(bus);
}
