/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bus1-bridge: a message bus with the command line and configuration of dbus-daemon. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "bridge/base/systemd.h"
#include "bridge/bridge.h"
#include "bridge/bus/account.h"
#include "bridge/bus/activation-systemd.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/configure.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/later.h"
#include "bridge/bus/mediate.h"
#include "bridge/bus/tell.h"
#include "bridge/daemon.h"
#include "bridge/driver/driver.h"
#include "bridge/driver/methods.h"
#include "bridge/hand-over.h"
#include "bridge/lsm/lsm.h"
#include "bridge/native/native.h"
#include "bridge/socket/server-setup.h"

/* The bus logs at most this many warnings about a configuration; bus1ctl shows all of them. */
#define WARNINGS_MAX 200

static int fail(struct bridge *bridge, int r, const char *what) {
        log_write(&bridge->log, LOG_LEVEL_ERROR, "%s: %s%s%s",
                  bridge->state_fd < 0 ? "Failed to start message bus"
                                       : "Cannot take over from the message bus that runs",
                  what, r ? ": " : "", r ? strerror(-r) : "");
        return r ? r : -EINVAL;
}

/* Log the allocated text in error and free it. If error is NULL, log what and strerror() of r. */
static int fail_text(struct bridge *bridge, int r, const char *what, char *error) {
        fail(bridge, error ? 0 : r, error ? error : what);
        free(error);
        return r;
}

/* configuration */

/*
 * Log which settings of the configuration this bus does not enforce. -EOPNOTSUPP if the
 * configuration requires one of them, or, except on a session bus, if a restriction would be
 * ignored.
 */
static int check_enforced(struct bridge *bridge, const struct bus_config *config) {
        bool is_session = config->type && !strcmp(config->type, "session");
        struct policy_unenforced *list;
        size_t n;
        int r;

        r = policy_unenforced(config, BUS_ENFORCES_ALWAYS | mediate_enforced(&bridge->bus), &list,
                              &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                bool refuse = list[i].severity == POLICY_UNENFORCED_REQUIRED ||
                              (list[i].severity == POLICY_UNENFORCED_REFUSE && !is_session);

                complain_at(&bridge->bus.complaints, refuse ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
                            bridge->bus.credentials.uid, "%s%s", list[i].text,
                            refuse ? "; the configuration is refused, because this part of it "
                                     "would not be enforced"
                                   : "");
                if (refuse)
                        r = -EOPNOTSUPP;
        }
        policy_unenforced_free(list, n);
        return r;
}

static bool has_same_warnings(const struct bus_config *a, const struct bus_config *b) {
        if (a->n_warnings != b->n_warnings)
                return false;
        for (size_t i = 0; i < a->n_warnings; i++)
                if (strcmp(a->warnings[i], b->warnings[i]) != 0)
                        return false;
        return true;
}

/*
 * Log the warnings about a configuration, unless the one in force (NULL: none) has the same: a
 * client that reloads again and again must not fill the log. Negative errno if this bus cannot run
 * with it.
 */
static int check_config(struct bridge *bridge, const struct bus_config *old,
                        const struct bus_config *config, char **ret_error) {
        uint32_t hash = hand_over_hash_warnings(config);
        bool is_news = old ? !has_same_warnings(old, config)
                           : bridge->state_fd < 0 || hash != bridge->logged_warnings;
        int r;

        bridge->logged_warnings = hash;

        is_news &= !bridge->is_check;
        for (size_t i = 0; is_news && i < config->n_warnings && i < WARNINGS_MAX; i++)
                log_write(&bridge->log, LOG_LEVEL_WARNING, "%s", config->warnings[i]);
        if (is_news && config->n_warnings > WARNINGS_MAX)
                log_write(&bridge->log, LOG_LEVEL_WARNING,
                          "There are %zu more warnings: see bus1ctl policy check %s",
                          config->n_warnings - WARNINGS_MAX, bridge->config_path);

        r = check_enforced(bridge, config);
        if (r == -EOPNOTSUPP &&
            asprintf(ret_error,
                     "The configuration %s asks for protection that this bus does not "
                     "enforce",
                     bridge->config_path) < 0)
                *ret_error = NULL;
        return r;
}

