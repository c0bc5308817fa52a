/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Neither function uses assertions, because those of Check allocate memory. */

#include "sample.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/state/message-record.h"

#define LONG_BYTES 5001

static int make_call(struct sample *sample) {
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_METHOD_CALL, 0, 7, "hh");
        w.path = "/a";
        w.member = "Call";
        w.sender = ":1.5";
        writer_take_fd(&w, sample->fds[1]);
        writer_take_fd(&w, sample->fds[2]);
        return writer_finish(&w, &sample->call);
}

int sample_init(struct sample *sample) {
        static const char line[] = "OK 0123456789abcdef0123456789abcdef\r\n";
        static uint8_t bytes[LONG_BYTES];
        int r;

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(i * 7);
        *sample = (struct sample){
                .bytes = bytes,
                .n_bytes = sizeof(bytes),
                .not_utf8 = "/home/\xff\xfe",
        };
        for (unsigned i = 0; i < 3; i++)
                sample->fds[i] = i == 0 ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
                                        : open("/dev/null", O_RDWR | O_CLOEXEC);
        r = make_call(sample);
        if (r == 0)
                r = message_new(&sample->raw, sizeof(line) - 1);
        if (r < 0)
                return r;
        memcpy(sample->raw->wire, line, sizeof(line) - 1);
        sample->call->order = 99;
        sample->call->n_resent = 2;
        sample->call->is_shown = true;
        sample->call->caused_by = 1000;
        sample->call->cost = message_memory(sample->call);
        return 0;
}

void sample_deinit(struct sample *sample) {
        message_unref(sample->call);
        message_unref(sample->raw);
        close(sample->fds[0]);
        *sample = (struct sample){};
}

int sample_save(const struct sample *sample, int *ret_fd) {
        static const uint32_t groups[] = {4, 24, 1000};
        static const uint64_t counts[] = {1, UINT64_MAX};
        struct state_save save;
        struct writer *w;
        int r;

        state_save_init(&save, "sample 1.0");

        state_record_begin(&save, "Client");
        state_put_u32(&save, "id", state_number(&save, STATE_CLIENTS, sample));
        state_put_bool(&save, "yes", true);
        state_put_u64(&save, "large", UINT64_MAX);
        state_put_i64(&save, "deadline", INT64_MIN);
        state_put_string(&save, "text", "grüße");
        state_put_string(&save, "none", NULL);
        state_put_string(&save, "path", sample->not_utf8);
        state_put_fd(&save, "fd", sample->fds[0]);
        state_put_u32s(&save, "groups", groups, 3);
        state_put_u64s(&save, "counts", counts, 2);
        state_put_bytes(&save, "few", "abc", 3);
        state_put_bytes(&save, "nothing", NULL, 0);
        state_put_bytes(&save, "many", sample->bytes, sample->n_bytes);
        state_put_bytes(&save, "more", sample->bytes, sample->n_bytes - 1);
        state_record_end(&save);

        state_save_message(&save, sample->call);
        state_save_message(&save, sample->raw);
        state_save_message(&save, sample->call); /* is there already */

        state_record_begin(&save, "Output");
        state_put_ref(&save, "client", STATE_CLIENTS, sample);
        state_put_ref(&save, "nobody", STATE_CLIENTS, NULL);
        state_put_ref(&save, "message", STATE_MESSAGES, sample->call);
        w = state_put(&save, "queue", "a(uy)");
        writer_array_begin(w, 8);
        for (unsigned i = 1; i <= 2; i++) {
                writer_struct(w);
                writer_u32(w, i);
                writer_u8(w, (uint8_t)(10 * i));
        }
        writer_array_end(w);
        state_record_end(&save);

        state_record_begin(&save, "Empty");
        state_record_end(&save);

        r = state_save_finish(&save, ret_fd);
        state_save_deinit(&save);
        return r;
}

static bool is(struct wire_string s, const char *expected) {
        return s.s && s.n == strlen(expected) && strcmp(s.s, expected) == 0;
}

