#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Real clients that authenticate with cookies, over unix sockets and TCP. Also hostile handshakes,
# and the log lines about them.

import atexit
import functools
import os
import pwd
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import rawbus
from busfixture import (TIMEOUT, Bus, Program, clean_environment, daemon_under_test,
                        is_reference)
from tap import Skip, contains, equal, main, test

HOME = tempfile.mkdtemp(prefix='bus-test-home-')
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ['HOME'] = os.environ['TMPDIR'] = HOME

UID = str(os.getuid()).encode().hex().encode()
COOKIES = '  <auth>DBUS_COOKIE_SHA1</auth>\n'
GIO = '''
import sys
from gi.repository import Gio, GLib
bus = Gio.DBusConnection.new_for_address_sync(
    sys.argv[1], Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
    Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
answer = bus.call_sync('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus',
                       'GetConnectionUnixUser', GLib.Variant('(s)', (bus.get_unique_name(),)), None,
                       0, -1, None)
print('user', answer.unpack()[0])
'''


def run(*argv, env=None, text=''):
    done = subprocess.run(argv, env=env or clean_environment(), input=text.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT)
    return done.returncode, done.stdout.decode()


def list_names(address, **environment):
    return run('dbus-send', '--bus=' + address, '--print-reply', '--dest=org.freedesktop.DBus', '/',
               'org.freedesktop.DBus.ListNames', env=clean_environment(**environment))


@test
def libdbus_with_cookies_only():
    with Bus(extra=COOKIES) as bus:
        status, output = list_names(bus.address)
        equal(status, 0, output)
        contains(output, 'string ":1.')
        # a client that does not find the cookie is refused
        status, output = list_names(bus.address, HOME='/nonexistent')
        equal(status != 0, True, output)


@test
def gio_with_cookies_only():
    with Bus(extra=COOKIES) as bus:
        equal(run(sys.executable, '-c', GIO, bus.address), (0, f'user {os.getuid()}\n'))


def over_tcp(function):
    """A test that needs a daemon with TCP support."""
    @functools.wraps(function)
    def run_or_skip():
        if os.environ.get('BUS_TCP') == 'none':
            raise Skip('built without TCP')
        function()
    return run_or_skip


@test
@over_tcp
def clients_over_tcp():
    for transport in 'tcp', 'nonce-tcp':
        with Bus(listen=transport + ':host=127.0.0.1') as bus:
            status, output = list_names(bus.address)
            equal(status, 0, output)
            contains(output, 'string ":1.')
            status, output = run('gdbus', 'call', '--address', bus.address, '--dest',
                                 'org.freedesktop.DBus', '--object-path', '/', '--method',
                                 'org.freedesktop.DBus.ListNames')
            equal(status, 0, output)
            contains(output, "':1.")


@test
@over_tcp
def clients_over_tcp_without_a_cookie():
    for transport in 'tcp', 'nonce-tcp':
        with Bus(listen=transport + ':host=127.0.0.1') as bus:
            status, output = list_names(bus.address, HOME='/nonexistent')
            equal(status != 0, True, output)


@test
@over_tcp
def service_and_client_over_tcp():
    """A service and a client over TCP, with messages of several sizes."""
    with Bus(listen='tcp:host=127.0.0.1') as bus:
        with Program(['dbus-test-tool', 'echo', '--name=com.example.Echo'], bus.environment()):
            status, output = run('gdbus', 'wait', '--address', bus.address, '--timeout', '10',
                                 'com.example.Echo')
            equal(status, 0, output)
            # not by --stdin: the tool does not always put a NUL after input that it reads in pieces
            for size in 1, 1000, 100000:
                status, output = run('dbus-test-tool', 'spam', '--dest=com.example.Echo',
                                     '--count=3', '--queue=2', '--payload=' + 'x' * size,
                                     env=bus.environment())
                equal(status, 0, output)


@test
def policy_decides_about_who_has_a_cookie():
    user = pwd.getpwuid(os.getuid()).pw_name
    policy = f'  <policy context="mandatory"><deny user="{user}"/></policy>\n'
    with Bus(extra=COOKIES + policy) as bus:
        status, output = list_names(bus.address)
        equal(status != 0, True, output)


def violate(bus, data, first=b'\0'):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(TIMEOUT)
        s.connect(rawbus.parse_address(bus.address))
        s.sendall(first + data)
        while s.recv(65536):
            pass


