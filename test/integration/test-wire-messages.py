#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Messages on the wire: which are relayed and how, which are refused, which end the connection.

import os
import socket
import struct
import tempfile
import threading

import rawbus
from rawbus import (CALL, DESTINATION, ERROR, ERROR_NAME, INTERFACE, MEMBER, NO_AUTO_START,
                    NO_REPLY, PATH, REPLY_SERIAL, RETURN, SENDER, SIGNAL, SIGNATURE, UNIX_FDS,
                    Closed, Message, Raw, bus_call, call, signal)
from transcript import ANY, main, scenario

NAME = 'com.example.Name'


def pair(s, **kw):
    return s.connect('A', **kw), s.connect('B', **kw)


# delivery


@scenario
def call_and_reply_pass_unchanged(s):
    a, b = pair(s)
    for order in '<>':
        m = call(b.unique, '/x', 'com.example', 'Method', 'sa{sv}(yt)', 'text',
                 {'k': ('au', [1, 2])}, (7, 1 << 40), flags=0xa4, order=order)
        s.note(f'serial {a.send(m)}')
        got = b.receive()
        s.see(b, [got])
        s.note(f'{got.order} {got.serial} body same: {got.raw_body == m.encode()[-len(got.raw_body):]}')
        answer = rawbus.reply(got, 's', 'done')
        answer.order = order
        b.send(answer)
        s.see(a, [a.receive()])


@scenario
def error_reply_passes(s):
    a, b = pair(s)
    a.send(call(b.unique, '/x', 'com.example', 'Method'))
    b.send(rawbus.error(b.receive(), 'com.example.Failure', 'text'))
    m = a.receive()
    s.see(a, [m])
    s.note(str(m.body))


@scenario
def sender_is_stamped_over_a_forged_one(s):
    a, b = pair(s)
    m = call(b.unique, '/x', 'com.example', 'Method')
    m.fields[SENDER] = 'org.freedesktop.DBus'
    a.send(m)
    s.see(b, [b.receive()])


@scenario
def unknown_header_fields_are_removed(s):
    a, b = pair(s)
    m = call(b.unique, '/x', 'com.example', 'Method')
    m.fields[200] = ('s', 'unknown')
    m.fields[77] = ('(ia{sv})', (1, {'a': ('u', 1)}))
    m.fields[10] = ('o', '/container')
    a.send(m)
    s.see(b, [b.receive()])


@scenario
def unexpected_known_fields_are_kept(s):
    a, b = pair(s)
    m = signal('/x', 'com.example', 'Sig', destination=b.unique)
    m.fields[REPLY_SERIAL] = 77
    m.fields[ERROR_NAME] = 'com.example.Error'
    a.send(m)
    got = b.receive()
    s.see(b, [got])
    s.note(f'{got.reply_serial} {got.error_name}')


@scenario
def call_by_well_known_name_keeps_the_name_as_destination(s):
    a, b = pair(s)
    b.call('RequestName', 'su', NAME, 0)
    b.take()
    a.send(call(NAME, '/x', 'com.example', 'Method'))
    s.see(b, [b.receive()])


@scenario
def call_to_oneself(s):
    a = s.connect('A')
    a.send(call(a.unique, '/x', 'com.example', 'Method'))
    got = a.receive()
    s.see(a, [got])
    a.send(rawbus.reply(got))
    s.see(a, [a.receive()])


@scenario
def unowned_names(s):
    a = s.connect('A')
    for name in ('com.example.Nobody', ':1.999', ':99.1', ':1', ':', ':a.b.c'):
        s.ask(a, call(name, '/x', 'com.example', 'Method'))
    s.ask(a, call('com.example.Nobody', '/x', 'com.example', 'Method', flags=NO_AUTO_START))


@scenario
def unowned_name_without_reply_expected(s):
    a = s.connect('A')
    a.send(call('com.example.Nobody', '/x', 'com.example', 'Method', flags=NO_REPLY))
    s.show(a)


