/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/hand-over.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "bridge/base/hash.h"
#include "bridge/bus/later.h"
#include "bridge/bus/state-clients.h"
#include "bridge/bus/state-members.h"
#include "bridge/bus/state-names.h"
#include "bridge/bus/state-waiting.h"
#include "bridge/daemon.h"
#include "bridge/driver/methods.h"
#include "bridge/native/native.h"
#include "bridge/socket/connection-life.h"
#include "bridge/socket/state-connections.h"
#include "bridge/socket/state-listeners.h"
#include "bridge/state/message-record.h"
#include "bridge/state/save.h"

#define PROCESS "Process"

uint32_t hand_over_hash_warnings(const struct bus_config *config) {
        uint32_t hash = (uint32_t)config->n_warnings;

        for (size_t i = 0; i < config->n_warnings; i++)
                hash = hash * 31 + hash_unkeyed(config->warnings[i], strlen(config->warnings[i]));
        return hash;
}

/* saving */

int hand_over_come_to_rest(struct bridge *bridge) {
        bool ended;
        int r;

        if (bridge->reload.job)
                return 0;
        /* a connection can end a session, and a session a connection */
        do {
                r = connections_end_closing(&bridge->server);
                keep_error(&r, native_end_closing(bridge->native, &ended));
        } while (ended && r >= 0);
        return r < 0 ? r : bridge->bus.n_leaving == 0;
}

/* Of an inotify instance, the directories are watched, too. */
static void save_watch(const struct watch *watch, struct state_save *save) {
        struct writer *w;

        if (watch->source.fd < 0)
                return;
        state_put_fd(save, "fd_inotify", watch->source.fd);
        w = state_put(save, "watched", "au");
        writer_array_begin(w, 4);
        for (size_t i = 0; i < watch->n_directories; i++)
                writer_u32(w, (uint32_t)watch->directories[i].wd);
        writer_array_end(w);
}

static void save_process(const struct bridge *bridge, struct state_save *save) {
        struct daemon_capabilities capabilities;

        daemon_get_capabilities(&capabilities);
        state_record_begin(save, PROCESS);
        state_put_string(save, "program_path", bridge->reexec.path);
        state_put_string(save, "config_path", bridge->config_path);
        state_put_bool(save, "log_to_stderr", bridge->log.to_stderr);
        state_put_bool(save, "log_to_syslog", bridge->log.to_syslog);
        state_put_u32(save, "logged_warnings", bridge->logged_warnings);
        state_put_u64(save, "fd_limit_soft", bridge->fd_limit.rlim_cur);
        state_put_u64(save, "fd_limit_hard", bridge->fd_limit.rlim_max);
        state_put_string(save, "pidfile", bridge->pidfile);
        if (bridge->pidfile_fd >= 0)
                state_put_fd(save, "fd_pidfile", bridge->pidfile_fd);
        state_put_bool(save, "is_dumpable", prctl(PR_GET_DUMPABLE) == 1);
        state_put_u64(save, "inheritable_capabilities", capabilities.inheritable);
        state_put_u64(save, "ambient_capabilities", capabilities.ambient);
        save_watch(&bridge->watch, save);
        state_record_end(save);
}

void hand_over_save(const struct bridge *bridge, struct state_save *save) {
        save_process(bridge, save);
        members_save(&bridge->bus, save);
        listeners_save(&bridge->server, save);
        native_save(bridge->native, save);
        connections_save(&bridge->server, save);
        clients_save(&bridge->bus, save);
        names_save(&bridge->bus, save);
        waiting_save(&bridge->bus, save);
        native_save_tables(bridge->native, save);
        outputs_save(&bridge->server, save);
}

/* loading */

static int take_string(struct state_load *load, const char *name, char **ret_text) {
        struct wire_string text = {};

        if (state_find_string(load, name, &text) < 0)
                return load->error;
        *ret_text = text.s ? strdup(text.s) : NULL;
        return text.s && !*ret_text ? state_fail_memory(load) : 0;
}

static int load_watch(struct state_load *load, struct watch_before *before) {
        const uint8_t *end = NULL;
        struct reader r;

        if (!state_has(load, "fd_inotify"))
                return 0;
        if (state_get_array(load, "watched", "au", &r, &end) < 0)
                return load->error;
        before->wds = malloc((size_t)(end - r.at) + 1);
        if (!before->wds)
                return state_fail_memory(load);
        while (r.at < end)
                before->wds[before->n_wds++] = reader_u32(&r);
        return state_get_fd(load, "fd_inotify", 0, &before->fd);
}

