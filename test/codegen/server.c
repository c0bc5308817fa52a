/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A server with the code that bus1-dbus-codegen makes from every.xml
 *
 * Most methods answer with what they get. Forget emits the signals. The program prints a line when
 * it can be called, and runs until the bus ends. It is compiled as C.
 */

#include "every.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "org.bus1.Test"
#define PATH "/org/bus1/Test"

/* What the properties have. */
struct state {
        struct bus1_dbus_object *object;
        char *title, *password;
        char **strings, **paths;
        uint8_t bytes[16];
        size_t n_bytes;
        uint32_t number, size;
};

static int basic(struct every_server *server, struct bus1_dbus_message *call, uint8_t y, int b,
                 int16_t n, uint16_t q, int32_t i, uint32_t u, int64_t x, uint64_t t, double d,
                 const char *s, const char *o, const char *g) {
        return every_reply_basic(call, y, b, n, q, i, u, x, t, d, s, o, g);
}

static int arrays(struct every_server *server, struct bus1_dbus_message *call, char *const *strings,
                  char *const *paths, const uint8_t *bytes, size_t n_bytes, const double *numbers,
                  size_t n_numbers, const int *flags, size_t n_flags) {
        return every_reply_arrays(call, strings, paths, bytes, n_bytes, numbers, n_numbers, flags,
                                  n_flags);
}

/* Values that came with the call, for the functions that append them to the reply. */

static int append_size(DBusMessageIter *iter, void *userdata) {
        const uint32_t *size = userdata;

        return bus1_dbus_append(iter, "a{sv}", 1U, "Size", "u", *size);
}

struct pair {
        const char *text;
        uint32_t number;
};

static int append_pair(DBusMessageIter *iter, void *userdata) {
        const struct pair *pair = userdata;

        return bus1_dbus_append(iter, "(su)", pair->text, pair->number);
}

static int append_any(DBusMessageIter *iter, void *userdata) {
        return bus1_dbus_append(iter, "v", "s", (const char *)userdata);
}

static int containers(struct every_server *server, struct bus1_dbus_message *call,
                      DBusMessageIter *options, DBusMessageIter *pair, DBusMessageIter *any) {
        struct pair read = {};
        const char *text;
        uint32_t size = 0;
        int r;

        r = bus1_dbus_read_entry(options, "Size", "u", &size);
        if (r >= 0)
                r = bus1_dbus_read(pair, "(su)", &read.text, &read.number);
        if (r >= 0)
                r = bus1_dbus_read(any, "v", "s", &text);
        if (r < 0)
                return r;
        return every_reply_containers(call, size ? append_size : NULL, &size, append_pair, &read,
                                      append_any, (void *)text);
}

static int descriptor(struct every_server *server, struct bus1_dbus_message *call, int file) {
        int r = every_reply_descriptor(call, file);

        close(file);
        return r;
}

static int handle(struct every_server *server, struct bus1_dbus_message *call, uint64_t object,
                  uint32_t number) {
        int r = number == 5 ? every_reply_handle(call, object) : -EDOM;

        bus1_dbus_release(call->bus, object);
        return r;
}

static int nothing(struct every_server *server, struct bus1_dbus_message *call) {
        return every_reply_nothing(call);
}

static int forget(struct every_server *server, struct bus1_dbus_message *call, const char *text) {
        const char *strings[] = {"one", text, NULL};
        struct state *state = server->userdata;
        static const uint8_t bytes[] = {1, 2, 3};
        uint32_t size = 9;
        int r;

        r = every_emit_happened(state->object, text, 7);
        if (r >= 0)
                r = every_emit_listed(state->object, (char *const *)strings, append_size, &size,
                                      bytes, sizeof(bytes));
        if (r >= 0)
                r = every_emit_quiet(state->object);
        return r;
}

static int other_name(struct every_server *server, struct bus1_dbus_message *call) {
        return -EBUSY;
}

static int delete (struct every_server *server, struct bus1_dbus_message *call, const char *class,
                   const char *call_, const char *two_words, const char *arg_4) {
        char text[100];

        snprintf(text, sizeof(text), "%s %s %s %s", class, call_, two_words, arg_4);
        return every_reply_delete(call, text);
}

/* properties */

static int set_string(char **string, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*string);
        *string = copy;
        return 0;
}

