/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/socket/state-listeners.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "bridge/socket/listener.h"

#define LISTENER "Listener"

static void save_listener(struct state_save *save, const struct listener *listener) {
        const struct socket_file *file = &listener->file;

        state_record_begin(save, LISTENER);
        state_put_u32(save, "id", state_number(save, STATE_LISTENERS, listener));
        state_put_fd(save, "fd", listener->source.fd);
        state_put_string(save, "guid", listener->guid);
        state_put_bool(save, "is_tcp", listener->is_tcp);
        if (file->path) {
                state_put_string(save, "path", file->path);
                state_put_u64(save, "device", file->device);
                state_put_u64(save, "inode", file->inode);
        }
        if (listener->nonce_file) {
                state_put_string(save, "nonce_file", listener->nonce_file);
                state_put_bytes(save, "nonce", listener->nonce, sizeof(listener->nonce));
        }
        state_record_end(save);
}

void listeners_save(const struct server *server, struct state_save *save) {
        const struct listener *listener;

        DL_FOREACH(server->listeners, listener)
                save_listener(save, listener);
}

static int take_string(struct state_load *load, const char *name, char **ret_text) {
        struct wire_string text = {};

        if (state_find_string(load, name, &text) < 0)
                return load->error;
        *ret_text = text.s ? strdup(text.s) : NULL;
        return text.s && !*ret_text ? state_fail_memory(load) : 0;
}

/* Is this a socket of the bus, as the kernel says? */
static int check_socket(struct state_load *load, int fd) {
        int listens = 0;
        socklen_t n = sizeof(listens);

        if (load->is_dry)
                return 0;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0 || !listens)
                return state_fail(load, "fd", "descriptor %d is no listening socket", fd);
        return 0;
}

static int fill(struct state_load *load, struct listener *listener) {
        uint64_t device = 0, inode = 0;
        const uint8_t *nonce = NULL;
        size_t n_nonce = 0;

        state_get_bool(load, "is_tcp", &listener->is_tcp);
        take_string(load, "path", &listener->file.path);
        if (listener->file.path) {
                state_get_u64(load, "device", &device);
                state_get_u64(load, "inode", &inode);
                listener->file.device = device;
                listener->file.inode = inode;
        }
        take_string(load, "nonce_file", &listener->nonce_file);
        if (!listener->nonce_file || state_get_bytes(load, "nonce", &nonce, &n_nonce) < 0)
                return load->error;
        if (n_nonce != sizeof(listener->nonce))
                return state_fail(load, "nonce", "it does not have %zu bytes",
                                  sizeof(listener->nonce));
        memcpy(listener->nonce, nonce, n_nonce);
        return 0;
}

int listeners_load(struct server *server, struct state_load *load) {
        struct listener *listener;
        struct wire_string guid = {};
        int fd = -1;

        if (!state_kind_is(load, LISTENER))
                return 1;
        state_get_fd(load, "fd", S_IFSOCK, &fd);
        if (state_get_string(load, "guid", &guid) < 0 || check_socket(load, fd) < 0)
                return load->error;
        if (guid.n != sizeof(listener->guid) - 1)
                return state_fail(load, "guid", "this is no GUID");
        if (listener_adopt(server, fd, guid.s, &listener) < 0)
                return state_fail_memory(load);
        if (fill(load, listener) < 0)
                return load->error;
        return state_define(load, "id", STATE_LISTENERS, listener);
}
