/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/bus/state-starts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bridge/bus/held.h"
#include "bridge/bus/start-begin.h"
#include "bridge/bus/start.h"
#include "bridge/bus/state-messages.h"
#include "bridge/bus/state-units.h"
#include "bridge/bus/waiter.h"
#include "bridge/state/message-record.h"
#include "bridge/wire/names.h"

#define START "Start"
#define CHILD "Child"

#define N_WAITER_KINDS (WAITER_CALL + 1)

/* saving */

static void save_waiters(const struct start *start, struct state_save *save) {
        struct writer *w = state_put(save, "waiters", "a(uutu)");
        const struct waiter *waiter;

        writer_array_begin(w, 8);
        DL_FOREACH(start->waiters, waiter) {
                writer_struct(w);
                writer_u32(w, state_number_of(save, STATE_CLIENTS, waiter->client));
                writer_u32(w, state_number_of(save, STATE_MESSAGES, waiter->m));
                writer_u64(w, waiter->caller_cookie);
                writer_u32(w, waiter->kind);
        }
        writer_array_end(w);
}

static void save_start(const struct start *start, struct state_save *save) {
        const struct waiter *waiter;

        DL_FOREACH(start->waiters, waiter) {
                state_save_message(save, waiter->m);
        }
        state_record_begin(save, START);
        state_put_u32(save, "id", state_number(save, STATE_STARTS, start));
        state_put_string(save, "name", start->name);
        state_put_u32(save, "uid", start->uid);
        state_put_bool(save, "by_helper", start->by_helper);
        state_put_string(save, "unit", start->unit);
        state_put_bool(save, "by_template", start->by_template);
        state_put_bool(save, "is_watched", start->is_watched);
        state_put_i64(save, "turn", start->turn);
        state_put_u32(save, "payer", start->payer);
        state_put_i64(save, "deadline", start->timer.deadline);
        save_waiters(start, save);
        state_record_end(save);
}

static void save_child(const struct child *child, struct state_save *save) {
        const struct start *start = child_userdata(child);

        if (start && state_number_of(save, STATE_STARTS, start) == 0)
                state_refuse(save, "a program of the bus itself runs: process %ld",
                             (long)child_pid(child));
        state_record_begin(save, CHILD);
        state_put_u32(save, "pid", (uint32_t)child_pid(child));
        if (child_pipe(child) >= 0)
                state_put_fd(save, "fd_pipe", child_pipe(child));
        state_put_ref(save, "start", STATE_STARTS, start);
        state_record_end(save);
}

void starts_save(const struct activation *activation, struct state_save *save) {
        const struct child *child = NULL;
        const struct start *start;

        if (!activation)
                return;
        units_save(activation->watches, save);
        for (start = activation->starts; start; start = start->hh.next)
                save_start(start, save);
        while ((child = child_next(&activation->children, child)))
                save_child(child, save);
}

/* loading */

static int load_waiter(struct start *start, struct state_load *load, struct reader *r) {
        uint32_t client_id, message_id, kind;
        struct client *client = NULL;
        struct message *m = NULL;
        uint64_t cookie;

        reader_struct(r);
        client_id = reader_u32(r);
        message_id = reader_u32(r);
        cookie = reader_u64(r);
        kind = reader_u32(r);
        if ((client_id > 0 && state_ref(load, "waiters", STATE_CLIENTS, client_id, &client) < 0) ||
            messages_load_held(load, "waiters", message_id, client, &m) < 0)
                return load->error;
        if (kind >= N_WAITER_KINDS)
                return state_fail(load, "waiters", "kind %u is unknown", kind);
        if (kind == WAITER_MESSAGE && (!m->destination.s || strcmp(m->destination.s, start->name)))
                return state_fail(load, "waiters", "message %u is not for this name", message_id);
        if (kind != WAITER_MESSAGE && (!client || m->type != MESSAGE_TYPE_METHOD_CALL))
                return state_fail(load, "waiters", "message %u is no call", message_id);
        if (waiter_new(start, client, m, cookie, kind) < 0)
                return state_fail_memory(load);
        if (client)
                held_restore(client, m);
        return 0;
}

static int take_unit(struct start *start, struct state_load *load) {
        struct wire_string unit = {};

        if (state_find_string(load, "unit", &unit) < 0)
                return load->error;
        if (unit.s && (unit.n == 0 || !name_is_valid_utf8(unit.s, unit.n)))
                return state_fail(load, "unit", "no unit has such a name");
        start->unit = unit.s ? strdup(unit.s) : NULL;
        return unit.s && !start->unit ? state_fail_memory(load) : 0;
}

