/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Live - see the header
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/array.h"
#include "policy/config.h"
#include "tools/bus1ctl/live.h"
#include "tools/bus1ctl/report.h"

#define DRIVER "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"
#define POLICY_INTERFACE "org.bus1.Bridge1.Policy"

#define EXPLAIN_MATCHING 1

/* More than the largest policy takes to be explained and sent. */
#define TIMEOUT_USEC UINT64_C(30000000)

int live_open(const struct live_bus *which, sd_bus **ret_bus) {
        sd_bus *bus = NULL;
        int r;

        if (which->address) {
                r = sd_bus_new(&bus);
                if (r >= 0)
                        r = sd_bus_set_address(bus, which->address);
                if (r >= 0)
                        r = sd_bus_set_bus_client(bus, true);
                if (r >= 0)
                        r = sd_bus_start(bus);
        } else
                r = which->is_session ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);
        if (r >= 0) {
                *ret_bus = bus;
                return STATUS_OK;
        }
        sd_bus_close(bus);
        sd_bus_unref(bus);
        if (which->address)
                return report_failure("cannot connect to %s: %s", which->address, strerror(-r));
        return report_failure("cannot connect to the %s bus: %s",
                              which->is_session ? "session" : "system", strerror(-r));
}

static int complain_about(const sd_bus_error *error, int r) {
        static const char *const missing[] = {
                SD_BUS_ERROR_UNKNOWN_INTERFACE,
                SD_BUS_ERROR_UNKNOWN_METHOD,
                SD_BUS_ERROR_UNKNOWN_OBJECT,
        };

        for (size_t i = 0; i < sizeof(missing) / sizeof(*missing); i++)
                if (sd_bus_error_has_name(error, missing[i]))
                        return report_failure(
                                "this bus is not bus1-bridge, or one too old to be asked: "
                                "it has no " POLICY_INTERFACE);
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
                return report_failure(
                        "only root and the user of the bus may ask it, and only if its "
                        "policy lets them call " POLICY_INTERFACE ": %s",
                        error->message);
        return report_failure("the bus does not answer: %s", error->message ?: strerror(-r));
}

/* The message must be as this version of the interface has it. */
static int complain_about_answer(int r) {
        return report_failure("the bus's answer cannot be read: %s", strerror(-r));
}

static int call(sd_bus *bus, sd_bus_message *m, sd_bus_message **ret_reply) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r, status = STATUS_OK;

        r = sd_bus_call(bus, m, TIMEOUT_USEC, &error, ret_reply);
        if (r < 0)
                status = complain_about(&error, r);
        sd_bus_error_free(&error);
        return status;
}

static int new_call(sd_bus *bus, const char *member, sd_bus_message **ret_message) {
        return sd_bus_message_new_method_call(bus, ret_message, DRIVER, DRIVER_PATH,
                                              POLICY_INTERFACE, member);
}

/* explain */

static int make_question(sd_bus *bus, const char *client, const struct who *who, char *const *words,
                         size_t n, bool matching, sd_bus_message **ret_message) {
        sd_bus_message *m = NULL;
        int r;

        r = new_call(bus, "Explain", &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(m, "s", words[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "su", client ? client : "", (uint32_t)who->uid);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'u', who->gids, who->n_gids * sizeof(gid_t));
        if (r >= 0)
                r = sd_bus_message_append(m, "u", matching ? EXPLAIN_MATCHING : 0);
        if (r < 0) {
                sd_bus_message_unref(m);
                return r;
        }
        *ret_message = m;
        return 0;
}

static int read_rules(sd_bus_message *m, struct answer *answer) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(susbsusb)");
        while (r >= 0) {
                struct answer_rule rule = {};
                const char *file, *text, *context, *mismatch;
                int allow, decides;

                r = sd_bus_message_read(m, "(susbsusb)", &file, &rule.line, &text, &allow, &context,
                                        &rule.id, &mismatch, &decides);
                if (r <= 0)
                        break;
                rule.file = (char *)file;
                rule.text = (char *)text;
                rule.context = (char *)context;
                rule.mismatch = (char *)mismatch;
                rule.allow = allow;
                rule.decides = decides;
                answer_add(answer, &rule);
        }
        return r;
}

