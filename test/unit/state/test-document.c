/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* State documents: what is written is read again, and what is damaged is refused. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/state/message-record.h"
#include "sample.h"
#include "test/unit/suite.h"

/* The bytes of a document, which are changed and read again. */
struct bytes {
        uint8_t *p;
        size_t n;
};

static struct bytes read_file(int fd) {
        struct stat status;
        struct bytes b;

        ck_assert_int_eq(fstat(fd, &status), 0);
        b.n = (size_t)status.st_size;
        b.p = malloc(b.n);
        ck_assert_int_eq(pread(fd, b.p, b.n, 0), b.n);
        return b;
}

static struct bytes finish(struct state_save *save) {
        struct bytes b;
        int fd;

        ck_assert_int_eq(state_save_finish(save, &fd), 0);
        b = read_file(fd);
        close(fd);
        state_save_deinit(save);
        return b;
}

/* Begin to read n bytes, which are copied so that a sanitizer notices a read beyond them. */
static int load_bytes(struct state_load *load, const void *p, size_t n, void **ret_copy) {
        *ret_copy = malloc(n ? n : 1);
        memcpy(*ret_copy, p, n);
        return state_load_init_bytes(load, *ret_copy, n);
}

static void assert_error(const struct state_load *load, const char *part) {
        ck_assert_int_eq(load->error, -EBADMSG);
        ck_assert_ptr_nonnull(load->error_text);
        ck_assert_msg(strstr(load->error_text, part) != NULL, "%s", load->error_text);
}

START_TEST(document_is_read_as_it_was_written) {
        struct sample sample;
        struct state_load load;
        struct bytes b;
        int fd;

        ck_assert_int_eq(sample_init(&sample), 0);
        ck_assert_int_eq(sample_save(&sample, &fd), 0);
        ck_assert(state_file_is_sealed(fd));
        ck_assert_int_lt(pwrite(fd, "", 1, 0), 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);

        for (unsigned trusted = 0; trusted < 2; trusted++) {
                ck_assert_int_eq(state_load_init(&load, fd), 0);
                ck_assert_uint_eq(load.major, STATE_MAJOR);
                ck_assert_uint_eq(load.minor, STATE_MINOR);
                ck_assert_int_eq(load.pid, getpid());
                ck_assert_str_eq(load.program.s, "sample 1.0");
                load.is_trusted = trusted;
                ck_assert_int_eq(state_load_check(&load), 0);
                ck_assert_int_eq(sample_load(&sample, &load), 0);
                ck_assert_int_eq(state_load_next(&load), 0);
                ck_assert_uint_eq(load.fds.n, 3);
                load.is_dry = true; /* the sample owns the descriptors */
                state_load_deinit(&load);
        }

        /* from a file that is not sealed, too */
        b = read_file(fd);
        close(fd);
        fd = memfd_create("copy", MFD_CLOEXEC);
        ck_assert_int_eq(write(fd, b.p, b.n), b.n);
        ck_assert_int_eq(state_load_init(&load, fd), 0);
        close(fd);
        ck_assert_int_eq(sample_load(&sample, &load), 0);
        load.is_dry = true;
        state_load_deinit(&load);
        free(b.p);
        sample_deinit(&sample);
}
END_TEST

START_TEST(records_may_be_read_twice) {
        struct state_save save;
        struct state_load load;
        struct bytes b;
        uint32_t v = 0;

        state_save_init(&save, "test");
        state_record_begin(&save, "One");
        state_put_u32(&save, "v", 5);
        state_record_end(&save);
        b = finish(&save);
        ck_assert_int_eq(state_load_init_bytes(&load, b.p, b.n), 0);
        for (unsigned i = 0; i < 2; i++) {
                ck_assert_int_eq(state_load_next(&load), 1);
                ck_assert(state_kind_is(&load, "One"));
                ck_assert_int_eq(state_get_u32(&load, "v", &v), 0);
                ck_assert_uint_eq(v, 5);
                ck_assert_int_eq(state_load_next(&load), 0);
                state_load_rewind(&load);
        }
        state_load_deinit(&load);
        free(b.p);
}
END_TEST

