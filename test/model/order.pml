/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The order of transactions (kernel/core/tx.h, queue.h)
 *
 * Each of PEERS peers sends one transaction to any set of receivers, all at the same time. Their
 * steps interleave in any order. With CLOSE, that peer is closed at any point. With STALL, that
 * sender may stop for ever between any two of its steps. One atomic step stands for the work that
 * the core does while it holds the lock of one queue, or decides a transaction.
 *
 * Receivers take each entry as soon as they can. With LAZY, they wait for any time instead.
 *
 * The names of most invariants are those of test/model/README.md.
 */

#ifndef PEERS
#define PEERS 3
#endif
#define TXS PEERS	/* peer t sends transaction t */

#define NONE	 0	/* not in the queue */
#define STAGED	 1
#define FINAL	 2
#define RECEIVED 3
#define DROPPED	 4

typedef queue_t {
	byte clock;
	bool sealed;
	byte state[TXS];
	byte timestamp[TXS];	/* while staged: odd, and less than the final one will be */
	byte last;		/* timestamp that was received last */
	byte last_tx;
	byte looked;		/* entry that the receiver looks at, plus 1 */
};

queue_t queue[PEERS];

byte least[TXS];		/* the receivers need a final timestamp that is not less */
byte final[TXS];		/* the final timestamp; 0 until it is decided */

byte receivers[TXS];		/* set of peers that transaction t is sent to */
bool begun[TXS];
bool returned[TXS];		/* the sender's command has returned */
bool seen[TXS];			/* a peer has received it */
byte causes[TXS];		/* transactions that t's sender could know of when t began */
byte dropped_final[PEERS];	/* transactions whose entry was dropped by the close of the queue */
byte before[TXS];		/* transactions that some peer has received before t */

#define HAS(set, i) (((set) >> (i)) & 1)

/* Whether a is ahead of b in p's queue. The number of a transaction decides between equals. */
#define AHEAD(p, a, b) \
	(queue[p].timestamp[a] < queue[p].timestamp[b] || \
	 (queue[p].timestamp[a] == queue[p].timestamp[b] && (a) < (b)))

#define MAX(a, b) ((a) > (b) -> (a) : (b))

#ifdef STALL
#define STALLS(t) ((t) == STALL)
#else
#define STALLS(t) false
#endif

/*
 * Each of these makes one mistake on purpose, to show that an assertion fails then:
 *
 *     BREAK_SETTLE  a new entry does not look for staged entries whose transaction is decided
 *     BREAK_DELAY   a received entry does not delay the transactions that are not decided
 *     BREAK_SEAL    the close of a queue drops staged entries, too, which the senders drop again
 *     BREAK_WAIT    final entries wait for staged ones (only with STALL is this a fault)
 */
#ifdef BREAK_WAIT
#define WAITS(p, k, t) (queue[p].state[k] == STAGED && queue[p].timestamp[k] < queue[p].timestamp[t])
#else
#define WAITS(p, k, t) false
#endif
#define BEHIND(p, k, t) \
	((k) != (t) && ((queue[p].state[k] == FINAL && AHEAD(p, k, t)) || WAITS(p, k, t)))

/* Whether no entry is ahead of entry t in the queue of p. */
#define FIRST(p, t) \
	(!BEHIND(p, 0, t) && !BEHIND(p, 1, t) && !(TXS > 2 && BEHIND(p, TXS - 1, t)))

inline finalize(p, t)
{
	/* staged-is-lower-bound */
	assert(queue[p].state[t] == STAGED && (queue[p].timestamp[t] & 1));
	assert(queue[p].timestamp[t] < final[t]);
	/* committed-is-even */
	assert(!(final[t] & 1));
	queue[p].timestamp[t] = final[t];
	queue[p].clock = MAX(queue[p].clock, final[t]);
	queue[p].state[t] = FINAL
}

/* Whether transaction k is decided, and will not be behind entry t if that is final. */
#define NOT_BEHIND(p, k, t) (queue[p].state[t] != FINAL || final[k] <= queue[p].timestamp[t])

/* bus1_queue_decided(): whether k must become final before the first final entry is received. */
#define MUST_SETTLE(p, k) \
	(queue[p].state[k] == STAGED && final[k] != 0 && NOT_BEHIND(p, k, 0) && \
	 NOT_BEHIND(p, k, 1) && NOT_BEHIND(p, k, TXS - 1))

#define CAN_SETTLE(p) \
	(!queue[p].sealed && \
	 (MUST_SETTLE(p, 0) || MUST_SETTLE(p, 1) || (TXS > 2 && MUST_SETTLE(p, TXS - 1))))

/* bus1_queue_head(): staged entries that are decided become final, unless they are behind others. */
inline settle(p)
{
	for (k : 0 .. TXS - 1) {
		if
		:: MUST_SETTLE(p, k) -> finalize(p, k)
		:: else
		fi
	}
	k = 0
}

