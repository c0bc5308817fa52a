#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tests small policies, one for each attribute and each pair of contexts. With each policy, the
# messages must have the same outcomes on the reference and on the daemon under test. At least one
# outcome must differ from those of the policy without the tested rules.
#
#     test-snippets.py DAEMON [snippet...]

import os
import shutil
import sys
import tempfile

import verdicts
from generate import OWN
from world import (BUS, CALL, ERROR, GROUP, NO_REPLY, ONE, REFERENCE, RETURN, SIGNAL, SUB, TWO,
                   USER, Connection, Message, PolicyBus, rawbus)

ALLOW = ('<policy context="default"><allow send_destination="*" eavesdrop="true"/>'
         '<allow receive_sender="*" eavesdrop="true"/><allow own="*"/></policy>')
DENY = ('<policy context="default"><deny send_type="method_call"/><deny send_type="signal"/>'
        '<deny send_type="error"/><deny send_type="method_return"/>'
        '<allow receive_sender="*" eavesdrop="true"/><allow own="*"/></policy>')
DEAF = ('<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow own="*"/>'
        '</policy>')

I, J, E, F = 'com.example.I', 'com.example.J', 'com.example.Error.E', 'com.example.Error.F'


def default(*rules):
    return '<policy context="default">' + ''.join(f'<{r}/>' for r in rules) + '</policy>'


# rules after a policy that allows everything
DENIALS = {
    'own': ['deny own="com.example.Own"'],
    'own any': ['deny own="*"'],
    'own exception': ['deny own="*"', 'allow own="com.example.Own.A"'],
    'own_prefix': ['deny own_prefix="com.example.Own"'],
    'own_prefix exception': ['deny own_prefix="com.example.Own"', 'allow own="com.example.Own.A"'],
    'send_destination': [f'deny send_destination="{ONE}"'],
    'send_destination any': ['deny send_destination="*" send_type="method_call"'],
    'send_destination of the bus': [f'deny send_destination="{BUS}" send_interface="{BUS}.Peer"'],
    'send_destination prefix is no name': ['deny send_destination="com.example"',
                                           f'deny send_destination="{TWO}"'],
    'send_destination_prefix': [f'deny send_destination_prefix="{TWO}"'],
    'send_destination_prefix top': ['deny send_destination_prefix="com.example"'],
    'send_type call': ['deny send_type="method_call"'],
    'send_type return': ['deny send_type="method_return" send_requested_reply="true"'],
    'send_type error': ['deny send_type="error" send_requested_reply="true"'],
    'send_type signal': ['deny send_type="signal"'],
    'send_path': ['deny send_path="/a"'],
    'send_path hits replies': ['deny send_path="/a" send_requested_reply="true"'],
    'send_interface': [f'deny send_interface="{I}"'],
    'send_interface exception': [f'deny send_interface="{I}"',
                                 f'allow send_interface="{I}" send_member="N"'],
    'send_member of an interface': [f'deny send_interface="{I}" send_member="M"'],
    'send_member of a path': ['deny send_path="/a" send_member="M"'],
    'send_error': [f'deny send_type="error" send_error="{E}" send_requested_reply="true"'],
    'send_broadcast true': ['deny send_type="signal" send_broadcast="true"'],
    'send_broadcast false': ['deny send_type="signal" send_broadcast="false"'],
    'send_requested_reply true': ['deny send_type="method_return" send_requested_reply="true"'],
    'send eavesdrop true': [f'deny send_destination="{ONE}" eavesdrop="true"'],
    'send eavesdrop false': [f'deny send_destination="{ONE}" eavesdrop="false"'],
    'min_fds': [f'deny send_destination="{ONE}" min_fds="1"'],
    'max_fds': [f'deny send_destination="{ONE}" max_fds="0"'],
    'min_fds and max_fds': ['deny receive_sender="*" receive_type="method_call" min_fds="1" '
                            'max_fds="1"'],
    'log': [f'deny send_destination="{ONE}" log="true"'],
    'receive_sender': [f'deny receive_sender="{TWO}"', f'deny receive_sender="{ONE}"'],
    'receive_type': ['deny receive_type="signal"'],
    'receive_path': ['deny receive_path="/a"'],
    'receive_interface': [f'deny receive_interface="{I}"'],
    'receive_member': [f'deny receive_interface="{I}" receive_member="M"'],
    'receive_error': [f'deny receive_type="error" receive_error="{E}" '
                      'receive_requested_reply="true"'],
    'receive_requested_reply': ['deny receive_type="method_return" receive_requested_reply="true"'],
    'receive eavesdrop true': ['deny receive_type="method_call" eavesdrop="true"'],
    'receive eavesdrop false': ['deny receive_type="signal" eavesdrop="false"'],
    'several attributes': [f'deny send_destination="{ONE}" send_type="method_call" send_path="/a" '
                           f'send_interface="{I}" send_member="M" send_broadcast="false" '
                           'max_fds="0"'],
}

