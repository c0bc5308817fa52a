/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A service of notes, with libbus1-dbus
 *
 * notes-sd-bus.c is the same service with sd-bus. README.md describes the service and compares the
 * two programs.
 */

#include <bus1/dbus-async.h>
#include <bus1/dbus-sd-event.h>
#include <bus1/dbus-values.h>
#include <bus1/dbus-vtable.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#define NAME "org.bus1.Notes"
#define PATH "/org/bus1/Notes"
#define NOTES_INTERFACE "org.bus1.Notes"
#define NOTE_INTERFACE "org.bus1.Notes.Note"

#define ERROR_NO_TEXT "org.bus1.Notes.Error.NoText"
#define ERROR_TOO_LARGE "org.bus1.Notes.Error.TooLarge"
#define ERROR_TOO_MANY "org.bus1.Notes.Error.TooMany"
#define ERROR_LOCKED "org.bus1.Notes.Error.Locked"
#define ERROR_NOT_LOCKED "org.bus1.Notes.Error.NotLocked"

#define MAX_NOTES 1000
#define MAX_TEXT 4096  /* bytes of a note */
#define MAX_FILE 65536 /* bytes of a file to import */

#define CLEANUP(fn) __attribute__((cleanup(fn)))

struct notes {
        sd_event *event;
        sd_event_source *source;
        struct bus1_dbus *bus;
        struct bus1_dbus_object *object;
        struct note *list;
        uint32_t count;
        uint64_t last_number; /* of the newest note: numbers are not used again */
        const char *version;
};

struct note {
        struct notes *notes;
        struct note *prev, *next; /* in notes->list */
        struct bus1_dbus_object *object;
        struct bus1_dbus_slot *lock; /* watches the client that has locked the note */
        char *locked_by;             /* its unique name, or NULL */
        char *text;
        char *color;
        uint64_t created; /* microseconds since 1970 */
        uint32_t views;
        int pinned;
};

static void freep(char **p) {
        free(*p);
}

static void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

static void unrefp(DBusMessage **m) {
        if (*m)
                dbus_message_unref(*m);
}

/* notes */

static const struct bus1_dbus_vtable note_vtable[];

/* Free a note. Its object and slot are those of the bus. */
static void note_free(struct note *note) {
        free(note->locked_by);
        free(note->text);
        free(note->color);
        free(note);
}

static int check_text(const char *text, struct bus1_dbus_message *call) {
        if (!*text)
                return bus1_dbus_fail(call, ERROR_NO_TEXT, "A note needs a text");
        if (strlen(text) > MAX_TEXT)
                return bus1_dbus_fail(call, ERROR_TOO_LARGE, "A text has at most %d bytes",
                                      MAX_TEXT);
        return 0;
}

static int note_new(struct notes *notes, const char *text, const char *color, int pinned,
                    struct note **ret_note, struct bus1_dbus_message *call) {
        char path[sizeof(PATH) + 32];
        struct timespec now;
        struct note *note;
        int r;

        r = check_text(text, call);
        if (r < 0)
                return r;
        if (notes->count >= MAX_NOTES)
                return bus1_dbus_fail(call, ERROR_TOO_MANY, "There are %d notes already",
                                      MAX_NOTES);
        note = calloc(1, sizeof(*note));
        if (!note)
                return -ENOMEM;
        clock_gettime(CLOCK_REALTIME, &now);
        note->notes = notes;
        note->created = now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
        note->pinned = pinned;
        note->text = strdup(text);
        note->color = strdup(color);
        snprintf(path, sizeof(path), PATH "/note/%llu", (unsigned long long)notes->last_number + 1);
        r = note->text && note->color ? 0 : -ENOMEM;
        if (r >= 0)
                r = bus1_dbus_object_new(notes->bus, path, NULL, note, &note->object);
        if (r >= 0)
                r = bus1_dbus_object_add_interface(note->object, NOTE_INTERFACE, note_vtable, note);
        if (r < 0) {
                bus1_dbus_object_free(note->object);
                note_free(note);
                return r;
        }
        DL_APPEND(notes->list, note);
        notes->count++;
        notes->last_number++;
        r = bus1_dbus_object_emit_values(notes->object, NOTES_INTERFACE, "Added", "os", path, text);
        if (r >= 0)
                r = bus1_dbus_object_emit_properties_changed(notes->object, NOTES_INTERFACE,
                                                             "Count", NULL);
        *ret_note = note;
        return r;
}

