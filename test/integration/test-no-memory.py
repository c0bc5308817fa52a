#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A bus whose allocations fail: each Nth one, for many N. The message or client that needed the
# memory may be lost, but the bus goes on, and other clients notice nothing.
#
#   test-no-memory.py BUS FAILING-MALLOC

import os
import re
import signal
import sys
import time

from busfixture import Bus, clean_environment, daemon_under_test, end
from rawbus import BUS, NO_REPLY, Closed, Connection, call
from rawbus import signal as signal_message
from tap import equal, main, test

DAEMON = daemon_under_test()
FAILING_MALLOC = os.path.abspath(sys.argv.pop(1))
STATS, INTROSPECTABLE = BUS + '.Debug.Stats', BUS + '.Introspectable'
MONITORING = BUS + '.Monitoring'
NS = [*range(1, 40), 53, 67, 101, 167, 251, 499, 997, 1999]
ROUNDS = 10

CALLS = [
    ('AddMatch', 's', "member='Own',arg0='x',arg1path='/a/'"), ('RequestName', 'su', 'a.b', 0),
    ('ListNames',), ('ListQueuedOwners', 's', 'a.b'), ('GetId',), ('NameHasOwner', 's', 'x.y'),
    ('GetConnectionCredentials', 's', BUS), ('StartServiceByName', 'su', 'no.such', 0),
    ('UpdateActivationEnvironment', 'a{ss}', {'A': 'b'}), ('ReloadConfig',),
    ('ReleaseName', 's', 'a.b'), ('RemoveMatch', 's', "member='Own',arg0='x',arg1path='/a/'"),
]
OTHER_CALLS = [('GetStats', STATS), ('GetAllMatchRules', STATS), ('Introspect', INTROSPECTABLE)]


def work(bus, to):
    """Does what clients do. Raises Closed if the bus drops the client."""
    c = Connection(bus.address)
    try:
        c.authenticate()
        for member, *args in CALLS:
            c.call(member, *args)
        for member, interface in OTHER_CALLS:
            c.call(member, interface=interface)
        c.send(signal_message('/x', 'com.example', 'Unknown'))
        c.send(call(to, '/x', 'com.example', 'Unknown', flags=NO_REPLY))
        c.call('RequestName', 'su', 'a.b', 0)
        c.call('BecomeMonitor', 'asu', ["member='X'", "member='Y'"], 0, interface=MONITORING)
    finally:
        c.close()


def run(n):
    environment = clean_environment(LD_PRELOAD=FAILING_MALLOC, FAIL_EVERY=str(n))
    bus = Bus(DAEMON, env=environment)
    watcher, owner = Connection(bus.address), Connection(bus.address)
    watcher.authenticate().call('AddMatch', 's', "member='Own'")
    owner.authenticate().call('RequestName', 'su', 'by.stander', 0)
    for c in (watcher, owner):
        c.take()

    bus.process.send_signal(signal.SIGUSR1)
    time.sleep(0.01)
    for _ in range(ROUNDS):
        try:
            work(bus, owner.unique)
        except (Closed, ConnectionError, AssertionError, TypeError):
            pass
        assert bus.alive(), f'N={n}: {bus.read_log()}'
    bus.process.send_signal(signal.SIGWINCH)
    time.sleep(0.01)

    # all is as before
    work(bus, owner.unique)
    equal(watcher.take(), [])
    owner.send(signal_message('/x', 'com.example', 'Own'))
    equal(watcher.receive().member, 'Own')
    equal(watcher.call('GetNameOwner', 's', 'by.stander').body, (owner.unique,))
    equal(watcher.call('NameHasOwner', 's', 'a.b').body, (False,))
    watcher.close()
    owner.close()
    status = end(bus.process)
    log = bus.read_log()
    bus.stop()
    equal(status, 0, f'N={n}: {log}')
    failed = int(re.search('allocations failed: ([0-9]+)', log).group(1))
    assert failed > 0 or n > 200, f'N={n}: nothing has failed'


@test
def allocations_fail_and_the_bus_goes_on():
    for n in NS:
        run(n)


main()
