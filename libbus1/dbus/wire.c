/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fds.h"
#include "bridge/wire/writer.h"
#include "libbus1/dbus/membership.h"

#define DEPTH_MAX 70 /* libdbus-1 accepts 64 nested containers */
#define HEADER_FIXED 16
#define FIELD_UNIX_FDS 9
#define FDS_SIGNATURE "ah"

/* doc/programming/native-protocol.md, "Native and legacy members" */
#define FLAGS_OFFSET 2
#define FLAG_NO_HANDLES 0x80
#define FLAG_INFORM 0x40 /* of Hello */

/* doc/programming/native-protocol.md, "Credentials of senders" */
struct wire_credentials {
        uint32_t uid, gid, pid;
};

static uint32_t read_u32(const uint8_t *at, bool big_endian) {
        uint32_t v;

        memcpy(&v, at, sizeof(v));
        return big_endian ? be32toh(v) : le32toh(v);
}

bool wire_has_no_handles(const struct bus1_received *received) {
        return received->n_data > FLAGS_OFFSET && received->data[FLAGS_OFFSET] & FLAG_NO_HANDLES;
}

size_t wire_message_size(const struct bus1_received *received) {
        const uint8_t *data = received->data;
        size_t n = received->n_data, size;
        bool big_endian;

        if (n < HEADER_FIXED + sizeof(struct wire_credentials))
                return n;
        big_endian = data[0] == DBUS_BIG_ENDIAN;
        size = HEADER_FIXED + (((size_t)read_u32(data + 12, big_endian) + 7) & ~(size_t)7) +
               read_u32(data + 4, big_endian);
        return size == n - sizeof(struct wire_credentials) ? size : n;
}

bool wire_get_credentials(const struct bus1_received *received,
                          struct bus1_dbus_credentials *ret_credentials) {
        size_t n = wire_message_size(received);
        struct wire_credentials credentials;

        if (n == received->n_data)
                return false;
        memcpy(&credentials, received->data + n, sizeof(credentials));
        *ret_credentials = (struct bus1_dbus_credentials){
                .uid = credentials.uid,
                .gid = credentials.gid,
                .pid = credentials.pid,
        };
        return true;
}

/* Is the iterator at an array of a fixed-size type other than descriptors? */
static bool is_plain_array(DBusMessageIter *iter) {
        int element;

        if (dbus_message_iter_get_arg_type(iter) != DBUS_TYPE_ARRAY)
                return false;
        element = dbus_message_iter_get_element_type(iter);
        return dbus_type_is_fixed(element) && element != DBUS_TYPE_UNIX_FD;
}

static int add_fd(struct wire *wire, DBusMessageIter *iter) {
        int fd, *fds;

        dbus_message_iter_get_basic(iter, &fd);
        if (fd < 0)
                return -EBADF;
        fds = reallocarray(wire->fds, wire->n_fds + 1, sizeof(*fds));
        if (!fds) {
                close(fd);
                return -ENOMEM;
        }
        wire->fds = fds;
        wire->fds[wire->n_fds++] = fd;
        return 0;
}

static int collect_fds(DBusMessage *message, struct wire *wire) {
        DBusMessageIter stack[DEPTH_MAX];
        size_t depth = 0;
        int type, r;

        dbus_message_iter_init(message, &stack[0]);
        for (;;) {
                type = dbus_message_iter_get_arg_type(&stack[depth]);
                if (type == DBUS_TYPE_INVALID) {
                        if (depth == 0)
                                return 0;
                        depth--;
                } else if (dbus_type_is_container(type) && !is_plain_array(&stack[depth])) {
                        if (depth + 1 == DEPTH_MAX)
                                return -EMSGSIZE;
                        dbus_message_iter_recurse(&stack[depth], &stack[depth + 1]);
                        depth++;
                        continue;
                } else if (type == DBUS_TYPE_UNIX_FD) {
                        r = add_fd(wire, &stack[depth]);
                        if (r < 0)
                                return r;
                }
                dbus_message_iter_next(&stack[depth]);
        }
}

int wire_from_message(DBusMessage *message, struct wire *ret_wire) {
        CLEANUP(wire_deinit) struct wire wire = {};
        int r;

        if (dbus_message_contains_unix_fds(message)) {
                r = collect_fds(message, &wire);
                if (r < 0)
                        return r;
        }
        if (!dbus_message_marshal(message, &wire.data, &wire.n_data))
                return -ENOMEM;
        wire.serial = dbus_message_get_serial(message);
        *ret_wire = wire;
        wire = (struct wire){};
        return 0;
}

int wire_from_writer(struct writer *writer, struct wire *ret_wire) {
        struct message *message;
        int r;

        r = writer_finish(writer, &message);
        if (r < 0)
                return r;
        *ret_wire = (struct wire){
                .data = (char *)message->wire,
                .n_data = (int)message->n_wire,
                .serial = message->serial,
                .message = message,
        };
        return 0;
}

