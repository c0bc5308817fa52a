#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Limits on the wire: of connections, queues, replies and times, and descriptors that arrive too
# early, too late or without a message that declares them.

import os
import resource
import select
import socket

import rawbus
from rawbus import (NO_REPLY, UNIX_FDS, Closed, Timeout, bus_call, call, signal)
from transcript import ANY, main, not_under_valgrind, scenario, scenario_with

NAME = 'com.example.Name'


def limits(**values):
    return ''.join(f'  <limit name="{k}">{v}</limit>\n' for k, v in values.items())


# connections


@scenario_with(limits(max_connections_per_user=2, auth_timeout=400))
def connections_of_one_user(s):
    a, _ = (s.connect(name) for name in 'AB')
    c = s.socket('C')
    c.authenticate(hello=False)
    for _ in range(2):
        s.see(c, [c.wait_for(c.send(bus_call('Hello')))])
    s.see(c, c.until_closed() + [None])
    a.close()
    # there is room again
    while True:
        d = s.socket('D')
        d.authenticate(hello=False)
        answer = d.wait_for(d.send(bus_call('Hello')))
        if not answer.error_name:
            break
        d.close()
    s.note(answer.signature)


@scenario_with(limits(max_incomplete_connections=2))
def incomplete_connections_wait_to_be_accepted(s):
    a, b, c = (s.socket(n) for n in 'ABC')
    for x in a, b, c:
        x.send_raw(b'\0AUTH\r\n')
    s.note(f'{a.line()[:8]} {b.line()[:8]}')
    try:
        c.read_some(0.3)
    except Timeout:
        s.note('C is not answered')
    a.close()
    s.note(c.line()[:8])


@scenario_with(limits(auth_timeout=300))
def a_hello_must_follow_the_handshake(s):
    a, b = s.connect('A'), s.socket('B')
    b.authenticate(hello=False)
    s.see(b, b.until_closed() + [None])
    s.ask(a, bus_call('NameHasOwner', 's', 'a.b'))


# queues


def fill(a, b, n=2000):
    """
    Calls b, which does not read, until the bus refuses all calls of a round. Returns how many calls
    it took, and the names of the errors of the last round.
    """
    taken = 0
    while True:
        for _ in range(20):
            a.send(call(b.unique, '/x', 'com.example', 'Fill', 's', 'x' * n))
        errors = a.drain()
        taken += 20 - len(errors)
        if len(errors) == 20:
            return taken, {m.error_name for m in errors}


