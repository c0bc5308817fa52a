/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/reload.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "base/container-of.h"
#include "base/error.h"
#include "bridge/activation/service-table.h"
#include "bridge/base/log.h"
#include "bridge/base/owner.h"
#include "bridge/base/systemd.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/later.h"
#include "bridge/bus/tell.h"

/* When the bus ends, it waits at most this many seconds for the thread. */
#define END_DELAY 2
#define NICE 5

/* The work of one thread. Until it writes to fd, only this thread uses the members after fd. */
struct reload_job {
        pthread_t thread;
        int fd;                  /* eventfd; written when the thread is done */
        struct reload_state old; /* what an earlier reload left over; the thread frees it */
        char *path;              /* of the configuration to read; NULL: only free old */
        int result;              /* of reading, later of take_over(); 0 or a negative errno */
        struct reload_state state;
        char *error;
};

/*
 * Programs put service files that are only for this session into directories below XDG_RUNTIME_DIR,
 * and expect the bus to make these directories. If that fails the session has no such services.
 */
static void make_runtime_directories(const struct bus_config *config) {
        for (size_t i = 0; i < config->n_servicedirs; i++) {
                char *path = config->servicedirs[i].path, *end = strrchr(path, '/');

                if (config->servicedirs[i].kind != SERVICEDIR_RUNTIME || !end)
                        continue;
                *end = '\0'; /* XDG_RUNTIME_DIR/dbus-1 */
                owner_make_directory(path);
                *end = '/';
                owner_make_directory(path);
        }
}

int reload_read_services(const struct bus_config *config, struct service_table **ret_services) {
        make_runtime_directories(config);
        return service_table_load(config, ret_services);
}

static int read_all(const char *path, struct reload_state *state, char **error) {
        int r;

        r = bus_config_reload(path, NULL, &state->config, error);
        return r < 0 ? r : reload_read_services(state->config, &state->services);
}

static void reload_state_clear(struct reload_state *state) {
        state->config = bus_config_free(state->config);
        state->services = service_table_free(state->services);
}

static void *run(void *userdata) {
        struct reload_job *job = userdata;

        /* Linux changes the priority of this thread only, not of the bus thread. */
        setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
        reload_state_clear(&job->old);
        if (job->path)
                job->result = read_all(job->path, &job->state, &job->error);
        else
                malloc_trim(0);    /* give back what reading and the old configuration have used */
        eventfd_write(job->fd, 1); /* never fails, because the counter has room for 1 */
        return NULL;
}

static void job_free(struct reload_job *job) {
        reload_state_clear(&job->old);
        reload_state_clear(&job->state);
        free(job->error);
        free(job->path);
        free(job);
}

/*
 * Start a thread that frees old and, if path is not NULL, reads the configuration there. On failure
 * old is freed here.
 */
static int job_start(struct reload *reload, struct reload_state old, const char *path) {
        struct reload_job *job = calloc(1, sizeof(*job));
        sigset_t all, mask;
        int r = -ENOMEM;

        if (!job) {
                reload_state_clear(&old);
                return r;
        }
        *job = (struct reload_job){.fd = reload->source.fd, .old = old};
        if (path)
                job->path = strdup(path);
        if (!path || job->path) {
                /* Only the bus thread handles signals. */
                sigfillset(&all);
                pthread_sigmask(SIG_SETMASK, &all, &mask);
                r = -pthread_create(&job->thread, NULL, run, job);
                pthread_sigmask(SIG_SETMASK, &mask, NULL);
        }
        if (r < 0) {
                job_free(job);
                return r;
        }
        reload->job = job;
        return 0;
}

static int end_all(struct later *list, int result, const char *error) {
        struct later *later, *next;
        int fatal = 0;

        DL_FOREACH_SAFE2(list, later, next, owner_next) {
                keep_error(&fatal, result >= 0 ? later_reply(later)
                                               : later_fail(later, DRIVER_ERROR("Failed"),
                                                            "The configuration stays as it was: %s",
                                                            error ? error : strerror(-result)));
        }
        return fatal;
}

/*
 * Log how a reload has ended. What a client asks for again and again must not fill the log, so its
 * user pays for the line. A failure that has the same reason as the last one is no news: a file may
 * be missing for long, and each change in its directory causes a reload.
 */
