#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# New policies while the bus runs: it notices changed files, reads them in another thread, and
# applies them under load.
#
#     test-reload.py DAEMON [--slow-names LIBRARY] [--messages N] [--reloads N] [--clients N]
#
# Two policies take turns. Both let messages of interface X pass and refuse those of Y: one policy
# refuses to send Y, the other one to receive Y. So if a message of Y arrives, the bus has judged it
# by parts of both policies. Each message of X must arrive once and in order, and the bus must
# answer each message of Y with an error.

import argparse
import os
import select
import shutil
import struct
import sys
import tempfile
import threading
import time

from world import (BUS, ERROR, RETURN, SIGNAL, Bus, Connection, clean_environment, header,
                   rawbus)

X, Y = 'com.example.X', 'com.example.Y'
BATCH = 50  # messages of X, and as many of Y
BASE = ('<policy context="default"><allow send_destination="*" eavesdrop="true"/>'
        '<allow receive_sender="*" eavesdrop="true"/><allow own="*"/>{}</policy>')
POLICIES = [BASE.format(f'<deny send_interface="{Y}"/>'),
            BASE.format(f'<deny receive_interface="{Y}" receive_type="signal"/>')]
CONFIG = '''<busconfig><type>session</type><listen>unix:path={0}/bus</listen>
<limit name="max_connections_per_user">1000</limit>
<policy context="default"><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy>
<includedir>{0}/d</includedir><servicedir>{0}/s</servicedir>{1}</busconfig>
'''


def write(path, text):
    with open(path + '.new', 'w') as f:
        f.write(text)
    os.rename(path + '.new', path)


class Directory:
    """A bus whose policy is a file in a directory."""

    def __init__(self, daemon, **env):
        self.path = tempfile.mkdtemp(prefix='bus-reload-')
        for name in ('d', 's'):
            os.mkdir(f'{self.path}/{name}')
        self.main('')
        self.bus = Bus(daemon, config=self.path + '/main.conf', env=clean_environment(**env))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        status = self.bus.stop()
        shutil.rmtree(self.path)
        assert status == 0, f'the bus ended with {status}'

    def main(self, more):
        write(self.path + '/main.conf', CONFIG.format(self.path, more))

    def policy(self, rules, name='policy.conf'):
        write(f'{self.path}/d/{name}', f'<busconfig>{rules}</busconfig>')


# directories

def may_own(connection, name):
    m = rawbus.bus_call('RequestName', 'su', name, 4)
    return connection.exchange([(m.encode, 0)])[1][-1][0] == RETURN


def reload(connection):
    """Returns the answer of the bus."""
    return connection.exchange([(rawbus.bus_call('ReloadConfig').encode, 0)])[1][-1]


