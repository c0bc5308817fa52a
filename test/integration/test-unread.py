#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that leave while calls are on their way to them: the bus sends a call again that the
# service has certainly not read, and no other. dbus-daemon sends none again.
#
#   BUS_TEST_CALLS=100000 test/integration/test-unread.py build/bridge/bus1-bridge [test...]

import contextlib
import multiprocessing
import os
import select
import socket
import subprocess
import sys

import rawbus
from busfixture import TIMEOUT, daemon_under_test, is_reference
from rawbus import CALL, ERROR, NO_AUTO_START, NO_REPLY, RETURN, bus_call, call, reply
from tap import Skip, equal, main, test
from transcript import Stage

HERE = os.path.dirname(os.path.abspath(__file__))
DAEMON = daemon_under_test()
LOSES = is_reference(DAEMON)
N_CALLS = int(os.environ.get('BUS_TEST_CALLS', '2000'))
NAME, OTHER, INTERFACE = 'com.example.Idle', 'com.example.Other', 'org.example.Interface'
NO_REPLY_ERROR = 'org.freedesktop.DBus.Error.NoReply'
# a few of these fill a socket
FULL = 64 * 1024


# The start of this service does nothing: the bus waits until somebody takes the name. dbus-daemon
# demands a program.
WAITS = 'Exec=/bin/true\n' if LOSES else ''


@contextlib.contextmanager
def stage(extra='', service=WAITS):
    """A bus that can start NAME."""
    s = Stage(DAEMON, extra=extra, services={NAME: service})
    try:
        yield s
    finally:
        for c in s.connections:
            c.close()
        equal(s.bus.stop(), 0)


def take_name(s, name=NAME, flags=0, **kw):
    c = s.connect('owner', **kw)
    c.call('RequestName', 'su', name, flags)
    return c


def send(c, member, *args, name=NAME, signature='', flags=0, fds=()):
    """Sends a call, and waits until the bus has routed it."""
    serial = c.send(call(name, '/', INTERFACE, member, signature, *args, flags=flags),
                    fds=fds)
    c.call('GetId')
    return serial


def expect_call(owner, member):
    while True:
        m = owner.receive()
        if m.kind == CALL:
            equal(m.member, member)
            return m


def expect_answer(owner, caller, member, serial):
    owner.send(reply(expect_call(owner, member)))
    equal(caller.wait_for(serial).kind, RETURN)


def expect_lost(caller, serial):
    equal(caller.wait_for(serial).error_name, NO_REPLY_ERROR)


def expect_all_lost(sent):
    """The bus answers these calls, pairs of a caller and a serial, with NoReply, in any order."""
    for caller in {c for c, _ in sent}:
        serials = {serial for c, serial in sent if c == caller}
        while serials:
            m = caller.receive()
            equal((m.error_name, m.reply_serial in serials), (NO_REPLY_ERROR, True))
            serials.remove(m.reply_serial)


def calls_in(messages):
    return [m.member for m in messages if m.kind == CALL]


# what was read, and what was not

@test
def an_unread_call_goes_to_the_next_start():
    with stage() as s:
        a, owner = s.connect('A'), take_name(s)
        serial = send(a, 'M')
        owner.close()
        if LOSES:
            return expect_lost(a, serial)
        expect_answer(take_name(s), a, 'M', serial)


@test
def an_unread_call_goes_to_the_next_owner():
    with stage() as s:
        a, owner, following = s.connect('A'), take_name(s, OTHER), take_name(s, OTHER)
        serial = send(a, 'M', name=OTHER, flags=NO_AUTO_START)
        owner.close()
        if LOSES:
            return expect_lost(a, serial)
        m = following.receive()
        equal(m.member, 'NameAcquired')
        m = following.receive()
        equal((m.member, m.sender, m.destination), ('M', a.unique, OTHER))
        following.send(reply(m))
        equal(a.wait_for(serial).kind, RETURN)


@test
def a_call_that_was_read_is_never_sent_again():
    with stage() as s:
        a, owner = s.connect('A'), take_name(s)
        serial = send(a, 'M')
        expect_call(owner, 'M')
        owner.close()
        expect_lost(a, serial)
        equal(calls_in(take_name(s).drain()), [])


