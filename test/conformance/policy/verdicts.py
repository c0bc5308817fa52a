# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Verdicts: records the outcomes of messages on a bus with a policy, and compares two buses.

import generate
from world import (BUS, CALL, ERROR, LABELS, NO_REPLY, RETURN, Message, PolicyBus, World, rawbus)


def replies(r, received):
    """Answers every received call; some calls twice, some from another client."""
    plan = {}
    for called, caller, serial, expected in received:
        receiver = r.choice(['one', 'two', 'three']) if r.random() < .1 else called
        for i in range(1 + (r.random() < .1)):
            fields = {rawbus.DESTINATION: caller, rawbus.REPLY_SERIAL: serial}
            kind = r.choice([RETURN, ERROR])
            if kind == ERROR:
                fields[rawbus.ERROR_NAME] = r.choice(generate.ERRORS)
            m = Message(kind, fields, '', (), NO_REPLY)
            m.n_fds, m.requested = 0, expected and receiver == called and i == 0
            if receiver != caller:
                plan.setdefault(receiver, []).append(m)
    return plan


def record(daemon, policy, operations, r, directory):
    """
    Returns what becomes of each message: a list of (sender, message, outcome). operations has the
    messages of each sender. After them, the connections answer all calls that arrived.
    """
    results = []
    with PolicyBus(daemon, policy, directory) as bus:
        world = World(bus)
        for sender in operations:
            outcomes, received = world.outcomes(sender, operations[sender])
            results += [(sender, m, o) for m, o in zip(operations[sender], outcomes)]
            # the order must not depend on the daemon: r chooses the same answers for both daemons
            received.sort()
            for replier, messages in sorted(replies(r, received).items()):
                outcomes, _ = world.outcomes(replier, messages)
                results += [(replier, m, o) for m, o in zip(messages, outcomes)]
        world.close()
    return results


def told(m, outcome):
    """
    Returns the part of an outcome that must be the same on both buses. The rest differs on purpose
    (doc/operating/compatibility.md): the bridge sends nothing back for a call with
    NO_REPLY_EXPECTED, and no ServiceUnknown for signals and replies; eavesdroppers of the bridge
    also see calls to the bus that fail.
    """
    if m.fields.get(rawbus.DESTINATION) == BUS:
        outcome = outcome - set(LABELS)
    if m.kind == CALL and m.flags & NO_REPLY:
        return outcome & set(LABELS)
    return outcome if m.kind == CALL else outcome - {'ServiceUnknown'}


def agree(m, reference, daemon):
    if told(m, reference) == told(m, daemon):
        return True
    # the bridge never delivers replies that no caller waits for (doc/operating/compatibility.md)
    return m.kind in (RETURN, ERROR) and not m.requested and daemon == {'AccessDenied'}


def describe(m):
    return f'{m.kind} ' + ' '.join(f'{k}={v}' for k, v in m.fields.items()) + \
        (f' {m.body}' if m.body else '')


def differences(reference, daemon):
    """Returns lines that describe the differences between two records."""
    lines = []
    for (sender, m, a), (other, k, b) in zip(reference, daemon):
        if (sender, describe(m)) != (other, describe(k)):
            break
        if not agree(m, a, b):
            lines.append(f'{sender} {describe(m)}: reference {sorted(a)}, daemon {sorted(b)}')
    if not lines and len(reference) != len(daemon):
        lines.append('other calls arrived')
    return lines