static void watched(struct bridge *bridge, int r) {
        if (r < 0)
                log_write(&bridge->log, LOG_LEVEL_WARNING,
                          "Cannot watch the directories of the configuration");
}

/* reload.take_over: let a configuration take effect that was read while the bus runs. */
static int take_over(void *userdata, struct reload_state *state, char **ret_error) {
        struct bridge *bridge = userdata;
        struct bus_config *old = bridge->config;
        int r;

        r = check_config(bridge, old, state->config, ret_error);
        if (r >= 0)
                r = bus_configure(&bridge->bus, state->config);
        if (r < 0)
                return r;
        bridge->config = state->config;
        state->config = old;
        activation_exchange_table(bridge->bus.activation, &state->services);
        /* Without memory for the question, the bus goes on with what it knows. */
        activation_look_for_template(bridge->bus.activation);
        watched(bridge, watch_set(&bridge->watch, bridge->config));
        return 0;
}

/*
 * reload.refused: watch the files of the refused configuration, too. The one with the mistake may
 * be among those that the configuration in force does not include.
 */
static void refused(void *userdata, const struct bus_config *config) {
        struct bridge *bridge = userdata;

        watched(bridge, watch_add(&bridge->watch, config));
}

/* reload.begins, reload.ended */
static void reading_begins(void *userdata) {
        struct bridge *bridge = userdata;

        watch_begin(&bridge->watch);
}

static void reading_ended(void *userdata) {
        struct bridge *bridge = userdata;

        watch_end(&bridge->watch);
        docket_judge_all(&bridge->bus);
}

/* bus.hooks.policy_is_old: do not make those who wait for a newer policy wait for more changes. */
static bool policy_is_old(void *userdata) {
        struct bridge *bridge = userdata;

        if (!watch_is_behind(&bridge->watch))
                return false;
        watch_hurry(&bridge->watch);
        return true;
}

/* bus.hooks.files_have_changed */
static void files_have_changed(void *userdata) {
        struct bridge *bridge = userdata;

        watch_note(&bridge->watch);
        watch_hurry(&bridge->watch);
}

static int reload_asked(void *userdata, struct later *later) {
        struct bridge *bridge = userdata;

        /* Others could call again and again, and so keep denials of other clients waiting. */
        if (later && later->client && client_is_privileged(later->client))
                watch_note(&bridge->watch);
        return reload_request(&bridge->reload, later);
}

/* No caller waits for this reload; only the log tells its result. */
static int reload_unasked(void *userdata) {
        return reload_asked(userdata, NULL);
}

/* bus.hooks.reexecute */
static int reexec_asked(void *userdata, struct later *later) {
        struct bridge *bridge = userdata;

        return reexec_request(&bridge->reexec, later);
}

/* signals and time */

static int handle_signal(struct loop_source *source, uint32_t events) {
        struct bridge *bridge = container_of(source, struct bridge, signals);
        struct signalfd_siginfo info;

        if (read(source->fd, &info, sizeof(info)) != sizeof(info))
                return 0;
        if (info.ssi_signo == SIGTERM) {
                loop_stop(&bridge->loop);
                return 0;
        }
        if (info.ssi_signo == SIGUSR2)
                return reexec_request(&bridge->reexec, NULL);
        watch_note(&bridge->watch);
        return reload_unasked(bridge);
}

/* Called as soon as the loop exists. From then on, these signals wait until the loop runs. */
static int setup_signals(struct bridge *bridge) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGUSR2);
        bridge->signals.dispatch = handle_signal;
        return loop_adopt_signals(&bridge->loop, &bridge->signals, &set);
}

static void set_reply_timer(void *userdata, int64_t deadline) {
        struct bridge *bridge = userdata;

        loop_timer_set(&bridge->loop, &bridge->reply_timer, deadline);
}

static int reply_timer_expired(struct loop_timer *timer) {
        struct bridge *bridge = container_of(timer, struct bridge, reply_timer);
        int64_t next;
        int r, k = 0;

        r = tell_replies_expired(&bridge->bus, loop_now(), &next);
        if (next != INT64_MAX)
                k = loop_timer_set(&bridge->loop, timer, next);
        return r < 0 ? r : k;
}

/*
 * loop.failed: a lack of memory is the misfortune of one message or client; the front ends end what
 * cannot go on without it. All other errors end the bus.
 */