@test
def only_the_last_call_in_a_socket_is_known_to_be_unread():
    with stage() as s:
        a, owner = s.connect('A'), take_name(s)
        first, last = send(a, 'First'), send(a, 'Last')
        owner.close()
        if LOSES:
            return expect_all_lost([(a, first), (a, last)])
        expect_lost(a, first)
        expect_answer(take_name(s), a, 'Last', last)


@test
def a_call_of_which_a_part_was_read():
    with stage() as s:
        a, owner = s.connect('A'), take_name(s)
        serial = send(a, 'M', 'x' * 1000, signature='s')
        owner.socket.recv(500)
        owner.close()
        if LOSES:
            return expect_lost(a, serial)
        expect_answer(take_name(s), a, 'M', serial)


@test
def an_owner_that_only_stops_reading_may_have_read():
    with stage() as s:
        a, owner = s.connect('A'), take_name(s)
        serial = send(a, 'M')
        owner.socket.shutdown(socket.SHUT_RDWR)
        expect_lost(a, serial)
        expect_call(owner, 'M')
        equal(calls_in(take_name(s).drain()), [])


@test
def answers_before_the_end_still_count():
    with stage() as s:
        a, owner = s.connect('A'), take_name(s)
        first, last = send(a, 'First'), send(a, 'Last')
        # the owner answers without reading
        for serial in first, last:
            owner.send(rawbus.Message(RETURN, {rawbus.DESTINATION: a.unique,
                                               rawbus.REPLY_SERIAL: serial}, flags=NO_REPLY))
        owner.close()
        equal(a.wait_for(first).kind, RETURN)
        equal(a.wait_for(last).kind, RETURN)
        equal(calls_in(take_name(s).drain()), [])


@test
def what_waits_in_the_bus_goes_on_in_order():
    with stage() as s:
        a, b, owner = s.connect('A'), s.connect('B'), take_name(s)
        serials = [(c, send(c, f'Call{i}', 'x' * FULL, signature='s'))
                   for i in range(15) for c in (a, b)]
        owner.close()
        if LOSES:
            return expect_all_lost(serials)
        following = take_name(s)
        got = [m for m in following.drain() if m.kind == CALL]
        # the socket has taken the first ones
        lost = serials[:len(serials) - len(got)]
        assert got and lost, (len(got), len(lost))
        equal([(m.sender, m.serial) for m in got],
              [(c.unique, serial) for c, serial in serials[len(lost):]])
        expect_all_lost(lost)
        for m in got:
            following.send(reply(m))
        for c, serial in serials[len(lost):]:
            equal(c.wait_for(serial).kind, RETURN)


@test
def descriptors_go_on_with_their_call():
    with stage() as s:
        a, owner = s.connect('A', fds=True), take_name(s, fds=True)
        for i in range(10):  # fill the socket
            send(a, 'Fill', 'x' * FULL, signature='s', flags=NO_REPLY)
        r, w = os.pipe()
        serial = send(a, 'Descriptor', 0, signature='h', fds=[w])
        os.close(w)
        owner.close()
        if LOSES:
            expect_lost(a, serial)
        else:
            m = [m for m in take_name(s, fds=True).drain() if m.member == 'Descriptor'][0]
            os.write(m.fds[0], b'through')
            os.close(m.fds[0])
            equal(os.read(r, 100), b'through')
        equal(os.read(r, 100), b'')
        os.close(r)


@test
def the_bus_keeps_no_descriptors_that_it_has_sent():
    with stage() as s:
        a, owner = s.connect('A', fds=True), take_name(s, fds=True)
        r, w = os.pipe()
        serial = send(a, 'Descriptor', 0, signature='h', fds=[w])
        os.close(w)
        owner.close()
        equal(os.read(r, 100), b'')
        os.close(r)
        expect_lost(a, serial)