def wait_for(condition):
    deadline = time.monotonic() + rawbus.TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def directories_are_watched(daemon):
    deny = '<policy context="default"><deny own="a.b"/></policy>'
    with Directory(daemon) as d:
        c = Connection(d.bus.address, os.getuid())
        assert may_own(c, 'a.b')
        d.policy(deny)
        assert wait_for(lambda: not may_own(c, 'a.b')), 'a new file'
        # an invalid file is left out, and changes of valid files are still noticed
        d.policy('<broken/>', 'broken.conf')
        d.policy(deny.replace('a.b', 'c.d'))
        assert wait_for(lambda: may_own(c, 'a.b')), 'a changed file'
        assert not may_own(c, 'c.d')
        os.unlink(d.path + '/d/policy.conf')
        assert wait_for(lambda: may_own(c, 'c.d')), 'a file that is gone'
        # a signal tells all clients that there may be new services
        m = rawbus.bus_call('AddMatch', 's', "member='ActivatableServicesChanged'")
        c.exchange([(m.encode, 0)])
        write(d.path + '/s/a.service', '[D-BUS Service]\nName=a.s\nExec=/bin/false\n')
        seen = []
        while not any(header(m[2]).get(rawbus.MEMBER) == 'ActivatableServicesChanged'
                      for m in seen):
            seen += c.read(rawbus.TIMEOUT)
        # an invalid main file changes nothing; the bus notices when it is valid again
        write(d.path + '/main.conf', '<broken/>')
        assert reload(c)[0] == ERROR, 'a broken main file'
        assert may_own(c, 'a.b'), 'the old policy stays'
        d.main(deny)
        assert wait_for(lambda: not may_own(c, 'a.b')), 'a changed main file'
        # the bus also notices a change of an invalid or missing file that only the refused main
        # file includes
        d.main('<include>part.conf</include>')
        write(d.path + '/part.conf', '<broken/>')
        assert reload(c)[0] == ERROR, 'a broken part'
        time.sleep(0.3)  # the bus has handled the change of the main file by now
        write(d.path + '/part.conf', f'<busconfig>{deny.replace("a.b", "e.f")}</busconfig>')
        assert wait_for(lambda: not may_own(c, 'e.f')), 'a part put right'
        d.main('<include>other/part.conf</include>')
        assert reload(c)[0] == ERROR, 'a part that is not there'
        time.sleep(0.3)
        os.mkdir(d.path + '/other')
        write(d.path + '/other/part.conf', f'<busconfig>{deny}</busconfig>')
        assert wait_for(lambda: not may_own(c, 'a.b')), 'a part that has come'
        assert may_own(c, 'e.f')
        # a missing file may appear, together with its directories
        d.main('<include ignore_missing="yes">no/such/file.conf</include>'
               '<includedir>no/such/directory</includedir>')
        assert reload(c)[0] == RETURN
        assert may_own(c, 'a.b')
        os.mkdir(d.path + '/no')
        time.sleep(0.2)
        os.mkdir(d.path + '/no/such')
        write(d.path + '/no/such/file.conf', f'<busconfig>{deny}</busconfig>')
        assert wait_for(lambda: not may_own(c, 'a.b')), 'a file that was missing'
        os.mkdir(d.path + '/no/such/directory')
        write(d.path + '/no/such/directory/last.conf',
              f'<busconfig>{deny.replace("a.b", "c.d")}</busconfig>')
        assert wait_for(lambda: not may_own(c, 'c.d')), 'a directory that was missing'
        shutil.rmtree(d.path + '/no')
        assert wait_for(lambda: may_own(c, 'a.b') and may_own(c, 'c.d')), 'all of it gone'
        c.close()


# a name service that hangs

def names_are_looked_up_beside_the_bus(daemon, library):
    with tempfile.TemporaryDirectory() as scratch:
        asked = scratch + '/asked'
        # AddressSanitizer wants to be the first library that is loaded; do not let it verify this
        with Directory(daemon, LD_PRELOAD=library, SLOW_NAMES=asked,
                       ASAN_OPTIONS='verify_asan_link_order=0') as d:
            # the bus finds users of /etc/passwd without a name service
            d.policy('<policy user="root"><deny own="a.b"/></policy>')
            first, second, third = (Connection(d.bus.address, os.getuid()) for _ in range(3))
            assert reload(first)[0] == RETURN
            d.policy('<policy context="default"><deny own="c.d"/></policy>\n'
                     '<policy user="slow"><deny own="e.f"/></policy>')
            for waiting in first, second:
                waiting.send(rawbus.bus_call('ReloadConfig').encode)
            # the bus continues with the old policy
            assert wait_for(lambda: os.path.exists(asked))
            for _ in range(100):
                assert may_own(third, 'c.d')
            ready, _, _ = select.select([first.socket, second.socket], [], [], 0)
            assert not ready, 'nobody is answered before'
            second.close()
            # a ReloadConfig that arrives while the bus reads makes it read the files once more, so
            # the new policy has later changes too
            d.policy('<policy context="default"><deny own="g.h"/></policy>')
            third.send(rawbus.bus_call('ReloadConfig').encode)
            os.rmdir(asked)
            for waiting in first, third:
                while not any(m[0] == RETURN for m in waiting.read(rawbus.TIMEOUT)):
                    pass
            assert not may_own(third, 'g.h') and may_own(third, 'c.d')
            log = d.bus.read_log()
            assert '/d/policy.conf:2:' in log and 'unknown user "slow"' in log, log
            # a bus whose reload waits for the name service can still be stopped soon
            d.policy('<policy user="slow"><deny own="e.f"/></policy>')
            first.send(rawbus.bus_call('ReloadConfig').encode)
            assert wait_for(lambda: os.path.exists(asked))
            assert may_own(third, 'c.d')