static int note_delete(struct note *note) {
        struct notes *notes = note->notes;
        int r;

        DL_DELETE(notes->list, note);
        notes->count--;
        r = bus1_dbus_object_emit_values(notes->object, NOTES_INTERFACE, "Deleted", "o",
                                         bus1_dbus_object_get_path(note->object));
        if (r >= 0)
                r = bus1_dbus_object_emit_properties_changed(notes->object, NOTES_INTERFACE,
                                                             "Count", NULL);
        bus1_dbus_object_free(note->object);
        bus1_dbus_slot_free(note->lock);
        note_free(note);
        return r;
}

static int note_set_text(struct note *note, const char *text, struct bus1_dbus_message *call) {
        char *copy;
        int r;

        r = check_text(text, call);
        if (r < 0)
                return r;
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(note->text);
        note->text = copy;
        return bus1_dbus_object_emit_properties_changed(note->object, NOTE_INTERFACE, "Text",
                                                        "Words", NULL);
}

/* May the sender of this call change the note? A call through the note's handle has no sender. */
static int note_check(struct note *note, struct bus1_dbus_message *call) {
        const char *sender = dbus_message_get_sender(call->message);

        if (note->lock && (!sender || strcmp(note->locked_by, sender) != 0))
                return bus1_dbus_fail(call, ERROR_LOCKED, "%s has locked the note",
                                      note->locked_by);
        return 0;
}

static int note_unlocked(struct note *note) {
        note->lock = bus1_dbus_slot_free(note->lock);
        free(note->locked_by);
        note->locked_by = NULL;
        return bus1_dbus_object_emit_properties_changed(note->object, NOTE_INTERFACE, "LockedBy",
                                                        NULL);
}

/* The client that has locked the note has left the bus. */
static void note_locker_left(struct bus1_dbus *bus, const char *name, void *userdata) {
        note_unlocked(userdata);
}

static int note_method_edit(struct bus1_dbus_message *call, void *userdata) {
        struct note *note = userdata;
        const char *text;
        int r;

        r = bus1_dbus_message_read(call, "s", &text);
        if (r >= 0)
                r = note_check(note, call);
        if (r >= 0)
                r = note_set_text(note, text, call);
        return r < 0 ? r : bus1_dbus_reply_values(call, NULL);
}

static int note_method_delete(struct bus1_dbus_message *call, void *userdata) {
        struct note *note = userdata;
        int r;

        r = note_check(note, call);
        if (r >= 0)
                r = note_delete(note);
        return r < 0 ? r : bus1_dbus_reply_values(call, NULL);
}

static int note_method_lock(struct bus1_dbus_message *call, void *userdata) {
        const char *sender = dbus_message_get_sender(call->message);
        struct note *note = userdata;
        int r;

        r = note_check(note, call);
        if (r < 0)
                return r;
        if (!note->lock) {
                if (!sender)
                        return bus1_dbus_fail(call, DBUS_ERROR_NOT_SUPPORTED,
                                              "Only a call through the bus can lock a note");
                note->locked_by = strdup(sender);
                r = note->locked_by ? 0 : -ENOMEM;
                if (r >= 0)
                        r = bus1_dbus_watch_name_async(call->bus, &note->lock, sender, NULL,
                                                       note_locker_left, NULL, note);
                if (r >= 0)
                        r = bus1_dbus_object_emit_properties_changed(note->object, NOTE_INTERFACE,
                                                                     "LockedBy", NULL);
                if (r < 0) {
                        note_unlocked(note);
                        return r;
                }
        }
        return bus1_dbus_reply_values(call, NULL);
}

static int note_method_unlock(struct bus1_dbus_message *call, void *userdata) {
        struct note *note = userdata;
        int r;

        if (!note->lock)
                return bus1_dbus_fail(call, ERROR_NOT_LOCKED, "Nobody has locked the note");
        r = note_check(note, call);
        if (r >= 0)
                r = note_unlocked(note);
        return r < 0 ? r : bus1_dbus_reply_values(call, NULL);
}

