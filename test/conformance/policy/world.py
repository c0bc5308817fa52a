# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A bus with a policy and five connections, and the outcomes of the messages that they send.
#
#     root   uid 0, without names          one    uid 0, com.example.One
#     user   nobody, group 20              two    uid 0, com.example.Two, queued for com.example.One
#                                          three  nobody, com.example.Two.Sub
#
# They own these names if the policy allows it. Each connection has a match rule for everything.
# Those of root and one also have eavesdrop=true, which only privileged users may add. An operation
# is one message. Its outcome is the list of its recipients and the answer of the bus. A connection
# sends all its operations at once, and then calls the bus: all effects of the operations arrive
# before the answer to this call.

import array
import os
import select
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../integration'))

import rawbus  # noqa: E402
from busfixture import REFERENCE, Bus, clean_environment  # noqa: E402
from rawbus import BUS, CALL, ERROR, NO_REPLY, RETURN, SIGNAL, Message  # noqa: E402

# imported for the tests
__all__ = ['REFERENCE', 'SIGNAL', 'clean_environment']

USER, GROUP = 65534, 20  # a user of the user database, or the reference refuses the connection
ONE, TWO, SUB = 'com.example.One', 'com.example.Two', 'com.example.Two.Sub'
LABELS = ('root', 'user', 'one', 'two', 'three')
PREFIX = 'org.freedesktop.DBus.Error.'

# rules that allow the calls that the test itself makes, whatever the tested policy says
NEEDS = ''.join(f'<allow send_destination="{BUS}" send_interface="{BUS}" send_member="{m}"/>'
                for m in ('GetId', 'AddMatch', 'RequestName', 'GetNameOwner'))

CONFIG = '''<busconfig>
<type>session</type>
<listen>unix:path={directory}/bus</listen>
<limit name="max_replies_per_connection">50000</limit>
<limit name="max_connections_per_user">50000</limit>
{policy}
<policy context="mandatory">
{needs}<allow receive_sender="{bus}"/>
<allow user="0"/><allow user="{user}"/></policy>
</busconfig>
'''


def config_text(directory, policy):
    return CONFIG.format(directory=directory, policy=policy, needs=NEEDS, bus=BUS, user=USER)


class PolicyBus(Bus):
    """The daemon with a policy and a socket in the directory."""

    def __init__(self, daemon, policy, directory):
        path = os.path.join(directory, 'policy.conf')
        with open(path, 'w') as f:
            f.write(config_text(directory, policy))
        if os.path.exists(directory + '/bus'):
            os.unlink(directory + '/bus')
        super().__init__(daemon, config=path, args=('--nopidfile',))


def as_somebody(uid, function):
    """Runs the function with these user and group IDs, which the kernel reports to the bus."""
    if uid == os.getuid():
        return function()
    groups, gid = os.getgroups(), os.getegid()
    os.setgroups([GROUP])
    os.setegid(uid)
    os.seteuid(uid)
    try:
        return function()
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


class Connection:
    """A connection that sends many messages at once."""

    def __init__(self, address, uid):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        path = rawbus.parse_address(address)
        as_somebody(uid, lambda: self.socket.connect(path))
        self.buffer, self.serial, self.fds = b'', 0, 0
        self.socket.sendall(b'\0AUTH EXTERNAL ' + str(uid).encode().hex().encode() +
                            b'\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n')
        answer = b''
        while answer.count(b'\r\n') < 2:
            data = self.socket.recv(4096)
            if not data:
                raise rawbus.Closed()
            answer += data
        if not answer.startswith(b'OK '):
            raise rawbus.Closed()
        self.unique = None
        answers = self.exchange([(rawbus.bus_call('Hello').encode, 0)])[1]
        reply = answers[-1]
        if reply[0] != RETURN:
            raise rawbus.Closed()
        size, = struct.unpack_from('<I', reply[4])
        self.unique = reply[4][4:4 + size].decode()

    def close(self):
        self.socket.close()

    def take_serial(self):
        self.serial += 1
        return self.serial

    def send(self, encode, fds=0):
        """Send the bytes of encode(), with a new serial. Returns the serial."""
        serial = self.take_serial()
        data = bytearray(encode())
        struct.pack_into('<I', data, 8, serial)
        ancillary = []
        if fds:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0] * fds))]
        sent = self.socket.sendmsg([data], ancillary)
        if sent < len(data):
            self.socket.sendall(data[sent:])
        return serial

    def parse(self):
        """Returns the messages in the buffer: (kind, serial, fields, flags, body)."""
        messages, at, buffer = [], 0, self.buffer
        while len(buffer) - at >= 16:
            n_body, serial, n_fields = struct.unpack_from('<III', buffer, at + 4)
            header = 16 + n_fields + -n_fields % 8
            if len(buffer) - at < header + n_body:
                break
            end = at + header + n_body
            messages.append((buffer[at + 1], serial, buffer[at + 16:at + 16 + n_fields],
                             buffer[at + 2], buffer[end - n_body:end]))
            at = end
        self.buffer = buffer[at:]
        return messages

    def read(self, timeout):
        ready, _, _ = select.select([self.socket], [], [], timeout)
        if not ready:
            raise rawbus.Timeout()
        data, ancillary, _, _ = self.socket.recvmsg(1 << 18, socket.CMSG_SPACE(1012),
                                                    socket.MSG_CMSG_CLOEXEC)
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                received = array.array('i')
                received.frombytes(content[:len(content) - len(content) % 4])
                for fd in received:
                    os.close(fd)
        if not data:
            raise rawbus.Closed()
        self.buffer += data
        return self.parse()

    def exchange(self, operations):
        """
        Sends all operations (encode, fds), and receives until the reply to the last one. Returns
        the serials and the received messages; this reply is the last of them.
        """
        serials = [self.send(*o) for o in operations]
        messages = []
        while True:
            got = self.read(rawbus.TIMEOUT)
            messages += got
            for m in got:
                fields = header(m[2]) if m[0] in (RETURN, ERROR) else {}
                if fields.get(rawbus.REPLY_SERIAL) == serials[-1] and \
                        fields.get(rawbus.SENDER) == BUS:
                    messages.remove(m)
                    return serials, messages + [m]