static int survive(struct loop *loop, int r) {
        struct bridge *bridge = container_of(loop, struct bridge, loop);

        if (r != -ENOMEM)
                return r;
        complain(&bridge->bus.complaints, bridge->bus.credentials.uid,
                 "There is no memory for a message or a client, which is dropped");
        return 0;
}

/* start */

/* Listen on all addresses. bus.address lists the last one first, like dbus-daemon. */
static int listen_all(struct bridge *bridge) {
        char *const *addresses = bridge->config->listen;
        size_t n = bridge->config->n_listen;
        char *given = (char *)bridge->options.address;
        int r;

        if (given) {
                addresses = &given;
                n = 1;
        }
        for (size_t i = 0; i < n; i++) {
                char *printed, *joined, *error;

                r = server_listen(&bridge->server, addresses[i], &printed, &error);
                if (r < 0)
                        return fail_text(bridge, r, addresses[i], error);
                if (bridge->bus.address) {
                        r = asprintf(&joined, "%s;%s", printed, bridge->bus.address);
                        free(printed);
                        if (r < 0)
                                return -ENOMEM;
                        free(bridge->bus.address);
                        printed = joined;
                }
                bridge->bus.address = printed;
        }
        return 0;
}

static int print_line(struct bridge *bridge, int fd, const char *line) {
        CLEANUP_FREE char *copy = NULL;
        ssize_t k;
        int n;

        if (fd < 0)
                return 0;
        n = asprintf(&copy, "%s\n", line);
        if (n < 0) {
                copy = NULL;
                return -ENOMEM;
        }
        do
                k = write(fd, copy, n);
        while (k < 0 && errno == EINTR);
        if (k != n)
                return fail(bridge, k < 0 ? -errno : -EIO, "cannot print the address or pid");
        if (fd > 2)
                close(fd);
        return 0;
}

static int print_all(struct bridge *bridge) {
        char pid[32];
        int r;

        r = print_line(bridge, bridge->options.print_address_fd, bridge->bus.address);
        if (r < 0)
                return r;
        snprintf(pid, sizeof(pid), "%ld", (long)getpid());
        return print_line(bridge, bridge->options.print_pid_fd, pid);
}

static void setup_log(struct bridge *bridge, bool forks) {
        const struct options *o = &bridge->options;

        bridge->log.to_syslog = o->to_syslog >= 0 ? o->to_syslog : bridge->config->syslog || forks;
        bridge->log.to_stderr = o->to_stderr >= 0 ? o->to_stderr : true;
        log_set_context(&bridge->log, bridge->config->type);
}

static int write_pidfile(struct bridge *bridge) {
        int r;

        if (!bridge->config->pidfile || bridge->options.no_pidfile)
                return 0;
        r = daemon_write_pidfile(bridge->config->pidfile, &bridge->pidfile_fd);
        if (r == -EEXIST)
                return fail(bridge, 0, "a message bus that runs already has the pid file");
        if (r < 0)
                return fail(bridge, r, "cannot write the pid file");
        bridge->pidfile = strdup(bridge->config->pidfile);
        return 0;
}

/* Without the file, the names of clients of an earlier bus may come again. */
static void open_ids(struct bridge *bridge) {
        CLEANUP_FREE char *directory = systemd_runtime_directory();
        int r;

        r = directory ? ids_open(&bridge->bus.ids, directory) : 0;
        if (r < 0)
                log_write(&bridge->log, LOG_LEVEL_WARNING,
                          "Unique names may repeat those before the last start of the bus: "
                          "%s/unique-names: %s",
                          directory, strerror(-r));
}

/* What systemctl status shows: the core that native programs use. */
static void tell_ready(const struct bridge *bridge) {
        if (!bridge->native)
                systemd_notify("READY=1\nSTATUS=no bus1 is usable");
        else if (native_uses_kernel(bridge->native))
                systemd_notify("READY=1\nSTATUS=bus1 of the kernel");
        else
                systemd_notify("READY=1\nSTATUS=bus1 in the process of the bus");
}

static int come_to_rest(void *userdata) {
        return hand_over_come_to_rest(userdata);
}

static uint64_t count_changes(void *userdata) {
        struct bridge *bridge = userdata;

        watch_is_behind(&bridge->watch); /* it looks */
        return bridge->watch.n_changes;
}

