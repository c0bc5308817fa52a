/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Voice: the header of the bus's own messages, and the texts of its errors. */

#include "bridge/bus/voice.h"

#include <stdio.h>
#include <string.h>

#include "bridge/wire/names.h"

/* The serial 0 is not valid. */
static uint32_t next_serial(struct bus *bus) {
        if (++bus->serial == 0)
                bus->serial = 1;
        return bus->serial;
}

void voice_address(struct bus *bus, struct writer *w, const struct client *client) {
        w->serial = next_serial(bus);
        w->sender = BUS_DRIVER_NAME;
        if (client && client->unique_name[0])
                w->destination = client->unique_name;
}

void voice_init(struct bus *bus, struct writer *w, uint8_t type, const struct client *client,
                const char *signature) {
        writer_init(w, type, MESSAGE_FLAG_NO_REPLY_EXPECTED, 0, signature);
        voice_address(bus, w, client);
}

void voice_init_signal(struct bus *bus, struct writer *w, const struct client *client,
                       const char *member, const char *signature) {
        voice_init(bus, w, MESSAGE_TYPE_SIGNAL, client, signature);
        w->path = BUS_DRIVER_PATH;
        w->interface = BUS_DRIVER_INTERFACE;
        w->member = member;
}

int voice_error(struct bus *bus, const struct client *client, uint32_t serial, const char *name,
                const char *text, struct message **ret_message) {
        struct writer w;

        voice_init(bus, &w, MESSAGE_TYPE_ERROR, client, "s");
        if (!client)
                w.destination = BUS_DRIVER_NAME;
        w.error_name = name;
        w.reply_serial = serial;
        writer_string(&w, text);
        return writer_finish(&w, ret_message);
}

void voice_format(char *text, size_t n_text, const char *format, va_list args) {
        int n = vsnprintf(text, n_text, format, args);

        if (n < 0)
                text[0] = '\0';
        else if ((size_t)n >= n_text) {
                size_t end = n_text - 1;

                while (end > 0 && ((unsigned char)text[end - 1] & 0xc0) == 0x80)
                        end--;
                if (end > 0 && ((unsigned char)text[end - 1] & 0x80))
                        end--;
                text[end] = '\0';
        }

        if (!name_is_valid_utf8(text, strlen(text)))
                for (char *p = text; *p; p++)
                        if (*p & 0x80)
                                *p = '?';
}
