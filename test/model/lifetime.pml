/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a node and its handles (kernel/core/node.h)
 *
 * There are three peers. One of them owns the node, and each may hold a handle to it. All peers act
 * at the same time, and each does one of these: release its handle, its node or both; send a copy
 * of its handle to any peer; close; nothing. With THEN_RELEASE, that peer may also send and then
 * release. Meanwhile all peers receive. One atomic step stands for the work that the core does
 * under one spinlock. A peer's mutex is held where the core holds it.
 *
 * A queue has its entries in the order in which they are committed. This allows more orders than
 * the core does; test/model/order.pml models the order. When a peer closes, the senders drop the
 * entries that are staged in its queue, like those that they commit later.
 *
 * The names of most invariants are those of test/model/README.md.
 */

#define PEERS 3
#define OWNER 0			/* the peer that owns the node */
#define HANDLES 6		/* p: peer p's at the start; PEERS + p: the copy that p sends */

#define NEW  0
#define HELD 1
#define GONE 2
#define VOID 3			/* does not exist */

/* types of entries; MESSAGE has the carried handle, NODE_RELEASE the handle that ends */
#define MESSAGE		1
#define NODE_RELEASE	2
#define HANDLE_RELEASE	3

#define BIT(i) (1 << (i))
#define HAS(set, i) (((set) >> (i)) & 1)

chan queue[PEERS] = [HANDLES + 4] of { byte, byte };
bool sealed[PEERS];
bool lock[PEERS];		/* bus1_peer.lock */

byte handle_state[HANDLES];
byte handle_holder[HANDLES];
byte handle_refs[HANDLES];	/* references of the map or message, and of the notification */
bool handle_told[HANDLES];	/* the holder has received the notification */
byte linked;			/* set of handles in the list of the node */

byte node_state;
byte node_owned;		/* references of the owner's map and the queued notification */
bool node_dead;
bool node_told;

byte running;			/* number of operations under way */

inline handle_unref(h)
{
	/* refs-held: nothing is used after its last reference. */
	assert(handle_refs[h] > 0);
	handle_refs[h]--;
	/* linked-is-referenced */
	assert(handle_refs[h] > 0 || !HAS(linked, h))
}

inline node_disown()
{
	assert(node_owned > 0);
	node_owned--
}

/*
 * Each of these makes one mistake on purpose, to show that an assertion fails then:
 *
 *     BREAK_LINK   handles are linked to a dead node, too
 *     BREAK_DUE    a peer receives a notification about a handle that it has not received yet
 *     BREAK_OWNED  the owner's notification has no reference of its own
 */

/* bus1_handle_link() */
inline handle_link(h)
{
	if
#ifdef BREAK_LINK
	:: linked = linked | BIT(h)
#else
	:: node_dead -> handle_state[h] = GONE
	:: else -> linked = linked | BIT(h)
#endif
	fi
}

/* bus1_handle_release(): the release of the last handle kills the node. */
inline handle_release(h)
{
	assert(handle_refs[h] > 0);
	if
	:: !node_dead && linked == BIT(h) ->
		/* die-once: the map of the owner still has its reference. */
		assert(node_owned == 1 && !notify_owner);
		node_dead = true;
#ifndef BREAK_OWNED
		node_owned++;
#endif
		notify_owner = true
	:: else
	fi;
	linked = linked & ~BIT(h)
}

/* bus1_node_release(): kills the node and notifies all handles, except those that p releases. */
inline node_release(p)
{
	node_dead = true;
	for (i : 0 .. HANDLES - 1) {
		if
		:: HAS(linked, i) && !(handle_holder[i] == p && handle_state[i] == GONE) ->
			handle_refs[i]++;
			notify = notify | BIT(i)
		:: else
		fi
	}
	i = 0;
	linked = 0
}

/* Remove the first element of a set, and store it in h. */
inline first(set)
{
	do
	:: !HAS(set, h) -> h++
	:: else -> break
	od;
	set = set & ~BIT(h)
}