static int note_method_viewed(struct bus1_dbus_message *call, void *userdata) {
        ((struct note *)userdata)->views++;
        return bus1_dbus_reply_values(call, NULL);
}

static int note_get_text(struct bus1_dbus *bus, const char *path, const char *interface,
                         const char *property, DBusMessageIter *value, void *userdata,
                         DBusError *error) {
        return bus1_dbus_append(value, "s", ((struct note *)userdata)->text);
}

static int note_get_words(struct bus1_dbus *bus, const char *path, const char *interface,
                          const char *property, DBusMessageIter *value, void *userdata,
                          DBusError *error) {
        const char *text = ((struct note *)userdata)->text;
        uint32_t words = 0;

        while (*(text += strspn(text, " \t\n"))) {
                text += strcspn(text, " \t\n");
                words++;
        }
        return bus1_dbus_append(value, "u", words);
}

static int note_set_text_property(struct bus1_dbus *bus, const char *path, const char *interface,
                                  const char *property, DBusMessageIter *value, void *userdata,
                                  DBusError *error) {
        struct bus1_dbus_message *call = bus1_dbus_get_current_message(bus);
        struct note *note = userdata;
        const char *text;
        int r;

        r = bus1_dbus_read(value, "s", &text);
        if (r >= 0)
                r = note_check(note, call);
        return r < 0 ? r : note_set_text(note, text, call);
}

