#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A new policy must have the same effects on connected clients on the reference and on the bridge.
#
#     test-rejudge.py DAEMON
#
# Connections stay, and so do their names, places in queues, match rules and pending calls. The new
# policy decides about everything that happens later, also about the answer to an earlier call.

import os
import shutil
import sys
import tempfile

from world import (BUS, CALL, ERROR, REFERENCE, RETURN, SIGNAL, USER, Bus, Connection, header,
                   rawbus)

FREE = '<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/>'
STRICT = FREE + f'''<deny own="a.b"/><deny send_destination="a.b" send_type="method_call"/>
<deny receive_interface="i.f" receive_type="signal"/><deny user="{USER}"/>'''
NO_REPLIES = FREE + '<deny send_type="method_return" send_requested_reply="true"/>'
CONFIG = '''<busconfig><type>session</type><listen>unix:path={0}/bus</listen>
<policy context="default">{1}</policy>{2}</busconfig>'''
LIMITS = '''<limit name="max_match_rules_per_connection">2</limit>
<limit name="max_names_per_connection">1</limit>'''


class Scenario:
    def __init__(self, daemon):
        self.directory = tempfile.mkdtemp(prefix='bus-rejudge-')
        os.chmod(self.directory, 0o755)
        self.configure(FREE)
        self.bus = Bus(daemon, config=self.directory + '/main.conf')
        self.control = Connection(self.bus.address, 0)

    def close(self):
        self.bus.stop()
        shutil.rmtree(self.directory)

    def configure(self, rules, more=''):
        with open(self.directory + '/main.conf.new', 'w') as f:
            f.write(CONFIG.format(self.directory, rules, more))
        os.rename(f.name, self.directory + '/main.conf')

    def reload(self, rules, more=''):
        self.configure(rules, more)
        assert self.ask(self.control, 'ReloadConfig') == 'answered'

    def connect(self):
        try:
            return Connection(self.bus.address, USER)
        except (rawbus.Closed, ConnectionError):
            return None

    def ask(self, connection, member, signature='', *args):
        """Call the bus. Returns the error name, or the number or string of the answer."""
        m = rawbus.bus_call(member, signature, *args)
        _, _, fields, _, body = answer = connection.exchange([(m.encode, 0)])[1][-1]
        if answer[0] == ERROR:
            return header(fields)[rawbus.ERROR_NAME].rsplit('.', 1)[1]
        if header(fields).get(rawbus.SIGNATURE) == 'u':
            return int.from_bytes(body[:4], sys.byteorder)
        if header(fields).get(rawbus.SIGNATURE) == 's':
            return body[4:-1].decode()
        return 'answered'

    def send(self, connection, message):
        """Sends a message. Returns its serial, and the errors that the bus answers to it."""
        serial = connection.send(message.encode)
        errors = []
        for kind, _, fields, _, _ in connection.exchange([(BARRIER, 0)])[1][:-1]:
            f = header(fields)
            if kind == ERROR and f[rawbus.SENDER] == BUS and f[rawbus.REPLY_SERIAL] == serial:
                errors.append(f[rawbus.ERROR_NAME].rsplit('.', 1)[1])
        return serial, errors

    def got(self, connection):
        """Messages received from other clients: (member or error or 'reply', serial)."""
        out = []
        for kind, serial, fields, _, _ in connection.exchange([(BARRIER, 0)])[1][:-1]:
            f = header(fields)
            if f[rawbus.SENDER] == BUS and kind == SIGNAL:
                continue
            name = {CALL: rawbus.MEMBER, SIGNAL: rawbus.MEMBER}.get(kind)
            if kind == ERROR:
                out.append((f[rawbus.ERROR_NAME].rsplit('.', 1)[1], serial))
            else:
                out.append((f[name] if name else 'reply', serial))
        return out


BARRIER = rawbus.bus_call('GetId').encode


def call(destination, member):
    return rawbus.Message(CALL, {rawbus.PATH: '/', rawbus.INTERFACE: 'i.f', rawbus.MEMBER: member,
                                 rawbus.DESTINATION: destination})


def reply(destination, serial):
    return rawbus.Message(RETURN, {rawbus.REPLY_SERIAL: serial, rawbus.DESTINATION: destination})