DBusMessage *wire_hello(const char *name, const char *path, uint32_t serial) {
        CLEANUP(dbus_message_unrefp) DBusMessage *plain = NULL;
        CLEANUP(wire_deinit) struct wire wire = {};

        plain = dbus_message_new_method_call(name, path, name, "Hello");
        if (!plain)
                return NULL;
        dbus_message_set_serial(plain, serial);
        if (wire_from_message(plain, &wire) < 0)
                return NULL;
        /* libdbus-1 has no function that sets this flag, but keeps it */
        wire.data[FLAGS_OFFSET] |= FLAG_INFORM;
        return dbus_message_demarshal(wire.data, wire.n_data, NULL);
}

void wire_deinit(struct wire *wire) {
        fds_close(wire->fds, wire->n_fds);
        free(wire->fds);
        if (wire->message)
                message_unref(wire->message);
        else
                dbus_free(wire->data);
        *wire = (struct wire){};
}

/*
 * Find the value of the UNIX_FDS header field. Returns NULL when there is no such field, when the
 * header is invalid (libdbus-1 will find that out), or when a field in front of it has a type that
 * the specification uses for no field.
 */
static uint8_t *find_n_fds(uint8_t *data, size_t n_data, bool big_endian) {
        size_t at = HEADER_FIXED, end, n;

        if (n_data < HEADER_FIXED)
                return NULL;
        n = read_u32(data + 12, big_endian);
        if (n > n_data - HEADER_FIXED)
                return NULL;
        end = HEADER_FIXED + n;
        while (at + 8 <= end) {
                uint8_t code = data[at], type = data[at + 2];

                if (data[at + 1] != 1 || data[at + 3] != 0)
                        return NULL;
                at += 4; /* Each field is aligned to 8, so four more bytes can be read. */
                switch (type) {
                case DBUS_TYPE_UINT32:
                        if (code == FIELD_UNIX_FDS)
                                return data + at;
                        n = 4;
                        break;
                case DBUS_TYPE_STRING:
                case DBUS_TYPE_OBJECT_PATH:
                        n = 4 + (size_t)read_u32(data + at, big_endian) + 1;
                        break;
                case DBUS_TYPE_SIGNATURE:
                        n = 1 + (size_t)data[at] + 1;
                        break;
                default:
                        return NULL;
                }
                if (n > end - at)
                        return NULL;
                at = (at + n + 7) & ~(size_t)7;
        }
        return NULL;
}

static int copy_header(DBusMessage *from, DBusMessage **ret_to) {
        DBusMessage *to;
        bool ok;

        to = dbus_message_new(dbus_message_get_type(from));
        if (!to)
                return -ENOMEM;
        dbus_message_set_no_reply(to, dbus_message_get_no_reply(from));
        dbus_message_set_auto_start(to, dbus_message_get_auto_start(from));
        dbus_message_set_allow_interactive_authorization(
                to, dbus_message_get_allow_interactive_authorization(from));
        dbus_message_set_serial(to, dbus_message_get_serial(from));
        ok = (!dbus_message_get_reply_serial(from) ||
              dbus_message_set_reply_serial(to, dbus_message_get_reply_serial(from))) &&
             dbus_message_set_path(to, dbus_message_get_path(from)) &&
             dbus_message_set_interface(to, dbus_message_get_interface(from)) &&
             dbus_message_set_member(to, dbus_message_get_member(from)) &&
             dbus_message_set_error_name(to, dbus_message_get_error_name(from)) &&
             dbus_message_set_destination(to, dbus_message_get_destination(from)) &&
             dbus_message_set_sender(to, dbus_message_get_sender(from));
        if (!ok) {
                dbus_message_unref(to);
                return -ENOMEM;
        }
        *ret_to = to;
        return 0;
}

struct level {
        DBusMessageIter from, to;
};

static int copy_basic(struct level *l, int type) {
        DBusBasicValue value;
        bool ok;

        dbus_message_iter_get_basic(&l->from, &value);
        if (type == DBUS_TYPE_UNIX_FD && value.fd < 0)
                return -EBADMSG;
        ok = dbus_message_iter_append_basic(&l->to, type, &value);
        if (type == DBUS_TYPE_UNIX_FD)
                close(value.fd);
        return ok ? 0 : -ENOMEM;
}

/* Open the container at the iterators of l, for reading and for writing. */
static int copy_open(struct level *l, struct level *inner, int type) {
        char *signature = NULL;
        const char *contained = NULL;
        bool ok;

        dbus_message_iter_recurse(&l->from, &inner->from);
        if (type == DBUS_TYPE_ARRAY)
                signature = dbus_message_iter_get_signature(&l->from);
        else if (type == DBUS_TYPE_VARIANT)
                signature = dbus_message_iter_get_signature(&inner->from);
        if (signature)
                contained = type == DBUS_TYPE_ARRAY ? signature + 1 : signature;
        ok = dbus_message_iter_open_container(&l->to, type, contained, &inner->to);
        dbus_free(signature);
        return ok ? 0 : -ENOMEM;
}

