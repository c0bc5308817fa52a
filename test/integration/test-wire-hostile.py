#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Clients that try to stop or block the bus, or to make it use much memory. These tests run the
# daemon under test alone: some of them would fill the memory of the reference.

import os
import socket
import tempfile
import time

import rawbus
from busfixture import Bus, daemon_under_test
from rawbus import NO_REPLY, Connection, bus_call, call, signal
from tap import contains, equal, main, test

DAEMON = daemon_under_test()
MONITORING = rawbus.BUS + '.Monitoring'
STATS = rawbus.BUS + '.Debug.Stats'
MIB = 1024 * 1024
SESSION_LIMITS = ''.join(f'  <limit name="{k}">{v}</limit>\n' for k, v in (
    ('max_match_rules_per_connection', 50000), ('max_names_per_connection', 50000),
    ('max_replies_per_connection', 50000), ('max_incomplete_connections', 10000),
    ('max_outgoing_bytes', 1000000000), ('max_completed_connections', 100000),
    ('max_connections_per_user', 100000)))


def connect(bus, **kw):
    return Connection(bus.address).authenticate(**kw)


def resident(bus):
    """The memory that the daemon uses, in bytes."""
    with open(f'/proc/{bus.pid}/statm') as f:
        return int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def is_instrumented(bus):
    with open(f'/proc/{bus.pid}/maps') as f:
        return 'libasan' in f.read() or 'BUS_UNDER_VALGRIND' in os.environ


def batch(c, messages):
    """Returns the bytes of many messages."""
    data = b''
    for m in messages:
        c.serial += 1
        m.serial = c.serial
        data += m.encode()
    return data


def send_without_reading(c, data):
    """Sends until the socket takes nothing for a while; returns how much it took."""
    c.socket.setblocking(False)
    sent, deadline = 0, time.monotonic() + 0.5
    try:
        while sent < len(data) and time.monotonic() < deadline:
            try:
                sent += c.socket.send(memoryview(data)[sent:])
                deadline = time.monotonic() + 0.5
            except BlockingIOError:
                time.sleep(0.01)
    finally:
        c.socket.settimeout(rawbus.TIMEOUT)
    return sent


@test
def answers_that_are_not_read_stop_the_caller():
    # each call of a few bytes has an answer of a megabyte
    with Bus(extra=SESSION_LIMITS) as bus:
        a, b = connect(bus), connect(bus)
        for i in range(20):
            a.send_raw(batch(a, (bus_call('AddMatch', 's', f"arg0='{i}-{j}".ljust(1000, 'x') + "'",
                                          flags=NO_REPLY) for j in range(50))))
        a.drain()
        before = resident(bus)
        n = 2000
        data = batch(a, (bus_call('GetAllMatchRules', interface=STATS) for _ in range(n)))
        rest = data[send_without_reading(a, data):]
        connect(bus).close()
        if not is_instrumented(bus):
            grown = resident(bus) - before
            assert grown < 100 * MIB, f'{grown // MIB} MiB'
        # a client that reads again gets all answers
        answers = 0
        while answers < 100:
            answers += a.receive().kind == rawbus.RETURN
        assert bus.alive()
        b.drain()
        equal(len(rest) <= len(data), True)


@test
def every_call_is_answered_after_a_pause():
    with Bus(extra=SESSION_LIMITS) as bus:
        a = connect(bus)
        for i in range(20):
            a.send_raw(batch(a, (bus_call('AddMatch', 's', f"arg0='{i}-{j}".ljust(1000, 'x') + "'",
                                          flags=NO_REPLY) for j in range(50))))
        a.drain()
        first = a.serial + 1
        data = batch(a, (bus_call('GetAllMatchRules', interface=STATS) for _ in range(60)))
        sent = send_without_reading(a, data)
        equal(sent, len(data), 'bytes that fit into the socket')
        for i in range(60):
            equal(a.receive().reply_serial, first + i)
        equal(a.drain(), [])


@test
def a_monitor_that_does_not_read_costs_a_queue():
    with Bus(extra='  <limit name="max_outgoing_bytes">1000000</limit>\n') as bus:
        m, a = connect(bus), connect(bus)
        m.call('BecomeMonitor', 'asu', [], 0, interface=MONITORING)
        text = 'com.example.' + 'x' * 200
        before = resident(bus)
        for _ in range(100):
            a.send_raw(batch(a, (bus_call('GetNameOwner', 's', text) for _ in range(200))))
            a.drain()
        if not is_instrumented(bus):
            grown = resident(bus) - before
            assert grown < 12 * MIB, f'{grown // 1024} KiB'


