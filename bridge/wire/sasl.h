/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SASL, the server's side (D-Bus spec, "Authentication Protocol")
 *
 * This is a state machine over lines. It does no input or output: the connection feeds it the bytes
 * that were received, and sends the bytes in the answer buffer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SASL_LINE_MAX 16384    /* bytes of a line, without CR LF */
#define SASL_REJECTED_MAX 6    /* the connection is closed after this many REJECTED */
#define SASL_ANSWER_MAX 1024   /* room for the answer to one line, in bytes */
#define SASL_USER_MAX 256      /* bytes of a user's name */
#define SASL_CONTEXT_MAX 64    /* bytes of the name of a keyring */
#define SASL_CHALLENGE_SIZE 16 /* random bytes */

enum {
        SASL_MECHANISM_EXTERNAL = 1 << 0,
        SASL_MECHANISM_COOKIE_SHA1 = 1 << 1,
        SASL_MECHANISM_ANONYMOUS = 1 << 2,
};

/* What the caller of sasl_server_feed() has to do next. */
enum sasl_event {
        SASL_MORE, /* send what the answer holds, if anything, and feed more input */
        /* call sasl_server_agree_bus1() or _refuse_bus1(), then feed the rest */
        SASL_NEGOTIATE_BUS1,
        /* call sasl_server_challenge() or _refuse_cookie(), then feed the rest */
        SASL_COOKIE,
        SASL_BEGIN, /* authenticated; what was not consumed comes after the handshake */
        SASL_CLOSE, /* send what the answer holds, if anything, and close */
};

enum sasl_bus1_mode {
        SASL_BUS1_DEVICE, /* the client passes its /dev/bus1 descriptor with the line */
        SASL_BUS1_HOSTED, /* the client asks for a hosted peer */
};

struct sasl_server {
        unsigned mechanisms;     /* SASL_MECHANISM_*; what is allowed */
        const char *guid;        /* 32 hex digits; must live as long as this struct */
        bool can_pass_fds;       /* the transport can pass descriptors */
        bool can_bus1;           /* NEGOTIATE_BUS1 is understood */
        uint32_t peer_uid;       /* from the socket; UINT32_MAX when unknown */
        uint32_t cookie_uid;     /* the user that can authenticate with cookies; UINT32_MAX: none */
        const char *cookie_user; /* the name of that user or NULL; as long-lived as guid */
        /* results, valid after SASL_BEGIN */
        bool negotiated_fds;
        bool negotiated_bus1;
        unsigned mechanism; /* the one that succeeded */
        /* a static text: the rule that was broken; valid after SASL_CLOSE */
        const char *violation;
        /* private */
        unsigned state;
        unsigned n_rejected;
        bool nul_seen;
        enum sasl_event answer_due; /* the event that waits for its answer, or SASL_MORE */
        struct sasl_challenge *challenge;
        enum sasl_bus1_mode bus1_mode;
        char *line; /* the unfinished line, allocated on demand */
        size_t n_line;
};

struct sasl_answer {
        char text[SASL_ANSWER_MAX * 4];
        size_t n;
};

/*
 * Set all members to their defaults: only EXTERNAL is allowed, descriptors and bus1 are possible,
 * and the users are unknown. The caller must then set guid, and peer_uid if it is known.
 */
void sasl_server_init(struct sasl_server *s);
void sasl_server_deinit(struct sasl_server *s);
/*
 * Take bytes; the first byte of the connection must be NUL. Stops after each event but SASL_MORE.
 * Stops also when the answer buffer may have no room for the answer to the next line: then
 * *ret_event is SASL_MORE and *ret_consumed < n, and the caller sends the answer and feeds the
 * rest. Returns 0 or -ENOMEM.
 */
int sasl_server_feed(struct sasl_server *s, const char *in, size_t n, size_t *ret_consumed,
                     struct sasl_answer *answer, enum sasl_event *ret_event);
/* Answer "AGREE_BUS1 device|hosted <session handle, hex>". */
void sasl_server_agree_bus1(struct sasl_server *s, uint64_t session_handle,
                            struct sasl_answer *answer);
void sasl_server_refuse_bus1(struct sasl_server *s, const char *why, struct sasl_answer *answer);

/*
 * Answer "DATA <context id challenge, hex>": the client has to prove that it knows the cookie (hex
 * digits) with this id. context has at most SASL_CONTEXT_MAX bytes. Returns 0 or -ENOMEM.
 */
int sasl_server_challenge(struct sasl_server *s, const char *context, uint32_t id,
                          const char *cookie, const uint8_t random[SASL_CHALLENGE_SIZE],
                          struct sasl_answer *answer);
/*
 * Reject, because there is no cookie. Returns SASL_MORE, or SASL_CLOSE after too many rejections.
 */
enum sasl_event sasl_server_refuse_cookie(struct sasl_server *s, struct sasl_answer *answer);

/* Is this one of SASL_MECHANISM_*? */
bool sasl_is_mechanism(uint32_t mechanism);
/* Has the client been authenticated, and sent BEGIN? */
bool sasl_server_has_begun(const struct sasl_server *s);

/* How far a handshake is, for a program that goes on with it in another struct sasl_server. */
struct sasl_progress {
        uint32_t state;
        uint32_t n_rejected;
        uint32_t mechanism;
        uint32_t answer_due;
        uint32_t bus1_mode;
        bool nul_seen;
        bool negotiated_fds;
        bool negotiated_bus1;
        const char *line; /* n_line bytes of an unfinished line */
        size_t n_line;
        const char *challenge; /* NULL: there is none; otherwise a string */
        const char *cookie;    /* that goes with it: n_cookie bytes */
        size_t n_cookie;
};

/* The pointers in *ret_progress are valid until the server goes on. */
void sasl_server_save(const struct sasl_server *s, struct sasl_progress *ret_progress);
/*
 * Go on from there. *s has been initialised, with the caller's values. Returns 0, -EINVAL if no
 * handshake can be like this, or -ENOMEM.
 */
int sasl_server_restore(struct sasl_server *s, const struct sasl_progress *progress);
