/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Input: reading, framing, and the descriptors that come with messages. */

#include "bridge/socket/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/scm.h"

/*
 * How many bytes of a body are checked at a time, and the largest body that is checked in one go,
 * which is faster. No body of this size takes more than about 30 us (test/bench/validate.c).
 */
#define CHECK_PART 4096
#define CHECK_WHOLE_MAX 8192

static size_t min_size(size_t a, size_t b) {
        return a < b ? a : b;
}

/* descriptors */

static int keep_fds(struct input *input, const int *fds, size_t n) {
        int *more;

        more = reallocarray(input->fds, input->n_fds + n, sizeof(*more));
        if (!more) {
                fds_close(fds, n);
                return -ENOMEM;
        }
        memcpy(more + input->n_fds, fds, n * sizeof(*fds));
        input->fds = more;
        input->n_fds += n;
        return 0;
}

static int receive_fds(struct input *input, struct msghdr *header) {
        int fds[SCM_FDS_MAX], r;
        size_t n = scm_take(header, fds);

        r = n > 0 ? keep_fds(input, fds, n) : 0;
        if (r < 0)
                return r;
        return header->msg_flags & MSG_CTRUNC ? INPUT_E_LOST : 0;
}

void input_take_fds(struct input *input, int *ret_fds, size_t n) {
        memcpy(ret_fds, input->fds, n * sizeof(*ret_fds));
        input->n_fds -= n;
        memmove(input->fds, input->fds + n, input->n_fds * sizeof(*input->fds));
}

void input_drop_fds(struct input *input) {
        fds_close(input->fds, input->n_fds);
        free(input->fds);
        input->fds = NULL;
        input->n_fds = 0;
}

/* Give the message the descriptors that came first, as many as it declares. */
static int take_fds(struct input *input, const struct bus_limits *limits, struct message *m) {
        size_t n = m->n_fds_declared;

        if (n == 0)
                return 0;
        if (n > input->n_fds || (int64_t)n > limits->max_message_unix_fds)
                return MESSAGE_E_FDS;

        m->fds = malloc(n * sizeof(*m->fds));
        if (!m->fds)
                return -ENOMEM;
        input_take_fds(input, m->fds, n);
        m->n_fds = n;
        return 0;
}

/* reading */

/* Let the unfinished message have room for some more bytes. */
static int make_room(struct input *input) {
        struct message *m = input->partial;
        size_t n_room = message_room(m);

        if (n_room >= m->n_wire || input->n_partial < n_room)
                return 0;
        return message_grow(&input->partial, min_size(m->n_wire, n_room * 2));
}

int input_read(struct input *input, int fd, uint8_t *buffer, size_t n_buffer, size_t *ret_n,
               struct input_end *ret_end) {
        struct message *partial = input->partial;
        struct iovec iov[2];
        union scm_buffer control;
        struct msghdr header = {
                .msg_iov = iov,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        size_t n_missing = 0;
        ssize_t n;
        int r;

        *ret_n = 0;
        *ret_end = (struct input_end){};

        /*
         * The rest of an unfinished message is read into the message, later bytes into the buffer.
         */
        if (partial) {
                r = make_room(input);
                if (r < 0)
                        return r;
                partial = input->partial;
                n_missing = message_room(partial) - input->n_partial;
                if (n_missing > partial->n_wire - input->n_partial)
                        n_missing = partial->n_wire - input->n_partial;
                iov[header.msg_iovlen++] = (struct iovec){
                        .iov_base = partial->wire + input->n_partial,
                        .iov_len = n_missing,
                };
        }
        iov[header.msg_iovlen++] = (struct iovec){.iov_base = buffer, .iov_len = n_buffer};

        n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0) {
                ret_end->is_empty = errno == EAGAIN;
                ret_end->is_eof = errno != EAGAIN && errno != EINTR;
                ret_end->is_reset = errno == ECONNRESET;
                return 0;
        }
        r = receive_fds(input, &header);
        if (r != 0)
                return r;

        ret_end->is_eof = n == 0;
        /* A read stops after bytes that came with descriptors, even if there are more. */
        ret_end->is_short = (size_t)n < n_missing + n_buffer && header.msg_controllen == 0;
        if ((size_t)n > n_missing) {
                *ret_n = n - n_missing;
                n = n_missing;
        }
        if (partial)
                input->n_partial += n;
        return 0;
}

/* messages */

/* m is complete, and r is the verdict on it: return it, or report which rule it breaks. */
static int return_message(struct message *m, int r, struct message **ret_message,
                          const char **ret_violation) {
        if (r == 0) {
                *ret_message = m;
                return 0;
        }
        message_unref(m);
        if (r < 0)
                return r;
        *ret_violation = message_violation(r);
        return 0;
}

