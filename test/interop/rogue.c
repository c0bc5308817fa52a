/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Joining the bus without libbus1-dbus (doc/programming/native-protocol.md). */

#include "test/interop/rogue.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static int read_line(int fd, char *line, size_t n_line, int *ret_fd) {
        size_t n = 0;

        *ret_fd = -1;
        while (n + 1 < n_line) {
                union {
                        struct cmsghdr header;
                        char buffer[CMSG_SPACE(sizeof(int))];
                } control = {};
                struct iovec vec = {line + n, 1};
                struct msghdr m = {
                        .msg_iov = &vec,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
                };

                if (recvmsg(fd, &m, 0) != 1)
                        return -1;
                if (CMSG_FIRSTHDR(&m))
                        memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
                if (line[n++] == '\n')
                        break;
        }
        line[n] = 0;
        return 0;
}

static bool negotiate_hosted(struct rogue *rogue) {
        char line[256];
        int fd;

        EXPECT(dprintf(rogue->socket_fd, "NEGOTIATE_BUS1 hosted\r\n") > 0);
        EXPECT(read_line(rogue->socket_fd, line, sizeof(line), &fd) == 0);
        EXPECT(sscanf(line, "AGREE_BUS1 hosted %lx", &rogue->session) == 1);
        EXPECT(fd >= 0);
        EXPECT(bus1_client_new_from_fd(&rogue->client, fd) == 0);
        rogue->peer_fd = fd;
        rogue->is_hosted = true;
        return true;
}

/* Open a peer on the device, and send its descriptor together with the line NEGOTIATE_BUS1. */
static bool negotiate_device(struct rogue *rogue) {
        static const char request[] = "NEGOTIATE_BUS1 device\r\n";
        struct iovec vec = {(char *)request, strlen(request)};
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(sizeof(int))];
        } control = {
                .header =
                        {
                                .cmsg_level = SOL_SOCKET,
                                .cmsg_type = SCM_RIGHTS,
                                .cmsg_len = CMSG_LEN(sizeof(int)),
                        },
        };
        struct msghdr m = {
                .msg_iov = &vec,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        char line[256];
        int fd;

        EXPECT(bus1_client_new_device(&rogue->client, NULL) == 0);
        rogue->peer_fd = bus1_client_get_peer_fd(rogue->client);
        rogue->is_hosted = false;
        memcpy(CMSG_DATA(&control.header), &rogue->peer_fd, sizeof(rogue->peer_fd));
        EXPECT(sendmsg(rogue->socket_fd, &m, MSG_NOSIGNAL) == (ssize_t)strlen(request));
        EXPECT(read_line(rogue->socket_fd, line, sizeof(line), &fd) == 0);
        EXPECT(sscanf(line, "AGREE_BUS1 device %lx", &rogue->session) == 1);
        return true;
}

bool rogue_join(struct rogue *rogue, const char *address) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        const char *path = strstr(address, "path=") + 5;
        char line[256], uid[16], hex[64] = "";
        int fd;

        memcpy(sa.sun_path, path, strcspn(path, ","));
        rogue->socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT(connect(rogue->socket_fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
        snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
        for (size_t i = 0; uid[i]; i++)
                sprintf(hex + 2 * i, "%02x", (unsigned)uid[i]);
        EXPECT(dprintf(rogue->socket_fd, "%cAUTH EXTERNAL %s\r\n", 0, hex) > 0);
        EXPECT(read_line(rogue->socket_fd, line, sizeof(line), &fd) == 0);
        EXPECT(strncmp(line, "OK ", 3) == 0);
        /* Use the device if it exists. This assumes that the bus could open the device. */
        EXPECT(access("/dev/bus1", F_OK) == 0 ? negotiate_device(rogue) : negotiate_hosted(rogue));
        EXPECT(dprintf(rogue->socket_fd, "BEGIN\r\n") > 0);
        return true;
}

void rogue_leave(struct rogue *rogue) {
        bus1_client_free(rogue->client);
        close(rogue->socket_fd);
}

int rogue_send(struct rogue *rogue, uint64_t to, const void *data, size_t n,
               struct bus1_transfer *transfers, size_t n_transfers, const int *fds, size_t n_fds) {
        struct iovec vec = {(void *)data, n};
        struct bus1_message_fds m = {
                .message =
                        {
                                .flags = BUS1_MESSAGE_FLAG_FDS,
                                .n_transfers = n_transfers,
                                .ptr_transfers = (uintptr_t)transfers,
                                .n_data = n,
                                .n_data_vecs = 1,
                                .ptr_data_vecs = (uintptr_t)&vec,
                        },
                .n_fds = n_fds,
                .ptr_fds = (uintptr_t)fds,
        };

        return bus1_client_send(rogue->client, 1, &to, NULL, &m.message);
}
