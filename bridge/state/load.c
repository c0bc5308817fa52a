/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Loading: each record is checked like any D-Bus message, and its fields are listed. */

#include "bridge/state/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "bridge/wire/signature.h"

/* failures */

__attribute__((format(printf, 3, 4))) static int fail(struct state_load *load, int r,
                                                      const char *format, ...) {
        va_list args;

        if (load->error)
                return load->error;
        load->error = r;
        va_start(args, format);
        if (vasprintf(&load->error_text, format, args) < 0)
                load->error_text = NULL;
        va_end(args);
        return load->error;
}

int state_fail_memory(struct state_load *load) {
        return fail(load, -ENOMEM, "record %u: %s", load->number, strerror(ENOMEM));
}

int state_fail(struct state_load *load, const char *name, const char *format, ...) {
        char *what = NULL;
        va_list args;
        int r;

        if (load->error)
                return load->error;
        va_start(args, format);
        r = vasprintf(&what, format, args);
        va_end(args);
        if (r < 0)
                return state_fail_memory(load);
        r = fail(load, -EBADMSG, "record %u (%s)%s%s: %s", load->number, state_kind(load),
                 name ? ", field " : "", name ?: "", what);
        free(what);
        return r;
}

/* records */

/* There are n bytes behind the record. Pass over them and their padding. */
static int take_long(struct state_load *load, uint64_t n, struct state_field *field) {
        size_t left = load->n - load->at;

        if (n > left || wire_align(n, STATE_ALIGNMENT) > left)
                return -EBADMSG;
        field->long_bytes = load->data + load->at;
        field->n_long_bytes = n;
        load->at += wire_align(n, STATE_ALIGNMENT);
        return 0;
}

static bool is_same(const struct wire_string *a, const struct wire_string *b) {
        return a->n == b->n && memcmp(a->s, b->s, a->n) == 0;
}

/* Take note of the descriptors in a field. */
static int note_fds(struct state_load *load, const struct state_field *field) {
        struct reader r = {.m = &load->record, .at = field->at};
        const uint8_t *end = field->at + 1;

        if (strcmp(field->signature.s, "ah") == 0)
                reader_array(&r, 4, &end);
        else if (strcmp(field->signature.s, "h") != 0)
                return 0;
        while (r.at < end)
                if (state_fds_add(&load->named, reader_u32(&r)) == -ENOMEM)
                        return state_fail_memory(load);
        return 0;
}

/* List the fields. The record has been checked, so its values can be read. */
static int list_fields(struct state_load *load) {
        const uint8_t *end;
        struct reader r;

        load->n_fields = load->next_field = 0;
        reader_init(&r, &load->record);
        for (reader_array(&r, 8, &end); r.at < end;) {
                struct state_field *field = &load->fields[load->n_fields];

                if (load->n_fields == STATE_FIELDS_MAX)
                        return state_fail(load, NULL, "too many fields");
                reader_struct(&r);
                *field = (struct state_field){.name = reader_string(&r)};
                field->signature = reader_signature(&r);
                reader_align(&r, signature_types[(uint8_t)field->signature.s[0]].alignment);
                field->at = r.at;
                for (unsigned i = 0; i < load->n_fields; i++)
                        if (is_same(&load->fields[i].name, &field->name))
                                return state_fail(load, field->name.s, "there are two of them");
                load->n_fields++;
                if (note_fds(load, field) < 0)
                        return load->error;
                if (strcmp(field->signature.s, STATE_LONG_SIGNATURE) != 0)
                        reader_skip(&r, field->signature.s);
                else if (take_long(load, reader_u64(&r), field) < 0)
                        return state_fail(load, field->name.s,
                                          "the document ends before its bytes do");
        }
        return 0;
}

