/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bus configuration: questions about it, and the list of settings that a bus does not enforce. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/array.h"
#include "policy/config.h"

bool bus_config_allows_auth(const struct bus_config *config, const char *name) {
        for (size_t i = 0; i < config->n_auth; i++)
                if (strcmp(config->auth[i], name) == 0)
                        return true;
        return !config->n_auth;
}

uint64_t bus_config_stamp(const struct stat *st) {
        const uint64_t parts[] = {
                st->st_dev, st->st_ino, st->st_size, st->st_ctim.tv_sec, st->st_ctim.tv_nsec,
        };
        uint64_t stamp = 0;

        for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
                stamp = (stamp ^ parts[i]) * UINT64_C(0x9e3779b97f4a7c15);
                stamp ^= stamp >> 32;
        }
        return stamp | 1;
}

/* enforcement */

struct list {
        struct policy_unenforced *items;
        size_t n;
        int result;
};

__attribute__((format(printf, 4, 5))) static void add(struct list *list,
                                                      enum policy_unenforced_severity severity,
                                                      struct bus_config_place place,
                                                      const char *format, ...) {
        struct policy_unenforced item = {.severity = severity};
        CLEANUP_FREE char *text = NULL;
        va_list args;
        int n;

        if (list->result < 0)
                return;
        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        if (n < 0)
                text = NULL;
        else if (place.file)
                n = asprintf(&item.text, "%s:%u: %s", place.file, place.line, text);
        else
                item.text = steal_ptr(&text);
        list->result = n < 0 ? -ENOMEM : POLICY_ARRAY_APPEND(list->items, list->n, item);
        if (n >= 0 && list->result < 0)
                free(item.text);
}

static void add_selinux(struct list *list, const struct bus_config *config) {
        for (size_t i = 0; i < config->n_selinux; i++) {
                const struct bus_selinux_association *a = &config->selinux[i];
                struct bus_config_place place = {.file = a->file, .line = a->line};

                add(list, POLICY_UNENFORCED_REFUSE, place,
                    "SELinux is not asked who may own \"%s\" (context \"%s\")", a->own, a->context);
        }
        add(list, POLICY_UNENFORCED_NOTE, (struct bus_config_place){},
            "SELinux is enabled, but the bus does not ask it");
}

static void add_apparmor(struct list *list, const struct bus_config *config) {
        if (config->apparmor == BUS_APPARMOR_REQUIRED)
                add(list, POLICY_UNENFORCED_REQUIRED, config->place_apparmor,
                    "AppArmor mediation is required, but the bus does not do it");
        else if (config->apparmor == BUS_APPARMOR_ENABLED && config->place_apparmor.file)
                add(list, POLICY_UNENFORCED_NOTE, config->place_apparmor,
                    "AppArmor mediation is enabled, but the bus does not do it");
}

int policy_unenforced(const struct bus_config *config, unsigned features,
                      struct policy_unenforced **ret_list, size_t *ret_n) {
        const struct bus_config_place nowhere = {};
        struct list list = {};

        if (config->selinux_enabled && !(features & BUS_ENFORCES_SELINUX))
                add_selinux(&list, config);
        if (!(features & BUS_ENFORCES_APPARMOR))
                add_apparmor(&list, config);
        if (config->servicehelper && !(features & BUS_ENFORCES_SERVICEHELPER))
                add(&list, POLICY_UNENFORCED_NOTE, config->place_servicehelper,
                    "services are not started through \"%s\"", config->servicehelper);
        if (config->n_servicedirs > 0 && !(features & BUS_ENFORCES_ACTIVATION))
                add(&list, POLICY_UNENFORCED_NOTE, nowhere,
                    "services are not started on demand, service directories are not read");
        if (config->allow_anonymous && !(features & BUS_ENFORCES_ANONYMOUS))
                add(&list, POLICY_UNENFORCED_NOTE, config->place_allow_anonymous,
                    "anonymous clients are not let in");
        for (size_t i = 0; i < config->n_auth; i++)
                if (strcmp(config->auth[i], "DBUS_COOKIE_SHA1") == 0 &&
                    !(features & BUS_ENFORCES_COOKIES))
                        add(&list, POLICY_UNENFORCED_NOTE, nowhere,
                            "authentication with DBUS_COOKIE_SHA1 is not offered");
        if (list.result < 0) {
                policy_unenforced_free(list.items, list.n);
                return list.result;
        }
        *ret_list = list.items;
        *ret_n = list.n;
        return 0;
}

struct policy_unenforced *policy_unenforced_free(struct policy_unenforced *list, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(list[i].text);
        free(list);
        return NULL;
}
