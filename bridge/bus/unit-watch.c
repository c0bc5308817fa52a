/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unit watches: questions to systemd, its answers and its signals. */

#include "bridge/bus/unit-watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "bridge/bus/requester.h"
#include "bridge/bus/route.h"
#include "bridge/bus/unit-watch-private.h"
#include "bridge/bus/voice.h"

#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define UNIT_PATH SYSTEMD_PATH "/unit/"
#define SYSTEMD "org.freedesktop.systemd1."
#define PROPERTIES "org.freedesktop.DBus.Properties"

/*
 * If a unit that is over changes while the bus asks for the reason, the bus looks at its state
 * again, but only so often: systemd may load and drop the unit just because it is asked.
 */
#define SECOND_LOOKS_MAX 3

/* paths */

static bool is_plain(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/*
 * Write the path that systemd gives to the object of a unit: letters and digits of the name stay,
 * except a digit in front, and other bytes become _xx. Returns path.
 */
static const char *make_path(const char *unit, char path[static UNIT_PATH_MAX]) {
        char *to = stpcpy(path, UNIT_PATH), *end = path + UNIT_PATH_MAX - 4;

        for (const char *from = unit; *from && to < end; from++) {
                if (is_plain(*from) && (from > unit || *from > '9'))
                        *to++ = *from;
                else
                        to += sprintf(to, "_%02x", (unsigned char)*from);
        }
        *to = '\0';
        return path;
}

static bool is_service(const char *path) {
        static const char suffix[] = "_2eservice";
        size_t n = strlen(path), k = strlen(suffix);

        return n >= k && strcmp(path + n - k, suffix) == 0;
}

/* watches */

struct unit_watch *unit_watch_find(const struct unit_watches *watches, const char *unit) {
        struct unit_watch *watch;

        HASH_FIND(hh, watches->watches, unit, strlen(unit), watch);
        return watch;
}

static struct unit_watch *watch_free(struct unit_watch *watch) {
        free(watch->path);
        free(watch);
        return NULL;
}

int unit_watch_new(struct unit_watches *watches, const char *unit, struct unit_watch **ret_watch) {
        char path[UNIT_PATH_MAX];
        size_t n = strlen(unit);
        struct unit_watch *watch;

        watch = calloc(1, sizeof(*watch) + n + 1);
        if (!watch)
                return -ENOMEM;
        watch->watches = watches;
        memcpy(watch->name, unit, n);
        watch->path = strdup(make_path(unit, path));
        if (watch->path)
                HASH_ADD_KEYPTR(hh, watches->watches, watch->name, n, watch);
        if (!watch->path || !watch->hh.tbl) {
                watch_free(watch);
                return -ENOMEM;
        }
        *ret_watch = watch;
        return 0;
}

static void watch_remove(struct unit_watch *watch) {
        HASH_DEL(watch->watches->watches, watch);
        watch_free(watch);
}

void unit_watches_choose_signals(struct unit_watches *watches) {
        watches->bus->unit_manager = watches->watches ? watches->systemd : NULL;
}

int unit_watches_new(struct bus *bus, struct unit_watches **ret_watches) {
        struct unit_watches *watches = calloc(1, sizeof(*watches));

        if (!watches)
                return -ENOMEM;
        watches->bus = bus;
        *ret_watches = watches;
        return 0;
}

struct unit_watches *unit_watches_free(struct unit_watches *watches) {
        struct unit_watch *watch, *next;

        if (!watches)
                return NULL;
        HASH_ITER(hh, watches->watches, watch, next)
                watch_remove(watch);
        free(watches);
        return NULL;
}

/* questions */

/* Begin a call to systemd that wants an answer. */
static void call_init(struct unit_watches *watches, struct writer *w, const char *path,
                      const char *interface, const char *member, const char *signature) {
        voice_init(watches->bus, w, MESSAGE_TYPE_METHOD_CALL, watches->systemd, signature);
        w->flags = MESSAGE_FLAG_NO_AUTO_START;
        w->path = path;
        w->interface = interface;
        w->member = member;
}

/* *serial is set before the call is sent: the answer may come at any time after that. */
static int call_send(struct unit_watches *watches, struct writer *w, uint32_t *serial) {
        CLEANUP(message_unrefp) struct message *m = NULL;
        int r;

        *serial = w->serial;
        r = writer_finish(w, &m);
        if (r >= 0)
                r = route_from_driver(watches->bus, watches->systemd, m, NULL);
        if (r < 0)
                *serial = 0;
        return r;
}

/*
 * systemd sends its signals while it has subscribers, and forgets a subscriber whose unique name
 * goes. The bus has no unique name, and systemd refuses to follow org.freedesktop.DBus. So the bus
 * subscribes in the name of systemd itself, which is on the bus as long as it can send signals. The
 * serial is one that systemd does not reach: a message with its own name and the serial of a call
 * of its own would look to it like this call.
 */
static int subscribe(struct unit_watches *watches) {
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct writer w;
        int r;

        if (!watches->systemd || watches->is_subscribed)
                return 0;
        call_init(watches, &w, SYSTEMD_PATH, SYSTEMD "Manager", "Subscribe", "");
        w.flags |= MESSAGE_FLAG_NO_REPLY_EXPECTED;
        w.sender = watches->systemd->unique_name;
        w.serial = UINT32_MAX;
        r = writer_finish(&w, &m);
        if (r >= 0)
                r = route_from_driver(watches->bus, watches->systemd, m, NULL);
        watches->is_subscribed = r >= 0;
        return r;
}

int unit_watch_look_for_template(struct unit_watches *watches) {
        struct writer w;

        if (!watches->systemd || !watches->bus->standard_configuration)
                return 0;
        watches->template_is_outdated = watches->template_serial != 0;
        if (watches->template_is_outdated)
                return 0;
        call_init(watches, &w, SYSTEMD_PATH, SYSTEMD "Manager", "GetUnitFileState", "s");
        writer_string(&w, LAUNCH_TEMPLATE);
        return call_send(watches, &w, &watches->template_serial);
}

static int ask_for_path(struct unit_watch *watch) {
        struct writer w;

        watch->question = ASKED_PATH;
        call_init(watch->watches, &w, SYSTEMD_PATH, SYSTEMD "Manager", "LoadUnit", "s");
        writer_string(&w, watch->name);
        return call_send(watch->watches, &w, &watch->serial);
}

static int ask_for_properties(struct unit_watch *watch, enum unit_question question) {
        struct writer w;

        watch->question = question;
        call_init(watch->watches, &w, watch->path, PROPERTIES, "GetAll", "s");
        writer_string(&w, question == ASKED_STATE ? SYSTEMD "Unit" : SYSTEMD "Service");
        return call_send(watch->watches, &w, &watch->serial);
}

/* Ask for the state of the unit, now or after the question that is under way. */
static int ask(struct unit_watch *watch) {
        if (!watch->watches->systemd || watch->is_hopeless)
                return 0;
        if (watch->serial) {
                watch->is_dirty = true;
                return 0;
        }
        watch->is_dirty = false;
        watch->is_outdated = false;
        return watch->path_is_known ? ask_for_properties(watch, ASKED_STATE) : ask_for_path(watch);
}

/* starts */

int unit_watch_begin(struct unit_watches *watches, const char *unit) {
        struct unit_watch *watch = unit_watch_find(watches, unit);
        int r = 0;

        if (!watch)
                r = unit_watch_new(watches, unit, &watch);
        if (r < 0)
                return r;
        watch->n_starts++;
        unit_watches_choose_signals(watches);
        r = subscribe(watches);
        if (r < 0)
                unit_watch_end(watches, unit);
        return r;
}

int unit_watch_requested(struct unit_watches *watches, const char *unit) {
        struct unit_watch *watch = unit_watch_find(watches, unit);

        watch->is_outdated = true;
        watch->is_requested = watches->systemd != NULL;
        watch->was_handled = false;
        /* What ended or was refused before is not of interest any more. */
        watch->is_hopeless = false;
        watch->n_second_looks = 0;
        watch->job_result[0] = '\0';
        watch->told = (struct unit_end){};
        return ask(watch);
}

void unit_watch_end(struct unit_watches *watches, const char *unit) {
        struct unit_watch *watch = unit_watch_find(watches, unit);

        /* An answer that nobody expects would be denied, and logged. */
        if (!watch || --watch->n_starts > 0 || watch->serial)
                return;
        watch_remove(watch);
        unit_watches_choose_signals(watches);
}

/* systemd comes and goes */

/*
 * Programs that own the name in place of systemd may know nothing but the signals of launch.h. The
 * bus can look at the name of the program, unless /proc hides other processes.
 */
static bool is_systemd(const struct client *owner) {
        char comm[16];

        return client_is_privileged(owner) &&
               (!requester_read_comm(owner->credentials.pid, comm) || strcmp(comm, "systemd") == 0);
}

int unit_watch_set_systemd(struct unit_watches *watches, struct client *owner) {
        struct unit_watch *watch, *next;
        int r;

        watches->systemd = owner && is_systemd(owner) ? owner : NULL;
        watches->is_subscribed = false;
        watches->has_template = false;
        watches->template_serial = 0;
        HASH_ITER(hh, watches->watches, watch, next) {
                if (watch->n_starts == 0) {
                        watch_remove(watch);
                        continue;
                }
                watch->serial = 0;
                watch->question = ASKED_NOTHING;
                watch->path_is_known = false;
                watch->is_hopeless = false;
        }
        unit_watches_choose_signals(watches);
        if (!watches->systemd)
                return 0;
        r = unit_watch_look_for_template(watches);
        if (r >= 0 && watches->watches)
                r = subscribe(watches);
        return r;
}

int unit_watch_resume(struct unit_watches *watches) {
        struct unit_watch *watch, *next;
        int result = 0;

        if (!watches->systemd)
                return 0;
        HASH_ITER(hh, watches->watches, watch, next) {
                if (watch->is_requested && !watch->was_handled)
                        keep_error(&result, watches->request(watches, watch->name));
                watch->is_requested = true;
                keep_error(&result, ask(watch));
        }
        return result;
}

/* answers */

static struct unit_watch *find_question(const struct unit_watches *watches, uint32_t serial) {
        struct unit_watch *watch, *next;

        HASH_ITER(hh, watches->watches, watch, next) {
                if (watch->serial == serial)
                        return watch;
        }
        return NULL;
}

bool unit_watch_expects(const struct unit_watches *watches, const struct client *client,
                        const struct message *m) {
        if (client != watches->systemd)
                return false;
        return m->reply_serial == watches->template_serial ||
               find_question(watches, m->reply_serial);
}

static bool is_return(const struct message *m, const char *signature) {
        return m->type == MESSAGE_TYPE_METHOD_RETURN && strcmp(m->signature.s, signature) == 0;
}

/* An administrator may mask the template, so that the bus starts such services as without it. */
static int take_template(struct unit_watches *watches, struct message *m) {
        static const char *const usable[] = {
                "static", "disabled",       "enabled", "enabled-runtime", "indirect",
                "linked", "linked-runtime", "alias",   "generated",       "transient",
        };
        const char *state;

        watches->template_serial = 0;
        if (watches->template_is_outdated)
                return unit_watch_look_for_template(watches);
        watches->has_template = false;
        if (!is_return(m, "s"))
                return 0;
        state = message_get_arg(m, 0).value.s;
        for (size_t i = 0; i < sizeof(usable) / sizeof(*usable); i++)
                if (strcmp(state, usable[i]) == 0)
                        watches->has_template = true;
        return 0;
}

static int take_path(struct unit_watch *watch, struct message *m) {
        struct wire_string path = message_get_arg(m, 0).value;
        char *copy;

        if (path.n >= UNIT_PATH_MAX) {
                watch->is_hopeless = true;
                return 0;
        }
        copy = strdup(path.s);
        if (!copy)
                return -ENOMEM;
        free(watch->path);
        watch->path = copy;
        watch->path_is_known = true;
        return ask_for_properties(watch, ASKED_STATE);
}

/* The unit is over. What systemd has forgotten before it answered it may have told before that. */
static int fail(struct unit_watch *watch) {
        struct unit_end end = unit_end_is_failure(&watch->end) ? watch->end : watch->told;
        struct unit_watches *watches = watch->watches;
        struct launch_failure failure;
        int r;

        end.condition_failed = watch->end.condition_failed || watch->told.condition_failed;
        end.assert_failed = watch->end.assert_failed || watch->told.assert_failed;
        unit_state_explain(&watch->state, &end, watch->job_result, watch->name, &failure);
        watch->n_starts++; /* it must not end while its name is in use */
        r = watches->failed(watches, watch->name, &failure, &end);
        unit_watch_end(watches, watch->name);
        return r;
}

static int take_state(struct unit_watch *watch, struct message *m) {
        struct reader reader;

        watch->state = (struct unit_state){};
        watch->end = (struct unit_end){};
        reader_init(&reader, m);
        unit_state_read(&reader, &watch->state, &watch->end);
        if (watch->is_outdated)
                return ask(watch);
        if (unit_state_is_over(&watch->state))
                return is_service(watch->path) ? ask_for_properties(watch, ASKED_SERVICE)
                                               : fail(watch);
        /* Whatever happened to jobs before, one has started the unit. */
        if (strcmp(watch->state.active, "active") == 0)
                watch->job_result[0] = '\0';
        return watch->is_dirty ? ask(watch) : 0;
}

/* The unit is over. *m tells how the service ended, if systemd has not forgotten it. */
static int take_service(struct unit_watch *watch, struct message *m) {
        struct reader reader;

        if (watch->is_outdated || (watch->is_dirty && watch->n_second_looks < SECOND_LOOKS_MAX)) {
                watch->n_second_looks++;
                return ask(watch);
        }
        if (is_return(m, "a{sv}")) {
                reader_init(&reader, m);
                unit_state_read(&reader, NULL, &watch->end);
        }
        return fail(watch);
}

int unit_watch_receive_reply(struct unit_watches *watches, struct message *m) {
        struct unit_watch *watch = find_question(watches, m->reply_serial);

        if (m->reply_serial == watches->template_serial)
                return take_template(watches, m);
        if (!watch)
                return 0;

        watch->serial = 0;
        if (watch->n_starts == 0) {
                watch_remove(watch);
                unit_watches_choose_signals(watches);
                return 0;
        }
        if (!watch->is_outdated)
                watch->was_handled = true;
        if (watch->question == ASKED_SERVICE)
                return take_service(watch, m);
        if (watch->question == ASKED_PATH && is_return(m, "o"))
                return take_path(watch, m);
        if (watch->question == ASKED_STATE && is_return(m, "a{sv}"))
                return take_state(watch, m);
        /* What was refused may be possible since: the unit was asked for anew, or has changed. */
        if (watch->is_outdated || watch->is_dirty)
                return ask(watch);
        watch->is_hopeless = true;
        return 0;
}

/* signals */

static int mark(struct unit_watches *watches, const char *path, const char *job_result,
                const struct message *changed) {
        struct unit_watch *watch, *next;
        int result = 0;

        HASH_ITER(hh, watches->watches, watch, next) {
                if (path && strcmp(watch->path, path) != 0)
                        continue;
                /* If the job was not cancelled for another one, "done" says nothing. */
                if (job_result && strcmp(job_result, "done") != 0)
                        snprintf(watch->job_result, sizeof(watch->job_result), "%s", job_result);
                if (changed) {
                        struct reader reader;

                        reader_init(&reader, changed);
                        reader_string(&reader);
                        unit_state_read(&reader, NULL, &watch->told);
                }
                keep_error(&result, ask(watch));
        }
        return result;
}

/* systemd has read its files again: a unit may have another name now. */
static int ask_for_everything(struct unit_watches *watches) {
        struct unit_watch *watch, *next;
        int result = 0;

        HASH_ITER(hh, watches->watches, watch, next)
                watch->path_is_known = false;
        keep_error(&result, unit_watch_look_for_template(watches));
        keep_error(&result, mark(watches, NULL, NULL, NULL));
        return result;
}

static bool is_signal(const struct message *m, const char *interface, const char *member,
                      const char *signature) {
        return strcmp(m->member.s, member) == 0 && strcmp(m->interface.s, interface) == 0 &&
               strcmp(m->signature.s, signature) == 0;
}

int unit_watch_receive_signal(struct unit_watches *watches, struct message *m) {
        char path[UNIT_PATH_MAX];

        if (is_signal(m, PROPERTIES, "PropertiesChanged", "sa{sv}as")) {
                if (strncmp(m->path.s, UNIT_PATH, strlen(UNIT_PATH)) != 0)
                        return 0;
                return mark(watches, m->path.s, NULL, m);
        }
        if (strcmp(m->path.s, SYSTEMD_PATH) != 0)
                return 0;
        if (is_signal(m, SYSTEMD "Manager", "JobRemoved", "uoss"))
                return mark(watches, make_path(message_get_arg(m, 2).value.s, path),
                            message_get_arg(m, 3).value.s, NULL);
        if (is_signal(m, SYSTEMD "Manager", "UnitRemoved", "so"))
                return mark(watches, message_get_arg(m, 1).value.s, NULL, NULL);
        if (is_signal(m, SYSTEMD "Manager", "Reloading", "b"))
                return ask_for_everything(watches);
        return 0;
}
