/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service of each exchange, whichever library it uses (struct kind in interop.h). */

#include "test/interop/interop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static DBusMessage *handle_fd(DBusMessage *call) {
        DBusMessage *reply = dbus_message_new_method_return(call);
        char text[64];
        ssize_t n;
        int fd;

        dbus_message_get_args(call, NULL, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID);
        n = pread(fd, text, sizeof(text), 0);
        close(fd);
        fd = memfd_create("reply", MFD_CLOEXEC);
        while (n > 0)
                if (write(fd, &text[--n], 1) != 1)
                        break;
        dbus_message_append_args(reply, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID);
        close(fd);
        return reply;
}

static DBusMessage *handle_emit(struct service *service, DBusMessage *call) {
        const char *text;
        DBusMessage *signal;

        dbus_message_get_args(call, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        signal = dbus_message_new_signal(INTEROP_PATH, INTEROP_INTERFACE, "Said");
        dbus_message_append_args(signal, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        service->kind->emit(service->member, signal);
        dbus_message_unref(signal);
        return dbus_message_new_method_return(call);
}

/* Reply to all kept calls, beginning with the last. */
static void answer_kept(struct service *service) {
        while (service->n_kept > 0)
                service->kind->reply(service, service->kept[--service->n_kept], NULL);
}

DBusMessage *service_handle(struct service *service, DBusMessage *call, void *token,
                            bool *ret_keep) {
        const char *member = dbus_message_get_member(call);
        const char *path = dbus_message_get_path(call);
        const char *signal = service->signal, *whisper = service->whisper;
        DBusMessage *reply;

        *ret_keep = false;
        if (strcmp(member, "Echo") == 0 || strcmp(member, "Where") == 0) {
                reply = dbus_message_new_method_return(call);
                if (strcmp(member, "Where") == 0) {
                        dbus_message_append_args(reply, DBUS_TYPE_STRING, &path, DBUS_TYPE_INVALID);
                } else if (dbus_message_has_signature(call, "ay")) {
                        uint8_t *bytes;
                        int n;

                        dbus_message_get_args(call, NULL, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &bytes,
                                              &n, DBUS_TYPE_INVALID);
                        dbus_message_append_args(reply, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &bytes, n,
                                                 DBUS_TYPE_INVALID);
                } else {
                        const char *text;

                        dbus_message_get_args(call, NULL, DBUS_TYPE_STRING, &text,
                                              DBUS_TYPE_INVALID);
                        dbus_message_append_args(reply, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
                }
                return reply;
        }
        if (strcmp(member, "Fail") == 0)
                return dbus_message_new_error(call, INTEROP_ERROR, "as you asked");
        if (strcmp(member, "Fd") == 0)
                return handle_fd(call);
        if (strcmp(member, "Emit") == 0)
                return handle_emit(service, call);
        if (strcmp(member, "LastSignal") == 0) {
                reply = dbus_message_new_method_return(call);
                dbus_message_append_args(reply, DBUS_TYPE_STRING, &signal, DBUS_TYPE_INVALID);
                return reply;
        }
        if (strcmp(member, "LastWhisper") == 0) {
                reply = dbus_message_new_method_return(call);
                dbus_message_append_args(reply, DBUS_TYPE_STRING, &whisper, DBUS_TYPE_INVALID);
                return reply;
        }
        if (strcmp(member, "Vanish") == 0)
                _exit(0);
        if (strcmp(member, "Together") == 0) {
                *ret_keep = true;
                service->kept[service->n_kept++] = token;
                if (service->n_kept == INTEROP_MANY)
                        answer_kept(service);
                return NULL;
        }
        return dbus_message_new_error(call, DBUS_ERROR_UNKNOWN_METHOD, member);
}

void service_signal(struct service *service, DBusMessage *signal) {
        const char *text;

        if (dbus_message_is_signal(signal, INTEROP_INTERFACE, "Told") &&
            dbus_message_get_args(signal, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID))
                strncpy(service->signal, text, sizeof(service->signal) - 1);
        if (dbus_message_is_signal(signal, INTEROP_INTERFACE, "Whispered") &&
            dbus_message_get_args(signal, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID))
                strncpy(service->whisper, text, sizeof(service->whisper) - 1);
}

pid_t service_start(const struct kind *kind, const char *address) {
        struct service service = {.kind = kind};
        pid_t pid;

        pid = fork();
        if (pid < 0) {
                perror("fork");
                abort();
        }
        if (pid > 0)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        service.member = kind->open(address);
        if (service.member)
                kind->serve(service.member, &service);
        _exit(0);
}
