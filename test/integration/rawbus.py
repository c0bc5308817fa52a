# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The D-Bus wire by hand, for tests.
#
# Marshals and unmarshals messages in both byte orders, also invalid ones, and speaks the SASL
# handshake over a plain socket. So a test can choose every byte that it sends, and sees every byte
# that it receives.

import array
import os
import select
import socket
import struct
import time

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY, NO_AUTO_START, INTERACTIVE = 1, 2, 4
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE, UNIX_FDS = \
    range(1, 10)
FIELD_TYPES = {PATH: 'o', INTERFACE: 's', MEMBER: 's', ERROR_NAME: 's', REPLY_SERIAL: 'u',
               DESTINATION: 's', SENDER: 's', SIGNATURE: 'g', UNIX_FDS: 'u'}

BUS = 'org.freedesktop.DBus'
BUS_PATH = '/org/freedesktop/DBus'

TIMEOUT = float(os.environ.get('BUS_TEST_TIMEOUT', '20'))

FIXED = {'y': ('B', 1), 'b': ('I', 4), 'n': ('h', 2), 'q': ('H', 2), 'i': ('i', 4), 'u': ('I', 4),
         'x': ('q', 8), 't': ('Q', 8), 'd': ('d', 8), 'h': ('I', 4)}
ALIGN = {'s': 4, 'o': 4, 'g': 1, 'a': 4, 'v': 1, '(': 8, '{': 8,
         **{k: v[1] for k, v in FIXED.items()}}


def split_signature(signature):
    """The complete types of a signature."""
    types, start = [], 0
    while start < len(signature):
        end = start
        while signature[end] == 'a':
            end += 1
        if signature[end] in '({':
            depth = 0
            while True:
                depth += {'(': 1, '{': 1, ')': -1, '}': -1}.get(signature[end], 0)
                end += 1
                if depth == 0:
                    break
        else:
            end += 1
        types.append(signature[start:end])
        start = end
    return types


class Raw(bytes):
    """A value that is put into the message as it is, for wrong messages."""


class Marshaller:
    def __init__(self, order='<', offset=0):
        self.order, self.data, self.offset = order, bytearray(), offset

    def align(self, to):
        self.data += bytes(-(len(self.data) + self.offset) % to)

    def put(self, signature, value):
        kind = signature[0]
        self.align(ALIGN[kind])
        if isinstance(value, Raw):
            self.data += value
        elif kind in FIXED:
            self.data += struct.pack(self.order + FIXED[kind][0], value)
        elif kind in 'so':
            raw = value if isinstance(value, bytes) else value.encode()
            self.data += struct.pack(self.order + 'I', len(raw)) + raw + b'\0'
        elif kind == 'g':
            raw = value if isinstance(value, bytes) else value.encode()
            self.data += bytes([len(raw)]) + raw + b'\0'
        elif kind == 'v':
            inner, item = value
            self.put('g', inner)
            self.put(inner, item)
        elif kind == 'a':
            at = len(self.data)
            self.data += bytes(4)
            self.align(ALIGN[signature[1]])
            start = len(self.data)
            for item in value.items() if isinstance(value, dict) else value:
                self.put(signature[1:], item)
            struct.pack_into(self.order + 'I', self.data, at, len(self.data) - start)
        else:
            for inner, item in zip(split_signature(signature[1:-1]), value):
                self.put(inner, item)


class Unmarshaller:
    def __init__(self, data, order='<', position=0):
        self.data, self.order, self.position = data, order, position

    def align(self, to):
        self.position += -self.position % to

    def get(self, signature):
        kind = signature[0]
        self.align(ALIGN[kind])
        if kind in FIXED:
            code, size = FIXED[kind]
            value, = struct.unpack_from(self.order + code, self.data, self.position)
            self.position += size
            return bool(value) if kind == 'b' else value
        if kind in 'sog':
            size = self.get('y' if kind == 'g' else 'u')
            value = bytes(self.data[self.position:self.position + size]).decode()
            self.position += size + 1
            return value
        if kind == 'v':
            return self.get(self.get('g'))
        if kind == 'a':
            size = self.get('u')
            self.align(ALIGN[signature[1]])
            end = self.position + size
            if signature == 'ay':
                self.position = end
                return bytes(self.data[end - size:end])
            items = []
            while self.position < end:
                items.append(self.get(signature[1:]))
            return dict(items) if signature[1] == '{' else items
        return tuple(self.get(inner) for inner in split_signature(signature[1:-1]))


