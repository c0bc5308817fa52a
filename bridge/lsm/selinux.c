/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/lsm/selinux.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container-of.h"
#include "bridge/base/log.h"
#include "bridge/bus/bus.h"
#include "bridge/lsm/library.h"

#define CLASS "dbus"

struct selinux {
        struct mediator mediator;
        struct selinux_functions functions;
        struct lsm_audit audit;
        uid_t uid; /* user of the program that the current question is about */
};

/* The log callback of the library has no userdata, so there can be only one instance. */
static struct selinux *active;

/* The text of an audit record is made from this. */
struct details {
        const struct mediation_message *asked; /* NULL: the question is about a name */
        const struct client *client;
        const char *name;
};

static const char *or_none(const char *text) {
        return text ? text : "(none)";
}

static int describe(void *data, security_class_t class, char *text, size_t n_text) {
        static const char *const types[] = {"?", "method_call", "method_return", "error", "signal"};
        const struct details *d = data;
        const struct message *m;

        if (!d->asked)
                return snprintf(text, n_text, "service=%s spid=%u", d->name,
                                d->client->credentials.pid);
        m = d->asked->m;
        return snprintf(text, n_text,
                        "msgtype=%s interface=%s path=%.512s member=%s error_name=%s dest=%s "
                        "spid=%u tpid=%u",
                        types[m->type <= MESSAGE_TYPE_SIGNAL ? m->type : 0],
                        or_none(m->interface.s), or_none(m->path.s), or_none(m->member.s),
                        or_none(m->error_name.s), or_none(m->destination.s),
                        d->asked->sender->credentials.pid,
                        d->asked->receiver ? d->asked->receiver->credentials.pid
                                           : d->asked->sender->bus->pid);
}

/*
 * The log callback of the library. Records of verdicts go to the audit log if it is open, else to
 * the log of the bus. All other texts go to the log of the bus.
 */
__attribute__((format(printf, 2, 3))) static int say(int type, const char *format, ...) {
        char text[2048];
        va_list args;

        if (!active)
                return 0;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (type == SELINUX_AVC) {
                if (!lsm_audit_write(&active->audit, text, active->uid))
                        complain(&active->mediator.bus->complaints, active->uid, "SELinux: %s",
                                 text);
        } else
                log_write(active->mediator.bus->log,
                          type == SELINUX_ERROR || type == SELINUX_WARNING ? LOG_LEVEL_WARNING
                                                                           : LOG_LEVEL_NOTICE,
                          "SELinux: %s", text);
        return 0;
}

/* A client over TCP has no label. Like in dbus-daemon it counts as having the label of the bus. */
static const char *label_of(const struct bus *bus, const struct client *client) {
        return client && client->credentials.label ? client->credentials.label
                                                   : bus->credentials.label;
}

static bool check(struct selinux *selinux, const char *source, const char *target,
                  const char *permission, struct details *details, char *reason) {
        selinux->uid = details->client->credentials.uid;
        if (source && target &&
            selinux->functions.check_access(source, target, CLASS, permission, details) == 0)
                return true;
        snprintf(reason, MEDIATION_REASON_MAX, "scontext=%s tcontext=%s tclass=" CLASS " perm=%s",
                 or_none(source), or_none(target), permission);
        return false;
}

static bool may_own(struct mediator *mediator, const struct client *client, const char *name,
                    char *reason) {
        const struct bus *bus = mediator->bus;
        const char *target = bus->credentials.label;
        struct details details = {.client = client, .name = name};

        for (size_t i = 0; bus->config && i < bus->config->n_selinux; i++)
                if (strcmp(bus->config->selinux[i].own, name) == 0)
                        target = bus->config->selinux[i].context;
        return check(container_of(mediator, struct selinux, mediator), label_of(bus, client),
                     target, "acquire_svc", &details, reason);
}

static bool may_send(struct mediator *mediator, const struct mediation_message *asked,
                     char *reason) {
        struct details details = {.asked = asked, .client = asked->sender};

        return check(container_of(mediator, struct selinux, mediator),
                     label_of(mediator->bus, asked->sender),
                     label_of(mediator->bus, asked->receiver), "send_msg", &details, reason);
}

static void selinux_free(struct mediator *mediator) {
        struct selinux *selinux = container_of(mediator, struct selinux, mediator);

        if (active == selinux)
                active = NULL;
        lsm_audit_close(&selinux->audit);
        free(selinux);
}

int selinux_new(struct bus *bus, const struct selinux_functions *functions,
                const struct lsm_audit *audit, struct mediator **ret_mediator) {
        struct selinux *selinux;

        selinux = calloc(1, sizeof(*selinux));
        if (!selinux)
                return -ENOMEM;
        selinux->mediator = (struct mediator){
                .name = "SELinux",
                .enforces = BUS_ENFORCES_SELINUX,
                .bus = bus,
                .may_own = may_own,
                .may_send = may_send,
                .free = selinux_free,
        };
        selinux->functions = *functions;
        selinux->audit = *audit;
        active = selinux;
        functions->set_callback(SELINUX_CB_LOG, (union selinux_callback){.func_log = say});
        functions->set_callback(SELINUX_CB_AUDIT, (union selinux_callback){.func_audit = describe});
        *ret_mediator = &selinux->mediator;
        return 0;
}

int selinux_functions_load(struct selinux_functions *ret_functions, const char **ret_error) {
        static const struct lsm_symbol symbols[] = {
                {"is_selinux_enabled", offsetof(struct selinux_functions, is_enabled)},
                {"selinux_check_access", offsetof(struct selinux_functions, check_access)},
                {"selinux_set_callback", offsetof(struct selinux_functions, set_callback)},
        };

        return LSM_LIBRARY_LOAD("libselinux.so.1", symbols, ret_functions, ret_error);
}

int lsm_selinux_new(struct bus *bus, struct mediator **ret_mediator, const char **ret_error) {
        struct selinux_functions functions;
        struct lsm_audit audit;
        int r;

        r = selinux_functions_load(&functions, ret_error);
        if (r < 0)
                return r;
        if (functions.is_enabled() != 1)
                return 1;
        lsm_audit_open(&audit);
        r = selinux_new(bus, &functions, &audit, ret_mediator);
        if (r < 0)
                lsm_audit_close(&audit);
        return r;
}
