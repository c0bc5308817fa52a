#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Messages whose bodies take long to check. The bus checks such a body in parts, and serves other
# connections in between. These tests run the daemon under test alone: the reference checks a body in
# one go.

import os
import random
import select
import struct
import threading

import rawbus
from busfixture import Bus, daemon_under_test
from rawbus import NO_REPLY, Connection, Raw, call
from tap import equal, main, test

DAEMON = daemon_under_test()
MIB = 1024 * 1024
OTHER_UID = 1000 if os.getuid() == 0 else None
# the largest messages that the protocol allows, and connections of other users
CONFIG = '''<limit name="max_message_size">134217728</limit>
    <policy context="default"><allow user="*"/></policy>'''
# of all values, signatures are among those that take longest for their size
SLOW_VALUE = bytes([189]) + (b'(' * 31 + b'y' + b')' * 31) * 3 + b'\0'


def connect(bus, **kw):
    uid = kw.pop('uid', None)
    return Connection(bus.address, uid=uid).authenticate(**kw)


def array(content):
    """The value of an array whose elements need no padding, from its bytes."""
    return Raw(struct.pack('<I', len(content)) + content)


def slow_call(n, **fields):
    """A call that takes long to check, and gets an error as its answer. Its body has n bytes."""
    content = SLOW_VALUE * (n // len(SLOW_VALUE))
    m = call('com.example.Nobody', '/x', 'com.example', 'M', 'ag', array(content), **fields)
    m.flags = rawbus.NO_AUTO_START
    return m


def has_answer(c):
    return bool(select.select([c.socket], [], [], 0)[0])


def ping(c):
    equal(c.call('GetId').kind, rawbus.RETURN)


def count_pings(c, until):
    """How often does the bus answer c before until() is true?"""
    n = 0
    while not until():
        ping(c)
        n += 1
    return n


def size_for(bus):
    """Bytes that the bus checks in about a tenth of a second or more."""
    with open(f'/proc/{bus.pid}/maps') as f:
        slow = 'libasan' in f.read() or 'BUS_UNDER_VALGRIND' in os.environ
    return 8 * MIB if slow else 56 * MIB


def others_are_served(bus, uid):
    a, b = connect(bus), connect(bus, uid=uid)
    m = slow_call(size_for(bus))
    m.serial = 50
    data = m.encode()
    a.send_raw(memoryview(data)[:-1])
    ping(b)
    a.send_raw(data[-1:])
    n = count_pings(b, lambda: has_answer(a))
    equal(a.receive().reply_serial, 50)
    # if the check were not interrupted, there could be two: one before it and one after it
    assert n > 20, f'{n} answers'


@test
def a_check_does_not_stop_other_users():
    with Bus(extra=CONFIG) as bus:
        others_are_served(bus, OTHER_UID)


@test
def a_check_does_not_stop_other_connections_of_its_user():
    with Bus(extra=CONFIG) as bus:
        others_are_served(bus, None)


def random_body(r):
    """A signature and the arguments for it, of 8 to 200 KiB."""
    n = r.randrange(8, 200) * 1024
    text = 'ab\u00e4\u20ac\U0001f600' * 8
    return r.choice((
        lambda: ('s', text * (n // 88)),
        lambda: ('o', '/a/bcd' * (n // 6)),
        lambda: ('ab', array(struct.pack('<I', 1) * (n // 4))),
        lambda: ('ay', array(b'x' * n)),
        lambda: ('ag', array(SLOW_VALUE * (n // len(SLOW_VALUE)))),
        lambda: ('aay', [b'x' * r.randrange(5) for _ in range(n // 16)]),
        lambda: ('a{sv}', {str(i): r.choice((('s', text), ('u', 7), ('as', ['x', text])))
                           for i in range(n // 100)}),
        lambda: ('sxs', text * (n // 176), 5, text * (n // 176)),
    ))()


def send_in_chunks(r, c, data, fd, between):
    """Sends data in chunks of random size. fd goes with the first one; between() after each."""
    at = 0
    while at < len(data):
        n = r.choice((1, 15, 17, r.randrange(1, 5000), r.randrange(1, 200000)))
        c.send_raw(data[at:at + n], [fd] if at == 0 and fd is not None else ())
        at += n
        between()


@test
def random_bodies_in_random_chunks_arrive_in_order():
    r = random.Random(1)
    with Bus(extra=CONFIG) as bus, open('/dev/null', 'rb') as null:
        a, b = connect(bus, fds=True), connect(bus, fds=True)
        c = connect(bus, uid=OTHER_UID)
        for i in range(60):
            # a small message before and after the large one, so that reads have more than one
            messages = []
            for body in ('u', i), random_body(r), ('s', 'x'):
                m = call(b.unique, '/x', 'com.example', 'M', *body, flags=NO_REPLY)
                a.serial += 1
                m.serial = a.serial
                messages.append(m)
            fd = None
            if r.randrange(2):
                messages[1].fields[rawbus.UNIX_FDS] = 1
                fd = null.fileno()
            data = [m.encode() for m in messages]
            received = []

            def pump():
                ping(c)
                while has_answer(b):
                    b.read_some()
                while (m := b.parse()) is not None:
                    received.append(m)

            if fd is None:
                send_in_chunks(r, a, b''.join(data), None, pump)
            else:
                # the descriptor comes with the message that it belongs to
                a.send_raw(data[0])
                send_in_chunks(r, a, data[1] + data[2], fd, pump)
            while len(received) < 3:
                received.append(b.receive())
            equal([m.raw_body for m in received], [d[len(d) - len(m.raw_body):]
                                                   for d, m in zip(data, received)])
            equal([m.serial for m in received], [m.serial for m in messages])
            equal([len(m.fds) for m in received], [0, 0 if fd is None else 1, 0])
            for m in received:
                for descriptor in m.fds:
                    os.close(descriptor)


@test
def a_fault_in_any_part_ends_the_connection():
    with Bus() as bus:
        b = connect(bus)
        for at in (0.0, 0.01, 0.5, 0.99):
            a = connect(bus)
            a.send(call(b.unique, '/x', 'com.example', 'Before', flags=NO_REPLY))
            m = slow_call(MIB)
            m.serial = 50
            data = bytearray(m.encode())
            first = data.find(SLOW_VALUE)
            n = int((len(data) - first) // len(SLOW_VALUE) * at)
            data[first + n * len(SLOW_VALUE) + 40] = ord('z')
            a.send_raw(bytes(data))
            a.send(call(b.unique, '/x', 'com.example', 'After', flags=NO_REPLY))
            equal(a.until_closed(), [])
            equal([m.member for m in b.take() + b.drain() if m.member != 'NameAcquired'], ['Before'])
        assert bus.alive()


@test
def what_was_said_before_leaving_is_checked():
    with Bus() as bus:
        b = connect(bus)
        for _ in range(5):
            a = connect(bus)
            content = SLOW_VALUE * 5000
            a.send(call(b.unique, '/x', 'com.example', 'M', 'ag', array(content), flags=NO_REPLY))
            a.close()
            equal(len(b.receive().raw_body), 4 + len(content))


@test
def the_end_of_the_bus_ends_a_check():
    with Bus(extra=CONFIG) as bus, open('/dev/null', 'rb') as null:
        a = connect(bus, fds=True)
        m = slow_call(size_for(bus))
        m.serial, m.fields[rawbus.UNIX_FDS] = 50, 1
        a.send_raw(m.encode(), [null.fileno()])
        equal(bus.stop(), 0)


@test
def descriptors_do_not_wait_for_the_check():
    with Bus(extra=CONFIG + '<limit name="pending_fd_timeout">300</limit>\n') as bus, \
            open('/dev/null', 'rb') as null:
        a, b = connect(bus, fds=True), connect(bus)
        m = slow_call(size_for(bus))
        m.serial, m.fields[rawbus.UNIX_FDS] = 50, 1
        data = m.encode()
        a.send_raw(memoryview(data)[:-2])
        a.send_raw(data[-2:-1], [null.fileno()])
        ping(b)
        a.send_raw(data[-1:])
        count_pings(b, lambda: has_answer(a))
        equal(a.receive().reply_serial, 50)


@test
def a_client_that_has_to_wait_goes_on_with_its_check():
    # the backlog of a has room for one of its calls, until b reads
    with Bus(extra='<limit name="max_incoming_bytes">100000</limit>\n') as bus:
        a, b, c = connect(bus), connect(bus), connect(bus)
        messages = [call(b.unique, '/x', 'com.example', f'M{i}', 'ag', array(SLOW_VALUE * 500),
                         flags=NO_REPLY) for i in range(20)]
        sender = threading.Thread(target=lambda: [a.send(m) for m in messages])
        sender.start()
        for i in range(20):
            ping(c)
            equal(b.receive().member, f'M{i}')
        sender.join()
        ping(a)


if __name__ == '__main__':
    main()