/* Read the record at load->at. */
static int read_record(struct state_load *load) {
        size_t left = load->n - load->at, size;
        struct message *m = &load->record;
        int r;

        load->number++;
        load->n_fields = 0;
        if (left < MESSAGE_HEADER_SIZE)
                return fail(load, -EBADMSG, "record %u: the document ends before it", load->number);
        r = message_frame(load->data + load->at, MESSAGE_SIZE_MAX, &size);
        if (r)
                return fail(load, -EBADMSG, "record %u: %s", load->number, message_violation(r));
        if (size > left || wire_align(size, STATE_ALIGNMENT) > left)
                return fail(load, -EBADMSG, "record %u: the document ends inside of it",
                            load->number);

        /* Nothing writes to the bytes: this message is not stamped, sent or freed. */
        *m = (struct message){
                .n_refs = 1, .wire = (uint8_t *)load->data + load->at, .n_wire = size};
        r = message_parse(m);
        if (r)
                return fail(load, -EBADMSG, "record %u: %s", load->number, message_violation(r));
        if (m->type != MESSAGE_TYPE_SIGNAL || m->serial != load->number ||
            strcmp(m->interface.s, STATE_INTERFACE) != 0 || strcmp(m->path.s, STATE_PATH) != 0 ||
            strcmp(m->signature.s, STATE_SIGNATURE) != 0 || m->n_fds_declared > 0)
                return fail(load, -EBADMSG, "record %u: this is no record", load->number);
        load->at += wire_align(size, STATE_ALIGNMENT);
        return list_fields(load);
}

/* End counts the records, itself included, and the bytes before it; nothing follows it. */
static int check_end(struct state_load *load, size_t at) {
        uint32_t n_records = 0;
        uint64_t n_bytes = 0;

        state_get_u32(load, "records", &n_records);
        if (state_get_u64(load, "bytes", &n_bytes) < 0)
                return load->error;
        if (n_records != load->number || n_bytes != at)
                return state_fail(load, NULL,
                                  "the document does not have as many records or bytes");
        if (load->at != load->n)
                return state_fail(load, NULL, "something follows it");
        load->is_over = true;
        return 0;
}

int state_load_next(struct state_load *load) {
        size_t at = load->at;

        if (load->error)
                return load->error;
        if (load->is_over)
                return 0;
        if (read_record(load) < 0)
                return load->error;
        if (state_kind_is(load, STATE_HEADER))
                return state_fail(load, NULL, "it is not the first record");
        if (state_kind_is(load, STATE_END))
                return check_end(load, at);
        return 1;
}

int state_load_check(struct state_load *load) {
        int r;

        do
                r = state_load_next(load);
        while (r > 0);
        state_load_rewind(load);
        return load->error;
}

const char *state_kind(const struct state_load *load) {
        return load->record.member.s ?: "";
}

bool state_kind_is(const struct state_load *load, const char *kind) {
        return strcmp(state_kind(load), kind) == 0;
}

int state_unknown_kind(struct state_load *load) {
        bool is_optional = false;

        if (state_has(load, "optional"))
                state_get_bool(load, "optional", &is_optional);
        if (load->error || is_optional)
                return load->error;
        return state_fail(load, NULL, "this program does not know records of this kind");
}

/* fields */

static const struct state_field *find(const struct state_load *load, const char *name) {
        size_t n = strlen(name);

        for (unsigned i = 0; i < load->n_fields; i++) {
                unsigned at = (load->next_field + i) % load->n_fields;
                const struct state_field *field = &load->fields[at];

                if (field->name.n == n && memcmp(field->name.s, name, n) == 0)
                        return field;
        }
        return NULL;
}

bool state_has(const struct state_load *load, const char *name) {
        return find(load, name) != NULL;
}

/* NULL after an error. */
static const struct state_field *need(struct state_load *load, const char *name) {
        const struct state_field *field;

        if (load->error)
                return NULL;
        field = find(load, name);
        if (!field) {
                state_fail(load, name, "the record does not have it");
                return NULL;
        }
        load->next_field = (unsigned)(field - load->fields) + 1;
        return field;
}

