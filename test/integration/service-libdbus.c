/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A service that the bus starts, and that starts quickly. It requests the name in its argument, and
 * ends with status 1 if it does not become the owner. It answers each call, without results, until
 * the bus ends.
 *
 *   service-libdbus NAME
 */

#include <dbus/dbus.h>
#include <stdlib.h>

int main(int argc, char **argv) {
        DBusConnection *c = dbus_bus_get(DBUS_BUS_STARTER, NULL);
        DBusMessage *m, *reply;

        if (argc != 2 || !c ||
            dbus_bus_request_name(c, argv[1], DBUS_NAME_FLAG_DO_NOT_QUEUE, NULL) !=
                    DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER)
                return EXIT_FAILURE;
        dbus_connection_set_exit_on_disconnect(c, TRUE);
        /* The call that started the service may have come with the answer to the request. */
        do {
                while ((m = dbus_connection_pop_message(c))) {
                        if (dbus_message_is_signal(m, DBUS_INTERFACE_LOCAL, "Disconnected"))
                                return EXIT_SUCCESS;
                        if (dbus_message_get_type(m) == DBUS_MESSAGE_TYPE_METHOD_CALL) {
                                reply = dbus_message_new_method_return(m);
                                dbus_connection_send(c, reply, NULL);
                                dbus_connection_flush(c);
                                dbus_message_unref(reply);
                        }
                        dbus_message_unref(m);
                }
        } while (dbus_connection_read_write(c, -1));
        return EXIT_SUCCESS;
}
