/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The example of doc/programming/libbus1.md: a service that adds numbers, and its client. The
 * parent owns a node and gives a handle to the peer of its child. The child calls through this
 * handle, and passes a handle to a one-shot node for the answer. Needs a bus1 core: /dev/bus1 or
 * bus1-hosted.
 */

#include <bus1/bus1.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Wait for the next message. */
static int receive(struct bus1_client *client, struct bus1_received **ret_received) {
        struct pollfd p = {.fd = bus1_client_get_fd(client), .events = POLLIN};
        int r;

        while ((r = bus1_client_recv_alloc(client, ret_received)) == -EAGAIN)
                if (poll(&p, 1, -1) < 0 && errno != EINTR)
                        return -errno;

        return r;
}

static int send_bytes(struct bus1_client *client, uint64_t handle, const void *data, size_t n,
                      struct bus1_transfer *transfers, size_t n_transfers) {
        struct iovec vec = {(void *)data, n};
        struct bus1_message message = {
                .type = BUS1_MESSAGE_TYPE_USER,
                .n_transfers = n_transfers,
                .ptr_transfers = (uintptr_t)transfers,
                .n_data = n,
                .n_data_vecs = 1,
                .ptr_data_vecs = (uintptr_t)&vec,
        };

        return bus1_client_send(client, 1, &handle, NULL, &message);
}

/* Answer until no client has a handle any more. */
static int serve(struct bus1_client *client) {
        struct bus1_received *received;
        int r;

        while ((r = receive(client, &received)) >= 0) {
                int32_t numbers[2], sum;

                if (received->type == BUS1_MESSAGE_TYPE_HANDLE_RELEASE) {
                        bus1_received_free(received);
                        return 0;
                }

                if (received->type == BUS1_MESSAGE_TYPE_USER && received->n_transfers == 1 &&
                    received->n_data == sizeof(numbers)) {
                        memcpy(numbers, received->data, sizeof(numbers));
                        sum = numbers[0] + numbers[1];
                        send_bytes(client, received->transfers[0].id, &sum, sizeof(sum), NULL, 0);
                }
                bus1_received_free(received);
        }

        return r;
}

static int call(struct bus1_client *client, uint64_t handle, int32_t a, int32_t b) {
        /* The answer arrives on this node, which accepts no other message. */
        struct bus1_transfer reply = {BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                                      BUS1_INVALID};
        struct bus1_received *received;
        int32_t numbers[2] = {a, b}, sum;
        int r;

        r = send_bytes(client, handle, numbers, sizeof(numbers), &reply, 1);
        if (r < 0)
                return r;

        r = receive(client, &received);
        if (r < 0)
                return r;

        /* A HANDLE_RELEASE instead of an answer would mean that no peer can answer any more. */
        if (received->type == BUS1_MESSAGE_TYPE_USER &&
            received->metadata.metadata.id == reply.id && received->n_data == sizeof(sum)) {
                memcpy(&sum, received->data, sizeof(sum));
                printf("%d + %d = %d, says uid %llu\n", a, b, sum,
                       (unsigned long long)received->metadata.uid);
        } else {
                r = -EPROTO;
        }

        bus1_received_free(received);
        return r;
}

int main(void) {
        struct bus1_client *service = NULL, *client = NULL;
        struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, dst;
        int r, status = 0;
        pid_t pid;

        r = bus1_client_new(&service);
        if (r >= 0)
                r = bus1_client_new(&client);
        /* a node of the service, and a handle to it that only the client has */
        if (r >= 0)
                r = bus1_client_transfer(service, client, 1, &src, &dst);
        if (r < 0) {
                fprintf(stderr, "example: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }

        pid = fork();
        if (pid < 0)
                return EXIT_FAILURE;
        if (pid == 0) {
                bus1_client_free(service);
                r = call(client, dst.id, 3, 4);
                if (r >= 0)
                        r = call(client, dst.id, 40, 2);
                bus1_client_free(client);
                fflush(stdout);
                _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        }

        /* from here on only the child has the peer of the client, which ends with the child */
        bus1_client_free(client);
        r = serve(service);
        bus1_client_free(service);
        waitpid(pid, &status, 0);
        return r < 0 || status != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
