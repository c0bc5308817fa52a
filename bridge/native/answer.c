/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Answers to look-ups that the bus could not answer at once. */

#include "bridge/native/native-private.h"

#include "bridge/bus/route.h"
#include "bridge/bus/voice.h"

int native_answer_handle(struct native_session *session, uint32_t serial, uint64_t caller_cookie,
                         uint64_t handle) {
        struct reply reply = {
                .caller = &session->client,
                .serial = serial,
                .caller_cookie = caller_cookie,
        };
        struct native *native = session->native;
        struct writer writer;
        struct message *m;
        int r;

        voice_init(native->bus, &writer, MESSAGE_TYPE_METHOD_RETURN, &session->client, "");
        writer.reply_serial = serial;
        r = writer_finish(&writer, &m);
        if (r < 0) {
                native_release(native, handle);
                route_end_cookie(&session->client, serial, caller_cookie);
                return r;
        }
        m->attachment_free = native_attachment_free;
        r = native_attach(native, &(struct bus1_transfer){.id = handle}, 1, &m->attachment);
        if (r >= 0)
                r = route_from_driver(native->bus, &session->client, m, &reply);
        else
                route_end_cookie(&session->client, serial, caller_cookie);
        message_unref(m);
        return r;
}
