/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Native programs that break the rules
 *
 * A rogue joins by hand, without libbus1-dbus, and sends messages that the library never sends. The
 * bus must end the session after garbage, for example. In any case it must serve all other clients
 * as before.
 */

#include "test/interop/rogue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

bool failed(const char *file, int line, const char *what) {
        fprintf(stderr, "%s:%d: %s\n", file, line, what);
        return false;
}

/* Does the bus close the socket before the time-out? */
static bool rogue_is_dropped(struct rogue *rogue) {
        struct pollfd p = {.fd = rogue->socket_fd, .events = POLLIN};
        char byte;

        return poll(&p, 1, INTEROP_TIMEOUT_MS) == 1 && read(rogue->socket_fd, &byte, 1) <= 0;
}

/* Marshal a call of the interface org.freedesktop.DBus, without arguments. */
static size_t marshal(const char *destination, const char *member, char **ret_data) {
        DBusMessage *m;
        int n;

        m = dbus_message_new_method_call(destination, "/org/freedesktop/DBus",
                                         "org.freedesktop.DBus", member);
        dbus_message_set_serial(m, 1);
        dbus_message_marshal(m, ret_data, &n);
        dbus_message_unref(m);
        return (size_t)n;
}

static bool rogue_hello(struct rogue *rogue) {
        struct bus1_transfer transfers[] = {
                {BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT, BUS1_INVALID},
                {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
        };
        struct pollfd p = {.fd = bus1_client_get_fd(rogue->client), .events = POLLIN};
        char *data;
        size_t n;

        n = marshal("org.freedesktop.DBus", "Hello", &data);
        EXPECT(rogue_send(rogue, rogue->session, data, n, transfers, 2, NULL, 0) == 0);
        dbus_free(data);
        EXPECT(poll(&p, 1, INTEROP_TIMEOUT_MS) == 1);
        return true;
}

static bool is_alive(const char *address) {
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *m, *reply;
        void *member;

        for (size_t i = 0; i < 2; i++) {
                const struct kind *kind = i ? &kind_native : &kind_legacy;

                member = kind->open(address);
                EXPECT(member);
                m = dbus_message_new_method_call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                                 "org.freedesktop.DBus", "GetId");
                reply = kind->call(member, m, &error);
                EXPECT(reply);
                dbus_message_unref(reply);
                dbus_message_unref(m);
                kind->close(member);
        }
        return true;
}

/* Send bytes that are not a message. Their number varies, and they come before or after Hello. */
static bool hostile_garbage(const char *address) {
        static const size_t sizes[] = {0, 1, 15, 16, 100, 4096, 300000};
        uint8_t *data;

        data = malloc(300000);
        for (size_t i = 0; i < 300000; i++)
                data[i] = (uint8_t)(i * 7 + 1);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
                for (int hello = 0; hello < 2; hello++) {
                        struct rogue rogue;

                        EXPECT(rogue_join(&rogue, address));
                        EXPECT(!hello || rogue_hello(&rogue));
                        EXPECT(rogue_send(&rogue, rogue.session, data, sizes[i], NULL, 0, NULL,
                                          0) == 0);
                        EXPECT(rogue_is_dropped(&rogue));
                        rogue_leave(&rogue);
                }
        free(data);
        return true;
}

/*
 * Send valid messages with one byte changed, each in a session of its own. Some of them are still
 * valid. None may crash the bus.
 */
static bool hostile_mutations(const char *address) {
        struct bus1_transfer transfer;
        unsigned seed = 1;
        char *data;
        size_t n;

        n = marshal("org.freedesktop.DBus", "ListNames", &data);
        for (int i = 0; i < 300; i++) {
                struct rogue rogue;
                char *copy;

                EXPECT(rogue_join(&rogue, address));
                EXPECT(rogue_hello(&rogue));
                copy = malloc(n);
                memcpy(copy, data, n);
                copy[(size_t)rand_r(&seed) % n] = (char)rand_r(&seed);
                transfer = (struct bus1_transfer){
                        BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT, BUS1_INVALID};
                rogue_send(&rogue, rogue.session, copy, n, &transfer, 1, NULL, 0);
                free(copy);
                rogue_leave(&rogue);
        }
        dbus_free(data);
        return true;
}

