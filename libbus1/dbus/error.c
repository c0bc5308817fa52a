/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What went wrong, as D-Bus says it
 *
 * The library reports failures as negative errno. Programs also get them as a DBusError, and
 * callers get them as an error reply. This file maps the one to the other.
 */

#include "libbus1/dbus/error.h"

#include <errno.h>
#include <string.h>

const char *error_name_from_errno(int r) {
        switch (-r) {
        case ENOMEM:
                return DBUS_ERROR_NO_MEMORY;
        case EPERM:
        case EACCES:
                return DBUS_ERROR_ACCESS_DENIED;
        case EINVAL:
        case EBADMSG:
        case EDOM:
                return DBUS_ERROR_INVALID_ARGS;
        case ENOENT:
                return DBUS_ERROR_FILE_NOT_FOUND;
        case EEXIST:
                return DBUS_ERROR_FILE_EXISTS;
        case ETIMEDOUT:
                return DBUS_ERROR_TIMEOUT;
        case ECONNRESET:
        case ESHUTDOWN:
        case ENOTCONN:
                return DBUS_ERROR_DISCONNECTED;
        case EDQUOT:
        case EMSGSIZE:
                return DBUS_ERROR_LIMITS_EXCEEDED;
        case ENOTSUP:
        case EPROTONOSUPPORT:
                return DBUS_ERROR_NOT_SUPPORTED;
        case EADDRINUSE:
                return DBUS_ERROR_ADDRESS_IN_USE;
        case EIO:
                return DBUS_ERROR_IO_ERROR;
        default:
                return DBUS_ERROR_FAILED;
        }
}

int error_from_errno(DBusError *error, int r, const char *what) {
        if (error && !dbus_error_is_set(error))
                dbus_set_error(error, error_name_from_errno(r), "%s: %s", what, strerror(-r));
        return r;
}