static void save(void *userdata, struct state_save *save) {
        hand_over_save(userdata, save);
}

static void reexec_begins(void *userdata) {
        struct bridge *bridge = userdata;
        char text[64];

        cookies_stop(&bridge->server.cookies);
        snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
                 (unsigned long long)loop_now() / 1000);
        systemd_notify(text);
}

static int reexec_goes_on(void *userdata) {
        struct bridge *bridge = userdata;

        tell_ready(bridge);
        return cookies_resume(&bridge->server.cookies);
}

static void setup_reexec(struct bridge *bridge) {
        bridge->reexec.loop = &bridge->loop;
        bridge->reexec.log = &bridge->log;
        bridge->reexec.children = &bridge->bus.activation->children;
        bridge->reexec.program = "bus1-bridge " BRIDGE_VERSION;
        bridge->reexec.come_to_rest = come_to_rest;
        bridge->reexec.count_changes = count_changes;
        bridge->reexec.save = save;
        bridge->reexec.begins = reexec_begins;
        bridge->reexec.goes_on = reexec_goes_on;
        bridge->reexec.userdata = bridge;
        reexec_init(&bridge->reexec);
}

static int setup_bus(struct bridge *bridge) {
        int r;

        r = loop_init(&bridge->loop);
        if (r >= 0)
                r = setup_signals(bridge);
        if (r >= 0)
                r = bus_init(&bridge->bus, &bridge->log);
        if (r >= 0)
                r = driver_add_interfaces(&bridge->bus);
        if (r >= 0)
                r = bus_configure(&bridge->bus, bridge->config);
        if (r >= 0)
                r = lsm_setup(&bridge->bus, &bridge->loop, bridge->config);
        if (r >= 0)
                r = server_init(&bridge->server, &bridge->bus, &bridge->loop);
        if (r < 0)
                return fail(bridge, r, "cannot set up the bus");
        if (bridge->state_fd < 0)
                open_ids(bridge);
        server_configure(&bridge->server, bridge->config);
        r = activation_new(&bridge->bus, &bridge->loop, &bridge->fd_limit, &bridge->bus.activation);
        if (r < 0)
                return fail(bridge, r, "cannot set up the start of services");
        activation_exchange_table(bridge->bus.activation, &bridge->services);
        setup_reexec(bridge);
        r = reload_init(&bridge->reload, &bridge->bus, &bridge->loop, bridge->config_path);
        if (r < 0)
                return fail(bridge, r, "cannot set up the bus");
        bridge->reload.take_over = take_over;
        bridge->reload.refused = refused;
        bridge->reload.begins = reading_begins;
        bridge->reload.ended = reading_ended;
        bridge->reload.userdata = bridge;

        bridge->bus.systemd_activation = bridge->options.systemd_activation;
        bridge->bus.standard_configuration = bridge->options.is_standard;
        bridge->bus.system_configuration =
                bridge->options.is_standard &&
                strcmp(bridge->options.config_file, BUS_CONFIG_SYSTEM) == 0;
        bridge->bus.hooks.process = bridge;
        bridge->bus.hooks.reload = reload_asked;
        bridge->bus.hooks.reexecute = reexec_asked;
        bridge->bus.hooks.policy_is_old = policy_is_old;
        bridge->bus.hooks.files_have_changed = files_have_changed;
        bridge->bus.replies.set_timer = set_reply_timer;
        bridge->bus.replies.timer_userdata = bridge;
        bridge->reply_timer.expired = reply_timer_expired;
        return 0;
}

/* What only a first start does, before the bus listens. */
static int prepare(struct bridge *bridge) {
        getrlimit(RLIMIT_NOFILE, &bridge->fd_limit);
        bridge->config_path = realpath(bridge->options.config_file, NULL);
        if (!bridge->config_path)
                bridge->config_path = strdup(bridge->options.config_file);
        return bridge->config_path ? 0 : -ENOMEM;
}