# rules after a policy that allows nothing of their kind
GRANTS = {
    'allow send_interface needs one': (DENY, [f'allow send_interface="{I}"']),
    'allow send_destination': (DENY, [f'allow send_destination="{ONE}"']),
    'allow send_destination_prefix': (DENY, [f'allow send_destination_prefix="{TWO}"']),
    'allow requested replies': (DENY, ['allow send_type="method_call"',
                                       'allow send_type="method_return"',
                                       'allow send_type="error" send_requested_reply="true"']),
    'allow unrequested replies': (DENY, ['allow send_type="method_return" '
                                         'send_requested_reply="false"']),
    'allow send_broadcast': (DENY, ['allow send_type="signal" send_broadcast="true"']),
    'allow receive without eavesdropping': (DEAF, ['allow receive_type="method_call"']),
    'allow receive with eavesdropping': (DEAF, ['allow receive_type="method_call" '
                                                'eavesdrop="true"']),
    'allow receive_sender': (DEAF, [f'allow receive_sender="{ONE}"',
                                    'allow receive_type="signal"']),
}

CONTEXTS = {'default': 'context="default"', 'group': f'group="{GROUP}"', 'user': f'user="{USER}"',
            'console': 'at_console="true"', 'no console': 'at_console="false"',
            'mandatory': 'context="mandatory"'}

# rules about connecting, for a client of another user
CONNECTS = {
    'user allowed': ['allow user="1"'],
    'user denied': ['allow user="*"', 'deny user="1"'],
    'user any': ['allow user="*"'],
    'user unknown': ['allow user="nosuchuser"'],
    'group any': ['allow group="*"'],
    'group any denied': ['allow user="*"', 'deny group="*"'],
    'group not his': ['allow user="*"', 'deny group="4711"'],
    'nothing said': [],
    'other user': ['deny user="4711"'],
}
# The reference takes the groups from the user database, where the user with number 1 (daemon) does
# not have this group. The bridge takes the groups from the socket, where the client has it.
OTHER_GROUPS = {'group': (['allow user="*"', f'deny group="{GROUP}"'], True, False)}

# Rules that name no type, path, interface, member or peer. The reference ignores all rules of the
# same kind (send or receive) before such a rule.
FORGETFUL = {
    'send_broadcast alone': default('allow send_type="method_call"', 'allow send_broadcast="true"'),
    'receive eavesdrop alone': default('deny eavesdrop="true"'),
}


def battery():
    """The messages of two senders, which are of different users: some policies are for one user."""
    messages = []

    def add(kind, destination=None, path=None, interface=None, member=None, error=None, fds=0,
            flags=0):
        fields = {rawbus.DESTINATION: destination, rawbus.PATH: path, rawbus.INTERFACE: interface,
                  rawbus.MEMBER: member, rawbus.ERROR_NAME: error, rawbus.UNIX_FDS: fds or None,
                  rawbus.REPLY_SERIAL: 1 << 30 if kind in (RETURN, ERROR) else None}
        m = Message(kind, {k: v for k, v in fields.items() if v is not None}, '', (), flags)
        m.n_fds, m.requested = fds, False
        messages.append(m)

    for destination in ('one', 'two', ONE, TWO, SUB, 'user', 'com.example.Nobody', BUS):
        for interface in (I, J, None):
            add(CALL, destination, '/a', interface, 'M')
        add(CALL, destination, '/a/b', I, 'N')
        add(SIGNAL, destination if destination != BUS else 'one', '/a', I, 'M')
    add(CALL, BUS, rawbus.BUS_PATH, BUS + '.Peer', 'Ping')
    add(CALL, ONE, '/b', I, 'M', flags=NO_REPLY)
    for fds in (1, 2):
        add(CALL, ONE, '/b', J, 'M', fds=fds)
        add(CALL, SUB, '/b', J, 'M', fds=fds)
    for interface in (I, J):
        for path in ('/a', '/b'):
            add(SIGNAL, None, path, interface, 'M')
            add(SIGNAL, None, path, interface, 'N')
    add(RETURN, ONE)
    add(ERROR, ONE, error=E)
    for name in OWN:
        m = rawbus.bus_call('RequestName', 'su', name, 4)
        m.n_fds, m.requested = 0, False
        messages.append(m)
    return {'root': messages, 'user': list(messages)}


