#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A change of the policy files counts from the moment on in which it is made: no request is refused
# by a policy that is older than its files, and only such requests wait for the new policy.
#
#   test-policy-race.py DAEMON SERVICE
#
# SERVICE is service-libdbus.

import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from busfixture import Bus, daemon_under_test, wait_until
from rawbus import (CALL, ERROR, NO_REPLY, RETURN, SIGNAL, Closed, Connection, Timeout, bus_call, call)
from rawbus import signal as bus_signal
from tap import Skip, contains, equal, main, test

DAEMON = daemon_under_test()
SERVICE = os.path.abspath(sys.argv.pop(1))
NOBODY = 65534
DENIED = 'org.freedesktop.DBus.Error.AccessDenied'
UNKNOWN = 'org.freedesktop.DBus.Error.ServiceUnknown'
FULL = 'org.freedesktop.DBus.Error.LimitsExceeded'

CONFIG = '''<busconfig>
  <type>session</type>
  <listen>unix:path={home}/bus</listen>
  <servicedir>{home}/services</servicedir>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_destination="*"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_sender="*"/>
    <allow own="open.name"/>
    <allow own="closed.name"/>
    <allow send_destination="open.name"/>
  </policy>
{extra}  <includedir>{home}/system.d</includedir>
</busconfig>
'''

# Reading a slow configuration takes about this many seconds: long enough to see who waits, and much
# less than a request waits at most.
SLOW_TIME = 0.5


class RaceBus(Bus):
    def __init__(self, extra='', slow=False, daemon=DAEMON, **popen):
        self.home = tempfile.mkdtemp(prefix='bus-race-')
        os.chmod(self.home, 0o755)
        os.mkdir(self.home + '/system.d')
        os.mkdir(self.home + '/services')
        if slow:
            extra += f'<include>{self.home}/slow.conf</include>'
            self.write_slow(n_slow())
        with open(self.home + '/bus.conf', 'w') as f:
            f.write(CONFIG.format(home=self.home, extra=extra))
        super().__init__(daemon, config=self.home + '/bus.conf', **popen)

    def write_slow(self, n):
        with open(self.home + '/slow.conf', 'w') as f:
            f.write('<busconfig><policy user="54321">')
            for i in range(n):
                f.write(f'<allow send_destination="slow.n{i}" send_interface="i.j{i}" '
                        f'send_member="M{i}"/>\n')
            f.write('</policy></busconfig>')

    def put(self, place, text):
        """Puts a file into its place, as package managers do."""
        path = f'{self.home}/{place}'
        directory, name = os.path.split(path)
        with open(f'{directory}/.{name}.new', 'w') as f:
            f.write(text)
        os.rename(f'{directory}/.{name}.new', path)

    def allow(self, name, extra=''):
        self.put(f'system.d/{name}.conf', package(name, extra))

    def reloads(self):
        return self.read_log().count('Reloaded configuration')

    def stop(self):
        status = super().stop()
        shutil.rmtree(self.home)
        return status


def package(name, extra=''):
    return (f'<busconfig><policy context="default"><allow own="{name}"/>'
            f'<allow send_destination="{name}"/>'
            f'<deny send_destination="{name}" send_interface="i.j" send_member="Secret"/>{extra}'
            '</policy></busconfig>')


def connect(bus, **kw):
    return Connection(bus.address, **kw).authenticate()


def request(c, name):
    """The error of RequestName, or its result."""
    answer = c.call('RequestName', 'su', name, 4)
    return answer.error_name or answer.body[0]


def ask(name, member='M', **kw):
    return call(name, '/o', 'i.j', member, **kw)


def next_call(c):
    """The member of the next call, or unicast signal of a client, that the connection gets."""
    while True:
        m = c.receive()
        if m.kind in (CALL, SIGNAL) and m.sender != 'org.freedesktop.DBus':
            return m.member


class Timer:
    def __enter__(self):
        self.start = time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.start


def is_waiting(c, seconds=0.02):
    """Has the connection no answer to read?"""
    try:
        c.queue.append(c.receive_new(seconds))
    except Timeout:
        return True
    return False


def install_and_wait(bus, c, name):
    """
    Changes a file, and sends a request for name, which waits until a slow configuration is read.
    Returns the serial of the request.
    """
    bus.allow(name)
    serial = c.send(bus_call('RequestName', 'su', name, 4))
    equal(is_waiting(c), True, 'the request waits')
    return serial


