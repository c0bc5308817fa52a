/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libbus1-dbus-glib - a bus in a main loop of GLib */

#include <bus1/dbus.h>
#include <glib.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a source that dispatches the bus. Returns NULL if bus is NULL. The caller gives it a
 * priority with g_source_set_priority() if it wants another one than G_PRIORITY_DEFAULT, attaches
 * it to a context with g_source_attach(), and unreferences it. From then on the handlers of the bus
 * run in the thread of this context, one message or time-out in each dispatch of the source.
 * Handlers may run a main loop of their own: the source also works inside of the dispatch of
 * itself.
 *
 * The caller must destroy the source (g_source_destroy()) before it frees the bus. A handler that
 * frees the bus need not destroy the source, unless it also runs a main loop afterwards.
 *
 * When the dispatch fails, the source calls the function that was set with
 *
 *      g_source_set_callback(source, G_SOURCE_FUNC(fn), userdata, NULL);
 *
 * error is the negative errno: -ECONNRESET when the bus has gone. The function may end the main
 * loop, and may free the bus if it returns G_SOURCE_REMOVE, which destroys the source. With
 * G_SOURCE_CONTINUE the source goes on, which is of use after an error that passes (-ENOMEM). If no
 * function is set, the source is destroyed. bus1_dbus_set_end_handler() works as well, and is
 * called first. When a handler has freed the bus, the source is destroyed without a call of the
 * function.
 */
typedef gboolean (*bus1_dbus_glib_fn)(struct bus1_dbus *bus, int error, gpointer userdata);
GSource *bus1_dbus_glib_source_new(struct bus1_dbus *bus);

#ifdef __cplusplus
}
#endif
