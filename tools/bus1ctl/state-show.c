/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus1ctl state show - prints a state document (doc/internals/state.md)
 *
 * It knows the types of fields, but not the kinds of records, so it can print what newer buses
 * write. Stored messages are the exception: their headers are printed.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bridge/state/load.h"
#include "bridge/state/message-record.h"
#include "bridge/wire/signature.h"
#include "tools/bus1ctl/output.h"

/* Of longer bytes, so many are printed, and a checksum of all of them. */
#define BYTES_MAX 64

/* values */

/* An array, struct, dict entry or variant that is being printed. */
struct container {
        const char *at;     /* the rest of its signature; of an array: that of an element */
        const uint8_t *end; /* of an array; otherwise NULL */
        char close;
        bool is_begun; /* something has been printed in it */
};

static uint64_t checksum(const uint8_t *bytes, size_t n) {
        uint64_t sum = UINT64_C(14695981039346656037); /* FNV-1a */

        for (size_t i = 0; i < n; i++)
                sum = (sum ^ bytes[i]) * UINT64_C(1099511628211);
        return sum;
}

static void print_bytes(FILE *f, const uint8_t *bytes, size_t n) {
        fprintf(f, "%zu bytes", n);
        if (n > 0)
                fputs(": ", f);
        for (size_t i = 0; i < n && i < BYTES_MAX; i++)
                fprintf(f, "%02x", bytes[i]);
        if (n > BYTES_MAX)
                fprintf(f, "..., checksum %016" PRIx64, checksum(bytes, n));
}

static void print_text(FILE *f, struct wire_string text) {
        putc('"', f);
        for (uint32_t i = 0; i < text.n; i++) {
                if (text.s[i] == '"' || text.s[i] == '\\')
                        putc('\\', f);
                putc(text.s[i], f);
        }
        putc('"', f);
}

static double load_double(uint64_t bits) {
        double v;

        memcpy(&v, &bits, sizeof(v));
        return v;
}

static void print_basic(FILE *f, struct reader *r, char type) {
        switch (type) {
        case 'y':
                fprintf(f, "%u", reader_u8(r));
                break;
        case 'b':
                fputs(reader_u32(r) ? "true" : "false", f);
                break;
        case 'n':
                fprintf(f, "%d", (int16_t)reader_u16(r));
                break;
        case 'q':
                fprintf(f, "%u", reader_u16(r));
                break;
        case 'i':
                fprintf(f, "%" PRId32, (int32_t)reader_u32(r));
                break;
        case 'u':
                fprintf(f, "%" PRIu32, reader_u32(r));
                break;
        case 'h':
                fprintf(f, "descriptor %" PRIu32, reader_u32(r));
                break;
        case 'x':
                fprintf(f, "%" PRId64, (int64_t)reader_u64(r));
                break;
        case 't':
                fprintf(f, "%" PRIu64, reader_u64(r));
                break;
        case 'd':
                fprintf(f, "%g", load_double(reader_u64(r)));
                break;
        case 'g':
                print_text(f, reader_signature(r));
                break;
        default: /* s, o */
                print_text(f, reader_string(r));
                break;
        }
}

/* Enter the container whose signature begins at *at, and move *at behind it. */
static struct container enter(FILE *f, struct reader *r, const char **at) {
        const char *signature = *at;
        struct container c = {};

        *at = signature_skip(signature);
        switch (signature[0]) {
        case 'a':
                c = (struct container){.at = signature + 1, .close = ']'};
                reader_array(r, signature_types[(uint8_t)signature[1]].alignment, &c.end);
                putc('[', f);
                break;
        case 'v':
                c = (struct container){.at = reader_signature(r).s, .close = '>'};
                putc('<', f);
                break;
        default: /* ( { */
                c = (struct container){.at = signature + 1,
                                       .close = signature[0] == '(' ? ')' : '}'};
                reader_struct(r);
                putc(signature[0], f);
                break;
        }
        return c;
}