static int copy_plain_array(struct level *l) {
        int n_values, element = dbus_message_iter_get_element_type(&l->from);
        const void *values;
        struct level inner;
        int r;

        r = copy_open(l, &inner, DBUS_TYPE_ARRAY);
        if (r < 0)
                return r;
        dbus_message_iter_get_fixed_array(&inner.from, &values, &n_values);
        if (!dbus_message_iter_append_fixed_array(&inner.to, element, &values, n_values)) {
                dbus_message_iter_abandon_container(&l->to, &inner.to);
                return -ENOMEM;
        }
        return dbus_message_iter_close_container(&l->to, &inner.to) ? 0 : -ENOMEM;
}

/* Copy all arguments but the last. */
static int copy_arguments(DBusMessage *from, DBusMessage *to) {
        struct level stack[DEPTH_MAX];
        size_t depth = 0;
        int r = 0;

        dbus_message_iter_init(from, &stack[0].from);
        dbus_message_iter_init_append(to, &stack[0].to);
        while (r >= 0) {
                struct level *l = &stack[depth];
                int type = dbus_message_iter_get_arg_type(&l->from);

                if (depth == 0 && !dbus_message_iter_has_next(&l->from))
                        return 0;
                if (type == DBUS_TYPE_INVALID) {
                        depth--;
                        if (!dbus_message_iter_close_container(&stack[depth].to, &l->to))
                                r = -ENOMEM;
                } else if (is_plain_array(&l->from)) {
                        r = copy_plain_array(l);
                } else if (dbus_type_is_container(type)) {
                        r = depth + 1 < DEPTH_MAX ? copy_open(l, l + 1, type) : -EBADMSG;
                        if (r >= 0)
                                depth++;
                        continue;
                } else {
                        r = copy_basic(l, type);
                }
                dbus_message_iter_next(&stack[depth].from);
        }
        while (depth > 0) {
                depth--;
                dbus_message_iter_abandon_container(&stack[depth].to, &stack[depth + 1].to);
        }
        return r;
}

static int attach_fds(DBusMessage *bare, const int *fds, size_t n_fds, DBusMessage **ret_message) {
        CLEANUP(dbus_message_unrefp) DBusMessage *message = NULL;
        const char *signature = dbus_message_get_signature(bare);
        DBusMessageIter append, array;
        int r;

        /* The array makes the signature longer, and libdbus-1 does not check the new length. */
        if (strlen(signature) + strlen(FDS_SIGNATURE) > DBUS_MAXIMUM_SIGNATURE_LENGTH)
                return -EBADMSG;
        dbus_message_iter_init_append(bare, &append);
        if (!dbus_message_iter_open_container(&append, DBUS_TYPE_ARRAY, &FDS_SIGNATURE[1], &array))
                return -ENOMEM;
        for (size_t i = 0; i < n_fds; i++)
                if (!dbus_message_iter_append_basic(&array, DBUS_TYPE_UNIX_FD, &fds[i])) {
                        dbus_message_iter_abandon_container(&append, &array);
                        return -ENOMEM;
                }
        if (!dbus_message_iter_close_container(&append, &array))
                return -ENOMEM;
        r = copy_header(bare, &message);
        if (r >= 0)
                r = copy_arguments(bare, message);
        if (r >= 0)
                *ret_message = steal_ptr(&message);
        return r;
}

int wire_to_message(struct bus1_received *received, DBusMessage **ret_message) {
        CLEANUP(dbus_message_unrefp) DBusMessage *message = NULL;
        DBusError error = DBUS_ERROR_INIT;
        size_t n_data = wire_message_size(received);
        uint8_t *n_fds_at;
        uint32_t n_fds = 0;
        bool big_endian;

        if (n_data < HEADER_FIXED || n_data > DBUS_MAXIMUM_MESSAGE_LENGTH)
                return -EBADMSG;
        big_endian = received->data[0] == DBUS_BIG_ENDIAN;
        n_fds_at = find_n_fds(received->data, n_data, big_endian);
        if (n_fds_at) {
                n_fds = read_u32(n_fds_at, big_endian);
                if (n_fds > received->n_fds)
                        return -EBADMSG;
                memset(n_fds_at, 0, sizeof(n_fds));
        }
        message = dbus_message_demarshal((const char *)received->data, (int)n_data, &error);
        if (!message) {
                bool no_memory = dbus_error_has_name(&error, DBUS_ERROR_NO_MEMORY);

                dbus_error_free(&error);
                return no_memory ? -ENOMEM : -EBADMSG;
        }
        if (n_fds > 0)
                return attach_fds(message, received->fds, n_fds, ret_message);
        *ret_message = steal_ptr(&message);
        return 0;
}
