// SPDX-License-Identifier: GPL-2.0-only
/*
 * Freezing a domain, see freeze.h
 */

#include "kernel/hosted/freeze.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/core/message.h"
#include "kernel/core/peer.h"
#include "kernel/hosted/local.h"
#include "kernel/hosted/payload.h"
#include "kernel/hosted/state.h"

/* The payload of the message at the front of a queue; NULL when there is no message. */
static const struct bus1_payload *first_payload(struct bus1_peer *peer)
{
	struct bus1_queue_entry *entry = bus1_queue_peek(&peer->queue);

	return entry && entry->type == BUS1_ENTRY_MESSAGE ? bus1_delivery_from_entry(entry)->payload
							  : NULL;
}

static int freeze_served(const struct hosted_served *served, const struct hosted_saver *saver,
			 void *data)
{
	struct hosted_frozen_served frozen = {
		.peer = served->peer->number,
		.id = served->id,
		.cookie = served->pair.cookie,
		.gid = __kgid_val(served->creds.gid),
		.pid = pid_nr(served->creds.pid),
		.fd = served->source.fd,
		.bell_fd = served->ready.fd,
		.rung = served->ready.set,
		.reading = served->reading && served->reading == first_payload(served->peer),
	};

	memcpy(frozen.secret, served->secret, sizeof(frozen.secret));
	return saver->served(data, &frozen);
}

static int freeze_local(const struct hosted_ready *ready, const struct hosted_saver *saver,
			void *data)
{
	const struct hosted_frozen_local frozen = {
		.peer = ready->peer->number,
		.ready = ready->set,
	};

	return saver->local(data, &frozen);
}

/* The number of peers of the core that have not ended. */
static size_t count_living(struct bus1_domain *domain)
{
	unsigned long number = 0;
	struct bus1_peer *peer;
	size_t n = 0;

	while ((peer = bus1_peer_next(domain->accounts, number))) {
		number = peer->number + 1;
		n += !peer->disconnected;
		bus1_peer_unref(peer);
	}
	return n;
}

/* Fill in the head. Every peer that has not ended must be a known one. */
static int freeze_head(struct bus1_domain *domain, struct bus1_client *const *clients,
		       size_t n_clients, struct hosted_frozen_domain *head)
{
	struct hosted_served *served, *next;
	size_t n_living = 0;

	*head = (struct hosted_frozen_domain){
		.last_served = domain->last_served,
		.n_locals = n_clients,
	};
	memcpy(head->id, domain->id, sizeof(head->id));

	HASH_ITER(hh, domain->served, served, next) {
		head->n_served++;
		n_living += !served->peer->disconnected;
	}
	for (size_t i = 0; i < n_clients; i++) {
		struct bus1_peer *peer = hosted_local_peer(domain, clients[i]);

		if (!peer)
			return -EXDEV;
		n_living += !peer->disconnected;
	}

	return domain->listeners || n_living != count_living(domain) ? -EBUSY : 0;
}

/* the saver of the core, which reports to the saver of the domain */

struct freeze {
	const struct hosted_saver *saver;
	void *data;
};

static int freeze_peer(void *data, const struct bus1_frozen_peer *frozen)
{
	const struct freeze *freeze = data;

	return freeze->saver->peer(freeze->data, frozen);
}

static int freeze_node(void *data, const struct bus1_frozen_node *frozen)
{
	const struct freeze *freeze = data;

	return freeze->saver->node(freeze->data, frozen);
}

static int freeze_handle(void *data, const struct bus1_frozen_handle *frozen)
{
	const struct freeze *freeze = data;

	return freeze->saver->handle(freeze->data, frozen);
}

static int freeze_payload(void *data, const struct bus1_payload *payload)
{
	const struct freeze *freeze = data;
	int fds[BUS1_MAX_PAYLOAD_FILES];
	const struct hosted_frozen_payload frozen = {
		.account = __kuid_val(payload->account),
		.uid = __kuid_val(payload->creds.uid),
		.gid = __kgid_val(payload->creds.gid),
		.pid = pid_nr(payload->creds.pid),
		.tid = pid_nr(payload->creds.tid),
		.n_data = payload->n_data,
		.data = payload->data,
		.n_fds = payload->n_files,
		.fds = fds,
	};

	for (size_t i = 0; i < payload->n_files; i++)
		fds[i] = payload->files[i]->fd;
	return freeze->saver->payload(freeze->data, &frozen);
}

static int freeze_message(void *data, const struct bus1_frozen_message *frozen)
{
	const struct freeze *freeze = data;

	return freeze->saver->message(freeze->data, frozen);
}

static int freeze_notification(void *data, const struct bus1_frozen_notification *frozen)
{
	const struct freeze *freeze = data;

	return freeze->saver->notification(freeze->data, frozen);
}

static const struct bus1_saver core_saver = {
	.peer = freeze_peer,
	.node = freeze_node,
	.handle = freeze_handle,
	.payload = freeze_payload,
	.message = freeze_message,
	.notification = freeze_notification,
};

static int freeze_all(struct bus1_domain *domain, struct bus1_client *const *clients,
		      const struct hosted_frozen_domain *head, struct bus1_save *save,
		      const struct hosted_saver *saver, void *data)
{
	struct freeze freeze = { saver, data };
	struct hosted_served *served, *next;
	int r;

	r = saver->domain(data, head);
	if (r < 0)
		return r;
	r = bus1_save_peers(save, &core_saver, &freeze);
	if (r < 0)
		return r;
	HASH_ITER(hh, domain->served, served, next) {
		r = freeze_served(served, saver, data);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < head->n_locals; i++) {
		r = freeze_local(hosted_local_ready(domain, clients[i]), saver, data);
		if (r < 0)
			return r;
	}
	return bus1_save_rest(save, &core_saver, &freeze);
}

int hosted_freeze(struct bus1_domain *domain, struct bus1_client *const *clients, size_t n_clients,
		  const struct hosted_saver *saver, void *data)
{
	struct hosted_frozen_domain head;
	struct bus1_save save;
	int r;

	r = freeze_head(domain, clients, n_clients, &head);
	if (r < 0)
		return r;

	r = bus1_save_begin(&save, domain->accounts);
	if (r >= 0) {
		head.core = save.counts;
		r = freeze_all(domain, clients, &head, &save, saver, data);
	}
	bus1_save_end(&save);
	return r;
}

/* Let the peer's queue forget its descriptors, and wake nobody. */
static void let_go_peer(struct bus1_peer *peer)
{
	struct rb_node *rb;

	peer->queue.wake = NULL;
	for (rb = rb_first_cached(&peer->queue.entries); rb; rb = rb_next(rb)) {
		struct bus1_queue_entry *entry = bus1_queue_entry_from_rb(rb);

		if (entry->type == BUS1_ENTRY_MESSAGE)
			hosted_payload_let_go(bus1_delivery_from_entry(entry)->payload);
	}
}

void hosted_let_go(struct bus1_domain *domain)
{
	struct hosted_served *served, *next;
	unsigned long number = 0;
	struct bus1_peer *peer;

	while ((peer = bus1_peer_next(domain->accounts, number))) {
		number = peer->number + 1;
		let_go_peer(peer);
		bus1_peer_unref(peer);
	}
	HASH_ITER(hh, domain->served, served, next) {
		hosted_loop_remove(&domain->loop, &served->source);
		served->source.fd = -1;
		served->ready.fd = -1;
	}
}
