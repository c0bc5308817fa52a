/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The core that the bus hosts, in a state document (bridge/state/document.h)
 *
 *      CoreDomain          the core as a whole
 *      CorePeers           peers
 *      CoreServed          a peer of another process
 *      CoreLocal           the peer of the bus
 *      CoreNodes           nodes
 *      CoreHandles         handles
 *      CorePayload         data and descriptors of messages
 *      CoreMessages        queued messages
 *      CoreNotifications   queued notifications
 *
 * These are the structures of kernel/hosted/freeze.h, in the order and with the numbers that they
 * have there. Kinds in the plural have an array of structures. This folder does not look into them:
 * the core checks them.
 */

struct bus1_client;
struct bus1_domain;
struct hosted_thaw;
struct state_load;
struct state_save;

/* Write the core; peer is the only one in this process. */
void core_save(struct bus1_domain *domain, struct bus1_client *peer, struct state_save *save);
/*
 * Take over the current record. CoreDomain makes *thaw, which is NULL at first. Returns 0, 1 if the
 * kind of the record is none of these, or load->error.
 */
int core_load(struct hosted_thaw **thaw, struct state_load *load);
/*
 * The document has been read: make the core of *thaw, which becomes NULL. The core owns the
 * descriptors. Returns 0 or load->error.
 */
int core_loaded(struct hosted_thaw **thaw, struct state_load *load, struct bus1_domain **ret_domain,
                struct bus1_client **ret_peer);
