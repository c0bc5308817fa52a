#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The daemon as a process: sockets from systemd and messages to it, the change of user, descriptors
# and memory that run out, and early signals.

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import rawbus
from busfixture import (SESSION_CONFIG, TIMEOUT, clean_environment, daemon_under_test, end,
                        is_reference, read_line)
from rawbus import NO_REPLY, UNIX_FDS, Connection, call
from tap import Skip, contains, equal, main, test

DAEMON = daemon_under_test()


class Daemon:
    """A daemon that gets sockets as systemd passes them, and more configuration."""

    def __init__(self, *args, sockets=(), extra='', listen=None, n_files=None, user=None,
                 **environment):
        self.directory = tempfile.mkdtemp(prefix='bus-process-')
        os.chmod(self.directory, 0o777)
        config = self.directory + '/bus.conf'
        with open(config, 'w') as f:
            f.write(SESSION_CONFIG.format(listen=listen or f'unix:path={self.directory}/bus',
                                          extra=extra))
        self.log = open(self.directory + '/log', 'w+')
        # systemd passes sockets from descriptor 3 on, and the pid in LISTEN_PID: a shell sets both,
        # and then becomes the daemon
        shell = 'LISTEN_PID=${LISTEN_PID:-$$} exec "$@"'
        if n_files:
            shell = f'ulimit -n {n_files}; ' + shell
        for i, s in enumerate(sockets):
            shell = f'exec {3 + i}<&{s.fileno()}; ' + shell
        if sockets:
            environment.setdefault('LISTEN_FDS', str(len(sockets)))
        high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]
        for i, fd in enumerate(high):
            shell = shell.replace(f'<&{sockets[i].fileno()};', f'<&{fd};')
        self.process = subprocess.Popen(
            ['/bin/bash', '-c', shell, 'sh', DAEMON, '--config-file=' + config, '--nofork',
             '--print-address', *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
            env=clean_environment(**environment), pass_fds=high, user=user)
        for fd in high:
            os.close(fd)
        self.address = read_line(self.process.stdout.fileno())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def status(self, key):
        with open(f'/proc/{self.process.pid}/status') as f:
            return next(line.split()[1:] for line in f if line.startswith(key + ':'))

    def text(self):
        with open(self.directory + '/log', errors='replace') as f:
            return f.read()

    def stop(self):
        status = end(self.process)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        return status


def listening(name):
    s = socket.socket(socket.AF_UNIX)
    s.bind(name)
    s.listen()
    return s


def unprivileged():
    if os.getuid() != 0:
        raise Skip('only root can become somebody')
    return pwd.getpwnam('nobody')


@test
def sockets_of_systemd_are_served():
    with tempfile.TemporaryDirectory() as d:
        abstract = '\0' + f'bus-process-{os.getpid()}'
        with listening(d + '/one') as one, listening(abstract) as two:
            with Daemon('--address=systemd:', sockets=[one, two]) as daemon:
                contains(daemon.address, f'unix:path={d}/one,guid=', ';unix:abstract=')
                for address in daemon.address.split(';'):
                    c = Connection(address).authenticate()
                    equal(address.split('guid=')[1], c.guid)
                    c.close()
                equal(daemon.stop(), 0)
            # systemd removes its own socket
            assert os.path.exists(d + '/one')


@test
def sockets_of_systemd_may_have_the_longest_names():
    with tempfile.TemporaryDirectory(dir='/tmp') as d:
        name = d + '/' + 'x' * (107 - len(d) - 1)
        with listening(name) as s, Daemon('--address=systemd:', sockets=[s]) as daemon:
            contains(daemon.address, f'unix:path={name},guid=')
            equal(daemon.stop(), 0)


@test
def other_descriptors_of_systemd_are_refused():
    datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    connected, other = socket.socketpair()
    for s in datagram, connected:
        with Daemon('--address=systemd:', sockets=[s]) as daemon:
            equal(daemon.address, '')
            equal(daemon.stop(), 1)
        s.close()
    other.close()
    with Daemon('--address=systemd:') as daemon:
        equal(daemon.stop(), 1)


@test
def sockets_for_another_process_are_not_taken():
    with tempfile.TemporaryDirectory() as d, listening(d + '/bus') as s:
        for environment in ({'LISTEN_PID': '1'}, {'LISTEN_PID': 'x'}, {'LISTEN_PID': ' 1'},
                            {'LISTEN_FDS': ''}, {'LISTEN_FDS': '-1'}, {'LISTEN_FDS': '1x'},
                            {'LISTEN_FDS': '0'}, {'LISTEN_FDS': '99999999999999999999'},
                            {'LISTEN_FDS': '2000000000'}):
            with Daemon('--address=systemd:', sockets=[s], **environment) as daemon:
                equal(daemon.address, '', environment)
                equal(daemon.stop(), 1, environment)


@test
def systemd_is_told():
    if is_reference(DAEMON):
        raise Skip('the reference does not tell when a reload started')
    with tempfile.TemporaryDirectory() as d:
        abstract = f'bus-process-notify-{os.getpid()}'
        for name in (d + '/notify', '@' + abstract, d + '/' + 'x' * (106 - len(d))):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            s.bind(name.replace('@', '\0', 1))
            s.settimeout(TIMEOUT)
            with Daemon(NOTIFY_SOCKET=name) as daemon:
                ready, status = s.recv(1000).decode().split('\n')
                equal(ready, 'READY=1')
                has_device = os.access('/dev/bus1', os.R_OK | os.W_OK)
                equal(status, 'STATUS=bus1 ' + ('of the kernel' if has_device else
                                                'in the process of the bus'))
                before = time.monotonic_ns() // 1000
                daemon.process.send_signal(signal.SIGHUP)
                kind, when = s.recv(1000).decode().split('\n')
                equal(kind, 'RELOADING=1')
                key, _, usec = when.partition('=')
                equal(key, 'MONOTONIC_USEC')
                assert before <= int(usec) <= time.monotonic_ns() // 1000, when
                equal(s.recv(1000), b'READY=1')
                equal(daemon.stop(), 0)
                equal(s.recv(1000), b'STOPPING=1')
            s.close()


@test
def nobody_to_tell_is_no_obstacle():
    with tempfile.TemporaryDirectory() as d:
        for name in ('', '@', 'relative', d + '/nobody', '/' + 'x' * 200, 'vsock:2:1234'):
            with Daemon(NOTIFY_SOCKET=name) as daemon:
                Connection(daemon.address).authenticate().close()
                equal(daemon.stop(), 0, name)


@test
def the_user_of_the_configuration_is_all_it_can_be():
    user = unprivileged()
    everyone = '<policy context="default"><allow user="*"/></policy>'
    with Daemon(extra=f'  <user>{user.pw_name}</user>\n  {everyone}\n') as daemon:
        equal(daemon.status('Uid'), [str(user.pw_uid)] * 4)
        equal(daemon.status('Gid'), [str(user.pw_gid)] * 4)
        assert '0' not in daemon.status('Groups'), daemon.status('Groups')
        # root is not the user of the bus any more, but keeps the rights of root
        c = Connection(daemon.address).authenticate()
        answer = c.call('GetConnectionUnixUser', 's', rawbus.BUS)
        equal(answer.body, (user.pw_uid,))
        c.close()
        equal(daemon.stop(), 0)


@test
def a_user_by_number():
    user = unprivileged()
    with Daemon(extra=f'  <user>{user.pw_uid}</user>\n') as daemon:
        equal(daemon.status('Uid'), [str(user.pw_uid)] * 4)


@test
def nobody_else_in_place_of_a_user_that_is_not_there():
    unprivileged()
    # the last two would be 0, which is root, if the bus used only the low 32 bits
    for user in 'no-such-user', '-1', ' 0', '0x0', str(1 << 32), str((1 << 64)):
        with Daemon(extra=f'  <user>{user}</user>\n') as daemon:
            equal(daemon.address, '', user)
            equal(daemon.stop(), 1, user)


@test
def descriptors_that_are_too_many_do_not_leave_a_caller_waiting():
    if is_reference(DAEMON):
        raise Skip('the reference only drops the message')
    user = unprivileged()
    everyone = '<policy context="default"><allow user="*"/></policy>'
    # The callee does not read, so the descriptors stay in flight, or in the bus. Of RLIMIT_NOFILE, a
    # user may have a half in flight, and a half in the bus. Under valgrind, which needs 12 descriptors itself, a limit of 32
    # would not let the bus receive even one message.
    n_files = 32 + (12 if 'BUS_UNDER_VALGRIND' in os.environ else 0)
    with Daemon(extra=f'  {everyone}\n', n_files=n_files, user=user.pw_uid) as daemon, \
            open('/dev/null') as null:
        a, b = (Connection(daemon.address).authenticate(fds=True) for _ in range(2))
        for _ in range(8):
            m = call(b.unique, '/', 'a.b', 'M', 'h', 0)
            m.fields[UNIX_FDS] = 8
            serial = a.send(m, [null.fileno()] * 8)
        answer = a.wait_for(serial)
        equal(answer.error_name, 'org.freedesktop.DBus.Error.LimitsExceeded')
        a.close()
        b.close()


@test
def statistics_of_a_user():
    if is_reference(DAEMON):
        raise Skip('the reference has none')
    with Daemon() as daemon:
        a, b = (Connection(daemon.address).authenticate() for _ in range(2))
        b.call('AddMatch', 's', "member='A'")
        stats = a.call('GetConnectionStats', 's', b.unique,
                       interface='org.freedesktop.DBus.Debug.Stats').body[0]
        equal({k: stats.get(k) for k in ('UserConnections', 'UserMatchRules', 'UserPaused')},
              {'UserConnections': 2, 'UserMatchRules': 1, 'UserPaused': 0})
        a.close()
        b.close()


class Failing:
    """In a with block: the first n sendto() and sendmsg() calls of the daemon fail."""

    def __init__(self, daemon, error, n):
        self.n = n
        try:
            self.strace = subprocess.Popen(
                ['strace', '-p', str(daemon.process.pid), '-e', 'trace=sendto,sendmsg',
                 '-e', f'inject=sendto,sendmsg:error={error}:when=1..{n}'],
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        except FileNotFoundError:
            raise Skip('no strace') from None
        line = self.strace.stderr.readline()
        if 'attached' not in line:
            self.strace.communicate()
            raise Skip('strace: ' + line.strip())

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.strace.terminate()
        output = self.strace.communicate()[1]
        if not failure[0]:
            # strace counts sendto() and sendmsg() apart; if a message arrives meanwhile, the bus
            # may try again with the other one
            assert output.count('(INJECTED)') >= self.n, output


@test
def a_message_waits_until_the_kernel_has_memory_for_it():
    if is_reference(DAEMON):
        raise Skip('the reference ends the connection on ENOBUFS')
    if 'BUS_UNDER_VALGRIND' in os.environ:
        raise Skip('valgrind sends, too')
    with Daemon() as daemon, open('/dev/null') as null:
        a, b = (Connection(daemon.address).authenticate(fds=True) for _ in range(2))
        for error in 'ENOBUFS', 'ENOMEM':
            with Failing(daemon, error, 5):
                equal(a.call('GetId').kind, rawbus.RETURN)
            with Failing(daemon, error, 5):
                for i in range(3):
                    m = call(b.unique, '/', 'a.b', f'M{i}', 'h' * i, *[0] * i, flags=NO_REPLY)
                    a.send(m, [null.fileno()] * i)
                received = [b.receive() for _ in range(3)]
                equal([(m.member, len(m.fds)) for m in received], [('M0', 0), ('M1', 1), ('M2', 2)])
        a.close()
        b.close()


@test
def an_empty_address_is_none():
    with Daemon('--address=') as daemon:
        contains(daemon.address, f'unix:path={daemon.directory}/bus')


@test
def a_reload_can_be_asked_for_as_soon_as_the_address_is_known():
    with Daemon() as daemon:
        for _ in range(5):
            daemon.process.send_signal(signal.SIGHUP)
        Connection(daemon.address).authenticate().close()
        equal(daemon.stop(), 0)


if __name__ == '__main__':
    main()
