#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The destinations of the log: the journal, whose entries have fields; syslog if there is no
# journal; standard error. Their paths are fixed, so the test runs in a mount namespace with its own
# /run and /dev.
#
#   test-log.py BRIDGE

import os
import socket
import subprocess
import sys
import tempfile

from busfixture import REFERENCE, Bus, clean_environment, daemon_under_test, wait_until
from rawbus import Connection, call, signal
from tap import contains, equal, main, test

NAMESPACE = '''set -e
mount --make-rprivate /
mkdir "$0/dev" && touch "$0/dev/null" "$0/dev/urandom"
for f in null urandom; do mount --bind /dev/$f "$0/dev/$f"; done
mount --rbind "$0/dev" /dev
mount -t tmpfs none /run
mkdir -p /run/systemd/journal
exec "$@"
'''

if os.environ.get('TEST_LOG_INSIDE') != '1':
    with tempfile.TemporaryDirectory() as place:
        probe = subprocess.run(['unshare', '-m', 'sh', '-c', NAMESPACE, place, 'true'],
                               capture_output=True)
    if probe.returncode:
        print('1..0 # SKIP no namespace of our own: ' + probe.stderr.decode().strip())
        sys.exit(0)
    with tempfile.TemporaryDirectory() as place:
        sys.exit(subprocess.run(['unshare', '-m', 'sh', '-c', NAMESPACE, place, sys.executable,
                                 *sys.argv], env={**os.environ, 'TEST_LOG_INSIDE': '1'}).returncode)

DAEMON = daemon_under_test()
JOURNAL = '/run/systemd/journal/socket'
SYSLOG = '/dev/log'
STREAMS = '/run/systemd/journal/stdout'

CONFIG = '''<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <deny own="a.b"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <deny send_interface="i.denied"/>
    <allow send_interface="i.logged" log="true"/>
  </policy>
</busconfig>
'''
OWN_LINE, SEND_LINE, LOG_LINE = 7, 10, 11


