#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tcp and nonce-tcp on the wire: addresses, nonces, and operations that need a unix socket.

import atexit
import hashlib
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile

import rawbus
from busfixture import Bus, clean_environment, wait_until
from rawbus import Closed
from transcript import ANY, main, scenario, scenario_with

HOME = tempfile.mkdtemp(prefix='bus-test-home-')
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ['HOME'] = HOME
os.environ['TMPDIR'] = HOME + '/tmp'
os.mkdir(HOME + '/tmp')

UID = str(os.getuid()).encode().hex()


class TcpConnection(rawbus.Connection):
    def __init__(self, address, name='?', host=None):
        keys = dict(pair.split('=', 1) for pair in address.partition(':')[2].split(','))
        self.name, self.unique, self.uid = name, None, os.getuid()
        self.socket = socket.create_connection((host or keys['host'], int(keys['port'])),
                                               rawbus.TIMEOUT)
        self.buffer, self.fds, self.serial = bytearray(), [], 0
        self.sent, self.queue, self.closed, self.monitor = {}, [], False, False


def address(s, transport='tcp'):
    return [a for a in s.address.split(';') if a.startswith(transport + ':')][0]


def connect(s, transport='tcp', name='A', host=None):
    c = TcpConnection(address(s, transport), name, host)
    s.connections.append(c)
    return c


def ask(c, line):
    c.send_raw(line.encode() + b'\r\n')
    try:
        answer = c.line()
    except Closed:
        return 'closed'
    if answer.startswith('DATA ') and len(answer) > 5:
        c.challenge = bytes.fromhex(answer[5:]).decode().split(' ')
        return 'DATA'
    return re.sub('^(ERROR).*', r'\1', re.sub('[0-9a-f]{32}', '<guid>', answer))


def prove(c):
    ask(c, 'AUTH DBUS_COOKIE_SHA1 ' + UID)
    _, number, challenge = c.challenge
    with open(HOME + '/.dbus-keyrings/org_freedesktop_general') as f:
        secret, = (line.split()[2] for line in f if line.split()[0] == number)
    digest = hashlib.sha1(f'{challenge}:abc:{secret}'.encode()).hexdigest()
    return ask(c, 'DATA ' + f'abc {digest}'.encode().hex())


def describe(text):
    text = re.sub(r'port=(?!0)\d+', 'port=<port>', re.sub('[0-9a-f]{32}', '<guid>', text))
    text = re.sub('dbus_nonce-[0-9A-Za-z]+', 'dbus_nonce-<random>', text.replace(HOME, '<home>'))
    return re.sub('unix:path=[^,]*', 'unix:path=<path>', text)


def listen(*addresses):
    return scenario_with(''.join(f'  <listen>{a}</listen>\n' for a in addresses))


@listen('tcp:host=localhost,port=0,family=ipv4', 'tcp:host=127.0.0.1', 'tcp:family=ipv4',
        'tcp:host=localhost,bind=127.0.0.2,family=ipv4',
        'tcp:host=some.where.invalid,bind=*,family=ipv4', 'tcp:host=127.0.0.1,bind=0.0.0.0',
        'nonce-tcp:host=127.0.0.1')
def addresses_are_printed(s):
    for one in s.address.split(';'):
        s.note(describe(one))
    s.connect('B')
    ports = re.findall(r'port=(\d+)', s.address)
    s.note(f'{len(ports)} {len(set(ports))} {len(set(re.findall("guid=([0-9a-f]{32})", s.address)))}')


@listen('tcp:host=127.0.0.1,bind=*,family=ipv4')
def star_is_every_interface(s):
    for host in '127.0.0.1', '127.0.0.3':
        s.note(ask(connect(s, host=host), '\0AUTH'))


