#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Monitors on the wire: they see every kind of message, and other clients do not notice them.

import os

import rawbus
from rawbus import (BUS, DESTINATION, ERROR, ERROR_NAME, MEMBER, NO_REPLY, PATH,
                    REPLY_SERIAL, RETURN, Message, bus_call, call, signal)
from transcript import ANY, main, scenario, scenario_with

NAME = 'com.example.Name'
MONITORING, PEER = BUS + '.Monitoring', BUS + '.Peer'


def monitor(s, *rules, name='M', **kw):
    m = s.connect(name, **kw)
    m.call('BecomeMonitor', 'asu', list(rules), 0, interface=MONITORING)
    s.socket('barrier').authenticate().close()
    return m


def watch(s, m, *senders, last='Last'):
    """
    Notes what the monitor has seen of the senders, up to a signal that the first of them sends now.
    Leaves out other connections, which only wait until the bus has done something.
    """
    senders[0].send(signal('/', 'com.example', last))
    names = {c.unique for c in senders} | {rawbus.BUS, None}
    for c in senders:
        m.sent.update(c.sent)
    while True:
        got = m.receive()
        if got.member == last:
            return
        if got.member == 'NameOwnerChanged' and got.body[0] not in names | {NAME}:
            continue
        if got.sender in names and got.destination in names | {NAME} and \
                got.member != 'Hello' or got.sender in names - {BUS}:
            s.see(m, [got])


@scenario
def driver_traffic_is_seen(s):
    a = s.connect('A')
    m = monitor(s)
    a.call('RequestName', 'su', NAME, 0)
    a.call('AddMatch', 's', "member='X'")
    a.call('AddMatch', 's', "nonsense")
    a.call('Ping', interface=PEER)
    a.call('GetNameOwner', 's', 'a.nobody')
    a.call('ReleaseName', 's', NAME)
    a.send(signal('/x', 'com.example', 'ToTheBus', destination=BUS))
    a.send(Message(RETURN, {REPLY_SERIAL: 77, DESTINATION: BUS}, flags=NO_REPLY))
    a.send(bus_call('NameHasOwner', 's', 'a.b', flags=NO_REPLY | 2))
    watch(s, m, a)


@scenario
def hello_is_seen(s):
    a = s.connect('A')
    m = monitor(s, "sender='org.freedesktop.DBus',type='method_return'", "member='Hello'",
                "member='NameAcquired'", "member='Last'")
    b = s.connect('B')
    a.send(signal('/', 'com.example', 'Last'))
    m.sent.update(b.sent)
    while True:
        got = m.receive()
        if got.member == 'Last':
            break
        if b.unique in (got.sender, got.destination):
            s.see(m, [got])


@scenario
def calls_to_the_connection_itself_are_not_seen(s):
    a = s.connect('A')
    m = monitor(s)
    a.wait_for(a.send(call(None, '/x', PEER, 'Ping')))
    a.wait_for(a.send(call(None, '/x', BUS, 'GetId')))
    a.send(Message(RETURN, {REPLY_SERIAL: 77}, flags=NO_REPLY))
    watch(s, m, a)


@scenario
def nameless_messages_are_seen(s):
    a, b = s.connect('A'), s.connect('B')
    m = monitor(s)
    a.wait_for(a.send(call('com.example.Nobody', '/x', 'com.example', 'Call')))
    a.send(call('com.example.Nobody', '/x', 'com.example', 'Quiet', flags=NO_REPLY))
    a.send(signal('/x', 'com.example', 'Signal', destination='com.example.Nobody'))
    a.send(Message(RETURN, {REPLY_SERIAL: 5, DESTINATION: ':1.999'}, flags=NO_REPLY))
    a.drain()
    watch(s, m, a, b)