/* Send too many bytes, too many descriptors, a Hello without a handle, and a call before Hello. */
static bool hostile_sizes(const char *address) {
        struct rogue rogue;
        int fds[200];
        char *data;
        size_t n;

        EXPECT(rogue_join(&rogue, address));
        n = 140U * 1024 * 1024;
        data = calloc(1, n);
        data[0] = 'l';
        EXPECT(rogue_send(&rogue, rogue.session, data, n, NULL, 0, NULL, 0) == 0);
        free(data);
        EXPECT(rogue_is_dropped(&rogue));
        rogue_leave(&rogue);

        /* The bus closes descriptors that the header of their message does not declare. */
        EXPECT(rogue_join(&rogue, address));
        EXPECT(rogue_hello(&rogue));
        for (size_t i = 0; i < 200; i++)
                fds[i] = eventfd(0, EFD_CLOEXEC);
        n = marshal("org.freedesktop.DBus", "GetId", &data);
        rogue_send(&rogue, rogue.session, data, n, NULL, 0, fds, 200);
        dbus_free(data);
        for (size_t i = 0; i < 200; i++)
                close(fds[i]);
        rogue_leave(&rogue);

        /* a Hello without the handle of a home node */
        EXPECT(rogue_join(&rogue, address));
        n = marshal("org.freedesktop.DBus", "Hello", &data);
        rogue_send(&rogue, rogue.session, data, n, NULL, 0, NULL, 0);
        dbus_free(data);
        EXPECT(rogue_is_dropped(&rogue));
        rogue_leave(&rogue);

        /* another call before Hello */
        EXPECT(rogue_join(&rogue, address));
        n = marshal("org.example.Somebody", "Anything", &data);
        rogue_send(&rogue, rogue.session, data, n, NULL, 0, NULL, 0);
        dbus_free(data);
        EXPECT(rogue_is_dropped(&rogue));
        rogue_leave(&rogue);
        return true;
}

/* Count the open descriptors of the bus. */
static size_t count_fds(pid_t pid) {
        char path[64];
        size_t n = 0;

        for (int i = 0; i < 4096; i++) {
                struct stat st;

                snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, i);
                n += lstat(path, &st) == 0;
        }
        return n;
}

/* Leave before or after Hello. No descriptor of these sessions may stay open in the bus. */
static bool hostile_drops(const char *address, pid_t pid) {
        size_t before;

        EXPECT(is_alive(address));
        usleep(200000);
        before = count_fds(pid);
        for (int i = 0; i < 1000; i++) {
                struct rogue rogue;

                EXPECT(rogue_join(&rogue, address));
                EXPECT(i % 3 == 0 || rogue_hello(&rogue));
                if (i % 2)
                        close(rogue.socket_fd);
                bus1_client_free(rogue.client);
                if (!(i % 2))
                        close(rogue.socket_fd);
        }
        EXPECT(is_alive(address));
        for (int i = 0; i < 100 && count_fds(pid) > before; i++)
                usleep(50000);
        EXPECT(count_fds(pid) <= before);
        return true;
}