/* bus1_tx_commit() and bus1_tx_drop(): commit or drop each entry, one queue at a time. */
inline commit()
{
	do
	:: atomic { message != HANDLES ->
		if
		:: !sealed[to] -> queue[to] ! MESSAGE(message)
		:: else -> handle_release(message); handle_unref(message)
		fi;
		message = HANDLES }
	:: atomic { notify_owner ->
		notify_owner = false;
		if
		:: !sealed[OWNER] -> queue[OWNER] ! HANDLE_RELEASE(0)
		:: else -> node_disown()
		fi }
	:: atomic { notify != 0 ->
		first(notify);
		if
		:: !sealed[handle_holder[h]] -> queue[handle_holder[h]] ! NODE_RELEASE(h)
		:: else -> handle_unref(h)
		fi;
		h = 0 }
	:: message == HANDLES && !notify_owner && notify == 0 -> break
	od
}

/* Peer p releases its handle, the node, or both in one command. */
inline do_release(p)
{
	atomic {
		!lock[p] -> lock[p] = true;
		if
		:: p == OWNER && node_state == HELD -> node = true
		:: true
		fi;
		if
		:: handle_state[p] == HELD -> own = true
		:: true
		fi;
		if
		:: node -> node_state = GONE
		:: else
		fi;
		if
		:: own -> handle_state[p] = GONE
		:: else
		fi;
		if
		:: node -> node_release(p)
		:: else
		fi
	}
	if
	:: own -> atomic { handle_release(p) }
	:: else
	fi;
	commit();
	atomic {
		if
		:: node -> node_disown()
		:: else
		fi;
		if
		:: own -> handle_unref(p)
		:: else
		fi;
		node = false;
		own = false;
		lock[p] = false
	}
}

/* Peer p sends a copy of its handle to any peer. */
inline do_send(p)
{
	atomic {
		!lock[p] -> lock[p] = true;
		if
		:: handle_state[p] == HELD ->
			select (to : 0 .. PEERS - 1);
			message = PEERS + p;
			handle_state[message] = NEW;
			handle_holder[message] = to;
			handle_refs[message] = 1;
			handle_link(message)
		:: else
		fi
	}
	commit();
	atomic { to = 0; lock[p] = false }
}

/* bus1_peer_disconnect() */
inline do_close(p)
{
	atomic {
		!lock[p] -> lock[p] = true;
		/* bus1_queue_seal(): collect the queued entries, which are dropped further down */
		sealed[p] = true;
		do
		:: queue[p] ? type(h) ->
			if
			:: type == MESSAGE -> dropped = dropped | BIT(h)
			:: type == NODE_RELEASE -> dropped_release = dropped_release | BIT(h)
			:: type == HANDLE_RELEASE -> dropped_node = true
			fi
		:: empty(queue[p]) -> break
		od;
		type = 0;
		h = 0
	}
	atomic {
		/* First all IDs end and the node dies, ... */
		for (i : 0 .. HANDLES - 1) {
			if
			:: handle_state[i] == HELD && handle_holder[i] == p ->
				handle_state[i] = GONE;
				ended = ended | BIT(i)
			:: else
			fi
		}
		i = 0;
		if
		:: p == OWNER && node_state == HELD ->
			node_state = GONE;
			node = true;
			node_release(p)
		:: else
		fi;
		unref = ended
	}
	/* ... then the held handles and those in messages are released one by one, ... */
	do
	:: atomic { ended != 0 -> first(ended); handle_release(h); h = 0 }
	:: atomic { ended == 0 && dropped != 0 ->
		first(dropped);
		handle_release(h);
		handle_unref(h);
		h = 0 }
	:: ended == 0 && dropped == 0 -> break
	od;
	atomic {
		/* ... and then the notifications are dropped. */
		for (i : 0 .. HANDLES - 1) {
			if
			:: HAS(dropped_release, i) -> handle_unref(i)
			:: else
			fi
		}
		i = 0;
		dropped_release = 0;
		if
		:: dropped_node -> node_disown()
		:: else
		fi;
		dropped_node = false
	}
	commit();
	atomic {
		for (i : 0 .. HANDLES - 1) {
			if
			:: HAS(unref, i) -> handle_unref(i)
			:: else
			fi
		}
		i = 0;
		unref = 0;
		if
		:: node -> node_disown()
		:: else
		fi;
		node = false;
		lock[p] = false
	}
}