@scenario_with(limits(max_outgoing_bytes=20000, max_replies_per_connection=50000))
def broadcasts_to_a_full_receiver_are_lost(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    for x in b, c:
        x.call('AddMatch', 's', "member='Broadcast'")
        x.take()
    taken, errors = fill(a, b)
    a.send(signal('/x', 'com.example', 'Broadcast'))
    s.see(a, a.drain())
    s.see(c, [c.receive()])
    s.note(str({b.receive().member for _ in range(taken)}))
    a.send(signal('/x', 'com.example', 'Broadcast', 's', 'room again'))
    s.see(b, [b.receive()])


@scenario_with(limits(max_outgoing_bytes=2000000, max_replies_per_connection=50000))
def the_queues_of_one_user(s):
    a, reader = s.connect('A'), s.connect('R')

    def let_in(c):
        for _ in range(25):
            a.send(call(c.unique, '/x', 'com.example', 'M', 's', 'x' * 100000))
        return 25 - len(a.drain())

    taken = [let_in(s.connect(f'B{i}')) for i in range(12)]
    s.note(f'{all(n >= 20 for n in taken[:6])} {all(n >= 20 for n in taken)}')
    for n in 1000, 1000000:
        a.send(call(reader.unique, '/x', 'com.example', 'M', 's', 'x' * n))
        s.see(a, a.drain())
        try:
            s.note(f'{reader.receive(0.3).member}')
        except Timeout:
            s.note('not for the reader')


@scenario_with(limits(max_outgoing_bytes=20000, max_replies_per_connection=50000))
def the_bus_can_always_answer(s):
    a, b = s.connect('A'), s.connect('B')
    taken, errors = fill(a, b)
    b.send(bus_call('RequestName', 'su', NAME, 0))
    b.send(bus_call('GetNameOwner', 's', 'a.nobody'))
    while not a.call('NameHasOwner', 's', NAME).body[0]:
        pass
    while True:
        got = b.receive()
        if got.member != 'Fill':
            break
    s.see(b, [got, b.receive(), b.receive()])


@scenario_with(limits(max_outgoing_bytes=20000, max_replies_per_connection=50000))
def signals_and_replies_to_a_full_receiver(s):
    a, b = s.connect('A'), s.connect('B')
    b.send(call(a.unique, '/x', 'com.example', 'Asked'))
    asked = a.receive()
    taken, errors = fill(a, b)
    a.send(signal('/x', 'com.example', 'Unicast', destination=b.unique))
    a.send(call(b.unique, '/x', 'com.example', 'Quiet', flags=NO_REPLY))
    a.send(rawbus.reply(asked))
    s.see(a, a.drain())
    s.note(str({b.receive().member for _ in range(taken)}))
    s.show(b)


@scenario_with(limits(max_outgoing_bytes=10000000, max_outgoing_unix_fds=2,
                      max_replies_per_connection=50000))
def descriptors_in_a_queue(s):
    a, b = s.connect('A', fds=True), s.connect('B', fds=True)
    # messages wait in the queue of b only when its socket is full
    for _ in range(100):
        for _ in range(20):
            a.send(call(b.unique, '/x', 'com.example', 'Fill', 's', 'x' * 500, flags=NO_REPLY))
        a.drain()
    with open('/dev/null', 'rb') as f:
        for i in range(4):
            a.send(call(b.unique, '/x', 'com.example', f'Fd{i}'), [f.fileno()])
    s.see(a, a.drain())


# messages that wait in the queues of other clients

WAITING = limits(max_incoming_bytes=20000, max_outgoing_bytes=100000000,
                 max_replies_per_connection=50000)


class Flood:
    """More messages than sockets hold. push() sends as many bytes as the bus reads."""

    def __init__(self, connection, messages):
        self.connection, self.data = connection, bytearray()
        for m in messages:
            connection.serial += 1
            m.serial = connection.serial
            self.data += m.encode()

    def push(self):
        """Sends until the bus reads nothing for a while; returns whether any is left."""
        while self.data:
            _, ready, _ = select.select([], [self.connection.socket], [], 0.4)
            if not ready:
                return True
            try:
                del self.data[:self.connection.socket.send(self.data, socket.MSG_DONTWAIT)]
            except BlockingIOError:
                pass
        return False


def quiet_calls(destination, n=1500):
    return [call(destination, '/x', 'com.example', f'Fill{i}', 's', 'x' * 1000, flags=NO_REPLY)
            for i in range(n)]


def stops(s, flood):
    s.note(f'{flood.connection.name} {"is not read from" if flood.push() else "said all"}')


def reads_all(s, receiver, flood, n=1500):
    """The receiver reads its messages while the sender sends the rest."""
    seen, progress = 0, True
    while seen < n and progress:
        before, progress = len(flood.data), False
        flood.push()
        while seen < n:
            try:
                m = receiver.receive(0.4 if flood.data else 5)
            except Timeout:
                break
            if m.member == f'Fill{seen}':
                seen, progress = seen + 1, True
        progress = progress or len(flood.data) < before
    s.note(f'{receiver.name} has read {"all" if seen == n else "only a part"}')


@scenario_with(WAITING)
def a_sender_waits_for_its_receiver(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    flood = Flood(a, quiet_calls(b.unique))
    stops(s, flood)
    # other clients do not wait
    c.send(call(b.unique, '/x', 'com.example', 'M', flags=NO_REPLY))
    s.ask(c, bus_call('NameHasOwner', 's', 'a.b'))
    # the bus still delivers messages to A, although it does not read from A
    c.send(signal('/x', 'com.example', 'Unicast', destination=a.unique))
    s.see(a, [a.receive()])
    found = c.call('GetConnectionStats', 's', a.unique, interface='org.freedesktop.DBus.Debug.Stats')
    for key in 'IncomingBytes', 'PeakIncomingBytes':
        s.note(f'{key} {20000 <= found.body[0][key] < 40000}')
    reads_all(s, b, flood)
    s.ask(a, bus_call('NameHasOwner', 's', 'a.b'))


@scenario_with(WAITING)
def who_waits_may_leave(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    c.call('AddMatch', 's', f"member='NameOwnerChanged',arg0='{a.unique}'")
    stops(s, Flood(a, quiet_calls(b.unique)))
    a.close()
    s.see(c, [c.receive()])


@scenario_with(WAITING)
def the_receiver_may_leave(s):
    a, b = s.connect('A'), s.connect('B')
    flood = Flood(a, quiet_calls(b.unique))
    stops(s, flood)
    b.close()
    stops(s, flood)
    s.see(a, [a.wait_for(a.send(bus_call('NameHasOwner', 's', 'a.b')))])


@scenario_with(WAITING)
def a_sender_to_itself_waits(s):
    a = s.connect('A')
    flood = Flood(a, quiet_calls(a.unique))
    stops(s, flood)
    reads_all(s, a, flood)
    s.ask(a, bus_call('NameHasOwner', 's', 'a.b'))


@scenario_with(WAITING)
def answers_and_broadcasts_to_who_does_not_read(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('AddMatch', 's', "interface='com.example'")
    stops(s, Flood(a, [signal('/x', 'com.example', 'Broadcast', 's', 'x' * 1000)
                       for _ in range(1500)]))
    asked = []
    for _ in range(1500):
        b.send(call(a.unique, '/x', 'com.example', 'M'))
        asked.append(a.receive())
    stops(s, Flood(a, [rawbus.reply(m, 's', 'x' * 1000) for m in asked]))


@scenario_with(WAITING)
def a_monitor_that_does_not_read(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    c.call('BecomeMonitor', 'asu', [], 0, interface='org.freedesktop.DBus.Monitoring')
    c.monitor = True
    reads_all(s, b, Flood(a, quiet_calls(b.unique)))


@scenario_with(WAITING.replace('max_incoming_bytes', 'max_message_size'))
def a_sender_below_the_limit(s):
    a, b = s.connect('A'), s.connect('B')
    stops(s, Flood(a, quiet_calls(b.unique)))


@scenario_with(limits(max_incoming_unix_fds=2, max_outgoing_bytes=100000000,
                      max_outgoing_unix_fds=100, max_message_unix_fds=4))
def descriptors_in_the_queues_of_others(s):
    a, b = s.connect('A', fds=True), s.connect('B', fds=True)
    c = s.connect('C')
    Flood(c, quiet_calls(b.unique, 400)).push()
    with open('/dev/null', 'rb') as f:
        for _ in range(2):
            a.send(call(b.unique, '/x', 'com.example', 'Fds', flags=NO_REPLY), [f.fileno()])
            a.send(call(b.unique, '/x', 'com.example', 'None', flags=NO_REPLY))
    a.send(bus_call('NameHasOwner', 's', 'a.b'))
    try:
        s.see(a, [a.receive(0.5)])
    except Timeout:
        s.note('A is not read from')
    s.see(b, [m for m in (b.receive() for _ in range(404)) if m.member[:4] != 'Fill'])
    s.see(a, [a.receive()])


@scenario_with(limits(max_incoming_bytes=1000))
def a_message_larger_than_the_incoming_limit(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(call(b.unique, '/x', 'com.example', 'M', 's', 'x' * 5000))
    s.note(f'{b.receive().member}')
    a.send(call(b.unique, '/x', 'com.example', 'M', 's', 'x' * 5000))
    s.note(f'{b.receive().member}')


# replies


@scenario_with(limits(reply_timeout=200))
def a_reply_after_its_time(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(call(b.unique, '/x', 'com.example', 'M'))
    got = b.receive()
    s.see(a, [a.receive()])
    b.send(rawbus.reply(got))
    s.show(a, b)


@scenario_with(limits(reply_timeout=100))
def replies_in_time_are_no_errors(s):
    a, b = s.connect('A'), s.connect('B')
    for _ in range(3):
        a.send(call(b.unique, '/x', 'com.example', 'M'))
        b.send(rawbus.reply(b.receive()))
        s.see(a, [a.receive()])
    try:
        a.receive(0.3)
    except Timeout:
        s.note('nothing follows')


@scenario_with(limits(max_replies_per_connection=2))
def slots_are_the_callers_and_come_back(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    for i in range(3):
        a.send(call(b.unique, '/x', 'com.example', f'A{i}'))
    s.see(a, a.drain())
    c.send(call(b.unique, '/x', 'com.example', 'C'))
    s.see(c, c.drain())
    a.send(call(b.unique, '/x', 'com.example', 'Quiet', flags=NO_REPLY))
    s.show(a, c)
    got = b.take() + b.drain()
    s.see(b, got)
    b.send(rawbus.reply(got[0]))
    s.see(a, [a.receive()])
    a.send(call(c.unique, '/x', 'com.example', 'Again'))
    a.send(call(c.unique, '/x', 'com.example', 'TooMany'))
    s.show(a, c)


@scenario
def replies_to_calls_that_want_none(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(call(b.unique, '/x', 'com.example', 'M', flags=NO_REPLY))
    b.send(rawbus.reply(b.receive()))
    s.show(a, b)


@scenario
def calls_to_the_same_serial_of_others(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    for x in b, c:
        m = call(x.unique, '/x', 'com.example', 'M')
        m.serial = 700
        a.send(m)
    for x in b, c:
        x.send(rawbus.reply(x.receive(), 's', x.name))
        s.see(a, [a.receive()])


# descriptors


@scenario_with(limits(pending_fd_timeout=300))
def descriptors_whose_message_does_not_come(s):
    a, b = s.connect('A', fds=True), s.connect('B')
    m = call(b.unique, '/x', 'com.example', 'M', 'h', 0)
    m.serial, m.fields[UNIX_FDS] = 50, 1
    with open('/dev/null', 'rb') as f:
        a.send_raw(m.encode()[:40], [f.fileno()])
        s.see(a, a.until_closed() + [None])
    s.show(b)


def chunks(s, *pieces):
    """A message that A sends in pieces. Each piece is (its end, its number of descriptors)."""
    a, b = s.connect('A', fds=True), s.connect('B', fds=True)
    m = call(b.unique, '/x', 'com.example', 'M', 'h', 0)
    m.serial, m.fields[UNIX_FDS] = 50, 1
    data, at = m.encode(), 0
    with open('/dev/null', 'rb') as f:
        for end, n in pieces:
            a.send_raw(data[at:end], [f.fileno()] * n)
            at = len(data) if end is None else end
    try:
        a.drain()
        s.see(b, b.drain())
    except Closed:
        s.note('closed')


@scenario
def descriptors_with_a_later_piece(s):
    chunks(s, (20, 0), (None, 1))
    chunks(s, (-1, 0), (None, 1))


@scenario
def descriptors_of_the_other_byte_order(s):
    a, b = s.connect('A', fds=True), s.connect('B', fds=True)
    with open('/dev/null', 'rb') as f:
        m = call(b.unique, '/x', 'com.example', 'M', 'hh', 1, 0)
        m.order = '>'
        a.send(m, [f.fileno()] * 2)
    got = b.receive()
    s.see(b, [got])
    s.note(f'{got.order} {got.body} {len(got.fds)}')


@scenario
def descriptor_indices_are_the_receivers_business(s):
    a, b = s.connect('A', fds=True), s.connect('B', fds=True)
    with open('/dev/null', 'rb') as f:
        for body in ((0, 0), (7, 0), (0xffffffff, 1)):
            a.send(call(b.unique, '/x', 'com.example', 'M', 'hh', *body), [f.fileno()])
            s.see(b, [b.receive()])


@scenario
def descriptors_that_nothing_declares_are_closed(s):
    a, b = s.connect('A', fds=True), s.connect('B', fds=True)
    before = len(os.listdir(f'/proc/{s.bus.pid}/fd'))
    with open('/dev/null', 'rb') as f:
        m = call(b.unique, '/x', 'com.example', 'M')
        m.serial = 50
        a.send_raw(m.encode(), [f.fileno()] * 3)
        a.serial = 50
        got = b.receive()
        s.note(f'{got.member} {len(got.fds)} {got.unix_fds}')
        s.show(a, b)
    s.note(f'left: {len(os.listdir(f"/proc/{s.bus.pid}/fd")) - before}')


@not_under_valgrind('its descriptors are in the way of the limit')
@scenario
def descriptors_that_are_lost_on_the_way_close(s):
    a, b, c = s.connect('A', fds=True), s.connect('B', fds=True), s.connect('C')
    n = max(int(fd) for fd in os.listdir(f'/proc/{s.bus.pid}/fd')) + 2
    resource.prlimit(s.bus.pid, resource.RLIMIT_NOFILE, (n, n))
    with open('/dev/null', 'rb') as f:
        a.send(call(b.unique, '/x', 'com.example', 'M'), [f.fileno()] * 10)
        s.see(a, a.until_closed() + [None])
    s.ask(c, bus_call('NameHasOwner', 's', 'a.b'))


UNREQUESTED = 'replies that nobody waits for are never delivered, but refused'
QUIET = 'errors are for calls that expect a reply'
REFUSED = 'error to  org.freedesktop.DBus.Error.AccessDenied'
FULL = 'org.freedesktop.DBus.Error.LimitsExceeded'

DIFFERENCES = {
    'the_queues_of_one_user': [
        (ANY, ['True False', 'M', f'  A: error to M {FULL}', 'not for the reader'],
         'many connections of a user hold no more than a few'),
    ],
    'the_bus_can_always_answer': [
        (ANY, ["  B: signal org.freedesktop.DBus.NameAcquired s('com.example.Name')",
               '  B: reply to RequestName u(1)',
               '  B: error to GetNameOwner org.freedesktop.DBus.Error.NameHasNoOwner'],
         'the reference drops its own answers when a queue is full'),
    ],
    'signals_and_replies_to_a_full_receiver': [
        (f'  A: error to Unicast {FULL}', [], QUIET),
        (f'  A: error to Quiet {FULL}', [], QUIET),
        (f'  A: error to  {FULL}', [], 'the caller is told, not who replies'),
        ("{'Fill'}", ["{'Fill'}", '  B: error to Asked org.freedesktop.DBus.Error.NoReply'],
         'a caller whose reply was lost does not wait for ever'),
    ],
    'descriptors_in_a_queue': [
        (f'  A: error to Fd3 {FULL}', [f'  A: error to Fd2 {FULL}', f'  A: error to Fd3 {FULL}'],
         'the limit is what may wait; the reference lets in one message more'),
    ],
    'who_waits_may_leave': [
        (ANY, ['A is not read from',
               "  C: signal org.freedesktop.DBus.NameOwnerChanged sss(<A>, <A>, '') broadcast"],
         'the reference does not notice it before it may read again'),
    ],
    'answers_and_broadcasts_to_who_does_not_read': [
        (ANY, ['A said all', 'A said all'], 'who does not read must not stop a service'),
    ],
    'a_monitor_that_does_not_read': [
        (ANY, ['B has read all'], 'monitors change nothing for others'),
    ],
    'a_reply_after_its_time': [('  A: reply to M () from <B>', ['  B: ' + REFUSED], UNREQUESTED)],
    'replies_to_calls_that_want_none': [
        ('  A: reply to M () from <B>', ['  B: ' + REFUSED], UNREQUESTED),
    ],
    'descriptors_that_nothing_declares_are_closed': [
        ('left: 3', ['left: 0'], 'the reference keeps them'),
    ],
}

if __name__ == '__main__':
    main(DIFFERENCES)