@functools.cache
def n_slow():
    """How many rules are read in SLOW_TIME."""
    n = 20000
    with RaceBus() as bus:
        c = connect(bus)
        bus.write_slow(n)
        bus.put('bus.conf', CONFIG.format(home=bus.home,
                                          extra=f'<include>{bus.home}/slow.conf</include>'))
        with Timer() as timer:
            equal(c.call('ReloadConfig').error_name, None)
    return max(1000, min(500000, int(n * SLOW_TIME / timer.seconds)))


@test
def a_new_file_counts_at_once():
    with RaceBus() as bus:
        c, d = connect(bus), connect(bus, uid=NOBODY if os.geteuid() == 0 else None)
        for i in range(100):
            equal(request(c, f'p.n{i}'), DENIED, i)
            bus.allow(f'p.n{i}')
            equal(request(c, f'p.n{i}'), 1, i)
            # the rules for sending came with the same file, and what they deny is denied
            d.send(ask(f'p.n{i}', flags=NO_REPLY))
            equal(next_call(c), 'M', i)
            equal(d.wait_for(d.send(ask(f'p.n{i}', 'Secret'))).error_name, DENIED, i)
        # a rule about sending alone
        owner = connect(bus)
        equal(request(owner, 'closed.name'), 1)
        for i in range(100):
            equal(d.wait_for(d.send(ask('closed.name'))).error_name, DENIED, i)
            bus.put('system.d/one.conf', '<busconfig><policy context="default">'
                    f'<allow send_destination="closed.name" send_interface="i.k" '
                    f'send_member="Only{i}"/></policy></busconfig>')
            d.send(call('closed.name', '/o', 'i.k', f'Only{i}', flags=NO_REPLY))
            equal(next_call(owner), f'Only{i}')


