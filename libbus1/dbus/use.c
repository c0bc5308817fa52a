/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/use.h"

#include <errno.h>
#include <pthread.h>

#include "libbus1/dbus/ids.h"

static unsigned generation;

static void child_begins(void) {
        generation++;
}

__attribute__((constructor)) static void watch_forks(void) {
        /* If this fails for lack of memory, children are not told apart. */
        (void)pthread_atfork(NULL, NULL, child_begins);
}

unsigned use_generation(void) {
        return generation;
}

#ifdef NDEBUG

int use_begin(struct bus1_dbus *bus) {
        return use_is_own(bus) ? 0 : -ECHILD;
}

void use_end(struct bus1_dbus *bus) {
}

#else

int use_begin(struct bus1_dbus *bus) {
        static __thread char self;
        void *user = NULL;

        if (!use_is_own(bus))
                return -ECHILD;
        if (!__atomic_compare_exchange_n(&bus->user, &user, &self, false, __ATOMIC_ACQUIRE,
                                         __ATOMIC_RELAXED) &&
            user != &self)
                return -EBUSY;
        bus->n_uses++;
        return 0;
}

void use_end(struct bus1_dbus *bus) {
        if (--bus->n_uses == 0)
                __atomic_store_n(&bus->user, NULL, __ATOMIC_RELEASE);
}

#endif

void use_release(struct bus1_dbus *bus, uint64_t id) {
        if (!use_is_own(bus))
                return;
        bus1_client_release_one(bus->client, ids_to_peer(bus, id));
        ids_remove_alias(bus, id);
}
