/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A native client of the service of notes
 *
 * It creates a note. From notes-bus1 it gets, beside the path of the note, the handle. It edits the
 * note through the handle, and waits until the note has gone: nobody has to tell it.
 */

#include <bus1/dbus-values.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "org.bus1.Notes"
#define PATH "/org/bus1/Notes"

static void note_gone(struct bus1_dbus *bus, uint64_t handle, void *userdata) {
        printf("client: the note has gone\n");
        *(bool *)userdata = true;
}

static int use_note(struct bus1_dbus *bus, DBusError *error) {
        struct bus1_dbus_message *reply;
        bool stop = false;
        const char *path;
        uint64_t note;
        int r;

        r = bus1_dbus_call_method(bus, BUS1_DBUS_BUS, NAME, PATH, "org.bus1.Notes", "Create", error,
                                  &reply, "sa{sv}", "a note with a handle", 1, "Color", "s",
                                  "blue");
        if (r < 0)
                return r;
        r = bus1_dbus_message_read(reply, "o", &path);
        note = bus1_dbus_message_take_handle(reply, 0);
        if (r >= 0)
                printf("client: %s has %s\n", path,
                       note == BUS1_INVALID ? "no handle" : "a handle");
        bus1_dbus_message_unref(reply);
        if (r < 0 || note == BUS1_INVALID)
                return r;
        r = bus1_dbus_watch(bus, note, note_gone, &stop);
        if (r >= 0)
                r = bus1_dbus_call_method(bus, note, NULL, NULL, "org.bus1.Notes.Note", "Edit",
                                          error, NULL, "s", "edited through the handle");
        return r < 0 ? r : bus1_dbus_run(bus, &stop);
}

int main(void) {
        DBusError error = DBUS_ERROR_INIT;
        struct bus1_dbus *bus = NULL;
        int r;

        setvbuf(stdout, NULL, _IOLBF, 0);
        r = bus1_dbus_open_session(&bus, &error);
        if (r >= 0)
                r = use_note(bus, &error);
        if (r < 0)
                fprintf(stderr, "client: %s\n", error.message ? error.message : strerror(-r));
        dbus_error_free(&error);
        bus1_dbus_free(bus);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
