/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The world: does one step on both sides, and waits for all of its effects. */

#include "test/conformance/differential/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "test/bench/raw.h"

#define BARRIER_BASE 0x70000000

/* waiting for messages */

static bool is_barrier(const struct received *m, const void *userdata) {
        const struct client *client = userdata;

        return (m->type == TYPE_RETURN || m->type == TYPE_ERROR) &&
               m->reply_serial == client->barrier;
}

static bool is_sentinel(const struct received *m, const void *userdata) {
        return m->type == TYPE_SIGNAL && m->interface &&
               !strcmp(m->interface, "com.example.Control");
}

/* Does the message say that the owner of a unique name, userdata, has left? */
static bool is_end_of(const struct received *m, const void *userdata) {
        const char *name = userdata;

        return m->type == TYPE_SIGNAL && m->member && !strcmp(m->member, "NameOwnerChanged") &&
               received_is_from_bus(m) && !strcmp((const char *)m->body + 4, name) &&
               m->n_body > 4 && m->body[m->n_body - 2] == 0;
}

static bool is_never(const struct received *m, const void *userdata) {
        return false;
}

/* sending */

void draft_bus_call(struct draft *draft, const char *member, uint32_t serial) {
        draft->type = TYPE_CALL;
        draft->path = BUS_PATH;
        draft->interface = BUS_NAME;
        draft->member = member;
        draft->destination = BUS_NAME;
        draft->serial = serial;
}

static void send_both(struct client *client, const struct bytes *message) {
        for (unsigned side = 0; side < N_SIDES; side++)
                channel_write(&client->channels[side], message);
}

/*
 * Call Ping without a destination. The reply comes after all messages that the bus had for this
 * client before. Neither monitors nor eavesdroppers see the call.
 */
static void send_barrier(struct client *client) {
        static struct draft draft;
        static struct bytes message;

        client->barrier = ++client->serial + BARRIER_BASE;
        draft = (struct draft){
                .type = TYPE_CALL,
                .path = "/",
                .interface = "org.freedesktop.DBus.Peer",
                .member = "Ping",
                .serial = client->barrier,
        };
        draft_finish(&draft, &message);
        send_both(client, &message);
}

/* Returns false if one of the buses has closed the connection or does not answer. */
static bool wait_barrier(struct client *client) {
        bool all = true;

        for (unsigned side = 0; side < N_SIDES; side++)
                all &= channel_read_until(&client->channels[side], is_barrier, client);
        return all;
}

static void send_sentinel(struct client *control) {
        static struct draft draft;
        static struct bytes message;

        draft = (struct draft){
                .type = TYPE_SIGNAL,
                .path = "/",
                .interface = "com.example.Control",
                .member = "Sentinel",
                .serial = ++control->serial,
        };
        draft_finish(&draft, &message);
        send_both(control, &message);
}

/* names and pending calls */

static void note_owner(struct world *world, const char *name, const char *owner) {
        size_t i;

        for (i = 0; i < world->n_names && strcmp(world->names[i].name, name) != 0; i++)
                ;
        if (!*owner) {
                if (i < world->n_names)
                        world->names[i] = world->names[--world->n_names];
                return;
        }
        if (i == N_NAMES)
                return;
        if (i == world->n_names)
                world->n_names++;
        snprintf(world->names[i].name, sizeof(world->names[i].name), "%s", name);
        snprintf(world->names[i].owner, sizeof(world->names[i].owner), "%s", owner);
}

struct client *world_find(struct world *world, const char *name) {
        for (size_t i = 0; name[0] != ':' && i < world->n_names; i++)
                if (!strcmp(world->names[i].name, name))
                        return world_find(world, world->names[i].owner);
        for (unsigned i = 0; i < N_CLIENTS; i++)
                if (world->clients[i].unique[0] && !strcmp(world->clients[i].unique, name))
                        return &world->clients[i];
        return NULL;
}

static const char *body_string(const struct received *m, size_t *at) {
        size_t from = (*at + 3) & ~(size_t)3;

        if (from + 5 > m->n_body)
                return "";
        *at = from + 4 + wire_load_u32(m->body + from, m->big_endian) + 1;
        return (const char *)m->body + from + 4;
}

/* Learn the owners of well-known names from what the control received on the reference. */
static void learn_owners(struct world *world) {
        const struct channel *channel = &world->clients[0].channels[SIDE_REFERENCE];

        for (size_t i = 0; i < channel->n_messages; i++) {
                struct received m;
                const char *name, *owner;
                size_t at = 0;

                if (!channel_get(channel, i, &m) || m.type != TYPE_SIGNAL || !m.member ||
                    strcmp(m.member, "NameOwnerChanged") != 0 || !received_is_from_bus(&m))
                        continue;
                name = body_string(&m, &at);
                body_string(&m, &at);
                owner = body_string(&m, &at);
                if (name[0] != ':')
                        note_owner(world, name, owner);
        }
}

