/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A service of notes, with sd-bus
 *
 * notes-bus1.c is the same service with libbus1-dbus. README.md describes the service and compares
 * the two programs.
 */

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
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
        sd_bus *bus;
        struct note *list;
        uint32_t count;
        uint64_t last_number; /* of the newest note: numbers are not used again */
        const char *version;
};

struct note {
        struct notes *notes;
        struct note *prev, *next; /* in notes->list */
        sd_bus_slot *slot;
        sd_bus_track *lock; /* the client that has locked the note, or NULL */
        char *path;
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

/* notes */

static const sd_bus_vtable note_vtable[];

/* Free a note, without a word to the bus. */
static void note_free(struct note *note) {
        sd_bus_slot_unref(note->slot);
        sd_bus_track_unref(note->lock);
        free(note->path);
        free(note->text);
        free(note->color);
        free(note);
}

static int check_text(const char *text, sd_bus_error *error) {
        if (!*text)
                return sd_bus_error_set(error, ERROR_NO_TEXT, "A note needs a text");
        if (strlen(text) > MAX_TEXT)
                return sd_bus_error_setf(error, ERROR_TOO_LARGE, "A text has at most %d bytes",
                                         MAX_TEXT);
        return 0;
}

static int note_new(struct notes *notes, const char *text, const char *color, int pinned,
                    struct note **ret_note, sd_bus_error *error) {
        struct timespec now;
        struct note *note;
        int r;

