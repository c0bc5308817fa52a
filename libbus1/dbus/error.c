/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/error.h"

#include <errno.h>
#include <string.h>

const char *error_name_from_errno(int r) {
        static const struct {
                int number;
                const char *name;
        } errors[] = {
                {ENOMEM, DBUS_ERROR_NO_MEMORY},
                {EPERM, DBUS_ERROR_ACCESS_DENIED},
                {EACCES, DBUS_ERROR_ACCESS_DENIED},
                {EINVAL, DBUS_ERROR_INVALID_ARGS},
                {EBADMSG, DBUS_ERROR_INVALID_ARGS},
                {EDOM, DBUS_ERROR_INVALID_ARGS},
                {ENOENT, DBUS_ERROR_FILE_NOT_FOUND},
                {EEXIST, DBUS_ERROR_FILE_EXISTS},
                {ETIMEDOUT, DBUS_ERROR_TIMEOUT},
                {ECONNRESET, DBUS_ERROR_DISCONNECTED},
                {ESHUTDOWN, DBUS_ERROR_DISCONNECTED},
                {ENOTCONN, DBUS_ERROR_DISCONNECTED},
                {EDQUOT, DBUS_ERROR_LIMITS_EXCEEDED},
                {ETOOMANYREFS, DBUS_ERROR_LIMITS_EXCEEDED},
                {EMSGSIZE, DBUS_ERROR_LIMITS_EXCEEDED},
                {ENOTSUP, DBUS_ERROR_NOT_SUPPORTED},
                {EPROTONOSUPPORT, DBUS_ERROR_NOT_SUPPORTED},
                {EADDRINUSE, DBUS_ERROR_ADDRESS_IN_USE},
                {EIO, DBUS_ERROR_IO_ERROR},
        };

        for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
                if (errors[i].number == -r)
                        return errors[i].name;
        return DBUS_ERROR_FAILED;
}

int error_from_errno(DBusError *error, int r, const char *what) {
        if (error && !dbus_error_is_set(error))
                dbus_set_error(error, error_name_from_errno(r), "%s: %s", what, strerror(-r));
        return r;
}
