/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages
 *
 * A message is one D-Bus message in wire format. It is validated once, and its body is never
 * marshalled again. Its bytes are in one buffer with room in front, so that the bus can stamp the
 * sender by writing only a new header; the body stays where it is if there is enough room. The
 * queues of all legacy recipients refer to the same buffer. After message_parse() has returned 0,
 * everything in the message is valid, and later code need not check it again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_SIZE_MAX (128UL * 1024 * 1024)
#define MESSAGE_ARRAY_MAX (64UL * 1024 * 1024)
#define MESSAGE_HEADER_SIZE 16 /* the fixed part, with the length of the field array */
#define MESSAGE_ARGS_MAX 64    /* arguments that match rules can name */

enum {
        MESSAGE_TYPE_INVALID = 0,
        MESSAGE_TYPE_METHOD_CALL = 1,
        MESSAGE_TYPE_METHOD_RETURN = 2,
        MESSAGE_TYPE_ERROR = 3,
        MESSAGE_TYPE_SIGNAL = 4,
};

enum {
        MESSAGE_FLAG_NO_REPLY_EXPECTED = 1,
        MESSAGE_FLAG_NO_AUTO_START = 2,
        MESSAGE_FLAG_ALLOW_INTERACTIVE_AUTHORIZATION = 4,
};

/*
 * Why a message is invalid (D-Bus spec, "Message Protocol"). If an invalid message arrives on the
 * socket or the session node of a client, the bus disconnects the client. If it arrives at another
 * node, for example a look-up node, the bus does not disconnect anybody (bridge/native/receive.c).
 */
enum {
        MESSAGE_E_BYTE_ORDER = 1,
        MESSAGE_E_VERSION,
        MESSAGE_E_TYPE,
        MESSAGE_E_SERIAL,
        MESSAGE_E_SIZE,          /* too long, or not as long as the header says */
        MESSAGE_E_HEADER_FIELDS, /* the field array is malformed */
        MESSAGE_E_FIELD_TYPE,    /* a known field has the wrong type */
        MESSAGE_E_FIELD_DUPLICATE,
        MESSAGE_E_FIELD_VALUE, /* a known field holds an invalid name, path or serial */
        MESSAGE_E_FIELD_MISSING,
        MESSAGE_E_PADDING, /* non-zero padding */
        MESSAGE_E_SIGNATURE,
        MESSAGE_E_BODY,   /* the values do not have the form that their signature says */
        MESSAGE_E_STRING, /* not valid UTF-8, or without its terminator */
        MESSAGE_E_BOOLEAN,
        MESSAGE_E_OBJECT_PATH,
        MESSAGE_E_ARRAY,
        MESSAGE_E_VARIANT,
        MESSAGE_E_DEPTH,
        MESSAGE_E_FDS,   /* fewer descriptors than the header says, or more than allowed */
        MESSAGE_E_LOCAL, /* names the reserved path or interface ...DBus.Local */
};

/* What MESSAGE_E_* means, as a static text for a log line. */
const char *message_violation(int e);

/*
 * A NUL-terminated string inside a message; n does not count the NUL. If the message does not have
 * the string, s is NULL.
 */
struct wire_string {
        const char *s;
        uint32_t n;
};

/* An argument as match rules see it. */
struct message_arg {
        char type;                /* 's', 'o', 'g', or 0 for any other type or no argument */
        struct wire_string value; /* for s, o, g */
};

struct message {
        unsigned n_refs;
        bool big_endian;
        uint8_t type;
        uint8_t flags;
        bool is_shown;    /* for bridge/bus/monitor.c, not used here: monitors have got it */
        uint8_t n_resent; /* for bridge/bus/unread.h, not used here: how often it was sent again */
        uint64_t order;   /* for bridge/bus/docket.c, not used here: which message of its sender */
        uint32_t serial;
        uint32_t reply_serial; /* 0 when absent */
        uint32_t n_fds_declared;
        struct wire_string path;
        struct wire_string interface;
        struct wire_string member;
        struct wire_string error_name;
        struct wire_string destination;
        struct wire_string sender;
        struct wire_string signature; /* "", not NULL, when absent */

        uint8_t *wire; /* the message in wire format: header, padding, body */
        size_t n_wire;
        const uint8_t *body;
        size_t n_body;

        int *fds; /* owned */
        size_t n_fds;

        /* what a front end attached: the handles that came with a native message; owned */
        void *attachment;
        void (*attachment_free)(void *attachment);

        /*
         * For bridge/bus/quota.c, not used here: the backlog that counts the message while it waits
         * in the queue of the client charged_at; the user who caused the message, and the memory
         * that it takes (0: both not set yet).
         */
        void *charged;
        const void *charged_at;
        uint64_t caused_by;
        uint64_t cost;

        uint8_t n_args; /* valid when args_known */
        bool args_known;
        struct message_arg *args;
        /* The fields from here on are private to message*.c. */
        uint8_t *buffer;
        size_t n_buffer;
        uint16_t fields; /* which header fields there are */
        bool parsed;
};

