/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The native front end in a state document: see native.h for the kinds of records. */

#include "bridge/native/native-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bridge/bus/state-clients.h"
#include "bridge/native/state-core.h"
#include "bridge/state/load.h"
#include "bridge/state/save.h"
#include "bridge/wire/names.h"

#define NATIVE "Native"
#define HANDLE "Handle"
#define LOOKUP "Lookup"
#define OPENING "Opening"

#define DEVICE "device"
#define HOSTED "hosted"

/* What a handle is for: the kind, and for published ones whether it is an object. */
static const struct {
        const char *text;
        enum native_handle_kind kind;
        bool is_object;
} uses[] = {
        {"home", NATIVE_HANDLE_HOME, false},
        {"name", NATIVE_HANDLE_PUBLISHED, false},
        {"object", NATIVE_HANDLE_PUBLISHED, true},
        {"subscription", NATIVE_HANDLE_SUBSCRIPTION, false},
};

#define N_USES (sizeof(uses) / sizeof(*uses))

/* saving */

/* Holes, where a handle was taken out, stay holes. */
static void put_attachment(struct state_save *save, const struct message *m) {
        const uint64_t *handles = NULL;
        size_t n = native_attachment_get(m, &handles);

        state_put_u64s(save, "handles", handles, n);
}

void native_save(const struct native *native, struct state_save *save) {
        if (!native)
                return;
        if (native->ending || native->broadcast.m)
                state_refuse(save, "a native program is leaving");
        save->put_attachment = put_attachment;
        state_record_begin(save, NATIVE);
        state_put_string(save, "core", native->domain ? HOSTED : DEVICE);
        if (!native->domain)
                state_put_fd(save, "fd", bus1_client_get_fd(native->peer));
        state_put_u64(save, "era", native->era);
        state_put_i64(save, "max_message_size", native->max_message_size);
        state_put_i64(save, "max_message_unix_fds", native->max_message_unix_fds);
        state_record_end(save);
        if (native->domain)
                core_save(native->domain, native->peer, save);
}

static void save_handle(const struct native_handle *handle, struct state_save *save) {
        const struct native_published *published =
                handle->kind == NATIVE_HANDLE_PUBLISHED ? handle->data : NULL;
        bool is_object = published && published->is_object;
        size_t use = 0;

        while (uses[use].kind != handle->kind || uses[use].is_object != is_object)
                use++;
        state_record_begin(save, HANDLE);
        state_put_ref(save, "client", STATE_CLIENTS, &handle->session->client);
        state_put_u64(save, "id", handle->id);
        state_put_string(save, "use", uses[use].text);
        state_put_string(save, "key", published ? published->key : NULL);
        state_record_end(save);
}

static void save_lookup(const struct native_lookup *lookup, struct state_save *save) {
        state_record_begin(save, LOOKUP);
        state_put_ref(save, "client", STATE_CLIENTS, &lookup->session->client);
        state_put_u64(save, "node", lookup->node);
        state_put_ref(save, "owner", STATE_CLIENTS, lookup->owner);
        state_put_string(save, "name", lookup->name);
        state_put_string(save, "path", lookup->path);
        state_put_u64(save, "opened_in", lookup->opened_in);
        state_record_end(save);
}

static void save_opening(const struct native_opening *opening, struct state_save *save) {
        state_record_begin(save, OPENING);
        state_put_u64(save, "lookup", opening->lookup->node);
        state_put_u64(save, "node", opening->node);
        state_put_u32(save, "serial", opening->serial);
        state_put_u64(save, "caller_cookie", opening->caller_cookie);
        state_put_u64(save, "era", opening->era);
        state_put_i64(save, "deadline", opening->deadline);
        state_record_end(save);
}