AUTH = b'AUTH EXTERNAL ' + UID + b'\r\n'
VIOLATIONS = {
    'the first byte is not NUL': (b'A' + AUTH, b''),
    'BEGIN before authentication': (b'BEGIN\r\n',),
    'too many attempts to authenticate': (b'AUTH\r\n' * 6,),
    'a line of the handshake is too long': (b'A' * 20000,),
    'broke the protocol: [a-z].*': (AUTH + b'BEGIN\r\n' + b'x' * 16,),
}


@test
def violations_are_logged_once():
    if is_reference(daemon_under_test()):
        raise Skip('what is logged is free')
    for rule, args in VIOLATIONS.items():
        with Bus() as bus:
            violate(bus, *args)
            lines = re.findall('.*(?:broke|dropped).*', bus.read_log())
            equal(len(lines), 1, str(lines))
            contains(lines[0], f'uid={os.getuid()}', f'pid={os.getpid()}')
            equal(bool(re.search(rule, lines[0])), True, f'{rule}: {lines[0]}')


@test
def last_rejection_is_read_before_the_end():
    with Bus() as bus, socket.socket(socket.AF_UNIX) as s:
        s.settimeout(TIMEOUT)
        s.connect(rawbus.parse_address(bus.address))
        s.sendall(b'\0' + b'AUTH\r\n' * 6)
        data = b''
        while chunk := s.recv(65536):
            data += chunk
        equal(data.count(b'REJECTED'), 6)
        equal(data.endswith(b'\r\n'), True)


def memory(bus):
    with open(f'/proc/{bus.pid}/status') as f:
        return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1))


@test
def who_does_not_read_answers_is_not_read_from():
    """Unauthenticated clients cannot let answers pile up in the bus."""
    if is_reference(daemon_under_test()):
        raise Skip('the reference reads on')
    with Bus() as bus, socket.socket(socket.AF_UNIX) as s:
        s.connect(rawbus.parse_address(bus.address))
        s.setblocking(False)
        before = memory(bus)
        s.send(b'\0')
        sent, lines = 0, b'X\r\n' * 20000
        deadline = time.monotonic() + TIMEOUT
        while sent < 64 << 20 and time.monotonic() < deadline:
            if not select.select([], [s], [], 0.5)[1]:
                break
            sent += s.send(lines)
        equal(sent < 16 << 20, True, f'{sent} bytes were taken')
        equal(memory(bus) - before < 64 << 10, True, 'memory')
        # the bus serves the other clients, and also this one when it reads again
        equal(list_names(bus.address)[0], 0)
        got = 0
        s.settimeout(TIMEOUT)
        while got < 1 << 20:
            got += len(s.recv(1 << 16))


@test
def handshake_and_hello_have_a_time():
    with Bus(extra='  <limit name="auth_timeout">400</limit>\n') as bus:
        for data in (b'', b'\0', b'\0AUTH\r\n', b'\0' + AUTH, b'\0' + AUTH + b'BEGIN\r\n',
                     b'\0AUTH DBUS_COOKIE_SHA1 ' + UID + b'\r\n'):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(TIMEOUT)
                s.connect(rawbus.parse_address(bus.address))
                started = time.monotonic()
                s.sendall(data)
                while s.recv(65536):
                    pass
                equal(0.3 < time.monotonic() - started < 5, True, str(data))
        equal(list_names(bus.address)[0], 0)


@test
def cookie_that_comes_too_late():
    """The time that the bus waits for the lock of a keyring counts as time of the handshake."""
    if is_reference(daemon_under_test()):
        raise Skip('the reference waits for the keyring, and nothing else')
    keyrings = HOME + '/.dbus-keyrings'
    shutil.rmtree(keyrings, ignore_errors=True)
    os.mkdir(keyrings, 0o700)
    open(keyrings + '/org_freedesktop_general.lock', 'x').close()
    with Bus(extra='  <limit name="auth_timeout">300</limit>\n') as bus:
        violate(bus, b'AUTH DBUS_COOKIE_SHA1 ' + UID + b'\r\n')
        contains(bus.read_log(), 'did not succeed in 300ms')
        # the bus ends without waiting for the keyring
        violate(bus, b'AUTH DBUS_COOKIE_SHA1 ' + UID + b'\r\n')
        started = time.monotonic()
        equal(bus.stop(), 0)
        equal(time.monotonic() - started < 3, True)
    shutil.rmtree(keyrings)


if __name__ == '__main__':
    os.environ['BUS_DAEMON'] = daemon_under_test()
    main()
