/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/manager.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/property.h"
#include "libbus1/dbus/tree.h"
#include "libbus1/dbus/use.h"
#include "libbus1/dbus/wait.h"

/*
 * After a failure, for example because a quota was used up, announce again after this time, which
 * doubles as long as nothing can be announced.
 */
#define AGAIN_NS (10 * NS_PER_MS)
#define AGAIN_MAX_NS NS_PER_S
/* How often the values of an object may fail for lack of memory or a quota, see announce(). */
#define FAILURES_MAX 2

static const struct branch *manager_find(struct bus1_dbus *bus, const char *path) {
        const struct branch *branch;

        if (bus->n_managers == 0)
                return NULL;
        branch = tree_find_nearest(bus, path);
        if (branch && strcmp(branch->path, path) == 0)
                branch = branch->parent;
        while (branch && !branch->is_manager)
                branch = branch->parent;
        return branch;
}

const char *manager_path(struct bus1_dbus *bus, const char *path) {
        const struct branch *branch = manager_find(bus, path);

        return branch ? branch->path : NULL;
}

/* what signals and GetManagedObjects have */

/* Which interfaces of a target, and what of them */
struct list {
        const struct interface *only; /* of an object; NULL: all */
        bool only_new;                /* of an object, those that are announced now */
        bool only_announced;          /* of an object */
        bool standard;                /* also those that the library implements itself */
        bool names;                   /* nothing but the names; or also: */
        enum property_choice choice;
};

static bool list_has(const struct list *list, const struct target *target,
                     const struct interface *interface) {
        if (list->only && interface != list->only)
                return false;
        if (list->only_new && !interface->of_fallback && !interface->is_new)
                return false;
        return !list->only_announced || !target->object || interface->announced;
}

static int append_name(DBusMessageIter *to, const char *name) {
        return dbus_message_iter_append_basic(to, DBUS_TYPE_STRING, &name) ? 0 : -ENOMEM;
}

/* Append an interface. If target is NULL, it has no properties. */
static int append_interface(const struct list *list, const struct target *target, const char *name,
                            DBusMessageIter *to, DBusError *error) {
        enum property_choice choice = target ? list->choice : PROPERTIES_NONE;
        DBusMessageIter entry;
        int r;

        if (list->names)
                return append_name(to, name);
        if (!dbus_message_iter_open_container(to, DBUS_TYPE_DICT_ENTRY, NULL, &entry))
                return -ENOMEM;
        r = append_name(&entry, name);
        if (r >= 0)
                r = properties_append(target, name, choice, &entry, error);
        return container_end(to, &entry, r);
}

static int append_standard(const struct list *list, const struct target *target,
                           DBusMessageIter *to) {
        const struct branch *branch = tree_find(target->bus, target->path);
        int r;

        r = append_interface(list, NULL, DBUS_INTERFACE_PEER, to, NULL);
        if (r >= 0)
                r = append_interface(list, NULL, DBUS_INTERFACE_INTROSPECTABLE, to, NULL);
        if (r >= 0)
                r = append_interface(list, NULL, DBUS_INTERFACE_PROPERTIES, to, NULL);
        if (r >= 0 && branch && branch->is_manager)
                r = append_interface(list, NULL, OBJECT_MANAGER_INTERFACE, to, NULL);
        return r;
}

/* Append the interfaces of a target. Returns their number without the standard ones. */
static int append_interfaces(const struct list *list, const struct target *target,
                             DBusMessageIter *to, DBusError *error) {
        DBusMessageIter array;
        struct walk walk;
        int r = 0, n = 0;

        if (!dbus_message_iter_open_container(to, DBUS_TYPE_ARRAY, list->names ? "s" : "{sa{sv}}",
                                              &array))
                return -ENOMEM;
        walk_begin(&walk, target, NULL);
        while (r >= 0 && (r = walk_next(&walk, MEMBER_METHOD, NULL, error)) > 0) {
                if (!list_has(list, target, walk.interface))
                        continue;
                r = walk_is_first(&walk, error);
                if (r <= 0)
                        continue;
                if (list->standard && n == 0)
                        r = append_standard(list, target, &array);
                if (r >= 0)
                        r = append_interface(list, target, walk.interface->name, &array, error);
                n++;
        }
        r = container_end(to, &array, r);
        return r < 0 ? r : n;
}

