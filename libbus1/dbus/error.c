/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The table of libbus1-dbus(3). sd-bus has the same names for those numbers that it knows. */
static const struct {
        int number;
        const char *name;
        const char *text; /* NULL: strerror() says it */
} errors[] = {
        {ENOMEM, DBUS_ERROR_NO_MEMORY, NULL},
        {EACCES, DBUS_ERROR_ACCESS_DENIED, NULL},
        {EPERM, DBUS_ERROR_ACCESS_DENIED, NULL},
        {EINVAL, DBUS_ERROR_INVALID_ARGS, NULL},
        {EBADMSG, DBUS_ERROR_INCONSISTENT_MESSAGE, NULL},
        {EDOM, DBUS_ERROR_INVALID_ARGS, NULL},
        {ENOENT, DBUS_ERROR_FILE_NOT_FOUND, NULL},
        {EEXIST, DBUS_ERROR_FILE_EXISTS, NULL},
        {EBADRQC, DBUS_ERROR_UNKNOWN_OBJECT, "The handle is unknown, or has ended"},
        {EBADR, DBUS_ERROR_UNKNOWN_METHOD, "There is no such method"},
        {EROFS, DBUS_ERROR_PROPERTY_READ_ONLY, NULL},
        {EHOSTUNREACH, DBUS_ERROR_SERVICE_UNKNOWN, "There is no such service"},
        {ENXIO, DBUS_ERROR_NAME_HAS_NO_OWNER, "Nobody owns the name"},
        {ESRCH, DBUS_ERROR_UNIX_PROCESS_ID_UNKNOWN, NULL},
        {ETIMEDOUT, DBUS_ERROR_TIMEOUT, NULL},
        {ETIME, DBUS_ERROR_TIMEOUT, NULL},
        {ECONNRESET, DBUS_ERROR_DISCONNECTED, "The bus has gone, or has ended the session"},
        {ECONNABORTED, DBUS_ERROR_DISCONNECTED, NULL},
        {ENETRESET, DBUS_ERROR_DISCONNECTED, NULL},
        {ESHUTDOWN, DBUS_ERROR_DISCONNECTED, "The bus has gone, or has ended the session"},
        {ENOTCONN, DBUS_ERROR_DISCONNECTED, "There is no bus, or it has gone"},
        {ECHILD, DBUS_ERROR_DISCONNECTED, "The process that joined the bus is another one"},
        {EDQUOT, DBUS_ERROR_LIMITS_EXCEEDED, NULL},
        {ENOBUFS, DBUS_ERROR_LIMITS_EXCEEDED, NULL},
        {ETOOMANYREFS, DBUS_ERROR_LIMITS_EXCEEDED, NULL},
        {EMSGSIZE, DBUS_ERROR_LIMITS_EXCEEDED, NULL},
        {EMFILE, DBUS_ERROR_LIMITS_EXCEEDED, NULL},
        {ENFILE, DBUS_ERROR_LIMITS_EXCEEDED, NULL},
        {EOPNOTSUPP, DBUS_ERROR_NOT_SUPPORTED, NULL},
        {EPROTONOSUPPORT, DBUS_ERROR_NOT_SUPPORTED, NULL},
        {EREMCHG, DBUS_ERROR_BAD_ADDRESS, "The bus has another GUID than its address says"},
        {EADDRINUSE, DBUS_ERROR_ADDRESS_IN_USE, NULL},
        {EADDRNOTAVAIL, DBUS_ERROR_BAD_ADDRESS, NULL},
        {EHOSTDOWN, DBUS_ERROR_NO_SERVER, NULL},
        {ECONNREFUSED, DBUS_ERROR_NO_SERVER, NULL},
        {ENONET, DBUS_ERROR_NO_NETWORK, NULL},
        {EIO, DBUS_ERROR_IO_ERROR, NULL},
};

const char *error_name_from_errno(int r, char buffer[static ERROR_NAME_MAX]) {
        const char *number = strerrorname_np(-r);

        for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
                if (errors[i].number == -r)
                        return errors[i].name;
        if (!number)
                return DBUS_ERROR_FAILED;
        snprintf(buffer, ERROR_NAME_MAX, "System.Error.%s", number);
        return buffer;
}

const char *error_text_from_errno(int r) {
        for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
                if (errors[i].number == -r && errors[i].text)
                        return errors[i].text;
        return strerror(-r);
}

int error_from_errno(DBusError *error, int r, const char *what) {
        char name[ERROR_NAME_MAX];

        if (error && !dbus_error_is_set(error))
                dbus_set_error(error, error_name_from_errno(r, name), "%s: %s", what,
                               error_text_from_errno(r));
        return r;
}
