/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bus in a main loop of GLib, as a library of its own: libbus1-dbus itself needs no GLib */

#include <bus1/dbus-glib.h>
#include <errno.h>

#define PUBLIC __attribute__((visibility("default")))

struct bus_source {
        GSource source;
        struct bus1_dbus *bus;
};

static gboolean source_dispatch(GSource *source, GSourceFunc callback, gpointer userdata) {
        struct bus_source *s = (struct bus_source *)source;
        /* Dispatch only once, so that the loop can run its other sources in between. */
        int r = bus1_dbus_dispatch(s->bus);

        if (r >= 0)
                return G_SOURCE_CONTINUE;
        /* If a handler freed the bus, the program knows of its end. */
        if (r == -ESHUTDOWN || !callback)
                return G_SOURCE_REMOVE;
        /* The detour tells the compiler that the change of the type is meant. */
        return ((bus1_dbus_glib_fn)(void (*)(void))callback)(s->bus, r, userdata);
}

/* Without the functions prepare and check, GLib looks at the descriptor of the source only. */
static GSourceFuncs source_functions = {.dispatch = source_dispatch};

PUBLIC GSource *bus1_dbus_glib_source_new(struct bus1_dbus *bus) {
        GSource *source;

        if (!bus)
                return NULL;
        source = g_source_new(&source_functions, sizeof(struct bus_source));
        ((struct bus_source *)source)->bus = bus;
        g_source_add_unix_fd(source, bus1_dbus_get_fd(bus), G_IO_IN);
        /* A handler that runs a main loop waits for other messages of the same bus. */
        g_source_set_can_recurse(source, TRUE);
        g_source_set_name(source, "bus1-dbus");
        return source;
}
