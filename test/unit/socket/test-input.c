/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Input: the same messages come out, in whatever pieces their bytes arrive.
 *
 * The memory of a large message grows with its bytes, from input.n_first on.
 */

#include "bridge/socket/input.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scm.h"
#include "bridge/wire/writer.h"
#include "test/unit/suite.h"

#define KIB ((size_t)1024)
#define N_BUFFER (256 * KIB)

static struct input input;
static struct bus_limits limits;
static unsigned seed;

static size_t random_below(size_t n) {
        return (size_t)rand_r(&seed) % n;
}

static void setup(void) {
        input = (struct input){.n_first = 16 * KIB};
        limits = (struct bus_limits){
                .max_message_size = 8 * 1024 * (int64_t)KIB,
                .max_message_unix_fds = 16,
        };
}

static void teardown(void) {
        input_deinit(&input);
}

/* A message of about n random bytes; with a descriptor if fd is not -1, which it takes. */
static struct message *make(size_t n, int fd) {
        struct message *m;
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_SIGNAL, 0, 1 + (uint32_t)random_below(1000000),
                    fd < 0 ? "ay" : "ayh");
        w.path = "/a";
        w.interface = "i.j";
        w.member = "M";
        writer_array_begin(&w, 1);
        for (size_t i = 0; i < n; i++)
                writer_u8(&w, (uint8_t)rand_r(&seed));
        writer_array_end(&w);
        if (fd >= 0)
                writer_take_fd(&w, fd);
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        return m;
}

static void expect_equal(const struct message *got, const struct message *want) {
        ck_assert_uint_eq(got->n_wire, want->n_wire);
        ck_assert_int_eq(memcmp(got->wire, want->wire, want->n_wire), 0);
        ck_assert_uint_eq(got->serial, want->serial);
        ck_assert_str_eq(got->member.s, "M");
        ck_assert_uint_eq(got->n_fds, want->n_fds);
}

/* Memory may be ahead of the bytes, but not by more than what has arrived. */
static void expect_little_memory(void) {
        size_t n_most = 2 * input.n_partial;

        if (!input.partial)
                return;
        if (n_most < input.n_first)
                n_most = input.n_first;
        ck_assert_uint_le(message_room(input.partial), n_most);
        ck_assert_uint_le(input.n_partial, message_room(input.partial));
        ck_assert_uint_ge(input_size(&input), input.n_partial);
}

/* Take one piece. Returns the message, if it is complete. */
static struct message *feed(const uint8_t **bytes, size_t *n) {
        const char *violation;
        struct message *m;

        ck_assert_int_eq(input_next(&input, &limits, bytes, n, &m, &violation), 0);
        ck_assert_ptr_null(violation);
        expect_little_memory();
        return m;
}

/* from a buffer */

START_TEST(input_in_random_pieces_makes_the_same_messages) {
        static const size_t first[] = {16, 100, 16 * 1024, 256 * 1024};

        seed = 1 + (unsigned)_i;
        input.n_first = first[_i % 4];
        for (unsigned round = 0; round < 10; round++) {
                struct message *sent[4], *m;
                size_t n_all = 0, at = 0, n_got = 0;
                uint8_t *all;

                for (size_t i = 0; i < 4; i++) {
                        sent[i] = make(random_below(3) ? 100 * KIB + random_below(1948 * KIB)
                                                       : random_below(300),
                                       -1);
                        n_all += sent[i]->n_wire;
                }
                all = malloc(n_all);
                ck_assert_ptr_nonnull(all);
                for (size_t i = 0; i < 4; i++) {
                        memcpy(all + at, sent[i]->wire, sent[i]->n_wire);
                        at += sent[i]->n_wire;
                }
                for (at = 0; at < n_all;) {
                        size_t n = 1 + random_below(random_below(2) ? 40 : 200 * KIB), n_piece;
                        uint8_t *piece;
                        const uint8_t *bytes;

                        if (n > n_all - at)
                                n = n_all - at;
                        /* An allocation of its own shows reads beyond its end. */
                        bytes = piece = malloc(n);
                        ck_assert_ptr_nonnull(piece);
                        memcpy(piece, all + at, n);
                        for (n_piece = n; n_piece > 0;) {
                                m = feed(&bytes, &n_piece);
                                if (!m)
                                        continue;
                                expect_equal(m, sent[n_got++]);
                                message_unref(m);
                        }
                        ck_assert_ptr_eq(bytes, piece + n);
                        free(piece);
                        at += n;
                }
                ck_assert_uint_eq(n_got, 4);
                ck_assert(!input_is_amid_message(&input));
                ck_assert_uint_eq(input_size(&input), 0);
                free(all);
                for (size_t i = 0; i < 4; i++)
                        message_unref(sent[i]);
        }
}
END_TEST

START_TEST(input_takes_a_whole_message_larger_than_its_first_memory) {
        struct message *sent, *m;
        const uint8_t *bytes;
        size_t n;

        seed = 9;
        sent = make(200 * KIB, -1);
        bytes = sent->wire;
        n = sent->n_wire;
        m = feed(&bytes, &n);
        ck_assert_ptr_nonnull(m);
        ck_assert_uint_eq(n, 0);
        expect_equal(m, sent);
        message_unref(m);
        message_unref(sent);
}
END_TEST

START_TEST(input_holds_little_for_a_header_that_announces_much) {
        struct message *sent;
        const uint8_t *bytes;
        size_t n = MESSAGE_HEADER_SIZE + 1;

        seed = 9;
        sent = make(2048 * KIB, -1);
        bytes = sent->wire;
        ck_assert_ptr_null(feed(&bytes, &n));
        ck_assert_uint_eq(n, 0);
        ck_assert_uint_lt(input_size(&input), 17 * KIB);
        message_unref(sent);
}
END_TEST