static void free_strings(char **strings) {
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

static int set_strings(char ***strings, char *const *value) {
        char **copy;
        size_t n = 0;

        while (value && value[n])
                n++;
        copy = calloc(n + 1, sizeof(*copy));
        if (!copy)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                copy[i] = strdup(value[i]);
        free_strings(*strings);
        *strings = copy;
        return 0;
}

static int get_number(struct every_server *server, uint32_t *ret_value, DBusError *error) {
        struct state *state = server->userdata;

        *ret_value = state->number;
        return 0;
}

static int get_title(struct every_server *server, const char **ret_value, DBusError *error) {
        struct state *state = server->userdata;

        *ret_value = state->title;
        return 0;
}

static int set_title(struct every_server *server, const char *value, DBusError *error) {
        struct state *state = server->userdata;
        int r;

        if (!*value) {
                dbus_set_error(error, "org.bus1.Test.Error.Empty", "A title has letters");
                return -EINVAL;
        }
        r = set_string(&state->title, value);
        if (r < 0)
                return r;
        state->number++;
        return every_emit_title_changed(state->object);
}

static int get_strings(struct every_server *server, char *const **ret_value, DBusError *error) {
        struct state *state = server->userdata;

        *ret_value = state->strings;
        return 0;
}

static int set_strings_property(struct every_server *server, char *const *value, DBusError *error) {
        struct state *state = server->userdata;
        int r = set_strings(&state->strings, value);

        return r < 0 ? r : every_emit_strings_changed(state->object);
}

static int get_paths(struct every_server *server, char *const **ret_value, DBusError *error) {
        struct state *state = server->userdata;

        *ret_value = state->paths;
        return 0;
}

static int set_paths(struct every_server *server, char *const *value, DBusError *error) {
        struct state *state = server->userdata;

        return set_strings(&state->paths, value);
}

static int get_bytes(struct every_server *server, const uint8_t **ret_value, size_t *ret_n_value,
                     DBusError *error) {
        struct state *state = server->userdata;

        *ret_value = state->bytes;
        *ret_n_value = state->n_bytes;
        return 0;
}

static int set_bytes(struct every_server *server, const uint8_t *value, size_t n_value,
                     DBusError *error) {
        struct state *state = server->userdata;

        if (n_value > sizeof(state->bytes))
                return -EMSGSIZE;
        memcpy(state->bytes, value, n_value);
        state->n_bytes = n_value;
        return 0;
}

static int get_options(struct every_server *server, DBusMessageIter *value, DBusError *error) {
        struct state *state = server->userdata;

        return append_size(value, &state->size);
}

static int set_options(struct every_server *server, DBusMessageIter *value, DBusError *error) {
        struct state *state = server->userdata;
        int r = bus1_dbus_read_entry(value, "Size", "u", &state->size);

        return r == 0 ? -EINVAL : r;
}

static int get_version(struct every_server *server, const char **ret_value, DBusError *error) {
        *ret_value = "1.0";
        return 0;
}

static int set_password(struct every_server *server, const char *value, DBusError *error) {
        struct state *state = server->userdata;

        return set_string(&state->password, value);
}

/* handle_old and get_large are missing: their callers get errors. */
static const struct every_handlers handlers = {
        .handle_basic = basic,
        .handle_arrays = arrays,
        .handle_containers = containers,
        .handle_descriptor = descriptor,
        .handle_handle = handle,
        .handle_nothing = nothing,
        .handle_forget = forget,
        .handle_other_name = other_name,
        .handle_delete = delete,
        .get_number = get_number,
        .get_title = get_title,
        .set_title = set_title,
        .get_strings = get_strings,
        .set_strings = set_strings_property,
        .get_bytes = get_bytes,
        .set_bytes = set_bytes,
        .get_options = get_options,
        .set_options = set_options,
        .get_paths = get_paths,
        .set_paths = set_paths,
        .get_version = get_version,
        .set_password = set_password,
};

int main(void) {
        struct state state = {.size = 3};
        struct every_server server = {&handlers, &state};
        static const struct only_signals_handlers no_handlers;
        struct only_signals_server only_signals = {&no_handlers, NULL};
        struct bus1_dbus *bus = NULL;
        int r;

        r = bus1_dbus_open_session(&bus, NULL);
        if (r >= 0)
                r = set_string(&state.title, "first");
        if (r >= 0)
                r = bus1_dbus_object_new(bus, PATH, NULL, NULL, &state.object);
        if (r >= 0)
                r = every_server_add(state.object, &server);
        if (r >= 0)
                r = only_signals_server_add(state.object, &only_signals);
        if (r >= 0)
                r = bus1_dbus_publish(bus, NAME, 0, NULL, NULL);
        if (r >= 0) {
                puts("ready");
                fflush(stdout);
                r = bus1_dbus_run(bus, NULL);
        }
        if (r != -ECONNRESET)
                fprintf(stderr, "server: %s\n", strerror(-r));
        bus1_dbus_free(bus);
        free(state.title);
        free(state.password);
        free_strings(state.strings);
        free_strings(state.paths);
        return r != -ECONNRESET;
}
