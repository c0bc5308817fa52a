#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Match rules and monitors on the wire: the grammar, the receivers, the messages that monitors see.

import rawbus
from rawbus import NO_REPLY, bus_call, call, signal
from transcript import main, scenario

NAME = 'com.example.Name'
MONITORING = rawbus.BUS + '.Monitoring'

RULES = [
    '', ',', ',,', "type='signal'", 'type=signal', "type='signal',", ",type='signal'",
    "type='signal',,member='x'", " type = 'signal'", "type='signal' ", "\ttype='signal',\n"
    "member='a'", "type='nonsense'", "type='method_call'", "type='method_return'", "type='error'",
    "Type='signal'", "nonsense='x'", "log='true'", "type", "type='signal',type='signal'",
    "sender='com.example'", "sender=':1.1'", "sender='com'", "sender=''",
    "sender='org.freedesktop.DBus'", "destination=':1.1'", "destination='com.example.X'",
    "destination='x'", "interface='com.example'", "interface='com'", "interface='a.1'",
    "member='M'", "member='a.b'", "member=''", "path='/'", "path='/a'", "path='/a/'", "path='a'",
    "path=''", "path_namespace='/'", "path_namespace='/a'", "path_namespace='/a/'",
    "path='/a',path_namespace='/a'", "arg0='x'", "arg0=''", "arg63='x'", "arg64='x'", "arg00='x'",
    "arg='x'", "arg-1='x'", "argx='x'", "arg0='x',arg0='y'", "arg0='x',arg1='y'", "arg0path='/a'",
    "arg0path='a'", "arg0path=''", "arg63path='/a'", "arg64path='/a'", "arg0='x',arg0path='/a'",
    "arg0namespace='a.b'", "arg0namespace='a'", "arg0namespace=''", "arg0namespace='a.'",
    "arg0namespace='1a'", "arg0namespace=':1'", "arg1namespace='a.b'",
    "arg0namespace='a',arg0='a'", "eavesdrop='true'", "eavesdrop='false'", "eavesdrop='x'",
    "arg0='unterminated", "arg0='a'b'c'", r"arg0=\'", r"arg0='\'", r"arg0=a\b", "arg0=a=b",
    r"arg0='it'\''s'", "arg0='a,b'", "arg0=a b", "arg0=ä", "arg0='" + 'x' * 1000 + "'",
    "arg0='" + 'x' * 1018 + "'",
]


@scenario
def grammar(s):
    a = s.connect('A')
    for rule in RULES:
        m = a.call('AddMatch', 's', rule)
        s.note(f'add {rule[:40]!r}: {m.error_name or "ok"}')
        if not m.error_name:
            m = a.call('RemoveMatch', 's', rule)
            s.note(f'  remove: {m.error_name or "ok"}')
        a.take()


@scenario
def too_long_rule_is_refused(s):
    a = s.connect('A')
    rule = "arg0='" + 'x' * 1019 + "'"
    s.note(str(a.call('AddMatch', 's', rule).kind == rawbus.ERROR))
    s.note(a.call('BecomeMonitor', 'asu', [rule], 0, interface=MONITORING).error_name)


@scenario
def removal_compares_what_rules_mean(s):
    a = s.connect('A')
    for one, other in (("type='signal',member='M'", "member=M,type=signal"),
                       ("arg0='x'", "arg0path='x'"), ("path='/a'", "path_namespace='/a'"),
                       ("arg1='x'", "arg01='x'"), ("arg0='x'", "arg1='x'"),
                       ("member='M'", "member='M',eavesdrop='false'"),
                       ("member='M'", "member='M',eavesdrop='true'"),
                       ("sender='a.b'", "sender='a.c'"), ("arg0=abc", "arg0='a'b'c'"),
                       (r"arg0=a\b", r"arg0='a\b'"), (r"arg0=it\'s", r"arg0='it'\''s'"),
                       ("arg0=a b", "arg0='a b'"), ("arg0='x'", "arg0='x '")):
        added = a.call('AddMatch', 's', one)
        removed = a.call('RemoveMatch', 's', other)
        again = a.call('RemoveMatch', 's', one)
        a.take()
        s.note(f'{one} {other}: {added.error_name} {removed.error_name} {again.error_name}')
    for member in ('AddMatch', 'AddMatch', 'RemoveMatch', 'RemoveMatch', 'RemoveMatch'):
        s.ask(a, bus_call(member, 's', "member='M'"))