/* Become what the configuration says. */
static int settle(struct bridge *bridge) {
        int r;

        r = listen_all(bridge);
        if (r >= 0)
                r = write_pidfile(bridge);
        if (r < 0)
                return r;

        daemon_raise_fd_limit();
        if (!bridge->config->user)
                return 0;
        r = daemon_drop_privileges(bridge->config->user, bridge->bus.mediators);
        if (r < 0)
                return fail(bridge, r, "cannot change to the user in <user>");
        bus_refresh_identity(&bridge->bus);
        return 0;
}

/* Tell those who wait for the bus that it is there. */
static int announce(struct bridge *bridge, bool forks) {
        int r;

        r = print_all(bridge);
        if (r < 0 || !forks)
                return r;
        if (bridge->options.to_stderr < 0)
                bridge->log.to_stderr = false;
        r = daemon_ready(bridge->ready_fd, bridge->config->keep_umask);
        return r < 0 ? fail(bridge, r, "cannot go to the background") : 0;
}

static int fail_to_take_over(struct bridge *bridge, int r) {
        return fail(bridge, bridge->load.error_text ? 0 : r,
                    bridge->load.error_text ?: "the document cannot be read");
}

static int read_configuration(struct bridge *bridge) {
        char *error = NULL;
        int r;

        r = bus_config_load(bridge->config_path, NULL, &bridge->config, &error);
        if (r >= 0)
                r = reload_read_services(bridge->config, &bridge->services);
        return r < 0 ? fail_text(bridge, r, bridge->config_path, error) : 0;
}

/*
 * A first start, or one that takes over from the program that this process has executed before.
 * That one has listened, has its pid file, and was announced.
 */
static int start(struct bridge *bridge) {
        bool is_first = bridge->state_fd < 0, forks = false;
        char *error = NULL;
        int r;

        r = is_first ? prepare(bridge) : 0;
        if (r >= 0)
                r = read_configuration(bridge);
        if (r < 0)
                return r;
        if (is_first) {
                forks = bridge->options.fork >= 0 ? bridge->options.fork : bridge->config->fork;
                r = forks ? daemon_fork(&bridge->ready_fd) : 0;
                if (r < 0)
                        return fail(bridge, r, "cannot fork");
                setup_log(bridge, forks);
        }
        log_set_context(&bridge->log, bridge->config->type);

        r = setup_bus(bridge);
        if (r < 0)
                return r;
        r = check_config(bridge, NULL, bridge->config, &error);
        if (r < 0)
                return fail_text(bridge, r, bridge->options.config_file, error);
        if (is_first)
                r = settle(bridge);
        else if ((r = hand_over_load(bridge)) < 0)
                return fail_to_take_over(bridge, r);
        if (r < 0)
                return r;

        /* Without bus1 the bus still serves D-Bus programs. */
        r = bridge->native ? 0 : native_new(&bridge->native, &bridge->bus, &bridge->loop);
        if (r < 0)
                log_write(&bridge->log, LOG_LEVEL_WARNING,
                          "Native clients cannot connect, because bus1 is not usable: %s",
                          strerror(-r));

        if (bridge->watch_before.fd >= 0)
                r = watch_adopt(&bridge->watch, &bridge->watch_before, &bridge->loop,
                                reload_unasked, bridge);
        else
                r = watch_init(&bridge->watch, &bridge->loop, reload_unasked, bridge);
        if (r >= 0)
                r = watch_set(&bridge->watch, bridge->config);
        if (r < 0)
                log_write(&bridge->log, LOG_LEVEL_WARNING,
                          "Cannot watch the configuration for changes: %s", strerror(-r));

        r = server_start(&bridge->server);
        if (r < 0)
                return fail(bridge, r, "cannot watch the listening sockets");
        if (bridge->is_check)
                return 0;
        if (is_first) {
                r = announce(bridge, forks);
                if (r < 0)
                        return r;
        } else {
                hand_over_end(bridge);
                log_write(&bridge->log, LOG_LEVEL_NOTICE,
                          "The message bus has executed its program again: "
                          "bus1-bridge " BRIDGE_VERSION);
                r = hand_over_wake(bridge);
                if (r < 0 && survive(&bridge->loop, r) < 0)
                        return fail(bridge, r, "the clients cannot go on");
        }
        malloc_trim(0); /* reading the configuration has used more than is needed from here on */
        tell_ready(bridge);
        return 0;
}

/*
 * There is a document: take it over. Returns as start() does. On failure, the program of before
 * goes on.
 */
