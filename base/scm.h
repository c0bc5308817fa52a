/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SCM_RIGHTS: descriptors that go with a message of an AF_UNIX socket. */

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* SCM_MAX_FD of the kernel, which no header exports to user space */
#define SCM_FDS_MAX ((size_t)253)

/* Room for the descriptors of one message. */
union scm_buffer {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(SCM_FDS_MAX * sizeof(int))];
};

/*
 * Make sendmsg() send n descriptors (0 to SCM_FDS_MAX). Their numbers are stored in the buffer, so
 * it must live until sendmsg() has returned. If n is 0, nothing is changed.
 */
static inline void scm_attach(struct msghdr *message, union scm_buffer *buffer, const int *fds,
                              size_t n) {
        if (n == 0)
                return;
        message->msg_control = buffer;
        message->msg_controllen = CMSG_SPACE(n * sizeof(int));
        memset(buffer, 0, message->msg_controllen);
        buffer->header.cmsg_level = SOL_SOCKET;
        buffer->header.cmsg_type = SCM_RIGHTS;
        buffer->header.cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(&buffer->header), fds, n * sizeof(int));
}

/*
 * After recvmsg(): copy the descriptors to fds, which has room for SCM_FDS_MAX, and return how many
 * there are. The kernel passes them in one control message. If it could not pass all of them, it
 * has set MSG_CTRUNC in msg_flags.
 */
static inline size_t scm_take(struct msghdr *message, int *fds) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
                        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
                        return (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                }
        return 0;
}