int state_get(struct state_load *load, const char *name, const char *signature,
              struct reader *ret_reader) {
        const struct state_field *field = need(load, name);

        if (!field)
                return load->error;
        if (strcmp(field->signature.s, signature) != 0)
                return state_fail(load, name, "its type is %s, not %s", field->signature.s,
                                  signature);
        *ret_reader = (struct reader){.m = &load->record, .at = field->at};
        return 0;
}

int state_get_array(struct state_load *load, const char *name, const char *signature,
                    struct reader *ret_reader, const uint8_t **ret_end) {
        struct reader r;

        if (state_get(load, name, signature, &r) < 0)
                return load->error;
        reader_array(&r, signature_types[(uint8_t)signature[1]].alignment, ret_end);
        *ret_reader = r;
        return 0;
}

int state_get_bool(struct state_load *load, const char *name, bool *ret_v) {
        struct reader r;

        if (state_get(load, name, "b", &r) < 0)
                return load->error;
        *ret_v = reader_u32(&r);
        return 0;
}

int state_get_u32(struct state_load *load, const char *name, uint32_t *ret_v) {
        struct reader r;

        if (state_get(load, name, "u", &r) < 0)
                return load->error;
        *ret_v = reader_u32(&r);
        return 0;
}

int state_get_u64(struct state_load *load, const char *name, uint64_t *ret_v) {
        struct reader r;

        if (state_get(load, name, "t", &r) < 0)
                return load->error;
        *ret_v = reader_u64(&r);
        return 0;
}

int state_get_i64(struct state_load *load, const char *name, int64_t *ret_v) {
        struct reader r;

        if (state_get(load, name, "x", &r) < 0)
                return load->error;
        *ret_v = (int64_t)reader_u64(&r);
        return 0;
}

int state_get_below(struct state_load *load, const char *name, uint32_t n, uint32_t *ret_v) {
        uint32_t v = 0;

        if (state_get_u32(load, name, &v) < 0)
                return load->error;
        if (v >= n)
                return state_fail(load, name, "%u is out of range", v);
        *ret_v = v;
        return 0;
}

int state_get_bytes(struct state_load *load, const char *name, const uint8_t **ret_bytes,
                    size_t *ret_n) {
        const struct state_field *field = need(load, name);
        const uint8_t *end;
        struct reader r;

        if (!field)
                return load->error;
        if (field->long_bytes) {
                *ret_bytes = field->long_bytes;
                *ret_n = field->n_long_bytes;
                return 0;
        }
        if (state_get_array(load, name, "ay", &r, &end) < 0)
                return load->error;
        *ret_bytes = r.at;
        *ret_n = (size_t)(end - r.at);
        return 0;
}

int state_get_string(struct state_load *load, const char *name, struct wire_string *ret_s) {
        const struct state_field *field = need(load, name);
        const uint8_t *bytes;
        size_t n;
        struct reader r;

        if (!field)
                return load->error;
        if (strcmp(field->signature.s, "s") == 0) {
                r = (struct reader){.m = &load->record, .at = field->at};
                *ret_s = reader_string(&r);
                return 0;
        }
        /* one that is long or not UTF-8 */
        if (state_get_bytes(load, name, &bytes, &n) < 0)
                return load->error;
        if (n == 0 || n > UINT32_MAX || memchr(bytes, '\0', n) != bytes + n - 1)
                return state_fail(load, name, "the bytes are no string");
        *ret_s = (struct wire_string){(const char *)bytes, (uint32_t)n - 1};
        return 0;
}

int state_find_string(struct state_load *load, const char *name, struct wire_string *ret_s) {
        if (load->error || state_has(load, name))
                return state_get_string(load, name, ret_s);
        *ret_s = (struct wire_string){};
        return 0;
}

/* descriptors */