static void pending_remove(struct client *client, const char *caller, uint32_t serial) {
        for (size_t i = 0; i < client->n_pending;)
                if ((!serial || client->pending[i].serial == serial) &&
                    !strcmp(client->pending[i].caller, caller))
                        client->pending[i] = client->pending[--client->n_pending];
                else
                        i++;
}

/*
 * If the step delivered a call, add the call to the pending ones of its receiver. If the step sent
 * a reply, remove the call that it answers.
 */
static void learn_pending(struct world *world, const struct step *step) {
        struct client *actor = &world->clients[step->actor], *target;
        const struct received *sent = &step->sent;
        const struct channel *channel;

        if (step->kind != STEP_SEND || !step->parsed || !sent->destination)
                return;
        target = world_find(world, sent->destination);
        if (!target)
                return;
        if (sent->type == TYPE_RETURN || sent->type == TYPE_ERROR) {
                pending_remove(actor, target->unique, sent->reply_serial);
                return;
        }
        if (sent->type != TYPE_CALL || (sent->flags & FLAG_NO_REPLY) ||
            target->state != CLIENT_READY)
                return;
        channel = &target->channels[SIDE_REFERENCE];
        for (size_t i = 0; i < channel->n_messages; i++) {
                struct received m;

                if (!channel_get(channel, i, &m) || m.type != TYPE_CALL || !m.sender ||
                    strcmp(m.sender, step->actor_name) != 0 || m.serial != sent->serial)
                        continue;
                pending_remove(target, m.sender, m.serial);
                if (target->n_pending < N_PENDING) {
                        struct pending *pending = &target->pending[target->n_pending++];

                        snprintf(pending->caller, sizeof(pending->caller), "%s", m.sender);
                        pending->serial = m.serial;
                }
        }
}

/* steps */

static void forget_name(struct world *world, struct client *client) {
        for (unsigned i = 0; i < N_CLIENTS; i++)
                pending_remove(&world->clients[i], client->unique, 0);
        client->unique[0] = 0;
        client->n_pending = client->n_rules = 0;
}

/* Learn the unique name of a client from NameAcquired, which follows the reply to Hello. */
static void learn_name(struct client *client) {
        const struct channel *channel = &client->channels[SIDE_REFERENCE];

        for (size_t i = 0; i < channel->n_messages; i++) {
                struct received m;

                if (channel_get(channel, i, &m) && m.type == TYPE_SIGNAL && m.destination &&
                    !strcmp(m.member, "NameAcquired") && received_is_from_bus(&m) &&
                    !strcmp((const char *)m.body + 4, m.destination)) {
                        snprintf(client->unique, sizeof(client->unique), "%s", m.destination);
                        client->state = CLIENT_READY;
                }
        }
}

static void connect_both(struct world *world, struct client *client, bool hello) {
        static struct draft draft;
        static struct bytes message;

        client->serial = 0;
        for (unsigned side = 0; side < N_SIDES; side++)
                channel_open(&client->channels[side], &world->daemons[side], client->with_fds);
        client->state = CLIENT_RAW;
        if (!hello)
                return;
        draft = (struct draft){};
        draft_bus_call(&draft, "Hello", ++client->serial);
        draft_finish(&draft, &message);
        send_both(client, &message);
}

static void act(struct world *world, struct step *step, struct client *actor) {
        switch (step->kind) {
        case STEP_CONNECT:
                connect_both(world, actor, step->with_hello);
                break;
        case STEP_SEND:
                send_both(actor, &step->message);
                break;
        case STEP_CLOSE:
        case STEP_HALF_CLOSE:
                for (unsigned side = 0; side < N_SIDES; side++)
                        shutdown(actor->channels[side].fd,
                                 step->kind == STEP_CLOSE ? SHUT_RDWR : SHUT_WR);
                break;
        }
}

/* Did the step make the actor a monitor on both sides? Reads up to the reply to BecomeMonitor. */
static bool became_monitor(const struct step *step, const struct client *actor) {
        struct client answer = {.barrier = step->sent.serial};
        bool all = true;

        if (!step->becomes_monitor)
                return false;
        for (unsigned side = 0; side < N_SIDES; side++) {
                struct channel *channel = (struct channel *)&actor->channels[side];
                struct received m;

                all &= channel_read_until(channel, is_barrier, &answer) &&
                       channel_get(channel, channel->n_messages - 1, &m) && m.type == TYPE_RETURN;
        }
        return all;
}