void native_save_tables(const struct native *native, struct state_save *save) {
        const struct native_session *session;
        const struct native_opening *opening;
        const struct native_handle *handle;
        const struct native_lookup *lookup;

        if (!native)
                return;
        DL_FOREACH(native->sessions, session) {
                DL_FOREACH(session->handles, handle) {
                        save_handle(handle, save);
                }
                DL_FOREACH(session->lookups, lookup) {
                        save_lookup(lookup, save);
                }
                if (save->error)
                        return;
        }
        DL_FOREACH2(native->openings, opening, due_next) {
                save_opening(opening, save);
        }
}

/* loading */

static int get_attachment(struct state_load *load, struct message *m) {
        struct native *native = load->userdata;
        const uint8_t *end = NULL;
        struct reader r;
        size_t n = 0;

        if (!state_has(load, "handles"))
                return 0;
        if (state_get_array(load, "handles", "at", &r, &end) < 0)
                return load->error;
        while (r.at < end) {
                if (n == NATIVE_TRANSFERS_MAX)
                        return state_fail(load, "handles", "no message has so many");
                native->transfers[n++].id = reader_u64(&r);
        }
        m->attachment_free = native_attachment_free;
        return native_attach(native, native->transfers, n, &m->attachment) < 0
                       ? state_fail_memory(load)
                       : 0;
}

/* bus_hooks.session_load() */
static int load_session(void *userdata, struct native_anchor *anchor,
                        const struct client_credentials *credentials, struct state_load *load,
                        struct native_session **ret_session) {
        struct native_session *session;

        if (native_session_new(userdata, anchor, credentials, &session) < 0)
                return state_fail_memory(load);
        *ret_session = session;
        return native_session_get(session, load) < 0 ? load->error
                                                     : client_load(&session->client, load);
}

/*
 * The choice between the device and a core in this process is that of the first bus. The records of
 * a core in this process come next.
 */
static int get_peer(struct native *native, struct state_load *load) {
        struct wire_string core = {};
        int fd = -1;

        if (state_get_string(load, "core", &core) < 0 || strcmp(core.s, HOSTED) == 0)
                return load->error;
        if (strcmp(core.s, DEVICE) != 0)
                return state_fail(load, "core", "\"%s\" is unknown", core.s);
        if (state_get_fd(load, "fd", S_IFCHR, &fd) < 0)
                return load->error;
        if (bus1_client_new_from_fd(&native->peer, fd) < 0)
                return state_fail(load, "fd", "descriptor %d is no peer", fd);
        return 0;
}

static int load_native(struct native **ret_native, struct bus *bus, struct loop *loop,
                       struct state_load *load) {
        struct native *native;

        if (*ret_native)
                return state_fail(load, NULL, "there is a second one");
        native = native_alloc(bus, loop);
        if (!native)
                return state_fail_memory(load);
        *ret_native = native;
        native->is_borrowed = true;
        state_get_u64(load, "era", &native->era);
        state_get_i64(load, "max_message_size", &native->max_message_size);
        if (state_get_i64(load, "max_message_unix_fds", &native->max_message_unix_fds) < 0 ||
            get_peer(native, load) < 0)
                return load->error;
        bus->hooks.native = native;
        bus->hooks.session_load = load_session;
        load->get_attachment = get_attachment;
        load->userdata = native;
        return 0;
}

/* The session to which the record belongs. */
static int get_session(struct state_load *load, struct native_session **ret_session) {
        struct client *client = NULL;

        if (state_get_ref(load, "client", STATE_CLIENTS, &client) < 0)
                return load->error;
        if (!client_is_native(client))
                return state_fail(load, "client", "it has no session");
        *ret_session = session_from_client(client);
        return 0;
}

static int get_use(struct state_load *load, size_t *ret_use) {
        struct wire_string text = {};

        if (state_get_string(load, "use", &text) < 0)
                return load->error;
        for (size_t i = 0; i < N_USES; i++)
                if (strcmp(uses[i].text, text.s) == 0) {
                        *ret_use = i;
                        return 0;
                }
        return state_fail(load, "use", "\"%s\" is unknown", text.s);
}