@test
def the_policy_is_asked_about_the_next_owner():
    rules = f'<policy context="mandatory"><deny send_destination="{OTHER}"/></policy>'
    with stage(extra=rules) as s:
        a, owner = s.connect('A'), take_name(s)
        following = take_name(s)
        following.call('RequestName', 'su', OTHER, 0)
        serial = send(a, 'M')
        owner.close()
        m = a.wait_for(serial)
        equal(m.error_name, NO_REPLY_ERROR if LOSES else 'org.freedesktop.DBus.Error.AccessDenied')
        equal(calls_in(following.drain()), [])


@test
def a_stranger_in_the_queue_of_the_name_gets_nothing():
    if os.geteuid() != 0:
        raise Skip('only root can connect as other users')
    with stage(extra='<policy context="default"><allow user="*"/><allow own="*"/></policy>') as s:
        a, owner = s.connect('A'), take_name(s, OTHER)
        stranger = s.connect('stranger', uid=65534)
        stranger.call('RequestName', 'su', OTHER, 0)
        serial = send(a, 'M', name=OTHER)
        owner.close()
        expect_lost(a, serial)
        equal(calls_in(stranger.drain()), [])


@test
def an_eavesdropper_that_becomes_the_owner():
    """It has a copy of each call in its queue when it gets the calls. It must answer each once."""
    with stage() as s:
        a, owner, following = s.connect('A'), take_name(s), take_name(s)
        following.call('AddMatch', 's', f"eavesdrop='true',type='method_call',destination='{NAME}'")
        for i in range(30):
            send(a, f'Call{i}', 'x' * FULL, signature='s', flags=NO_REPLY)
        owner.close()
        # the bus has taken the names from the owner
        while a.call('NameHasOwner', 's', owner.unique).body[0]:
            pass
        a.close()
        got = calls_in(following.drain())
        seen = [f'Call{i}' for i in range(30)]
        equal(got[:30], seen)
        again = got[30:]
        equal(again, [] if LOSES else seen[30 - len(again):])
        assert LOSES or again


@test
def monitors_see_a_call_once():
    with stage() as s:
        a, owner, monitor = s.connect('A'), take_name(s), s.connect('M')
        monitor.call('BecomeMonitor', 'asu', [], 0, path=rawbus.BUS_PATH,
                     interface='org.freedesktop.DBus.Monitoring')
        serial = send(a, 'M')
        owner.close()
        following = take_name(s)
        if LOSES:
            return expect_lost(a, serial)
        expect_answer(following, a, 'M', serial)
        seen = []
        while True:
            m = monitor.receive()
            seen.append(m)
            if m.kind == RETURN and m.destination == a.unique and m.reply_serial == serial:
                break
        equal(calls_in(m for m in seen if m.destination == NAME), ['M'])
        equal([m for m in seen if m.kind == ERROR and m.reply_serial == serial], [])


# services that leave again and again

@test
def a_service_that_always_leaves():
    program = f'Exec={sys.executable} {HERE}/service-leaves.py {NAME} {{services}}/starts\n'
    with stage(service=program) as s:
        a = s.connect('A')
        serial = send(a, 'M')
        expect_lost(a, serial)
        with open(s.services + '/starts') as f:
            equal(len(f.readlines()), 1 if LOSES else 3)


def serve(address, how, handled, seed, ready):
    """
    A service that answers a few calls, leaves, and comes again, until it gets a call of Stop. It
    leaves by releasing its name and answering all that comes before the answer to that
    (how='release'), or it just closes its connection (how='close').
    """
    while True:
        c = rawbus.Connection(address).authenticate()
        c.send(bus_call('RequestName', 'su', NAME, 0))
        ready.set()
        seed = (seed * 1103515245 + 12345) % 2 ** 31
        left = 1 + seed // 65536 % 4
        release, stop = None, False
        while True:
            m = c.receive()
            if m.kind == CALL:
                stop = stop or m.member == 'Stop'
                handled.append(m.body[0])
                c.send(reply(m, 'u', m.body[0]))
                left -= 1
            elif release and m.kind == RETURN and m.reply_serial == release:
                break
            if release or (left > 0 and not stop):
                continue
            if how == 'close':
                break
            release = c.send(bus_call('ReleaseName', 's', NAME))
        c.close()
        if stop:
            return