def header(fields):
    """Returns the fields of a header, by their codes."""
    out, at = {}, 0
    while at < len(fields):
        at += -at % 8
        code, kind = fields[at], fields[at + 2]
        at += 4
        if kind == ord('g'):
            size = fields[at]
            out[code] = fields[at + 1:at + 1 + size].decode()
            at += size + 2
        elif kind == ord('u'):
            at += -at % 4
            out[code], = struct.unpack_from('<I', fields, at)
            at += 4
        else:
            at += -at % 4
            size, = struct.unpack_from('<I', fields, at)
            out[code] = fields[at + 4:at + 4 + size].decode()
            at += size + 5
    return out


class World:
    def __init__(self, bus, uids=None):
        self.connections = {}
        uids = uids or {'root': 0, 'user': USER, 'one': 0, 'two': 0, 'three': USER}
        for label in LABELS:
            self.connections[label] = Connection(bus.address, uids[label])
        # the names by which calls reach each connection
        self.addresses = {label: {c.unique} for label, c in self.connections.items()}
        for label, names in (('one', {ONE}), ('two', {TWO}), ('three', {SUB})):
            self.addresses[label] |= names
        for label, names in (('one', [ONE]), ('two', [TWO, ONE]), ('three', [SUB])):
            for name in names:
                self.call(label, 'RequestName', 'su', name, 0)
        for label in LABELS:
            self.call(label, 'AddMatch', 's', 'eavesdrop=true' if label in ('root', 'one') else '')
        for label in LABELS:
            self.collect(label)

    def close(self):
        for c in self.connections.values():
            c.close()

    def call(self, label, member, signature='', *args):
        message = rawbus.bus_call(member, signature, *args)
        message.serial = 0
        return self.connections[label].exchange([(message.encode, 0)])[1][-1]

    def collect(self, label):
        """Returns all messages that a connection has received, up to the answer to a call."""
        return self.connections[label].exchange([(BARRIER, 0)])[1][:-1]

    def outcomes(self, sender, operations):
        """
        Sends messages, whose destination may be a label. Returns the outcome of each: a set with
        the labels of its recipients, and with the name of the error or 'answered'. Also returns the
        calls that connections received, for replies: (receiver, sender, serial, whether the caller
        expects a reply).
        """
        connection = self.connections[sender]
        prepared = []
        for m in operations:
            prepared.append((self.encoder(m), m.n_fds))
        serials, messages = connection.exchange(prepared + [(BARRIER, 0)])
        index = {serial: i for i, serial in enumerate(serials[:-1])}
        results = [set() for _ in operations]
        received = []
        self.note(sender, connection, sender, index, results, received, messages[:-1])
        for label in LABELS:
            if label != sender:
                self.note(sender, connection, label, index, results, received,
                          self.collect(label))
        return results, received

    def encoder(self, m):
        destination = m.fields.get(rawbus.DESTINATION)
        if destination in self.connections:
            fields = dict(m.fields)
            fields[rawbus.DESTINATION] = self.connections[destination].unique
            m = Message(m.kind, fields, m.signature, m.body, m.flags)
        return m.encode

    def note(self, sender, connection, label, index, results, received, messages):
        for kind, serial, raw, flags, _ in messages:
            fields = header(raw)
            source = fields.get(rawbus.SENDER)
            if source == connection.unique and serial in index:
                results[index[serial]].add(label)
                if kind == CALL and fields.get(rawbus.DESTINATION) in self.addresses[label]:
                    received.append((label, sender, serial, not flags & NO_REPLY))
            elif source == BUS and label == sender and \
                    fields.get(rawbus.REPLY_SERIAL) in index and kind in (RETURN, ERROR):
                i = index[fields[rawbus.REPLY_SERIAL]]
                name = fields.get(rawbus.ERROR_NAME)
                results[i].add(name.removeprefix(PREFIX) if name else 'answered')


BARRIER_BYTES = rawbus.bus_call('GetId').encode()


def BARRIER():
    return BARRIER_BYTES