/* signals */

/* Make a signal of the manager, up to its first argument, which is the path of the object. */
static DBusMessage *signal_new(const char *manager, const char *member, const char *path,
                               DBusMessageIter *iter) {
        DBusMessage *signal;

        signal = dbus_message_new_signal(manager, OBJECT_MANAGER_INTERFACE, member);
        if (!signal)
                return NULL;
        dbus_message_iter_init_append(signal, iter);
        if (!dbus_message_iter_append_basic(iter, DBUS_TYPE_OBJECT_PATH, &path)) {
                dbus_message_unref(signal);
                return NULL;
        }
        return signal;
}

/*
 * Emit InterfacesAdded, unless it would have no interface. Returns their number. *ret_made: what
 * failed was not a get function, but the sending.
 */
static int emit_added(const struct target *target, const char *manager, bool only_new,
                      bool standard, enum property_choice choice, bool *ret_made) {
        const struct list list = {.only_new = only_new, .standard = standard, .choice = choice};
        CLEANUP(dbus_message_unrefp) DBusMessage *signal = NULL;
        DBusMessageIter iter;
        int r, n;

        *ret_made = false;
        signal = signal_new(manager, "InterfacesAdded", target->path, &iter);
        if (!signal)
                return -ENOMEM;
        n = append_interfaces(&list, target, &iter, NULL);
        if (n <= 0)
                return n;
        *ret_made = true;
        r = bus1_dbus_emit(target->bus, signal);
        return r < 0 ? r : n;
}

/* Does the error pass, so that announcing again may help? */
static bool is_temporary(int r) {
        return r == -ENOMEM || r == -EDQUOT;
}

/*
 * Emit InterfacesAdded. If a get function fails, the signal has no properties: then clients can ask
 * for them. If that may help, the caller tries again a few times instead.
 */
static int announce(const struct target *target, const char *manager, bool only_new, bool standard,
                    bool tries_again, bool *ret_made) {
        int r;

        r = emit_added(target, manager, only_new, standard, PROPERTIES_KEPT, ret_made);
        if (r >= 0 || r == -ENOTCONN || r == -ECHILD ||
            (is_temporary(r) && (*ret_made || tries_again)))
                return r;
        return emit_added(target, manager, only_new, standard, PROPERTIES_NONE, ret_made);
}

/*
 * Announce the interfaces that the object has now. Its get functions may add more, for which the
 * object is announced once more.
 */
static int announce_object(struct bus1_dbus_object *object, bool *ret_made) {
        const char *manager = manager_path(object->bus, object->path);
        struct target target = target_of_object(object);
        struct interface *interface;
        int r = 0;

        *ret_made = false;
        DL_FOREACH(object->interfaces, interface)
                interface->is_new = !interface->announced;
        if (manager)
                r = announce(&target, manager, true, !object->is_announced,
                             object->n_failures + 1 < FAILURES_MAX, ret_made);
        DL_FOREACH(object->interfaces, interface) {
                if (interface->is_new && !is_temporary(r))
                        interface->announced = object->is_announced = true;
                interface->is_new = false;
        }
        return is_temporary(r) ? r : 0;
}

static void announce_all(struct bus1_dbus *bus);

static void forget_unannounced(struct bus1_dbus_object *object) {
        struct bus1_dbus *bus = object->bus;

        if (!object->is_unannounced)
                return;
        object->is_unannounced = false;
        DL_DELETE2(bus->unannounced, object, prev_unannounced, next_unannounced);
        if (!bus->unannounced) {
                bus->announce = NULL;
                bus->announce_at = UINT64_MAX;
        }
}