def serve_all(address, how, results, ready):
    handled = []
    serve(address, how, handled, 1, ready)
    results.put(handled)


def ask_all(address, numbers, window, results):
    """Calls with these numbers, of which at most `window` wait for their answers."""
    c = rawbus.Connection(address).authenticate()
    numbers, waiting, lost = list(numbers), {}, []
    while numbers or waiting:
        while numbers and len(waiting) < window:
            n = numbers.pop()
            waiting[c.send(call(NAME, '/', INTERFACE, 'M', 'u', n))] = n
        m = c.receive()
        if m.kind not in (RETURN, ERROR):
            continue
        n = waiting.pop(m.reply_serial)
        if m.kind == ERROR:
            lost.append((n, m.error_name))
        else:
            equal(m.body, (n,))
    c.close()
    results.put(lost)


def race(how, n_callers, window):
    """Returns which numbers the service has handled, and which calls got an error."""
    context = multiprocessing.get_context('fork')
    with stage() as s:
        results, handled, ready = context.Queue(), context.Queue(), context.Event()
        part = N_CALLS // n_callers
        service = context.Process(target=serve_all, args=(s.address, how, handled, ready))
        callers = [context.Process(target=ask_all, args=(
            s.address, range(i * part, (i + 1) * part), window, results)) for i in range(n_callers)]
        service.start()
        for process in callers:
            process.start()
        lost = sum((results.get(timeout=TIMEOUT + N_CALLS / 50) for _ in callers), [])
        a = s.connect('A')
        a.send(call(NAME, '/', INTERFACE, 'Stop', 'u', N_CALLS, flags=NO_REPLY))
        got = handled.get(timeout=TIMEOUT)
        for process in (service, *callers):
            process.join()
            equal(process.exitcode, 0)
        print(f'# {how}, {n_callers} callers: {len(got)} calls handled, {len(lost)} lost')
        return got, lost


@test
def a_service_that_releases_its_name_loses_nothing():
    got, lost = race('release', 4, 8)
    equal(lost[:3], [])
    equal(sorted(n for n in got if n < N_CALLS), list(range(N_CALLS)))


@test
def a_service_that_just_leaves_loses_no_single_call():
    got, lost = race('close', 1, 1)
    if not LOSES:
        equal(lost[:3], [])
        equal(sorted(n for n in got if n < N_CALLS), list(range(N_CALLS)))


@test
def a_service_that_just_leaves_handles_no_call_twice():
    got, lost = race('close', 4, 8)
    equal(len(got), len(set(got)))
    numbers = {n for n, _ in lost}
    equal({error for _, error in lost} - {NO_REPLY_ERROR}, set())
    # a call that was not handled got an error
    equal(set(range(N_CALLS)) - set(got) - numbers, set())


# real clients

@test
def real_clients():
    """The service leaves with a call of each of these programs unread; the next one answers it."""
    if LOSES:
        return
    clients = {
        'dbus-send': ['dbus-send', '--bus={}', '--print-reply', f'--dest={NAME}', '/',
                      INTERFACE + '.M'],
        'gdbus': ['gdbus', 'call', '--address={}', '-d', NAME, '-o', '/', '-m',
                  INTERFACE + '.M'],
        'busctl': ['busctl', '--address={}', 'call', NAME, '/', INTERFACE, 'M'],
    }
    for argv in clients.values():
        with stage() as s:
            owner = take_name(s)
            process = subprocess.Popen([x.format(s.address) for x in argv], stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True)
            assert select.select([owner.socket], [], [], TIMEOUT)[0]
            owner.close()
            following = take_name(s)
            m = following.receive()
            while m.member != 'M':
                if m.member == 'Introspect':  # by gdbus
                    following.send(reply(m, 's', '<node/>'))
                m = following.receive()
            following.send(reply(m))
            output, _ = process.communicate(timeout=TIMEOUT)
            equal((argv[0], process.returncode, output if process.returncode else ''),
                  (argv[0], 0, ''))


main()
