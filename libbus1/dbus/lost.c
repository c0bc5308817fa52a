/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/lost.h"

#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/standing.h"

static void lost_free(struct bus1_dbus_lost *lost) {
        free((char *)lost->what);
        free((char *)lost->path);
        free((char *)lost->error);
}

void lost_forget(struct lost_list *list) {
        while (list->n > 0)
                lost_free(&list->items[--list->n]);
        free(list->items);
        *list = (struct lost_list){};
}

static void forget_if(struct lost_list *list, struct bus1_dbus *bus,
                      bool (*is_so)(struct bus1_dbus *bus, const struct bus1_dbus_lost *lost)) {
        size_t n = 0;

        for (size_t i = 0; i < list->n; i++)
                if (is_so(bus, &list->items[i]))
                        lost_free(&list->items[i]);
                else
                        list->items[n++] = list->items[i];
        list->n = n;
}

/* Is the program going to ask for it again when it joins the next time? */
static bool is_asked_again(struct bus1_dbus *bus, const struct bus1_dbus_lost *lost) {
        return lost->kind == BUS1_DBUS_LOST_MATCH || lost->kind == BUS1_DBUS_LOST_OBJECT ||
               (lost->kind == BUS1_DBUS_LOST_NAME && !lost->error);
}

void lost_forget_tried(struct lost_list *list, struct bus1_dbus *bus) {
        forget_if(list, bus, is_asked_again);
}

/* Is it a name for which the program waits no more? */
static bool is_released_name(struct bus1_dbus *bus, const struct bus1_dbus_lost *lost) {
        return lost->kind == BUS1_DBUS_LOST_NAME && !lost->error &&
               !standing_has_name(bus, lost->what);
}

void lost_forget_released(struct lost_list *list, struct bus1_dbus *bus) {
        forget_if(list, bus, is_released_name);
}

void lost_add(struct lost_list *list, enum bus1_dbus_lost_kind kind, const char *what,
              const char *path, uint64_t handle, const char *error) {
        struct bus1_dbus_lost *grown;
        struct bus1_dbus_lost lost = {
                .kind = kind,
                .what = strdup(what),
                .path = path ? strdup(path) : NULL,
                .handle = handle,
                .error = error ? strdup(error) : NULL,
        };

        grown = realloc(list->items, (list->n + 1) * sizeof(*grown));
        if (grown)
                list->items = grown;
        if (!grown || !lost.what || (path && !lost.path) || (error && !lost.error)) {
                lost_free(&lost);
                list->incomplete = true;
                return;
        }
        list->items[list->n++] = lost;
}