static const struct bus1_dbus_vtable note_vtable[] = {
        BUS1_DBUS_VTABLE_START(0),
        BUS1_DBUS_METHOD_WITH_ARGS("Edit", BUS1_DBUS_ARGS("s", text), BUS1_DBUS_NO_RESULT,
                                   note_method_edit, BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_METHOD("Delete", "", "", note_method_delete, BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_METHOD("Lock", "", "", note_method_lock, BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_METHOD("Unlock", "", "", note_method_unlock, BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_METHOD("Viewed", "", "", note_method_viewed,
                         BUS1_DBUS_VTABLE_UNPRIVILEGED | BUS1_DBUS_VTABLE_METHOD_NO_REPLY),
        BUS1_DBUS_PROPERTY("Created", "t", NULL, offsetof(struct note, created),
                           BUS1_DBUS_VTABLE_PROPERTY_CONST),
        BUS1_DBUS_WRITABLE_PROPERTY("Text", "s", note_get_text, note_set_text_property, 0,
                                    BUS1_DBUS_VTABLE_UNPRIVILEGED |
                                            BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE),
        BUS1_DBUS_PROPERTY("Words", "u", note_get_words, 0,
                           BUS1_DBUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        BUS1_DBUS_PROPERTY("Views", "u", NULL, offsetof(struct note, views),
                           BUS1_DBUS_VTABLE_PROPERTY_EXPLICIT),
        BUS1_DBUS_PROPERTY("LockedBy", "s", NULL, offsetof(struct note, locked_by),
                           BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE),
        BUS1_DBUS_PROPERTY("Color", "s", NULL, offsetof(struct note, color), 0),
        BUS1_DBUS_WRITABLE_PROPERTY("Pinned", "b", NULL, NULL, offsetof(struct note, pinned), 0),
        BUS1_DBUS_VTABLE_END,
};

/* the manager */

static int notes_method_create(struct bus1_dbus_message *call, void *userdata) {
        const char *text, *color = "yellow";
        DBusMessageIter iter;
        struct note *note;
        int r, pinned = 0;

        /* Options of other names are for later versions. */
        dbus_message_iter_init(call->message, &iter);
        r = bus1_dbus_read(&iter, "s", &text);
        if (r >= 0)
                r = bus1_dbus_read_entry(&iter, "Color", "s", &color);
        if (r >= 0)
                r = bus1_dbus_read_entry(&iter, "Pinned", "b", &pinned);
        if (r == -EBADMSG)
                return bus1_dbus_fail(call, DBUS_ERROR_INVALID_ARGS, "An option has a wrong type");
        if (r >= 0)
                r = note_new(userdata, text, color, pinned, &note, call);
        return r < 0 ? r : bus1_dbus_reply_object(call, note->object);
}

static int notes_method_add(struct bus1_dbus_message *call, void *userdata) {
        struct note *note;
        const char *text;
        int r;

        r = bus1_dbus_message_read(call, "s", &text);
        if (r >= 0)
                r = note_new(userdata, text, "yellow", 0, &note, call);
        return r < 0 ? r : bus1_dbus_reply_object(call, note->object);
}

static int notes_method_list(struct bus1_dbus_message *call, void *userdata) {
        CLEANUP(unrefp) DBusMessage *reply = dbus_message_new_method_return(call->message);
        struct notes *notes = userdata;
        DBusMessageIter iter, array;
        struct note *note;
        int r;

        if (!reply)
                return -ENOMEM;
        dbus_message_iter_init_append(reply, &iter);
        r = bus1_dbus_open_container(&iter, 'a', "(os)", &array);
        DL_FOREACH(notes->list, note) {
                if (r >= 0)
                        r = bus1_dbus_append(&array, "(os)",
                                             bus1_dbus_object_get_path(note->object), note->text);
        }
        r = bus1_dbus_close_container(&iter, &array, r);
        return r < 0 ? r : bus1_dbus_reply(call, reply, NULL, 0);
}

/*
 * Read a text from a file. Only a regular file can be imported, because the service must not wait
 * for the other end of a pipe.
 */
static int read_file(int fd, char **ret_text, struct bus1_dbus_message *call) {
        CLEANUP(freep) char *text = NULL;
        struct stat st;
        ssize_t n;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return bus1_dbus_fail(call, DBUS_ERROR_INVALID_ARGS, "Not a regular file");
        if (st.st_size > MAX_FILE)
                return bus1_dbus_fail(call, ERROR_TOO_LARGE, "A file has at most %d bytes",
                                      MAX_FILE);
        text = calloc(1, st.st_size + 1);
        if (!text)
                return -ENOMEM;
        n = pread(fd, text, st.st_size, 0);
        if (n < 0)
                return -errno;
        text[n] = 0;
        if (!dbus_validate_utf8(text, NULL))
                return bus1_dbus_fail(call, DBUS_ERROR_INVALID_ARGS, "Not a text in UTF-8");
        *ret_text = text;
        text = NULL;
        return 0;
}

/* Make a note of each line of a file. */
static int notes_method_import(struct bus1_dbus_message *call, void *userdata) {
        CLEANUP(unrefp) DBusMessage *reply = dbus_message_new_method_return(call->message);
        CLEANUP(freep) char *text = NULL;
        CLEANUP(closep) int fd = -1;
        DBusMessageIter iter, array;
        char *line, *state = NULL;
        struct note *note;
        int r;

        r = bus1_dbus_message_read(call, "h", &fd);
        if (r >= 0)
                r = read_file(fd, &text, call);
        if (r < 0)
                return r;
        if (!reply)
                return -ENOMEM;
        dbus_message_iter_init_append(reply, &iter);
        r = bus1_dbus_open_container(&iter, 'a', "o", &array);
        for (line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                if (r >= 0)
                        r = note_new(userdata, line, "yellow", 0, &note, call);
                if (r >= 0)
                        r = bus1_dbus_append(&array, "o", bus1_dbus_object_get_path(note->object));
        }
        r = bus1_dbus_close_container(&iter, &array, r);
        return r < 0 ? r : bus1_dbus_reply(call, reply, NULL, 0);
}

/* Return a file with the texts of all notes, which nobody can change. */
static int notes_method_export(struct bus1_dbus_message *call, void *userdata) {
        struct notes *notes = userdata;
        CLEANUP(closep) int fd = -1;
        struct note *note;

        fd = memfd_create("notes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        DL_FOREACH(notes->list, note) {
                if (dprintf(fd, "%s\n", note->text) < 0)
                        return -errno;
        }
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
                return -errno;
        return bus1_dbus_reply_values(call, "h", fd);
}

static int notes_method_clear(struct bus1_dbus_message *call, void *userdata) {
        struct notes *notes = userdata;
        struct note *note, *next;
        int r = 0;

        DL_FOREACH_SAFE(notes->list, note, next) {
                r = note_delete(note);
                if (r < 0)
                        return r;
        }
        return bus1_dbus_reply_values(call, NULL);
}

static const struct bus1_dbus_vtable notes_vtable[] = {
        BUS1_DBUS_VTABLE_START(0),
        BUS1_DBUS_METHOD_WITH_ARGS("Create", BUS1_DBUS_ARGS("s", text, "a{sv}", options),
                                   BUS1_DBUS_RESULT("o", note), notes_method_create,
                                   BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_METHOD_WITH_ARGS("Add", BUS1_DBUS_ARGS("s", text), BUS1_DBUS_RESULT("o", note),
                                   notes_method_add,
                                   BUS1_DBUS_VTABLE_UNPRIVILEGED | BUS1_DBUS_VTABLE_DEPRECATED),
        BUS1_DBUS_METHOD_WITH_ARGS("List", BUS1_DBUS_NO_ARGS, BUS1_DBUS_RESULT("a(os)", notes),
                                   notes_method_list, BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_METHOD_WITH_ARGS("Import", BUS1_DBUS_ARGS("h", file),
                                   BUS1_DBUS_RESULT("ao", notes), notes_method_import,
                                   BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_METHOD_WITH_ARGS("Export", BUS1_DBUS_NO_ARGS, BUS1_DBUS_RESULT("h", file),
                                   notes_method_export, BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_METHOD("Clear", "", "", notes_method_clear, 0),
        BUS1_DBUS_SIGNAL_WITH_ARGS("Added", BUS1_DBUS_ARGS("o", note, "s", text), 0),
        BUS1_DBUS_SIGNAL_WITH_ARGS("Deleted", BUS1_DBUS_ARGS("o", note), 0),
        BUS1_DBUS_PROPERTY("Count", "u", NULL, offsetof(struct notes, count),
                           BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE),
        BUS1_DBUS_PROPERTY("Version", "s", NULL, offsetof(struct notes, version),
                           BUS1_DBUS_VTABLE_PROPERTY_CONST),
        BUS1_DBUS_VTABLE_END,
};

static void notes_free(struct notes *notes) {
        struct note *note, *next;

        sd_event_source_unref(notes->source);
        bus1_dbus_free(notes->bus);
        DL_FOREACH_SAFE(notes->list, note, next)
                note_free(note);
        sd_event_unref(notes->event);
}

/* Serve the notes until the loop ends. Returns the exit status of the loop. */
static int notes_run(struct notes *notes, bool system) {
        CLEANUP(dbus_error_free) DBusError error = DBUS_ERROR_INIT;
        int r;

        r = sd_event_default(&notes->event);
        if (r >= 0)
                r = sd_event_set_signal_exit(notes->event, true);
        if (r >= 0)
                r = system ? bus1_dbus_open_system(&notes->bus, &error)
                           : bus1_dbus_open_session(&notes->bus, &error);
        if (r >= 0)
                r = bus1_dbus_attach_event(notes->bus, notes->event, SD_EVENT_PRIORITY_NORMAL,
                                           &notes->source);
        if (r >= 0)
                r = bus1_dbus_object_new(notes->bus, PATH, NULL, notes, &notes->object);
        if (r >= 0)
                r = bus1_dbus_object_add_manager(notes->object);
        if (r >= 0)
                r = bus1_dbus_object_add_interface(notes->object, NOTES_INTERFACE, notes_vtable,
                                                   notes);
        if (r >= 0)
                r = bus1_dbus_publish(notes->bus, NAME, DBUS_NAME_FLAG_DO_NOT_QUEUE, NULL, &error);
        if (r < 0) {
                fprintf(stderr, "notes: Cannot serve %s: %s\n", NAME,
                        error.message ? error.message : strerror(-r));
                return r;
        }
        return sd_event_loop(notes->event);
}

int main(int argc, char *argv[]) {
        CLEANUP(notes_free) struct notes notes = {.version = "1.0"};

        return notes_run(&notes, argc > 1 && strcmp(argv[1], "--system") == 0) == 0 ? EXIT_SUCCESS
                                                                                    : EXIT_FAILURE;
}
