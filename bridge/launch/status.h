/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Exit statuses of bus1-launch - why it could not start a service
 *
 * They are those of dbus-daemon-launch-helper, so the bus turns both into the same errors
 * (bridge/bus/launch.c). The service itself may exit with any of them.
 */

enum launch_status {
        STATUS_FAILED = 1,
        STATUS_NO_MEMORY = 2,
        STATUS_CONFIG_INVALID = 3,
        STATUS_SETUP_FAILED = 4, /* it could not become the user of the service */
        STATUS_NAME_INVALID = 5,
        STATUS_NOT_FOUND = 6,
        STATUS_NOT_ROOT = 7,
        STATUS_FILE_INVALID = 8,
        STATUS_EXEC_FAILED = 9,
        STATUS_EXEC_INVALID = 10, /* Exec= is not a command line */
};