START_TEST(input_refuses_a_message_that_is_too_large) {
        const char *violation;
        struct message *sent, *m;
        const uint8_t *bytes;
        size_t n;

        seed = 9;
        sent = make(100 * KIB, -1);
        limits.max_message_size = 99 * (int64_t)KIB;
        bytes = sent->wire;
        n = sent->n_wire;
        ck_assert_int_eq(input_next(&input, &limits, &bytes, &n, &m, &violation), 0);
        ck_assert_ptr_null(m);
        ck_assert_str_eq(violation, message_violation(MESSAGE_E_SIZE));
        message_unref(sent);
}
END_TEST

/* a part of a message */

START_TEST(message_grows_and_keeps_its_bytes) {
        struct message *m;

        ck_assert_int_eq(message_new_part(&m, 100000, 100), 0);
        ck_assert_uint_eq(m->n_wire, 100000);
        ck_assert_uint_eq(message_room(m), 100);
        for (size_t i = 0; i < 100; i++)
                m->wire[i] = (uint8_t)i;
        for (size_t n = 200; n <= 100000; n *= 2) {
                ck_assert_int_eq(message_grow(&m, n), 0);
                ck_assert_uint_eq(message_room(m), n);
                ck_assert_uint_ge(message_memory(m), n);
                for (size_t i = 0; i < 100; i++)
                        ck_assert_uint_eq(m->wire[i], i);
                memset(m->wire + 100, 0xee, n - 100);
        }
        message_unref(m);
        ck_assert_int_eq(message_new_part(&m, SIZE_MAX, SIZE_MAX - 8), -ENOMEM);
}
END_TEST

/* from a socket */

static void send_some(int fd, const uint8_t *bytes, size_t n, const int *fds, size_t n_fds) {
        struct iovec iov = {.iov_base = (void *)bytes, .iov_len = n};
        struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
        union scm_buffer control;

        scm_attach(&header, &control, fds, n_fds);
        ck_assert_int_eq(sendmsg(fd, &header, 0), (ssize_t)n);
}

/* Read until the socket is empty, as connections do. Returns the number of messages. */
static size_t read_all(int fd, uint8_t *buffer, size_t n_buffer, struct message *const want[]) {
        size_t n_got = 0;

        for (;;) {
                struct input_end end;
                const uint8_t *bytes = buffer;
                size_t n;

                ck_assert_int_eq(input_read(&input, fd, buffer, n_buffer, &n, &end), 0);
                ck_assert(!end.is_eof);
                if (end.is_empty)
                        return n_got;
                while (n > 0 || input.partial) {
                        struct message *m = feed(&bytes, &n);

                        if (!m)
                                break;
                        expect_equal(m, want[n_got++]);
                        message_unref(m);
                        if (n == 0)
                                break;
                }
                ck_assert_uint_eq(n, 0);
        }
}

START_TEST(input_from_a_socket_makes_the_same_messages) {
        uint8_t *buffer = malloc(N_BUFFER);
        size_t n_all = 0;
        int pair[2];

        seed = 100 + (unsigned)_i;
        input.n_first = _i % 2 ? 16 * KIB : 256 * KIB;
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        for (unsigned round = 0; round < 40; round++) {
                size_t n_buffer = random_below(2) ? N_BUFFER : 16 * KIB, at, n_got = 0, n_fds;
                struct message *sent;

                sent = make(random_below(4) ? 100 * KIB + random_below(1948 * KIB)
                                            : random_below(20 * KIB),
                            random_below(3) ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC));
                n_fds = sent->n_fds;
                for (at = 0; at < sent->n_wire;) {
                        size_t n = 1 + random_below(random_below(2) ? 100 : 100 * KIB);

                        if (n > sent->n_wire - at)
                                n = sent->n_wire - at;
                        /* The first byte carries the descriptors. */
                        send_some(pair[0], sent->wire + at, n, sent->fds, at == 0 ? n_fds : 0);
                        at += n;
                        n_got += read_all(pair[1], buffer, n_buffer, &sent);
                        ck_assert_uint_eq(n_got, at == sent->n_wire);
                }
                ck_assert_uint_eq(n_got, 1);
                ck_assert_uint_eq(input.n_fds, 0);
                n_all++;
                message_unref(sent);
        }
        ck_assert_uint_eq(n_all, 40);
        close(pair[0]);
        close(pair[1]);
        free(buffer);
}
END_TEST

START_TEST(input_keeps_bytes_that_have_to_wait) {
        const uint8_t bytes[] = "abc";

        ck_assert_int_eq(input_keep_rest(&input, bytes, 3), 0);
        ck_assert_uint_eq(input_size(&input), 3);
        ck_assert_int_eq(memcmp(input.rest, "abc", 3), 0);
        input_free_rest(&input);
        ck_assert_uint_eq(input_size(&input), 0);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("input");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, input_in_random_pieces_makes_the_same_messages, 0, 8);
        tcase_add_test(tcase, input_takes_a_whole_message_larger_than_its_first_memory);
        tcase_add_test(tcase, input_holds_little_for_a_header_that_announces_much);
        tcase_add_test(tcase, input_refuses_a_message_that_is_too_large);
        tcase_add_test(tcase, message_grows_and_keeps_its_bytes);
        tcase_add_loop_test(tcase, input_from_a_socket_makes_the_same_messages, 0, 4);
        tcase_add_test(tcase, input_keeps_bytes_that_have_to_wait);
        return suite_run("input", tcase);
}