@listen('tcp:host=127.0.0.1')
def mechanisms_without_kernel_credentials(s):
    c = connect(s)
    s.note(ask(c, '\0AUTH'))
    s.note(ask(c, 'AUTH EXTERNAL ' + UID))
    c = connect(s)
    s.note(ask(c, '\0AUTH EXTERNAL'))
    s.note(ask(c, 'DATA ' + UID))
    c = connect(s)
    s.note(ask(c, '\0AUTH EXTERNAL'))
    s.note('empty: ' + ask(c, 'DATA'))


@listen('tcp:host=127.0.0.1')
def cookie_lets_in(s):
    c = connect(s)
    c.send_raw(b'\0')
    s.note(prove(c))
    s.note(ask(c, 'NEGOTIATE_UNIX_FD'))
    c.send_raw(b'BEGIN\r\n')
    s.hello(c)
    c.drain()
    credentials = c.call('GetConnectionCredentials', 's', c.unique).body[0]
    s.note(f'{credentials.get("UnixUserID") == os.getuid()} {sorted(credentials)}')
    answer = c.call('GetConnectionUnixProcessID', 's', c.unique)
    s.note(str(answer.error_name))
    s.ask(c, rawbus.bus_call('RequestName', 'su', 'com.example.Name', 0))
    big = c.call('NameHasOwner', 's', 'a.' + 'b' * 200)
    s.note(f'{big.body}')
    c.close()
    d = s.connect('B')
    wait_until(lambda: d.call('NameHasOwner', 's', 'com.example.Name').body == (False,), 'gone')


@scenario_with('  <listen>tcp:host=127.0.0.1</listen>\n  <allow_anonymous/>\n')
def anonymous_lets_in(s):
    c = connect(s)
    s.note(ask(c, '\0AUTH ANONYMOUS'))
    c.send_raw(b'BEGIN\r\n')
    s.hello(c)
    c.drain()
    s.note(str(sorted(c.call('GetConnectionCredentials', 's', c.unique).body[0])))


@listen('tcp:host=127.0.0.1')
def messages_with_descriptors_do_not_reach_tcp(s):
    c, d = connect(s), s.connect('B', fds=True)
    c.send_raw(b'\0')
    prove(c)
    c.send_raw(b'BEGIN\r\n')
    s.hello(c)
    c.drain()
    with open('/dev/null', 'rb') as f:
        serial = d.send(rawbus.call(c.unique, '/', 'a.b', 'M', 'h', 0), [f.fileno()])
    s.see(d, [d.wait_for(serial)])


def nonce_file(s):
    return rawbus.unescape(re.search('noncefile=([^,;]*)', s.address).group(1))


def nonce(s):
    with open(nonce_file(s), 'rb') as f:
        return f.read()


@listen('nonce-tcp:host=127.0.0.1')
def nonce_lets_in(s):
    c = connect(s, 'nonce-tcp')
    file = nonce_file(s)
    s.note(f'{len(nonce(s))} {oct(stat.S_IMODE(os.stat(file).st_mode))} '
           f'{oct(stat.S_IMODE(os.stat(os.path.dirname(file)).st_mode))} '
           f'{os.listdir(os.path.dirname(file))}')
    c.send_raw(nonce(s) + b'\0')
    s.note(prove(c))
    c.send_raw(b'BEGIN\r\n')
    s.hello(c)


@listen('nonce-tcp:host=127.0.0.1')
def nonce_in_pieces(s):
    c = connect(s, 'nonce-tcp')
    c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in nonce(s) + b'\0AUTH\r\n':
        c.send_raw(bytes([byte]))
    s.note(c.line())


@listen('nonce-tcp:host=127.0.0.1')
def wrong_nonce_closes(s):
    right = nonce(s)
    for wrong in (bytes(16), b'\0AUTH EXTERNAL ' + UID.encode() + b'\r\n',
                  right[:15] + bytes([right[15] ^ 1])):
        c = connect(s, 'nonce-tcp')
        c.send_raw(wrong + b'\0AUTH\r\n')
        try:
            s.note(c.line())
        except Closed:
            s.note('closed')
    s.connect('B')


