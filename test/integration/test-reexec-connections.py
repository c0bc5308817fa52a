#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bus executes its program again, and each connection goes on at the byte where it was

Many connections do the same, and each of them stops after another byte of what it sends. Then the
bus executes its program again, and they go on. All answers must be those of a connection that did
not stop.

test-reexec-connections.py BUS
"""

import array
import atexit
import fcntl
import hashlib
import os
import random
import resource
import shutil
import signal
import socket
import struct
import sys
import tempfile
import termios
import time

import rawbus
from busfixture import TIMEOUT, Bus, wait_until
from tap import equal, main, test

BRIDGE = os.path.abspath(sys.argv[1])
DONE = 'The message bus has executed its program again'
FAILED = 'The message bus does not execute its program again'
LIMITS = ''.join(f'<limit name="{name}">{value}</limit>' for name, value in (
    ('max_incomplete_connections', 5000), ('max_connections_per_user', 5000),
    ('max_completed_connections', 5000), ('max_outgoing_unix_fds', 64)))
MECHANISMS = '<auth>EXTERNAL</auth><auth>DBUS_COOKIE_SHA1</auth><auth>ANONYMOUS</auth>' \
             '<allow_anonymous/>'
UID = str(os.getuid()).encode().hex()

HOME = tempfile.mkdtemp(prefix='bus-test-home-')
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ['HOME'] = HOME
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def new_bus(extra=''):
    return Bus(BRIDGE, extra=LIMITS + MECHANISMS + extra)


def reexec(bus):
    """Returns when the next program serves."""
    done, failed = (bus.read_log().count(text) for text in (DONE, FAILED))
    bus.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: bus.read_log().count(DONE) > done or
               bus.read_log().count(FAILED) > failed or not bus.alive(), bus.read_log())
    equal(bus.read_log().count(FAILED), failed, bus.read_log())
    assert bus.alive(), bus.read_log()


def wait_until_read(connections):
    """Waits until the bus has read what was sent."""
    def n_unread(c):
        return struct.unpack('i', fcntl.ioctl(c.socket, termios.TIOCOUTQ, bytes(4)))[0]

    wait_until(lambda: not any(n_unread(c) for c in connections), 'the bus reads')


def file_with(text):
    fd = os.memfd_create('test')
    os.write(fd, text)
    return fd


def content_of(fd):
    text = os.pread(fd, 1 << 16, 0)
    os.close(fd)
    return text


# a script is a generator: it yields what is to be sent, bytes or (bytes, descriptors), and reads

def play(script, connection, cut=None, fds_late=False):
    """
    A generator that plays a script. It stops once, after cut bytes. Descriptors go with the first
    byte, or, if fds_late, with the first byte after the cut.
    """
    sent = 0
    for piece in script(connection):
        data, fds = piece if isinstance(piece, tuple) else (piece, ())
        if cut is not None and sent <= cut < sent + len(data):
            at = cut - sent
            if at > 0:
                connection.send_raw(data[:at], () if fds_late else fds)
            yield
            connection.send_raw(data[at:], fds if fds_late or at == 0 else ())
        else:
            connection.send_raw(data, fds)
        sent += len(data)
    connection.n_sent = sent


def finish(player):
    for _ in player:
        pass


def normal(connection):
    """What the script has recorded, without what differs between connections."""
    result = connection.record
    if connection.unique:
        result = [tuple(x if x != connection.unique else 'UNIQUE' for x in line)
                  if isinstance(line, tuple) else line for line in result]
    return result


def connect(bus, ready=None):
    c = rawbus.Connection(bus.address)
    if ready:
        ready(c)
    c.record = []
    return c


def compare(bus, script, ready=None, fds_late=False, read=True):
    """Cuts what the script sends at each byte."""
    reference = connect(bus, ready)
    finish(play(script, reference))
    want, n = normal(reference), reference.n_sent
    connections = [connect(bus, ready) for _ in range(n)]
    players = [play(script, c, cut, fds_late) for cut, c in enumerate(connections)]
    for player in players:
        next(player)
    if read:
        wait_until_read(connections)
    reexec(bus)
    for cut, (player, c) in enumerate(zip(players, connections)):
        try:
            finish(player)
        except Exception as e:
            raise AssertionError(f'{script.__name__}, byte {cut} of {n}: {e!r}, {c.record}') from e
        equal(normal(c), want, f'{script.__name__}, byte {cut} of {n}')
    for c in connections + [reference]:
        c.close()
    return n


def say(c, line, answers=1):
    """Send a line of the handshake, and record the answer."""
    yield line + b'\r\n'
    for _ in range(answers):
        c.record.append(c.line())


def begin_and_hello(c):
    """BEGIN and Hello in one piece, then a call that shows who the bus thinks it is."""
    hello = rawbus.bus_call('Hello')
    hello.serial = c.serial = 1
    yield b'BEGIN\r\n' + hello.encode()
    m = c.wait_for(1)
    c.unique = m.body[0]
    c.record.append((m.kind, m.signature))
    for m in c.take():
        c.record.append((m.member, *m.body))
    ask = rawbus.bus_call('GetConnectionCredentials', 's', c.unique)
    ask.serial = c.serial = 2
    yield ask.encode()
    m = c.wait_for(2)
    c.record.append(sorted(m.body[0]) if m.kind == rawbus.RETURN else m.error_name)
    c.record.append(m.body[0].get('UnixUserID'))
    c.record.append(m.body[0].get('ProcessID'))
    for fd in m.fds:
        os.close(fd)


def external(c):
    yield from say(c, b'\0AUTH EXTERNAL ' + UID.encode())
    yield from say(c, b'NEGOTIATE_UNIX_FD')
    yield from begin_and_hello(c)


def external_in_parts(c):
    yield from say(c, b'\0AUTH EXTERNAL')
    yield from say(c, b'CANCEL')
    yield from say(c, b'AUTH EXTERNAL')
    yield from say(c, b'DATA')
    yield from say(c, b'WHAT')
    yield from begin_and_hello(c)


def pipelined(c):
    yield (b'\0AUTH EXTERNAL ' + UID.encode() + b'\r\nNEGOTIATE_UNIX_FD\r\n' +
           b'NEGOTIATE_BUS1 nothing\r\n')
    c.record += [c.line(), c.line(), c.line()]
    yield from begin_and_hello(c)


def anonymous(c):
    yield from say(c, b'\0AUTH ANONYMOUS ' + b'trace'.hex().encode())
    yield from say(c, b'NEGOTIATE_UNIX_FD')
    yield from begin_and_hello(c)


def cookie(c):
    yield b'\0AUTH DBUS_COOKIE_SHA1 ' + UID.encode() + b'\r\n'
    answer = c.line()
    c.record.append(answer.split()[0])
    context, number, challenge = bytes.fromhex(answer.split()[1]).decode().split()
    with open(f'{HOME}/.dbus-keyrings/{context}', encoding='ascii') as f:
        secret = [line.split()[2] for line in f if line.split()[0] == number][0]
    digest = hashlib.sha1(f'{challenge}:abcd:{secret}'.encode()).hexdigest()
    yield from say(c, b'DATA ' + f'abcd {digest}'.encode().hex().encode())
    yield from begin_and_hello(c)


@test
def handshakes_go_on_at_each_byte():
    with new_bus() as bus:
        for script in external, external_in_parts, pipelined, anonymous, cookie:
            n = compare(bus, script)
            print(f'# {script.__name__}: {n} bytes')
        # the bytes are in the socket, or on their way
        compare(bus, external, read=False)
        compare(bus, cookie, read=False)


@test
def cookie_is_looked_up_again():
    """The keyring is locked, so the bus is still looking for the cookie."""
    with new_bus() as bus:
        c = connect(bus)
        finish(play(cookie, c))  # makes the keyring
        lock = f'{HOME}/.dbus-keyrings/org_freedesktop_general.lock'
        with open(lock, 'w', encoding='ascii'):
            waiting = connect(bus)
            player = play(cookie, waiting, 23 + len(UID) + 2)
            waiting.send_raw(b'\0AUTH DBUS_COOKIE_SHA1 ' + UID.encode() + b'\r\n')
            wait_until_read([waiting])
            reexec(bus)
        os.unlink(lock)
        player.close()
        equal(waiting.line().split()[0], 'DATA')


def authenticated(c):
    c.authenticate(fds=True)


def driver_call(c):
    m = rawbus.bus_call('GetNameOwner', 's', rawbus.BUS)
    m.serial = c.serial = c.serial + 1
    yield m.encode()
    answer = c.wait_for(m.serial)
    c.record.append((answer.kind, answer.sender, *answer.body))


def call_of(target, body, fds=(), order='<'):
    """A script that calls a client, and records what this client gets, and its answer."""
    def script(c):
        m = rawbus.call(target.unique, '/a', 'com.example.I', 'M', 'sau' + 'h' * len(fds), 'text',
                        body, *range(len(fds)))
        m.order = order
        m.serial = c.serial = c.serial + 1
        if fds:
            m.fields[rawbus.UNIX_FDS] = len(fds)
        yield m.encode(), fds
        got = target.receive()
        c.record.append((got.member, got.sender, got.order, *got.body[:2]))
        c.record.append([content_of(fd) for fd in got.fds])
        answer = rawbus.reply(got, 's', 'answer')
        target.send(answer)
        answer = c.wait_for(m.serial)
        c.record.append((answer.kind, *answer.body))
    script.__name__ = f'call with {len(fds)} descriptors'
    return script


@test
def messages_go_on_at_each_byte():
    with new_bus() as bus:
        compare(bus, driver_call, authenticated)
        compare(bus, driver_call, authenticated, read=False)
        target = connect(bus, authenticated)
        compare(bus, call_of(target, [1, 2, 3]), authenticated)
        compare(bus, call_of(target, [1, 2, 3], order='>'), authenticated)
        files = [file_with(b'one'), file_with(b'two')]
        for late in False, True:
            n = compare(bus, call_of(target, [5], files), authenticated, fds_late=late)
            print(f'# call with descriptors {"after" if late else "before"} the cut: {n} bytes')
        compare(bus, call_of(target, [5], files), authenticated, read=False)


@test
def large_messages_go_on():
    """Of 1 MiB, with its descriptors: the memory grows with the bytes, and the check takes turns."""
    with new_bus() as bus:
        target = connect(bus, authenticated)
        files = [file_with(b'one')]
        script = call_of(target, list(range(1 << 18)), files)
        reference = connect(bus, authenticated)
        finish(play(script, reference))
        want, n = normal(reference), reference.n_sent
        for cut in [15, 16, 17, 100, 16383, 16384, 65536, 262143, 262144, 524288, n - 1] + \
                [random.randrange(1, n) for _ in range(10)]:
            c = connect(bus, authenticated)
            player = play(script, c, cut)
            next(player)
            wait_until_read([c])
            reexec(bus)
            finish(player)
            equal(normal(c), want, f'byte {cut}')
            c.close()


def stats(observer, names):
    """What Debug.Stats tells, without what this call itself changes."""
    interface = rawbus.BUS + '.Debug.Stats'
    result = []
    for name in names:
        m = observer.call('GetConnectionStats', 's', name, interface=interface)
        equal(m.kind, rawbus.RETURN)
        result.append(m.body[0])
    m = observer.call('GetStats', interface=interface)
    equal(m.kind, rawbus.RETURN)
    result.append(m.body[0])
    for one in result:
        one.pop('Serial', None)
    return result


# memory is counted as it is allocated, and a message that was read again has a little more
MEMORY = 'UserQueuedBytes', 'UserAnswerBytes', 'UserBacklogBytes', 'UserUnfinishedBytes'


def compare_stats(before, after):
    for a, b in zip(before, after):
        equal(sorted(a), sorted(b))
        for key, value in a.items():
            if key in MEMORY and value != b[key]:
                assert abs(value - b[key]) <= value // 50 + 4096, (key, value, b[key])
            elif key not in MEMORY:
                equal(b[key], value, key)


def read_bytes(c, n):
    """Reads n bytes of a connection, with their descriptors."""
    data, fds = b'', []
    deadline = time.monotonic() + TIMEOUT
    while len(data) < n:
        assert time.monotonic() < deadline, f'{len(data)} of {n} bytes'
        try:
            more, ancillary, _, _ = c.socket.recvmsg(min(n - len(data), 1 << 16),
                                                     socket.CMSG_SPACE(253 * 4))
        except TimeoutError:
            break
        assert more, 'the bus has closed the connection'
        data += more
        for _, _, content in ancillary:
            got = array.array('i')
            got.frombytes(content)
            fds += got
    return data, fds


@test
def reader_that_stops_goes_on_at_its_byte():
    with new_bus() as bus:
        reader, sender, gone = (connect(bus, authenticated) for _ in range(3))
        observer = connect(bus, authenticated)
        files = [file_with(b'%d' % i) for i in range(30)]
        # signals of several sizes, two of three to this reader only, some with descriptors
        reader.call('AddMatch', 's', "type='signal',interface='com.example.I'")
        for i in range(300):
            fds = files[i // 10:i // 10 + 1] if i % 10 == 0 else []
            m = rawbus.signal('/a', 'com.example.I', 'M', 'uay' + 'h' * len(fds), i,
                              bytes([i % 256]) * (i * 37 % 5000), *range(len(fds)),
                              destination=reader.unique if i % 3 else None)
            by = sender if i % 2 else gone
            by.send(m, fds)
        for c in sender, gone:
            c.call('GetId')
        gone.close()
        wait_until(lambda: observer.call('NameHasOwner', 's', gone.unique).body[0] is False, 'end')
        before = stats(observer, [reader.unique, sender.unique])
        assert before[0]['OutgoingMessages'] > 100, before[0]
        reexec(bus)
        compare_stats(before, stats(observer, [reader.unique, sender.unique]))
        got = 0
        todo = {gone.unique: list(range(0, 300, 2)), sender.unique: list(range(1, 300, 2))}
        at = random.Random(5)
        while got < 300:
            # a few bytes between two executions, so that the bus stops at any byte
            data, fds = read_bytes(reader, at.randrange(1, 40000) if got < 280 else 1)
            reader.buffer += data
            reader.fds += fds
            while True:
                m = reader.parse()
                if not m:
                    break
                i = todo[m.sender].pop(0)
                equal(m.body[:2], (i, bytes([i % 256]) * (i * 37 % 5000)))
                equal([content_of(fd) for fd in m.fds], [] if i % 10 else [b'%d' % (i // 10)])
                got += 1
            if got < 280:
                reexec(bus)
        equal(reader.call('GetId').kind, rawbus.RETURN)
        after = stats(observer, [reader.unique, sender.unique])
        equal(after[0]['OutgoingMessages'], 0)
        assert after[0]['UserQueuedBytes'] < 4096, after[0]


@test
def a_thousand_connections_stay():
    with new_bus() as bus:
        connections = [connect(bus, authenticated) for _ in range(1000)]
        observer = connect(bus, authenticated)
        before = stats(observer, [])
        m = rawbus.bus_call('GetId')
        m.serial = 1000
        data = m.encode()
        for i, c in enumerate(connections):
            c.send_raw(data[:i % len(data)])
        wait_until_read(connections)
        start = time.monotonic()
        reexec(bus)
        print(f'# request, check and execution: {(time.monotonic() - start) * 1000:.0f} ms')
        start = time.monotonic()
        compare_stats(before, stats(observer, []))
        print(f'# the first answers after it: {(time.monotonic() - start) * 1000:.0f} ms')
        want = observer.call('GetId').body
        for i, c in enumerate(connections):
            c.send_raw(data[i % len(data):])
            equal(c.wait_for(1000).body, want)
        names = observer.call('ListNames').body[0]
        equal(len([n for n in names if n.startswith(':')]), 1001)


@test
def connections_come_and_go_meanwhile():
    with new_bus() as bus:
        stays = connect(bus, authenticated)
        for _ in range(20):
            done = bus.read_log().count(DONE)
            bus.process.send_signal(signal.SIGUSR2)
            n = 0
            while bus.read_log().count(DONE) == done:
                c = connect(bus, authenticated)
                equal(c.call('RequestName', 'su', 'com.example.N', 0).body, (1,))
                c.close()
                wait_until(lambda: not stays.call('NameHasOwner', 's', 'com.example.N').body[0],
                           'the end of the name')
                n += 1
            equal(bus.read_log().count(FAILED), 0, bus.read_log())
        equal(stays.call('GetId').kind, rawbus.RETURN)


main(only=sys.argv[2:])