/* The record has been checked: containers are not nested deeper than there is room for. */
static void print_value(FILE *f, struct reader *r, const char *signature) {
        struct container stack[SIGNATURE_TOTAL_DEPTH_MAX + 2] = {{.at = signature}}, *c = stack;
        const char *element;

        for (;;) {
                if (c->end ? r->at >= c->end : !*c->at || *c->at == c->close) {
                        if (c == stack)
                                return;
                        putc(c->close, f);
                        --c;
                        continue;
                }
                if (c->is_begun)
                        fputs(c->close == '}' ? ": " : ", ", f);
                c->is_begun = true;
                element = c->at;
                if (signature_is_basic(*element)) {
                        print_basic(f, r, *element);
                        if (!c->end)
                                c->at++;
                } else {
                        c[1] = enter(f, r, c->end ? &element : &c->at);
                        ++c;
                }
        }
}

/* records */

static void print_header(FILE *f, const char *name, struct wire_string value) {
        if (value.s)
                fprintf(f, " %s=%s", name, value.s);
}

/* A D-Bus message: its header. The body may be private. */
static void print_message(FILE *f, const uint8_t *bytes, size_t n) {
        static const char *const types[] = {"invalid", "method_call", "method_return", "error",
                                            "signal"};
        struct message *m;
        int r;

        if (message_new(&m, n) < 0)
                check_memory(false);
        memcpy(m->wire, bytes, n);
        r = message_parse_header(m);
        if (r == 0) {
                if (m->type < sizeof(types) / sizeof(*types))
                        fprintf(f, ", type=%s", types[m->type]);
                else
                        fprintf(f, ", type=%u", m->type);
                fprintf(f, " serial=%" PRIu32, m->serial);
                if (m->reply_serial)
                        fprintf(f, " reply_serial=%" PRIu32, m->reply_serial);
                print_header(f, "sender", m->sender);
                print_header(f, "destination", m->destination);
                print_header(f, "path", m->path);
                print_header(f, "interface", m->interface);
                print_header(f, "member", m->member);
                print_header(f, "error", m->error_name);
                print_header(f, "signature", m->signature);
        } else {
                fprintf(f, ", %s", message_violation(r));
        }
        message_unref(m);
}

static int print_field(FILE *f, struct state_load *load, const struct state_field *field) {
        bool is_message = state_kind_is(load, STATE_MESSAGE) && !strcmp(field->name.s, "wire");
        bool is_raw = false;
        const char *type = field->signature.s;
        const uint8_t *bytes;
        struct reader r;
        size_t n;

        if (strcmp(type, "ay") != 0 && !field->long_bytes) {
                if (state_get(load, field->name.s, type, &r) < 0)
                        return load->error;
                print_value(f, &r, type);
                return 0;
        }
        if (state_get_bytes(load, field->name.s, &bytes, &n) < 0)
                return load->error;
        print_bytes(f, bytes, n);
        if (is_message && state_has(load, "is_raw"))
                state_get_bool(load, "is_raw", &is_raw);
        if (is_message && !is_raw && n > 0)
                print_message(f, bytes, n);
        return load->error;
}

static int print_record(struct state_load *load) {
        output_print("%" PRIu32 " %s\n", load->number, state_kind(load));
        for (unsigned i = 0; i < load->n_fields; i++) {
                CLEANUP_FREE char *text = NULL;
                size_t n = 0;
                FILE *f = open_memstream(&text, &n);
                int r;

                check_memory(f != NULL);
                r = print_field(f, load, &load->fields[i]);
                check_memory(fclose(f) == 0);
                if (r < 0)
                        return r;
                output_print("    %s: %s\n", load->fields[i].name.s, text);
        }
        return 0;
}

static int print_all(struct state_load *load) {
        int r;

        do {
                r = print_record(load);
                if (r == 0)
                        r = state_load_next(load);
        } while (r > 0);
        return r == 0 ? print_record(load) : r; /* End */
}

static int show(const char *path) {
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        static struct state_load load;
        int status, r;

        if (fd < 0)
                return report_failure("%s: %m", path);
        r = state_load_init(&load, fd);
        load.is_dry = true;
        if (r == 0)
                r = print_all(&load);
        status = output_flush();
        if (r < 0)
                status = report_failure("%s: %s", path, load.error_text ?: strerror(-r));
        state_load_deinit(&load);
        return status;
}

int state_show_main(int argc, char *argv[]) {
        static const struct option options[] = {{}};

        if (getopt_long(argc, argv, "", options, NULL) == -1 && optind == argc - 1)
                return show(argv[optind]);
        fputs("usage: " STATE_USAGE, stderr);
        return STATUS_FAILED;
}