@test
def notices_that_others_cause_are_bounded():
    with Bus() as bus:
        a, b = connect(bus), connect(bus)
        a.call('RequestName', 'su', 'com.example.Name', 1)
        before = resident(bus)
        turns = batch(b, [bus_call('RequestName', 'su', 'com.example.Name', 2, flags=NO_REPLY),
                          bus_call('ReleaseName', 's', 'com.example.Name', flags=NO_REPLY)] * 500)
        for _ in range(70):  # 70,000 notices for a; b reads its own
            b.send_raw(turns)
            b.drain()
        if not is_instrumented(bus):
            grown = resident(bus) - before
            assert grown < 200 * MIB, f'{grown // MIB} MiB'
        contains(bus.read_log(), 'does not read')
        equal(b.call('ListNames').body[0].count(a.unique), 0)


@test
def native_sessions_are_for_users_that_are_known():
    # an anonymous client with a session would count as the user of its socket, although it did not
    # authenticate as this user
    with Bus(extra='  <auth>ANONYMOUS</auth>\n') as bus:
        a = Connection(bus.address)
        a.send_raw(b'\0AUTH ANONYMOUS\r\nNEGOTIATE_BUS1 hosted\r\nBEGIN\r\n')
        contains(a.line(), 'OK')
        contains(a.line(), 'ERROR')
        equal(a.until_closed(), [])  # there is no <allow_anonymous/>


@test
def who_will_not_read_again_has_to_leave():
    with Bus() as bus:
        a, b = connect(bus), connect(bus)
        a.call('RequestName', 'su', 'com.example.Name', 0)
        a.socket.shutdown(socket.SHUT_RD)
        answer = b.wait_for(b.send(call('com.example.Name', '/x', 'com.example', 'M')))
        equal(answer.error_name, rawbus.BUS + '.Error.NoReply')
        equal(b.call('NameHasOwner', 's', 'com.example.Name').body, (False,))


@test
def what_was_said_before_leaving_is_heard():
    with Bus() as bus:
        a, b = connect(bus), connect(bus)
        b.call('AddMatch', 's', "interface='com.example'")
        signals = batch(a, (signal('/x', 'com.example', 'M', 's', 'x' * 1000)
                            for _ in range(100)))
        a.send_raw(batch(a, (bus_call('GetId') for _ in range(100))) + signals)
        a.close()
        for _ in range(100):
            while b.receive().member != 'M':
                pass


LOGGED_POLICY = '''<policy context="default"><deny send_interface="com.example.Denied"/>
    <allow send_interface="com.example.Logged" log="true"/></policy>'''


@test
def denials_do_not_flood_the_log():
    with Bus(extra=LOGGED_POLICY) as bus:
        a = connect(bus)
        for _ in range(20):
            a.send_raw(batch(a, (call(a.unique, '/x', 'com.example.Denied', 'M', flags=NO_REPLY)
                                 for _ in range(100))))
            a.drain()
        n = len(bus.read_log().splitlines())
        assert 100 <= n < 400, f'{n} lines'
        time.sleep(0.3)
        a.send(call(a.unique, '/x', 'com.example.Logged', 'M', flags=NO_REPLY))
        a.drain()
        contains(bus.read_log(), 'suppressed', 'Allowed send message', 'log="true"')


@test
def services_that_fail_do_not_flood_the_log():
    with tempfile.TemporaryDirectory() as services:
        with open(services + '/com.example.Fails.service', 'w') as f:
            f.write('[D-BUS Service]\nName=com.example.Fails\nExec=/bin/false\n')
        with Bus(extra=f'<servicedir>{services}</servicedir>') as bus:
            a = connect(bus)
            begin = time.monotonic()
            for _ in range(400):
                m = a.call('StartServiceByName', 'su', 'com.example.Fails', 0)
                equal(m.error_name, rawbus.BUS + '.Error.Spawn.ChildExited')
            n = len(bus.read_log().splitlines())
            # the bus logs two lines about each failure, and one with the number of suppressed lines
            assert 100 <= n < 110 + 2 * 5 * (time.monotonic() - begin), f'{n} lines'


if __name__ == '__main__':
    main()