static int load_process(struct bridge *bridge) {
        struct state_load *load = &bridge->load;
        struct daemon_capabilities capabilities = {};
        uint64_t soft = 0, hard = 0;
        bool is_dumpable = false;

        take_string(load, "program_path", &bridge->reexec.path);
        take_string(load, "config_path", &bridge->config_path);
        state_get_bool(load, "log_to_stderr", &bridge->log.to_stderr);
        state_get_bool(load, "log_to_syslog", &bridge->log.to_syslog);
        state_get_u32(load, "logged_warnings", &bridge->logged_warnings);
        state_get_u64(load, "fd_limit_soft", &soft);
        state_get_u64(load, "fd_limit_hard", &hard);
        take_string(load, "pidfile", &bridge->pidfile);
        if (state_has(load, "fd_pidfile"))
                state_get_fd(load, "fd_pidfile", S_IFREG, &bridge->pidfile_fd);
        state_get_bool(load, "is_dumpable", &is_dumpable);
        state_get_u64(load, "inheritable_capabilities", &capabilities.inheritable);
        if (state_get_u64(load, "ambient_capabilities", &capabilities.ambient) < 0)
                return load->error;
        if (!bridge->config_path)
                return state_fail(load, "config_path", "the record does not have it");
        bridge->fd_limit = (struct rlimit){.rlim_cur = soft, .rlim_max = hard};

        /*
         * execve() has made the process dumpable, and daemon_pass_capabilities() has made its
         * capabilities ambient. A check has lost them.
         */
        if (!is_dumpable)
                prctl(PR_SET_DUMPABLE, 0);
        if (bridge->is_check)
                return 0; /* and the inotify instance is in use */
        if (daemon_set_capabilities(&capabilities) < 0)
                return state_fail(load, "ambient_capabilities", "they cannot be set");
        return load_watch(load, &bridge->watch_before);
}

int hand_over_begin(struct bridge *bridge) {
        struct state_load *load = &bridge->load;
        int r;

        r = state_load_init(load, bridge->state_fd);
        if (r < 0)
                return r;
        if (!bridge->is_check && load->pid != getpid())
                return 1;
        /* What the check has seen was another document. This process has written this one. */
        load->is_trusted = !bridge->is_check;
        r = state_load_next(load);
        if (r < 0)
                return r;
        if (r == 0 || !state_kind_is(load, PROCESS))
                return state_fail(load, NULL, "a record of the kind " PROCESS " must come first");
        return load_process(bridge);
}

static int messages_load(struct state_load *load) {
        return state_kind_is(load, STATE_MESSAGE) ? state_load_message(load) : 1;
}

int hand_over_load(struct bridge *bridge) {
        struct state_load *load = &bridge->load;
        int r;

        while ((r = state_load_next(load)) > 0) {
                r = members_load(&bridge->bus, load);
                if (r == 1)
                        r = listeners_load(&bridge->server, load);
                if (r == 1)
                        r = connections_load(&bridge->server, load);
                if (r == 1)
                        r = orphans_load(&bridge->bus, load);
                if (r == 1)
                        r = names_load(&bridge->bus, load);
                if (r == 1)
                        r = waiting_load(&bridge->bus, load, &bridge->laters);
                if (r == 1)
                        r = native_load(&bridge->native, &bridge->bus, &bridge->loop, load);
                if (r == 1)
                        r = messages_load(load);
                if (r == 1)
                        r = state_unknown_kind(load);
                if (r < 0)
                        return r;
        }
        if (r == 0)
                r = connections_loaded(&bridge->server, load);
        if (r == 0)
                r = names_loaded(&bridge->bus, load);
        if (r == 0)
                r = native_loaded(bridge->native, load);
        if (r == 0)
                members_loaded(&bridge->bus, load);
        return r;
}

void hand_over_end(struct bridge *bridge) {
        native_settle(bridge->native);
        state_load_settle(&bridge->load);
        state_load_deinit(&bridge->load);
        close(bridge->state_fd);
        bridge->state_fd = -1;
        bridge->is_old = bridge->old_fd < 0;
        if (bridge->old_fd >= 0)
                close(bridge->old_fd);
        bridge->old_fd = -1;
        free(bridge->watch_before.wds);
        bridge->watch_before = (struct watch_before){.fd = -1};
}

int hand_over_wake(struct bridge *bridge) {
        struct later **laters = &bridge->laters;
        int r;

        r = native_wake(bridge->native);
        keep_error(&r, reload_answer(&bridge->reload, later_take(laters, LATER_RELOAD)));
        keep_error(&r, connections_wake(&bridge->server));
        keep_error(&r, waiting_wake(&bridge->bus));
        keep_error(&r,
                   driver_answer_match_rules(&bridge->bus, later_take(laters, LATER_MATCH_RULES)));
        keep_error(&r, reexec_answer(later_take(laters, LATER_REEXECUTE), bridge->is_old));
        return r;
}
