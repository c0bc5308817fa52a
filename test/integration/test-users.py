#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Users on one bus: what one of them does must not take the bus away from the others, nor make it
# hold ever more memory. A attacks, B and C want to work. Only root can connect as other users.

import os
import select
import signal as signal_module
import tempfile
import time

import rawbus
from busfixture import Bus, daemon_under_test, wait_until
from rawbus import BUS, ERROR, RETURN, bus_call, call, signal
from tap import Skip, equal, main, test

A, B, C = 4001, 4002, 4003
KIB, MIB = 1024, 1024 * 1024
FULL = 'org.freedesktop.DBus.Error.LimitsExceeded'


def memory(bus):
    """What the bus holds, in bytes."""
    with open(f'/proc/{bus.pid}/status') as f:
        for line in f:
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) * KIB
    raise AssertionError('no VmRSS')


def start(daemon=None, extra='', **limits):
    if os.geteuid() != 0:
        raise Skip('only root can connect as other users')
    limits.setdefault('max_replies_per_connection', 50000)
    lines = ''.join(f'  <limit name="{k}">{v}</limit>\n' for k, v in limits.items())
    return Bus(daemon, extra='  <policy context="default"><allow user="*"/></policy>\n' + lines + extra)


def connect(bus, uid, fds=False):
    return rawbus.Connection(bus.address, uid=uid).authenticate(fds=fds)


def can_say_hello(bus, uid):
    x = rawbus.Connection(bus.address, uid=uid)
    x.authenticate(hello=False)
    return x.wait_for(x.send(bus_call('Hello'))).error_name is None


def pour(connection, data):
    """Sends bytes as far as the socket takes them at once. Returns how many it took."""
    connection.socket.setblocking(False)
    n = 0
    try:
        while n < len(data):
            n += connection.socket.send(memoryview(data)[n:])
    except (BlockingIOError, ConnectionResetError, BrokenPipeError):
        pass
    connection.socket.settimeout(rawbus.TIMEOUT)
    return n


def pour_until_stopped(connection, data, seconds):
    """
    Sends the bytes again and again, until the bus has not read for half a second, or for this time.
    Returns how many it took, and whether it stopped reading.
    """
    total, at, deadline = 0, 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        n = pour(connection, data[at:])
        total, at = total + n, (at + n) % len(data)
        if n == 0 and not select.select([], [connection.socket], [], 0.5)[1]:
            return total, True
    return total, False


def works(caller, service):
    """A call of caller to the service arrives and is answered. Returns how long it took."""
    begin = time.monotonic()
    serial = caller.send(call(service.unique, '/', 'com.example', 'Work', 's', 'x' * 1000))
    while True:
        m = service.receive()
        if m.member == 'Work' and m.sender == caller.unique and m.serial == serial:
            break
    service.send(rawbus.reply(m))
    answer = caller.wait_for(serial)
    equal(answer.kind, RETURN, 'the answer')
    return time.monotonic() - begin


def can_queue(caller, receiver, n=1000):
    """A call to a receiver that does not read is queued, not refused."""
    serial = caller.send(call(receiver.unique, '/', 'com.example', 'Queue', 's', 'x' * n))
    caller.call('GetId')
    refused = [m for m in caller.take() if m.kind == ERROR and m.reply_serial == serial]
    equal(refused, [], 'refused')


def fill(sender, receiver, n):
    """Calls until the bus refuses a call. Returns how many it took."""
    taken = 0
    while True:
        serial = sender.send(call(receiver.unique, '/', 'com.example', 'Fill', 's', 'x' * n))
        sender.call('GetId')
        answers = [m for m in sender.take() if m.kind == ERROR]
        if answers:
            equal((answers[0].reply_serial, answers[0].error_name), (serial, FULL), 'the error')
            return taken
        taken += 1


@test
def a_full_queue_is_full_only_for_the_user_who_filled_it():
    with start() as bus:
        a, b, c, service = connect(bus, A), connect(bus, B), connect(bus, C), connect(bus, B)
        taken = fill(a, service, 100 * KIB)
        if not 10 < taken < 40:
            raise AssertionError(f'{taken} calls of 100 KiB')
        for caller in b, c:
            for _ in range(10):
                can_queue(caller, service)
            can_queue(caller, service, 100 * KIB)
        works(b, service)
        works(c, service)
        works(a, service)
        wait_until(lambda: f'User {A} reached a limit: it fills the queues of another user' in
                   bus.read_log(), 'a line about A')