class Sink:
    """A socket in place of the journal or of syslog, which reads what the bus sends there."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        if os.path.exists(self.path):
            os.unlink(self.path)

    def entry(self):
        """The next entry of the journal, as a dictionary."""
        data, fields = self.socket.recv(1 << 20), {}
        while data:
            line, _, data = data.partition(b'\n')
            key, equals, value = line.partition(b'=')
            if not equals:
                n = int.from_bytes(data[:8], 'little')
                value, data = data[8:8 + n], data[8 + n + 1:]
            assert key not in fields, key
            fields[key.decode()] = value.decode()
        return fields

    def entry_with(self, **wanted):
        while True:
            fields = self.entry()
            if all(fields.get(k) == v for k, v in wanted.items()):
                return fields


class LoggingBus(Bus):
    def __init__(self, *args, daemon=DAEMON, more='', **popen):
        with tempfile.NamedTemporaryFile('w', suffix='.conf', delete=False) as f:
            f.write(CONFIG.replace('</busconfig>', more + '</busconfig>'))
        self.config = f.name
        super().__init__(daemon, config=f.name, args=args, **popen)

    def __exit__(self, *_):
        os.unlink(self.config)
        super().__exit__()


def denied(connection):
    answer = connection.call('RequestName', 'su', 'a.b', 0)
    equal(answer.error_name, 'org.freedesktop.DBus.Error.AccessDenied')


@test
def the_journal_gets_fields():
    with Sink(JOURNAL) as journal, LoggingBus('--syslog-only') as bus:
        a, b = (Connection(bus.address).authenticate() for _ in 'ab')
        common = {'PRIORITY': '4', 'SYSLOG_FACILITY': '3', 'SYSLOG_IDENTIFIER': 'bus1-bridge',
                  'DBUS_POLICY': 'policy', 'DBUS_SENDER': a.unique,
                  'DBUS_SENDER_UID': str(os.getuid()), 'DBUS_SENDER_PID': str(os.getpid()),
                  'DBUS_RULE_FILE': bus.config}

        def check(fields, **wanted):
            for key, value in {**common, **wanted}.items():
                equal(fields.get(key), value, key)
            contains(fields['MESSAGE'], '[session uid=', a.unique, fields['DBUS_RULE'])
            equal(len(fields['MESSAGE_ID']), 32)

        denied(a)
        check(journal.entry_with(DBUS_ACTION='own'), DBUS_VERDICT='deny', DBUS_NAME='a.b',
              DBUS_RULE_LINE=str(OWN_LINE),
              DBUS_RULE=f'{bus.config}:{OWN_LINE}: <deny own="a.b"/>')

        a.send(call(b.unique, '/p', 'i.denied', 'Member'))
        a.receive()
        check(journal.entry_with(DBUS_ACTION='send'), DBUS_VERDICT='deny',
              DBUS_RULE_LINE=str(SEND_LINE), DBUS_DESTINATION=b.unique, DBUS_RECEIVER=b.unique,
              DBUS_RECEIVER_UID=str(os.getuid()), DBUS_TYPE='method_call', DBUS_PATH='/p',
              DBUS_INTERFACE='i.denied', DBUS_MEMBER='Member')

        a.send(signal('/p', 'i.logged', 'Said', destination=b.unique))
        fields = journal.entry_with(DBUS_ACTION='send')
        check(fields, DBUS_VERDICT='allow', DBUS_RULE_LINE=str(LOG_LINE), DBUS_TYPE='signal')
        assert 'DBUS_ERROR_NAME' not in fields

        # no line is on standard error
        equal(bus.read_log(), '')


@test
def a_service_that_does_not_run_is_no_receiver():
    with tempfile.TemporaryDirectory() as services, Sink(JOURNAL) as journal:
        with open(services + '/a.service', 'w') as f:
            f.write('[D-BUS Service]\nName=com.example.A\nExec=/bin/true\n')
        with LoggingBus('--syslog-only', more=f'<servicedir>{services}</servicedir>') as bus:
            a = Connection(bus.address).authenticate()
            a.send(call('com.example.A', '/p', 'i.denied', 'Member'))
            a.receive()
            fields = journal.entry_with(DBUS_ACTION='send')
            equal(fields['DBUS_DESTINATION'], 'com.example.A')
            contains(fields['MESSAGE'], 'destination="com.example.A" (not running)')
            equal([key for key in fields if key.startswith('DBUS_RECEIVER')], [])


@test
def many_denials_are_few_entries():
    with Sink(JOURNAL) as journal, LoggingBus('--syslog-only') as bus:
        a = Connection(bus.address).authenticate()
        journal.socket.setblocking(False)
        n = 0
        for _ in range(1000):
            denied(a)
            try:
                while True:
                    n += 'DBUS_VERDICT' in journal.entry()
            except BlockingIOError:
                pass
        assert 100 <= n < 500, n


@test
def a_journal_that_is_full_or_gone_is_no_trouble():
    with LoggingBus('--syslog-only') as bus:
        a = Connection(bus.address).authenticate()
        denied(a)  # no program listens
        with Sink(JOURNAL) as journal:
            for _ in range(60):
                denied(a)  # no program reads, and the queue is short
            n = 0
            journal.socket.setblocking(False)
            try:
                while True:
                    n += journal.entry()['DBUS_NAME'] == 'a.b'
            except BlockingIOError:
                pass
            assert 0 < n < 60, n
            journal.socket.settimeout(20)
            denied(a)
            equal(journal.entry()['DBUS_NAME'], 'a.b')
            contains(journal.entry()['MESSAGE'], f'{60 - n} lines were lost')
        denied(a)  # no program listens any more
        with Sink(SYSLOG) as syslog:
            denied(a)
            line = syslog.socket.recv(65536).decode()
            contains(line, '<28>bus1-bridge[', 'may not own "a.b"')
        denied(a)
        with Sink(JOURNAL) as journal:
            denied(a)
            equal(journal.entry()['DBUS_NAME'], 'a.b')
        equal(bus.stop(), 0)


@test
def standard_error_that_is_the_journal_is_told_with_fields():
    with tempfile.NamedTemporaryFile('w+') as f:
        st = os.fstat(f.fileno())
        env = clean_environment(JOURNAL_STREAM=f'{st.st_dev}:{st.st_ino}')
        shell = '#!/bin/sh\nexec "%s" "$@" 2>>%s\n' % (DAEMON, f.name)
        with tempfile.NamedTemporaryFile('w', suffix='.sh', delete=False) as script:
            script.write(shell)
        os.chmod(script.name, 0o755)
        try:
            with Sink(JOURNAL) as journal:
                with LoggingBus(env=env, daemon=script.name) as bus:
                    a = Connection(bus.address).authenticate()
                    denied(a)
                    equal(journal.entry_with(DBUS_ACTION='own')['DBUS_NAME'], 'a.b')
                    with open(f.name) as again:
                        equal(again.read(), '')
                    os.unlink(JOURNAL)
                    # without the socket of the journal, standard error gets the lines
                    denied(a)
                    with open(f.name) as again:
                        contains(again.read(), 'may not own "a.b"')
        finally:
            os.unlink(script.name)


@test
def standard_error_gets_lines():
    with Sink(JOURNAL) as journal, LoggingBus() as bus:
        denied(Connection(bus.address).authenticate())
        wait_until(lambda: 'may not own "a.b"' in bus.read_log(), 'the line')
        journal.socket.settimeout(0.1)
        try:
            raise AssertionError(journal.entry())
        except TimeoutError:
            pass
    # with --syslog, the journal and standard error get the lines
    with Sink(JOURNAL) as journal, LoggingBus('--syslog') as bus:
        denied(Connection(bus.address).authenticate())
        equal(journal.entry_with(DBUS_ACTION='own')['DBUS_NAME'], 'a.b')
        wait_until(lambda: 'may not own "a.b"' in bus.read_log(), 'the line')


def streams_of_a_service(directory, daemon, *args):
    """Starts a service. Returns what it wrote to each stream that the bus opened to the journal."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(STREAMS)
        listener.listen()
        listener.settimeout(20)
        with LoggingBus(*args, daemon=daemon,
                        more=f'<servicedir>{directory}</servicedir>') as bus:
            a = Connection(bus.address).authenticate()
            answer = a.call('StartServiceByName', 'su', 'log.service', 0)
            equal(answer.error_name, 'org.freedesktop.DBus.Error.Spawn.ChildExited')
            if '--nosyslog' in args:
                wait_until(lambda: 'err\n' in bus.read_log(), 'the line of the service')
                listener.settimeout(0.1)
            streams = []
            try:
                for _ in range(2):
                    stream = listener.accept()[0]
                    with stream, stream.makefile('r') as f:
                        streams.append(f.read())
            except TimeoutError:
                pass
            if streams:
                assert 'err\n' not in bus.read_log(), bus.read_log()
    os.unlink(STREAMS)
    return streams


@test
def services_are_in_the_journal_under_their_names():
    with tempfile.TemporaryDirectory() as directory:
        program, file = directory + '/program', directory + '/log.service.service'
        with open(program, 'w') as f:
            f.write('#!/bin/sh\necho out\necho err >&2\nexit 3\n')
        os.chmod(program, 0o755)
        with open(file, 'w') as f:
            f.write(f'[D-BUS Service]\nName=log.service\nExec={program}\n')
        for daemon in (REFERENCE, DAEMON):
            equal(streams_of_a_service(directory, daemon, '--syslog-only'),
                  ['log.service\n\n6\n0\n0\n0\n0\nout\n', 'log.service\n\n4\n0\n0\n0\n0\nerr\n'])
            equal(streams_of_a_service(directory, daemon, '--nosyslog'), [])


main()
