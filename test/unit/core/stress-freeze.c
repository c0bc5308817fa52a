/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Saving and restoring the core during a run. This function has a file of its own, because
 * test/vm/core-on-device.c replaces it: the device has nothing like that.
 */

#include "frozen.h"
#include "peer.h"
#include "stress.h"

/*
 * Put a restored core in the place of the core. The caller makes sure that no other thread does
 * anything meanwhile.
 */
void freeze(struct stress *stress) {
        struct bus1_accounts *accounts = bus1_accounts_new(NULL);
        struct bus1_peer **peers = calloc(stress->n_peers, sizeof(*peers));
        u64 *numbers = calloc(stress->n_peers, sizeof(*numbers)), used[_BUS1_RESOURCE_N];
        struct frozen *before, *after;
        size_t n_accounts;
        int r;

        if (IS_ERR(accounts) || !peers || !numbers)
                fail("no memory");
        for (size_t i = 0; i < stress->n_peers; i++)
                numbers[i] = stress->peers[i].peer->number;

        r = frozen_save(stress->accounts, &before);
        if (r < 0)
                fail("save: %s", strerror(-r));
        r = frozen_restore(before, accounts, numbers, stress->n_peers, peers);
        if (r < 0)
                fail("restore: %s", strerror(-r));
        if (frozen_save(accounts, &after) < 0 || !frozen_is_equal(before, after))
                fail("what was restored is not what was saved");
        if (!frozen_looks_equal(stress->accounts, accounts))
                fail("what was restored looks different");
        stress->n_frozen_messages += before->n_messages;
        stress->n_frozen_handles += before->n_handles;
        stress->n_frozen_notifications += before->n_notifications;
        for (size_t i = 0; i < before->n_handles; i++)
                ++stress->n_frozen_states[before->handles[i].state];
        frozen_free(before);
        frozen_free(after);

        for (size_t i = 0; i < stress->n_peers; i++) {
                bus1_peer_disconnect(stress->peers[i].peer);
                bus1_peer_unref(stress->peers[i].peer);
                stress->peers[i].peer = peers[i];
        }
        bus1_accounts_usage(stress->accounts, &n_accounts, used);
        if (n_accounts > 0)
                fail("%zu accounts are left", n_accounts);
        bus1_accounts_unref(stress->accounts);
        stress->accounts = accounts;
        free(peers);
        free(numbers);
        ++stress->n_freezes;
}
