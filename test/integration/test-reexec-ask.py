#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The method Reexecute of the bus, and bus1ctl reexec: who is answered what, and by which program

test-reexec-ask.py BUS OLDER BUS1CTL, where OLDER is a bus that reads no state document.
"""

import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys

import rawbus
from busfixture import REFERENCE, TIMEOUT, Bus, wait_until
from reexecution import DONE, FAILED, Place, count, reexec
from tap import Skip, contains, equal, main, test

BRIDGE, OLDER, BUS1CTL = (os.path.abspath(x) for x in sys.argv[1:4])
MANAGER = 'org.bus1.Bridge1.Manager'
ERROR = rawbus.BUS + '.Error.'


def connect(bus, **more):
    return rawbus.Connection(bus.address, **more).authenticate()


def send_request(c, flags=0):
    return c.send(rawbus.bus_call('Reexecute', interface=MANAGER, flags=flags))


def fails(reply, *parts):
    equal((reply.kind, reply.error_name), (rawbus.ERROR, ERROR + 'Failed'))
    contains(reply.body[0], FAILED, *parts)


def wait_for_check(bus):
    path = f'/proc/{bus.pid}/task/{bus.pid}/children'
    wait_until(lambda: open(path, encoding='ascii').read(), 'the check')


def sleep_then_run(place):
    place.replace('#!/bin/sh\ncase "$*" in *--check-state*) sleep 1;; esac\n'
                  f'exec {BRIDGE} "$@"\n')


@test
def the_new_program_answers():
    with Place(BRIDGE) as place, place.bus() as bus:
        place.restore()
        c, other = connect(bus), connect(bus)
        for i in range(3):
            serial = send_request(c)
            # the next call waits behind it, as behind each deferred answer
            following = c.send(rawbus.bus_call('GetNameOwner', 's', c.unique))
            reply = c.receive()
            equal((reply.kind, reply.reply_serial, reply.signature), (rawbus.RETURN, serial, ''))
            equal(count(bus, DONE), i + 1)
            equal(os.readlink(f'/proc/{bus.pid}/exe'), place.program)
            equal(c.wait_for(following).body, (c.unique,))
        equal(other.call('GetNameOwner', 's', other.unique).body, (other.unique,))
        equal(bus.read_log().count(FAILED), 0)


@test
def it_can_be_introspected():
    with Place(BRIDGE) as place, place.bus() as bus:
        c = connect(bus)
        text = c.call('Introspect', interface=rawbus.BUS + '.Introspectable').body[0]
        contains(text, f'<interface name="{MANAGER}">', '<method name="Reexecute">')
        contains(subprocess.run([BRIDGE, '--introspect'], capture_output=True, text=True,
                                check=True).stdout, f'<interface name="{MANAGER}">')
        interfaces = c.call('Get', 'ss', rawbus.BUS, 'Interfaces',
                            interface=rawbus.BUS + '.Properties').body[0]
        contains(interfaces, MANAGER)
        # arguments, and another object
        reply = c.call('Reexecute', 's', 'x', interface=MANAGER)
        equal(reply.error_name, ERROR + 'InvalidArgs')
        reply = c.wait_for(c.send(rawbus.bus_call('Reexecute', interface=MANAGER, path='/')))
        equal(reply.error_name, ERROR + 'UnknownInterface')
        equal(bus.read_log().count(DONE), 0)


@test
def a_failed_check_is_an_error():
    with Place(BRIDGE) as place, place.bus() as bus:
        c = connect(bus)
        place.replace('#!/bin/sh\nexit 3\n')
        fails(c.call('Reexecute', interface=MANAGER),
              f'{place.program} refuses to take over (exit status 3)')
        place.replace('no program\n')
        fails(c.call('Reexecute', interface=MANAGER), 'Exec format error')
        shutil.copy(OLDER, place.program + '.new')
        os.rename(place.program + '.new', place.program)
        fails(c.call('Reexecute', interface=MANAGER), 'refuses to take over')
        place.restore()
        equal(c.call('Reexecute', interface=MANAGER).kind, rawbus.RETURN)


@test
def a_failed_document_is_an_error():
    with Place(BRIDGE) as place, place.bus() as bus:
        c = connect(bus)
        limit = resource.prlimit(bus.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(bus.pid, resource.RLIMIT_NOFILE, (4, limit[1]))
        fails(c.call('Reexecute', interface=MANAGER), 'Too many open files')
        # the second document: the check has succeeded
        resource.prlimit(bus.pid, resource.RLIMIT_NOFILE, limit)
        sleep_then_run(place)
        serial = send_request(c)
        wait_for_check(bus)
        resource.prlimit(bus.pid, resource.RLIMIT_NOFILE, (4, limit[1]))
        fails(c.wait_for(serial), 'Too many open files')
        resource.prlimit(bus.pid, resource.RLIMIT_NOFILE, limit)
        equal(c.call('Reexecute', interface=MANAGER).kind, rawbus.RETURN)


@test
def a_failed_execution_is_an_error():
    """The check succeeds, but the file has gone when the bus executes it."""
    with Place(BRIDGE) as place, place.bus() as bus:
        c = connect(bus)
        place.replace(f'''#!/bin/sh
            {BRIDGE} "$@" && rm {place.program}
            ''')
        fails(c.call('Reexecute', interface=MANAGER), 'No such file or directory')
        place.restore()
        equal(c.call('Reexecute', interface=MANAGER).kind, rawbus.RETURN)


@test
def a_program_that_gives_the_bus_back_is_an_error():
    with Place(BRIDGE) as place, place.bus() as bus:
        c = connect(bus)
        place.replace(f'''#!/bin/sh
            case "$*" in *--check-state*) exit 0;; esac
            exec {OLDER} "$@"
            ''')
        fails(c.call('Reexecute', interface=MANAGER), 'could not take over')
        equal(count(bus, DONE), 1)  # by the program of before
        place.restore()
        equal(c.call('Reexecute', interface=MANAGER).kind, rawbus.RETURN)


@test
def several_callers_share_one():
    with Place(BRIDGE) as place, place.bus() as bus:
        callers = [connect(bus) for _ in range(20)]
        sleep_then_run(place)
        serials = [send_request(c) for c in callers[:10]]
        wait_for_check(bus)
        bus.process.send_signal(signal.SIGUSR2)
        serials += [send_request(c) for c in callers[10:]]
        for c, serial in zip(callers, serials):
            equal(c.wait_for(serial).kind, rawbus.RETURN)
        equal(count(bus, DONE), 1)
        # and they share a failure
        place.replace('#!/bin/sh\nsleep 1\nexit 3\n')
        serials = [send_request(c) for c in callers]
        for c, serial in zip(callers, serials):
            fails(c.wait_for(serial), 'exit status 3')
        equal((count(bus, DONE), count(bus, FAILED)), (1, 1))


@test
def callers_leave():
    with Place(BRIDGE) as place, place.bus() as bus:
        for how in 'done', 'failed':
            if how == 'done':
                sleep_then_run(place)
            else:
                place.replace('#!/bin/sh\nsleep 1\nexit 3\n')
            some = [connect(bus) for _ in range(6)]
            serials = [send_request(c) for c in some]
            wait_for_check(bus)
            for c in some[::2]:
                c.close()
            # one becomes a monitor meanwhile: it cannot, because its call waits behind
            monitor = some[1].send(rawbus.bus_call('BecomeMonitor', 'asu', [], 0,
                                                   interface=rawbus.BUS + '.Monitoring'))
            for c, serial in zip(some[1::2], serials[1::2]):
                reply = c.wait_for(serial)
                if how == 'done':
                    equal(reply.kind, rawbus.RETURN)
                else:
                    fails(reply, 'exit status 3')
            equal(some[1].wait_for(monitor).kind, rawbus.RETURN)
            for c in some[1::2]:
                c.close()
        equal((count(bus, DONE), count(bus, FAILED)), (1, 1))


@test
def nobody_waits_for_the_answer():
    with Place(BRIDGE) as place, place.bus() as bus:
        c = connect(bus)
        send_request(c, flags=rawbus.NO_REPLY)
        following = c.send(rawbus.bus_call('GetId'))
        reply = c.receive()
        equal((reply.kind, reply.reply_serial), (rawbus.RETURN, following))
        wait_until(lambda: count(bus, DONE) == 1, 'the execution')


@test
def the_bus_ends_meanwhile():
    with Place(BRIDGE) as place, place.bus() as bus:
        c = connect(bus)
        # exec: another process would have copies of the sockets
        place.replace('#!/bin/sh\nexec sleep 1000\n')
        send_request(c)
        wait_for_check(bus)
        bus.process.send_signal(signal.SIGTERM)
        try:
            raise AssertionError(c.receive())
        except rawbus.Closed:
            pass
        equal(bus.process.wait(TIMEOUT), 0)


@test
def others_may_not():
    if os.geteuid() != 0:
        raise Skip('only root can be another user')
    nobody, daemon = pwd.getpwnam('nobody').pw_uid, pwd.getpwnam('daemon').pw_uid
    policy = '<policy context="default"><allow user="*"/></policy>'
    with Place(BRIDGE) as place, place.bus(f'<user>nobody</user>{policy}') as bus:
        os.chown(bus.directory, nobody, nobody)
        c = connect(bus, uid=daemon)
        reply = c.call('Reexecute', interface=MANAGER)
        equal(reply.error_name, ERROR + 'AccessDenied')
        equal(count(bus, DONE), 0)
        for uid in 0, nobody:
            equal(connect(bus, uid=uid).call('Reexecute', interface=MANAGER).kind, rawbus.RETURN)
        equal(count(bus, DONE), 2)
        equal(c.call('GetConnectionUnixUser', 's', c.unique).body, (daemon,))


def bus1ctl(*args, env=None):
    result = subprocess.run([BUS1CTL, 'reexec', *args], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60, env=env)
    return result.returncode, result.stdout, result.stderr


@test
def bus1ctl_waits_for_the_end():
    with Place(BRIDGE) as place, place.bus() as bus:
        c = connect(bus)
        sleep_then_run(place)
        equal(bus1ctl('--address', bus.address), (0, '', ''))
        equal(count(bus, DONE), 1)
        equal(bus1ctl('--session', env=bus.environment()), (0, '', ''))
        equal(bus1ctl(env=bus.environment(DBUS_SYSTEM_BUS_ADDRESS=bus.address)), (0, '', ''))
        equal(count(bus, DONE), 3)
        place.replace('#!/bin/sh\nexit 3\n')
        status, output, errors = bus1ctl('--address', bus.address)
        equal((status, output), (1, ''))
        contains(errors, 'bus1ctl: ' + FAILED, 'refuses to take over (exit status 3)')
        equal(c.call('GetNameOwner', 's', c.unique).body, (c.unique,))


@test
def bus1ctl_cannot_ask():
    with Place(BRIDGE) as place, place.bus() as bus:
        for args, why in ((['x'], 'takes no arguments'), (['--nonsense'], '--nonsense'),
                          (['--address', f'unix:path={place.path}/none'], 'cannot connect to')):
            status, output, errors = bus1ctl(*args)
            equal((status, output), (2, ''))
            contains(errors, why)
        equal(count(bus, DONE), 0)
    denied = ('<policy context="mandatory">'
              f'<deny send_destination="{rawbus.BUS}" send_interface="{MANAGER}"/></policy>')
    with Place(BRIDGE) as place, place.bus(denied) as bus:
        status, output, errors = bus1ctl('--address', bus.address)
        equal((status, output), (2, ''))
        contains(errors, 'only root and the user that the bus runs as', MANAGER)
        equal(count(bus, DONE), 0)
        reexec(bus)  # a signal needs no policy


@test
def bus1ctl_knows_another_bus():
    if not os.path.exists(REFERENCE):
        raise Skip('there is no dbus-daemon')
    # a policy like that of the system bus denies the interface before the bus can look for it
    for extra in ('', f'<policy context="mandatory"><deny send_destination="{rawbus.BUS}" '
                      f'send_interface="{MANAGER}"/></policy>'):
        with Bus(REFERENCE, extra=extra) as bus:
            status, output, errors = bus1ctl('--address', bus.address)
            equal((status, output), (2, ''))
            contains(errors, f'the bus has no {MANAGER}: it is another bus than bus1-bridge')


main(only=sys.argv[4:])