def what_changes_before_it_is_watched_is_noticed(daemon, library):
    deny = '<busconfig><policy context="default"><deny own="{}"/></policy></busconfig>'

    with tempfile.TemporaryDirectory() as scratch:
        asked = scratch + '/asked'

        def change(path, text):
            """Change the file while the bus still waits for the name service."""
            assert wait_for(lambda: os.path.exists(asked)), path
            write(path, text)
            os.rmdir(asked)

        def is_denied(connection, name):
            # let a look-up of the user go on, so that the bus can take the new policy
            if os.path.exists(asked):
                os.rmdir(asked)
            return not may_own(connection, name)

        os.mkdir(scratch + '/new')
        early, late = scratch + '/early.conf', scratch + '/new/late.conf'
        write(early, '<busconfig/>')
        config = scratch + '/main.conf'
        parts = (f'<include>{early}</include><includedir>{{}}</includedir>'
                 '<policy user="slow"><deny own="x.y"/></policy>')
        write(config, CONFIG.format(scratch, parts.format(scratch + '/none')))
        changer = threading.Thread(target=change, args=(early, deny.format('a.b')))
        changer.start()
        bus = Bus(daemon, config=config,
                  env=clean_environment(LD_PRELOAD=library, SLOW_NAMES=asked,
                                        ASAN_OPTIONS='verify_asan_link_order=0'))
        changer.join()
        try:
            c = Connection(bus.address, os.getuid())
            assert wait_for(lambda: is_denied(c, 'a.b')), 'a file, while the bus starts'
            # the same with a directory that only the new configuration includes
            write(config, CONFIG.format(scratch, parts.format(scratch + '/new')))
            change(late, deny.format('c.d'))
            assert wait_for(lambda: is_denied(c, 'c.d')), 'a directory, at a reload'
            # the bus comes to rest: it notices each change once
            for seconds in 0.5, 1:
                n = bus.read_log().count('Reloaded')
                deadline = time.monotonic() + seconds
                while time.monotonic() < deadline:
                    assert is_denied(c, 'c.d')
                    time.sleep(0.02)
            assert bus.read_log().count('Reloaded') == n, 'reloads without end'
            c.close()
        finally:
            status = bus.stop()
        assert status == 0, f'the bus ended with {status}'


# load

class Client:
    def __init__(self, address):
        self.connection = Connection(address, os.getuid())
        self.expected_x = self.expected_y = self.next_x = 0
        self.peer = None
        self.out = b''
        self.started = 0

    def prepare(self):
        def template(interface):
            return bytearray(rawbus.signal('/a', interface, 'M', 'u', 0,
                                           destination=self.peer.connection.unique).encode())
        self.x, self.y = template(X), template(Y)
        self.sent = 0

    def start_batch(self):
        data = []
        for _ in range(BATCH):
            self.sent += 1
            struct.pack_into('<I', self.x, 8, self.connection.take_serial())
            struct.pack_into('<I', self.x, len(self.x) - 4, self.sent)
            struct.pack_into('<I', self.y, 8, self.connection.take_serial())
            data += [bytes(self.x), bytes(self.y)]
        self.peer.expected_x += BATCH
        self.expected_y += BATCH
        self.out = b''.join(data)
        self.started = time.monotonic()

    def receive(self):
        for kind, _, fields, _, body in self.connection.read(0):
            if header(fields)[rawbus.SENDER] == BUS and kind != ERROR:
                continue
            if kind == SIGNAL:
                number, = struct.unpack('<I', body)
                assert header(fields)[rawbus.INTERFACE] == X, 'Y arrived: judged by a mixture'
                self.next_x += 1
                assert number == self.next_x, f'{number} instead of {self.next_x}: lost'
                self.expected_x -= 1
            elif kind == ERROR:
                name = header(fields)[rawbus.ERROR_NAME]
                assert name.endswith('.AccessDenied'), name
                self.expected_y -= 1