/* Call a method of the bus with a string, and with flags unless they are NULL. */
static bool rogue_call(struct rogue *rogue, uint32_t serial, const char *member, const char *text,
                       const uint32_t *flags) {
        struct bus1_transfer transfer = {BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                                         BUS1_INVALID};
        DBusMessage *m = dbus_message_new_method_call(
                "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", member);
        char *data;
        int n;

        dbus_message_append_args(m, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        if (flags)
                dbus_message_append_args(m, DBUS_TYPE_UINT32, flags, DBUS_TYPE_INVALID);
        dbus_message_set_serial(m, serial);
        dbus_message_marshal(m, &data, &n);
        EXPECT(rogue_send(rogue, rogue->session, data, (size_t)n, &transfer, 1, NULL, 0) == 0);
        dbus_free(data);
        dbus_message_unref(m);
        return true;
}

/* Fill the queue of a client with calls. It answers none, so only each hundredth wants a reply. */
static bool fill(void *member, const char *name, const char *payload) {
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *m;
        bool full;

        for (int i = 0; i < 30000 && !dbus_error_is_set(&error); i++) {
                m = dbus_message_new_method_call(name, "/", name, "Call");
                dbus_message_append_args(m, DBUS_TYPE_STRING, &payload, DBUS_TYPE_INVALID);
                if (i % 100 == 99) {
                        DBusMessage *reply =
                                dbus_connection_send_with_reply_and_block(member, m, 300, &error);
                        if (reply)
                                dbus_message_unref(reply);
                        /* If the call timed out, the queue is not full yet. */
                        if (dbus_error_has_name(&error, DBUS_ERROR_NO_REPLY))
                                dbus_error_free(&error);
                } else {
                        dbus_message_set_no_reply(m, TRUE);
                        kind_legacy.emit(member, m);
                }
                dbus_message_unref(m);
        }
        full = dbus_error_has_name(&error, DBUS_ERROR_LIMITS_EXCEEDED);
        dbus_error_free(&error);
        return full;
}

/* A client that never reads harms no other client. When its queue is full, callers get an error. */
static bool hostile_lazy(const char *address) {
        const char *name = "org.bus1.Lazy", *rule = "interface='" INTEROP_INTERFACE "'";
        struct rogue rogue;
        DBusMessage *m;
        char *payload;
        void *member, *listener;
        uint32_t flags = 0;

        EXPECT(rogue_join(&rogue, address));
        EXPECT(rogue_hello(&rogue));
        EXPECT(rogue_call(&rogue, 2, "RequestName", name, &flags));
        EXPECT(rogue_call(&rogue, 3, "AddMatch", rule, NULL));

        member = kind_legacy.open(address);
        EXPECT(member);
        payload = malloc(1024 * 1024);
        memset(payload, 'x', 1024 * 1024 - 1);
        payload[1024 * 1024 - 1] = 0;
        EXPECT(fill(member, name, payload));

        /* The bus drops a signal for the full client, and delivers it to the others. */
        listener = kind_native.open(address);
        EXPECT(listener && kind_native.subscribe(listener, rule));
        m = dbus_message_new_signal(INTEROP_PATH, INTEROP_INTERFACE, "Told");
        dbus_message_append_args(m, DBUS_TYPE_STRING, &payload, DBUS_TYPE_INVALID);
        EXPECT(kind_legacy.emit(member, m));
        dbus_message_unref(m);
        m = kind_native.wait_signal(listener);
        EXPECT(m && dbus_message_is_signal(m, INTEROP_INTERFACE, "Told"));
        dbus_message_unref(m);
        kind_native.close(listener);

        /* It has no channel, so it need not hear that channels are closed, and stays. */
        EXPECT(fill(member, name, ""));
        EXPECT(kind_legacy.subscribe(member, "eavesdrop='true',member='Nothing'"));
        EXPECT(is_alive(address));
        EXPECT(dbus_bus_name_has_owner(member, name, NULL));

        free(payload);
        kind_legacy.close(member);
        EXPECT(is_alive(address));
        rogue_leave(&rogue);
        return true;
}

/* If bus1 does not pass a descriptor, its sender gets an error, and no other client is harmed. */
static bool hostile_files(const char *address) {
        const char *name = "org.bus1.Files";
        struct rogue rogue;
        uint32_t flags = 0;
        int fds[3], sockets[2];
        void *member;

        EXPECT(rogue_join(&rogue, address));
        EXPECT(rogue_hello(&rogue));
        EXPECT(rogue_call(&rogue, 2, "RequestName", name, &flags));
        member = kind_legacy.open(address);
        EXPECT(member);
        EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
        fds[0] = eventfd(0, EFD_CLOEXEC);
        fds[1] = sockets[0];
        fds[2] = rogue.peer_fd;
        for (size_t i = 0; i < 3; i++) {
                /* The device passes no unix sockets and no peers, a hosted core no peers. */
                bool taken = i == 0 || (i == 1 && rogue.is_hosted);
                DBusError error = DBUS_ERROR_INIT;
                DBusMessage *m = dbus_message_new_method_call(name, "/", name, "Take");

                dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fds[i], DBUS_TYPE_INVALID);
                /* If bus1 takes the descriptor, the rogue gets the call, but never answers. */
                EXPECT(!dbus_connection_send_with_reply_and_block(member, m, taken ? 300 : 10000,
                                                                  &error));
                EXPECT(dbus_error_has_name(&error,
                                           taken ? DBUS_ERROR_NO_REPLY : DBUS_ERROR_NOT_SUPPORTED));
                dbus_error_free(&error);
                dbus_message_unref(m);
        }
        close(fds[0]);
        close(sockets[0]);
        close(sockets[1]);
        kind_legacy.close(member);
        EXPECT(is_alive(address));
        rogue_leave(&rogue);
        return true;
}

/* the handshake */

/* Send a line, with a descriptor when fd is not negative, and read the answer. */
static bool say(int socket_fd, const char *line, int fd, char *answer, size_t n_answer,
                int *ret_fd) {
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec vec = {(void *)line, strlen(line)};
        struct msghdr m = {.msg_iov = &vec, .msg_iovlen = 1};
        size_t n = 0;

        if (fd >= 0) {
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
                m.msg_control = &control;
                m.msg_controllen = sizeof(control);
        }
        EXPECT(sendmsg(socket_fd, &m, MSG_NOSIGNAL) == (ssize_t)strlen(line));
        while (n + 1 < n_answer) {
                vec = (struct iovec){answer + n, 1};
                m = (struct msghdr){
                        .msg_iov = &vec,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
                };
                if (recvmsg(socket_fd, &m, 0) != 1)
                        break;
                if (CMSG_FIRSTHDR(&m) && ret_fd)
                        memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
                if (answer[n++] == '\n')
                        break;
        }
        answer[n] = 0;
        return true;
}

