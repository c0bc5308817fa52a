/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A hosted server as seen by a client that speaks its protocol by hand. */

#include "libbus1/hosted-protocol.h"
#include "test/unit/libbus1/fixture.h"

int raw_connect(struct fixture *fixture);
/* Returns 0 or a negative errno. */
int raw_send(int fd, const void *packet, size_t n, const int *fds, size_t n_fds);
/* Returns the result of the reply, or -ESHUTDOWN when the server ends the connection instead. */
int raw_reply(int fd);
/* Send a request from a new client. Returns the result. */
int raw_try(struct fixture *fixture, const struct bus1_hosted_request *request, const void *body,
            size_t n_body, const int *fds, size_t n_fds);
int raw_call(int fd, const struct bus1_hosted_request *request);

struct bus1_hosted_request request_init(uint32_t command);
int memfd_sealed(size_t n, int seals);
/* Check that the server still serves other clients. */
void expect_server_works(struct fixture *fixture);