static void remember_unannounced(struct bus1_dbus_object *object) {
        struct bus1_dbus *bus = object->bus;

        if (!object->is_unannounced)
                DL_APPEND2(bus->unannounced, object, prev_unannounced, next_unannounced);
        object->is_unannounced = true;
        bus->announce = announce_all;
}

/* The first object that has not failed in this round. */
static struct bus1_dbus_object *find_unannounced(struct bus1_dbus *bus) {
        struct bus1_dbus_object *object = bus->unannounced;

        while (object && object->failed_in == bus->announce_round)
                object = object->next_unannounced;
        return object;
}

/*
 * Announce each object. One that fails goes to the end, so that it does not keep others from being
 * announced. If the signal itself cannot be sent, those of others could not be sent either. Returns
 * their number.
 */
static unsigned announce_round(struct bus1_dbus *bus) {
        struct bus1_dbus_object *object;
        bool made = false;
        unsigned n = 0;

        bus->announce_round++;
        while (!made && (object = find_unannounced(bus))) {
                forget_unannounced(object);
                if (announce_object(object, &made) >= 0) {
                        object->n_failures = 0;
                        made = false;
                        n++;
                        continue;
                }
                if (!made)
                        object->n_failures++;
                object->failed_in = bus->announce_round;
                remember_unannounced(object);
        }
        return n;
}

static void announce_all(struct bus1_dbus *bus) {
        uint64_t pause = bus->announce_pause * 2;

        if (bus->is_announcing)
                return; /* a get function, or the signal itself, sends */
        if (bus->announce_at > 0 && bus->announce_at > now_ns())
                return; /* after a failure */
        if (use_begin(bus) < 0)
                return;
        bus->is_announcing = true;
        if (announce_round(bus) > 0 || pause < AGAIN_NS)
                pause = AGAIN_NS;
        bus->is_announcing = false;
        bus->announce_pause = 0;
        if (bus->unannounced) {
                bus->announce_pause = pause < AGAIN_MAX_NS ? pause : AGAIN_MAX_NS;
                bus->announce_at = now_ns() + bus->announce_pause;
        }
        use_end(bus);
}

void manager_interfaces_added(struct bus1_dbus_object *object) {
        struct bus1_dbus *bus = object->bus;
        struct interface *interface;

        if (!object->path || bus->n_managers == 0 || bus->leaving) {
                DL_FOREACH(object->interfaces, interface) {
                        interface->announced = true;
                        object->is_announced = true;
                }
                return;
        }
        if (object->is_unannounced)
                return;
        remember_unannounced(object);
        bus->announce_at = 0;
        /* dispatch announces when the handler returns */
        if (bus->n_dispatching == 0)
                wait_arm(bus);
}

/* Is there something at the path without this interface? NULL: without the object. */
static bool something_stays(const struct target *target, const struct interface *interface) {
        struct walk walk;

        walk_begin(&walk, target, NULL);
        while (walk_next(&walk, MEMBER_METHOD, NULL, NULL) > 0)
                if (interface ? walk.interface != interface : walk.interface->of_fallback)
                        return true;
        return false;
}

void manager_interfaces_removed(struct bus1_dbus_object *object, struct interface *interface) {
        CLEANUP(dbus_message_unrefp) DBusMessage *signal = NULL;
        struct bus1_dbus *bus = object->bus;
        struct target target = target_of_object(object);
        struct list list = {.only = interface, .only_announced = true, .names = true};
        const char *manager = NULL;
        DBusMessageIter iter;

        if (!interface)
                forget_unannounced(object);
        if (object->path && !bus->leaving && object->is_announced)
                manager = manager_path(bus, object->path);
        if (!manager)
                return;
        list.standard = !something_stays(&target, interface);
        signal = signal_new(manager, "InterfacesRemoved", object->path, &iter);
        /* the object goes in any case, so there is nobody to tell of an error */
        if (signal && append_interfaces(&list, &target, &iter, NULL) > 0)
                (void)bus1_dbus_emit(bus, signal);
        object->is_announced = !list.standard;
}

/* the method */