/* Read all of it: with check, and with what the sample asks for. Neither may crash. */
static int read_damaged(const struct sample *sample, const uint8_t *p, size_t n) {
        struct state_load load;
        void *copy;
        int r;

        r = load_bytes(&load, p, n, &copy);
        load.is_dry = true;
        if (r == 0)
                r = sample_load(sample, &load);
        if (r < 0 && r != -EPROTO) {
                ck_assert_int_eq(r, -EBADMSG);
                ck_assert_ptr_nonnull(load.error_text);
        }
        state_load_deinit(&load);
        free(copy);
        return r;
}

START_TEST(every_truncation_is_refused) {
        struct sample sample;
        struct bytes b;
        int fd;

        ck_assert_int_eq(sample_init(&sample), 0);
        ck_assert_int_eq(sample_save(&sample, &fd), 0);
        b = read_file(fd);
        close(fd);
        for (size_t n = 0; n < b.n; n++)
                ck_assert_int_eq(read_damaged(&sample, b.p, n), -EBADMSG);
        ck_assert_int_eq(read_damaged(&sample, b.p, b.n), 0);
        /* nothing may follow, either */
        b.p = realloc(b.p, b.n + 8);
        memset(b.p + b.n, 0, 8);
        ck_assert_int_eq(read_damaged(&sample, b.p, b.n + 8), -EBADMSG);
        free(b.p);
        sample_deinit(&sample);
}
END_TEST

START_TEST(flipped_bytes_are_refused_or_are_other_values) {
        static const uint8_t changes[] = {0x01, 0x80, 0xff};
        struct sample sample;
        struct bytes b;
        size_t n_same = 0;
        int fd, r;

        ck_assert_int_eq(sample_init(&sample), 0);
        ck_assert_int_eq(sample_save(&sample, &fd), 0);
        b = read_file(fd);
        close(fd);
        for (size_t i = 0; i < b.n; i++)
                for (unsigned k = 0; k < sizeof(changes); k++) {
                        b.p[i] ^= changes[k];
                        r = read_damaged(&sample, b.p, b.n);
                        b.p[i] ^= changes[k];
                        n_same += r == 0;
                }
        /*
         * What need not be noticed: flags and types of header fields that nobody looks at, padding
         * of long bytes, the program and the pid. Three changes of some fifty bytes.
         */
        ck_assert_uint_lt(n_same, 300);
        free(b.p);
        sample_deinit(&sample);
}
END_TEST

/* A document whose Header says that it has this version. */
static struct bytes with_version(uint32_t major, uint32_t minor) {
        struct state_save save;
        struct state_load load;
        struct bytes b;

        state_save_init(&save, "test 9");
        b = finish(&save);
        ck_assert_int_eq(state_load_init_bytes(&load, b.p, b.n), 0);
        for (unsigned i = 0; i < load.n_fields; i++) {
                size_t at = (size_t)(load.fields[i].at - b.p);

                if (strcmp(load.fields[i].name.s, "major") == 0)
                        memcpy(b.p + at, &major, sizeof(major));
                if (strcmp(load.fields[i].name.s, "minor") == 0)
                        memcpy(b.p + at, &minor, sizeof(minor));
        }
        state_load_deinit(&load);
        return b;
}

START_TEST(newer_major_version_is_refused_by_name) {
        struct bytes b = with_version(STATE_MAJOR + 1, 0);
        struct state_load load;

        ck_assert_int_eq(state_load_init_bytes(&load, b.p, b.n), -EBADMSG);
        assert_error(&load, "reads only versions up to 1");
        ck_assert_int_eq(state_load_next(&load), -EBADMSG);
        state_load_deinit(&load);
        free(b.p);

        b = with_version(0, 0);
        ck_assert_int_eq(state_load_init_bytes(&load, b.p, b.n), -EBADMSG);
        state_load_deinit(&load);
        free(b.p);
}
END_TEST

START_TEST(newer_minor_version_is_read) {
        struct bytes b = with_version(STATE_MAJOR, STATE_MINOR + 7);
        struct state_load load;

        ck_assert_int_eq(state_load_init_bytes(&load, b.p, b.n), 0);
        ck_assert_uint_eq(load.minor, STATE_MINOR + 7);
        ck_assert_int_eq(state_load_check(&load), 0);
        state_load_deinit(&load);
        free(b.p);
}
END_TEST