/* bus1_queue_settle(): the clock is not behind the transactions that are decided. */
inline settle_before(p)
{
#ifdef BREAK_SETTLE
	skip
#else
	if
	:: !queue[p].sealed ->
		for (k : 0 .. TXS - 1) {
			if
			:: queue[p].state[k] == STAGED -> queue[p].clock = MAX(queue[p].clock, final[k])
			:: else
			fi
		}
		k = 0
	:: else
	fi
#endif
}

inline stage(p, t)
{
	settle_before(p);
	if
	:: queue[p].sealed -> got = 0
	:: else ->
		queue[p].timestamp[t] = queue[p].clock + 1;
		queue[p].state[t] = STAGED;
		got = queue[p].clock + 2
	fi
}

inline sync(p, value)
{
	settle_before(p);
	queue[p].clock = MAX(queue[p].clock, value)
}

inline commit(p, t)
{
	if
	:: queue[p].sealed && queue[p].state[t] != RECEIVED && queue[p].state[t] != FINAL ->
		/* drop-once: the close of the queue has left this entry to its sender. */
		if
		:: queue[p].state[t] == DROPPED -> assert(dropped_final[p] & (1 << t))
		:: else -> queue[p].state[t] = DROPPED
		fi
	:: !queue[p].sealed && queue[p].state[t] == STAGED -> finalize(p, t)
	:: else	/* another operation on the queue has made it final */
	fi
}

inline push(p, t, value)
{
	settle_before(p);
	if
	:: queue[p].sealed ->
		queue[p].state[t] = DROPPED;
		got = 0
	:: else ->
		queue[p].clock = MAX(queue[p].clock, value) + 2;
		queue[p].timestamp[t] = queue[p].clock;
		queue[p].state[t] = FINAL;
		got = queue[p].clock
	fi
}

/* Store the transactions that the sender of t may have heard of, by messages or otherwise. */
inline begin(t)
{
	for (k : 0 .. TXS - 1) {
		if
		:: k != t && (returned[k] || seen[k]) && (receivers[k] & receivers[t]) ->
			causes[t] = causes[t] | (1 << k)
		:: else
		fi
	}
	k = 0
}

/* bus1_queue_peek(): the transactions that are not decided are delayed, so t stays the next one. */
inline look(p, t)
{
#ifndef BREAK_DELAY
	for (k : 0 .. TXS - 1) {
		if
		:: queue[p].state[k] == STAGED && queue[p].timestamp[k] < queue[p].timestamp[t] ->
			if
			:: final[k] == 0 ->
				queue[p].timestamp[k] = queue[p].clock + 1;
				least[k] = MAX(least[k], queue[p].clock + 2)
			:: else -> assert(final[k] > queue[p].timestamp[t])
			fi
		:: else
		fi
	}
	k = 0;
#endif
	queue[p].looked = t + 1
}

/* bus1_queue_remove() */
inline receive(p, t)
{
	queue[p].looked = 0;
	/* received-in-order: each received entry is behind the one that was received before it. */
	assert(queue[p].timestamp[t] > queue[p].last ||
	       (queue[p].timestamp[t] == queue[p].last && t > queue[p].last_tx));
	queue[p].last = queue[p].timestamp[t];
	queue[p].last_tx = t;
	/* clock-covers */
	assert(queue[p].timestamp[t] <= queue[p].clock);

	for (k : 0 .. TXS - 1) {
		if
		:: k != t && HAS(receivers[k], p) ->
			/* causality: p has received all transactions that t may answer. */
			assert(!HAS(causes[t], k) || queue[p].state[k] == RECEIVED);
			if
			:: queue[p].state[k] == RECEIVED -> before[t] = before[t] | (1 << k)
			:: else
			fi
		:: else
		fi
	}
	k = 0;
	queue[p].state[t] = RECEIVED;
	queue[p].timestamp[t] = 0;
	seen[t] = true;

	/* one-order: all peers receive in the same order, and this order has no cycle. */
	for (k : 0 .. TXS - 1) {
		assert(!(HAS(before[t], k) && HAS(before[k], t)));
		for (l : 0 .. TXS - 1) {
			assert(!(HAS(before[t], k) && HAS(before[k], l) && HAS(before[l], t)))
		}
	}
	k = 0;
	l = 0
}

#define CAN_RECEIVE(p, t) \
	(!queue[p].sealed && !CAN_SETTLE(p) && queue[p].state[t] == FINAL && FIRST(p, t))

/* Receive all that can be received: entries may have waited for one that is now final. */
inline drain(p)
{
#ifdef LAZY
	skip
#else
	do
	:: CAN_SETTLE(p) -> settle(p)
	:: CAN_RECEIVE(p, 0) -> look(p, 0); receive(p, 0)
	:: CAN_RECEIVE(p, 1) -> look(p, 1); receive(p, 1)
#if PEERS > 2
	:: CAN_RECEIVE(p, 2) -> look(p, 2); receive(p, 2)
#endif
	:: else -> break
	od
#endif
}

