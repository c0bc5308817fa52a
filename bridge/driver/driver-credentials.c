/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver's methods about the process behind a name. */

#include <fcntl.h>

#include "bridge/driver/methods.h"

static int find_credentials(struct driver_call *call, const struct client_credentials **ret) {
        struct wire_string name = reader_string(&call->reader);
        struct client *client;
        int r;

        r = driver_find_connection(call, name, &client);
        if (r == 0)
                *ret = client ? &client->credentials : &call->bus->credentials;
        return r;
}

int driver_get_connection_unix_user(struct driver_call *call) {
        const struct client_credentials *credentials;
        int r;

        r = find_credentials(call, &credentials);
        if (r != 0)
                return r;
        if (credentials->uid == UINT32_MAX)
                return driver_call_fail(call, DRIVER_ERROR("Failed"), "The uid is not known");
        writer_u32(&call->writer, credentials->uid);
        return 0;
}

int driver_get_connection_unix_process_id(struct driver_call *call) {
        const struct client_credentials *credentials;
        int r;

        r = find_credentials(call, &credentials);
        if (r != 0)
                return r;
        if (credentials->pid == 0)
                return driver_call_fail(call, DRIVER_ERROR("UnixProcessIdUnknown"),
                                        "The process id is not known");
        writer_u32(&call->writer, credentials->pid);
        return 0;
}

int driver_get_adt_audit_session_data(struct driver_call *call) {
        const struct client_credentials *credentials;
        int r;

        r = find_credentials(call, &credentials);
        if (r != 0)
                return r;
        return driver_call_fail(call, DRIVER_ERROR("AdtAuditDataUnknown"),
                                "There is no audit session data on this system");
}

static void write_bytes(struct writer *w, const char *bytes, size_t n) {
        writer_array_begin(w, 1);
        for (size_t i = 0; i < n; i++)
                writer_u8(w, (uint8_t)bytes[i]);
        writer_array_end(w);
}

int driver_get_connection_selinux_context(struct driver_call *call) {
        const struct client_credentials *credentials;
        int r;

        r = find_credentials(call, &credentials);
        if (r != 0)
                return r;
        if (!call->bus->selinux || !credentials->label)
                return driver_call_fail(call, DRIVER_ERROR("SELinuxSecurityContextUnknown"),
                                        "The SELinux context is not known");
        write_bytes(&call->writer, credentials->label, credentials->n_label);
        return 0;
}

static void write_key(struct writer *w, const char *key, const char *signature) {
        writer_struct(w);
        writer_string(w, key);
        writer_variant(w, signature);
}

int driver_get_connection_credentials(struct driver_call *call) {
        const struct client_credentials *credentials;
        struct writer *w = &call->writer;
        int r;

        r = find_credentials(call, &credentials);
        if (r != 0)
                return r;

        /* in the order of the reference; ProcessFD, which it does not have, comes last */
        writer_array_begin(w, 8);
        if (credentials->pid != 0) {
                write_key(w, "ProcessID", "u");
                writer_u32(w, credentials->pid);
        }
        if (credentials->uid != UINT32_MAX) {
                write_key(w, "UnixUserID", "u");
                writer_u32(w, credentials->uid);
        }
        if (credentials->n_gids > 0) {
                write_key(w, "UnixGroupIDs", "au");
                writer_array_begin(w, 4);
                for (size_t i = 0; i < credentials->n_gids; i++)
                        writer_u32(w, credentials->gids[i]);
                writer_array_end(w);
        }
        if (credentials->label) {
                write_key(w, "LinuxSecurityLabel", "ay");
                write_bytes(w, credentials->label, credentials->n_label + 1);
        }
        if (credentials->pidfd >= 0 && call->client->fds_negotiated) {
                /* If no descriptor is left, answer with the other keys only. */
                int copy = fcntl(credentials->pidfd, F_DUPFD_CLOEXEC, 3);

                if (copy >= 0) {
                        write_key(w, "ProcessFD", "h");
                        writer_take_fd(w, copy);
                }
        }
        writer_array_end(w);
        return 0;
}
