/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver's methods about the process behind a name. */

#include "bridge/bus/quota.h"
#include "bridge/driver/methods.h"

static const struct client_credentials *find_credentials(struct driver_call *call) {
        return driver_find_credentials(call, reader_string(&call->reader));
}

int driver_get_connection_unix_user(struct driver_call *call) {
        const struct client_credentials *credentials = find_credentials(call);

        if (!credentials)
                return DRIVER_CALL_FAILED;
        if (credentials->uid == UINT32_MAX)
                return driver_call_fail(call, DRIVER_ERROR("Failed"), "The uid is not known");
        writer_u32(&call->writer, credentials->uid);
        return 0;
}

int driver_get_connection_unix_process_id(struct driver_call *call) {
        const struct client_credentials *credentials = find_credentials(call);

        if (!credentials)
                return DRIVER_CALL_FAILED;
        if (credentials->pid == 0)
                return driver_call_fail(call, DRIVER_ERROR("UnixProcessIdUnknown"),
                                        "The process id is not known");
        writer_u32(&call->writer, credentials->pid);
        return 0;
}

int driver_get_adt_audit_session_data(struct driver_call *call) {
        if (!find_credentials(call))
                return DRIVER_CALL_FAILED;
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
        const struct client_credentials *credentials = find_credentials(call);

        if (!credentials)
                return DRIVER_CALL_FAILED;
        if (!call->bus->selinux || !credentials->label)
                return driver_call_fail(call, DRIVER_ERROR("SELinuxSecurityContextUnknown"),
                                        "The SELinux context of this connection is not known");
        write_bytes(&call->writer, credentials->label, credentials->n_label);
        return 0;
}

/* Answers always fit into the queue of a client, but their descriptors need not. */
static bool may_take_pidfd(const struct client *client) {
        return client->fds_negotiated &&
               (int64_t)client->outgoing_fds < client->bus->limits.max_outgoing_unix_fds &&
               quota_has_room_for_fds(client, 1);
}

int driver_get_connection_credentials(struct driver_call *call) {
        const struct client_credentials *credentials = find_credentials(call);
        struct writer *w = &call->writer;

        if (!credentials)
                return DRIVER_CALL_FAILED;

        /* The order is that of the reference, which has no ProcessFD. */
        writer_array_begin(w, 8);
        if (credentials->pid != 0) {
                driver_write_key(w, "ProcessID", "u");
                writer_u32(w, credentials->pid);
        }
        if (credentials->uid != UINT32_MAX) {
                driver_write_key(w, "UnixUserID", "u");
                writer_u32(w, credentials->uid);
        }
        if (credentials->n_gids > 0) {
                driver_write_key(w, "UnixGroupIDs", "au");
                writer_array_begin(w, 4);
                for (size_t i = 0; i < credentials->n_gids; i++)
                        writer_u32(w, credentials->gids[i]);
                writer_array_end(w);
        }
        if (credentials->label) {
                driver_write_key(w, "LinuxSecurityLabel", "ay");
                write_bytes(w, credentials->label, credentials->n_label + 1);
        }
        if (may_take_pidfd(call->client)) {
                /* If there is no descriptor left, the answer has the other keys only. */
                int pidfd = credentials_open_pidfd(credentials);

                if (pidfd >= 0) {
                        driver_write_key(w, "ProcessFD", "h");
                        writer_take_fd(w, pidfd);
                }
        }
        writer_array_end(w);
        return 0;
}