@test
def a_large_message_is_in_nobody_s_way():
    with start() as bus:
        a, b, c, service = connect(bus, A), connect(bus, B), connect(bus, C), connect(bus, B)
        a.send(call(service.unique, '/', 'com.example', 'Large', 's', 'x' * (30 * MIB)))
        a.call('GetId')
        equal(a.take(), [], 'errors')
        for caller in b, c:
            can_queue(caller, service)
            can_queue(caller, service, 100 * KIB)
        serial = a.send(call(service.unique, '/', 'com.example', 'Large', 's', 'x' * (30 * MIB)))
        answer = a.wait_for(serial)
        equal(answer.error_name, FULL, 'the second one')
        works(c, service)
        works(b, service)


@test
def signals_of_others_arrive_while_one_user_sends_too_many():
    with start() as bus:
        a, c, receiver = connect(bus, A), connect(bus, C), connect(bus, B)
        receiver.call('AddMatch', 's', "interface='com.example'")
        for _ in range(100):
            a.send(signal('/', 'com.example', 'Flood', 's', 'x' * (100 * KIB)))
        a.call('GetId')
        c.send(signal('/', 'com.example', 'News', 's', 'x'))
        c.call('GetId')
        n = 0
        while (m := receiver.receive()).member != 'News':
            equal(m.member, 'Flood', 'a signal')
            n += 1
        if n > 40:
            raise AssertionError(f'{n} signals')


@test
def signals_arrive_again_when_there_is_room_again():
    with start() as bus:
        a, receiver = connect(bus, A), connect(bus, B)
        receiver.call('AddMatch', 's', "interface='com.example'")
        for _ in range(3):
            # small signals, so that those after the last one that fits do not fit either
            for _ in range(5000):
                a.send(signal('/', 'com.example', 'Flood', 's', 'x' * KIB))
            a.call('GetId')
            n = 0
            receiver.send(bus_call('GetId'))
            while receiver.receive().member == 'Flood':
                n += 1
            if not 1000 < n < 5000:
                raise AssertionError(f'{n} signals')
            a.send(signal('/', 'com.example', 'News', 's', 'x'))
            equal(receiver.receive().member, 'News', 'the signal after the queue was read')


@test
def newcomers_of_one_user_do_not_keep_others_out():
    with start(max_incomplete_connections=8, max_connections_per_user=20) as bus:
        held = [rawbus.Connection(bus.address, uid=A) for _ in range(200)]
        for x in held:
            x.send_raw(b'\0AUTH\r\n')
        b = connect(bus, B)
        c = connect(bus, C)
        works(b, c)
        # the oldest ones have made room, and there are never more than these
        wait_until(lambda: 'it has too many connections without Hello' in bus.read_log(), 'a line')
        n_open = len(os.listdir(f'/proc/{bus.pid}/fd'))
        if n_open > 2 * 20 + 30:
            raise AssertionError(f'{n_open} descriptors')
        # A itself can connect when the newest of them leave
        for x in held:
            x.close()
        connect(bus, A).close()


@test
def descriptors_that_wait_for_a_service_are_bounded():
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        with open(place + '/slow.service', 'w', encoding='utf-8') as f:
            f.write('[D-BUS Service]\nName=users.slow\nExec=/bin/sleep 20\n')
        with start(max_outgoing_unix_fds=4, extra=f'  <servicedir>{place}</servicedir>\n') as bus:
            b = connect(bus, B, fds=True)
            held = [connect(bus, A, fds=True) for _ in range(12)]
            with open('/dev/null', 'rb') as f:
                ask = call('users.slow', '/x', 'com.example', 'M')
                # 128 and 8 times max_outgoing_unix_fds for a user
                serials = [x.send(ask, [f.fileno()] * 16) for x in held]
                equal(held[-1].wait_for(serials[-1]).error_name, FULL)
                n_open = len(os.listdir(f'/proc/{bus.pid}/fd'))
                if n_open > 160 + 40:
                    raise AssertionError(f'{n_open} descriptors')
                b.send(ask, [f.fileno()] * 16)
                equal([m for m in b.drain() if m.kind == ERROR], [])
            works(b, connect(bus, C))