static int take_over_process(struct bridge *bridge, char **argv) {
        int r;

        r = hand_over_begin(bridge);
        if (r == 1) {
                state_load_deinit(&bridge->load);
                bridge->state_fd = bridge->old_fd = -1;
                return start(bridge);
        }
        r = r < 0 ? fail_to_take_over(bridge, r) : start(bridge);
        if (r >= 0 || bridge->is_check)
                return r;
        log_write(&bridge->log, LOG_LEVEL_ERROR, "The program of before goes on");
        r = reexec_fall_back(argv, bridge->state_fd, bridge->old_fd);
        return fail(bridge, r, "there is no way back");
}

static void stop(struct bridge *bridge) {
        systemd_notify("STOPPING=1");
        reexec_deinit(&bridge->reexec);
        reload_deinit(&bridge->reload);
        native_free(bridge->native);
        if (bridge->server.buffer)
                server_deinit(&bridge->server);
        activation_free(bridge->bus.activation);
        service_table_free(bridge->services);
        mediate_free_all(&bridge->bus);
        account_forget_idle(&bridge->bus);
        bus_deinit(&bridge->bus);
        loop_timer_cancel(&bridge->loop, &bridge->reply_timer);
        watch_deinit(&bridge->watch);
        loop_close(&bridge->loop, &bridge->signals);
        loop_deinit(&bridge->loop);
        if (bridge->pidfile)
                unlink(bridge->pidfile);
        free(bridge->pidfile);
        if (bridge->pidfile_fd >= 0)
                close(bridge->pidfile_fd);
        bus_config_free(bridge->config);
        free(bridge->config_path);
        log_deinit(&bridge->log);
}

static int introspect(void) {
        struct bus bus;
        char *text;

        if (bus_init(&bus, NULL) < 0 || driver_add_interfaces(&bus) < 0)
                return EXIT_FAILURE;
        text = driver_introspect(&bus, NULL);
        if (text)
                fputs(text, stdout);
        free(text);
        bus_deinit(&bus);
        return text ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A signal that comes before the loop runs must not end the process, either. */
static void block_reexec(void) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_BLOCK, &set, NULL);
}

int main(int argc, char **argv) {
        static struct bridge bridge = {
                .loop.epoll_fd = -1,
                .signals.fd = -1,
                .reload.source.fd = -1,
                .watch.source.fd = -1,
                .ready_fd = -1,
                .pidfile_fd = -1,
                .state_fd = -1,
                .old_fd = -1,
                .watch_before.fd = -1,
                .bus.credentials.socket = -1,
        };
        const char *program = argc > 0 ? basename(argv[0]) : "bus1-bridge";
        int r;

        block_reexec();
        reexec_take(&bridge.state_fd, &bridge.old_fd);
        daemon_fix_standard_streams();
        /* Writing to a log pipe that has no reader must not end the bus. */
        signal(SIGPIPE, SIG_IGN);
        log_init(&bridge.log, program);
        switch (options_parse(&bridge.options, argc, argv)) {
        case OPTIONS_RUN:
                break;
        case OPTIONS_VERSION:
                printf("D-Bus Message Bus Daemon " BRIDGE_VERSION " (bus1-bridge)\n");
                return EXIT_SUCCESS;
        case OPTIONS_INTROSPECT:
                return introspect();
        case OPTIONS_USAGE:
                options_usage(program);
                reexec_fall_back(argv, bridge.state_fd, bridge.old_fd);
                return EXIT_FAILURE;
        }

        bridge.reexec.argv = argv;
        if (bridge.options.check_state_fd >= 0) {
                bridge.is_check = true;
                bridge.state_fd = bridge.options.check_state_fd;
                /* It has copies of all sockets, which must not stay open without the bus. */
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                /* The end of this process must not end anything of the bus. */
                return take_over_process(&bridge, argv) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        }
        r = bridge.state_fd >= 0 ? take_over_process(&bridge, argv) : start(&bridge);
        if (r >= 0) {
                bridge.loop.failed = survive;
                r = loop_run(&bridge.loop);
                if (r < 0)
                        log_write(&bridge.log, LOG_LEVEL_ERROR, "The message bus cannot go on: %s",
                                  strerror(-r));
        }
        stop(&bridge);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