/* One record of the kind Thing with fields of several types; read it. */
static struct bytes thing(void) {
        static const uint32_t numbers[] = {1, 2};
        struct state_save save;
        struct writer *w;

        state_save_init(&save, "test");
        state_record_begin(&save, "Thing");
        w = state_put(&save, "later", "a(sv)"); /* a type that this version does not have */
        writer_array_begin(w, 8);
        writer_struct(w);
        writer_string(w, "x");
        writer_variant(w, "(tay)");
        writer_struct(w);
        writer_u64(w, 1);
        writer_array_begin(w, 1);
        writer_array_end(w);
        writer_array_end(w);
        state_put_u32(&save, "state", 5);
        state_put_bytes(&save, "later_long", numbers, 0);
        state_put_bytes(&save, "later_longer", memset(malloc(STATE_INLINE_MAX + 1), 1, 1),
                        STATE_INLINE_MAX + 1);
        state_put_u32s(&save, "numbers", numbers, 2);
        state_put_string(&save, "text", "t");
        state_put_u32(&save, "client", 1);
        state_record_end(&save);
        free((void *)save.longs[0].bytes);
        return finish(&save);
}

static struct state_load load_thing(const struct bytes *b) {
        static struct state_load load;

        ck_assert_int_eq(state_load_init_bytes(&load, b->p, b->n), 0);
        ck_assert_int_eq(state_load_next(&load), 1);
        return load;
}

START_TEST(unknown_fields_are_left_out) {
        struct bytes b = thing();
        struct state_load load = load_thing(&b);
        uint32_t v = 0;

        ck_assert_int_eq(state_get_u32(&load, "client", &v), 0);
        ck_assert_uint_eq(v, 1);
        ck_assert_int_eq(state_get_u32(&load, "state", &v), 0);
        ck_assert_uint_eq(v, 5);
        ck_assert(!state_has(&load, "stat"));
        ck_assert(!state_has(&load, "state2"));
        ck_assert_int_eq(state_load_next(&load), 0);
        state_load_deinit(&load);
        free(b.p);
}
END_TEST

START_TEST(errors_name_the_record_and_the_field) {
        struct bytes b = thing();
        struct wire_string s;
        const uint8_t *p;
        uint32_t v = 77;
        uint64_t t;
        size_t n;
        void *client;
        int fd;

#define EXPECT(call, part)                                                     \
        {                                                                      \
                struct state_load load = load_thing(&b);                       \
                                                                               \
                ck_assert_int_eq(call, -EBADMSG);                              \
                assert_error(&load, part);                                     \
                /* the first error stays */                                    \
                ck_assert_int_eq(state_get_u32(&load, "state", &v), -EBADMSG); \
                ck_assert_int_eq(state_load_next(&load), -EBADMSG);            \
                assert_error(&load, part);                                     \
                state_load_deinit(&load);                                      \
        }
        EXPECT(state_get_u32(&load, "absent", &v), "record 2 (Thing), field absent:");
        EXPECT(state_get_u64(&load, "state", &t), "its type is u, not t");
        EXPECT(state_get_fd(&load, "state", 0, &fd), "its type is u, not h");
        EXPECT(state_get_string(&load, "state", &s), "its type is u, not ay");
        EXPECT(state_get_bytes(&load, "numbers", &p, &n), "its type is au, not ay");
        EXPECT(state_get_string(&load, "later_long", &s), "no string");
        EXPECT(state_get_below(&load, "state", 5, &v), "5 is out of range");
        EXPECT(state_get_ref(&load, "client", STATE_CLIENTS, &client), "nothing has the number 1");
        EXPECT(state_define(&load, "state", STATE_CLIENTS, &load), "5 is not the next number");
        EXPECT(state_unknown_kind(&load), "record 2 (Thing): this program does not know");
        EXPECT(state_fail(&load, "state", "it is %d", 5), "record 2 (Thing), field state: it is 5");
#undef EXPECT
        ck_assert_uint_eq(v, 77);
        free(b.p);
}
END_TEST