/* Wait until all effects of the step have arrived. */
static void settle(struct world *world, struct step *step, struct client *actor) {
        struct client *control = &world->clients[0];
        bool monitors = false, gone = false;

        if (became_monitor(step, actor)) {
                actor->state = CLIENT_MONITOR;
        } else if (step->kind == STEP_CLOSE || step->kind == STEP_HALF_CLOSE ||
                   actor->state == CLIENT_MONITOR) {
                gone = true;
                for (unsigned side = 0; side < N_SIDES; side++)
                        channel_read_until(&actor->channels[side], is_never, NULL);
        } else {
                send_barrier(actor);
                gone = !wait_barrier(actor);
        }
        if (gone && actor->state == CLIENT_READY)
                for (unsigned side = 0; side < N_SIDES; side++)
                        channel_read_until(&control->channels[side], is_end_of, actor->unique);

        for (unsigned i = 0; i < N_CLIENTS; i++)
                monitors |= world->clients[i].state == CLIENT_MONITOR;
        if (monitors)
                send_sentinel(control);
        send_barrier(control);
        wait_barrier(control);

        for (unsigned i = 1; i < N_CLIENTS; i++) {
                struct client *client = &world->clients[i];

                if (client != actor &&
                    (client->state == CLIENT_READY || client->state == CLIENT_RAW))
                        send_barrier(client);
        }
        for (unsigned i = 1; i < N_CLIENTS; i++) {
                struct client *client = &world->clients[i];

                if (client->state == CLIENT_MONITOR && !(client == actor && gone))
                        for (unsigned side = 0; side < N_SIDES; side++)
                                channel_read_until(&client->channels[side], is_sentinel, NULL);
                else if (client != actor &&
                         (client->state == CLIENT_READY || client->state == CLIENT_RAW))
                        wait_barrier(client);
        }
}

static void learn(struct world *world, const struct step *step, struct client *actor) {
        learn_owners(world);
        learn_pending(world, step);
        if (actor->state == CLIENT_RAW)
                learn_name(actor);
        if (actor->state == CLIENT_MONITOR)
                forget_name(world, actor);
        for (unsigned i = 0; i < N_CLIENTS; i++) {
                struct client *client = &world->clients[i];
                struct channel *channels = client->channels;

                if (client->state == CLIENT_ABSENT)
                        continue;
                if (channels[SIDE_REFERENCE].closed && channels[SIDE_BRIDGE].closed) {
                        forget_name(world, client);
                        for (unsigned side = 0; side < N_SIDES; side++)
                                channel_close(&channels[side]);
                        client->state = CLIENT_ABSENT;
                } else
                        for (unsigned side = 0; side < N_SIDES; side++)
                                channel_forget(&channels[side]);
        }
}

bool world_step(struct world *world, struct step *step, unsigned long sequence, unsigned number,
                const struct alteration *alteration) {
        struct client *actor = &world->clients[step->actor];
        bool same;

        act(world, step, actor);
        settle(world, step, actor);
        if (alteration)
                alteration_apply(world, alteration);
        same = compare_step(world, step, sequence, number, alteration != NULL);
        learn(world, step, actor);
        return same;
}

/* start and end */

void world_start(struct world *world) {
        static const char *const labels[] = {"reference", "bridge"};
        struct client *control = &world->clients[0];
        static struct draft draft;
        static struct bytes message;

        for (unsigned side = 0; side < N_SIDES; side++)
                daemon_start(&world->daemons[side], world->daemons[side].binary, world->directory,
                             labels[side]);
        memset(world->clients, 0, sizeof(world->clients));
        world->n_names = 0;
        for (unsigned i = 0; i < N_CLIENTS; i++)
                for (unsigned side = 0; side < N_SIDES; side++)
                        world->clients[i].channels[side].fd = -1;

        connect_both(world, control, true);
        draft = (struct draft){.signature = "s"};
        draft_bus_call(&draft, "AddMatch", ++control->serial);
        bytes_string(&draft.body, "sender='org.freedesktop.DBus',member='NameOwnerChanged'");
        draft_finish(&draft, &message);
        send_both(control, &message);
        send_barrier(control);
        if (!wait_barrier(control))
                raw_fail("the control is not answered");
        learn_name(control);
        for (unsigned side = 0; side < N_SIDES; side++)
                channel_forget(&control->channels[side]);
}

bool world_stop(struct world *world) {
        bool clean = true;

        for (unsigned i = 0; i < N_CLIENTS; i++)
                for (unsigned side = 0; side < N_SIDES; side++)
                        if (world->clients[i].channels[side].fd >= 0)
                                channel_close(&world->clients[i].channels[side]);
        for (unsigned side = 0; side < N_SIDES; side++)
                clean &= daemon_stop(&world->daemons[side]);
        return clean;
}

unsigned world_count_owners(struct world *world, const char *name) {
        struct client *control = &world->clients[0];
        const struct channel *channel = &control->channels[SIDE_REFERENCE];
        struct client answer = {.barrier = ++control->serial};
        static struct draft draft;
        static struct bytes message;
        struct received m;
        unsigned n = 0;

        draft = (struct draft){.signature = "s"};
        draft_bus_call(&draft, "ListQueuedOwners", control->serial);
        bytes_string(&draft.body, name);
        draft_finish(&draft, &message);
        send_both(control, &message);
        for (unsigned side = 0; side < N_SIDES; side++)
                if (!channel_read_until(&control->channels[side], is_barrier, &answer))
                        return 0;
        if (channel_get(channel, channel->n_messages - 1, &m) && m.type == TYPE_RETURN)
                for (size_t at = 4; at < m.n_body; n++)
                        body_string(&m, &at);
        return n;
}