static int publish(struct native_session *session, struct state_load *load, bool is_object,
                   uint64_t id) {
        unsigned n_before = session->n_published;
        struct wire_string key = {};
        int r;

        if (state_get_string(load, "key", &key) < 0)
                return load->error;
        if (is_object ? !name_is_valid_object_path(key.s, key.n) : !name_is_valid_bus(key.s, key.n))
                return state_fail(load, "key", "this cannot be published");
        r = native_publish(session, is_object, key.s, id);
        if (r == -EDQUOT)
                return state_fail(load, NULL, "the program has too many");
        if (r < 0)
                return state_fail_memory(load);
        if (session->n_published == n_before)
                return state_fail(load, "key", "it is there twice");
        return 0;
}

static int load_handle(struct native *native, struct state_load *load) {
        struct native_session *session = NULL;
        uint64_t id = 0;
        size_t use = 0;
        int r;

        get_session(load, &session);
        get_use(load, &use);
        if (state_get_u64(load, "id", &id) < 0 || native_id_check(load, "id", id) < 0)
                return load->error;
        if (native_handle_find(native, id))
                return state_fail(load, "id", "it is there twice");
        if (uses[use].kind == NATIVE_HANDLE_PUBLISHED)
                return publish(session, load, uses[use].is_object, id);
        if (uses[use].kind == NATIVE_HANDLE_HOME) {
                if (session->home != BUS1_INVALID)
                        return state_fail(load, "use", "the program has two homes");
                session->home = id;
        }
        r = native_handle_add(session, id, uses[use].kind, NULL, NULL);
        if (r == -EDQUOT)
                return state_fail(load, NULL, "the user has too many");
        return r < 0 ? state_fail_memory(load) : 0;
}

static int load_lookup(struct native *native, struct state_load *load) {
        struct native_session *session = NULL;
        struct wire_string name = {}, path = {};
        uint64_t node = 0, opened_in = 0;
        struct client *owner = NULL;
        int r;

        get_session(load, &session);
        state_get_u64(load, "node", &node);
        state_get_ref(load, "owner", STATE_CLIENTS, &owner);
        state_get_string(load, "name", &name);
        state_find_string(load, "path", &path);
        if (state_get_u64(load, "opened_in", &opened_in) < 0 ||
            native_id_check(load, "node", node) < 0)
                return load->error;
        if (name_resolve(&native->bus->names, name.s, name.n) != owner)
                return state_fail(load, "owner", "it does not have the name");
        if (path.s && !name_is_valid_object_path(path.s, path.n))
                return state_fail(load, "path", "this is no path");
        if (opened_in != 0 && (opened_in > native->era || !client_is_native(owner)))
                return state_fail(load, "opened_in", "there cannot be a channel");
        if (native_node_find(native, node))
                return state_fail(load, "node", "it is there twice");
        r = native_lookup_restore(session, owner, name.s, path.s, node, opened_in);
        if (r == -EDQUOT)
                return state_fail(load, NULL, "the program has too many");
        return r < 0 ? state_fail_memory(load) : 0;
}

static int load_opening(struct native *native, struct state_load *load) {
        struct native_opening opening = {};
        const struct native_node *node;
        uint64_t lookup = 0;

        state_get_u64(load, "lookup", &lookup);
        state_get_u64(load, "node", &opening.node);
        state_get_u32(load, "serial", &opening.serial);
        state_get_u64(load, "caller_cookie", &opening.caller_cookie);
        state_get_u64(load, "era", &opening.era);
        if (state_get_i64(load, "deadline", &opening.deadline) < 0 ||
            native_id_check(load, "node", opening.node) < 0 ||
            native_id_check(load, "caller_cookie", opening.caller_cookie) < 0)
                return load->error;
        node = native_node_find(native, lookup);
        if (!node || node->kind != NATIVE_NODE_LOOKUP)
                return state_fail(load, "lookup", "there is no such look-up");
        opening.lookup = node->data;
        if (opening.lookup->opening || !client_is_native(opening.lookup->owner))
                return state_fail(load, "lookup", "no second channel can be opened");
        if (native->openings && opening.deadline < native->openings->due_prev->deadline)
                return state_fail(load, "deadline", "they are not in order");
        if (opening.serial == 0)
                return state_fail(load, "serial", "it is 0");
        if (native_node_find(native, opening.node))
                return state_fail(load, "node", "it is there twice");
        return native_opening_restore(&opening) < 0 ? state_fail_memory(load) : 0;
}

