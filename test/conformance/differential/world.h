/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The world of a sequence: both daemons, the clients, and the state that the generator needs
 *
 * Client 0 is the control. It is always connected and sees every change of the owner of a name. So
 * the test knows when the buses have noticed that another client has left. The others come and go.
 */

#include "test/conformance/differential/side.h"

#define N_CLIENTS 6 /* the control and up to five others */
#define N_PENDING 32
#define N_RULES 8
#define N_NAMES 16

/* random numbers (splitmix64) */

struct random {
        uint64_t state;
};

static inline uint64_t random_next(struct random *random) {
        uint64_t z = (random->state += 0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
}

/* A random number below n. */
static inline unsigned random_below(struct random *random, unsigned n) {
        return (unsigned)(random_next(random) % n);
}

static inline bool random_percent(struct random *random, unsigned percent) {
        return random_below(random, 100) < percent;
}

/* clients */

enum client_state {
        CLIENT_ABSENT,
        CLIENT_RAW, /* authenticated, but Hello is not called yet */
        CLIENT_READY,
        CLIENT_MONITOR,
};

/* a call that a client has received and not answered yet */
struct pending {
        char caller[32];
        uint32_t serial;
};

struct client {
        enum client_state state;
        bool with_fds;
        char unique[32];
        uint32_t serial;  /* the last serial used */
        uint32_t barrier; /* the serial of the call whose reply is awaited */
        struct pending pending[N_PENDING];
        size_t n_pending;
        char rules[N_RULES][256]; /* some match rules that the client has sent in AddMatch */
        unsigned n_rules;
        struct channel channels[N_SIDES];
};

struct name_owner {
        char name[64];
        char owner[32];
};

struct world {
        struct daemon daemons[N_SIDES];
        struct client clients[N_CLIENTS];
        struct name_owner names[N_NAMES]; /* well-known names that have an owner */
        size_t n_names;
        struct random random;
        const char *directory;
        bool verbose; /* print all received messages */
};

/* steps */

enum step_kind {
        STEP_CONNECT,
        STEP_SEND,
        STEP_CLOSE,
        STEP_HALF_CLOSE,
};

struct step {
        enum step_kind kind;
        unsigned actor;
        bool with_hello;      /* for STEP_CONNECT */
        bool becomes_monitor; /* if the bus does not refuse */
        bool unrequested;     /* the message is a reply that its destination does not wait for */
        struct bytes message; /* the message to send */
        struct received sent; /* the same message, if it can be parsed */
        bool parsed;
        char actor_name[32]; /* the actor's unique name when the step began */
};

/* Choose the next step of a client. */
void step_generate(struct world *world, struct step *step, unsigned actor);
/* Draft a call of a method of the bus. The caller adds the arguments. */
void draft_bus_call(struct draft *draft, const char *member, uint32_t serial);
/*
 * Ask both buses, through the control, which clients own or wait for the name. Returns the number
 * of these clients on the reference. It is 0 if a bus does not answer.
 */
unsigned world_count_owners(struct world *world, const char *name);
/* The client with the unique or well-known name, or NULL. */
struct client *world_find(struct world *world, const char *name);

/* comparison */

/*
 * Did every client receive the same on both sides? If not, and unless quiet is set, prints the
 * differences. With world->verbose, always prints everything.
 */
bool compare_step(struct world *world, const struct step *step, unsigned long sequence,
                  unsigned number, bool quiet);
/* Do both have the same type, flags and known header fields, in any order? */
bool compare_fields(const struct received *a, const struct received *b);
/* Do the messages differ in byte order, and are their bodies the same apart from that? */
bool compare_swapped(const struct received *a, const struct received *b);
/* Print how often each documented difference occurred. Returns false if one never did. */
bool differences_report(void);
/* Returns false if a difference has no row in the document. */
bool differences_check_document(const char *path);

enum explanation {
        NOT_EXPLAINED,
        ONLY_ON_REFERENCE, /* the bridge sends no such message */
        ONLY_ON_BRIDGE,
        ON_BOTH, /* both send the message, but in different forms */
};
/* Explain why two messages differ. A message is NULL if its side has no more messages. */
enum explanation difference_explain(const struct world *world, const struct step *step,
                                    const struct client *client, const struct received *reference,
                                    const struct received *bridge);
