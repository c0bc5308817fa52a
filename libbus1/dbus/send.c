/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/send.h"

#include <errno.h>
#include <sys/uio.h>

#include "libbus1/dbus/ids.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/use.h"

uint32_t serial_next(struct bus1_dbus *bus) {
        if (++bus->serial == 0)
                bus->serial = 1;
        return bus->serial;
}

int message_to_wire(struct bus1_dbus *bus, DBusMessage *message, struct wire *ret_wire) {
        int r;

        r = use_begin(bus);
        if (r < 0)
                return r;
        if (dbus_message_get_serial(message) == 0)
                dbus_message_set_serial(message, serial_next(bus));
        use_end(bus);
        return wire_from_message(message, ret_wire);
}

/* Send, and wait if ret_received is not NULL and the peer can wait. */
static int send_and_wait(struct bus1_dbus *bus, uint64_t to, struct bus1_message *message,
                         uint64_t deadline, struct bus1_received **ret_received) {
        struct bus1_cmd_send send = {
                .n_destinations = 1,
                .ptr_destinations = (uintptr_t)&to,
                .ptr_message = (uintptr_t)message,
        };
        struct bus1_cmd_call call = {
                .n_sends = 1,
                .ptr_sends = (uintptr_t)&send,
                .node = BUS1_INVALID,
                .timeout = time_left(deadline),
        };
        int r;

        if (!ret_received || !bus->can_wait)
                return bus1_client_send(bus->client, 1, &to, NULL, message);
        r = bus1_client_call_alloc(bus->client, &call, ret_received);
        /* If only the wait failed, the next receive will find out why. */
        return r < 0 && call.n_sends > 0 ? r : 0;
}

int send_wire(struct bus1_dbus *bus, uint64_t to, const struct wire *wire,
              struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
              size_t n_handles, uint64_t deadline, struct bus1_received **ret_received) {
        struct bus1_transfer transfers[HANDLES_MAX];
        struct bus1_message_fds m = {};
        struct iovec vec;
        int r;

        if (n_handles > HANDLES_MAX - n_created)
                return -EMSGSIZE;
        if (to == BUS1_DBUS_BUS)
                to = bus->session;
        if (to == BUS1_INVALID || bus->gone)
                return -ENOTCONN;
        for (size_t i = 0; i < n_created; i++)
                transfers[i] = created[i];
        for (size_t i = 0; i < n_handles; i++)
                transfers[n_created + i] =
                        (struct bus1_transfer){.id = ids_to_peer(bus, handles[i])};
        vec = (struct iovec){wire->data, (size_t)wire->n_data};
        m.message.type = BUS1_MESSAGE_TYPE_USER;
        m.message.n_transfers = n_created + n_handles;
        m.message.ptr_transfers = (uintptr_t)transfers;
        m.message.n_data = (uint64_t)wire->n_data;
        m.message.n_data_vecs = 1;
        m.message.ptr_data_vecs = (uintptr_t)&vec;
        if (wire->n_fds > 0) {
                m.message.flags = BUS1_MESSAGE_FLAG_FDS;
                m.n_fds = wire->n_fds;
                m.ptr_fds = (uintptr_t)wire->fds;
        }
        if (ret_received)
                *ret_received = NULL;
        r = use_begin(bus);
        if (r < 0)
                return r;
        r = send_and_wait(bus, ids_to_peer(bus, to), &m.message, deadline, ret_received);
        use_end(bus);
        if (ret_received && *ret_received)
                ids_received(bus, *ret_received);
        /* The core, or the session node, has ended before the library has heard of it. */
        if (r == -ESHUTDOWN || (r == -EBADRQC && to == bus->session && !handle_is_known(bus, to)))
                return -ENOTCONN;
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_created; i++) {
                created[i] = transfers[i];
                created[i].id = ids_from_peer(bus, created[i].id);
        }
        return 0;
}

int send_message(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                 struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
                 size_t n_handles) {
        CLEANUP(wire_deinit) struct wire wire = {};
        int r;

        if (!bus || !message || (n_handles > 0 && !handles))
                return -EINVAL;
        r = message_to_wire(bus, message, &wire);
        if (r < 0)
                return r;
        return send_wire(bus, to, &wire, created, n_created, handles, n_handles, 0, NULL);
}

PUBLIC int bus1_dbus_emit(struct bus1_dbus *bus, DBusMessage *signal) {
        if (!bus || !message_is(signal, DBUS_MESSAGE_TYPE_SIGNAL))
                return -EINVAL;
        bus_announce(bus);
        if (bus->restoring)
                return -ENOTCONN;
        return send_message(bus, BUS1_DBUS_BUS, signal, NULL, 0, NULL, 0);
}

bool handle_is_known(struct bus1_dbus *bus, uint64_t handle) {
        uint64_t copy;

        if (handle_copy(bus, handle, &copy) < 0)
                return false;
        handle_release(bus, copy);
        return true;
}

bool handle_has_ended(struct bus1_dbus *bus, uint64_t handle) {
        uint64_t copy;
        int r;

        r = handle_copy(bus, handle, &copy);
        if (r >= 0)
                handle_release(bus, copy);
        return r == -EBADRQC || r == -ESHUTDOWN;
}