int native_load(struct native **native, struct bus *bus, struct loop *loop,
                struct state_load *load) {
        if (state_kind_is(load, NATIVE))
                return load_native(native, bus, loop, load);
        if (!*native)
                return 1;
        if (!(*native)->peer) {
                int r = core_load(&(*native)->thaw, load);

                if (r <= 0)
                        return r;
        }
        if (state_kind_is(load, HANDLE))
                return load_handle(*native, load);
        if (state_kind_is(load, LOOKUP))
                return load_lookup(*native, load);
        if (state_kind_is(load, OPENING))
                return load_opening(*native, load);
        return 1;
}

/* the end of the document */

/* The answers of this session to pending calls arrive at nodes of their own. */
static int restore_reply_nodes(struct native_session *session, struct state_load *load) {
        struct reply *reply;

        DL_FOREACH2(session->client.owed, reply, owed_next) {
                if (reply->callee_cookie &&
                    native_node_restore(session->native, load, NULL, reply->callee_cookie,
                                        NATIVE_NODE_REPLY, reply) < 0)
                        return load->error;
        }
        return 0;
}

/* The rules of a monitor are not those of its subscriptions any more. */
static int restore_subscriptions(struct native_session *session, struct state_load *load) {
        bool is_registered = client_is_registered(&session->client);
        struct native *native = session->native;
        struct native_handle *handle;
        struct match_rule *rule;

        DL_FOREACH2(session->client.rules, rule, client_next) {
                if (rule->cookie == 0)
                        continue;
                handle = native_handle_find(native, rule->cookie);
                if (!handle || handle->session != session || handle->data ||
                    handle->kind != NATIVE_HANDLE_SUBSCRIPTION)
                        return state_fail(load, NULL, "a match rule of %s has no handle",
                                          client_name(&session->client));
                handle->data = rule;
        }
        DL_FOREACH(session->handles, handle) {
                if (handle->kind == NATIVE_HANDLE_SUBSCRIPTION && is_registered && !handle->data)
                        return state_fail(load, NULL, "a handle of %s has no match rule",
                                          client_name(&session->client));
        }
        return 0;
}

static int check_session(const struct native_session *session, struct state_load *load) {
        bool is_member = session->client.state != CLIENT_CONNECTED;

        if (is_member != session->completed || (is_member && session->home == BUS1_INVALID))
                return state_fail(load, NULL, "%s has no home node, or needs none",
                                  client_name(&session->client));
        return 0;
}

int native_loaded(struct native *native, struct state_load *load) {
        struct native_session *session;

        if (!native || load->error)
                return load->error;
        if (!native->peer && core_loaded(&native->thaw, load, &native->domain, &native->peer) < 0)
                return load->error;
        if (native_begin(native) < 0)
                return state_fail_memory(load);
        DL_FOREACH(native->sessions, session) {
                if (check_session(session, load) < 0 || restore_reply_nodes(session, load) < 0 ||
                    restore_subscriptions(session, load) < 0)
                        return load->error;
        }
        native->bus->hooks.session_load = NULL;
        return 0;
}

void native_settle(struct native *native) {
        if (native)
                native->is_borrowed = false;
}

int native_wake(struct native *native) {
        if (!native)
                return 0;
        native->bus->hooks.policy_changed(native);
        return native_openings_wake(native);
}