        r = check_text(text, error);
        if (r < 0)
                return r;
        if (notes->count >= MAX_NOTES)
                return sd_bus_error_setf(error, ERROR_TOO_MANY, "There are %d notes already",
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
        if (asprintf(&note->path, PATH "/note/%llu", (unsigned long long)notes->last_number + 1) <
            0)
                note->path = NULL;
        r = note->text && note->color && note->path ? 0 : -ENOMEM;
        if (r >= 0)
                r = sd_bus_add_object_vtable(notes->bus, &note->slot, note->path, NOTE_INTERFACE,
                                             note_vtable, note);
        if (r >= 0)
                r = sd_bus_emit_object_added(notes->bus, note->path);
        if (r < 0) {
                note_free(note);
                return r;
        }
        DL_APPEND(notes->list, note);
        notes->count++;
        notes->last_number++;
        r = sd_bus_emit_signal(notes->bus, PATH, NOTES_INTERFACE, "Added", "os", note->path, text);
        if (r >= 0)
                r = sd_bus_emit_properties_changed(notes->bus, PATH, NOTES_INTERFACE, "Count",
                                                   NULL);
        *ret_note = note;
        return r;
}

static int note_delete(struct note *note) {
        struct notes *notes = note->notes;
        int r;

        DL_DELETE(notes->list, note);
        notes->count--;
        r = sd_bus_emit_signal(notes->bus, PATH, NOTES_INTERFACE, "Deleted", "o", note->path);
        if (r >= 0)
                r = sd_bus_emit_properties_changed(notes->bus, PATH, NOTES_INTERFACE, "Count",
                                                   NULL);
        if (r >= 0)
                r = sd_bus_emit_object_removed(notes->bus, note->path);
        note_free(note);
        return r;
}

static int note_set_text(struct note *note, const char *text, sd_bus_error *error) {
        char *copy;
        int r;

        r = check_text(text, error);
        if (r < 0)
                return r;
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(note->text);
        note->text = copy;
        return sd_bus_emit_properties_changed(note->notes->bus, note->path, NOTE_INTERFACE, "Text",
                                              "Words", NULL);
}

/* May the sender of this message change the note? */
static int note_check(struct note *note, sd_bus_message *m, sd_bus_error *error) {
        if (note->lock && !sd_bus_track_contains(note->lock, sd_bus_message_get_sender(m)))
                return sd_bus_error_setf(error, ERROR_LOCKED, "%s has locked the note",
                                         sd_bus_track_first(note->lock));
        return 0;
}

static int note_unlocked(struct note *note) {
        note->lock = sd_bus_track_unref(note->lock);
        return sd_bus_emit_properties_changed(note->notes->bus, note->path, NOTE_INTERFACE,
                                              "LockedBy", NULL);
}

/* The client that has locked the note has left the bus. */
static int note_locker_left(sd_bus_track *track, void *userdata) {
        return note_unlocked(userdata);
}

static int note_method_edit(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        struct note *note = userdata;
        const char *text;
        int r;

        r = sd_bus_message_read(call, "s", &text);
        if (r >= 0)
                r = note_check(note, call, error);
        if (r >= 0)
                r = note_set_text(note, text, error);
        return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int note_method_delete(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        struct note *note = userdata;
        int r;

        r = note_check(note, call, error);
        if (r >= 0)
                r = note_delete(note);
        return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int note_method_lock(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        struct note *note = userdata;
        int r;

        r = note_check(note, call, error);
        if (r < 0)
                return r;
        if (!note->lock) {
                r = sd_bus_track_new(note->notes->bus, &note->lock, note_locker_left, note);
                if (r >= 0)
                        r = sd_bus_track_add_sender(note->lock, call);
                if (r < 0) {
                        note->lock = sd_bus_track_unref(note->lock);
                        return r;
                }
                r = sd_bus_emit_properties_changed(note->notes->bus, note->path, NOTE_INTERFACE,
                                                   "LockedBy", NULL);
                if (r < 0)
                        return r;
        }
        return sd_bus_reply_method_return(call, NULL);
}

static int note_method_unlock(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        struct note *note = userdata;
        int r;

        if (!note->lock)
                return sd_bus_error_set(error, ERROR_NOT_LOCKED, "Nobody has locked the note");
        r = note_check(note, call, error);
        if (r >= 0)
                r = note_unlocked(note);
        return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int note_method_viewed(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        ((struct note *)userdata)->views++;
        return sd_bus_reply_method_return(call, NULL);
}

static int note_get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", ((struct note *)userdata)->text);
}

static int note_get_words(sd_bus *bus, const char *path, const char *interface,
                          const char *property, sd_bus_message *reply, void *userdata,
                          sd_bus_error *error) {
        const char *text = ((struct note *)userdata)->text;
        uint32_t words = 0;

        while (*(text += strspn(text, " \t\n"))) {
                text += strcspn(text, " \t\n");
                words++;
        }
        return sd_bus_message_append(reply, "u", words);
}

static int note_get_locked_by(sd_bus *bus, const char *path, const char *interface,
                              const char *property, sd_bus_message *reply, void *userdata,
                              sd_bus_error *error) {
        return sd_bus_message_append(reply, "s",
                                     sd_bus_track_first(((struct note *)userdata)->lock));
}

static int note_set_text_property(sd_bus *bus, const char *path, const char *interface,
                                  const char *property, sd_bus_message *value, void *userdata,
                                  sd_bus_error *error) {
        struct note *note = userdata;
        const char *text;
        int r;

        r = sd_bus_message_read(value, "s", &text);
        if (r >= 0)
                r = note_check(note, value, error);
        return r < 0 ? r : note_set_text(note, text, error);
}

static const sd_bus_vtable note_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Edit", SD_BUS_ARGS("s", text), SD_BUS_NO_RESULT, note_method_edit,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Delete", NULL, NULL, note_method_delete, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Lock", NULL, NULL, note_method_lock, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Unlock", NULL, NULL, note_method_unlock, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Viewed", NULL, NULL, note_method_viewed,
                      SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_METHOD_NO_REPLY),
        SD_BUS_PROPERTY("Created", "t", NULL, offsetof(struct note, created),
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_WRITABLE_PROPERTY("Text", "s", note_get_text, note_set_text_property, 0,
                                 SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Words", "u", note_get_words, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        SD_BUS_PROPERTY("Views", "u", NULL, offsetof(struct note, views),
                        SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_PROPERTY("LockedBy", "s", note_get_locked_by, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Color", "s", NULL, offsetof(struct note, color), 0),
        SD_BUS_WRITABLE_PROPERTY("Pinned", "b", NULL, NULL, offsetof(struct note, pinned), 0),
        SD_BUS_VTABLE_END,
};

/* the manager */

/* Read the options of a new note. Options of other names are for later versions. */
static int read_options(sd_bus_message *call, const char **color, int *pinned,
                        sd_bus_error *error) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(call, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
                r = sd_bus_message_read(call, "s", &key);
                if (r < 0)
                        return r;
                if (strcmp(key, "Color") == 0)
                        r = sd_bus_message_read(call, "v", "s", color);
                else if (strcmp(key, "Pinned") == 0)
                        r = sd_bus_message_read(call, "v", "b", pinned);
                else
                        r = sd_bus_message_skip(call, "v");
                if (r == -ENXIO)
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                                 "An option has a wrong type");
                if (r >= 0)
                        r = sd_bus_message_exit_container(call);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int notes_method_create(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const char *text, *color = "yellow";
        struct note *note;
        int r, pinned = 0;

        r = sd_bus_message_read(call, "s", &text);
        if (r >= 0)
                r = read_options(call, &color, &pinned, error);
        if (r >= 0)
                r = note_new(userdata, text, color, pinned, &note, error);
        return r < 0 ? r : sd_bus_reply_method_return(call, "o", note->path);
}

static int notes_method_add(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        struct note *note;
        const char *text;
        int r;

        r = sd_bus_message_read(call, "s", &text);
        if (r >= 0)
                r = note_new(userdata, text, "yellow", 0, &note, error);
        return r < 0 ? r : sd_bus_reply_method_return(call, "o", note->path);
}

static int notes_method_list(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct notes *notes = userdata;
        struct note *note;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(os)");
        if (r < 0)
                return r;
        DL_FOREACH(notes->list, note) {
                r = sd_bus_message_append(reply, "(os)", note->path, note->text);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/*
 * Read a text from a file. Only a regular file can be imported, because the service must not wait
 * for the other end of a pipe.
 */
static int read_file(int fd, char **ret_text, sd_bus_error *error) {
        CLEANUP(freep) char *text = NULL;
        struct stat st;
        ssize_t n;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "Not a regular file");
        if (st.st_size > MAX_FILE)
                return sd_bus_error_setf(error, ERROR_TOO_LARGE, "A file has at most %d bytes",
                                         MAX_FILE);
        text = calloc(1, st.st_size + 1);
        if (!text)
                return -ENOMEM;
        n = pread(fd, text, st.st_size, 0);
        if (n < 0)
                return -errno;
        text[n] = 0;
        if (mbstowcs(NULL, text, 0) == (size_t)-1)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "Not a text in UTF-8");
        *ret_text = text;
        text = NULL;
        return 0;
}

/* Make a note of each line of a file. */
static int notes_method_import(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CLEANUP(freep) char *text = NULL;
        char *line, *state = NULL;
        struct note *note;
        int fd, r;

        r = sd_bus_message_read(call, "h", &fd);
        if (r >= 0)
                r = read_file(fd, &text, error);
        if (r >= 0)
                r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "o");
        if (r < 0)
                return r;
        for (line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                r = note_new(userdata, line, "yellow", 0, &note, error);
                if (r >= 0)
                        r = sd_bus_message_append(reply, "o", note->path);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* Return a file with the texts of all notes, which nobody can change. */
static int notes_method_export(sd_bus_message *call, void *userdata, sd_bus_error *error) {
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
        return sd_bus_reply_method_return(call, "h", fd);
}

static int notes_method_clear(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        struct notes *notes = userdata;
        struct note *note, *next;
        int r = 0;

        DL_FOREACH_SAFE(notes->list, note, next) {
                r = note_delete(note);
                if (r < 0)
                        return r;
        }
        return sd_bus_reply_method_return(call, NULL);
}

static const sd_bus_vtable notes_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Create", SD_BUS_ARGS("s", text, "a{sv}", options),
                                SD_BUS_RESULT("o", note), notes_method_create,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Add", SD_BUS_ARGS("s", text), SD_BUS_RESULT("o", note),
                                notes_method_add,
                                SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_DEPRECATED),
        SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(os)", notes),
                                notes_method_list, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Import", SD_BUS_ARGS("h", file), SD_BUS_RESULT("ao", notes),
                                notes_method_import, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Export", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", file),
                                notes_method_export, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Clear", NULL, NULL, notes_method_clear, 0),
        SD_BUS_SIGNAL_WITH_ARGS("Added", SD_BUS_ARGS("o", note, "s", text), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Deleted", SD_BUS_ARGS("o", note), 0),
        SD_BUS_PROPERTY("Count", "u", NULL, offsetof(struct notes, count),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Version", "s", NULL, offsetof(struct notes, version),
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

static void notes_free(struct notes *notes) {
        struct note *note, *next;

        DL_FOREACH_SAFE(notes->list, note, next)
                note_free(note);
        sd_bus_flush_close_unref(notes->bus);
        sd_event_unref(notes->event);
}

/* Serve the notes until the loop ends. Returns the exit status of the loop. */
static int notes_run(struct notes *notes, bool system) {
        int r;

        r = sd_event_default(&notes->event);
        if (r >= 0)
                r = sd_event_set_signal_exit(notes->event, true);
        if (r >= 0)
                r = system ? sd_bus_open_system(&notes->bus) : sd_bus_open_user(&notes->bus);
        if (r >= 0)
                r = sd_bus_attach_event(notes->bus, notes->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(notes->bus, true);
        if (r >= 0)
                r = sd_bus_add_object_manager(notes->bus, NULL, PATH);
        if (r >= 0)
                r = sd_bus_add_object_vtable(notes->bus, NULL, PATH, NOTES_INTERFACE, notes_vtable,
                                             notes);
        if (r >= 0)
                r = sd_bus_request_name(notes->bus, NAME, 0);
        if (r < 0) {
                fprintf(stderr, "notes: Cannot serve %s: %s\n", NAME, strerror(-r));
                return r;
        }
        return sd_event_loop(notes->event);
}

int main(int argc, char *argv[]) {
        CLEANUP(notes_free) struct notes notes = {.version = "1.0"};

        setlocale(LC_CTYPE, "C.UTF-8");
        return notes_run(&notes, argc > 1 && strcmp(argv[1], "--system") == 0) == 0 ? EXIT_SUCCESS
                                                                                    : EXIT_FAILURE;
}
