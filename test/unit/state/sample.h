/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A small state document with a field of each type, for tests. */

#include "bridge/state/load.h"
#include "bridge/state/save.h"

#define SAMPLE_KINDS 5 /* records between Header and End */

struct sample {
        int fds[3];           /* open; the document names all of them */
        struct message *call; /* with fds[1] and fds[2] */
        struct message *raw;  /* bytes of a handshake */
        const uint8_t *bytes; /* long ones */
        size_t n_bytes;
        const char *not_utf8;
};

/* Returns 0 or -ENOMEM. Messages own their descriptors. */
int sample_init(struct sample *sample);
void sample_deinit(struct sample *sample);

/* Write the document. Returns what state_save_finish() returns. */
int sample_save(const struct sample *sample, int *ret_fd);
/* Read it and compare it. Returns load->error, or -EPROTO if it is not the same. */
int sample_load(const struct sample *sample, struct state_load *load);