SIGNALS = [
    signal('/', 'com.example', 'M'),
    signal('/a', 'com.example', 'M', 's', 'x'),
    signal('/a/b', 'com.example', 'N', 's', ''),
    signal('/ab', 'com.example.Other', 'M', 'ss', 'x', 'y'),
    signal('/a', 'com.example', 'M', 's', 'a.b'),
    signal('/a', 'com.example', 'M', 's', 'a.b.c'),
    signal('/a', 'com.example', 'M', 's', 'a.bc'),
    signal('/a', 'com.example', 'M', 's', '/a/'),
    signal('/a', 'com.example', 'M', 's', '/a/b'),
    signal('/a', 'com.example', 'M', 'o', '/a'),
    signal('/a', 'com.example', 'M', 'o', '/a/b/c'),
    signal('/a', 'com.example', 'M', 'g', 'x'),
    signal('/a', 'com.example', 'M', 'v', ('s', 'x')),
    signal('/a', 'com.example', 'M', 'as', ['x']),
    signal('/a', 'com.example', 'M', 'us', 1, 'x'),
    signal('/a', 'com.example', 'M', '(s)s', ('x',), 'y'),
    signal('/a', 'com.example', 'M', 's' * 64, *(['z'] * 63 + ['last'])),
]

SELECTORS = [
    '', "type='signal'", "type='method_call'", "interface='com.example'",
    "interface='com.example.Other'", "member='M'", "member='N'", "path='/'", "path='/a'",
    "path_namespace='/'", "path_namespace='/a'", "path_namespace='/a/b'", "sender='{A}'",
    "sender='{B}'", "sender='com.example.Name'", "sender='org.freedesktop.DBus'",
    "destination='{B}'", "arg0='x'", "arg0=''", "arg1='y'", "arg1='x'", "arg63='last'",
    "arg63='z'", "arg0path='/a'", "arg0path='/a/'", "arg0path='/'", "arg0path='/a/b'",
    "arg0path='x'", "arg0namespace='a.b'", "arg0namespace='a'", "arg0namespace='a.b.c'",
    "arg0='x',arg1='y'", "member='M',path='/a',arg0='x'",
]


@scenario
def selection(s):
    a, b = s.connect('A'), s.connect('B')
    a.call('RequestName', 'su', NAME, 0)
    a.take()
    for rule in SELECTORS:
        text = rule.replace('{A}', a.unique).replace('{B}', b.unique)
        m = b.call('AddMatch', 's', text)
        assert not m.error_name, (text, m.error_name)
        for m in SIGNALS:
            m.serial = 0
            a.send(m)
        a.drain()
        got = [m.serial for m in b.drain()]
        first = a.serial - len(SIGNALS)
        s.note(f'{rule}: {[n - first for n in got]}')
        b.call('RemoveMatch', 's', text)
        b.take()


@scenario
def one_copy_for_many_rules(s):
    a, b = s.connect('A'), s.connect('B')
    for rule in ('', "member='M'", "member='M'", "interface='com.example'"):
        b.call('AddMatch', 's', rule)
    b.take()
    a.send(signal('/a', 'com.example', 'M'))
    a.send(signal('/a', 'com.example', 'M', destination=b.unique))
    s.show(a, b)


@scenario
def sender_gets_its_own_signal_when_it_matches(s):
    a = s.connect('A')
    a.send(signal('/a', 'com.example', 'Before'))
    a.call('AddMatch', 's', "interface='com.example'")
    a.send(signal('/a', 'com.example', 'After'))
    s.show(a)


