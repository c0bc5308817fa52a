#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bus executes its program again while clients own names, and wait for answers and services

test-reexec-waiting.py BUS
"""

import os
import shutil
import signal
import sys
import tempfile
import time

import rawbus
from busfixture import Bus, wait_until
from tap import contains, equal, main, test

BRIDGE = os.path.abspath(sys.argv[1])
DONE = 'The message bus has executed its program again'
FAILED = 'The message bus does not execute its program again'
SERVICE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'service-activated.py')
NAME = 'com.example.Name'
SERVED = 'com.example.S'


def reexec(bus):
    """Returns when the next program serves."""
    done = bus.read_log().count(DONE)
    bus.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: bus.read_log().count(DONE) > done or FAILED in bus.read_log() or
               not bus.alive(), 'the execution')
    equal(FAILED in bus.read_log(), False, bus.read_log())
    assert bus.alive(), bus.read_log()


def connect(bus):
    c = rawbus.Connection(bus.address).authenticate()
    c.take()
    return c


def request(c, flags):
    return c.call('RequestName', 'su', NAME, flags).body[0]


def is_signal(m, member, *args):
    equal((m.member, tuple(m.body)), (member, args))


class Services:
    """A directory with the file of one service."""

    def __init__(self, command):
        self.path = tempfile.mkdtemp(prefix='bus-reexec-')
        with open(f'{self.path}/s.service', 'w', encoding='utf-8') as f:
            f.write(f'[D-BUS Service]\nName={SERVED}\nExec={command}\n')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def bus(self, extra=''):
        return Bus(BRIDGE, extra=f'<servicedir>{self.path}</servicedir>{extra}')


def child_of(bus):
    with open(f'/proc/{bus.pid}/task/{bus.pid}/children', encoding='ascii') as f:
        return [int(x) for x in f.read().split()]


@test
def names_go_to_the_next_in_the_queue():
    with Bus(BRIDGE) as bus:
        a, b, c = (connect(bus) for _ in range(3))
        equal([request(x, flags) for x, flags in ((a, 1), (b, 0), (c, 1))], [1, 2, 2])
        reexec(bus)
        equal(a.call('ListQueuedOwners', 's', NAME).body[0], [a.unique, b.unique, c.unique])
        a.take()  # NameAcquired
        equal(request(c, 3), 1)  # a lets itself be replaced, as it said before
        is_signal(a.receive(), 'NameLost', NAME)
        reexec(bus)
        equal(b.call('ListQueuedOwners', 's', NAME).body[0], [c.unique, a.unique, b.unique])
        b.take()
        c.close()
        is_signal(a.receive(), 'NameAcquired', NAME)
        a.close()
        is_signal(b.receive(), 'NameAcquired', NAME)


@test
def rules_and_monitors_go_on():
    with Bus(BRIDGE) as bus:
        a, b, monitor = (connect(bus) for _ in range(3))
        # the bus shows this rule with more characters than a client may send
        rule = "type='signal',arg0=" + "\\'" * 400
        for _ in range(2):
            a.call('AddMatch', 's', rule)
        monitor.call('BecomeMonitor', 'asu', ["member='Said'"], 0,
                     interface='org.freedesktop.DBus.Monitoring')
        is_signal(monitor.receive(), 'NameLost', monitor.unique)
        rules = b.call('GetAllMatchRules', interface='org.freedesktop.DBus.Debug.Stats').body
        for left in (1, 0, None):
            reexec(bus)
            if left == 1:
                equal(b.call('GetAllMatchRules',
                             interface='org.freedesktop.DBus.Debug.Stats').body, rules)
            b.send(rawbus.signal('/', 'com.example.I', 'Said', 's', "'" * 400))
            b.call('GetId')
            is_signal(monitor.receive(), 'Said', "'" * 400)
            if left is not None:
                is_signal(a.receive(), 'Said', "'" * 400)
                a.call('RemoveMatch', 's', rule)
        equal(a.call('RemoveMatch', 's', rule).fields[rawbus.ERROR_NAME],
              'org.freedesktop.DBus.Error.MatchRuleNotFound')


@test
def answers_come_to_their_calls():
    with Bus(BRIDGE, extra='<limit name="reply_timeout">3000</limit>') as bus:
        a, b, c = (connect(bus) for _ in range(3))
        began = time.monotonic()
        serials = [a.send(rawbus.call(b.unique, '/', 'com.example.I', 'M')) for _ in range(3)]
        to_c = a.send(rawbus.call(c.unique, '/', 'com.example.I', 'M'))
        calls = [b.receive() for _ in range(3)]
        c.receive()
        reexec(bus)
        b.send(rawbus.reply(calls[1], 's', 'answer'))
        equal(a.wait_for(serials[1]).body, ('answer',))
        # an answer to a call that was never sent
        calls[0].serial += 1000
        b.send(rawbus.reply(calls[0], 's', 'wrong'))
        c.close()
        contains(a.wait_for(to_c).fields[rawbus.ERROR_NAME], 'NoReply')
        reexec(bus)
        for i in (0, 2):
            contains(a.wait_for(serials[i]).fields[rawbus.ERROR_NAME], 'NoReply')
        passed = time.monotonic() - began
        assert 2.9 < passed < 20, passed
        equal(a.take(), [])


@test
def calls_wait_for_a_service_that_starts():
    command = f"/bin/sh -c 'sleep 3; exec {sys.executable} {SERVICE} {SERVED}'"
    with Services(command) as services, services.bus() as bus:
        a, b = connect(bus), connect(bus)
        called = a.send(rawbus.call(SERVED, '/', 'com.example.I', 'Echo', 's', 'one'))
        started = b.send(rawbus.bus_call('StartServiceByName', 'su', SERVED, 0))
        b.send(rawbus.call(SERVED, '/', 'com.example.I', 'Echo', 's', 'lost'))
        wait_until(lambda: child_of(bus), 'the program')
        children = child_of(bus)
        for _ in range(3):
            reexec(bus)
            equal(child_of(bus), children)
        equal(b.wait_for(started).body, (1,))
        equal(a.wait_for(called).kind, rawbus.RETURN)
        reexec(bus)
        # the program has nobody who waits for it any more, but the bus does
        os.kill(children[0], signal.SIGKILL)
        wait_until(lambda: not child_of(bus), 'the end of the program')


@test
def failures_of_a_service_are_told():
    with Services("/bin/sh -c 'sleep 1.5; exit 7'") as services, services.bus() as bus:
        a = connect(bus)
        called = a.send(rawbus.call(SERVED, '/', 'com.example.I', 'M'))
        wait_until(lambda: child_of(bus), 'the program')
        reexec(bus)
        answer = a.wait_for(called)
        equal(answer.fields[rawbus.ERROR_NAME], 'org.freedesktop.DBus.Error.Spawn.ChildExited')
        contains(answer.body[0], 'status 7')
        equal(child_of(bus), [])


@test
def program_that_is_too_slow_is_killed():
    with Services('/bin/sleep 100') as services, \
            services.bus('<limit name="service_start_timeout">2500</limit>') as bus:
        a = connect(bus)
        began = time.monotonic()
        called = a.send(rawbus.call(SERVED, '/', 'com.example.I', 'M'))
        wait_until(lambda: child_of(bus), 'the program')
        reexec(bus)
        equal(a.wait_for(called).fields[rawbus.ERROR_NAME], 'org.freedesktop.DBus.Error.TimedOut')
        assert time.monotonic() - began > 2.4
        wait_until(lambda: not child_of(bus), 'the end of the program')


@test
def services_that_come_meanwhile_are_announced():
    with Services('/bin/true') as services, services.bus() as bus:
        a = connect(bus)
        a.call('AddMatch', 's', "member='ActivatableServicesChanged'")
        a.take()
        # the bus notices the file, or the next one reads it
        with open(f'{services.path}/new.service', 'w', encoding='utf-8') as f:
            f.write('[D-BUS Service]\nName=com.example.New\nExec=/bin/true\n')
        reexec(bus)
        is_signal(a.receive(), 'ActivatableServicesChanged')
        equal('com.example.New' in a.call('ListActivatableNames').body[0], True)


main(only=sys.argv[2:])