def reload_under_load(daemon, n_messages, n_reloads, n_clients):
    """Returns a description of the result."""
    with Directory(daemon) as d:
        d.policy(POLICIES[0])
        control = Connection(d.bus.address, os.getuid())
        clients = [Client(d.bus.address) for _ in range(n_clients)]
        assert reload(control)[0] == RETURN
        poll = select.poll()
        by_fd = {}
        for a, b in zip(clients[::2], clients[1::2]):
            a.peer, b.peer = b, a
        for c in clients:
            c.connection.socket.setblocking(False)
            c.prepare()
            c.start_batch()
            by_fd[c.connection.socket.fileno()] = c
            poll.register(c.connection.socket, select.POLLIN | select.POLLOUT)
        poll.register(control.socket, select.POLLIN)
        total, reloads, asked = 2 * BATCH * n_clients, 0, None
        longest = {True: 0, False: 0}
        start = time.monotonic()
        while any(c.expected_x or c.expected_y for c in clients):
            ready = poll.poll(rawbus.TIMEOUT * 1000)
            assert ready, 'messages are missing'
            for fd, events in ready:
                if fd == control.socket.fileno():
                    for m in control.read(0):
                        if m[0] in (RETURN, ERROR):
                            assert m[0] == RETURN, 'a reload failed'
                            asked = None
                    continue
                c = by_fd[fd]
                if events & select.POLLIN:
                    c.receive()
                if c.out and events & select.POLLOUT:
                    c.out = c.out[c.connection.socket.send(c.out):]
                if not c.out and not c.expected_y and not c.peer.expected_x:
                    now = time.monotonic()
                    during = asked is not None
                    longest[during] = max(longest[during], now - c.started)
                    if total < n_messages or reloads < n_reloads:
                        c.start_batch()
                        total += 2 * BATCH
                poll.modify(fd, select.POLLIN | (select.POLLOUT if c.out else 0))
            if asked is None and reloads < min(n_reloads, n_reloads * total // n_messages):
                reloads += 1
                d.policy(POLICIES[reloads % 2])
                asked = control.send(rawbus.bus_call('ReloadConfig').encode)
        elapsed = time.monotonic() - start
        for c in clients:
            c.connection.close()
        assert reloads == n_reloads, reloads
        return (f'{n_clients} clients, {total} messages, {reloads} reloads, {elapsed:.1f} s; '
                f'longest round of {2 * BATCH} messages: {longest[False] * 1000:.0f} ms, while '
                f'reloading {longest[True] * 1000:.0f} ms')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('daemon')
    parser.add_argument('--slow-names')
    parser.add_argument('--messages', type=int, default=150000)
    parser.add_argument('--reloads', type=int, default=100)
    parser.add_argument('--clients', type=int, default=50)
    args = parser.parse_args()
    daemon = os.path.abspath(args.daemon)
    tests = [('directories are watched', lambda: directories_are_watched(daemon)),
             ('reloads under load', lambda: reload_under_load(daemon, args.messages, args.reloads,
                                                              args.clients))]
    if args.slow_names:
        library = os.path.abspath(args.slow_names)
        tests += [('names are looked up beside the bus',
                   lambda: names_are_looked_up_beside_the_bus(daemon, library)),
                  ('what changes before it is watched is noticed',
                   lambda: what_changes_before_it_is_watched_is_noticed(daemon, library))]
    failed = 0
    print(f'1..{len(tests)}')
    for number, (name, test) in enumerate(tests, 1):
        try:
            said = test()
            if said:
                print('# ' + said)
            print(f'ok {number} - {name}', flush=True)
        except (AssertionError, rawbus.Closed, rawbus.Timeout) as e:
            failed += 1
            print(f'not ok {number} - {name}: {type(e).__name__} {e}', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