@scenario
def unicast_is_not_for_others(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    c.call('AddMatch', 's', '')
    c.take()
    a.send(signal('/a', 'com.example', 'M', destination=b.unique))
    a.send(call(b.unique, '/a', 'com.example', 'C'))
    s.show(b, c)


@scenario
def well_known_sender_follows_the_owner(s):
    a, b, watcher = s.connect('A'), s.connect('B'), s.connect('W')
    watcher.call('AddMatch', 's', f"sender='{NAME}',interface='com.example'")
    for x in a, b:
        x.call('RequestName', 'su', NAME, 0)
        x.take()
    for x in a, b:
        x.send(signal('/a', 'com.example', 'First'))
        x.drain()
    a.call('ReleaseName', 's', NAME)
    for x in a, b:
        x.send(signal('/a', 'com.example', 'Second'))
        x.drain()
    s.show(watcher)


@scenario
def name_owner_changed_by_argument(s):
    watcher, a = s.connect('W'), s.connect('A')
    watcher.call('AddMatch', 's', "sender='org.freedesktop.DBus',member='NameOwnerChanged',"
                 f"arg0='{NAME}'")
    watcher.call('AddMatch', 's', "member='NameOwnerChanged',arg0namespace='com.other'")
    for name in (NAME, 'com.other.X', 'com.others'):
        a.call('RequestName', 'su', name, 0)
        a.call('ReleaseName', 's', name)
    s.show(watcher)


@scenario
def rules_end_with_the_connection(s):
    a, b = s.connect('A'), s.connect('B')
    for _ in range(3):
        b.call('AddMatch', 's', "member='M'")
    b.close()
    c = s.connect('C')
    a.send(signal('/a', 'com.example', 'M'))
    s.show(a, c)


@scenario
def eavesdropping(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    c.call('AddMatch', 's', "eavesdrop='true',interface='com.example'")
    c.take()
    a.send(signal('/a', 'com.example', 'Unicast', destination=b.unique))
    a.send(signal('/a', 'com.example', 'Broadcast'))
    a.send(call(b.unique, '/a', 'com.example', 'Call'))
    s.show(a, b, c)


# monitors


def monitor(s, rules=(), name='M'):
    m = s.connect(name)
    m.call('BecomeMonitor', 'asu', list(rules), 0, interface=MONITORING)
    return m


def watched(s, m, last):
    """What the monitor sees up to the message with the member last, without its own NameLost."""
    while True:
        got = m.receive()
        if got.member == last:
            return
        if got.member == 'NameLost' and got.destination == m.unique:
            continue
        s.see(m, [got])


@scenario
def monitor_sees_everything(s):
    a, b = s.connect('A'), s.connect('B')
    m = monitor(s)
    # the monitor also sees the loss of its own name; wait for that
    a.call('GetNameOwner', 's', m.unique)
    a.take()
    a.call('RequestName', 'su', NAME, 0)
    a.send(signal('/a', 'com.example', 'Broadcast'))
    a.send(signal('/a', 'com.example', 'Unicast', destination=b.unique))
    serial = a.send(call(b.unique, '/a', 'com.example', 'Call'))
    b.drain()
    b.send(rawbus.Message(rawbus.RETURN, {rawbus.REPLY_SERIAL: serial,
                                          rawbus.DESTINATION: a.unique}, flags=NO_REPLY))
    a.wait_for(serial)
    a.call('GetNameOwner', 's', 'com.example.Nobody')
    a.wait_for(a.send(call('com.example.Nobody', '/a', 'com.example', 'Lost')))
    a.send(signal('/a', 'com.example', 'Last'))
    for serial, member in a.sent.items():
        m.sent[serial] = member
    watched(s, m, 'Last')


@scenario
def monitor_changes_nothing_for_others(s):
    a, b = s.connect('A'), s.connect('B')
    m = monitor(s)
    a.call('RequestName', 'su', NAME, 0)
    a.take()
    b.call('AddMatch', 's', "interface='com.example'")
    a.send(signal('/a', 'com.example', 'Broadcast'))
    a.send(call(b.unique, '/a', 'com.example', 'Call'))
    s.ask(a, call('com.example.Nobody', '/a', 'com.example', 'Lost'))
    s.show(a, b)
    names = a.call('ListNames').body[0]
    s.note(f'{m.unique in names}')


@scenario
def monitor_with_rules_sees_what_they_say(s):
    a, b = s.connect('A'), s.connect('B')
    a.call('RequestName', 'su', NAME, 0)
    a.take()
    for rules in (["interface='com.example',member='One'"],
                  ["type='signal',interface='com.example'", "member='One'"],
                  [f"destination='{NAME}'"], [f"sender='{NAME}',interface='com.example'"],
                  ["type='method_call',interface='com.example'"],
                  ["eavesdrop='false',member='One'"]):
        m = monitor(s, rules + ["member='Last'"])
        s.note(str(rules).replace(a.unique, '{A}'))
        a.send(signal('/a', 'com.example', 'One'))
        a.send(signal('/a', 'com.example', 'Two', destination=b.unique))
        b.send(call(NAME, '/a', 'com.example', 'Three', flags=NO_REPLY))
        b.drain()
        a.send(signal('/a', 'com.example', 'Last'))
        a.drain()
        watched(s, m, 'Last')
        m.close()


@scenario
def monitor_that_speaks_is_disconnected(s):
    m = monitor(s)
    m.send(bus_call('GetId'))
    m.until_closed()
    s.note('closed')


@scenario
def monitor_keeps_its_rules_when_becoming_one_fails(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('AddMatch', 's', "interface='com.example'")
    s.ask(b, bus_call('BecomeMonitor', 'asu', ['', "nonsense='x'"], 0, interface=MONITORING))
    a.send(signal('/a', 'com.example', 'M'))
    s.show(a, b)


@scenario
def monitor_without_descriptors_does_not_see_them(s):
    a, b = s.connect('A', fds=True), s.connect('B', fds=True)
    m = monitor(s, ["interface='com.example'"])
    with open('/dev/null', 'rb') as f:
        a.send(signal('/a', 'com.example', 'Fd', 'h', 0, destination=b.unique), [f.fileno()])
    a.send(signal('/a', 'com.example', 'Plain'))
    s.show(a, b)
    a.send(signal('/a', 'com.example', 'Last'))
    watched(s, m, 'Last')


DIFFERENCES = {}

if __name__ == '__main__':
    main(DIFFERENCES)