static void log_result(struct reload *reload, const struct later *list, int result,
                       const char *error) {
        const struct client *asker = list ? list->client : NULL; /* NULL: it has gone, too */
        uint32_t uid = asker ? asker->credentials.uid : reload->bus->credentials.uid;

        if (result >= 0)
                complain_at(&reload->bus->complaints, LOG_LEVEL_INFO, uid,
                            "Reloaded configuration");
        else if (!reload->failure || strcmp(reload->failure, error) != 0)
                log_write(reload->bus->log, LOG_LEVEL_ERROR, "Unable to reload configuration: %s",
                          error);
        free(reload->failure);
        reload->failure = result < 0 ? strdup(error) : NULL;
}

/* Answer the callers of the reload that has just succeeded or failed. */
static int finish(struct reload *reload, int result, const char *error) {
        struct later *list = reload->current;
        int r = 0, k;

        reload->current = NULL;
        log_result(reload, list, result, result < 0 && !error ? strerror(-result) : error);
        systemd_notify("READY=1");
        if (result >= 0)
                r = tell_activatable_changed(reload->bus);
        k = end_all(list, result, error);
        reload->ended(reload->userdata);
        return r < 0 ? r : k;
}

static int start_reading(struct reload *reload, struct reload_state old) {
        char text[64];
        int r;

        reload->again = false;
        reload->current = reload->waiting;
        reload->waiting = NULL;
        snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
                 (long long)(loop_now() / 1000));
        systemd_notify(text);
        reload->begins(reload->userdata);
        r = job_start(reload, old, reload->path);
        return r < 0 ? finish(reload, r, NULL) : 0;
}

static int job_ended(struct loop_source *source, uint32_t events) {
        struct reload *reload = container_of(source, struct reload, source);
        struct reload_job *job = reload->job;
        struct reload_state old = {};
        eventfd_t count;
        int r = 0;

        if (eventfd_read(source->fd, &count) < 0)
                return 0;
        pthread_join(job->thread, NULL);
        reload->job = NULL;

        if (job->path) {
                if (job->result >= 0)
                        job->result = reload->take_over(reload->userdata, &job->state, &job->error);
                if (job->result < 0 && job->state.config)
                        reload->refused(reload->userdata, job->state.config);
                old = job->state;
                job->state = (struct reload_state){};
                r = finish(reload, job->result, job->error);
        }
        job_free(job);

        if (r >= 0 && reload->again)
                return start_reading(reload, old);
        if (old.config)
                job_start(reload, old, NULL);
        return r;
}

int reload_request(struct reload *reload, struct later *later) {
        if (later)
                DL_APPEND2(reload->waiting, later, owner_prev, owner_next);
        reload->again = true;
        return reload->job ? 0 : start_reading(reload, (struct reload_state){});
}

int reload_answer(struct reload *reload, struct later *list) {
        int r;

        if (list)
                log_result(reload, list, 0, NULL);
        r = tell_activatable_changed(reload->bus);
        keep_error(&r, end_all(list, 0, NULL));
        return r;
}

int reload_init(struct reload *reload, struct bus *bus, struct loop *loop, const char *path) {
        *reload = (struct reload){
                .bus = bus,
                .loop = loop,
                .path = path,
                .source.dispatch = job_ended,
        };
        return loop_adopt(loop, &reload->source, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EPOLLIN);
}

static void free_all(struct later *list) {
        struct later *later, *next;

        DL_FOREACH_SAFE2(list, later, next, owner_next) {
                later_free(later);
        }
}

void reload_deinit(struct reload *reload) {
        struct timespec until;

        free_all(reload->current);
        free_all(reload->waiting);
        loop_remove(reload->loop, &reload->source);
        if (reload->job) {
                clock_gettime(CLOCK_REALTIME, &until);
                until.tv_sec += END_DELAY;
                if (pthread_timedjoin_np(reload->job->thread, NULL, &until) != 0)
                        return; /* the thread still uses the job and the descriptor */
                job_free(reload->job);
        }
        loop_close(reload->loop, &reload->source);
        free(reload->failure);
        *reload = (struct reload){.source.fd = -1};
}