@test
def descriptors_that_the_socket_takes_are_not_refused():
    with start(max_outgoing_unix_fds=64) as bus:
        a, b = connect(bus, A, fds=True), connect(bus, B, fds=True)
        n = 40  # more than a quarter, which strangers can have in a queue
        with open('/dev/null', 'rb') as f:
            os.kill(bus.pid, signal_module.SIGSTOP)  # it finds all of them at once
            for i in range(n):
                a.send(signal('/x', 'com.example', f'S{i}', destination=b.unique), [f.fileno()])
            os.kill(bus.pid, signal_module.SIGCONT)
            a.call('GetId')
            got = [m.member for m in b.drain() if m.member and m.member.startswith('S')]
        equal(got, [f'S{i}' for i in range(n)])


@test
def many_starts_of_one_user_wait_and_those_of_others_do_not():
    n = 90
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        for i in range(n):
            with open(f'{place}/{i}.service', 'w', encoding='utf-8') as f:
                f.write(f'[D-BUS Service]\nName=users.s{i}\nExec=/bin/false\n')
        # a start without a program takes the bus no time, so that many of them are many at once
        for i in range(300):
            with open(f'{place}/w{i}.service', 'w', encoding='utf-8') as f:
                f.write(f'[D-BUS Service]\nName=users.w{i}\n')
        with start(extra=f'  <servicedir>{place}</servicedir>\n') as bus:
            a, b, gone = connect(bus, A), connect(bus, B), connect(bus, A)
            for i in range(300):
                gone.send(call(f'users.w{i}', '/x', 'com.example', 'M'))
            gone.send(bus_call('GetId'))
            wait_until(lambda: 'it lets the bus start very many services' in bus.read_log(), 'a line')
            gone.close()
            serials = [a.send(call(f'users.s{i}', '/x', 'com.example', 'M')) for i in range(n)]
            x = b.send(call('users.s0', '/x', 'com.example', 'M'))
            equal(b.wait_for(x).error_name, 'org.freedesktop.DBus.Error.Spawn.ChildExited')
            errors = {}
            while len(errors) < n:
                m = a.receive()
                errors[m.reply_serial] = m.error_name
            equal(errors, dict.fromkeys(serials, 'org.freedesktop.DBus.Error.Spawn.ChildExited'))


@test
def whoever_has_fewer_connections_than_others_gets_one():
    with start(max_completed_connections=20, max_connections_per_user=20) as bus:
        b, c = connect(bus, B), connect(bus, C)
        held = [connect(bus, A) for _ in range(18)]
        # the places are taken: the newest ones of A give way until B has as many
        more = [connect(bus, B) for _ in range(8)]
        for x in held[10:]:
            equal(x.until_closed()[-1:], [])
        works(b, c)
        works(more[-1], held[9])
        for uid in A, B:
            x = rawbus.Connection(bus.address, uid=uid)
            x.authenticate(hello=False)
            equal(x.wait_for(x.send(bus_call('Hello'))).error_name, FULL)
            x.close()
        wait_until(lambda: 'it has more connections than any other user' in bus.read_log(), 'a line')
        # C has one place, and is a stranger to all others
        connect(bus, C)
        works(b, c)


@test
def subordinate_users_count_as_one():
    if not os.path.exists('/etc/subuid'):
        raise Skip('there is no /etc/subuid')
    with tempfile.TemporaryDirectory() as place:
        with open(place + '/subuid', 'w', encoding='utf-8') as f:
            f.write('alice:200000:65536\nbob:300000:65536\nnonsense\nalice:100000:65536\n')
        # only the bus sees this file
        with open(place + '/bus', 'w', encoding='utf-8') as f:
            f.write('#!/bin/sh\n'
                    f'exec unshare --mount sh -c \'mount --bind {place}/subuid /etc/subuid && '
                    f'exec "$0" "$@"\' {os.path.abspath(daemon_under_test())} "$@"\n')
        os.chmod(place + '/bus', 0o755)
        with start(place + '/bus', max_connections_per_user=3) as bus:
            held = [connect(bus, uid) for uid in (100000, 165535, 200001)]
            for uid in (100000, 200000, 265535, 100001):
                x = rawbus.Connection(bus.address, uid=uid)
                x.authenticate(hello=False)
                equal(x.wait_for(x.send(bus_call('Hello'))).error_name, FULL, uid)
            works(connect(bus, 99999), connect(bus, 300000))
            works(connect(bus, 165536), connect(bus, B))
            held.pop().close()
            wait_until(lambda: can_say_hello(bus, 100002), 'a place')


