#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of several libraries exchange messages while the bus executes its program again and again

test-reexec-soak.py BUS BUS1CTL SOAK-LIBDBUS SOAK-SD-BUS [--seconds=S] [--times=N] [--clients=N]

soak.h says what the clients send. Nothing may be lost, doubled or reordered. Meanwhile other clients
wait for what the bus remembers: names that they queue for, a reply, a monitor; some are of other
users. What the bus tells of its clients, names and match rules must be the same after each
re-execution. At the end, when nothing is sent any more, the documents of two re-executions must be
the same. Without options, this takes 15 seconds; by hand, for example:

    --seconds=1000000 --times=500 --clients=200
"""

import argparse
import os
import random
import subprocess
import time

import rawbus
from busfixture import Program
from reexecution import DONE, FAILED, Place, count, reexec
from tap import equal, main, test

parser = argparse.ArgumentParser()
parser.add_argument('programs', nargs=4)
parser.add_argument('--seconds', type=float, default=15)
parser.add_argument('--times', type=int, default=1000000)
parser.add_argument('--clients', type=int, default=12)
OPTIONS = parser.parse_args()
BRIDGE, BUS1CTL, LIBDBUS, SD_BUS = (os.path.abspath(x) for x in OPTIONS.programs)
HERE = os.path.dirname(os.path.abspath(__file__))
FAMILIES = [[LIBDBUS], [SD_BUS], [HERE + '/soak-python-dbus.py'], [HERE + '/soak-gio.py']]
MANAGER = 'org.bus1.Bridge1.Manager'
STATS = 'org.freedesktop.DBus.Debug.Stats'
QUEUED, RARE, TICKS = 'com.example.Queued', 'com.example.Rare', 'com.example.Soak'
# each user may have many connections; others may connect
EXTRA = '''<policy context="default"><allow user="*"/></policy>
<limit name="max_connections_per_user">100000</limit>
'''


class Client(Program):
    def __init__(self, bus, number):
        self.name = f'com.example.Soak.C{number}'
        super().__init__([*FAMILIES[number % len(FAMILIES)], self.name], bus.environment(),
                         stdin=subprocess.PIPE)

    def say(self, *words):
        self.process.stdin.write(' '.join(map(str, words)).encode() + b'\n')
        self.process.stdin.flush()

    def answer(self, word):
        """The line that begins with the word, without it."""
        self.wait_output('\n', timeout=120)
        line, _, self.output = self.output.partition('\n')
        words = line.split()
        equal(words[:1], [word], f'{self.name}: {line}')
        return words[1:]

    def check(self):
        equal((self.process.poll(), self.output), (None, ''), self.name)


class Waiting:
    """Clients that do nothing meanwhile, but expect the bus to remember something."""

    def __init__(self, bus):
        self.control = rawbus.Connection(bus.address).authenticate()
        self.queue = [rawbus.Connection(bus.address).authenticate() for _ in range(3)]
        for c in self.queue:
            c.call('RequestName', 'su', QUEUED, 0)
        self.caller, self.callee = (rawbus.Connection(bus.address).authenticate()
                                    for _ in range(2))
        self.serial = self.caller.send(rawbus.call(self.callee.unique, '/', None, 'Wait'))
        self.call = self.callee.receive()
        self.monitor = rawbus.Connection(bus.address).authenticate()
        self.monitor.call('BecomeMonitor', 'asu', [f"interface='{RARE}'"], 0,
                          interface=rawbus.BUS + '.Monitoring')
        uids = [1, 2, 65534] if os.geteuid() == 0 else []
        self.others = [rawbus.Connection(bus.address, uid=uid).authenticate() for uid in uids]
        # these stop within a message: in the fixed part of the header, and later
        self.half = [(self.connect_half(bus, cut), cut) for cut in (5, 50)]
        self.n_rare = 0
        # one that reads so seldom that its socket is full, and the bus has to keep its messages
        self.slow = rawbus.Connection(bus.address).authenticate()
        self.slow.call('AddMatch', 's', f"type='signal',interface='{TICKS}'")
        self.ticks = {}

    def connect_half(self, bus, cut):
        c = rawbus.Connection(bus.address).authenticate()
        c.send_raw(self.half_call().encode()[:cut])
        return c

    @staticmethod
    def half_call():
        m = rawbus.bus_call('GetNameOwner', 's', rawbus.BUS)
        m.serial = 1000
        return m

    def read_ticks(self):
        """Lets the slow one read what there is for it."""
        for m in self.slow.drain():
            if m.interface == TICKS:
                self.ticks[m.sender] = self.ticks.get(m.sender, 0) + 1
                equal(m.body[0], self.ticks[m.sender], m.sender)

    def fill(self):
        """More than what fits into the socket of the slow one: one is half written."""
        self.read_ticks()
        for number in range(1, 31):
            self.control.send(rawbus.signal('/', TICKS, 'Tick', 'us', number, 'x' * 100000,
                                            destination=self.slow.unique))
        self.control.drain()

    def check_monitor(self):
        """The monitor gets the only message for it, once."""
        self.n_rare += 1
        self.control.send(rawbus.signal('/', RARE, 'S', 'u', self.n_rare))
        while True:
            m = self.monitor.receive()
            if m.interface == RARE:
                equal(m.body, (self.n_rare,))
                return

    def end(self):
        self.callee.send(rawbus.reply(self.call, 's', 'at last'))
        equal(self.caller.wait_for(self.serial).body, ('at last',))
        for c, cut in self.half:
            c.send_raw(self.half_call().encode()[cut:])
            equal(c.wait_for(1000).body, (rawbus.BUS,))
        for c, following in zip(self.queue, self.queue[1:]):
            c.call('ReleaseName', 's', QUEUED)
            equal(self.control.call('GetNameOwner', 's', QUEUED).body, (following.unique,))


def ask_about(control, member, names):
    """Calls a method for each name; returns the answers."""
    serials = [control.send(rawbus.bus_call(member, 's', name)) for name in names]
    return [control.wait_for(serial).body[0] for serial in serials]


def snapshot(control):
    """What the bus tells of clients, names and match rules."""
    names = sorted(control.call('ListNames').body[0])
    credentials = ask_about(control, 'GetConnectionCredentials',
                            [name for name in names if name.startswith(':')])
    for one in credentials:
        one.pop('ProcessFD', None)
    return (names, ask_about(control, 'ListQueuedOwners', names), credentials,
            control.call('GetAllMatchRules', interface=STATS).body,
            control.call('GetId').body)


def reexecute(bus, waiting, before):
    reply = waiting.control.call('Reexecute', interface=MANAGER)
    equal((reply.kind, reply.body), (rawbus.RETURN, ()))
    if before:
        equal(snapshot(waiting.control), before)
    waiting.check_monitor()


def add_up(clients):
    """All have stopped. Returns the sums of what each has sent and the others have got."""
    numbers = [[int(word) for word in c.answer('sent')] for c in clients]
    for at, c in enumerate(clients):
        c.say('expect', *[f'{sent[0]} {sent[1 + at]}' for sent in numbers])
    n_fds = sum(int(c.answer('ok')[0]) for c in clients)
    return sum(sum(sent[1:]) for sent in numbers), sum(sent[0] for sent in numbers), n_fds


def document_of(bus, place):
    """What bus1ctl state show prints of the document that a re-execution makes."""
    reexec(bus)
    result = subprocess.run([BUS1CTL, 'state', 'show', place.path + '/document'],
                            capture_output=True, text=True, check=True)
    # Each bus watches the directories of its configuration anew. It has read the service files and
    # the policy anew, too: it announces that with a signal, and may close direct channels.
    anew = {('Process', 'watched'), ('Bus', 'serial'), ('Native', 'era')}
    kind, lines = None, []
    for line in result.stdout.splitlines():
        if line[0].isdigit():
            kind = line.split()[1]
        if (kind, line.split(':')[0].strip()) not in anew:
            lines.append(line)
    return lines


def compare_documents(bus, place):
    place.replace(f'''#!/bin/sh
        for word; do case $word in --check-state=*) fd=${{word#*=}}; esac; done
        [ -z "$fd" ] || cat /proc/self/fd/$fd >{place.path}/document
        exec {BRIDGE} "$@"
        ''')
    reexec(bus)
    before, after = document_of(bus, place), document_of(bus, place)
    equal(len(after), len(before))
    equal([pair for pair in zip(before, after) if pair[0] != pair[1]], [])
    assert [line for line in after if line.startswith('    n_written:') and
            line != '    n_written: 0'], 'no message is half written'
    kinds = [line.split()[1] for line in after if line[0].isdigit()]
    assert {'Output', 'Message', 'Replies', 'Monitors', 'Name', 'Rules'} <= set(kinds), kinds
    return len(after)


@test
def nothing_is_lost_doubled_or_reordered():
    clients = []
    with Place(BRIDGE) as place, place.bus(EXTRA) as bus:
        try:
            soak(place, bus, clients)
        finally:
            for c in clients:
                c.stop()
                c.process.stdin.close()


def soak(place, bus, clients):
    clients += [Client(bus, number) for number in range(OPTIONS.clients)]
    unique = [c.answer('ready')[0] for c in clients]
    waiting = Waiting(bus)
    for c in clients:
        c.say('know', *unique)
    for c in clients:
        c.answer('known')
    before = snapshot(waiting.control)
    for c in clients:
        c.say('go')

    end = time.monotonic() + OPTIONS.seconds
    times = 0
    while times < OPTIONS.times and time.monotonic() < end:
        reexecute(bus, waiting, before)
        times += 1
        if times % 16 == 0:
            waiting.read_ticks()
        for c in clients:
            c.check()
        time.sleep(random.random() * 0.05)

    for c in clients:
        c.say('stop')
    n_calls, n_ticks, n_fds = add_up(clients)
    equal(snapshot(waiting.control), before)
    waiting.fill()
    n_lines = compare_documents(bus, place)
    waiting.end()
    waiting.read_ticks()
    equal(waiting.ticks.pop(waiting.control.unique), 30)
    equal(sum(waiting.ticks.values()), n_ticks)
    equal((count(bus, FAILED), count(bus, DONE)), (0, times + 3))
    print(f'# {times} re-executions, {len(clients)} clients, {n_calls} calls with their answers, '
          f'{n_fds} descriptors, {n_ticks} signals to {len(clients)} clients each; '
          f'{n_lines} lines of the document are the same')
    assert n_fds > 0 and n_ticks > 0


main(only=[])