START_TEST(optional_record_may_be_unknown) {
        struct state_save save;
        struct state_load load;
        struct bytes b;

        state_save_init(&save, "test");
        state_record_begin(&save, "FromTheFuture");
        state_put_bool(&save, "optional", true);
        state_record_end(&save);
        state_record_begin(&save, "FromTheFuture");
        state_put_bool(&save, "optional", false);
        state_record_end(&save);
        b = finish(&save);
        ck_assert_int_eq(state_load_init_bytes(&load, b.p, b.n), 0);
        ck_assert_int_eq(state_load_next(&load), 1);
        ck_assert_int_eq(state_unknown_kind(&load), 0);
        ck_assert_int_eq(state_load_next(&load), 1);
        ck_assert_int_eq(state_unknown_kind(&load), -EBADMSG);
        state_load_deinit(&load);
        free(b.p);
}
END_TEST

START_TEST(field_that_comes_twice_is_refused) {
        struct state_save save;
        struct state_load load;
        struct bytes b;

        state_save_init(&save, "test");
        state_record_begin(&save, "Thing");
        state_put_u32(&save, "a", 1);
        state_put_u32(&save, "b", 1);
        state_put_u32(&save, "a", 1);
        state_record_end(&save);
        b = finish(&save);
        ck_assert_int_eq(state_load_init_bytes(&load, b.p, b.n), 0);
        ck_assert_int_eq(state_load_next(&load), -EBADMSG);
        assert_error(&load, "field a: there are two of them");
        state_load_deinit(&load);
        free(b.p);
}
END_TEST

/* A document with one record that names descriptors. */
static struct bytes naming(uint32_t a, uint32_t b) {
        struct state_save save;
        struct writer *w;

        state_save_init(&save, "test");
        state_record_begin(&save, "Thing");
        writer_u32(state_put(&save, "fd", "h"), a);
        w = state_put(&save, "fds", "ah");
        writer_array_begin(w, 4);
        writer_u32(w, b);
        writer_array_end(w);
        state_record_end(&save);
        return finish(&save);
}

static void check_naming(uint32_t a, uint32_t b, bool is_dry, const char *part) {
        struct bytes bytes = naming(a, b);
        struct state_load load = load_thing(&bytes);
        int fd = -1, *fds = NULL;
        size_t n = 0;

        load.is_dry = is_dry;
        state_get_fd(&load, "fd", S_IFSOCK, &fd);
        state_get_fds(&load, "fds", 1, &fds, &n);
        if (part) {
                assert_error(&load, part);
        } else {
                ck_assert_int_eq(load.error, 0);
                ck_assert_int_eq(fd, (int)a);
                ck_assert_uint_eq(n, 1);
                ck_assert_int_eq(fds[0], (int)b);
        }
        free(fds);
        state_load_deinit(&load);
        free(bytes.p);
}

START_TEST(descriptors_are_claimed_once_and_are_of_the_right_type) {
        int a = socket(AF_UNIX, SOCK_STREAM, 0), b = open("/dev/null", O_RDONLY);
        struct state_load load;
        struct bytes bytes;
        size_t n;
        int fd, *fds;

        check_naming((uint32_t)a, (uint32_t)b, false, NULL);
        check_naming((uint32_t)a, (uint32_t)a, false, "is in the document twice");
        check_naming((uint32_t)b, (uint32_t)a, false, "is not of the right type");
        check_naming((uint32_t)a, 1000, false, "Bad file descriptor");
        check_naming((uint32_t)a, 2, false, "cannot be a descriptor");
        check_naming((uint32_t)a, UINT32_MAX, false, "cannot be a descriptor");
        check_naming(STATE_FDS_MAX, 7, true, "cannot be a descriptor");
        check_naming(1000, 1001, true, NULL);
        check_naming(1000, 1000, true, "is in the document twice");

        bytes = naming((uint32_t)a, (uint32_t)b);
        load = load_thing(&bytes);
        ck_assert_int_eq(state_get_fds(&load, "fds", 0, &fds, &n), -EBADMSG);
        state_load_deinit(&load);

        load = load_thing(&bytes);
        ck_assert_int_eq(state_get_fd(&load, "fd", S_IFSOCK, &fd), 0);
        ck_assert_int_eq(fcntl(a, F_GETFD), 0);
        state_load_settle(&load);
        ck_assert_int_eq(fcntl(a, F_GETFD), FD_CLOEXEC);
        /* nobody has asked for this one */
        ck_assert_int_lt(fcntl(b, F_GETFD), 0);
        state_load_deinit(&load);
        free(bytes.p);
        close(a);

        /* what the program has opened itself stays */
        a = socket(AF_UNIX, SOCK_STREAM, 0);
        b = open("/dev/null", O_RDONLY | O_CLOEXEC);
        bytes = naming((uint32_t)a, (uint32_t)b);
        load = load_thing(&bytes);
        state_load_settle(&load);
        ck_assert_int_lt(fcntl(a, F_GETFD), 0);
        ck_assert_int_eq(fcntl(b, F_GETFD), FD_CLOEXEC);
        state_load_deinit(&load);
        free(bytes.p);
        close(b);
}
END_TEST