@scenario
def addresses_that_are_wrong(s):
    for one in ('tcp:host=127.0.0.1,family=ipx', 'tcp:host=127.0.0.1,port=nonsense',
                'tcp:host=127.0.0.1,port=70000', 'tcp:host=some.where.invalid',
                'tcp:host=192.0.2.1'):
        with tempfile.NamedTemporaryFile('w', suffix='.conf') as f:
            f.write(f'<busconfig><type>session</type><listen>{one}</listen></busconfig>')
            f.flush()
            try:
                done = subprocess.run([s.bus.daemon, '--config-file=' + f.name, '--nofork',
                                       '--print-address'], env=clean_environment(), timeout=5,
                                      stdin=subprocess.DEVNULL, capture_output=True)
                s.note(f'{one}: {done.returncode} {done.stdout} {bool(done.stderr)}')
            except subprocess.TimeoutExpired:
                s.note(f'{one}: runs')


@scenario
def first_address_that_works_is_taken(s):
    with Bus(s.bus.daemon, listen='tcp:host=192.0.2.1;tcp:host=127.0.0.1') as bus:
        s.note(describe(bus.address))


@scenario
def port_can_be_chosen_and_taken_again(s):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    for _ in range(2):
        with Bus(s.bus.daemon, listen=f'tcp:host=127.0.0.1,port={port}') as bus:
            s.note(str(f'port={port},' in bus.address))
            with socket.create_connection(('127.0.0.1', port)) as c:
                c.sendall(b'\0AUTH\r\n')
                s.note(str(c.recv(100)[:8]))


@scenario
def nonce_is_removed_at_the_end(s):
    bus = Bus(s.bus.daemon, listen='nonce-tcp:host=127.0.0.1')
    file = nonce_file(bus)
    s.note(str(os.path.exists(file)))
    bus.stop()
    s.note(f'file {os.path.exists(file)}')
    s.note(f'directory {os.path.exists(os.path.dirname(file))}')


@scenario
def system_bus(s):
    """Whether a system bus listens on TCP; the bridge must be built with -Dtcp=all for this."""
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as f:
        f.write('<busconfig><type>system</type><listen>tcp:host=127.0.0.1</listen>'
                '<auth>EXTERNAL</auth></busconfig>')
        f.flush()
        try:
            with Bus(s.bus.daemon, config=f.name):
                s.note('listens')
        except AssertionError:
            s.note('does not start')


DIFFERENCES = {
    'mechanisms_without_kernel_credentials': [
        ('empty: OK <guid>', ['empty: REJECTED EXTERNAL DBUS_COOKIE_SHA1 ANONYMOUS'],
         'who is unknown is told so while there are other mechanisms, and not closed after BEGIN'),
    ],
    'cookie_lets_in': [
        ("True ['ProcessID', 'UnixUserID']", ["True ['UnixUserID']"], 'there is no process 0'),
        ('None', ['org.freedesktop.DBus.Error.UnixProcessIdUnknown'], 'there is no process 0'),
    ],
    'anonymous_lets_in': [
        ("['ProcessID']", ['[]'], 'there is no process 0'),
    ],
    'nonce_in_pieces': [
        (ANY, ['REJECTED EXTERNAL DBUS_COOKIE_SHA1 ANONYMOUS'],
         'dbus-daemon closes when its one read brings less than the nonce'),
    ],
    'addresses_that_are_wrong': [
        ('tcp:host=127.0.0.1,port=70000: runs', ["tcp:host=127.0.0.1,port=70000: 1 b'' True"],
         'not on another port than the one that was asked for'),
    ],
    # the reference does not remove the file if a client was connected
    'nonce_is_removed_at_the_end': [
        (ANY, ['True', 'file False', 'directory False'], 'nothing is left behind'),
    ],
}

if os.environ.get('BUS_TCP') != 'all':
    DIFFERENCES['system_bus'] = [
        ('listens', ['does not start'], 'a system bus does not do TCP unless built with -Dtcp=all'),
    ]

if __name__ == '__main__':
    main(DIFFERENCES)