def signal(interface, member):
    return rawbus.signal('/', interface, member)


def strict(s):
    """The new policy withdraws all rights that can be withdrawn."""
    owner, client, idle = s.connect(), s.connect(), s.connect()
    s.ask(owner, 'RequestName', 'su', 'a.b', 0)
    s.ask(client, 'RequestName', 'su', 'a.b', 0)
    for rule in ("interface='i.f'", "interface='i.g'", "interface='i.h'"):
        s.ask(client, 'AddMatch', 's', rule)
    s.send(client, call('a.b', 'Before'))
    (_, serial), = s.got(owner)

    s.reload(STRICT, LIMITS)
    yield 'connected', s.ask(idle, 'GetId') != 'Disconnected', s.connect() is None
    yield 'the name stays', s.ask(client, 'GetNameOwner', 's', 'a.b') == owner.unique
    yield 'the reply', s.send(owner, reply(client.unique, serial))[1], [
        m[0] for m in s.got(client)]
    yield 'new calls', s.send(client, call('a.b', 'New'))[1], s.send(
        client, call(owner.unique, 'New'))[1], s.got(owner)
    s.send(owner, signal('i.f', 'Hidden'))
    s.send(owner, signal('i.g', 'Seen'))
    yield 'signals', [m[0] for m in s.got(client)]
    yield 'more rules', s.ask(client, 'AddMatch', 's', "interface='i.j'"), s.ask(
        client, 'RemoveMatch', 's', "interface='i.h'")
    yield 'more names', s.ask(idle, 'RequestName', 'su', 'x.y', 0)
    yield 'the name again', s.ask(owner, 'RequestName', 'su', 'a.b', 0)
    yield 'released', s.ask(owner, 'ReleaseName', 's', 'a.b')
    yield 'who queued', s.ask(idle, 'GetNameOwner', 's', 'a.b') == client.unique
    yield 'and again', s.ask(owner, 'RequestName', 'su', 'a.b', 0)

    s.reload(FREE)
    yield 'given back', s.send(owner, call('a.b', 'Free'))[1], [m[0] for m in s.got(client)]
    yield 'let in', s.connect() is not None, s.ask(idle, 'RequestName', 'su', 'x.y', 0)


def replies(s):
    """The call was allowed, but the new policy refuses its answer."""
    owner, client = s.connect(), s.connect()
    s.send(client, call(owner.unique, 'Before'))
    (_, serial), = s.got(owner)
    s.reload(NO_REPLIES)
    yield 'the reply', s.send(owner, reply(client.unique, serial))[1]
    yield 'nothing came', 'reply' not in [m[0] for m in s.got(client)]


STRICT_SEEN = [
    ('connected', True, True),
    ('the name stays', True),
    ('the reply', [], ['reply']),
    ('new calls', ['AccessDenied'], ['AccessDenied'], []),
    ('signals', ['Seen']),
    ('more rules', 'LimitsExceeded', 'answered'),
    ('more names', 'LimitsExceeded'),
    ('the name again', 'AccessDenied'),
    ('released', 1),
    ('who queued', True),
    ('and again', 'AccessDenied'),
    ('given back', [], ['Free']),
    ('let in', True, 1),
]
REPLIES_SEEN = [('the reply', ['AccessDenied']), ('nothing came', True)]


def main():
    daemon = os.path.abspath(sys.argv[1])
    if os.getuid() != 0:
        print('1..0 # SKIP needs other users')
        return 0
    tests = [(scenario, binary, expected) for scenario, expected in
             ((strict, STRICT_SEEN), (replies, REPLIES_SEEN)) for binary in (REFERENCE, daemon)]
    failed = 0
    print(f'1..{len(tests)}')
    for number, (scenario, binary, expected) in enumerate(tests, 1):
        s = Scenario(binary)
        seen = list(scenario(s))
        s.close()
        ok = seen == expected
        for line in [] if ok else [f'{x} instead of {y}' for x, y in zip(seen, expected) if x != y]:
            print('# ' + line)
        failed += not ok
        print(f'{"ok" if ok else "not ok"} {number} - {scenario.__name__}, '
              f'{os.path.basename(binary)}', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
