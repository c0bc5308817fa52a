/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Texts: see text.h. */

#include "test/hostile/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

void text_free(struct text *t) {
        free(t->data);
        *t = (struct text){};
}

void text_add(struct text *t, const void *data, size_t n) {
        t->data = realloc(t->data, t->n + n);
        if (!t->data)
                raw_fail("out of memory");
        memcpy(t->data + t->n, data, n);
        t->n += n;
}

void text_add_hello(struct text *t) {
        char line[128], uid[16], hex[32] = "";

        snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
        for (size_t i = 0; uid[i]; i++)
                snprintf(hex + 2 * i, 3, "%02x", uid[i]);
        snprintf(line, sizeof(line), "AUTH EXTERNAL %s\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", hex);
        text_add(t, "", 1);
        text_add(t, line, strlen(line));
        text_add_bus_call(t, 0, "Hello", NULL);
}

void text_add_message(struct text *t, const struct raw_fields *fields) {
        struct raw_fields f = *fields;
        CLEANUP_FREE uint8_t *m = NULL;
        size_t n;

        f.serial = ++t->serial;
        m = raw_build(&f, &n);
        text_add(t, m, n);
}

void text_add_string(struct text *t, const struct raw_fields *fields, const char *s) {
        struct raw_fields f = *fields;
        struct text body = {};
        uint32_t n = strlen(s);

        text_add(&body, &n, sizeof(n));
        text_add(&body, s, n + 1);
        f.signature = "s";
        f.body = body.data;
        f.n_body = body.n;
        text_add_message(t, &f);
        text_free(&body);
}

void text_add_bus_call(struct text *t, uint8_t flags, const char *member, const char *argument) {
        CLEANUP_FREE uint8_t *m = NULL;
        size_t n;

        m = raw_build_bus_call(++t->serial, &n, member, argument);
        m[2] = flags;
        text_add(t, m, n);
}

void text_renumber(struct text *t) {
        for (size_t i = 0; i < t->n; i += raw_message_size(t->data + i, t->n - i))
                raw_message_set_serial(t->data + i, ++t->serial);
}