/* The memory that the message takes, in bytes. */
static inline size_t message_memory(const struct message *m) {
        return sizeof(*m) + m->n_buffer;
}

/* Does the sender of this message expect an answer? Only calls have answers. */
static inline bool message_wants_reply(const struct message *m) {
        return m->type == MESSAGE_TYPE_METHOD_CALL && !(m->flags & MESSAGE_FLAG_NO_REPLY_EXPECTED);
}

/* Is this message an answer to a call: a return or an error? */
static inline bool message_is_reply(const struct message *m) {
        return m->type == MESSAGE_TYPE_METHOD_RETURN || m->type == MESSAGE_TYPE_ERROR;
}

/* framing */

/*
 * Get the size in bytes of the message that starts with these MESSAGE_HEADER_SIZE bytes. Returns 0,
 * or MESSAGE_E_* if no valid message of at most max bytes starts like this.
 */
int message_frame(const uint8_t *header, size_t max, size_t *ret_size);

/*
 * Make a message of size bytes, which the caller then writes to m->wire. Returns 0 or -ENOMEM.
 */
int message_new(struct message **ret_m, size_t size);
/*
 * The same for a message that is only beginning to arrive: there is room for its first n_room bytes
 * (at most size).
 */
int message_new_part(struct message **ret_m, size_t size, size_t n_room);
/*
 * Make room for the first n_room bytes (at most m->n_wire) of such a message. It may move, and
 * nobody else may have a reference. -ENOMEM: nothing has changed.
 */
int message_grow(struct message **m, size_t n_room);
/* For how many bytes there is room from m->wire on. */
static inline size_t message_room(const struct message *m) {
        return m->buffer + m->n_buffer - m->wire;
}
struct message *message_ref(struct message *m);
struct message *message_unref(struct message *m); /* m may be NULL; the last unref closes the fds */
/*
 * Make a copy of a parsed message, with a buffer and descriptors of its own, but without
 * attachment. Nothing is charged with it yet. Returns 0, -ENOMEM, or -EMFILE.
 */
int message_copy(const struct message *m, struct message **ret_m);
static inline void message_unrefp(struct message **m) {
        message_unref(*m);
}

/*
 * These check a complete message and fill in its members, in two steps, because only the header
 * says how many of the received descriptors belong to the message. After message_parse_header(),
 * n_fds_declared is known. Before message_parse_body(), the caller puts the descriptors into
 * m->fds. message_parse_body() closes those beyond n_fds_declared, and returns MESSAGE_E_FDS if
 * there are fewer. Both functions return 0 or MESSAGE_E_*.
 */
int message_parse_header(struct message *m);
int message_parse_body(struct message *m);
/*
 * The same as message_parse_body() in parts, for a large body: its check may take a second, in
 * which the calling function has other things to do. Each call checks about n bytes (at least 1).
 * *check is NULL before the first call. If the result is 0 and *check is set, the caller calls
 * again, or frees *check; until then, the message must not move. After all other results *check is
 * NULL. The last result is that of message_parse_body(), or -ENOMEM.
 *
 * Bytes that cost nothing do not count, for example most of an array of numbers. A part of 4 KiB
 * takes 15 us at most on a usual machine (test/bench/validate.c).
 */
struct body_check;
int message_parse_body_part(struct message *m, size_t n, struct body_check **check);
struct body_check *body_check_free(struct body_check *check); /* check may be NULL */
extern const size_t body_check_memory;                        /* of one body_check, in bytes */
/* Do both steps, for a message that has its descriptors already. */
int message_parse(struct message *m);
/*
 * Fill in the members of a message that message_parse() has accepted before, perhaps in another
 * process, and that has its descriptors: its body is not checked. Returns 0, or MESSAGE_E_* if the
 * header is invalid after all; MESSAGE_E_FDS also if there are too many descriptors.
 */
int message_adopt(struct message *m);

/*
 * Header fields that the bus sets. A field whose member is NULL stays as it is. The strings must
 * not point into the message.
 */
struct message_stamp {
        const char *sender;
        const char *destination;
        const char *path;
};

/*
 * Set the stamped fields in the header, and remove unknown fields and CONTAINER_INSTANCE. Byte
 * order, flags, serial and the contents of the body stay as they are. The message must be parsed
 * and have exactly one reference. The wire_strings of its header fields and arguments may change,
 * so earlier copies of them are not valid any more. Returns 0, MESSAGE_E_SIZE, or -ENOMEM.
 */
int message_stamp(struct message *m, const struct message_stamp *stamp);

/*
 * Argument i of the body, as match rules see it. Its type is 0 if there is no such argument, if it
 * is of another type than s, o and g, or if i is MESSAGE_ARGS_MAX or more.
 */
struct message_arg message_get_arg(struct message *m, unsigned i);