/* Check a part of the body of m. If it is not the last part, m stays unfinished. */
static int check_part(struct input *input, struct message *m, struct message **ret_message,
                      const char **ret_violation) {
        int r;

        r = message_parse_body_part(m, CHECK_PART, &input->check);
        input->partial = input->check ? m : NULL;
        input->n_partial = m->n_wire;
        return input->check ? 0 : return_message(m, r, ret_message, ret_violation);
}

/* m is complete: check it, or begin to. */
static int finish_message(struct input *input, const struct bus_limits *limits, struct message *m,
                          struct message **ret_message, const char **ret_violation) {
        int r;

        r = message_parse_header(m);
        if (r == 0)
                r = take_fds(input, limits, m);
        if (r == 0 && m->n_body > CHECK_WHOLE_MAX)
                return check_part(input, m, ret_message, ret_violation);
        if (r == 0)
                r = message_parse_body(m);
        return return_message(m, r, ret_message, ret_violation);
}

/* The fixed part of the header is complete and tells the size: allocate the message. */
static struct message *frame_message(const struct input *input, const struct bus_limits *limits,
                                     const uint8_t *header, const char **ret_violation) {
        struct message *m;
        size_t size;
        int r;

        r = message_frame(header, limits->max_message_size, &size);
        if (r > 0) {
                *ret_violation = message_violation(r);
                return NULL;
        }
        if (message_new_part(&m, size, min_size(size, input->n_first)) < 0) {
                /* The client chose the size, so running out of memory costs only its connection. */
                *ret_violation = "no memory for the message";
                return NULL;
        }
        return m;
}

static void take_bytes(void *to, const uint8_t **bytes, size_t *n, size_t n_taken) {
        memcpy(to, *bytes, n_taken);
        *bytes += n_taken;
        *n -= n_taken;
}

/* Append bytes to the unfinished message. If it has all, go on with its check. */
static int continue_message(struct input *input, const struct bus_limits *limits,
                            const uint8_t **bytes, size_t *n, struct message **ret_message,
                            const char **ret_violation) {
        struct message *m = input->partial;

        if (input->check)
                return check_part(input, m, ret_message, ret_violation);
        while (*n > 0 && input->n_partial < m->n_wire) {
                size_t n_taken;

                if (make_room(input) < 0) {
                        *ret_violation = "no memory for the message";
                        return 0;
                }
                m = input->partial;
                n_taken = min_size(*n, min_size(m->n_wire, message_room(m)) - input->n_partial);
                take_bytes(m->wire + input->n_partial, bytes, n, n_taken);
                input->n_partial += n_taken;
        }
        if (input->n_partial < m->n_wire)
                return 0;
        input->partial = NULL;
        return finish_message(input, limits, m, ret_message, ret_violation);
}

int input_next(struct input *input, const struct bus_limits *limits, const uint8_t **bytes,
               size_t *n, struct message **ret_message, const char **ret_violation) {
        struct message *m;

        *ret_message = NULL;
        *ret_violation = NULL;
        if (input->partial)
                return continue_message(input, limits, bytes, n, ret_message, ret_violation);

        if (input->n_header == 0 && *n >= MESSAGE_HEADER_SIZE) {
                m = frame_message(input, limits, *bytes, ret_violation);
                if (!m)
                        return 0;
                if (*n >= m->n_wire && message_room(m) >= m->n_wire) {
                        take_bytes(m->wire, bytes, n, m->n_wire);
                        return finish_message(input, limits, m, ret_message, ret_violation);
                }
                input->n_partial = 0;
        } else {
                size_t n_taken = min_size(*n, MESSAGE_HEADER_SIZE - input->n_header);

                take_bytes(input->header + input->n_header, bytes, n, n_taken);
                input->n_header += n_taken;
                if (input->n_header < MESSAGE_HEADER_SIZE)
                        return 0;
                m = frame_message(input, limits, input->header, ret_violation);
                if (!m)
                        return 0;
                memcpy(m->wire, input->header, MESSAGE_HEADER_SIZE);
                input->n_header = 0;
                input->n_partial = MESSAGE_HEADER_SIZE;
        }
        input->partial = m;
        return continue_message(input, limits, bytes, n, ret_message, ret_violation);
}

/* rest */

int input_keep_rest(struct input *input, const uint8_t *bytes, size_t n) {
        input->rest = malloc(n + 1);
        if (!input->rest)
                return -ENOMEM;
        memcpy(input->rest, bytes, n);
        input->n_rest = n;
        input->rest_at = 0;
        return 0;
}

void input_free_rest(struct input *input) {
        free(input->rest);
        input->rest = NULL;
        input->n_rest = input->rest_at = 0;
}

void input_deinit(struct input *input) {
        input->check = body_check_free(input->check);
        input->partial = message_unref(input->partial);
        input_free_rest(input);
        input_drop_fds(input);
}