class Message:
    """fields: code -> value, or (signature, value) for a field that is unknown or of a wrong type."""

    def __init__(self, kind, fields=None, signature='', body=(), flags=0, serial=0, order='<',
                 version=1):
        self.kind, self.fields, self.signature, self.body = kind, dict(fields or {}), signature, body
        self.flags, self.serial, self.order, self.version = flags, serial, order, version
        self.fds, self.raw = [], b''

    def __getattr__(self, name):
        codes = {'path': PATH, 'interface': INTERFACE, 'member': MEMBER, 'error_name': ERROR_NAME,
                 'reply_serial': REPLY_SERIAL, 'destination': DESTINATION, 'sender': SENDER,
                 'unix_fds': UNIX_FDS}
        if name not in codes:
            raise AttributeError(name)
        return self.fields.get(codes[name])

    def encode(self):
        body = Marshaller(self.order)
        for inner, item in zip(split_signature(self.signature), self.body):
            body.put(inner, item)
        fields = dict(self.fields)
        if self.signature:
            fields.setdefault(SIGNATURE, self.signature)
        entries = []
        for code, value in fields.items():
            if not isinstance(value, tuple):
                value = (FIELD_TYPES[code], value)
            entries.append((code, value))
        header = Marshaller(self.order)
        for kind, value in (('y', ord('l' if self.order == '<' else 'B')), ('y', self.kind),
                            ('y', self.flags), ('y', self.version), ('u', len(body.data)),
                            ('u', self.serial), ('a(yv)', entries)):
            header.put(kind, value)
        header.align(8)
        return bytes(header.data + body.data)


def call(destination, path, interface, member, signature='', *args, flags=0, **fields):
    f = {PATH: path, MEMBER: member}
    if interface:
        f[INTERFACE] = interface
    if destination:
        f[DESTINATION] = destination
    return Message(CALL, f, signature, args, flags, **fields)


def bus_call(member, signature='', *args, interface=BUS, path=BUS_PATH, flags=0):
    return call(BUS, path, interface, member, signature, *args, flags=flags)


def signal(path, interface, member, signature='', *args, destination=None):
    f = {PATH: path, INTERFACE: interface, MEMBER: member}
    if destination:
        f[DESTINATION] = destination
    return Message(SIGNAL, f, signature, args, NO_REPLY)


def reply(to, signature='', *args):
    return Message(RETURN, {REPLY_SERIAL: to.serial, DESTINATION: to.sender}, signature, args,
                   NO_REPLY)


def error(to, name, text=None):
    return Message(ERROR, {REPLY_SERIAL: to.serial, DESTINATION: to.sender, ERROR_NAME: name},
                   's' if text is not None else '', () if text is None else (text,), NO_REPLY)


class Closed(Exception):
    """The other side closed the connection."""


class Timeout(Exception):
    """No message arrived in time."""


def parse_address(address):
    """The argument of connect() for the first unix address of a list."""
    for one in address.split(';'):
        transport, _, rest = one.partition(':')
        value = dict(pair.split('=', 1) for pair in rest.split(','))
        if transport != 'unix':
            continue
        if 'path' in value:
            return unescape(value['path'])
        if 'abstract' in value:
            return '\0' + unescape(value['abstract'])
    raise ValueError(address)


def unescape(text):
    out, parts = text.split('%')[0], text.split('%')[1:]
    for part in parts:
        out += chr(int(part[:2], 16)) + part[2:]
    return out


