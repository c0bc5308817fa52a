/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Alterations of what clients received from the bridge. The comparison must notice each of them. */

#include "test/conformance/differential/run.h"

#include <string.h>

/*
 * Does the message fit the alteration? Only a message that a client sent does: the comparison must
 * notice a change of any byte of such a message, but not of one of the bus itself.
 */
static bool is_wanted(const struct alteration *alteration, const struct received *m) {
        if (!m->sender || received_is_from_bus(m))
                return false;
        return alteration->kind != ALTER_BODY || m->n_body > 0;
}

static bool alter(struct channel *channel, const struct alteration *alteration, size_t i,
                  const struct received *m) {
        uint8_t *wire = channel->in + channel->messages[i];

        switch (alteration->kind) {
        case ALTER_BODY:
                wire[m->n - 1] ^= 1;
                return true;
        case ALTER_FLAGS:
                wire[2] ^= 0x40;
                return true;
        case ALTER_SERIAL:
                wire[9] ^= 0x20;
                return true;
        case ALTER_SENDER:
                wire[(const uint8_t *)m->sender - m->wire + strlen(m->sender) - 1] ^= 1;
                return true;
        case ALTER_DROP:
                channel->n_taken = channel->messages[i];
                channel->n_messages = i;
                return true;
        case ALTER_DUPLICATE:
                if (channel->n_in + m->n > channel->n_size ||
                    channel->n_messages + 1 >= channel->n_messages_size)
                        return false;
                memmove(wire + m->n, wire, channel->n_in - channel->messages[i]);
                channel->n_in += m->n;
                channel->n_taken += m->n;
                channel->messages[channel->n_messages] = channel->messages[channel->n_messages - 1];
                memmove(channel->messages + i + 1, channel->messages + i,
                        (channel->n_messages - i) * sizeof(size_t));
                channel->n_messages++;
                for (size_t k = i + 1; k < channel->n_messages; k++)
                        channel->messages[k] += m->n;
                return true;
        case ALTER_SWAP: {
                static uint8_t copy[65536];
                size_t end;

                if (i + 1 == channel->n_messages || m->n > sizeof(copy))
                        return false;
                end = i + 2 < channel->n_messages ? channel->messages[i + 2] : channel->n_taken;
                memcpy(copy, wire, m->n);
                memmove(wire, wire + m->n, channel->in + end - (wire + m->n));
                memcpy(channel->in + end - m->n, copy, m->n);
                channel->messages[i + 1] = end - m->n;
                return true;
        }
        case ALTER_CLOSE:
        case N_ALTERATIONS:
                break;
        }
        return false;
}

void alteration_apply(struct world *world, const struct alteration *alteration) {
        for (unsigned k = 1; k < N_CLIENTS; k++) {
                struct channel *channel = &world->clients[k].channels[SIDE_BRIDGE];

                if (alteration->kind == ALTER_CLOSE && channel->fd >= 0 && !channel->closed) {
                        channel->closed = true;
                        ++*alteration->n;
                        return;
                }
                for (size_t i = 0; i < channel->n_messages; i++) {
                        struct received m;

                        if (channel_get(channel, i, &m) && is_wanted(alteration, &m) &&
                            alter(channel, alteration, i, &m)) {
                                ++*alteration->n;
                                return;
                        }
                }
        }
}
