/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "policy/config.h"
#include "tools/bus1ctl/output.h"

#define DRIVER "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"
#define POLICY_INTERFACE "org.bus1.Bridge1.Policy"

#define EXPLAIN_MATCHING 1

/* More than the bus needs to explain even a very large policy. */
#define TIMEOUT_USEC UINT64_C(30000000)

int live_open(const struct live_bus *which, sd_bus **ret_bus) {
        CLEANUP(sd_bus_close_unrefp) sd_bus *bus = NULL;
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
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, TIMEOUT_USEC);
        if (r >= 0) {
                *ret_bus = steal_ptr(&bus);
                return STATUS_OK;
        }
        if (which->address)
                return report_failure("cannot connect to %s: %s", which->address, strerror(-r));
        return report_failure("cannot connect to the %s bus: %s",
                              which->is_session ? "session" : "system", strerror(-r));
}

/* Does the bus say that it does not have the interface? Its policy may deny the interface, too. */
static bool lacks(sd_bus *bus, const char *interface) {
        char **names = NULL;
        bool is_there = false;

        if (sd_bus_get_property_strv(bus, DRIVER, DRIVER_PATH, DRIVER, "Interfaces", NULL, &names) <
            0)
                return false;
        for (char **name = names; name && *name; name++) {
                is_there = is_there || strcmp(*name, interface) == 0;
                free(*name);
        }
        free(names);
        return !is_there;
}

int live_report_error(sd_bus *bus, const char *interface, const char *action,
                      const sd_bus_error *error, int r) {
        bool is_denied = sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED);

        if (sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_INTERFACE) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_METHOD) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
            (is_denied && lacks(bus, interface)))
                return report_failure(
                        "the bus has no %s: it is another bus than bus1-bridge, or an old "
                        "bus1-bridge",
                        interface);
        if (is_denied)
                return report_failure("only root and the user that the bus runs as may %s, and "
                                      "only if the policy lets them call %s: %s",
                                      action, interface, error->message);
        return report_failure("the bus does not answer: %s", error->message ?: strerror(-r));
}

static int report_call_error(sd_bus *bus, const sd_bus_error *error, int r) {
        return live_report_error(bus, POLICY_INTERFACE, "ask about its policy", error, r);
}

static int report_bad_answer(int r) {
        return report_failure("the bus sent an answer that cannot be read: %s", strerror(-r));
}

/* explain */

static int make_question(sd_bus *bus, const char *client, const struct who *who, char **words,
                         bool matching, sd_bus_message **ret_message) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, DRIVER, DRIVER_PATH, POLICY_INTERFACE,
                                           "Explain");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, words);
        if (r >= 0)
                r = sd_bus_message_append(m, "su", client ? client : "", (uint32_t)who->uid);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'u', who->gids, who->n_gids * sizeof(gid_t));
        if (r >= 0)
                r = sd_bus_message_append(m, "u", matching ? EXPLAIN_MATCHING : 0);
        if (r < 0)
                return r;
        *ret_message = steal_ptr(&m);
        return 0;
}

static int read_rules(sd_bus_message *m, struct answer *answer) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(susbsusb)");
        while (r >= 0) {
                struct answer_rule rule = {};
                int allow, decides;

                r = sd_bus_message_read(m, "(susbsusb)", &rule.file, &rule.line, &rule.text, &allow,
                                        &rule.context, &rule.id, &rule.mismatch, &decides);
                if (r <= 0)
                        break;
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
        answer->reason = reason[0] ? copy_text(reason) : NULL;
        context->who.uid = uid;
        context->bus_uid = bus_uid;
        context->who.gids = malloc(size + 1);
        check_memory(context->who.gids);
        memcpy(context->who.gids, gids, size);
        context->who.n_gids = size / sizeof(gid_t);
        return 0;
}

int live_explain(sd_bus *bus, const char *client, const struct who *who, char **words,
                 bool matching, struct answer *ret_answer, struct live_context *ret_context) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        CLEANUP(live_context_clear) struct live_context context = {};
        CLEANUP(answer_clear) struct answer answer = {};
        int r;

        r = make_question(bus, client, who, words, matching, &m);
        if (r < 0)
                return report_failure("cannot put the question into a message: %s", strerror(-r));
        r = sd_bus_call(bus, m, 0, &error, &reply);
        if (r < 0)
                return report_call_error(bus, &error, r);
        r = read_answer(reply, &answer, &context);
        if (r < 0)
                return report_bad_answer(r);
        *ret_answer = answer;
        answer = (struct answer){};
        *ret_context = context;
        context = (struct live_context){};
        return STATUS_OK;
}

void live_context_clear(struct live_context *context) {
        who_clear(&context->who);
        for (char **name = context->names; name && *name; name++)
                free(*name);
        free(context->names);
        *context = (struct live_context){};
}

/* sources */

static void add_source(struct live_sources *sources, const char *path, uint64_t stamp) {
        struct stat st;

        if ((stat(path, &st) < 0 ? 0 : bus_config_stamp(&st)) != stamp)
                APPEND(sources->changed, sources->n_changed, copy_text(path));
        if (!sources->main)
                sources->main = copy_text(path);
}

static int read_sources(sd_bus_message *m, struct live_sources *sources) {
        const char *path;
        uint64_t stamp;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(st)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(st)", &path, &stamp)) > 0)
                add_source(sources, path, stamp);
        return r >= 0 && !sources->main ? -EBADMSG : r;
}

int live_get_sources(sd_bus *bus, struct live_sources *ret_sources) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        CLEANUP(live_sources_clear) struct live_sources sources = {};
        int r;

        r = sd_bus_call_method(bus, DRIVER, DRIVER_PATH, POLICY_INTERFACE, "GetSources", &error,
                               &reply, NULL);
        if (r < 0)
                return report_call_error(bus, &error, r);
        r = read_sources(reply, &sources);
        if (r < 0)
                return report_bad_answer(r);
        *ret_sources = sources;
        sources = (struct live_sources){};
        return STATUS_OK;
}

void live_sources_clear(struct live_sources *sources) {
        free(sources->main);
        for (size_t i = 0; i < sources->n_changed; i++)
                free(sources->changed[i]);
        free(sources->changed);
        *sources = (struct live_sources){};
}
