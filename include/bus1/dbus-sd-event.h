/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libbus1-dbus-sd-event - a bus in an sd-event loop */

#include <bus1/dbus.h>
#include <systemd/sd-event.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Dispatch the bus from the event loop, with the given priority, until the caller unreferences the
 * source. The caller must unreference the source before it frees the bus. If ret_source is NULL,
 * the bus owns the source, which ends with the bus; until then, the source keeps the event loop.
 *
 * When the dispatch fails, the source is disabled, and the event loop exits with the error:
 * -ECONNRESET when the bus has gone. For a loop that goes on, call
 * sd_event_source_set_exit_on_failure(*ret_source, false), and bus1_dbus_set_end_handler() to be
 * told. When a handler has freed the bus, the loop does not exit.
 */
int bus1_dbus_attach_event(struct bus1_dbus *bus, sd_event *event, int64_t priority,
                           sd_event_source **ret_source);

#ifdef __cplusplus
}
#endif