class Alternate:
    """In place of random.Random: each call gets one answer, a return or an error in turn."""

    def __init__(self):
        self.n = 0

    def random(self):
        return 1

    def choice(self, values):
        self.n += 1
        return values[self.n % len(values)]


class Run:
    def __init__(self, daemon, only):
        self.daemon, self.only = daemon, only
        self.directory = tempfile.mkdtemp(prefix='bus-policy-')
        os.chmod(self.directory, 0o755)
        self.bases, self.number, self.failed = {}, 0, 0

    def result(self, name, lines):
        self.number += 1
        self.failed += bool(lines)
        print(f'{"not ok" if lines else "ok"} {self.number} - {name}', flush=True)
        for line in lines[:20]:
            print('# ' + line)

    def record(self, daemon, policy):
        return verdicts.record(daemon, policy, battery(), Alternate(), self.directory)

    def base(self, policy):
        if policy not in self.bases:
            self.bases[policy] = self.fates(self.record(REFERENCE, policy))
        return self.bases[policy]

    @staticmethod
    def fates(record):
        return [(s, verdicts.describe(m), sorted(o)) for s, m, o in record]

    def verdicts(self, name, base, policy, has_effect=True):
        if self.only and name not in self.only:
            return
        reference = self.record(REFERENCE, base + policy)
        lines = verdicts.differences(reference, self.record(self.daemon, base + policy))
        if has_effect and self.fates(reference) == self.base(base):
            lines.append('it changes nothing')
        self.result(name, lines)

    def connects(self, daemon, rules):
        with PolicyBus(daemon, default(*rules), self.directory) as bus:
            try:
                Connection(bus.address, 1).close()
                return True
            except (rawbus.Closed, OSError):
                return False

    def close(self):
        shutil.rmtree(self.directory)


def pairs(run):
    """The later context decides, regardless of the order in the file."""
    names = list(CONTEXTS)
    for i, first in enumerate(names):
        for second in names[i + 1:]:
            for early, late in (('allow', 'deny'), ('deny', 'allow')):
                blocks = [f'<policy {CONTEXTS[context]}><{verb} own="com.example.Own"/>'
                          f'<{verb} send_destination="{ONE}"/>'
                          f'<{verb} receive_type="signal"/></policy>'
                          for context, verb in ((first, early), (second, late))]
                base = ALLOW if late == 'deny' else DENY
                # no user is at the console
                run.verdicts(f'{early} in {first}, {late} in {second}', base,
                             blocks[1] + blocks[0], has_effect=second != 'console')


def main():
    if os.getuid() != 0:
        print('1..0 # SKIP messages come from two users, which needs root')
        return 0
    run = Run(os.path.abspath(sys.argv[1]), sys.argv[2:])
    try:
        for name, rules in DENIALS.items():
            run.verdicts(name, ALLOW, default(*rules))
        for name, (base, rules) in GRANTS.items():
            run.verdicts(name, base, default(*rules))
        pairs(run)
        for name, rules in {} if run.only else CONNECTS.items():
            want, got = (run.connects(d, rules) for d in (REFERENCE, run.daemon))
            run.result('connect: ' + name, [] if want == got else [f'reference {want}, not {got}'])
        for name, (rules, want, got) in {} if run.only else OTHER_GROUPS.items():
            both = tuple(run.connects(d, rules) for d in (REFERENCE, run.daemon))
            run.result('connect: ' + name, [] if both == (want, got) else [f'{both}'])
        for name, policy in {} if run.only else FORGETFUL.items():
            reference = run.record(REFERENCE, ALLOW + policy)
            got = run.record(run.daemon, ALLOW + policy)
            run.result(f'forgetful: {name}', [] if verdicts.differences(reference, got)
                       else ['the reference does not forget rules'])
    finally:
        run.close()
    print(f'1..{run.number}')
    return 1 if run.failed else 0


if __name__ == '__main__':
    sys.exit(main())