static bool authenticate(int socket_fd) {
        char line[128] = "AUTH EXTERNAL ", uid[16], answer[256];

        snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
        for (size_t i = 0; uid[i]; i++)
                sprintf(line + strlen(line), "%02x", (unsigned)uid[i]);
        strcat(line, "\r\n");
        EXPECT(say(socket_fd, line, -1, answer, sizeof(answer), NULL));
        EXPECT(strncmp(answer, "OK ", 3) == 0);
        return true;
}

static int connect_raw(const char *address) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        const char *path = strstr(address, "path=") + 5;
        int fd;

        memcpy(sa.sun_path, path, strcspn(path, ","));
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || write(fd, "", 1) != 1)
                return -1;
        return fd;
}

/* Send NEGOTIATE_BUS1 at wrong times, repeatedly, and with descriptors that are not peers. */
static bool hostile_handshake(const char *address, pid_t pid) {
        static const char *const modes[] = {"hosted", "device", "else", ""};
        int sockets[2], pipes[2], fds[5];
        char answer[256], line[64];
        int fd, peer = -1;
        size_t before;

        EXPECT(is_alive(address));
        usleep(200000);
        before = count_fds(pid);
        EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
        EXPECT(pipe(pipes) == 0);
        fds[0] = sockets[0];
        fds[1] = pipes[0];
        fds[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
        fds[3] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        fds[4] = -1;
        for (size_t mode = 0; mode < 4; mode++)
                for (size_t i = 0; i < 5; i++) {
                        fd = connect_raw(address);
                        EXPECT(fd >= 0);
                        snprintf(line, sizeof(line), "NEGOTIATE_BUS1 %s\r\n", modes[mode]);
                        /*
                         * Before authentication the bus answers ERROR. At this time a descriptor
                         * would end the connection, so this line carries none.
                         */
                        EXPECT(say(fd, line, -1, answer, sizeof(answer), NULL));
                        EXPECT(strncmp(answer, "ERROR", 5) == 0);
                        EXPECT(authenticate(fd));
                        peer = -1;
                        EXPECT(say(fd, line, fds[i], answer, sizeof(answer), &peer));
                        EXPECT(!strncmp(answer, "ERROR", 5) || !strncmp(answer, "AGREE_BUS1", 10) ||
                               !answer[0]);
                        if (peer >= 0)
                                close(peer);
                        close(fd);
                }

        /* NEGOTIATE_BUS1 works only once after each authentication, and CANCEL undoes both. */
        fd = connect_raw(address);
        EXPECT(authenticate(fd));
        EXPECT(say(fd, "NEGOTIATE_BUS1 hosted\r\n", -1, answer, sizeof(answer), &peer));
        EXPECT(strncmp(answer, "AGREE_BUS1 hosted ", 18) == 0 && peer >= 0);
        EXPECT(say(fd, "NEGOTIATE_BUS1 hosted\r\n", -1, answer, sizeof(answer), NULL));
        EXPECT(strncmp(answer, "ERROR", 5) == 0);
        EXPECT(say(fd, "CANCEL\r\n", -1, answer, sizeof(answer), NULL));
        EXPECT(strncmp(answer, "REJECTED", 8) == 0);
        EXPECT(say(fd, "NEGOTIATE_BUS1 hosted\r\n", -1, answer, sizeof(answer), NULL));
        EXPECT(strncmp(answer, "ERROR", 5) == 0);
        EXPECT(authenticate(fd));
        EXPECT(say(fd, "NEGOTIATE_BUS1 hosted\r\n", -1, answer, sizeof(answer), NULL));
        close(peer);
        close(fd);

        close(sockets[0]);
        close(sockets[1]);
        close(pipes[0]);
        close(pipes[1]);
        close(fds[2]);
        close(fds[3]);
        EXPECT(is_alive(address));
        for (int i = 0; i < 100 && count_fds(pid) > before; i++)
                usleep(50000);
        EXPECT(count_fds(pid) <= before);
        return true;
}

/* A session ends when a byte arrives on its anchor, or if the program shuts down sending on it. */
static bool hostile_anchor(const char *address) {
        for (int i = 0; i < 4; i++) {
                struct rogue rogue;

                EXPECT(rogue_join(&rogue, address));
                EXPECT(i < 2 || rogue_hello(&rogue));
                if (i % 2)
                        EXPECT(write(rogue.socket_fd, "l", 1) == 1);
                else
                        EXPECT(shutdown(rogue.socket_fd, SHUT_WR) == 0);
                EXPECT(rogue_is_dropped(&rogue));
                rogue_leave(&rogue);
        }
        return true;
}

/* byte order */

/* Write padding and a header field with a string at offset "at". Returns the offset of its end. */
static size_t put_field(uint8_t *p, size_t at, uint8_t code, char type, const char *text) {
        size_t n = strlen(text);

        while (at % 8)
                p[at++] = 0;
        p[at++] = code;
        p[at++] = 1;
        p[at++] = (uint8_t)type;
        p[at++] = 0;
        p[at++] = 0;
        p[at++] = 0;
        p[at++] = 0;
        p[at++] = (uint8_t)n;
        memcpy(p + at, text, n + 1);
        return at + n + 1;
}

/* Send a call of GetId in big-endian order, and then copies of it, each with one byte changed. */
static bool hostile_endian(const char *address) {
        struct bus1_transfer transfer;
        uint8_t call[256] = {'B', 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};
        struct bus1_received *received;
        struct rogue rogue;
        struct pollfd p;
        bool answered = false;
        size_t n = 16;

        n = put_field(call, n, 1, 'o', "/org/freedesktop/DBus");
        n = put_field(call, n, 2, 's', "org.freedesktop.DBus");
        n = put_field(call, n, 3, 's', "GetId");
        n = put_field(call, n, 6, 's', "org.freedesktop.DBus");
        call[15] = (uint8_t)(n - 16);
        n = (n + 7) & ~(size_t)7;

        EXPECT(rogue_join(&rogue, address));
        EXPECT(rogue_hello(&rogue));
        transfer = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                                          BUS1_INVALID};
        EXPECT(rogue_send(&rogue, rogue.session, call, n, &transfer, 1, NULL, 0) == 0);
        p = (struct pollfd){.fd = bus1_client_get_fd(rogue.client), .events = POLLIN};
        while (!answered && poll(&p, 1, INTEROP_TIMEOUT_MS) == 1)
                if (bus1_client_recv_alloc(rogue.client, &received) >= 0) {
                        answered = received->type == BUS1_MESSAGE_TYPE_USER &&
                                   received->metadata.metadata.id == transfer.id &&
                                   received->n_data > 16 && received->data[1] == 2;
                        bus1_received_free(received);
                }
        EXPECT(answered);
        rogue_leave(&rogue);

        for (size_t i = 0; i < n; i++) {
                EXPECT(rogue_join(&rogue, address));
                EXPECT(rogue_hello(&rogue));
                call[i] ^= 0x41;
                transfer = (struct bus1_transfer){
                        BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT, BUS1_INVALID};
                rogue_send(&rogue, rogue.session, call, n, &transfer, 1, NULL, 0);
                call[i] ^= 0x41;
                rogue_leave(&rogue);
        }
        return true;
}

