/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What hosted_freeze() has reported, as a test can keep it, change it, and thaw it
 *
 * A function that fails for another reason than its argument aborts the program.
 */

#include "kernel/hosted/freeze.h"

enum tape_kind {
        TAPE_PEER,
        TAPE_SERVED,
        TAPE_LOCAL,
        TAPE_NODE,
        TAPE_HANDLE,
        TAPE_PAYLOAD,
        TAPE_MESSAGE,
        TAPE_NOTIFICATION,
        _TAPE_N,
};

struct tape_record {
        enum tape_kind kind;
        union {
                struct bus1_frozen_peer peer;
                struct hosted_frozen_served served;
                struct hosted_frozen_local local;
                struct bus1_frozen_node node;
                struct bus1_frozen_handle handle;
                struct hosted_frozen_payload payload; /* with copies of what it points to */
                struct bus1_frozen_message message;
                struct bus1_frozen_notification notification;
        };
};

struct tape {
        struct hosted_frozen_domain domain;
        struct tape_record *records;
        size_t n; /* there is room for one more */
};

/* Returns 0 or the error of hosted_freeze(). */
int tape_record(struct bus1_domain *domain, struct bus1_client *const *clients, size_t n_clients,
                struct tape **ret);
struct tape *tape_free(struct tape *tape);
/* The tape as text, to be freed. Equal tapes have equal texts. */
char *tape_text(const struct tape *tape);
/* Returns 0 or the error of the thaw, which is given up then. */
int tape_thaw(const struct tape *tape, struct bus1_domain **ret_domain,
              struct bus1_client **ret_clients, size_t n_clients);

/* The record number i of a kind; fails the test when there are not so many. */
struct tape_record *tape_find(struct tape *tape, enum tape_kind kind, size_t i);