class Connection:
    """
    A socket to the bus. name is its label in a transcript. uid is the user that connects, if this
    is not the user of the test; only root can connect as another user.
    """

    def __init__(self, address, name='?', uid=None):
        self.name, self.unique = name, None
        self.uid = os.getuid() if uid is None else uid
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.settimeout(TIMEOUT)
        own = os.geteuid()
        if uid is not None:
            os.seteuid(uid)  # the bus will see the user of this moment
        try:
            self.socket.connect(parse_address(address))
        finally:
            os.seteuid(own)
        self.buffer, self.fds, self.serial = bytearray(), [], 0
        self.sent = {}     # serial -> member, to name replies in a transcript
        self.queue = []    # received by wait_for(), not yet taken
        self.closed = False
        self.monitor = False  # a monitor must not send messages

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []
        self.socket.close()
        self.closed = True

    # bytes

    def send_raw(self, data, fds=()):
        ancillary = []
        if fds:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))]
        try:
            sent = self.socket.sendmsg([data], ancillary)
            if sent < len(data):
                self.socket.sendall(memoryview(data)[sent:])
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True

    def read_some(self, timeout=None):
        """Reads more bytes into the buffer; raises Closed on EOF."""
        poll = select.poll()  # select() takes no descriptors above 1023
        poll.register(self.socket, select.POLLIN)
        if not poll.poll((TIMEOUT if timeout is None else timeout) * 1000):
            raise Timeout()
        try:
            data, ancillary, flags, _ = self.socket.recvmsg(
                1 << 18, socket.CMSG_SPACE(253 * 4), socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            data, ancillary = b'', []
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds = array.array('i')
                fds.frombytes(content[:len(content) - len(content) % 4])
                self.fds += fds
        if not data:
            self.closed = True
            raise Closed()
        self.buffer += data

    # SASL

    def line(self):
        while b'\r\n' not in self.buffer:
            self.read_some()
        line, _, rest = bytes(self.buffer).partition(b'\r\n')
        self.buffer = bytearray(rest)
        return line.decode()

    def authenticate(self, fds=False, hello=True):
        uid = str(self.uid).encode().hex()
        self.send_raw(b'\0AUTH EXTERNAL ' + uid.encode() + b'\r\n')
        answer = self.line()
        if not answer.startswith('OK '):
            raise AssertionError('not authenticated: ' + answer)
        self.guid = answer[3:]
        if fds:
            self.send_raw(b'NEGOTIATE_UNIX_FD\r\n')
            answer = self.line()
            if answer != 'AGREE_UNIX_FD':
                raise AssertionError('no descriptors: ' + answer)
        self.send_raw(b'BEGIN\r\n')
        if hello:
            self.unique = self.call('Hello').body[0]
            self.drain()
        return self

    # messages

    def send(self, message, fds=()):
        if not message.serial:
            self.serial += 1
            message.serial = self.serial
        self.serial = max(self.serial, message.serial)
        self.sent[message.serial] = message.member or ''
        self.monitor = self.monitor or message.member == 'BecomeMonitor'
        if fds:
            message.fields.setdefault(UNIX_FDS, len(fds))
        self.send_raw(message.encode(), fds)
        return message.serial

    def parse(self):
        """The next message of the buffer, or None."""
        if len(self.buffer) < 16:
            return None
        order = {ord('l'): '<', ord('B'): '>'}[self.buffer[0]]
        n_body, serial, n_fields = struct.unpack_from(order + 'III', self.buffer, 4)
        header = 16 + n_fields
        header += -header % 8
        if len(self.buffer) < header + n_body:
            return None
        raw = bytes(self.buffer[:header + n_body])
        del self.buffer[:header + n_body]
        reader = Unmarshaller(raw, order, 12)
        m = Message(raw[1], order=order, flags=raw[2], serial=serial, version=raw[3])
        m.raw, m.raw_body = raw, raw[header:]
        end = 16 + n_fields
        reader.position = 16
        while reader.position < end:
            reader.align(8)
            code = reader.get('y')
            m.fields[code] = reader.get('v')
        m.signature = m.fields.get(SIGNATURE, '')
        body = Unmarshaller(raw[header:], order)
        m.body = tuple(body.get(t) for t in split_signature(m.signature))
        for _ in range(m.fields.get(UNIX_FDS, 0)):
            m.fds.append(self.fds.pop(0))
        return m

    def receive_new(self, timeout=None):
        deadline = time.monotonic() + (TIMEOUT if timeout is None else timeout)
        while True:
            m = self.parse()
            if m:
                return m
            self.read_some(max(0, deadline - time.monotonic()))

    def receive(self, timeout=None):
        """The next message, whether it was read already or not."""
        return self.queue.pop(0) if self.queue else self.receive_new(timeout)

    def wait_for(self, serial):
        """Reads up to the reply to serial, and returns it; queues the messages before it."""
        while True:
            m = self.receive_new()
            if m.kind in (RETURN, ERROR) and m.reply_serial == serial:
                return m
            self.queue.append(m)

    def call(self, member, signature='', *args, **kw):
        """Calls the bus and returns the reply; queues the messages before it."""
        return self.wait_for(self.send(bus_call(member, signature, *args, **kw)))

    def drain(self):
        """
        Returns all messages that the bus sends before it answers a call that this function makes.
        The bus keeps their order. If the bus closes the connection, the list ends with None.
        """
        try:
            self.call('GetId')
        except Closed:
            return self.take() + [None]
        return self.take()

    def take(self):
        queue, self.queue = self.queue, []
        return queue

    def until_closed(self):
        """Every message until EOF."""
        messages = self.take()
        while True:
            try:
                messages.append(self.receive_new())
            except Closed:
                return messages