static int read_answer(sd_bus_message *m, struct answer *answer, struct live_context *context) {
        const char *reason;
        const void *gids;
        uint32_t uid, bus_uid;
        size_t size;
        int allowed, r;

        r = sd_bus_message_read(m, "bsu", &allowed, &reason, &uid);
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'u', &gids, &size);
        if (r >= 0)
                r = sd_bus_message_read(m, "u", &bus_uid);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &context->names);
        if (r >= 0)
                r = read_rules(m, answer);
        if (r < 0)
                return r;

        answer->allowed = allowed;
        answer->reason = reason[0] ? strdup(reason) : NULL;
        context->who.uid = uid;
        context->bus_uid = bus_uid;
        context->who.gids = malloc(size + 1);
        if (!context->who.gids || (reason[0] && !answer->reason))
                return -ENOMEM;
        memcpy(context->who.gids, gids, size);
        context->who.n_gids = size / sizeof(gid_t);
        return 0;
}

int live_explain(sd_bus *bus, const char *client, const struct who *who, char *const *words,
                 size_t n, bool matching, struct answer *ret_answer,
                 struct live_context *ret_context) {
        sd_bus_message *m = NULL, *reply = NULL;
        struct live_context context = {};
        struct answer answer = {};
        int r, status;

        r = make_question(bus, client, who, words, n, matching, &m);
        if (r < 0)
                return report_failure("cannot ask this: %s", strerror(-r));
        status = call(bus, m, &reply);
        if (!status) {
                r = read_answer(reply, &answer, &context);
                if (r < 0)
                        status = complain_about_answer(r);
        }
        sd_bus_message_unref(reply);
        sd_bus_message_unref(m);
        if (status) {
                answer_clear(&answer);
                live_context_clear(&context);
                return status;
        }
        *ret_answer = answer;
        *ret_context = context;
        return STATUS_OK;
}

static char **strv_free(char **strings) {
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
        return NULL;
}

void live_context_clear(struct live_context *context) {
        who_clear(&context->who);
        strv_free(context->names);
        *context = (struct live_context){};
}

/* sources */

static int add_source(struct live_sources *sources, const char *path, uint64_t stamp) {
        struct stat st;
        uint64_t now;
        char *copy;

        now = stat(path, &st) < 0 ? 0 : bus_config_stamp(&st);
        if (now != stamp) {
                copy = strdup(path);
                if (!copy || POLICY_ARRAY_APPEND(sources->changed, sources->n_changed, copy) < 0) {
                        free(copy);
                        return -ENOMEM;
                }
        }
        if (!sources->main)
                sources->main = strdup(path);
        return sources->main ? 0 : -ENOMEM;
}

static int read_sources(sd_bus_message *m, struct live_sources *sources) {
        const char *path;
        uint64_t stamp;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(st)");
        while (r >= 0) {
                r = sd_bus_message_read(m, "(st)", &path, &stamp);
                if (r <= 0)
                        break;
                r = add_source(sources, path, stamp);
        }
        return r >= 0 && !sources->main ? -EBADMSG : r;
}

int live_get_sources(sd_bus *bus, struct live_sources *ret_sources) {
        sd_bus_message *m = NULL, *reply = NULL;
        struct live_sources sources = {};
        int r, status;

        r = new_call(bus, "GetSources", &m);
        if (r < 0)
                return report_failure("cannot ask: %s", strerror(-r));
        status = call(bus, m, &reply);
        if (!status) {
                r = read_sources(reply, &sources);
                if (r < 0)
                        status = complain_about_answer(r);
        }
        sd_bus_message_unref(reply);
        sd_bus_message_unref(m);
        if (status) {
                live_sources_clear(&sources);
                return status;
        }
        *ret_sources = sources;
        return STATUS_OK;
}

void live_sources_clear(struct live_sources *sources) {
        free(sources->main);
        for (size_t i = 0; i < sources->n_changed; i++)
                free(sources->changed[i]);
        free(sources->changed);
        *sources = (struct live_sources){};
}