START_TEST(what_cannot_be_saved_is_an_error_of_the_whole_document) {
        struct state_save save;
        int fd = -1, fds[] = {10, 11, 10};

        state_save_init(&save, "test");
        state_refuse(&save, "a monitor (%s)", ":1.5");
        state_refuse(&save, "something else");
        state_record_begin(&save, "Thing");
        state_record_end(&save);
        ck_assert_int_eq(state_save_finish(&save, &fd), -EOPNOTSUPP);
        ck_assert_str_eq(save.error_text, "a monitor (:1.5)");
        state_save_deinit(&save);

        state_save_init(&save, "test");
        state_record_begin(&save, "Thing");
        state_put_fds(&save, "fds", fds, 3);
        state_record_end(&save);
        ck_assert_int_eq(state_save_finish(&save, &fd), -EINVAL);
        ck_assert_str_eq(save.error_text,
                         "record Thing, field fds: descriptor 10 is in the document twice");
        state_save_deinit(&save);

        state_save_init(&save, "test");
        state_record_begin(&save, "Thing");
        state_put_ref(&save, "client", STATE_CLIENTS, &save);
        state_record_end(&save);
        ck_assert_int_eq(state_save_finish(&save, &fd), -EINVAL);
        state_save_deinit(&save);

        /* a kind that is no member name */
        state_save_init(&save, "test");
        state_record_begin(&save, "no kind");
        state_record_end(&save);
        ck_assert_int_eq(state_save_finish(&save, &fd), -EINVAL);
        state_save_deinit(&save);

        /* and one that is given up in the middle of a record */
        state_save_init(&save, "test");
        state_record_begin(&save, "Thing");
        state_put_u32(&save, "v", 1);
        state_save_deinit(&save);
        ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(message_with_handles_needs_a_function_for_them) {
        struct sample sample;
        struct state_save save;
        int fd;

        ck_assert_int_eq(sample_init(&sample), 0);
        sample.call->attachment = &sample;
        state_save_init(&save, "test");
        state_save_message(&save, sample.call);
        ck_assert_int_eq(state_save_finish(&save, &fd), -EOPNOTSUPP);
        state_save_deinit(&save);
        sample.call->attachment = NULL;
        sample_deinit(&sample);
}
END_TEST

/* Messages of all sizes around the limits, the largest that there can be included. */
START_TEST(huge_messages_go_over) {
        static const size_t sizes[] = {0, 900, 1100, 300000, 64UL << 20};
        struct state_save save;
        struct state_load load;
        struct message *m[5];
        int fd;

        state_save_init(&save, "test");
        for (unsigned i = 0; i < 5; i++) {
                struct writer w;
                void *zeros = calloc(1, sizes[i] + 1);

                writer_init(&w, MESSAGE_TYPE_SIGNAL, 0, i + 1, i == 4 ? "aua{sv}" : "a{sv}a{sv}");
                w.path = "/a";
                w.interface = "a.b";
                w.member = "S";
                if (i == 4) {
                        writer_array_begin(&w, 4);
                        for (size_t k = 0; k < sizes[i] / 4; k++)
                                writer_u32(&w, (uint32_t)k);
                        writer_array_end(&w);
                } else {
                        writer_array_begin(&w, 8);
                        writer_struct(&w);
                        writer_string(&w, "text");
                        writer_variant(&w, "s");
                        memset(zeros, 'a', sizes[i]);
                        writer_string(&w, zeros);
                        writer_array_end(&w);
                }
                writer_array_begin(&w, 8);
                writer_array_end(&w);
                free(zeros);
                ck_assert_int_eq(writer_finish(&w, &m[i]), 0);
                state_save_message(&save, m[i]);
        }
        ck_assert_int_eq(state_save_finish(&save, &fd), 0);
        state_save_deinit(&save);

        ck_assert_int_eq(state_load_init(&load, fd), 0);
        for (unsigned i = 0; i < 5; i++) {
                struct message *copy;

                ck_assert_int_eq(state_load_next(&load), 1);
                ck_assert_int_eq(state_load_message(&load), 0);
                ck_assert_int_eq(state_get_message(&load, "id", &copy), 0);
                ck_assert_uint_eq(copy->n_wire, m[i]->n_wire);
                ck_assert_int_eq(memcmp(copy->wire, m[i]->wire, copy->n_wire), 0);
                message_unref(m[i]);
        }
        ck_assert_int_eq(state_load_next(&load), 0);
        ck_assert_uint_eq(state_n_defined(&load, STATE_MESSAGES), 5);
        state_load_deinit(&load);
        close(fd);
}
END_TEST

START_TEST(too_large_document_is_not_written) {
        static const size_t size = 256UL << 20;
        struct state_save save;
        void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int fd;

        ck_assert_ptr_ne(bytes, MAP_FAILED);
        state_save_init(&save, "test");
        for (unsigned i = 0; i < 4; i++) {
                state_record_begin(&save, "Thing");
                state_put_bytes(&save, "bytes", bytes, i == 0 ? size : (size_t)STATE_SIZE_MAX);
                state_record_end(&save);
        }
        ck_assert_int_eq(state_save_finish(&save, &fd), -EFBIG);
        state_save_deinit(&save);
        munmap(bytes, size);
}
END_TEST

START_TEST(stored_message_is_checked_unless_the_document_is_trusted) {
        struct sample sample;
        struct state_save save;
        struct bytes b;
        struct message *m;

        ck_assert_int_eq(sample_init(&sample), 0);
        /* an index of 5 for a descriptor is no matter, but a boolean of 5 is */
        m = sample.call;
        ck_assert_int_eq(m->signature.n, 2);
        memcpy((char *)m->signature.s, "bb", 2);
        ((uint8_t *)m->body)[0] = 5;
        state_save_init(&save, "test");
        state_save_message(&save, m);
        b = finish(&save);
        for (unsigned trusted = 0; trusted < 2; trusted++) {
                struct state_load load = load_thing(&b);

                load.is_dry = true;
                load.is_trusted = trusted;
                ck_assert_int_eq(state_load_message(&load), trusted ? 0 : -EBADMSG);
                if (!trusted)
                        assert_error(&load, "boolean");
                state_load_deinit(&load);
        }
        free(b.p);
        sample_deinit(&sample);
}
END_TEST

START_TEST(descriptors_stay_open_after_an_error) {
        struct sample sample;
        struct state_load load;
        int fd;

        ck_assert_int_eq(sample_init(&sample), 0);
        ck_assert_int_eq(sample_save(&sample, &fd), 0);
        ck_assert_int_eq(state_load_init(&load, fd), 0);
        while (state_load_next(&load) > 0)
                if (state_kind_is(&load, STATE_MESSAGE))
                        ck_assert_int_eq(state_load_message(&load), 0);
        ck_assert_uint_eq(state_n_defined(&load, STATE_MESSAGES), 2);
        state_fail(&load, NULL, "no more");
        state_load_deinit(&load);
        for (unsigned i = 0; i < 3; i++)
                ck_assert_int_ge(fcntl(sample.fds[i], F_GETFD), 0);
        close(fd);
        sample_deinit(&sample);
}
END_TEST

START_TEST(numbers_are_found_among_many) {
        static char things[20000];
        struct state_save save;

        state_save_init(&save, "test");
        ck_assert_uint_eq(state_number_of(&save, STATE_RULES, things), 0);
        for (uint32_t i = 0; i < sizeof(things); i++)
                ck_assert_uint_eq(state_number(&save, STATE_RULES, things + i), i + 1);
        for (uint32_t i = 0; i < sizeof(things); i++)
                ck_assert_uint_eq(state_number_of(&save, STATE_RULES, things + i), i + 1);
        ck_assert_uint_eq(state_number_of(&save, STATE_CLIENTS, things), 0);
        ck_assert_uint_eq(state_number_of(&save, STATE_RULES, NULL), 0);
        state_save_deinit(&save);
}
END_TEST

START_TEST(sets_of_descriptors) {
        struct state_fds fds = {};

        ck_assert_int_eq(state_fds_next(&fds, 0), -1);
        ck_assert_int_eq(state_fds_add(&fds, 3), 0);
        ck_assert_int_eq(state_fds_add(&fds, 64), 0);
        ck_assert_int_eq(state_fds_add(&fds, 70000), 0);
        ck_assert_int_eq(state_fds_add(&fds, 64), -EEXIST);
        ck_assert_int_eq(state_fds_add(&fds, -1), -ERANGE);
        ck_assert_int_eq(state_fds_add(&fds, STATE_FDS_MAX), -ERANGE);
        ck_assert_uint_eq(fds.n, 3);
        ck_assert_int_eq(state_fds_next(&fds, 0), 3);
        ck_assert_int_eq(state_fds_next(&fds, 4), 64);
        ck_assert_int_eq(state_fds_next(&fds, 65), 70000);
        ck_assert_int_eq(state_fds_next(&fds, 70001), -1);
        ck_assert(state_fds_have(&fds, 64));
        ck_assert(!state_fds_have(&fds, 65));
        ck_assert(!state_fds_have(&fds, 1000000));
        ck_assert(!state_fds_have(&fds, -1));
        state_fds_deinit(&fds);
}
END_TEST

START_TEST(only_files_are_documents) {
        int fds[2], fd = memfd_create("empty", MFD_CLOEXEC);
        struct state_load load;

        ck_assert_int_eq(state_load_init(&load, fd), -EBADMSG);
        state_load_deinit(&load);
        ck_assert_int_eq(ftruncate(fd, (off_t)STATE_SIZE_MAX + 1), 0);
        ck_assert_int_eq(state_load_init(&load, fd), -EFBIG);
        state_load_deinit(&load);
        ck_assert_int_eq(state_load_init(&load, 1000), -EBADF);
        ck_assert_ptr_nonnull(load.error_text);
        state_load_deinit(&load);
        ck_assert_int_eq(pipe(fds), 0);
        ck_assert_int_eq(state_load_init(&load, fds[0]), -EBADMSG);
        state_load_deinit(&load);
        close(fds[0]);
        close(fds[1]);
        close(fd);
}
END_TEST

int main(void) {
        TCase *t = tcase_create("document");

        tcase_set_timeout(t, 100);
        tcase_add_test(t, document_is_read_as_it_was_written);
        tcase_add_test(t, records_may_be_read_twice);
        tcase_add_test(t, every_truncation_is_refused);
        tcase_add_test(t, flipped_bytes_are_refused_or_are_other_values);
        tcase_add_test(t, newer_major_version_is_refused_by_name);
        tcase_add_test(t, newer_minor_version_is_read);
        tcase_add_test(t, unknown_fields_are_left_out);
        tcase_add_test(t, errors_name_the_record_and_the_field);
        tcase_add_test(t, optional_record_may_be_unknown);
        tcase_add_test(t, field_that_comes_twice_is_refused);
        tcase_add_test(t, descriptors_are_claimed_once_and_are_of_the_right_type);
        tcase_add_test(t, what_cannot_be_saved_is_an_error_of_the_whole_document);
        tcase_add_test(t, message_with_handles_needs_a_function_for_them);
        tcase_add_test(t, huge_messages_go_over);
        tcase_add_test(t, too_large_document_is_not_written);
        tcase_add_test(t, stored_message_is_checked_unless_the_document_is_trusted);
        tcase_add_test(t, descriptors_stay_open_after_an_error);
        tcase_add_test(t, numbers_are_found_among_many);
        tcase_add_test(t, sets_of_descriptors);
        tcase_add_test(t, only_files_are_documents);
        return suite_run("state-document", t);
}