@scenario
def replies_of_every_kind_are_seen(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    m = monitor(s)
    a.send(call(b.unique, '/x', 'com.example', 'One'))
    got = b.receive()
    b.send(rawbus.error(got, 'com.example.Error', 'text'))
    s.see(a, [a.receive()])
    a.send(call(b.unique, '/x', 'com.example', 'Two'))
    b.receive()
    # a callee leaves without an answer
    b.close()
    s.see(a, [a.receive()])
    watch(s, m, a, b, c)


@scenario
def unrequested_replies_are_seen(s):
    a, b = s.connect('A'), s.connect('B')
    m = monitor(s)
    b.send(Message(RETURN, {REPLY_SERIAL: 77, DESTINATION: a.unique}, flags=NO_REPLY))
    b.send(Message(ERROR, {REPLY_SERIAL: 77, DESTINATION: a.unique, ERROR_NAME: 'a.b'},
                   flags=NO_REPLY))
    b.drain()
    watch(s, m, b, a)


STRICT = '''  <policy context="default">
    <deny send_type="method_return"/><deny send_type="error"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <deny send_interface="com.example.Denied"/><deny receive_interface="com.example.Unheard"/>
    <deny receive_interface="com.example.Denied2" receive_type="signal"/>
    <deny send_destination="org.freedesktop.DBus" send_member="NameHasOwner"
          send_interface="org.freedesktop.DBus"/>
  </policy>
'''


@scenario_with(STRICT)
def refused_messages_are_seen_with_their_error(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('AddMatch', 's', '')
    b.take()
    m = monitor(s)
    for interface in ('com.example.Denied', 'com.example.Unheard'):
        a.wait_for(a.send(call(b.unique, '/x', interface, 'Call')))
        a.send(signal('/x', interface, 'Unicast', destination=b.unique))
        a.send(signal('/x', interface, 'Broadcast'))
    a.call('NameHasOwner', 's', 'a.b')
    a.send(signal('/x', 'com.example.Denied', 'ToTheBus', destination=BUS))
    a.drain()
    watch(s, m, a, b)


@scenario_with(STRICT)
def unrequested_replies_are_refused(s):
    a, b = s.connect('A'), s.connect('B')
    m = monitor(s)
    b.send(Message(RETURN, {REPLY_SERIAL: 77, DESTINATION: a.unique}, flags=NO_REPLY))
    b.send(Message(ERROR, {REPLY_SERIAL: 77, DESTINATION: a.unique, ERROR_NAME: 'a.b'},
                   flags=NO_REPLY))
    s.show(a, b)
    watch(s, m, b, a)


@scenario_with('  <policy context="default">'
               '<deny send_requested_reply="true" send_type="error"/></policy>\n')
def refused_replies(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(call(b.unique, '/x', 'com.example', 'One'))
    b.send(rawbus.error(b.receive(), 'com.example.DeniedError'))
    s.show(b, a)


@scenario
def descriptors_are_seen(s):
    a, b = s.connect('A', fds=True), s.connect('B', fds=True)
    m = monitor(s, "interface='com.example'", fds=True)
    with open('/dev/null', 'rb') as f:
        a.send(signal('/a', 'com.example', 'Fd', 'h', 0, destination=b.unique), [f.fileno()])
    got = b.receive()
    seen = m.receive()
    s.see(b, [got])
    s.see(m, [seen])
    s.note(str([os.readlink(f'/proc/self/fd/{fd}') for fd in got.fds + seen.fds]))


@scenario
def one_copy_for_overlapping_rules(s):
    a = s.connect('A')
    m = monitor(s, '', "type='signal'", "member='One'", "interface='com.example'")
    a.send(signal('/x', 'com.example', 'One'))
    watch(s, m, a)


@scenario
def other_monitors_are_seen(s):
    a, b = s.connect('A'), s.connect('B')
    m = monitor(s)
    b.call('BecomeMonitor', 'asu', ["member='X'"], 0, interface=MONITORING)
    s.names.pop(b.unique)
    s.names[b.unique] = 'B'
    while a.call('NameHasOwner', 's', b.unique).body[0]:
        pass
    a.take()
    m.sent.update(b.sent)
    seen = []
    while len(seen) < 4:
        got = m.receive()
        if b.unique in (got.sender, got.destination) or b.unique in got.body:
            seen.append(got)
    s.see(m, seen)


@scenario
def becoming_one_without_an_answer(s):
    a, b = s.connect('A'), s.connect('B')
    b.send(bus_call('BecomeMonitor', 'asu', ["interface='com.example'"], 0, interface=MONITORING,
                    flags=NO_REPLY))
    while a.call('NameHasOwner', 's', b.unique).body[0]:
        pass
    a.take()
    a.send(signal('/x', 'com.example', 'One'))
    s.see(b, sorted([b.receive(), b.receive()], key=lambda m: m.member))
    a.send(Message(4, {PATH: '/x', rawbus.INTERFACE: 'com.example', MEMBER: 'Two'}))
    s.see(b, [b.receive()])


@scenario
def failing_to_become_one_changes_nothing(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('AddMatch', 's', "interface='com.example'")
    b.call('RequestName', 'su', NAME, 0)
    b.take()
    for args in (('asu', [], 1), ('asu', ["x='y'"], 0), ('as', []), ('asu', ['', "member="], 2)):
        s.ask(b, bus_call('BecomeMonitor', *args, interface=MONITORING))
    s.ask(b, bus_call('BecomeMonitor', 'asu', [], 0, interface=MONITORING, path='/x'))
    a.send(signal('/x', 'com.example', 'One'))
    a.send(call(NAME, '/x', 'com.example', 'Call'))
    s.show(a, b)


@scenario
def each_type_is_matched(s):
    a, b = s.connect('A'), s.connect('B')
    for kind in 'method_call', 'method_return', 'error', 'signal':
        m = monitor(s, f"type='{kind}',sender='{a.unique}'", f"type='{kind}',sender='{b.unique}'",
                    "member='Last'")
        s.note(kind)
        for answer in (lambda got: rawbus.reply(got),
                       lambda got: Message(ERROR, {REPLY_SERIAL: got.serial, DESTINATION: a.unique,
                                                   ERROR_NAME: 'com.example.Error'})):
            a.send(call(b.unique, '/x', 'com.example', 'Call'))
            b.send(answer(b.receive()))
            s.see(a, [a.receive()])
        a.send(signal('/x', 'com.example', 'Unicast', destination=b.unique))
        a.send(signal('/x', 'com.example', 'Broadcast'))
        s.see(b, [b.receive()])
        watch(s, m, a, b)
        m.close()


@scenario
def matches_on_names_of_either_side(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('RequestName', 'su', NAME, 0)
    b.take()
    for rule in (f"destination='{NAME}'", f"destination='{b.unique}'", f"sender='{NAME}'",
                 "destination='org.freedesktop.DBus'"):
        m = monitor(s, rule, "member='Last'")
        s.note(rule.replace(b.unique, 'B'))
        a.send(call(NAME, '/x', 'com.example', 'ByName', flags=NO_REPLY))
        a.send(call(b.unique, '/x', 'com.example', 'ByUnique', flags=NO_REPLY))
        a.send(signal('/x', 'com.example', 'Broadcast'))
        a.drain()
        b.send(signal('/x', 'com.example', 'OfB'))
        b.take()
        b.drain()
        watch(s, m, a, b)
        m.close()


@scenario_with('  <policy context="default"><deny receive_interface="org.freedesktop.DBus" '
               'receive_member="NameOwnerChanged"/></policy>\n')
def refused_announcements_are_seen(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('AddMatch', 's', '')
    b.take()
    m = monitor(s)
    a.call('RequestName', 'su', NAME, 0)
    s.show(b)
    a.send(signal('/', 'com.example', 'Last'))
    seen = [m.receive()]
    while seen[-1].member != 'Last':
        seen.append(m.receive())
    announced = [x for x in seen if x.member == 'NameOwnerChanged' and x.body[0] == NAME]
    s.note(f'{len(announced)} {[x.kind for x in seen if x.reply_serial == announced[0].serial]}')


@scenario
def calls_in_flight_when_one_becomes_a_monitor(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    b.send(call(a.unique, '/x', 'com.example', 'ByB'))
    got = a.receive()
    c.send(call(b.unique, '/x', 'com.example', 'ToB'))
    b.receive()
    b.call('BecomeMonitor', 'asu', ["member='X'"], 0, interface=MONITORING)
    s.see(c, [c.receive()])
    a.send(rawbus.reply(got))
    s.show(a)


DENIED = 'org.freedesktop.DBus.Error.AccessDenied'
UNKNOWN = 'org.freedesktop.DBus.Error.ServiceUnknown'
QUIET = 'errors are for calls that expect a reply'
UNREQUESTED = 'replies that nobody asked for are never delivered, but refused'

DIFFERENCES = {
    'driver_traffic_is_seen': [('  M: reply to NameHasOwner b(False) for <A>', [], QUIET)],
    'nameless_messages_are_seen': [
        (f'  M: error to Quiet {UNKNOWN} for <A>', [], QUIET),
        (f'  M: error to Signal {UNKNOWN} for <A>', [], QUIET),
        (f'  M: error to  {UNKNOWN} for <A>', [], QUIET),
    ],
    'unrequested_replies_are_seen': [
        ('  M: reply to 77 () from <B> for <A>',
         ['  M: reply to 77 () from <B> for <A>', f'  M: error to  {DENIED} for <B>'], UNREQUESTED),
        ('  M: error to 77 a.b from <B> for <A>',
         ['  M: error to 77 a.b from <B> for <A>', f'  M: error to  {DENIED} for <B>'],
         UNREQUESTED),
    ],
    'refused_replies': [
        (f'  B: error to  {DENIED}',
         [f'  B: error to  {DENIED}', '  A: error to One org.freedesktop.DBus.Error.NoReply'],
         'a caller whose reply was refused does not wait for ever'),
    ],
    'refused_announcements_are_seen': [
        (ANY, ['1 [3]'], 'dbus-daemon 1.14.10 aborts here'),
    ],
    'calls_in_flight_when_one_becomes_a_monitor': [(f'  A: error to  {UNKNOWN}', [], QUIET)],
}

if __name__ == '__main__':
    main(DIFFERENCES)
