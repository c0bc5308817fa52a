/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/bus/state-units.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/bus/unit-watch-private.h"
#include "bridge/bus/unit-watch.h"
#include "bridge/wire/names.h"

#define UNITS "Units"
#define UNIT "Unit"

/* saving */

static void save_end(struct state_save *save, const char *name, const struct unit_end *end) {
        struct writer *w = state_put(save, name, "(bbsii)");

        writer_struct(w);
        writer_bool(w, end->condition_failed);
        writer_bool(w, end->assert_failed);
        writer_string(w, end->result);
        writer_u32(w, (uint32_t)end->code);
        writer_u32(w, (uint32_t)end->status);
}

static void save_state(struct state_save *save, const struct unit_state *state) {
        struct writer *w = state_put(save, "state", "(sssb)");

        writer_struct(w);
        writer_string(w, state->load);
        writer_string(w, state->active);
        writer_string(w, state->sub);
        writer_bool(w, state->has_job);
}

static void save_unit(const struct unit_watch *watch, struct state_save *save) {
        state_record_begin(save, UNIT);
        state_put_string(save, "name", watch->name);
        state_put_u32(save, "question", watch->question);
        state_put_u32(save, "serial", watch->serial);
        state_put_bool(save, "is_dirty", watch->is_dirty);
        state_put_bool(save, "is_outdated", watch->is_outdated);
        state_put_bool(save, "is_requested", watch->is_requested);
        state_put_bool(save, "was_handled", watch->was_handled);
        state_put_bool(save, "is_hopeless", watch->is_hopeless);
        state_put_u32(save, "n_second_looks", watch->n_second_looks);
        state_put_string(save, "path", watch->path);
        state_put_bool(save, "path_is_known", watch->path_is_known);
        save_state(save, &watch->state);
        save_end(save, "told", &watch->told);
        save_end(save, "end", &watch->end);
        state_put_string(save, "job_result", watch->job_result);
        state_record_end(save);
}

void units_save(const struct unit_watches *watches, struct state_save *save) {
        const struct unit_watch *watch;

        state_record_begin(save, UNITS);
        state_put_ref(save, "systemd", STATE_CLIENTS, watches->systemd);
        state_put_bool(save, "is_subscribed", watches->is_subscribed);
        state_put_u32(save, "template_serial", watches->template_serial);
        state_put_bool(save, "template_is_outdated", watches->template_is_outdated);
        state_put_bool(save, "has_template", watches->has_template);
        state_record_end(save);
        for (watch = watches->watches; watch; watch = watch->hh.next)
                save_unit(watch, save);
}

/* loading */

static int load_units(struct unit_watches *watches, struct state_load *load) {
        struct client *systemd = NULL;

        state_find_ref(load, "systemd", STATE_CLIENTS, &systemd);
        state_get_bool(load, "is_subscribed", &watches->is_subscribed);
        state_get_u32(load, "template_serial", &watches->template_serial);
        state_get_bool(load, "template_is_outdated", &watches->template_is_outdated);
        if (state_get_bool(load, "has_template", &watches->has_template) < 0)
                return load->error;
        if (systemd && launch_find_systemd(watches->bus) != systemd)
                return state_fail(load, "systemd", "this client is not systemd");
        watches->systemd = systemd;
        return 0;
}

/* Copy a string that is short enough. */
static int take(struct state_load *load, const char *name, struct wire_string s, char *to,
                size_t size) {
        if (load->error)
                return load->error;
        if (s.n >= size)
                return state_fail(load, name, "a string is too long");
        memcpy(to, s.s, s.n + 1);
        return 0;
}

static int load_end(struct state_load *load, const char *name, struct unit_end *end) {
        struct reader r;

        if (state_get(load, name, "(bbsii)", &r) < 0)
                return load->error;
        reader_struct(&r);
        end->condition_failed = reader_u32(&r) != 0;
        end->assert_failed = reader_u32(&r) != 0;
        take(load, name, reader_string(&r), end->result, sizeof(end->result));
        end->code = (int32_t)reader_u32(&r);
        end->status = (int32_t)reader_u32(&r);
        return load->error;
}

static int load_state(struct state_load *load, struct unit_state *state) {
        struct reader r;

        if (state_get(load, "state", "(sssb)", &r) < 0)
                return load->error;
        reader_struct(&r);
        take(load, "state", reader_string(&r), state->load, sizeof(state->load));
        take(load, "state", reader_string(&r), state->active, sizeof(state->active));
        take(load, "state", reader_string(&r), state->sub, sizeof(state->sub));
        state->has_job = reader_u32(&r) != 0;
        return load->error;
}

static int load_path(struct state_load *load, struct unit_watch *watch) {
        struct wire_string path = {};
        char *copy;

        if (state_get_string(load, "path", &path) < 0)
                return load->error;
        if (path.n >= UNIT_PATH_MAX || !name_is_valid_object_path(path.s, path.n))
                return state_fail(load, "path", "this is no path of a unit");
        copy = strdup(path.s);
        if (!copy)
                return state_fail_memory(load);
        free(watch->path);
        watch->path = copy;
        return 0;
}

static int fill(struct state_load *load, struct unit_watch *watch) {
        struct wire_string job_result = {};
        uint32_t question = 0;

        state_get_below(load, "question", N_UNIT_QUESTIONS, &question);
        watch->question = question;
        state_get_u32(load, "serial", &watch->serial);
        state_get_bool(load, "is_dirty", &watch->is_dirty);
        state_get_bool(load, "is_outdated", &watch->is_outdated);
        state_get_bool(load, "is_requested", &watch->is_requested);
        state_get_bool(load, "was_handled", &watch->was_handled);
        state_get_bool(load, "is_hopeless", &watch->is_hopeless);
        state_get_u32(load, "n_second_looks", &watch->n_second_looks);
        load_path(load, watch);
        state_get_bool(load, "path_is_known", &watch->path_is_known);
        load_state(load, &watch->state);
        load_end(load, "told", &watch->told);
        load_end(load, "end", &watch->end);
        state_get_string(load, "job_result", &job_result);
        return take(load, "job_result", job_result, watch->job_result, sizeof(watch->job_result));
}

static int load_unit(struct unit_watches *watches, struct state_load *load) {
        struct wire_string name = {};
        struct unit_watch *watch;
        int r;

        if (state_get_string(load, "name", &name) < 0)
                return load->error;
        if (name.n == 0 || !name_is_valid_utf8(name.s, name.n))
                return state_fail(load, "name", "no unit has such a name");
        if (unit_watch_find(watches, name.s))
                return state_fail(load, "name", "the unit is there twice");
        if (unit_watch_new(watches, name.s, &watch) < 0)
                return state_fail_memory(load);
        r = fill(load, watch);
        unit_watches_choose_signals(watches);
        return r;
}

int units_load(struct unit_watches *watches, struct state_load *load) {
        if (state_kind_is(load, UNITS))
                return load_units(watches, load);
        if (state_kind_is(load, UNIT))
                return load_unit(watches, load);
        return 1;
}

bool units_load_start(struct unit_watches *watches, const char *unit) {
        struct unit_watch *watch = unit_watch_find(watches, unit);

        if (watch)
                watch->n_starts++;
        return watch != NULL;
}