#define OPERATION_STATE \
	byte i, h, type, notify, dropped, dropped_release, ended, unref; \
	byte message = HANDLES, to; \
	bool notify_owner, dropped_node, node, own

proctype operation(byte p)
{
	OPERATION_STATE;

	if
	:: do_release(p)
	:: do_send(p)
#ifdef THEN_RELEASE
	:: p == THEN_RELEASE -> do_send(p); do_release(p)
#endif
	:: do_close(p)
	:: true
	fi;
	running--
}

/* bus1_peer_recv_begin() and the commit: drops moot entries. */
proctype receiver(byte p)
{
	byte type, h;

end:	do
	:: atomic { !lock[p] && queue[p] ? [type, h] ->
		queue[p] ? type(h);
		if
		:: type == MESSAGE && handle_state[h] == NEW ->
			/* no-resurrection: the receiver of a handle will be notified of its end. */
			assert(handle_refs[h] > 0);
			handle_state[h] = HELD
		:: type == MESSAGE && handle_state[h] != NEW ->
			handle_unref(h)
#ifdef BREAK_DUE
		:: type == NODE_RELEASE && handle_state[h] != GONE ->
#else
		:: type == NODE_RELEASE && handle_state[h] == HELD ->
#endif
			/* told-once, told-of-the-dead */
			assert(!handle_told[h] && node_dead);
			handle_told[h] = true;
			handle_state[h] = GONE;
			handle_unref(h);
			handle_unref(h)
#ifndef BREAK_DUE
		:: type == NODE_RELEASE && handle_state[h] == NEW ->
			/* the message is still queued, and will carry BUS1_INVALID instead */
			handle_state[h] = GONE;
			handle_unref(h)
#endif
		:: type == NODE_RELEASE && handle_state[h] == GONE ->
			handle_unref(h)
		:: type == HANDLE_RELEASE && node_state == HELD ->
			assert(!node_told && node_dead && linked == 0);
			node_told = true;
			node_state = GONE;
			node_disown();
			node_disown()
		:: type == HANDLE_RELEASE && node_state != HELD ->
			node_disown()
		fi;
		type = 0;
		h = 0 }
	od
}

/* Checks the final state, when all operations are done and everything is received. */
proctype checker()
{
	byte p;

	atomic {
		timeout ->
		assert(running == 0);
		for (p : 0 .. HANDLES - 1) {
			/* named-is-alive: an ID that has not ended names a live node. */
			assert(handle_state[p] != HELD || (HAS(linked, p) && !node_dead));
			/* refs-balanced */
			assert(handle_state[p] == VOID || handle_refs[p] == (handle_state[p] == HELD -> 1 : 0))
		}
		assert(node_state != HELD || (!node_dead && linked != 0));
		assert(node_owned == (node_state == HELD -> 1 : 0));
		/* told: the owner has been notified of the death of its node. */
		assert(!(node_dead && node_state == HELD))
	}
}

init {
	byte p;
	byte i;

	atomic {
		for (p : 0 .. PEERS - 1) {
			handle_state[PEERS + p] = VOID;
			handle_state[p] = VOID;
			handle_holder[p] = p;
			if
			:: true -> handle_state[p] = HELD; handle_refs[p] = 1; linked = linked | BIT(p)
			:: p < PEERS - 1 || linked != 0
			fi
		}
		node_state = HELD;
		node_owned = 1;
		running = PEERS;
		for (p : 0 .. PEERS - 1) {
			run operation(p);
			run receiver(p)
		}
		p = 0;
		run checker()
	}
}