static int fill(struct start *start, struct state_load *load) {
        int64_t turn = 0, deadline = 0;
        bool is_watched = false;
        const uint8_t *end = NULL;
        uint32_t payer = 0;
        struct reader r;

        state_get_bool(load, "by_helper", &start->by_helper);
        take_unit(start, load);
        state_get_bool(load, "by_template", &start->by_template);
        state_get_bool(load, "is_watched", &is_watched);
        state_get_i64(load, "turn", &turn);
        state_get_u32(load, "payer", &payer);
        state_get_i64(load, "deadline", &deadline);
        if (state_get_array(load, "waiters", "a(uutu)", &r, &end) < 0)
                return load->error;
        if (is_watched &&
            (!start->unit || !units_load_start(start->activation->watches, start->unit)))
                return state_fail(load, "is_watched", "the bus does not watch the unit");
        start->is_watched = is_watched;
        if (turn < 0)
                return state_fail(load, "turn", "it is out of range");
        while (r.at < end)
                if (load_waiter(start, load, &r) < 0)
                        return load->error;
        return (turn > 0 ? start_wait_for_turn(start, payer, turn)
                         : start_set_deadline(start, deadline)) < 0
                       ? state_fail_memory(load)
                       : 0;
}

static int load_start(struct activation *activation, struct state_load *load) {
        struct wire_string name = {};
        struct start *start;
        uint32_t uid = 0;

        state_get_string(load, "name", &name);
        if (state_get_u32(load, "uid", &uid) < 0)
                return load->error;
        if (!name_is_valid_well_known(name.s, name.n))
                return state_fail(load, "name", "this is no name of a service");
        if (start_find(activation, name.s))
                return state_fail(load, "name", "the start is there twice");
        if (name_find(&activation->bus->names, name.s, name.n))
                return state_fail(load, "name", "the name has an owner");
        if (start_restore(activation, name.s, uid, &start) < 0)
                return state_fail_memory(load);
        if (fill(start, load) < 0)
                return load->error;
        return state_define(load, "id", STATE_STARTS, start);
}

/* Only a child of this process can be waited for, and is killed if it takes too long. */
static bool is_child(const struct state_load *load, pid_t pid) {
        siginfo_t info;

        if (pid <= 1)
                return false;
        if (load->is_dry || load->pid != getpid())
                return true; /* only a check */
        return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static int load_child(struct activation *activation, struct state_load *load) {
        struct child *child, *again = NULL;
        struct start *start = NULL;
        uint32_t pid = 0;
        int fd = -1, r;

        state_get_u32(load, "pid", &pid);
        state_find_ref(load, "start", STATE_STARTS, &start);
        if (!load->error && state_has(load, "fd_pipe"))
                state_get_fd(load, "fd_pipe", S_IFIFO, &fd);
        if (load->error)
                return load->error;
        if (!is_child(load, (pid_t)pid))
                return state_fail(load, "pid", "process %u is no child of this one", pid);
        while ((again = (struct child *)child_next(&activation->children, again)))
                if (child_pid(again) == (pid_t)pid)
                        return state_fail(load, "pid", "process %u is there twice", pid);
        if (start && (start->child || start->turn > 0))
                return state_fail(load, "start", "it has no such program");
        r = start ? launch_adopt_child(start, (pid_t)pid, fd)
                  : child_adopt(&activation->children, (pid_t)pid, fd, NULL, NULL, &child);
        if (r == -ENOMEM)
                return state_fail_memory(load);
        return r < 0 ? state_fail(load, "fd_pipe", "%s", strerror(-r)) : 0;
}

int starts_load(struct activation *activation, struct state_load *load) {
        int (*const loads[])(struct activation *, struct state_load *) = {load_start, load_child};
        const char *const kinds[] = {START, CHILD};
        int r;

        r = activation ? units_load(activation->watches, load) : 1;
        if (r != 1)
                return r;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
                if (state_kind_is(load, kinds[i]))
                        return activation ? loads[i](activation, load)
                                          : state_fail(load, NULL, "this bus starts no services");
        return 1;
}

int starts_wake(struct activation *activation) {
        return activation ? children_reap(&activation->children) : 0;
}
