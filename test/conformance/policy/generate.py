# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Makes random policies and messages from few values, so that rules often match.

import random

from world import (BUS, CALL, ERROR, GROUP, NO_REPLY, ONE, RETURN, SIGNAL, SUB, TWO, USER, Message,
                   rawbus)

PATHS = ['/a', '/a/b', '/c']
INTERFACES = ['com.example.I', 'com.example.J', BUS + '.Peer', BUS]
MEMBERS = ['M', 'N', 'Ping']
ERRORS = ['com.example.Error.E', 'com.example.Error.F']
NAMES = [ONE, TWO, SUB, 'com.example', 'com.example.Nobody', BUS]
OWN = ['com.example.Own', 'com.example.Own.A', 'com.example.Own.A.B', 'com.example.OwnX',
       'com.example.Other']
TYPES = ['method_call', 'method_return', 'signal', 'error']
CONTEXTS = ['context="default"'] * 4 + ['context="mandatory"', f'user="{USER}"', 'user="0"',
                                        f'group="{GROUP}"', 'group="0"', 'at_console="false"',
                                        'at_console="true"', 'user="4711"', 'group="4711"']


def rule(r):
    """
    A rule with random attributes. A rule about messages names at least a type, path, interface,
    member or peer: the reference ignores all rules before a rule that names none of these
    (doc/operating/compatibility.md).
    """
    verb = r.choice(['allow', 'deny'])
    family = r.choice(['own', 'send', 'send', 'send', 'receive', 'receive'])
    if family == 'own':
        key = r.choice(['own', 'own_prefix'])
        return f'<{verb} {key}="{r.choice(OWN + ["com.example"] + ["*"] * (key == "own"))}"/>'

    a = {}
    p = family
    if r.random() < .5:
        if family == 'receive':
            a['receive_sender'] = r.choice(NAMES)
        else:
            a[r.choice(['send_destination', 'send_destination_prefix'])] = r.choice(NAMES)
    if r.random() < .35:
        a[p + '_type'] = r.choice(TYPES)
    if r.random() < .25:
        a[p + '_path'] = r.choice(PATHS)
    if r.random() < .3:
        a[p + '_interface'] = r.choice(INTERFACES)
    if r.random() < .2 and (p + '_interface' in a or p + '_path' in a):
        a[p + '_member'] = r.choice(MEMBERS)
    if not a:
        a[p + '_type'] = r.choice(TYPES)
    if r.random() < .15 and p + '_interface' not in a and p + '_member' not in a:
        a[p + '_error'] = r.choice(ERRORS)
        a[p + '_type'] = 'error'
    if r.random() < .15:
        a[p + '_requested_reply'] = r.choice(['true', 'false'])
    if family == 'send' and r.random() < .1:
        broadcast = r.choice(['true', 'false'])
        if broadcast == 'false' or 'send_destination' not in a:
            a['send_broadcast'] = broadcast
    if r.random() < .2:
        a['eavesdrop'] = r.choice(['true', 'false'])
    if r.random() < .1:
        a[r.choice(['min_fds', 'max_fds'])] = str(r.randrange(3))
    return f'<{verb} ' + ' '.join(f'{k}="{v}"' for k, v in a.items()) + '/>'


def policy(r):
    blocks = ['<policy context="default">' +
              r.choice(['<allow send_destination="*" eavesdrop="true"/>',
                        '<allow send_type="method_call"/><allow send_type="signal"/>'
                        '<allow send_type="method_return"/><allow send_type="error"/>',
                        '<deny send_type="method_call"/><allow send_type="signal"/>']) +
              r.choice(['<allow receive_sender="*" eavesdrop="true"/>',
                        '<allow receive_type="method_call"/><allow receive_type="signal"/>'
                        '<allow receive_type="method_return"/><allow receive_type="error"/>']) +
              r.choice(['<allow own="*"/>', '<allow own_prefix="com.example"/>']) + '</policy>']
    for _ in range(r.randrange(1, 7)):
        blocks.append(f'<policy {r.choice(CONTEXTS)}>' +
                      '\n  '.join(rule(r) for _ in range(r.randrange(1, 6))) + '</policy>')
    return '\n'.join(blocks)


def message(r):
    """A random message; its destination may be the label of a connection."""
    kind = r.choice([CALL, CALL, CALL, SIGNAL, SIGNAL, RETURN, ERROR])
    fields, signature, body, flags, n_fds = {}, '', (), 0, 0
    if kind != SIGNAL or r.random() < .4:
        fields[rawbus.DESTINATION] = r.choice(
            ['one', 'two', 'three', 'user', ONE, TWO, SUB, 'com.example.Nobody'] +
            [BUS] * (kind == CALL))
    if kind in (CALL, SIGNAL):
        fields[rawbus.PATH] = r.choice(PATHS)
        fields[rawbus.MEMBER] = r.choice(MEMBERS)
        if kind == SIGNAL or r.random() < .8:
            fields[rawbus.INTERFACE] = r.choice(INTERFACES[:2] if kind == SIGNAL else INTERFACES)
        if kind == CALL and r.random() < .1:
            flags = NO_REPLY
    else:
        fields[rawbus.REPLY_SERIAL] = 1 << 30
        if kind == ERROR:
            fields[rawbus.ERROR_NAME] = r.choice(ERRORS)
        flags = NO_REPLY
    if r.random() < .15 and fields.get(rawbus.DESTINATION) != BUS:
        n_fds = r.randrange(1, 4)
        fields[rawbus.UNIX_FDS] = n_fds
    m = Message(kind, fields, signature, body, flags)
    m.n_fds, m.requested = n_fds, False
    return m


def own(r):
    m = rawbus.bus_call('RequestName', 'su', r.choice(OWN), 4)
    m.n_fds, m.requested = 0, False
    return m


def operations(r, n):
    """n random operations for one sender."""
    return [own(r) if r.random() < .1 else message(r) for _ in range(n)]


def generator(seed):
    return random.Random(f'policy {seed}')
