/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Input: reading, framing, and the descriptors that come with messages. */

#include "bridge/socket/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/scm.h"

/* descriptors */

static int keep_fds(struct input *input, const int *fds, size_t n) {
        int *more;

        more = reallocarray(input->fds, input->n_fds + n, sizeof(*more));
        if (!more) {
                for (size_t i = 0; i < n; i++)
                        close(fds[i]);
                return -ENOMEM;
        }
        memcpy(more + input->n_fds, fds, n * sizeof(*fds));
        input->fds = more;
        input->n_fds += n;
        return 0;
}

static int receive_fds(struct input *input, struct msghdr *header) {
        int r;

        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
                int fds[SCM_FDS_MAX];
                size_t n;

                if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
                        continue;
                n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                memcpy(fds, CMSG_DATA(cmsg), n * sizeof(int));
                r = keep_fds(input, fds, n);
                if (r < 0)
                        return r;
        }
        return header->msg_flags & MSG_CTRUNC ? INPUT_E_LOST : 0;
}

void input_take_fds(struct input *input, int *ret_fds, size_t n) {
        memcpy(ret_fds, input->fds, n * sizeof(*ret_fds));
        input->n_fds -= n;
        memmove(input->fds, input->fds + n, input->n_fds * sizeof(*input->fds));
}

void input_drop_fds(struct input *input) {
        for (size_t i = 0; i < input->n_fds; i++)
                close(input->fds[i]);
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

int input_read(struct input *input, int fd, uint8_t *buffer, size_t n_buffer, size_t *ret_n,
               bool *ret_eof) {
        struct message *partial = input->partial;
        struct iovec iov[2];
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(SCM_FDS_MAX * sizeof(int))];
        } control;
        struct msghdr header = {
                .msg_iov = iov,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        size_t n_missing = 0;
        ssize_t n;
        int r;

        *ret_n = 0;
        *ret_eof = false;

        /* The rest of a message goes to its place, and what follows it into the common buffer. */
        if (partial) {
                n_missing = partial->n_wire - input->n_partial;
                iov[header.msg_iovlen++] = (struct iovec){
                        .iov_base = partial->wire + input->n_partial,
                        .iov_len = n_missing,
                };
        }
        iov[header.msg_iovlen++] = (struct iovec){.iov_base = buffer, .iov_len = n_buffer};

        n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0) {
                *ret_eof = errno != EAGAIN && errno != EINTR;
                return 0;
        }
        r = receive_fds(input, &header);
        if (r != 0)
                return r;

        *ret_eof = n == 0;
        if ((size_t)n > n_missing) {
                *ret_n = n - n_missing;
                n = n_missing;
        }
        if (partial)
                input->n_partial += n;
        return 0;
}

/* messages */

static int parse_message(struct input *input, const struct bus_limits *limits, struct message *m) {
        int r;

        r = message_parse_header(m);
        if (r == 0)
                r = take_fds(input, limits, m);
        if (r == 0)
                r = message_parse_body(m);
        return r;
}

/* The message in partial is complete. */
static int finish_message(struct input *input, const struct bus_limits *limits,
                          struct message **ret_message, const char **ret_violation) {
        struct message *m = input->partial;
        int r;

        input->partial = NULL;
        input->n_partial = 0;

        r = parse_message(input, limits, m);
        if (r != 0) {
                message_unref(m);
                if (r < 0)
                        return r;
                *ret_violation = message_violation(r);
                return 0;
        }
        *ret_message = m;
        return 0;
}

/* The fixed part of the header is there: frame the message. */
static void begin_message(struct input *input, const struct bus_limits *limits,
                          const uint8_t *header, const char **ret_violation) {
        size_t size;
        int r;

        r = message_frame(header, limits->max_message_size, &size);
        if (r > 0) {
                *ret_violation = message_violation(r);
                return;
        }
        r = message_new(&input->partial, size);
        if (r < 0) {
                /* The client chose the size, so it pays with its connection, not the bus. */
                *ret_violation = "no memory for the message";
                return;
        }
        memcpy(input->partial->wire, header, MESSAGE_HEADER_SIZE);
        input->n_partial = MESSAGE_HEADER_SIZE;
        input->n_header = 0;
}

static size_t copy_some(uint8_t *to, size_t *at, size_t wanted, const uint8_t *from, size_t n) {
        if (n > wanted - *at)
                n = wanted - *at;
        memcpy(to + *at, from, n);
        *at += n;
        return n;
}

int input_next(struct input *input, const struct bus_limits *limits, const uint8_t **bytes,
               size_t *n, struct message **ret_message, const char **ret_violation) {
        *ret_message = NULL;
        *ret_violation = NULL;

        for (;;) {
                struct message *partial = input->partial;
                size_t taken = MESSAGE_HEADER_SIZE;

                if (partial) {
                        taken = copy_some(partial->wire, &input->n_partial, partial->n_wire, *bytes,
                                          *n);
                        *bytes += taken;
                        *n -= taken;
                        if (input->n_partial < partial->n_wire)
                                return 0;
                        return finish_message(input, limits, ret_message, ret_violation);
                }
                if (input->n_header == 0 && *n >= MESSAGE_HEADER_SIZE) {
                        begin_message(input, limits, *bytes, ret_violation);
                } else {
                        taken = copy_some(input->header, &input->n_header, MESSAGE_HEADER_SIZE,
                                          *bytes, *n);
                        if (input->n_header < MESSAGE_HEADER_SIZE)
                                return 0;
                        begin_message(input, limits, input->header, ret_violation);
                }
                if (*ret_violation)
                        return 0;
                *bytes += taken;
                *n -= taken;
        }
}

/* rest */

int input_keep_rest(struct input *input, const uint8_t *bytes, size_t n) {
        input->rest = malloc(n);
        if (!input->rest)
                return -ENOMEM;
        memcpy(input->rest, bytes, n);
        input->n_rest = n;
        return 0;
}

void input_deinit(struct input *input) {
        input->partial = message_unref(input->partial);
        free(input->rest);
        input->rest = NULL;
        input->n_rest = 0;
        input_drop_fds(input);
}
