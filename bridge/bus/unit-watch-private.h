/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the bus knows about a unit that it watches, for unit-watch.c and state-units.c. */

#include "bridge/base/hash.h"
#include "bridge/bus/unit-state.h"

struct unit_watches;

#define UNIT_PATH_MAX 1024 /* systemd makes three bytes of most characters of a unit's name */

enum unit_question {
        ASKED_NOTHING,
        ASKED_PATH,    /* LoadUnit */
        ASKED_STATE,   /* GetAll of Unit */
        ASKED_SERVICE, /* GetAll of Service */
        N_UNIT_QUESTIONS,
};

struct unit_watch {
        struct unit_watches *watches;
        UT_hash_handle hh;
        unsigned n_starts;           /* 0: it only waits for the answer to its question */
        enum unit_question question; /* under way */
        uint32_t serial;             /* of the question; 0: none */
        bool is_dirty;     /* a signal about the unit came: ask again after this question */
        bool is_outdated;  /* the question came before the last ActivationRequest */
        bool is_requested; /* ActivationRequest was sent, and is not held */
        bool was_handled;  /* systemd has answered a question behind ActivationRequest */
        bool is_hopeless;  /* systemd does not answer questions about the unit */
        unsigned n_second_looks;
        char *path;         /* what systemd calls the object of the unit */
        bool path_is_known; /* systemd has told it; else it follows from the name */
        struct unit_state state;
        struct unit_end told; /* by PropertiesChanged, since the start began */
        struct unit_end end;  /* by the answers */
        char job_result[24];  /* of the last job, see JobRemoved; "": none */
        char name[];
};
