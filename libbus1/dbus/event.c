/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bus in an sd-event loop, as a library of its own: libbus1-dbus itself needs no libsystemd */

#include <bus1/dbus-sd-event.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>

#define PUBLIC __attribute__((visibility("default")))

static int event_dispatch(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        /* Dispatch only once, so that the loop can run its other sources in between. */
        int r = bus1_dbus_dispatch(userdata);

        /* If a handler freed the bus, the program knows of its end. */
        return r == -ESHUTDOWN ? 0 : r;
}

static void event_detach(struct bus1_dbus *bus, void *userdata) {
        sd_event_source_disable_unref(userdata);
}

PUBLIC int bus1_dbus_attach_event(struct bus1_dbus *bus, sd_event *event, int64_t priority,
                                  sd_event_source **ret_source) {
        sd_event_source *source = NULL;
        int r;

        if (!bus || !event)
                return -EINVAL;
        r = sd_event_add_io(event, &source, bus1_dbus_get_fd(bus), EPOLLIN, event_dispatch, bus);
        if (r >= 0)
                r = sd_event_source_set_priority(source, priority);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(source, true);
        if (r >= 0 && !ret_source)
                r = bus1_dbus_add_free_handler(bus, NULL, event_detach, source);
        if (r < 0) {
                sd_event_source_unref(source);
                return r;
        }
        if (ret_source)
                *ret_source = source;
        return 0;
}
