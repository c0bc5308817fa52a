/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Watching the owner of a name
 *
 *        program           library                     bus
 *          |-- watch_name --->|-- Subscribe ------------->|
 *          |                  |-- GetNameOwner ---------->|
 *          |                  |<-- NameOwnerChanged ------|  a change before the answer: ignored
 *          |<-- appeared -----|<-- answer ----------------|  the present state
 *          |<-- vanished -----|<-- NameOwnerChanged ------|  a change after the answer
 *
 * The bus handles the two calls in their order. So it sends each change that its answer does not
 * know after the answer, and no change between the two calls is missed.
 */

#include <bus1/dbus-async.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/driver.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/subscribe.h"

struct name_watch {
        struct request request; /* must be first; its call is GetNameOwner */
        struct bus1_dbus_subscription *subscription;
        char *name;
        bus1_dbus_appeared_fn appeared;
        bus1_dbus_vanished_fn vanished;
        bus1_dbus_done_fn failed;
        void *userdata;
        bool known;         /* the program was told the present state */
        bool owned;         /* and this is it */
        unsigned n_changes; /* that the program was told */
        bool *freed;        /* for a function that is waiting for one of the program */
};

static void name_watch_clear(struct request *request) {
        struct name_watch *w = (struct name_watch *)request;

        if (w->freed)
                *w->freed = true;
        bus1_dbus_subscription_free(w->subscription);
        free(w->name);
}

/*
 * Tell the program the owner, or, if it is NULL, that there is none. Returns false if w is freed.
 */
static bool tell(struct name_watch *w, const char *owner) {
        struct bus1_dbus *bus = w->request.slot.bus;
        bool freed = false, *outer = w->freed;

        w->n_changes++;
        w->owned = owner != NULL;
        w->freed = &freed;
        if (owner && w->appeared)
                w->appeared(bus, w->name, owner, w->userdata);
        else if (!owner && w->vanished)
                w->vanished(bus, w->name, w->userdata);
        if (!freed)
                w->freed = outer;
        else if (outer)
                *outer = true;
        return !freed;
}

static int name_changed(struct bus1_dbus_message *signal, void *userdata) {
        const char *name, *former, *owner;
        struct name_watch *w = userdata;
        unsigned n_changes;

        if (!w->known ||
            !dbus_message_get_args(signal->message, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_STRING,
                                   &former, DBUS_TYPE_STRING, &owner, DBUS_TYPE_INVALID) ||
            strcmp(name, w->name) != 0)
                return 0;
        n_changes = w->n_changes + 1;
        if (w->owned && !tell(w, NULL))
                return 0;
        /* If a function of the program has dispatched the next change, this one is outdated. */
        if (*owner && w->n_changes <= n_changes)
                tell(w, owner);
        return 0;
}

static void owner_answered(struct request *request, struct bus1_dbus_message *answer) {
        struct name_watch *w = (struct name_watch *)request;
        const char *owner = NULL;

        w->known = true;
        if (!message_is(answer->message, DBUS_MESSAGE_TYPE_METHOD_RETURN) ||
            !dbus_message_get_args(answer->message, NULL, DBUS_TYPE_STRING, &owner,
                                   DBUS_TYPE_INVALID))
                owner = NULL;
        if (w->n_changes == 0) {
                tell(w, owner);
                return;
        }
        /*
         * The program has joined again, and knows the owner on the former bus, or that it was none.
         */
        if (w->owned && !tell(w, NULL))
                return;
        if (owner)
                tell(w, owner);
}

/* Ask for the present state. The answer may take any time: only the end of the bus is none. */
static int ask(struct name_watch *w) {
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;

        m = driver_message_new(BUS_NAME, "GetNameOwner", DBUS_TYPE_STRING, &w->name,
                               DBUS_TYPE_INVALID);
        return m ? request_send(&w->request, BUS1_DBUS_BUS, m, NULL, INT_MAX, owner_answered)
                 : -ENOMEM;
}

/* The program has joined again: owners may have come and gone meanwhile. */
static void rejoined(struct bus1_dbus_slot *slot) {
        struct name_watch *w = (struct name_watch *)slot;

        request_cancel(&w->request);
        w->known = ask(w) < 0; /* if the question fails, only changes are told */
}

/* Make a watch, with a subscription that is not installed yet, and the rule for it. */
static int name_watch_new(struct bus1_dbus *bus, bool is_floating, const char *name,
                          bus1_dbus_appeared_fn appeared, bus1_dbus_vanished_fn vanished,
                          void *userdata, char **ret_rule, struct name_watch **ret_watch) {
        struct name_watch *w;

        if (!bus || !text_is_valid(name) || !dbus_validate_bus_name(name, NULL))
                return -EINVAL;
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->appeared = appeared;
        w->vanished = vanished;
        w->userdata = userdata;
        /* The watch is the earlier one of the two slots, so the end of the bus frees it first. */
        request_init(&w->request, bus, is_floating, name_watch_clear);
        w->request.slot.rejoined = rejoined;
        w->name = strdup(name);
        w->subscription = subscription_new(bus, false, name_changed, w);
        if (!w->name || !w->subscription ||
            asprintf(ret_rule,
                     "type='signal',sender='" BUS_NAME "',path='" BUS_PATH "',interface='" BUS_NAME
                     "',member='NameOwnerChanged',arg0='%s'",
                     name) < 0) {
                *ret_rule = NULL;
                bus1_dbus_slot_free(&w->request.slot);
                return -ENOMEM;
        }
        *ret_watch = w;
        return 0;
}

PUBLIC int bus1_dbus_watch_name(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                const char *name, bus1_dbus_appeared_fn appeared,
                                bus1_dbus_vanished_fn vanished, void *userdata, DBusError *error) {
        CLEANUP_FREE char *rule = NULL;
        struct name_watch *w;
        int r;

        r = name_watch_new(bus, !ret_slot, name, appeared, vanished, userdata, &rule, &w);
        if (r < 0)
                return error_from_errno(error, r, "Watching a name");
        r = subscription_install(w->subscription, rule, error);
        if (r >= 0) {
                r = ask(w);
                if (r < 0)
                        error_from_errno(error, r, "GetNameOwner");
        }
        return slot_result(&w->request.slot, r, ret_slot);
}

/* not waiting */

/* The bus has answered to the match rule. */
static void installed(struct bus1_dbus *bus, const DBusError *error, void *userdata) {
        struct name_watch *w = userdata;
        bus1_dbus_done_fn failed = w->failed;

        if (!error)
                return;
        request_cancel(&w->request);
        userdata = w->userdata;
        request_finish(&w->request);
        if (failed)
                failed(bus, error, userdata);
}

PUBLIC int bus1_dbus_watch_name_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                      const char *name, bus1_dbus_appeared_fn appeared,
                                      bus1_dbus_vanished_fn vanished, bus1_dbus_done_fn failed,
                                      void *userdata) {
        CLEANUP_FREE char *rule = NULL;
        struct name_watch *w;
        int r;

        r = name_watch_new(bus, !ret_slot, name, appeared, vanished, userdata, &rule, &w);
        if (r < 0)
                return r;
        w->failed = failed;
        w->subscription->installed = installed;
        r = subscription_install_async(w->subscription, rule);
        if (r >= 0)
                r = ask(w);
        return slot_result(&w->request.slot, r, ret_slot);
}