static int claim(struct state_load *load, const char *name, uint32_t number, mode_t type,
                 int *ret_fd) {
        struct stat status;
        int r;

        if (number >= STATE_FDS_MAX || number <= STDERR_FILENO)
                return state_fail(load, name, "%u cannot be a descriptor", number);
        /* a process that hands over to itself has them, and a system call for each takes its time
         */
        if (!load->is_dry && !load->is_trusted) {
                if (fstat((int)number, &status) < 0)
                        return state_fail(load, name, "descriptor %u: %s", number, strerror(errno));
                if (type && (status.st_mode & S_IFMT) != type)
                        return state_fail(load, name, "descriptor %u is not of the right type",
                                          number);
        }
        r = state_fds_add(&load->fds, number);
        if (r == -ENOMEM)
                return state_fail_memory(load);
        if (r < 0)
                return state_fail(load, name, "descriptor %u is in the document twice", number);
        *ret_fd = (int)number;
        return 0;
}

int state_get_fd(struct state_load *load, const char *name, mode_t type, int *ret_fd) {
        struct reader r;

        if (state_get(load, name, "h", &r) < 0)
                return load->error;
        return claim(load, name, reader_u32(&r), type, ret_fd);
}

int state_get_fds(struct state_load *load, const char *name, size_t n_max, int **ret_fds,
                  size_t *ret_n) {
        const uint8_t *end;
        struct reader r;
        size_t n;
        int *fds;

        if (state_get_array(load, name, "ah", &r, &end) < 0)
                return load->error;
        n = (size_t)(end - r.at) / sizeof(uint32_t);
        if (n > n_max)
                return state_fail(load, name, "there are %zu descriptors, at most %zu may be", n,
                                  n_max);
        fds = n > 0 ? malloc(n * sizeof(*fds)) : NULL;
        if (n > 0 && !fds)
                return state_fail_memory(load);
        for (size_t i = 0; i < n; i++)
                if (claim(load, name, reader_u32(&r), 0, &fds[i]) < 0) {
                        free(fds);
                        return load->error;
                }
        *ret_fds = fds;
        *ret_n = n;
        return 0;
}

/* A descriptor that this program has opened itself is close-on-exec. */
static bool is_inherited(int fd) {
        int flags = fd > STDERR_FILENO ? fcntl(fd, F_GETFD) : -1;

        return flags >= 0 && !(flags & FD_CLOEXEC);
}

void state_load_settle(struct state_load *load) {
        if (load->is_dry)
                return;
        for (int fd = -1; (fd = state_fds_next(&load->fds, fd + 1)) >= 0;)
                fcntl(fd, F_SETFD, FD_CLOEXEC);
        for (int fd = -1; (fd = state_fds_next(&load->named, fd + 1)) >= 0;)
                if (!state_fds_have(&load->fds, fd) && is_inherited(fd))
                        close(fd);
}

/* pointers for numbers */

int state_define(struct state_load *load, const char *name, enum state_table table, void *p) {
        struct state_defined *defined = &load->tables[table];
        uint32_t id = 0;

        if (state_get_u32(load, name, &id) < 0)
                return load->error;
        if (defined->n == UINT32_MAX || id != defined->n + 1)
                return state_fail(load, name, "%u is not the next number", id);
        if (defined->n == defined->n_allocated) {
                size_t n = 2 * (size_t)defined->n_allocated + 64;
                /* no overflow: STATE_SIZE_MAX limits how many records there are */
                void **more = realloc(defined->p, n * sizeof(*more));

                if (!more)
                        return state_fail_memory(load);
                defined->p = more;
                defined->n_allocated = (uint32_t)n;
        }
        defined->p[defined->n++] = p;
        return 0;
}

int state_ref(struct state_load *load, const char *name, enum state_table table, uint32_t id,
              void *ret_p) {
        struct state_defined *defined = &load->tables[table];

        if (load->error)
                return load->error;
        if (id == 0 || id > defined->n || !defined->p[id - 1])
                return state_fail(load, name, "nothing has the number %u", id);
        *(void **)ret_p = defined->p[id - 1];
        return 0;
}

int state_get_ref(struct state_load *load, const char *name, enum state_table table, void *ret_p) {
        uint32_t id = 0;

        if (state_get_u32(load, name, &id) < 0)
                return load->error;
        return state_ref(load, name, table, id, ret_p);
}