proctype sender(byte t)
{
	byte got, value, i, k, l;

	atomic {
		/* -ESHUTDOWN */
		if
		:: queue[t].sealed -> receivers[t] = 0
		:: else
		fi;
		begun[t] = true;
		if
		:: receivers[t] == 1 -> i = 0
		:: receivers[t] == 2 -> i = 1
		:: receivers[t] == 4 -> i = 2
		:: else -> i = PEERS
		fi;
		begin(t);
		value = queue[t].clock
	}

	if
	:: i < PEERS ->
		/* bus1_tx_place_one() */
		d_step { push(i, t, value); drain(i) }
		if
		:: got != 0 -> atomic { sync(t, got) }
		:: STALLS(t) -> goto stalled
		:: else
		fi
	:: else ->
		/* bus1_tx_place_many() */
		value = value + 2;
		i = 0;
		do
		:: i < PEERS && HAS(receivers[t], i) ->
			d_step { stage(i, t); value = MAX(value, got); got = 0; i++ }
		:: i < PEERS && !HAS(receivers[t], i) -> i++
		:: i == PEERS -> break
		:: STALLS(t) -> goto stalled
		od;

		atomic { value = MAX(value, least[t]); final[t] = value; i = 0 }
		if
		:: STALLS(t) -> goto stalled
		:: atomic { sync(t, value) }
		fi;
		do
		:: i < PEERS && HAS(receivers[t], i) -> d_step { commit(i, t); drain(i); i++ }
		:: i < PEERS && !HAS(receivers[t], i) -> i++
		:: i == PEERS -> break
		:: STALLS(t) -> goto stalled
		od
	fi;
	atomic { returned[t] = true; value = 0; got = 0; i = 0 }
stalled:
	skip
}

#ifdef LAZY
#define CAN_LOOK(p, t) (queue[p].looked == 0 && CAN_RECEIVE(p, t))
#define CAN_TAKE(p, t) (!queue[p].sealed && queue[p].looked == (t) + 1)

proctype receiver(byte p)
{
	byte k, l;

end:	do
	:: d_step { CAN_SETTLE(p) -> settle(p) }
	:: d_step { CAN_LOOK(p, 0) -> look(p, 0) }
	:: d_step { CAN_TAKE(p, 0) -> assert(FIRST(p, 0)); receive(p, 0) }
	:: d_step { CAN_LOOK(p, 1) -> look(p, 1) }
	:: d_step { CAN_TAKE(p, 1) -> assert(FIRST(p, 1)); receive(p, 1) }
#if PEERS > 2
	:: d_step { CAN_LOOK(p, 2) -> look(p, 2) }
	:: d_step { CAN_TAKE(p, 2) -> assert(FIRST(p, 2)); receive(p, 2) }
#endif
	od
}
#endif

/*
 * bus1_queue_seal(): drops final entries, and leaves staged entries to their senders. The peer's
 * lock excludes its own sends.
 */
proctype closer(byte p)
{
	byte k;

end:	atomic {
		!begun[p] || returned[p];
		queue[p].sealed = true;
		for (k : 0 .. TXS - 1) {
			if
			:: queue[p].state[k] == FINAL ->
				queue[p].state[k] = DROPPED;
				dropped_final[p] = dropped_final[p] | (1 << k)
#ifdef BREAK_SEAL
			:: queue[p].state[k] == STAGED -> queue[p].state[k] = DROPPED
#endif
			:: else
			fi
		}
		k = 0
	}
}

/* Checks the final state, when no process can take a step. */
proctype checker()
{
	byte p, t;

	atomic {
		timeout ->
		for (t : 0 .. TXS - 1) {
			/* A sender that has stopped makes nobody else wait. */
			assert(returned[t] || STALLS(t));
			for (p : 0 .. PEERS - 1) {
				/*
				 * nothing-lost, nothing-twice: an open peer has received t, a
				 * closed one has received or dropped it. Of a sender that has
				 * stopped, an open peer has received t or finds it when it looks
				 * next, or else nobody has received it.
				 */
				if
				:: !HAS(receivers[t], p) -> assert(queue[p].state[t] == NONE)
				:: HAS(receivers[t], p) && !returned[t] ->
					assert(!seen[t] || queue[p].sealed || queue[p].state[t] == RECEIVED ||
					       (queue[p].state[t] == STAGED && final[t] != 0))
				:: HAS(receivers[t], p) && returned[t] && queue[p].sealed ->
					assert(queue[p].state[t] == DROPPED || queue[p].state[t] == RECEIVED)
				:: HAS(receivers[t], p) && returned[t] && !queue[p].sealed ->
					assert(queue[p].state[t] == RECEIVED)
				fi
			}
		}
	}
}

init {
	byte t, set;

	atomic {
		for (t : 0 .. TXS - 1) {
			select (set : 1 .. (1 << PEERS) - 1);
			receivers[t] = set
		}
		t = 0;
		set = 0;
		for (t : 0 .. PEERS - 1) {
#ifdef LAZY
			run receiver(t);
#endif
			run sender(t)
		}
		t = 0;
#ifdef CLOSE
		run closer(CLOSE);
#endif
		run checker()
	}
}
