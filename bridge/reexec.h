/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Re-execution - the bus executes its program again, and no connection is lost
 *
 * After an upgrade, the file of the program is another one. The process stays the same, with its
 * pid and its descriptors; its state goes over in a state document (bridge/state/document.h).
 *
 *      reexec_request()
 *        save             a first document, as soon as the bus is at rest
 *        check            a child executes the new program with --check-state: it reads its
 *                         configuration, and takes over the document with copies of the
 *                         descriptors, but serves nobody. If it fails, or takes too long, that is
 *                         the end of the request, and the bus has not changed
 *        save             another document, since the bus has gone on meanwhile. If the files of
 *                         the configuration have changed, too, everything begins anew
 *        execve()         with the document in $BUS1_BRIDGE_STATE
 *      reexec_take()      the new program finds the document
 *      reexec_answer()    it has taken over, and answers those who have asked for it
 *      reexec_fall_back() it cannot take over after all: it executes the old program again
 */

#include <stdbool.h>
#include <stdint.h>

#include "bridge/activation/child.h"
#include "bridge/base/loop.h"

struct later;
struct log;
struct state_save;

enum reexec_phase {
        REEXEC_IDLE,
        REEXEC_SAVE,  /* wait until the bus is at rest, for the first document */
        REEXEC_CHECK, /* wait for the child */
        REEXEC_READY, /* wait until the bus is at rest, for the second document */
};

struct reexec {
        struct loop *loop;
        struct log *log;
        struct children *children;
        const char *program; /* name and version, for the documents */
        char *const *argv;   /* of this process */
        char *path;          /* of the file of the program; NULL: unknown */
        enum reexec_phase phase;
        uint64_t n_changes; /* count_changes() when the check began */
        unsigned n_checks;  /* of this request */
        struct child *child;
        struct later *laters; /* of those who have asked by a call: they are told of a failure */
        struct loop_timer timer;
        /*
         * Is nothing under way that a document cannot describe? It is called in each turn. 1: yes,
         * 0: no, or a negative errno that is fatal.
         */
        int (*come_to_rest)(void *userdata);
        /* How often have files changed that the check reads? */
        uint64_t (*count_changes)(void *userdata);
        /* Write all records. */
        void (*save)(void *userdata, struct state_save *save);
        /* The bus is about to execute the program; it could not, and goes on. */
        void (*begins)(void *userdata);
        int (*goes_on)(void *userdata); /* 0, or a negative errno that is fatal */
        void *userdata;
};

/* Look up the path of the program, unless reexec->path is set. Call it before the user changes. */
void reexec_init(struct reexec *reexec);
void reexec_deinit(struct reexec *reexec);
/*
 * Begin, unless it is under way. What becomes of it is in the log. later, if not NULL, fails if the
 * bus goes on with this program. Otherwise it is in the document, like all deferred answers.
 * Returns 0 or a negative errno that is fatal, like what runs in the loop.
 */
int reexec_request(struct reexec *reexec, struct later *later);
/*
 * The document has been taken over: answer the calls in it that have asked for that. is_old: by the
 * program of before (reexec_fall_back()), which is a failure. The list (owner_next) is used up.
 */
int reexec_answer(struct later *list, bool is_old);

/*
 * The beginning of a program: *ret_state_fd is the document that this process has written before it
 * executed this program, or -1; *ret_old_fd is the program of before, or -1 if this is that one.
 * Removes the variable from the environment.
 */
void reexec_take(int *ret_state_fd, int *ret_old_fd);
/* Execute the program of before. Returns only on failure, with a negative errno. */
int reexec_fall_back(char *const *argv, int state_fd, int old_fd);