@scenario
def undeliverable_signal_and_replies(s):
    a = s.connect('A')
    a.send(signal('/x', 'com.example', 'Sig', destination='com.example.Nobody'))
    s.show(a)
    a.send(Message(RETURN, {REPLY_SERIAL: 5, DESTINATION: ':1.999'}, flags=NO_REPLY))
    s.show(a)


@scenario
def vanished_callee_gives_no_reply(s):
    a, b = pair(s)
    a.send(call(b.unique, '/x', 'com.example', 'One'))
    a.send(call(b.unique, '/x', 'com.example', 'Quiet', flags=NO_REPLY))
    s.see(b, [b.receive(), b.receive()])
    b.close()
    s.see(a, [a.receive()])
    s.show(a)


@scenario
def late_reply_to_a_vanished_caller(s):
    a, b = pair(s)
    watcher = s.connect('W')
    watcher.call('AddMatch', 's', f"member='NameOwnerChanged',arg0='{a.unique}'")
    a.send(call(b.unique, '/x', 'com.example', 'One'))
    got = b.receive()
    a.close()
    watcher.receive()
    b.send(rawbus.reply(got))
    s.show(b)


@scenario
def second_call_with_a_pending_serial(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    for target in b, b, c:
        m = call(target.unique, '/x', 'com.example', 'One')
        m.serial = 500
        a.send(m)
    s.show(a, b, c)


@scenario
def replies_nobody_asked_for(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    a.send(call(b.unique, '/x', 'com.example', 'One'))
    got = b.receive()
    c.send(rawbus.reply(got, 's', 'third party'))
    s.show(c, a)
    b.send(rawbus.reply(got, 's', 'right'))
    s.show(a)
    b.send(rawbus.reply(got, 's', 'twice'))
    s.show(b, a)


@scenario
def messages_from_one_sender_stay_in_order(s):
    a, b = pair(s)
    b.call('AddMatch', 's', "interface='com.example'")
    for i in range(300):
        if i % 3 == 0:
            a.send(signal('/x', 'com.example', f'S{i}'))
        elif i % 3 == 1:
            a.send(signal('/x', 'com.example', f'S{i}', destination=b.unique))
        else:
            a.send(call(b.unique, '/x', 'com.example', f'S{i}', flags=NO_REPLY))
    got = [b.receive().member for _ in range(300)]
    s.note(f"in order: {got == [f'S{i}' for i in range(300)]}")


@scenario
def big_message(s):
    a, b = pair(s)
    data = bytes(range(256)) * (16 << 12)
    m = call(b.unique, '/x', 'com.example', 'Big', 'ay', Raw(struct.pack('<I', len(data)) + data))
    a.socket.settimeout(None)
    thread = threading.Thread(target=lambda: a.send(m))
    thread.start()
    got = b.receive()
    thread.join()
    s.note(f'{got.member} {len(got.raw_body)} {got.raw_body[4:] == data}')


@scenario
def unknown_type_keeps_the_connection(s):
    a, b = pair(s)
    a.send(Message(5, {PATH: '/x', INTERFACE: 'com.example', MEMBER: 'M', DESTINATION: b.unique}))
    s.show(b)
    m = a.call('NameHasOwner', 's', 'a.b')
    s.note(str(m.body))


@scenario
def broadcast_calls_go_nowhere(s):
    a, b = pair(s)
    b.call('AddMatch', 's', '')
    b.take()
    a.send(Message(RETURN, {REPLY_SERIAL: 5}))
    a.send(Message(ERROR, {REPLY_SERIAL: 5, ERROR_NAME: 'a.b'}))
    s.show(b)


# descriptors


def some_file():
    f = tempfile.TemporaryFile()
    f.write(b'content')
    f.flush()
    return f


@scenario
def descriptors_are_passed(s):
    a, b = pair(s, fds=True)
    with some_file() as f, some_file() as g:
        a.send(call(b.unique, '/x', 'com.example', 'M', 'hh', 1, 0), [f.fileno(), g.fileno()])
        got = b.receive()
        s.see(b, [got])
        s.note(f'{got.body} {[os.pread(fd, 10, 0) for fd in got.fds]}')
        for fd in got.fds:
            os.close(fd)


@scenario
def descriptors_to_one_who_did_not_negotiate(s):
    a, b = s.connect('A', fds=True), s.connect('B')
    b.call('AddMatch', 's', "interface='com.example'")
    b.take()
    with some_file() as f:
        m = call(b.unique, '/x', 'com.example', 'M', 'h', 0)
        serial = a.send(m, [f.fileno()])
        s.see(a, [a.wait_for(serial)])
        a.send(signal('/x', 'com.example', 'Sig', 'h', 0), [f.fileno()])
        a.send(signal('/x', 'com.example', 'After'))
        s.show(a, b)


@scenario
def descriptors_without_negotiation_end_the_connection(s):
    a, b = pair(s)
    with some_file() as f:
        a.send(call(b.unique, '/x', 'com.example', 'M', 'h', 0), [f.fileno()])
        s.see(a, a.until_closed() + [None])
    s.show(b)


@scenario
def fewer_descriptors_than_declared_end_the_connection(s):
    a, b = pair(s, fds=True)
    m = call(b.unique, '/x', 'com.example', 'M')
    m.fields[UNIX_FDS] = 1
    a.send(m)
    s.see(a, a.until_closed() + [None])
    s.show(b)


@scenario
def more_than_sixteen_descriptors_end_the_connection(s):
    a, b = pair(s, fds=True)
    with some_file() as f:
        a.send(call(b.unique, '/x', 'com.example', 'M'), [f.fileno()] * 16)
        s.see(b, [b.receive()])
        a.send(call(b.unique, '/x', 'com.example', 'M'), [f.fileno()] * 17)
        s.see(a, a.until_closed() + [None])
    s.show(b)


@scenario
def surplus_descriptors_are_not_for_the_next_message(s):
    a, b = pair(s, fds=True)
    left = len(os.listdir(f'/proc/{s.bus.pid}/fd'))
    with some_file() as f, some_file() as other:
        for files in [f, f], [other]:
            m = call(b.unique, '/x', 'com.example', 'M', flags=NO_REPLY)
            m.fields[UNIX_FDS] = 1
            a.send(m, [x.fileno() for x in files])
            m = b.receive()
            s.note(f'{m.member} {len(m.fds)} {os.path.sameopenfile(m.fds[0], files[0].fileno())}')
        s.show(a, b)
    s.note(f'left: {len(os.listdir(f"/proc/{s.bus.pid}/fd")) - left}')


@scenario
def batch_with_descriptors_in_the_middle(s):
    a, b = pair(s, fds=True)
    with some_file() as f:
        plain = [signal('/x', 'com.example', f'P{i}', destination=b.unique) for i in range(2)]
        with_fd = signal('/x', 'com.example', 'F', 'h', 0, destination=b.unique)
        with_fd.fields[UNIX_FDS] = 1
        for i, m in enumerate((plain[0], with_fd, plain[1])):
            m.serial = 100 + i
        a.send_raw(plain[0].encode() + with_fd.encode() + plain[1].encode(), [f.fileno()])
        s.see(b, [b.receive(), b.receive(), b.receive()])


# messages that end the connection


def fixed(**kw):
    """A valid call, in which the given fields of the fixed header part have other values."""
    m = call('com.example.Nobody', '/x', 'com.example', 'M')
    m.serial = 9
    data = bytearray(m.encode())
    for key, value in kw.items():
        at = {'endian': 0, 'type': 1, 'flags': 2, 'version': 3, 'body': 4, 'serial': 8,
              'fields': 12}[key]
        if at >= 4:
            struct.pack_into('<I', data, at, value)
        else:
            data[at] = value
    return bytes(data)


def message(kind, fields, signature='', body=(), **kw):
    return Message(kind, fields, signature, body, serial=9, **kw).encode()


def with_body(signature, raw):
    """A call whose body is given as bytes."""
    m = call('com.example.Nobody', '/x', 'com.example', 'M')
    m.serial = 9
    m.fields[SIGNATURE] = ('g', signature)
    data = bytearray(m.encode() + raw)
    struct.pack_into('<I', data, 4, len(raw))
    return bytes(data)


def good(**fields):
    f = {PATH: '/x', INTERFACE: 'com.example', MEMBER: 'M', DESTINATION: 'com.example.Nobody'}
    codes = {'path': PATH, 'interface': INTERFACE, 'member': MEMBER, 'destination': DESTINATION,
             'sender': SENDER, 'reply_serial': REPLY_SERIAL, 'error_name': ERROR_NAME}
    for key, value in fields.items():
        if value is None:
            del f[codes[key]]
        else:
            f[codes[key]] = value
    return f


def raw_call(prefix_field=b''):
    """A valid call with one more header field, which is given as bytes."""
    base = Message(CALL, good(), serial=9)
    data = bytearray(base.encode())
    n = struct.unpack_from('<I', data, 12)[0]
    header = data[:16 + n]
    header += bytes(-len(header) % 8) + prefix_field
    struct.pack_into('<I', header, 12, len(header) - 16)
    return bytes(header + bytes(-len(header) % 8))


def variants(depth):
    return b''.join(b'\x01v\0' for _ in range(depth - 1)) + b'\x01y\0\x07'


VIOLATIONS = {
    'good': fixed(),
    'endian': fixed(endian=ord('x')),
    'type 0': fixed(type=0),
    'version 0': fixed(version=0),
    'version 2': fixed(version=2),
    'serial 0': fixed(serial=0),
    'all flags': fixed(flags=0xfa),
    'too long': fixed(body=(1 << 27) + 1),
    'call without path': message(CALL, good(path=None)),
    'call without member': message(CALL, good(member=None)),
    'call without interface': message(CALL, good(interface=None)),
    'signal without path': message(SIGNAL, good(path=None)),
    'signal without interface': message(SIGNAL, good(interface=None)),
    'signal without member': message(SIGNAL, good(member=None)),
    'return without reply serial': message(RETURN, {DESTINATION: ':1.1'}),
    'error without name': message(ERROR, {DESTINATION: ':1.1', REPLY_SERIAL: 1}),
    'error without reply serial': message(ERROR, {DESTINATION: ':1.1', ERROR_NAME: 'a.b'}),
    'reply serial 0': message(CALL, good(reply_serial=0)),
    'bad path': message(CALL, good(path='x')),
    'bad path slash': message(CALL, good(path='/x/')),
    'bad path double': message(CALL, good(path='/x//y')),
    'bad path char': message(CALL, good(path='/x-y')),
    'root path': message(CALL, good(path='/')),
    'bad interface': message(CALL, good(interface='com')),
    'bad interface digit': message(CALL, good(interface='com.1x')),
    'bad interface dash': message(CALL, good(interface='com.x-y')),
    'bad member': message(CALL, good(member='a.b')),
    'bad member digit': message(CALL, good(member='1a')),
    'empty member': message(CALL, good(member='')),
    'member of 255': message(CALL, good(member='a' * 255)),
    'member of 256': message(CALL, good(member='a' * 256)),
    'bad destination': message(CALL, good(destination='foo')),
    'bad destination dots': message(CALL, good(destination='a..b')),
    'bad destination digit': message(CALL, good(destination='1.2')),
    'empty destination': message(CALL, good(destination='')),
    'bad sender': message(CALL, good(sender='foo')),
    'good sender': message(CALL, good(sender='foo.bar')),
    'bad error name': message(CALL, good(error_name='foo')),
    'local path': message(CALL, good(path='/org/freedesktop/DBus/Local')),
    'local interface': message(CALL, good(interface='org.freedesktop.DBus.Local')),
    'local path broadcast': message(SIGNAL, good(path='/org/freedesktop/DBus/Local',
                                                 destination=None)),
    'field 0': message(CALL, {**good(), 0: ('s', 'x')}),
    'unknown field': message(CALL, {**good(), 99: ('s', 'x')}),
    'wrong field type': message(CALL, good(member=('o', '/M'))),
    **{f'field {code} a byte': message(CALL, {**good(), code: ('y', 1)}) for code in range(1, 12)},
    'duplicate field': raw_call(b'\x03\x01s\0\x01\0\0\0N\0'),
    'duplicate unknown field': raw_call(b'\x63\x01y\0\x01\0\0\0\x63\x01y\0\x01'),
    'container field of wrong type': message(CALL, {**good(), 10: ('s', 'x')}),
    'body without signature': fixed()[:4] + b'\x04\0\0\0' + fixed()[8:] + bytes(4),
    'body too short': with_body('uu', bytes(4)),
    'body too long': with_body('u', bytes(8)),
    'signature without body': with_body('u', b''),
    'empty signature and body': with_body('', b''),
    'boolean 2': with_body('b', b'\2\0\0\0'),
    'string without nul': with_body('s', b'\1\0\0\0ab'),
    'string with nul inside': with_body('s', b'\2\0\0\0a\0\0'),
    'string of bad utf8': with_body('s', b'\2\0\0\0\xc0\x80\0'),
    'string of surrogate': with_body('s', b'\3\0\0\0\xed\xa0\x80\0'),
    'string of noncharacter': with_body('s', b'\3\0\0\0\xef\xbf\xbf\0'),
    'string beyond unicode': with_body('s', b'\4\0\0\0\xf4\x90\x80\x80\0'),
    'string past the end': with_body('s', b'\x20\0\0\0a\0'),
    'bad object path': with_body('o', b'\1\0\0\0x\0'),
    'bad signature value': with_body('g', b'\1z\0'),
    'good signature value': with_body('g', b'\2ai\0'),
    'padding in body': with_body('yu', b'\1\1\0\0\7\0\0\0'),
    'good padding': with_body('yu', b'\1\0\0\0\7\0\0\0'),
    'empty array without padding': with_body('at', b'\0\0\0\0'),
    'empty array with padding': with_body('at', b'\0\0\0\0\0\0\0\0'),
    'array not a multiple': with_body('au', b'\3\0\0\0\0\0\0'),
    'array past the end': with_body('ay', b'\x10\0\0\0\0'),
    'array of 64 MiB and one': with_body('ay', struct.pack('<I', (1 << 26) + 1) + bytes(8)),
    'variant without type': with_body('v', b'\0\0'),
    'variant of two types': with_body('v', b'\2yy\0\0\0'),
    'variant of bad type': with_body('v', b'\1z\0\0'),
    'variants nested 64': with_body('v', variants(64)),
    'variants nested 65': with_body('v', variants(65)),
    'empty struct': with_body('()', b''),
    'dict entry alone': with_body('{ss}', bytes(8)),
    'dict entry with container key': with_body('a{vs}', bytes(8)),
    'dict entry of three': with_body('a{sss}', bytes(8)),
    'dict entry of one': with_body('a{s}', bytes(8)),
    'unknown type code': with_body('m', bytes(8)),
    'duplicate keys': with_body('a{yy}', b'\x0a\0\0\0\0\0\0\0\1\1\0\0\0\0\0\0\1\2'),
    '32 arrays': with_body('a' * 32 + 'y', bytes(4)),
    '33 arrays': with_body('a' * 33 + 'y', bytes(4)),
    '32 structs': with_body('(' * 32 + 'y' + ')' * 32, bytes(1)),
    '33 structs': with_body('(' * 33 + 'y' + ')' * 33, bytes(1)),
    'descriptor index out of range': with_body('h', b'\5\0\0\0'),
    'fds 0': message(CALL, {**good(), UNIX_FDS: 0}),
    'header padding': fixed()[:-1] + b'\1',
}


@scenario
def violations_end_the_connection(s):
    for name, data in VIOLATIONS.items():
        a = s.connect('A')
        a.serial = 1000
        a.send_raw(data)
        # if the bus answers the call that drain() makes, the connection is still open
        messages = a.drain()
        text = [s.describe(a, m) for m in messages]
        s.note(f'{name}: {"; ".join(text)}')
        a.close()


@scenario
def declared_sizes_are_checked_before_they_arrive(s):
    for body, fields in (((1 << 27) + 1, 100), (100, 1 << 27), (1 << 27, 100),
                         (0xffffffff, 100), (100, 0xffffffff)):
        a = s.connect('A')
        a.send_raw(struct.pack('<BBBBIII', ord('l'), 1, 0, 1, body, 9, fields))
        try:
            a.receive()
        except Closed:
            s.note(f'{body} {fields}: closed')


# pieces


@scenario
def messages_come_in_any_pieces(s):
    a, b = pair(s)
    data = b''
    for i in range(3):
        m = signal('/x', 'com.example', f'S{i}', 's', 'text', destination=b.unique)
        m.serial = 100 + i
        data += m.encode()
    for byte in data:
        a.send_raw(bytes([byte]))
    s.see(b, [b.receive() for _ in range(3)])


@scenario
def half_close_is_drained(s):
    a, b = pair(s)
    # the bus defers its answers to the first and the last of these messages
    messages = (bus_call('ReloadConfig'), bus_call('NameHasOwner', 's', 'a.b'),
                bus_call('NameHasOwner', 's', 'a.b'),
                signal('/x', 'com.example', 'Last', destination=b.unique), bus_call('ReloadConfig'))
    for serial, m in enumerate(messages, 50):
        m.serial = serial
    a.send_raw(b''.join(m.encode() for m in messages))
    a.socket.shutdown(socket.SHUT_WR)
    s.see(a, a.until_closed() + [None])
    s.see(b, [b.receive()])


@scenario
def before_hello(s):
    a = s.socket('A')
    a.authenticate(hello=False)
    for m in (bus_call('ListNames'), bus_call('RequestName', 'su', NAME, 0),
              bus_call('Hello', interface='com.example')):
        s.see(a, [a.wait_for(a.send(m))])
    s.see(a, [a.wait_for(a.send(call(None, '/x', rawbus.BUS + '.Peer', 'Ping')))])
    s.see(a, [s.hello(a)])
    b = s.connect('B')
    for m in (call(b.unique, '/x', 'com.example', 'M'), signal('/x', 'com.example', 'S'),
              call('com.example.Nobody', '/x', 'com.example', 'M')):
        c = s.socket('C')
        c.authenticate(hello=False)
        c.send(m)
        s.see(c, c.until_closed() + [None])


@scenario
def hello_on_any_path_and_without_interface(s):
    for path, interface in (('/', rawbus.BUS), ('/x', None)):
        a = s.socket('A')
        a.authenticate(hello=False)
        m = a.wait_for(a.send(bus_call('Hello', path=path, interface=interface)))
        s.note(f'{path} {interface}: {m.error_name or m.signature}')


QUIET = 'errors are for calls that expect a reply'
UNREQUESTED = 'replies that nobody asked for are never delivered, but refused'
REFUSED = 'error to  org.freedesktop.DBus.Error.AccessDenied'

SURPLUS = 'the reference gives them to the next message that declares some'

DIFFERENCES = {
    'surplus_descriptors_are_not_for_the_next_message': [
        ('M 1 False', ['M 1 True'], SURPLUS),
        ('left: 1', ['left: 0'], SURPLUS),
    ],
    'unowned_name_without_reply_expected': [
        ('  A: error to Method org.freedesktop.DBus.Error.ServiceUnknown', [], QUIET),
    ],
    'undeliverable_signal_and_replies': [
        ('  A: error to Sig org.freedesktop.DBus.Error.ServiceUnknown', [], QUIET),
        ('  A: error to  org.freedesktop.DBus.Error.ServiceUnknown', [], QUIET),
    ],
    'late_reply_to_a_vanished_caller': [
        ('  B: error to  org.freedesktop.DBus.Error.ServiceUnknown', [], QUIET),
    ],
    'replies_nobody_asked_for': [
        ("  A: reply to One s('third party') from <C>", ['  C: ' + REFUSED], UNREQUESTED),
        ("  A: reply to One s('twice') from <B>", ['  B: ' + REFUSED], UNREQUESTED),
    ],
    'half_close_is_drained': [
        (ANY, ['  A: reply to 50 ()', '  A: reply to 51 b(False)', '  A: reply to 52 b(False)',
               '  A: reply to 54 ()', '  A: closed',
               '  B: signal com.example.Last () at /x from <A>'],
         'what a client sent before it closed its side is still answered'),
    ],
}

if __name__ == '__main__':
    main(DIFFERENCES)