static int load_client(const struct sample *sample, struct state_load *load) {
        const uint8_t *few = NULL, *nothing = NULL, *many = NULL, *more = NULL, *end = NULL;
        size_t n_few = 9, n_nothing = 9, n_many = 9, n_more = 9;
        struct wire_string text = {}, none = {}, path = {};
        struct reader groups, counts;
        uint64_t large = 0;
        int64_t deadline = 0;
        bool yes = false;
        int fd = -1;

        state_define(load, "id", STATE_CLIENTS, (void *)sample);
        state_get_bool(load, "yes", &yes);
        state_get_u64(load, "large", &large);
        state_get_i64(load, "deadline", &deadline);
        state_get_string(load, "text", &text);
        state_find_string(load, "none", &none);
        state_get_string(load, "path", &path);
        state_get_fd(load, "fd", S_IFSOCK, &fd);
        state_get_bytes(load, "few", &few, &n_few);
        state_get_bytes(load, "nothing", &nothing, &n_nothing);
        state_get_bytes(load, "many", &many, &n_many);
        if (state_get_bytes(load, "more", &more, &n_more) < 0)
                return load->error;
        if (!yes || large != UINT64_MAX || deadline != INT64_MIN || !is(text, "grüße") || none.s ||
            !is(path, sample->not_utf8) || fd != sample->fds[0] || n_few != 3 ||
            memcmp(few, "abc", 3) != 0 || n_nothing != 0 || n_many != sample->n_bytes ||
            memcmp(many, sample->bytes, n_many) != 0 || n_more != sample->n_bytes - 1 ||
            memcmp(more, sample->bytes, n_more) != 0)
                return -EPROTO;

        if (state_get_array(load, "groups", "au", &groups, &end) < 0)
                return load->error;
        if (end - groups.at != 12 || reader_u32(&groups) != 4 || reader_u32(&groups) != 24 ||
            reader_u32(&groups) != 1000 || groups.at != end)
                return -EPROTO;
        if (state_get_array(load, "counts", "at", &counts, &end) < 0)
                return load->error;
        if (end - counts.at != 16 || reader_u64(&counts) != 1 || reader_u64(&counts) != UINT64_MAX)
                return -EPROTO;
        return 0;
}

static int load_output(const struct sample *sample, struct state_load *load) {
        struct message *call = NULL, *raw = NULL;
        void *client = NULL, *nobody = load;
        const uint8_t *end;
        struct reader r;

        state_get_ref(load, "client", STATE_CLIENTS, &client);
        state_find_ref(load, "nobody", STATE_CLIENTS, &nobody);
        state_get_message(load, "message", &call);
        if (state_ref(load, "queue", STATE_MESSAGES, 2, &raw) < 0 ||
            state_get_array(load, "queue", "a(uy)", &r, &end) < 0)
                return load->error;
        for (unsigned i = 1; i <= 2; i++) {
                reader_struct(&r);
                if (r.at >= end || reader_u32(&r) != i || reader_u8(&r) != 10 * i)
                        return -EPROTO;
        }
        if (client != sample || nobody || r.at != end || !call->parsed || raw->parsed ||
            call->n_wire != sample->call->n_wire || raw->n_wire != sample->raw->n_wire ||
            memcmp(call->wire, sample->call->wire, call->n_wire) != 0 ||
            memcmp(raw->wire, sample->raw->wire, raw->n_wire) != 0 || call->n_fds != 2 ||
            call->fds[0] != sample->fds[1] || call->fds[1] != sample->fds[2] || raw->n_fds != 0 ||
            !is(call->member, "Call") || call->order != 99 || call->n_resent != 2 ||
            !call->is_shown || call->caused_by != 1000 || call->cost != message_memory(call) ||
            raw->is_shown || raw->cost != 0)
                return -EPROTO;
        return 0;
}

int sample_load(const struct sample *sample, struct state_load *load) {
        unsigned n = 0;
        int r;

        while ((r = state_load_next(load)) > 0) {
                n++;
                if (state_kind_is(load, "Client"))
                        r = load_client(sample, load);
                else if (state_kind_is(load, STATE_MESSAGE))
                        r = state_load_message(load);
                else if (state_kind_is(load, "Output"))
                        r = load_output(sample, load);
                else if (!state_kind_is(load, "Empty"))
                        r = state_unknown_kind(load);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : n == SAMPLE_KINDS ? 0 : -EPROTO;
}