@test
def two_hundred_packages():
    n_threads, n_packages = 4, 50
    with RaceBus() as bus:
        failures = []

        def install(thread):
            chance = random.Random(thread)
            c = Connection(bus.address, uid=uids[thread]).authenticate()
            for i in range(n_packages):
                name = f'p.t{thread}n{i}'
                time.sleep(chance.random() * 0.02)
                files = [(f'system.d/{name}.conf', package(name)),
                         (f'services/{name}.service',
                          f'[D-BUS Service]\nName={name}\nExec={SERVICE} {name}\n')]
                chance.shuffle(files)
                for place, text in files:
                    bus.put(place, text)
                for member, want in (('M', None), ('Secret', DENIED), ('M', None)):
                    answer = c.wait_for(c.send(ask(name, member)))
                    if answer.error_name != want:
                        failures.append((name, member, answer.error_name, answer.body))
                for what, want in ((name, 3), (name + '.not', DENIED)):
                    got = request(c, what)
                    if got != want:
                        failures.append((what, got))
            done.append(thread)

        uids = [None, NOBODY, None, NOBODY] if os.geteuid() == 0 else [None] * 4
        # a connection as another user changes the user of the process for a moment
        lock = threading.Lock()
        connect_now = Connection.__init__

        def connect_alone(self, *args, **kw):
            with lock:
                connect_now(self, *args, **kw)
        Connection.__init__ = connect_alone
        done = []
        threads = [threading.Thread(target=install, args=(i,)) for i in range(n_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        Connection.__init__ = connect_now
        equal(failures, [])
        equal(sorted(done), list(range(n_threads)))
        equal(bus.read_log().count('exited with status'), 0)


@test
def others_do_not_wait():
    with RaceBus(slow=True) as bus:
        owner, c, other = connect(bus), connect(bus), connect(bus)
        equal(request(owner, 'open.name'), 1)
        serial = install_and_wait(bus, c, 'p.a')
        # allowed calls of others, to the bus and to a service, are answered meanwhile
        for _ in range(5):
            equal(other.call('GetId').error_name, None)
            other.send(ask('open.name'))
            equal(next_call(owner), 'M')
        equal(is_waiting(c, 0), True, 'the request still waits')
        equal(c.wait_for(serial).body, (1,))


@test
def a_sender_waits_with_its_message():
    with RaceBus(slow=True) as bus:
        owner, c = connect(bus), connect(bus)
        equal(request(owner, 'open.name'), 1)
        bus.put('system.d/a.conf', '<busconfig><policy context="default">'
                '<allow send_destination="open.name" send_interface="i.new"/>'
                '<allow own="p.a"/></policy></busconfig>')
        # what was denied, and what follows it, arrives in this order
        bus.put('system.d/b.conf', '<busconfig><policy context="default">'
                '<deny send_destination="open.name" send_interface="i.never"/>'
                '</policy></busconfig>')
        wait_until(lambda: request(owner, 'p.a') == 1, 'the policy')

        bus.put('system.d/b.conf', '<busconfig><policy context="default">'
                '<allow send_destination="open.name" send_interface="i.never"/>'
                '</policy></busconfig>')
        c.send(call('open.name', '/o', 'i.never', 'First'))
        c.send(ask('open.name', 'Second'))
        c.send(bus_signal('/o', 'i.j', 'Third', destination='open.name'))
        serial = c.send(bus_call('GetId'))
        owner.drain()
        equal(is_waiting(owner), True, 'nothing overtakes')
        equal([next_call(owner) for _ in range(3)], ['First', 'Second', 'Third'])
        equal(c.wait_for(serial).error_name, None)


@test
def a_broken_file_changes_nothing():
    with RaceBus() as bus:
        c = connect(bus)
        with Timer() as timer:
            for i in range(10):
                # an error in an included file makes the configuration invalid
                bus.put('bus.conf', '<busconfig' + ' ' * i)
                equal(request(c, 'p.a'), DENIED)
        if timer.seconds > 5:
            raise AssertionError(f'{timer.seconds} s')
        contains(bus.read_log(), 'Unable to reload configuration')
        bus.put('bus.conf', CONFIG.format(home=bus.home, extra=''))
        # an error in a file of a directory excludes this file alone
        bus.put('system.d/p.a.conf', '<busconfig')
        equal(request(c, 'p.a'), DENIED)
        bus.allow('p.a')
        equal(request(c, 'p.a'), 1)


@test
def changes_without_end_do_not_hold_a_denial():
    with RaceBus() as bus:
        c, other = connect(bus), connect(bus)
        over = threading.Event()

        def change():
            i = 0
            while not over.wait(0.002):
                i += 1
                bus.put('system.d/again.conf', package(f'again.n{i}'))

        thread = threading.Thread(target=change)
        thread.start()
        try:
            time.sleep(0.1)
            for _ in range(2):
                with Timer() as timer:
                    equal(request(c, 'p.a'), DENIED)
                if timer.seconds > 7:
                    raise AssertionError(f'{timer.seconds} s')
            equal(request(other, 'open.name'), 1)
        finally:
            over.set()
            thread.join()
        bus.allow('p.a')
        equal(request(c, 'p.a'), 1)


@test
def who_leaves_waits_no_more():
    limit = '  <limit name="max_pending_service_starts">2</limit>\n'
    with RaceBus(slow=True, extra=limit) as bus:
        clients = [connect(bus) for _ in range(4)]
        first = install_and_wait(bus, clients[0], 'p.a')
        second = install_and_wait(bus, clients[1], 'p.b')
        # there is no more room: judged now
        with Timer() as timer:
            equal(request(clients[2], 'p.c'), DENIED)
        if timer.seconds > 0.5:
            raise AssertionError(f'{timer.seconds} s')
        equal(is_waiting(clients[0], 0), True, 'the first one still waits')
        # one that leaves makes room
        clients[1].close()
        wait_until(lambda: clients[3].call('NameHasOwner', 's', clients[1].unique).body == (False,),
                   'the client has left')
        serial = clients[3].send(bus_call('RequestName', 'su', 'p.b', 4))
        equal(is_waiting(clients[3]), True)
        equal(clients[0].wait_for(first).body, (1,))
        equal(clients[3].wait_for(serial).body, (1,))
        del second

    # all of many that wait leave
    with RaceBus(slow=True) as bus:
        clients = [connect(bus) for _ in range(30)]
        for i, c in enumerate(clients):
            bus.allow(f'p.n{i}')
            c.send(bus_call('RequestName', 'su', f'p.n{i}', 4))
            c.send(bus_call('GetId'))
            c.close()
        c = connect(bus)
        equal(request(c, 'p.n1'), 1)
        equal(bus.alive(), True)


@test
def monitors_see_a_message_once():
    if os.geteuid() != 0:
        raise Skip('needs root')
    with RaceBus(slow=True) as bus:
        owner, c, monitor = connect(bus), connect(bus), connect(bus)
        equal(request(owner, 'open.name'), 1)
        equal(monitor.call('BecomeMonitor', 'asu', [], 0, interface='org.freedesktop.DBus.'
                           'Monitoring').error_name, None)
        monitor.take()
        bus.put('system.d/a.conf', '<busconfig><policy context="default">'
                '<allow send_destination="open.name" send_interface="i.new"/>'
                '<deny send_destination="open.name" send_interface="i.j"/>'
                '<allow own="p.a"/></policy></busconfig>')
        serials = [c.send(bus_call('RequestName', 'su', 'p.a', 4)),
                   c.send(bus_call('RequestName', 'su', 'p.b', 4)),
                   c.send(ask('open.name')),
                   c.send(bus_call('GetId'))]
        equal(c.wait_for(serials[0]).body, (1,))
        equal(c.wait_for(serials[1]).error_name, DENIED)
        equal(c.wait_for(serials[2]).error_name, DENIED)
        c.wait_for(serials[3])
        seen = []
        while not seen or seen[-1] != ('reply', serials[3]):
            m = monitor.receive()
            if m.sender == c.unique:
                seen.append(('call', m.serial))
            elif m.kind in (RETURN, ERROR) and m.destination == c.unique:
                seen.append(('reply', m.reply_serial))
        equal(seen, [(kind, s) for s in serials for kind in ('call', 'reply')])


@test
def a_program_that_may_connect_now():
    if os.geteuid() != 0:
        raise Skip('needs root')
    with RaceBus(extra=f'<policy context="mandatory"><deny user="{NOBODY}"/></policy>') as bus:
        for _ in range(20):
            c = Connection(bus.address, uid=NOBODY)
            c.authenticate(hello=False)
            try:
                c.call('Hello')
                raise AssertionError('connected')
            except Closed:
                c.close()
            bus.put('bus.conf', CONFIG.format(home=bus.home, extra=''))
            # everything in one write: the messages wait behind BEGIN
            c = Connection(bus.address, uid=NOBODY)
            hello = bus_call('Hello')
            hello.serial = c.serial = 1
            c.send_raw(b'\0AUTH EXTERNAL ' + str(NOBODY).encode().hex().encode() +
                       b'\r\nBEGIN\r\n' + hello.encode())
            contains(c.line(), 'OK ')
            equal(c.wait_for(1).error_name, None)
            c.close()
            n = bus.reloads()
            bus.put('bus.conf', CONFIG.format(
                home=bus.home,
                extra=f'<policy context="mandatory"><deny user="{NOBODY}"/></policy>'))
            # what is allowed by the old policy does not wait, so let it be read
            wait_until(lambda: bus.reloads() > n, 'the reload')


@test
def a_new_directory_of_services():
    with RaceBus() as bus:
        c = connect(bus)
        os.mkdir(bus.home + '/more')
        for i in range(5):
            name = f'p.s{i}'
            bus.put(f'more/{name}.service',
                    f'[D-BUS Service]\nName={name}\nExec={SERVICE} {name}\n')
        bus.put('system.d/more.conf', f'<busconfig><servicedir>{bus.home}/more</servicedir>'
                '<policy context="default"><allow own_prefix="p"/>'
                '<allow send_destination_prefix="p"/></policy></busconfig>')
        equal(c.wait_for(c.send(ask('p.s0'))).error_name, None)
        # a name in no directory stays unknown
        bus.allow('p.x')
        equal(c.wait_for(c.send(ask('p.x'))).error_name, UNKNOWN)

        os.mkdir(bus.home + '/most')
        bus.put('most/p.t.service', f'[D-BUS Service]\nName=p.t\nExec={SERVICE} p.t\n')
        bus.put('system.d/most.conf',
                f'<busconfig><servicedir>{bus.home}/most</servicedir></busconfig>')
        equal(c.call('StartServiceByName', 'su', 'p.t', 0).body, (1,))
        equal(c.call('StartServiceByName', 'su', 'p.u', 0).error_name, UNKNOWN)


@test
def a_user_who_reloads_does_not_delay_others():
    if os.geteuid() != 0:
        raise Skip('needs root')
    with RaceBus(slow=True) as bus:
        c, attacker = connect(bus), connect(bus, uid=NOBODY)
        for _ in range(30):
            attacker.send(bus_call('ReloadConfig'))
        with Timer() as timer:
            for _ in range(20):
                equal(request(c, 'p.a'), DENIED)
        equal(is_waiting(attacker, 0) or len(attacker.queue) < 30, True, 'reloads go on')
        if timer.seconds > 0.5:
            raise AssertionError(f'{timer.seconds} s')


@test
def denials_cause_no_reload():
    with RaceBus() as bus:
        c = connect(bus)
        # a directory of services that had just changed when it was read is read once more
        equal(c.wait_for(c.send(ask('p.x'))).error_name, UNKNOWN)
        n = bus.reloads()
        for _ in range(50):
            equal(request(c, 'p.a'), DENIED)
            equal(c.wait_for(c.send(ask('p.x'))).error_name, UNKNOWN)
        equal(bus.reloads(), n)
        # without a request that waits, changes in a row cause one reload
        for i in range(20):
            bus.allow(f'p.n{i}')
        wait_until(lambda: bus.reloads() > n, 'the reload')
        equal(bus.reloads(), n + 1)


PASSWD = 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n'
GROUP = 'root:x:0:\nnogroup:x:65534:\n'


class UsersBus(RaceBus):
    """Only the bus sees this /etc, in which the test makes users."""

    def __init__(self, extra):
        self.place = tempfile.mkdtemp(prefix='bus-race-etc-')
        os.chmod(self.place, 0o755)
        os.mkdir(self.place + '/etc')
        self.write('passwd', PASSWD)
        self.write('group', GROUP)
        self.write('nsswitch.conf', 'passwd: files\ngroup: files\n')
        with open(self.place + '/bus', 'w') as f:
            f.write('#!/bin/sh\n'
                    f'exec unshare --mount sh -c \'mount --bind {self.place}/etc /etc && '
                    f'exec "$0" "$@"\' {os.path.abspath(DAEMON)} "$@"\n')
        os.chmod(self.place + '/bus', 0o755)
        super().__init__(extra, daemon=self.place + '/bus')

    def write(self, name, text):
        """Replaces a file as useradd does."""
        with open(f'{self.place}/etc/{name}+', 'w') as f:
            f.write(text)
        os.rename(f'{self.place}/etc/{name}+', f'{self.place}/etc/{name}')

    def stop(self):
        status = super().stop()
        shutil.rmtree(self.place)
        return status


@test
def users_and_groups_that_are_made_later():
    if os.geteuid() != 0:
        raise Skip('needs root')
    probe = subprocess.run(['unshare', '--mount', 'true'], capture_output=True)
    if probe.returncode:
        raise Skip('no namespace of our own: ' + probe.stderr.decode().strip())
    extra = ('<policy user="late"><allow own="p.user"/></policy>'
             '<policy group="late"><allow own="p.group"/></policy>'
             '<policy user="root"><allow own="p.root"/></policy>'
             '<policy context="mandatory"><deny user="banned"/></policy>\n')
    with UsersBus(extra) as bus:
        c = connect(bus, uid=4242)
        equal(request(c, 'p.user'), DENIED)
        # a change that is not about these users
        bus.write('passwd', PASSWD + 'other:x:77:77::/:/bin/false\n')
        equal(request(c, 'p.user'), DENIED)
        time.sleep(0.3)
        equal(bus.reloads(), 0)

        late = 'late:x:4242:4242::/:/bin/false\n'
        bus.write('passwd', PASSWD + late)
        equal(request(c, 'p.user'), 1)
        n = bus.reloads()
        # a password
        bus.write('passwd', PASSWD + late.replace(':x:', ':y:'))
        equal(request(c, 'p.group'), DENIED)
        time.sleep(0.3)
        equal(bus.reloads(), n)

        # the user gets another number
        bus.write('passwd', PASSWD + late.replace('4242', '4243'))
        d = connect(bus, uid=4243)
        equal(c.call('ReleaseName', 's', 'p.user').body, (1,))
        equal(request(d, 'p.user'), 1)
        equal(request(c, 'p.user'), DENIED)

        # a group, of which the client's process is a member
        bus.write('group', GROUP + f'late:x:{os.getgid() + 4244}:\n')
        equal(request(c, 'p.group'), DENIED)
        bus.write('group', f'late:x:{os.getgid()}:\n' + GROUP)
        equal(request(c, 'p.group'), 1)

        # a user who may not connect
        connect(bus, uid=4245).close()
        n = bus.reloads()
        bus.write('passwd', PASSWD + 'banned:x:4245:4245::/:/bin/false\n')
        wait_until(lambda: bus.reloads() > n, 'the reload')
        try:
            connect(bus, uid=4245)
            raise AssertionError('connected')
        except Closed:
            pass


@test
def a_signal_to_the_bus_counts_as_a_change():
    with RaceBus(slow=True) as bus:
        c = connect(bus)
        # SIGHUP says that the configuration is old, even if no file has changed
        n = bus.reloads()
        bus.process.send_signal(signal.SIGHUP)
        wait_until(lambda: request(c, 'p.a') == DENIED and bus.reloads() > n, 'the reload')
        equal(bus.alive(), True)


main()