int main(int argc, char **argv) {
        struct daemon daemon = {};
        bool ok = false;

        if (argc != 3 || !daemon_start(&daemon, argv[1], ""))
                return EXIT_FAILURE;
        if (strcmp(argv[2], "garbage") == 0)
                ok = hostile_garbage(daemon.address);
        else if (strcmp(argv[2], "mutations") == 0)
                ok = hostile_mutations(daemon.address);
        else if (strcmp(argv[2], "sizes") == 0)
                ok = hostile_sizes(daemon.address);
        else if (strcmp(argv[2], "drops") == 0)
                ok = hostile_drops(daemon.address, daemon.pid);
        else if (strcmp(argv[2], "files") == 0)
                ok = hostile_files(daemon.address);
        else if (strcmp(argv[2], "lazy") == 0)
                ok = hostile_lazy(daemon.address);
        else if (strcmp(argv[2], "handshake") == 0)
                ok = hostile_handshake(daemon.address, daemon.pid);
        else if (strcmp(argv[2], "anchor") == 0)
                ok = hostile_anchor(daemon.address);
        else if (strcmp(argv[2], "endian") == 0)
                ok = hostile_endian(daemon.address);
        ok = ok && is_alive(daemon.address);
        if (!daemon_stop(&daemon))
                ok = failed(__FILE__, __LINE__, "the bus did not end well");
        return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