int state_find_ref(struct state_load *load, const char *name, enum state_table table, void *ret_p) {
        if (load->error || state_has(load, name))
                return state_get_ref(load, name, table, ret_p);
        *(void **)ret_p = NULL;
        return 0;
}

uint32_t state_n_defined(const struct state_load *load, enum state_table table) {
        return load->tables[table].n;
}

/* documents */

static int read_header(struct state_load *load) {
        uint32_t pid = 0;

        if (read_record(load) < 0)
                return load->error;
        if (!state_kind_is(load, STATE_HEADER))
                return state_fail(load, NULL, "the document does not begin with its header");
        if (state_get_u32(load, "major", &load->major) < 0)
                return load->error;
        if (load->major == 0)
                return state_fail(load, "major", "there is no version 0");
        /* Before everything else: nothing is known about what newer documents have. */
        if (load->major > STATE_MAJOR)
                return state_fail(load, "major",
                                  "the document has version %u, but this program reads only "
                                  "versions up to %d",
                                  load->major, STATE_MAJOR);
        state_get_u32(load, "minor", &load->minor);
        state_get_string(load, "program", &load->program);
        if (state_get_u32(load, "pid", &pid) < 0)
                return load->error;
        if (pid == 0 || pid > INT32_MAX)
                return state_fail(load, "pid", "%u is no process", pid);
        load->pid = (pid_t)pid;
        return 0;
}

void state_load_rewind(struct state_load *load) {
        if (load->error)
                return;
        load->at = 0;
        load->number = 0;
        load->is_over = false;
        read_record(load);
}

int state_load_init_bytes(struct state_load *load, const void *bytes, size_t n) {
        *load = (struct state_load){.data = bytes, .n = n};
        return read_header(load);
}

/* Read the file. It may change meanwhile; what has been read does not. */
static int read_all(struct state_load *load, int fd, size_t n) {
        uint8_t *data = malloc(n);
        size_t at = 0;
        ssize_t k = 1;

        if (!data)
                return state_fail_memory(load);
        load->data = load->allocated = data;
        for (; at < n && k > 0; at += (size_t)k) {
                k = TEMP_FAILURE_RETRY(pread(fd, data + at, n - at, (off_t)at));
                if (k < 0)
                        return fail(load, -errno, "the document cannot be read: %s",
                                    strerror(errno));
        }
        load->n = at;
        return 0;
}

int state_load_init(struct state_load *load, int fd) {
        struct stat status;
        void *mapped;

        *load = (struct state_load){};
        if (fstat(fd, &status) < 0)
                return fail(load, -errno, "the document cannot be read: %s", strerror(errno));
        if (!S_ISREG(status.st_mode) || status.st_size <= 0)
                return fail(load, -EBADMSG, "this is no document: no file, or an empty one");
        if ((uint64_t)status.st_size > STATE_SIZE_MAX)
                return fail(load, -EFBIG, "the document is too large");

        load->n = (size_t)status.st_size;
        if (!state_file_is_sealed(fd)) {
                if (read_all(load, fd, load->n) < 0)
                        return load->error;
        } else {
                mapped = mmap(NULL, load->n, PROT_READ, MAP_PRIVATE, fd, 0);
                if (mapped == MAP_FAILED)
                        return fail(load, -errno, "the document cannot be read: %s",
                                    strerror(errno));
                load->data = load->mapped = mapped;
        }
        return read_header(load);
}

void state_load_deinit(struct state_load *load) {
        struct state_defined *messages = &load->tables[STATE_MESSAGES];

        for (uint32_t i = 0; i < messages->n; i++) {
                struct message *m = messages->p[i];

                if (load->error || load->is_dry)
                        m->n_fds = 0;
                message_unref(m);
        }
        for (unsigned i = 0; i < N_STATE_TABLES; i++)
                free(load->tables[i].p);
        state_fds_deinit(&load->fds);
        state_fds_deinit(&load->named);
        free(load->error_text);
        free(load->allocated);
        if (load->mapped)
                munmap(load->mapped, load->n);
        *load = (struct state_load){};
}