@test
def answers_that_are_not_read_are_bounded():
    with start() as bus:
        b, c = connect(bus, B), connect(bus, C)
        before = memory(bus)
        data = b''.join(bus_call_bytes(i + 10) for i in range(2000))
        attackers = [connect(bus, A) for _ in range(12)]
        for a in attackers:
            _, stopped = pour_until_stopped(a, data, 20)
            equal(stopped, True, 'the bus stopped reading')
        grown = memory(bus) - before
        if grown > 64 * MIB:
            raise AssertionError(f'{grown // MIB} MiB')
        works(b, c)
        # when they are read, everything goes on
        for a in attackers:
            a.close()
        a = connect(bus, A)
        works(a, b)
        works(b, a)


def bus_call_bytes(serial):
    m = bus_call('ListActivatableNames' if serial % 2 else 'Introspect',
                 interface=BUS if serial % 2 else 'org.freedesktop.DBus.Introspectable')
    m.serial = serial
    return m.encode()


@test
def unfinished_messages_are_bounded():
    with start() as bus:
        b, c = connect(bus, B), connect(bus, C)
        before = memory(bus)
        m = call(b.unique, '/', 'com.example', 'Large', 's', 'x' * (8 * MIB))
        m.serial = 1000
        # all but the last byte
        data = m.encode()[:-1]
        attackers = [connect(bus, A) for _ in range(16)]
        for a in attackers:
            pour_for(a, data, 0.3)
        grown = memory(bus) - before
        if grown > 48 * MIB:
            raise AssertionError(f'{grown // MIB} MiB')
        works(b, c)
        # the one that others of its user wait for is disconnected after 5 s; the rest goes on
        wait_until(lambda: 'a large message without its end' in bus.read_log(), 'a line', 30)
        works(c, b)
        equal(bus.alive(), True, 'the bus')


def pour_for(connection, data, seconds):
    """Sends bytes until this time is over, or all are sent."""
    at, deadline = 0, time.monotonic() + seconds
    while at < len(data) and time.monotonic() < deadline:
        at += pour(connection, data[at:])
        if at < len(data):
            select.select([], [connection.socket], [], 0.05)
    return at


@test
def a_slow_sender_does_not_stall():
    with start() as bus:
        service = connect(bus, C)
        slow, others = connect(bus, A), [connect(bus, A) for _ in range(8)]
        m = call(service.unique, '/', 'com.example', 'Large', 's', 'x' * (20 * MIB))
        m.serial = 1000
        data = m.encode()
        half = 17 * MIB
        pour_for(slow, data[:half], 10)
        for a in others:
            pour_for(a, data[:2 * MIB], 0.3)
        # more than 5 s for the second half
        for i in range(13):
            n = pour_for(slow, data[half:half + 200 * KIB], 5)
            equal(n, 200 * KIB, 'sent')
            half += n
            time.sleep(0.5)
        pour_for(slow, data[half:], 10)
        equal(service.receive().member, 'Large', 'the message')


@test
def names_of_many_that_leave_do_not_stop_the_bus():
    with start(max_names_per_connection=5000, max_match_rules_per_connection=5000) as bus:
        watcher, b, c = connect(bus, B), connect(bus, B), connect(bus, C)
        leaving = [connect(bus, A) for _ in range(8)]
        for i, a in enumerate(leaving):
            for k in range(500):
                a.send(bus_call('RequestName', 'su', f'com.example.N{i}.M{k}', 4))
            a.drain()
        watcher.call('AddMatch', 's', "member='NameOwnerChanged'")
        for a in leaving:
            a.close()
        slowest = max(works(c, b) for _ in range(50))
        print(f'# the slowest call took {slowest * 1000:.1f} ms')
        gone = set()
        wait_until(lambda: c.call('NameHasOwner', 's', 'com.example.N7.M0').body[0] is False,
                   'the names are released')
        while len(gone) < 8 * 500:
            m = watcher.receive()
            if m.member == 'NameOwnerChanged' and m.body[0].startswith('com.example.N'):
                gone.add(m.body[0])
                equal(m.body[2], '', 'the new owner')


@test
def the_log_names_a_user_once_a_minute():
    with start() as bus:
        a, service = connect(bus, A), connect(bus, B)
        fill(a, service, 100 * KIB)
        for _ in range(50):
            a.send(call(service.unique, '/', 'com.example', 'Fill', 's', 'x' * (100 * KIB)))
        a.drain()
        lines = [x for x in bus.read_log().splitlines() if f'User {A} reached a limit' in x]
        equal(len(lines), 1, 'lines')
        equal(f'User {B} ' in bus.read_log(), False, 'B is named')


if __name__ == '__main__':
    os.environ['BUS_DAEMON'] = daemon_under_test()
    main()
