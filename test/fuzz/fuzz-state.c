/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a state document. What is read must lie inside of the bytes, each field must be read
 * as its type says and as no other, and the first error must stay.
 */

#include <errno.h>
#include <string.h>

#include "bridge/state/message-record.h"
#include "fuzz.h"

static const uint8_t *document;
static size_t n_document;

static void check_inside(const void *p, size_t n) {
        FUZZ_CHECK((const uint8_t *)p >= document);
        FUZZ_CHECK(n <= n_document - (size_t)((const uint8_t *)p - document));
}

static void check_bytes(struct state_load *load, const char *name) {
        const uint8_t *bytes;
        size_t n;

        FUZZ_CHECK(state_get_bytes(load, name, &bytes, &n) == 0);
        check_inside(bytes, n);
}

static void check_string(struct state_load *load, const char *name) {
        struct wire_string s;

        FUZZ_CHECK(state_get_string(load, name, &s) == 0);
        check_inside(s.s, s.n + 1);
        FUZZ_CHECK(strlen(s.s) == s.n);
}

static void check_value(struct state_load *load, const char *name, const char *signature) {
        struct reader r;

        FUZZ_CHECK(state_get(load, name, signature, &r) == 0);
        check_inside(r.at, 1);
        FUZZ_CHECK(*reader_skip(&r, signature) == '\0');
        check_inside(r.at, 0);
}

static void check_field(struct state_load *load, const char *name, const char *signature) {
        uint64_t t;
        uint32_t u;
        int64_t x;
        bool b;
        int fd;

        FUZZ_CHECK(state_has(load, name));
        if (strcmp(signature, "ay") == 0 || strcmp(signature, STATE_LONG_SIGNATURE) == 0)
                check_bytes(load, name);
        else if (strcmp(signature, "s") == 0)
                check_string(load, name);
        else if (strcmp(signature, "b") == 0)
                FUZZ_CHECK(state_get_bool(load, name, &b) == 0);
        else if (strcmp(signature, "u") == 0)
                FUZZ_CHECK(state_get_u32(load, name, &u) == 0);
        else if (strcmp(signature, "t") == 0)
                FUZZ_CHECK(state_get_u64(load, name, &t) == 0);
        else if (strcmp(signature, "x") == 0)
                FUZZ_CHECK(state_get_i64(load, name, &x) == 0);
        else if (strcmp(signature, "h") == 0 && state_get_fd(load, name, 0, &fd) == 0)
                FUZZ_CHECK(state_fds_have(&load->fds, fd));
        if (!load->error)
                check_value(load, name, signature);
}

static void check_record(struct state_load *load) {
        struct message *m;
        int *fds;
        size_t n;

        check_inside(load->record.wire, load->record.n_wire);
        if (state_kind_is(load, STATE_MESSAGE)) {
                if (state_load_message(load) < 0)
                        return;
                FUZZ_CHECK(state_get_message(load, "id", &m) == 0);
                FUZZ_CHECK(!m->parsed || m->n_fds == m->n_fds_declared);
                return;
        }
        for (unsigned i = 0; i < load->n_fields && !load->error; i++) {
                const char *name = load->fields[i].name.s;

                if (strcmp(load->fields[i].signature.s, "ah") != 0)
                        check_field(load, name, load->fields[i].signature.s);
                else if (state_get_fds(load, name, 8, &fds, &n) == 0) {
                        FUZZ_CHECK(n <= 8);
                        free(fds);
                }
        }
        if (!load->error)
                FUZZ_CHECK(state_get_u32(load, "no such field", &(uint32_t){0}) == -EBADMSG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        struct state_load whole, load;
        unsigned n_records = 0, n_whole = 0;
        int r, k;

        document = data;
        n_document = n;
        r = state_load_init_bytes(&whole, data, n);
        while (r >= 0 && (r = state_load_next(&whole)) > 0)
                n_whole++;
        FUZZ_CHECK(r == whole.error && !r == !whole.error_text);

        /* Each record by itself, because the check of a record ends with an error. */
        for (unsigned i = 0; i < n_whole; i++) {
                FUZZ_CHECK(state_load_init_bytes(&load, data, n) == 0);
                load.is_dry = true;
                for (n_records = 0; n_records <= i; n_records++)
                        FUZZ_CHECK(state_load_next(&load) == 1);
                check_record(&load);
                k = load.error;
                FUZZ_CHECK(k == 0 || state_load_next(&load) == k);
                state_load_deinit(&load);
        }
        state_load_deinit(&whole);
        return 0;
}