static int append_object(struct bus1_dbus *bus, const char *path, DBusMessageIter *array,
                         DBusError *error) {
        const struct list list = {.standard = true, .choice = PROPERTIES_ALL};
        struct target target = target_at_path(bus, path);
        DBusMessageIter entry;
        struct walk walk;
        int r;

        /* Objects without an interface that shows itself are left out. */
        walk_begin(&walk, &target, NULL);
        do
                r = walk_next(&walk, MEMBER_METHOD, NULL, error);
        while (r > 0 && walk.interface->table->flags & BUS1_DBUS_VTABLE_HIDDEN);
        if (r <= 0)
                return r;
        if (!dbus_message_iter_open_container(array, DBUS_TYPE_DICT_ENTRY, NULL, &entry))
                return -ENOMEM;
        r = dbus_message_iter_append_basic(&entry, DBUS_TYPE_OBJECT_PATH, &path)
                    ? append_interfaces(&list, &target, &entry, error)
                    : -ENOMEM;
        return container_end(array, &entry, r);
}

static int append_tree(struct bus1_dbus *bus, struct branch *top, DBusMessageIter *array,
                       DBusError *error) {
        struct branch *branch = top;
        int r = 0;

        while (r >= 0 && (branch = tree_next(top, branch, branch == top || !branch->is_manager)))
                r = append_object(bus, branch->path, array, error);
        return r;
}

/* Append what enumerators return and the tree does not have. */
static int append_enumerated(struct bus1_dbus *bus, const struct branch *top,
                             DBusMessageIter *array, DBusError *error) {
        struct paths paths = {};
        int r;

        r = paths_enumerate(&paths, bus, top->path, true, error);
        paths_sort(&paths);
        for (size_t i = 0; i < paths.n && r >= 0; i++)
                if (!tree_find(bus, paths.items[i]) && manager_find(bus, paths.items[i]) == top)
                        r = append_object(bus, paths.items[i], array, error);
        paths_free(&paths);
        return r;
}

int manager_append_objects(struct bus1_dbus *bus, const char *path, DBusMessageIter *to,
                           DBusError *error) {
        struct branch *top = tree_find(bus, path);
        DBusMessageIter array;
        int r;

        if (!dbus_message_iter_open_container(to, DBUS_TYPE_ARRAY, "{oa{sa{sv}}}", &array))
                return -ENOMEM;
        r = append_tree(bus, top, &array, error);
        if (r >= 0)
                r = append_enumerated(bus, top, &array, error);
        return container_end(to, &array, r);
}

/* what the program says */

PUBLIC int bus1_dbus_object_add_manager(struct bus1_dbus_object *object) {
        struct branch *branch;

        if (!object || !object->path)
                return -EINVAL;
        branch = tree_find(object->bus, object->path);
        if (branch->is_manager)
                return -EALREADY;
        branch->is_manager = true;
        object->bus->n_managers++;
        return 0;
}

PUBLIC int bus1_dbus_emit_object_added(struct bus1_dbus *bus, const char *path) {
        struct target target;
        const char *manager;
        bool made;
        int r;

        if (!bus || !path || !dbus_validate_path(path, NULL))
                return -EINVAL;
        manager = manager_path(bus, path);
        if (!manager)
                return -ESRCH;
        target = target_at_path(bus, path);
        r = announce(&target, manager, false, true, true, &made);
        return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

PUBLIC int bus1_dbus_emit_object_removed(struct bus1_dbus *bus, const char *path) {
        const struct list list = {.only_announced = true, .standard = true, .names = true};
        CLEANUP(dbus_message_unrefp) DBusMessage *signal = NULL;
        DBusMessageIter iter;
        struct target target;
        const char *manager;
        int r;

        if (!bus || !path || !dbus_validate_path(path, NULL))
                return -EINVAL;
        manager = manager_path(bus, path);
        if (!manager)
                return -ESRCH;
        target = target_at_path(bus, path);
        signal = signal_new(manager, "InterfacesRemoved", path, &iter);
        if (!signal)
                return -ENOMEM;
        r = append_interfaces(&list, &target, &iter, NULL);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        return bus1_dbus_emit(bus, signal);
}
